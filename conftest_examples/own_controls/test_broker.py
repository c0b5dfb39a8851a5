"""The MQTT broker on the plant's machine: a question of a kind of our own, because it is not HTTP."""

from dataclasses import dataclass

from pytest_nodered_sec import (
    Cause,
    ProbeError,
    Severity,
    Violation,
    chain_is_trusted,
    control,
    names_the_host,
    question,
    renewal_is_in_time,
    require,
    tls,
)

PORT = 8883
CONNECT = bytes.fromhex("100d 0004 4d515454 04 02 003c 0001 78")  # MQTT 3.1.1, 3.1: client "x", no user name
CODES = {0: "accepted", 4: "bad user name or password", 5: "not authorized"}  # 3.2.2.3


@dataclass(frozen=True)
class BrokerAnswer:
    """What the broker said to a client without a user name."""

    port: str
    code: int

    def evidence(self):
        """Return one line for the evidence."""
        return f"MQTT connect to port {self.port} without a user name: {CODES.get(self.code, self.code)}"


def connect_as_nobody(look, port):
    """Connect, read the answer, and leave."""
    with look.dial(int(port), tls=True) as sock:
        sock.sendall(CONNECT)
        answer = sock.recv(4)
        if len(answer) < 4 or answer[0] != 0x20:
            raise ProbeError(f"port {port} answered MQTT's connect with {answer!r}", Cause.PROTOCOL)
        sock.sendall(b"\xe0\x00")  # disconnect
    return BrokerAnswer(port, answer[3])


@control("site-03", severity=Severity.CRITICAL, asks=[question(connect_as_nobody, str(PORT), label=str(PORT))])
def test_broker_refuses_strangers(nodered_seen):
    """The MQTT broker requires a login."""
    remedy = "mosquitto.conf: allow_anonymous false, password_file /etc/mosquitto/passwd"
    wrong = Violation("anonymous", nodered_seen.evidence(), "not authorized", remedy)
    require((wrong,) if nodered_seen.code == 0 else ())


@control("site-04", severity=Severity.CRITICAL, asks=[tls(PORT)])
def test_brokers_certificate_is_trusted(nodered_chain, nodered_policy):
    """The MQTT broker's certificate leads to a trusted root."""
    require(chain_is_trusted(nodered_chain, nodered_policy))


@control("site-05", severity=Severity.CRITICAL, asks=[tls(PORT)])
def test_brokers_certificate_names_the_host(nodered_chain, nodered_policy):
    """The MQTT broker's certificate is valid for the host name."""
    require(names_the_host(nodered_chain, nodered_policy))


@control("site-06", severity=Severity.HIGH, asks=[tls(PORT)])
def test_brokers_certificate_is_renewed_in_time(nodered_chain, nodered_policy):
    """The MQTT broker's certificate is in date and renewed on time."""
    require(renewal_is_in_time(nodered_chain, nodered_policy))
