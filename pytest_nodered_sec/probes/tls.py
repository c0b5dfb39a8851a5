"""The certificate chain as a server sends it, and every fault that verifying it meets.

A memory BIO and an absolute deadline: a blocking handshake would hang for ever, and a socket time-out would not
end one that drips. Names are not checked here; the rule compares the SAN.
"""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import certifi
import idna
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import CertificateFacts, PresentedChain

if TYPE_CHECKING:
    import socket

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.probes.look import Look

_RECORD_LIMIT: Final = 65536
_BANNERS: Final = ((b"HTTP/", "plain HTTP"), (b"SSH-", "an SSH server"), (b"220 ", "a mail or FTP server"))


def present_chain(look: Look) -> PresentedChain:
    """Shake hands once and return what was presented.

    Verification runs at OpenSSL's default security level. A server that only old parameters can talk to is asked
    once more without that level, and its chain is then reported with the faults found there.

    Raises:
        ProbeError: what answered is not TLS, or nothing answered in time.
    """
    target = look.target
    if not target.tls:
        return PresentedChain(target.hostname, "", (), (), "", datetime.now(UTC))
    try:
        return _shake_hands(look, legacy=False)
    except _Incompatible as first:
        try:
            return _shake_hands(look, legacy=True)
        except _Incompatible:
            raise ProbeError(str(first), Cause.PROTOCOL) from None


class _Incompatible(Exception):
    """The peer speaks TLS but no parameters were agreed on."""


def _shake_hands(look: Look, *, legacy: bool) -> PresentedChain:
    target = look.target
    host = _ascii(target.hostname)
    faults: dict[tuple[int, int], None] = {}
    context, trust = _context(target, legacy=legacy)

    def collect(_connection: SSL.Connection, _certificate: object, code: int, depth: int, _ok: int) -> bool:
        if code:
            faults[code, depth] = None
        return True  # go on: the first fault must not hide the others

    context.set_verify(SSL.VERIFY_PEER, collect)
    connection = SSL.Connection(context, None)
    if not _is_address(host):  # RFC 6066, 3: no literal addresses in SNI
        connection.set_tlsext_host_name(host.encode("ascii"))
    connection.set_connect_state()
    with contextlib.closing(look.connect()) as sock:
        _drive(connection, sock, look)
    sent = connection.get_peer_cert_chain(as_cryptography=True) or []
    certificates = tuple(_facts(position, one) for position, one in enumerate(sent))
    if not certificates:
        raise ProbeError(f"{target.url} completed a handshake without any certificate", Cause.PROTOCOL)
    protocol = connection.get_protocol_version_name()
    return PresentedChain(host, protocol, certificates, tuple(faults), trust, datetime.now(UTC))


def _context(target: Target, *, legacy: bool) -> tuple[SSL.Context, str]:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    if legacy:
        context.set_cipher_list(b"ALL:@SECLEVEL=0")
        context.set_min_proto_version(SSL.TLS1_VERSION)
    # The OpenSSL inside the cryptography wheel has a store of its own, which is empty: name the system's.
    paths = ssl.get_default_verify_paths()
    file = paths.openssl_cafile if Path(paths.openssl_cafile).is_file() else None
    folder = paths.openssl_capath if Path(paths.openssl_capath).is_dir() else None
    trust = "the system's store"
    if file is None and folder is None:
        file, trust = certifi.where(), "certifi"
    context.load_verify_locations(file, folder)
    if target.ca_file:
        context.load_verify_locations(target.ca_file)
        trust += f" and {Path(target.ca_file).name}"
    return context, trust


def _drive(connection: SSL.Connection, sock: socket.socket, look: Look) -> None:
    """Run the handshake to its end or to the deadline."""
    where = look.target.url
    received = b""
    while True:
        try:
            connection.do_handshake()
            done = True
        except SSL.WantReadError:
            done = False
        except SSL.Error as error:
            raise _explain(where, error, received) from None
        try:
            _flush(connection, sock, look)
            if done:
                return
            sock.settimeout(_left(look))
            data = sock.recv(_RECORD_LIMIT)
        except TimeoutError:
            got = f"{len(received)} bytes" if received else "nothing"
            raise ProbeError(
                f"the TLS handshake with {where} did not end in time: {got} came back", Cause.TIMEOUT
            ) from None
        except OSError as error:
            raise ProbeError(
                f"{where} ended the TLS handshake: {(error.strerror or 'reset').lower()}", Cause.CLOSED
            ) from None
        if not data:
            raise ProbeError(
                f"{where} closed the connection during the TLS handshake, after {len(received)} bytes", Cause.CLOSED
            )
        received = (received + data)[:64]
        connection.bio_write(data)


def _flush(connection: SSL.Connection, sock: socket.socket, look: Look) -> None:
    with contextlib.suppress(SSL.WantReadError):
        while True:
            sock.settimeout(_left(look))
            sock.sendall(connection.bio_read(_RECORD_LIMIT))


def _left(look: Look) -> float:
    left = look.deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _explain(where: str, error: SSL.Error, received: bytes) -> Exception:
    for start, what in _BANNERS:
        if received.startswith(start):
            return ProbeError(f"no TLS at {where}: {what} answered", Cause.PROTOCOL)
    reasons = ", ".join(reason for *_, reason in error.args[0]) if error.args else ""
    if received[:1] not in (b"\x15", b"\x16"):  # neither an alert nor a handshake record
        return ProbeError(f"no TLS at {where}: something else answered ({received[:16]!r})", Cause.PROTOCOL)
    return _Incompatible(f"no TLS handshake with {where}: {reasons or 'failed'}")


def _ascii(hostname: str) -> str:
    if _is_address(hostname) or hostname.isascii():
        return hostname
    return idna.encode(hostname, uts46=True).decode("ascii")


def _is_address(hostname: str) -> bool:
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(hostname)
        return True
    return False


def _facts(position: int, certificate: x509.Certificate) -> CertificateFacts:
    names: list[str] = []
    addresses: list[str] = []
    has_san = False
    with contextlib.suppress(x509.ExtensionNotFound):
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        has_san = True
        names = san.get_values_for_type(x509.DNSName)
        addresses = [str(address) for address in san.get_values_for_type(x509.IPAddress)]
    return CertificateFacts(
        position=position,
        subject=_text(certificate.subject) or ", ".join((*names, *addresses)[:1]) or "(no subject)",
        issuer=_text(certificate.issuer),
        self_issued=certificate.subject == certificate.issuer,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        dns_names=tuple(names),
        ip_addresses=tuple(addresses),
        has_san=has_san,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
    )


def _text(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return f"CN={common[0].value!s}" if common else name.rfc4514_string()
