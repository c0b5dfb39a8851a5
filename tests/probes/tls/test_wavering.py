"""What is accepted by servers that speak no TLS, or none that can be relied on."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, cast

import nginxlab
import pytest
import tlslab
from probes.tls.offers import CONTROLS, EC, HOST, MIDDLE, TODAY, accepted, judged, lead, look_at
from suite_runs import need_nginx

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.observations.settling import settle
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.tls.suites import see_offers, see_part

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_nodered_sec.probes.transport.look import Look


# --- what is no TLS, or none that can be relied on ---------------------------------------------------------------


def floods(record: bytes) -> Callable[[socket.socket], None]:
    """Return a server that sends one record for ever."""

    def handle(sock: socket.socket) -> None:
        while True:
            sock.sendall(record * 100)

    return handle


@pytest.mark.parametrize(
    ("handle", "cause", "message"),
    [
        (tlslab.hangs, Cause.TIMEOUT, "did not answer a ClientHello in time: nothing came back"),
        (tlslab.drips, Cause.TIMEOUT, r"did not answer a ClientHello in time: \d+ bytes came back"),
        (tlslab.closes, Cause.CLOSED, "refused every version and suite .closed the connection after 0 bytes"),
        (tlslab.resets, Cause.CLOSED, "refused every version and suite .ended the connection .connection reset"),
        (tlslab.says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Cause.PROTOCOL, "plain HTTP answered"),
        (tlslab.says(b"SSH-2.0-OpenSSH_9.2p1\r\n"), Cause.PROTOCOL, "an SSH server answered"),
        (tlslab.says(b"220 mail.test ESMTP\r\n"), Cause.PROTOCOL, "a mail or FTP server answered"),
        (tlslab.says(bytes(range(128, 256))), Cause.PROTOCOL, "no TLS record"),
        (tlslab.says(b"\x16\x03\x03\x00\x04ABCD"), Cause.PROTOCOL, "a handshake message of type 65"),
        (tlslab.says(b"\x15\x03\x03\x00\x02\x02\x28"), Cause.REJECTED, "refused every .*alert handshake_failure"),
        (tlslab.says(b"\x15\x03\x03\x00\x02\x02\x46"), Cause.REJECTED, "refused every .*alert protocol_version"),
        (tlslab.says(b"\x15\x03\x03\x00\x02\x02\x70"), Cause.REJECTED, "refused every .*alert unrecognized_name"),
        (floods(b"\x16\x03\x03\x00\x04" + bytes(4)), Cause.PROTOCOL, "65536 bytes and no ServerHello"),
        (floods(b"\x15\x03\x03\x00\x02\x01\x0a"), Cause.PROTOCOL, "65536 bytes and no ServerHello"),
        (tlslab.says(b"\x16\x03\x03\x40\x00\x02\x00\x30\x00" + bytes(9000)), Cause.TIMEOUT, "9009 bytes came back"),
        (
            tlslab.says(b"\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03" + bytes(33) + b"\xc0\xff\x00"),
            Cause.PROTOCOL,
            "chose 0xC0FF of TLSv1.2, which was not offered",
        ),
    ],
    ids=[
        "silence", "drip", "close", "reset", "http", "ssh", "smtp", "garbage", "garbage in a record", "no agreement",
        "no version", "no name", "endless records", "endless warnings", "half a ServerHello", "not offered",
    ],
)  # fmt: skip
def test_what_is_no_tls_is_named_and_ends_in_time(handle: Any, cause: Cause, message: str) -> None:
    # who sends without end is left by what came, however long that takes on a busy machine
    limit = 0.8 if cause is Cause.TIMEOUT else 30.0
    with tlslab.serving(handle) as server:
        began = time.monotonic()
        with pytest.raises(ProbeError, match=message) as caught:
            see_offers(look_at(server.port, timeout=limit))
        took = time.monotonic() - began
    assert caught.value.cause is cause
    assert f"https://{HOST}:{server.port}" in caught.value.message
    assert "\n" not in caught.value.message
    assert took < limit + 3  # the server would wait longer


def test_a_name_that_idna_refuses_is_could_not_look() -> None:
    with pytest.raises(ProbeError, match="is not a valid host name"):
        see_offers(look_at(1, host="a\u0338..ß"))


@contextlib.contextmanager
def in_front_of(port: int, decide: Callable[[bytes, int], Any]) -> Iterator[tlslab.Server]:
    """Stand before a real server: what `decide` does not take, by ClientHello and number, is led there."""
    server = tlslab.Server(0)

    def handle(sock: socket.socket) -> None:
        number = server.connections
        hello = sock.recv(65536)
        behaviour = decide(hello, number)
        if behaviour is None:
            lead(sock, port, hello)
        else:
            behaviour(sock)

    with tlslab.serving(handle, server):
        yield server


def refuses(sock: socket.socket) -> None:
    """End the connection without a word."""


def waits(sock: socket.socket) -> None:
    """Say nothing."""
    while sock.recv(65536):
        pass


def offered(hello: bytes) -> int:
    """Return the newest version that a ClientHello offers."""
    return 0x0304 if b"\x00\x2b\x00\x03\x02\x03\x04" in hello else int.from_bytes(hello[9:11])


@pytest.fixture
def good(tmp_path: Path) -> Iterator[int]:
    need_nginx()
    with nginxlab.serving(tmp_path, [EC, MIDDLE], server=f"{TODAY}:ECDHE-ECDSA-AES128-SHA;") as nginx:
        yield nginx.port


@pytest.mark.parametrize("behaviour", [refuses, waits], ids=["closes", "is silent"])
def test_a_server_that_takes_no_long_hello_is_asked_in_portions(behaviour: Any, good: int) -> None:
    with in_front_of(good, lambda hello, _: behaviour if len(hello) > 512 else None) as server:
        offers = see_offers(look_at(server.port, timeout=4))
    assert {version: len(names) for version, names in accepted(offers).items()} == {"TLSv1.3": 3, "TLSv1.2": 4}
    assert judged(offers) == {"tls-14": {"TLSv1.2"}}


def test_a_server_that_answers_hellos_alone_is_no_proof_of_tls() -> None:
    chosen = bytes.fromhex("009c")  # AES128-GCM-SHA256, which needs no more than this message
    hello = b"\x02\x00\x00\x26\x03\x03" + bytes(32) + b"\x00" + chosen + b"\x00"

    def handle(sock: socket.socket) -> None:
        said = sock.recv(65536)
        accepts = offered(said) == 0x0303 and chosen in said
        sock.sendall(b"\x16\x03\x03\x00\x2a" + hello if accepts else b"\x15\x03\x03\x00\x02\x02\x46")

    with tlslab.serving(handle) as server, pytest.raises(ProbeError) as caught:
        see_offers(look_at(server.port, timeout=4))
    assert "answers every ClientHello and completes no handshake, so what it accepts is not known" in str(caught.value)


def test_a_server_that_closes_for_old_versions_refuses_them(good: int) -> None:
    with in_front_of(good, lambda hello, _: refuses if offered(hello) < 0x0303 else None) as server:
        offers = see_offers(look_at(server.port))
    assert judged(offers) == {"tls-14": {"TLSv1.2"}}
    assert {offer.refusal for offer in offers.versions if not offer.accepted} == {"closed the connection after 0 bytes"}


@pytest.mark.parametrize("kept", [0, 1], ids=["from the start", "in between"])
def test_what_a_limit_of_connections_closes_is_asked_again_alone(kept: int, good: int) -> None:
    """So does HAProxy (tcp-request connection reject), and TLS 1.2 seemed to be refused, or to have one suite."""
    asked: list[bytes] = []

    def decide(hello: bytes, _: int) -> Any:
        if offered(hello) != 0x0303:
            return None
        asked.append(hello)
        return refuses if kept < len(asked) < kept + 3 else None

    with in_front_of(good, decide) as server:
        offers = see_offers(look_at(server.port))
    assert {version: len(names) for version, names in accepted(offers).items()} == {"TLSv1.3": 3, "TLSv1.2": 4}


def test_a_server_that_closes_where_it_should_refuse_is_asked_everything(good: int) -> None:
    def decide(hello: bytes, _: int) -> Any:
        return refuses if offered(hello) == 0x0303 and b"\xc0\x09" not in hello and b"\xc0\x2b" not in hello else None

    with in_front_of(good, decide) as server:
        offers = see_offers(look_at(server.port))
    assert {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA"} <= accepted(offers)["TLSv1.2"]


def test_silence_about_old_versions_is_no_refusal(good: int) -> None:
    with in_front_of(good, lambda hello, _: waits if offered(hello) < 0x0303 else None) as server:
        offers = see_offers(look_at(server.port, timeout=2))
    target = Target("t", f"https://{HOST}", Policy())
    for version in ("SSLv3", "TLSv1.0", "TLSv1.1"):
        with pytest.raises(ProbeError, match="in time"):
            settle(see_part(cast("Look", None), offers, f"speaks {version}"), target)
    for part in ("TLSv1.2", "TLSv1.3", "speaks TLSv1.2 TLSv1.3"):
        settle(see_part(cast("Look", None), offers, part), target)


def turns_away(sock: socket.socket) -> None:
    """Answer as if nothing of what is offered were accepted: alert handshake_failure."""
    sock.sendall(b"\x15\x03\x03\x00\x02\x02\x28")


@pytest.mark.parametrize(
    ("behaviour", "after"),
    [(refuses, 1), (refuses, 3), (refuses, 9), (waits, 5), *((turns_away, many) for many in range(11))],
)
def test_a_server_that_stops_talking_is_never_green(behaviour: Any, after: int, good: int) -> None:
    with in_front_of(good, lambda _, number: behaviour if number > after else None) as server:
        try:
            offers = see_offers(look_at(server.port, timeout=1.5))
        except ProbeError as error:
            assert error.cause in (Cause.CHANGED, Cause.TIMEOUT, Cause.CLOSED, Cause.REJECTED)  # noqa: PT017  one of two good ends
            return
    target = Target("t", f"https://{HOST}", Policy())
    troubled = 0
    for asks, _ in CONTROLS.values():
        for ask in asks:
            try:
                settle(see_part(cast("Look", None), offers, *ask.args), target)
            except ProbeError:
                troubled += 1
    assert troubled


def test_a_server_that_wavers_is_an_error(good: int) -> None:
    def decide(hello: bytes, number: int) -> Any:
        return refuses if number % 2 else None

    def everything(port: int) -> None:
        offers = see_offers(look_at(port, policy=Policy(pace="quiet")))  # in an order that is always the same
        for version in offers.versions:
            if version.trouble:
                raise version.trouble

    with in_front_of(good, decide) as server, pytest.raises(ProbeError) as caught:
        everything(server.port)
    assert caught.value.cause is Cause.CHANGED
