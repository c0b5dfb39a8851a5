"""What hardly any server accepts any more, on those that still do: OpenSSL's own and tlslite-ng's."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
import warnings
from typing import TYPE_CHECKING, Any, cast

import nginxlab
import pytest
import tlslab
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from probes.tls.offers import MIDDLE, ROOT, RSA, accepted, judged, look_at
from tlslab import LoopbackLook

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.tls.handshake import present_chain
from pytest_nodered_sec.probes.tls.suites import see_offers
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.probes.transport.station import Station

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


# --- what nginx cannot do ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def s_server(folder: Path, *options: str) -> Iterator[int]:
    """Run OpenSSL's own server."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    certificates, key = nginxlab.write_chain(folder, "chain", [RSA, MIDDLE])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [program, "s_server", "-accept", f"127.0.0.1:{port}", "-quiet", "-cert", str(certificates)]
    process = subprocess.Popen(
        [*command, "-key", str(key), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.communicate()


def test_shared_keys_and_all_suites_of_tls_13(tmp_path: Path) -> None:
    suites = "TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256:TLS_AES_128_GCM_SHA256"
    psk = ("-psk", "0123456789abcdef", "-cipher", "PSK-AES128-GCM-SHA256:ECDHE-PSK-CHACHA20-POLY1305:@SECLEVEL=0")
    with s_server(tmp_path, "-ciphersuites", suites, *psk, "-groups", "P-521") as port:
        offers = see_offers(look_at(port))
    assert accepted(offers) == {
        "TLSv1.3": set(suites.split(":")),
        "TLSv1.2": {"PSK-AES128-GCM-SHA256", "ECDHE-PSK-CHACHA20-POLY1305"},
    }
    assert judged(offers) == {"tls-14": {"TLSv1.2"}, "tls-15": {"TLSv1.2", "TLSv1.3"}}
    assert {str(group) for group in offers.groups} == {"secp521r1"}


def test_tlslite_shows_sslv3_rc4_and_3des() -> None:
    handle = tlslite_server(["aes128gcm", "aes128", "3des", "rc4", "null"], (3, 0), (3, 3))
    with tlslab.serving(handle) as server:
        offers = see_offers(look_at(server.port, timeout=60))
    names = accepted(offers)
    assert names.keys() == {"TLSv1.2", "TLSv1.1", "TLSv1.0", "SSLv3"}
    assert {"DES-CBC3-SHA", "RC4-SHA", "RC4-MD5", "NULL-SHA"} <= names["SSLv3"] & names["TLSv1.2"]
    assert judged(offers) == {
        "tls-07": {"SSLv3", "TLSv1.0", "TLSv1.1"},
        "tls-09": {"SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2"},
        "tls-14": {"TLSv1.2"},
    }


def test_tlslite_alone_with_sslv3() -> None:
    with tlslab.serving(tlslite_server(["3des"], (3, 0), (3, 0))) as server:
        offers = see_offers(look_at(server.port, timeout=60))
    assert accepted(offers).keys() == {"SSLv3"}
    assert judged(offers)["tls-08"] == {""}


@pytest.mark.parametrize(
    ("highest", "expected"), [((3, 3), {"tls-16": {""}}), ((3, 4), {"tls-16": {""}})], ids=["TLS 1.2", "TLS 1.3 too"]
)
def test_a_server_without_secure_renegotiation_is_looked_at_and_no_secret_sent(
    highest: tuple[int, int], expected: dict[str, set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    handle = tlslite_server(["aes128gcm", "aes256gcm"], (3, 3), highest, reply, exchanges=["ecdhe_rsa"])
    import tlslite.tlsconnection as tlslite  # as if from before 2010: it neither knows nor answers RFC 5746

    def without(hello: Any, number: int) -> Any:  # Any: tlslite has no types
        return None if number == 0xFF01 else of_any(hello, number)

    of_any = tlslite.ClientHello.getExtension
    monkeypatch.setattr(tlslite.ClientHello, "getExtension", without)
    monkeypatch.setattr(tlslite.CipherSuite, "TLS_EMPTY_RENEGOTIATION_INFO_SCSV", -1)
    (tmp_path / "ca.pem").write_bytes(ROOT.pem)
    with tlslab.serving(handle) as server:
        assert judged(see_offers(look_at(server.port, timeout=60))) == expected
        target = Target("t", f"https://127.0.0.1:{server.port}", Policy(), ca_file=str(tmp_path / "ca.pem"), timeout=20)
        chain = present_chain(cast("Look", LoopbackLook(target)))
        assert not chain.trust_errors
        look = Look(Station(target))
        look.station.arrive(look.deadline)
        assert look.ask("GET", "/").status == 404
        if highest == (3, 3):  # with TLS 1.3 there is nothing to be afraid of
            with pytest.raises(ProbeError, match=r"nothing secret is sent to .* see tls-16") as caught:
                look.station.check_channel(look.deadline)
            assert caught.value.cause is Cause.UNVERIFIED
        else:
            look.station.check_channel(look.deadline)
        look.station.close()


def tlslite_server(
    ciphers: list[str],
    lowest: tuple[int, int],
    highest: tuple[int, int],
    reply: bytes = b"",
    exchanges: list[str] | None = None,
) -> Callable[[socket.socket], None]:
    """Return a server in pure Python, which still has what OpenSSL has not.

    Args:
        ciphers: as tlslite names them.
        lowest: version.
        highest: version.
        reply: what it says to whatever it is asked.
        exchanges: of keys, as tlslite names them; all where none are given.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it imports asyncore where there is one
        from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
        from tlslite.errors import BaseTLSException

    own = HandshakeSettings()
    own.minVersion, own.maxVersion, own.cipherNames = lowest, highest, ciphers
    own.macNames = ["sha", "sha256", "aead", "md5"]
    own.keyExchangeNames = exchanges or own.keyExchangeNames
    chain = X509CertChain()
    chain.parsePemList((RSA.pem + MIDDLE.pem).decode())
    pem = RSA.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    key = parsePEMKey(pem.decode(), private=True)

    def handle(sock: socket.socket) -> None:
        connection = TLSConnection(sock)
        with contextlib.suppress(BaseTLSException, OSError, ValueError):
            connection.handshakeServer(certChain=chain, privateKey=key, settings=own)
            if connection.recv(65536):
                connection.sendall(reply)
                connection.close()

    return handle
