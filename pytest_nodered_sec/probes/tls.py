"""The certificate chain as a server sends it, and every fault that verifying it meets.

A memory BIO and an absolute deadline: a blocking handshake would hang for ever, and a socket time-out would not
end one that drips. Names are not checked here; the rule compares the SAN. No ALPN is sent: a server that knows
none of the names offered would end the handshake (RFC 7301, 3.2).
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import certifi
import idna
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID
from OpenSSL import SSL

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import CertificateFacts, PresentedChain

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from OpenSSL import crypto

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.probes.look import Look

_RECORD_LIMIT: Final = 65536
_LEGACY_SERVER_CONNECT: Final = 0x4  # SSL_OP_LEGACY_SERVER_CONNECT (OpenSSL, ssl.h.in): servers without RFC 5746
_UNREADABLE: Final = (
    ValueError,
    UnicodeError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    Warning,  # cryptography warns of serial numbers below one; under `-W error` that is raised
)
_BANNERS: Final = ((b"HTTP/", "plain HTTP"), (b"SSH-", "an SSH server"), (b"220 ", "a mail or FTP server"))


def present_chain(look: Look) -> PresentedChain:
    """Shake hands once and return what was presented.

    Verification runs at OpenSSL's default security level. A server that only old parameters can talk to (TLS 1.0
    and 1.1, 1024-bit Diffie-Hellman) is asked once more without that level. Verifying still collects every fault
    there, except 66 to 68 (weak keys and digests), which the facts of the certificates tell as well; verifying once
    more offline (X509StoreContext) would find fewer: the first fault only, and no wrong purpose.

    Raises:
        ProbeError: what answered is not TLS, or nothing answered in time.
    """
    target = look.target
    if not target.tls:
        return PresentedChain(target.hostname, "", (), (), "", datetime.now(UTC), target.port)
    try:
        return _shake_hands(look, legacy=False)
    except _Incompatible as first:
        try:
            return _shake_hands(look, legacy=True)
        except _Incompatible:
            raise ProbeError(str(first), Cause.PROTOCOL) from None


class _Incompatible(Exception):
    """The peer speaks TLS but no parameters were agreed on."""

    def __init__(self, where: str, reasons: str) -> None:
        super().__init__(f"no TLS handshake with {where}: {reasons}")
        self.reasons = reasons


def _shake_hands(look: Look, *, legacy: bool) -> PresentedChain:
    target = look.target
    host = _ascii(target.hostname)
    faults: dict[tuple[int, int], None] = {}
    walked: dict[int, crypto.X509] = {}
    context, trust = _context(target, legacy=legacy)

    def collect(_connection: SSL.Connection, certificate: crypto.X509, code: int, depth: int, _ok: int) -> bool:
        walked[depth] = certificate
        if code:
            faults[code, depth] = None
        return True  # go on: the first fault must not hide the others

    context.set_verify(SSL.VERIFY_PEER, collect)
    connection = SSL.Connection(context, None)
    if not _is_address(host):  # RFC 6066, 3: no literal addresses in SNI
        connection.set_tlsext_host_name(host.rstrip(".").encode("ascii"))
    connection.set_connect_state()
    with contextlib.closing(look.connect()) as sock:
        address = str(sock.getpeername()[0])
        try:
            _drive(connection, sock, look)
        except _Incompatible as error:
            if not walked or "alert" not in error.reasons:  # without an alert it was us who objected
                raise
            raise ProbeError(  # with TLS 1.3 such a handshake ends well, and only reading would meet the alert
                f"{target.url} ended the TLS handshake after showing its certificate, as servers do that demand a "
                f"client certificate ({error.reasons})",
                Cause.PROTOCOL,
            ) from None
    try:
        sent = connection.get_peer_cert_chain(as_cryptography=True) or []
        certificates = tuple(_facts(position, one) for position, one in enumerate(sent))
        path = _path(certificates, (walked[depth].to_cryptography() for depth in sorted(walked)))
    except _UNREADABLE as error:
        raise ProbeError(f"a certificate that {target.url} sends cannot be read: {error}", Cause.PROTOCOL) from None
    if not certificates:
        raise ProbeError(f"{target.url} completed a handshake without any certificate", Cause.PROTOCOL)
    protocol = connection.get_protocol_version_name()
    looked_at = datetime.now(UTC)
    return PresentedChain(
        host, protocol, certificates, tuple(faults), trust, looked_at, target.port, address, path=path
    )


def _context(target: Target, *, legacy: bool) -> tuple[SSL.Context, str]:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    if legacy:
        context.set_cipher_list(b"ALL:!aNULL:!eNULL:@SECLEVEL=0")
        context.set_min_proto_version(SSL.TLS1_VERSION)
        context.set_options(_LEGACY_SERVER_CONNECT)
    file, folder, trust = _system_store()
    context.load_verify_locations(file, folder)
    if target.ca_file:
        try:
            context.load_verify_locations(target.ca_file)
        except SSL.Error:
            raise ProbeError(f"no certificates can be read from {target.ca_file}", Cause.PROTOCOL) from None
        trust += f" and {Path(target.ca_file).name}"
    return context, trust


@functools.cache
def _system_store() -> tuple[str | None, str | None, str]:
    """Return file and folder of the system's trust store, and what to call it; certifi's where there is none.

    The OpenSSL inside the cryptography wheel looks in a place of its own, which is empty. The paths compiled into
    Python's are the system's; `cafile` and `capath` would follow SSL_CERT_FILE and SSL_CERT_DIR instead.
    """
    paths = ssl.get_default_verify_paths()
    file, folder = Path(paths.openssl_cafile), Path(paths.openssl_capath)
    has_file, has_folder = file.is_file(), folder.is_dir() and any(folder.iterdir())
    if not has_file and not has_folder:
        return certifi.where(), None, "certifi"
    return str(file) if has_file else None, str(folder) if has_folder else None, "the system's store"


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
    return _Incompatible(where, reasons or "failed")


def _ascii(hostname: str) -> str:
    if _is_address(hostname) or hostname.isascii():
        return hostname
    try:
        return idna.encode(hostname, uts46=True).decode("ascii")  # str.encode("idna") is of 2003: faß.de -> fass.de
    except idna.IDNAError as error:
        raise ProbeError(f"{hostname!r} is no host name: {error}", Cause.UNREACHABLE) from None


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
        names = [_plain(name) for name in san.get_values_for_type(x509.DNSName)]
        addresses = [str(address) for address in san.get_values_for_type(x509.IPAddress)]
    ca_issuers = False
    with contextlib.suppress(x509.ExtensionNotFound):
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
        ca_issuers = any(one.access_method == AuthorityInformationAccessOID.CA_ISSUERS for one in access)
    key_type, key_bits = _key(certificate)
    signature_hash = ""
    with contextlib.suppress(UnsupportedAlgorithm):
        algorithm = certificate.signature_hash_algorithm
        signature_hash = algorithm.name if algorithm else ""
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
        key_type=key_type,
        key_bits=key_bits,
        signature_hash=signature_hash,
        ca_issuers=ca_issuers,
    )


def _path(sent: tuple[CertificateFacts, ...], walked: Iterable[x509.Certificate]) -> tuple[CertificateFacts, ...]:
    """Return the certificates that verification walked, by depth: as sent, or else out of the trust store."""
    known = {one.fingerprint: one for one in reversed(sent)}
    facts = (_facts(-1, certificate) for certificate in walked)
    return tuple(known.get(one.fingerprint, one) for one in facts)


def _key(certificate: x509.Certificate) -> tuple[str, int]:
    try:
        key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return certificate.public_key_algorithm_oid.dotted_string, 0
    match key:
        case rsa.RSAPublicKey():
            return "RSA", key.key_size
        case ec.EllipticCurvePublicKey():
            return "EC", key.key_size
        case dsa.DSAPublicKey():
            return "DSA", key.key_size
        case ed25519.Ed25519PublicKey():
            return "Ed25519", 256
        case ed448.Ed448PublicKey():
            return "Ed448", 456
    return certificate.public_key_algorithm_oid.dotted_string, 0


def _text(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return _plain(f"CN={common[0].value!s}" if common else name.rfc4514_string())


def _plain(text: str) -> str:
    """Make what a stranger wrote fit for one line of a terminal."""
    shown = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
    return shown if len(shown) <= 256 else f"{shown[:255]}…"
