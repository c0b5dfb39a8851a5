"""Certificate revocation lists (CRL, RFC 5280, 5), fetched from the URLs in a verified chain.

Over plain HTTP, as such lists are published: they are signed. Only a chain that verifies is believed in what it
names, so nobody makes us ask for URLs of his choice.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.certificates import ListLookup, RevocationCheck
from pytest_nodered_sec.probes.tls.certificates import UNREADABLE, facts, plain
from pytest_nodered_sec.probes.tls.handshake import shake_hands
from pytest_nodered_sec.probes.transport.http import Client
from pytest_nodered_sec.probes.transport.net import dial, resolve
from pytest_nodered_sec.probes.transport.proxy import dial_through

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.chain import CertificateFacts
    from pytest_nodered_sec.probes.transport.http import Exchange
    from pytest_nodered_sec.probes.transport.look import Look
    from pytest_nodered_sec.probes.transport.net import Timed

_LIMIT: Final = 16 * 1024 * 1024  # bytes; public CAs split theirs into parts of at most a few megabytes
_HOPS: Final = 3
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_SHORT_LIVED: Final = 7 * 86400.0  # seconds; no list is needed then (Baseline Requirements, 1.6.1 and 7.1.2.11.2)

_UNDERSTOOD: Final = (  # extensions of lists; those of entries say nothing that matters here
    ExtensionOID.ISSUING_DISTRIBUTION_POINT,
    ExtensionOID.DELTA_CRL_INDICATOR,
    ExtensionOID.CRL_NUMBER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    ExtensionOID.FRESHEST_CRL,
)
_WITHDRAWN: Final = "removeFromCRL"  # of an entry in a delta CRL: no longer on hold
_NOT_FOR_EVER: Final = ("certificateHold", _WITHDRAWN)


def look_up_revocation(look: Look) -> RevocationCheck:
    """Look up every certificate below the trust anchor, where the policy asks for it.

    Raises:
        ProbeError: no TLS.
    """
    handshake = shake_hands(look)
    seen, policy = handshake.seen, look.target.policy
    if policy.revocation != "crl" or policy.certificate or not seen.certificates:
        return RevocationCheck(seen)
    if any(chain.trust_errors for chain in (seen, seen.also) if chain):
        return RevocationCheck(
            seen, obstacle="the chain does not verify, so its revocation lists are not fetched: see tls-01"
        )
    known = {certificate.fingerprint: certificate for chain in (seen, seen.also) if chain for certificate in chain.path}
    pairs = {
        facts(depth, certificate).fingerprint: (certificate, path[depth + 1])
        for path in handshake.paths
        for depth, certificate in enumerate(path[:-1])
    }
    return RevocationCheck(seen, tuple(_look_up(look, known[key], *pair) for key, pair in pairs.items()))


def _look_up(
    look: Look, named: CertificateFacts, certificate: x509.Certificate, issuer: x509.Certificate
) -> ListLookup:
    if not named.crls:
        return ListLookup(named, trouble=_without_list(named))
    trouble = "none of its list's URLs is plain HTTP"
    for url in named.crls:
        if not url.startswith("http://"):
            continue
        shown = plain(url)
        try:
            revoked = look.listed(url, partial(_fetch, look, url))
            _check_issuer(revoked, issuer, named)
            entry = revoked.get_revoked_certificate_by_serial_number(certificate.serial_number)
            reason = _reason(entry) if entry else ""
            if not entry or reason in _NOT_FOR_EVER:  # an entry of an old list or a part stands all the same
                _check_whole(revoked, named)
        except ProbeError as error:
            trouble = f"its list of revoked certificates cannot be fetched: {error.message}"
        except UNREADABLE as error:
            trouble = f"its list of revoked certificates ({shown}) cannot be read: {type(error).__name__}"
        else:
            since = entry.revocation_date_utc if entry and reason != _WITHDRAWN else None
            return ListLookup(named, shown, revoked.next_update_utc, since, reason if since else "")
    return ListLookup(named, trouble=trouble)


def _without_list(named: CertificateFacts) -> str:
    if named.position or named.lifetime <= _SHORT_LIVED:
        return ""
    return 'it names no list of revoked certificates, though revocation = "crl" asks for one'


def _reason(entry: x509.RevokedCertificate) -> str:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    except x509.ExtensionNotFound:
        return ""


def _check_issuer(revoked: x509.CertificateRevocationList, issuer: x509.Certificate, named: CertificateFacts) -> None:
    """Raise unless this is a list of the issuer's own certificates, signed by it, of a time that has come.

    Raises:
        ProbeError: it is not.
        UNREADABLE: it cannot be read, or its signature is of a kind that is not known here.
    """
    key = issuer.public_key()
    if revoked.issuer != issuer.subject or not revoked.is_signature_valid(key):  # type: ignore[arg-type]  # TypeError
        raise ProbeError(f"it is not signed by `{named.issuer}`", Cause.PROTOCOL)
    with contextlib.suppress(x509.ExtensionNotFound):
        if not issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign:
            raise ProbeError(f"`{named.issuer}` may not sign lists (its keyUsage lacks cRLSign)", Cause.PROTOCOL)
    if revoked.last_update_utc > datetime.now(UTC):
        raise ProbeError(f"it is valid only from {revoked.last_update_utc:%Y-%m-%d %H:%MZ}", Cause.PROTOCOL)
    unknown = [
        extension.oid.dotted_string
        for extension in revoked.extensions
        if extension.critical and extension.oid not in _UNDERSTOOD
    ]
    if unknown:  # RFC 5280, 5.2: then it says nothing to us
        raise ProbeError(f"it has an unsupported critical extension ({', '.join(unknown)})", Cause.PROTOCOL)
    point = _scope(revoked)
    if point and point.indirect_crl:
        raise ProbeError(
            "it lists certificates of several issuers (indirectCRL), which is not read here", Cause.PROTOCOL
        )


def _check_whole(revoked: x509.CertificateRevocationList, named: CertificateFacts) -> None:
    """Raise unless a list holds today and has every certificate of this kind, so that not to be in it says something.

    Raises:
        ProbeError: it does not.
        UNREADABLE: it cannot be read.
    """
    until = revoked.next_update_utc
    if until is None:
        raise ProbeError("it names no end of validity (nextUpdate)", Cause.PROTOCOL)
    if until < datetime.now(UTC):
        raise ProbeError(f"it has been out of date since {until:%Y-%m-%d %H:%MZ}", Cause.PROTOCOL)
    with contextlib.suppress(x509.ExtensionNotFound):
        base = revoked.extensions.get_extension_for_class(x509.DeltaCRLIndicator).value.crl_number
        raise ProbeError(f"it holds only the changes since list {base} (a delta CRL)", Cause.PROTOCOL)
    point = _scope(revoked)
    if point is None:
        return
    # Of several parts of a list each is signed: what it says of itself tells which one it is (RFC 5280, 6.3.3, b).
    own = [str(name.value) for name in point.full_name or ()]
    of_others = point.only_contains_user_certs if named.authority else point.only_contains_ca_certs
    another = point.relative_name is not None or (own and not set(own) & set(named.crls))
    if another or of_others or point.only_contains_attribute_certs:
        raise ProbeError("it is the list for other certificates", Cause.PROTOCOL)
    if point.only_some_reasons:
        raise ProbeError("it covers only some revocation reasons (onlySomeReasons)", Cause.PROTOCOL)


def _scope(revoked: x509.CertificateRevocationList) -> x509.IssuingDistributionPoint | None:
    try:
        return revoked.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return None


def _fetch(look: Look, url: str) -> x509.CertificateRevocationList:
    body = _download(look, url)
    try:
        return x509.load_pem_x509_crl(body) if body.startswith(b"-----BEGIN") else x509.load_der_x509_crl(body)
    except UNREADABLE:
        raise ProbeError(f"{plain(url)} holds no such list", Cause.PROTOCOL) from None


def _download(look: Look, url: str) -> bytes:
    first = urlsplit(url).hostname
    for _ in range(_HOPS):
        got = _ask(look, url)
        if got.status == 200 and len(got.body) <= _LIMIT:
            return got.body
        if got.status == 200:
            raise ProbeError(f"{plain(url)} has more than {_LIMIT // 1024**2} MiB", Cause.PROTOCOL)
        if got.status not in _REDIRECTS:
            raise ProbeError(f"{plain(url)} answered {got.status}", Cause.UNAVAILABLE)
        url = urljoin(url, got.headers.get("location", ""))
        if not url.startswith("http://") or urlsplit(url).hostname != first:
            raise ProbeError(f"redirected elsewhere, to {plain(url)}", Cause.PROTOCOL)
    raise ProbeError(f"{plain(url)}: one redirect after another", Cause.PROTOCOL)


def _ask(look: Look, url: str) -> Exchange:
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:
        raise ProbeError(f"{plain(url)} is not a URL", Cause.PROTOCOL) from None
    if not host or not url.isascii() or not url.isprintable() or " " in url:
        raise ProbeError(f"{plain(url)} is not a URL", Cause.PROTOCOL)
    proxy = look.target.http.proxy

    def connect(deadline: float) -> Timed:
        if proxy:
            return dial_through(proxy, host, port, deadline, look.target.ca_file)
        return dial(resolve(host, deadline)[0], port, deadline)

    client = Client(parts.netloc.rpartition("@")[2], connect)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        return client.ask("GET", path, look.deadline, limit=_LIMIT + 1)
    except ProbeError as error:
        raise ProbeError(f"{plain(url)}: {error.message}", error.cause) from None
    finally:
        client.close()
