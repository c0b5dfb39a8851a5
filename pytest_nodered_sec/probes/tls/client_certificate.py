"""The answers to clients without a certificate, and with a self-made one; the target's own is not shown."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.certificates import CertificateDemand
from pytest_nodered_sec.probes.tls.failures import Incompatible
from pytest_nodered_sec.probes.tls.handshake import TlsClient, shake_hands
from pytest_nodered_sec.probes.transport.answers import NO_CERTIFICATE
from pytest_nodered_sec.probes.transport.http import USER_AGENT
from pytest_nodered_sec.probes.transport.names import random_path
from pytest_nodered_sec.registry.elsewhere import one_of_each

if TYPE_CHECKING:
    from OpenSSL import crypto

    from pytest_nodered_sec.probes.transport.look import Look

_DAY: Final = timedelta(days=1)
_LIMIT: Final = 4096  # bytes; nginx's page has some 200
_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})")
_PARTS: Final = {  # of a name, as OpenSSL calls them
    b"C": NameOID.COUNTRY_NAME,
    b"ST": NameOID.STATE_OR_PROVINCE_NAME,
    b"L": NameOID.LOCALITY_NAME,
    b"O": NameOID.ORGANIZATION_NAME,
    b"OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    b"CN": NameOID.COMMON_NAME,
    b"DC": NameOID.DOMAIN_COMPONENT,
    b"emailAddress": NameOID.EMAIL_ADDRESS,
}
_OF_CERTIFICATES: Final = ("certificate", "handshake failure", "access denied", "unknown ca")


def come_without_certificate(look: Look) -> CertificateDemand:
    """Shake hands without a client certificate and ask for a random path; where that is refused, with a self-made one.

    Where the server leaves it to each path, the same for one place of each surface: of several gates one may ask only
    whether there is a certificate, or for a login instead.

    Servers that demand one end the handshake (up to TLS 1.2), send an alert after it (TLS 1.3), or answer 400 (nginx).
    nginx with `ssl_verify_client optional_no_ca`, Traefik with `RequireAnyClientCert` and Caddy with `mode require`
    take any certificate; settings that ask only whether there is one, by whom it says to be issued, or for whom, let
    everybody in. In calm mode no certificate is made. Where the policy demands none, nothing is sent to a server that
    asks for none, and in calm mode no place is asked for.

    Raises:
        ProbeError: no TLS, or neither answer nor alert.
    """
    policy = look.target.policy
    if not (policy.mutual_tls or _asks_for_one(look)):
        return CertificateDemand(asked=False)
    seen = _come_twice(look, look.target.admin(random_path()))
    if not seen.asked or seen.alert or seen.named or (seen.turned_away and seen.takes_any):
        return seen
    for path in one_of_each(look.target) if policy.mutual_tls or policy.mode != "calm" else ():
        look.extend()
        there = _come_twice(look, path)
        if (there.turned_away and there.takes_any) or (policy.mutual_tls and seen.demanded and there.leads_on):
            return replace(there, where=f"GET {path}")
    return seen


def _come_twice(look: Look, path: str) -> CertificateDemand:
    """Ask for a path without a client certificate, and where that is refused, with a self-made one."""
    without = TlsClient(look, certificate=False)
    seen = _come(look, without, path)
    if not (seen.asked and seen.turned_away) or look.target.policy.mode == "calm":
        return seen
    client = TlsClient(look, certificate=False)
    client.show(*_self_made(_authorities(without)))
    try:
        return replace(seen, self_made=_come(look, client, path).status)
    except ProbeError as error:
        if error.cause not in (Cause.CLOSED, Cause.PROTOCOL):
            raise
        return seen  # it takes no such certificate


def _asks_for_one(look: Look) -> bool:
    """Whether the server asks for a client certificate, by the handshake that tls-01 judges; one with an alert may."""
    try:
        return shake_hands(look).seen.wants_certificate
    except ProbeError as error:
        if error.cause is not Cause.PROTOCOL:
            raise
        return True


def turns_away(look: Look) -> bool:
    """Whether the server asks for a client certificate, and ends the handshake of whoever shows none.

    Raises:
        ProbeError: no TLS, or neither answer nor alert.
    """
    seen = _come(look, TlsClient(look, certificate=False), look.target.admin(random_path()))
    return seen.asked and bool(seen.alert)


def _come(look: Look, client: TlsClient, path: str) -> CertificateDemand:
    target = look.target
    host = f"[{client.host}]" if ":" in client.host else client.host
    lines = (f"GET {path} HTTP/1.1", f"Host: {host}:{target.port}", f"User-Agent: {USER_AGENT}", "Connection: close")
    request = "".join(f"{line}\r\n" for line in (*lines, ""))
    with contextlib.closing(look.connect()) as sock:
        try:
            client.shake_hands(sock)
            got = client.exchange(sock, request.encode("ascii"), _LIMIT)
        except Incompatible as error:
            if client.asked and any(word in error.reasons for word in _OF_CERTIFICATES):
                return CertificateDemand(asked=True, alert=error.reasons)
            raise ProbeError(str(error), Cause.PROTOCOL) from None
    while (status := _STATUS.match(got)) and status[1].startswith(b"1"):  # 103 Early Hints; the answer follows
        got = got.partition(b"\r\n\r\n")[2]
    if status is None:
        raise ProbeError(f"{target.url} answered GET {path} with something other than HTTP", Cause.PROTOCOL)
    return CertificateDemand(client.asked, status=int(status[1]), named=NO_CERTIFICATE.encode() in got)


def _authorities(client: TlsClient) -> tuple[x509.Name, ...]:
    """Return the authorities that the server says to trust, as far as their names can be written again."""
    return tuple(name for named in client.connection.get_client_ca_list() if (name := _written(named)) is not None)


def _written(named: crypto.X509Name) -> x509.Name | None:
    try:
        parts = [(_PARTS[kind], value.decode()) for kind, value in named.get_components()]
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])
    except (KeyError, ValueError):
        return None  # an unusual part


def _self_made(authorities: tuple[x509.Name, ...]) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return a certificate that no authority issued, valid today; it says that the first that the server named did.

    The key that it names as its issuer's is none of that authority, or OpenSSL would find the signature wrong, which
    `optional_no_ca` does not overlook.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "admin")])
    issuer = authorities[0] if authorities else name
    now = datetime.now(UTC)
    number = x509.random_serial_number()
    builder = x509.CertificateBuilder(issuer, name, key.public_key(), number, now - _DAY, now + _DAY)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    by = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return builder.add_extension(usage, critical=False).add_extension(by, critical=False).sign(
        key, hashes.SHA256()
    ), key
