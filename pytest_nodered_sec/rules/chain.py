"""Whether the presented chain is trusted, names the host, and is renewed in time.

Where a server has two certificates, one with an RSA key and one with an ECDSA key, both must be right.

One fault, one control: 9 and 10 at depth 0 belong to tls-03, 62 to tls-02, 66 to 68 to tls-05, 3 and 23 to
tls-13; everything else that verifying meets is tls-01's, unknown codes included. Codes: OpenSSL, x509_vfy.h.
"""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.remedies.lines import OTHER_CA
from pytest_nodered_sec.verdict import NotApplicable, Violation

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.observations.chain import CertificateFacts, PresentedChain
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

_NO_ISSUER: Final = frozenset({2, 20, 21})
_TOO_LONG: Final = 22
_NOT_A_CA: Final = frozenset({24, 79})
_FOLLOWS_FROM_NOT_A_CA: Final = frozenset({26, 32})  # met at the same depth, and the same fault
_TEXTS: Final = {
    7: "has a signature that its issuer's key did not make",
    9: "is not yet valid",
    10: "has expired",
    13: "has an unreadable notBefore date",
    14: "has an unreadable notAfter date",
    18: "is self-signed and not trusted",
    19: "is a root that is not trusted here",
    22: "is in a chain that is too long for OpenSSL",
    24: "is not a CA certificate, yet issued another",
    25: "has more intermediates below it than its path length constraint allows",
    26: "may not be used for a server",
    27: "is not trusted for servers by the trust store",
    28: "is rejected by the trust store",
    32: "may not sign certificates",
    34: "has an unknown critical extension",
    37: "looks like a CA certificate, but is none",
    47: "violates a name constraint of its CA (not permitted)",
    48: "violates a name constraint of its CA (excluded)",
    76: "is signed by an unknown algorithm",
    77: "names a signature algorithm that does not fit its issuer's key",
    79: "is not a CA certificate, yet issued another",
    94: "has an EC key with explicit parameters instead of a named curve",
}
_FULL_CHAIN: Final = "nginx: ssl_certificate must point at fullchain.pem; Caddy: tls fullchain.pem privkey.pem"
_CA_FILE: Final = (
    "if this CA is yours, pass its root with --nodered-ca-file=FILE; otherwise get a certificate from a public CA"
)
_UNKNOWN_ROOT: Final = (18, 19)
_USAGE: Final = "issue the certificate for server authentication"
_REMEDIES: Final = {
    9: "set the clocks of CA and checker (timedatectl), or reissue that certificate",
    10: f"replace the expired certificate: certbot renew --force-renewal brings a current chain ({_FULL_CHAIN})",
    26: f"{_USAGE} (extendedKeyUsage = serverAuth)",
    47: "get a certificate whose names the CA is allowed to certify",
    48: "get a certificate whose names the CA is allowed to certify",
    94: "make a new key on a named curve: openssl ecparam -genkey -name prime256v1 -param_enc named_curve",
}
_NEW_CHAIN: Final = f"replace the chain by the CA's own ({_FULL_CHAIN})"
_TRUSTED: Final = "a chain that verifies to a trusted root"
_SKEW: Final = 120  # seconds by which clocks may differ
_SHORT: Final = timedelta(days=10).total_seconds()
_SHOWN: Final = 5


def of_each(seen: PresentedChain, judge: Callable[[PresentedChain], Verdict]) -> Verdict:
    """Judge the chain, and the one for the other kind of key; what both have in common is told once."""
    verdict = judge(seen)
    if seen.also is None or isinstance(verdict, NotApplicable):
        return verdict
    other = judge(seen.also)
    return verdict if isinstance(other, NotApplicable) else tuple(dict.fromkeys((*verdict, *other)))


def counted(seen: PresentedChain) -> tuple[CertificateFacts, ...]:
    """Return the certificates that verification walked, and all that were sent where it found no way to the end."""
    walked = seen.path or seen.certificates
    if not no_issuer(seen):
        return walked
    known = {certificate.fingerprint for certificate in walked}
    return (*walked, *(certificate for certificate in seen.certificates if certificate.fingerprint not in known))


def no_issuer(seen: PresentedChain) -> bool:
    """Whether verification found no way to the end."""
    return any(code in _NO_ISSUER for code, _ in seen.verify_errors)


def chain_is_trusted(seen: PresentedChain, policy: Policy) -> Verdict:
    """The chain as sent verifies to the system's store or the CA file given (RFC 5280, 6.1)."""
    if not seen.certificates:
        return (
            Violation(
                "no-tls",
                seen.evidence(),
                "HTTPS",
                "nginx: listen 443 ssl; ssl_certificate /etc/letsencrypt/live/NAME/fullchain.pem (and its key)",
            ),
        )
    if policy.certificate:
        return of_each(seen, lambda chain: _pinned(chain, policy.certificate))
    return of_each(seen, _faults)


def _faults(seen: PresentedChain) -> tuple[Violation, ...]:
    faults: dict[tuple[str, str], Violation] = {}
    for code, depth in _own(seen):
        certificate = seen.at_depth(depth)
        fault = _no_issuer(seen, certificate) if code in _NO_ISSUER else _fault(seen, certificate, code)
        faults.setdefault((fault.code, certificate.fingerprint), fault)
    for certificate in counted(seen):  # OpenSSL does not look at the dates of a last one without an issuer
        code = 10 if certificate.not_after < seen.looked_at else 9 if certificate.not_before > seen.looked_at else 0
        if code and certificate.position > 0:
            faults.setdefault((f"verify-{code}", certificate.fingerprint), _fault(seen, certificate, code))
    return tuple(faults.values())


def _pinned(seen: PresentedChain, pinned: str) -> tuple[Violation, ...]:
    leaf = seen.leaf
    if leaf.fingerprint == pinned:
        return ()
    return (
        Violation(
            "not-the-pinned-one",
            f"the {leaf.named()} has the SHA-256 {leaf.fingerprint}",
            f"the pinned certificate, {pinned}",
            f'if you replaced it yourself: sha256 = "{leaf.fingerprint}"; otherwise suspect a man in the middle',
        ),
    )


def _own(seen: PresentedChain) -> list[tuple[int, int]]:
    """Return the verify errors that tls-01 judges, without those that only follow from another of them."""
    met = seen.trust_errors
    too_long = any(code == _TOO_LONG for code, _ in met)
    not_a_ca = {depth for code, depth in met if code in _NOT_A_CA}
    no_issuer = max((depth for code, depth in met if code in _NO_ISSUER), default=0)
    own = []
    for code, depth in met:
        if code in _NO_ISSUER and (too_long or depth < no_issuer):
            continue
        if code in _FOLLOWS_FROM_NOT_A_CA and depth in not_a_ca:
            continue
        own.append((code, depth))
    return own


def _no_issuer(seen: PresentedChain, last: CertificateFacts) -> Violation:
    """Tell a certificate that is missing from a CA that is unknown."""
    if last.position < 0:
        return Violation(
            "anchor-is-no-root",
            f"{last.named()} was issued by `{last.issuer}`, which is not trusted ({seen.trust})",
            _TRUSTED,
            f"put the root `{last.issuer}` itself into the --nodered-ca-file",
        )
    if len(seen.certificates) == 1:
        send = f"the intermediate `{last.issuer}` ({_FULL_CHAIN})"
        unsure = f"{_own_ca(seen, last.issuer)}; or, if it is an intermediate, add {send}"
        if "intermediate" in last.issuer.lower():  # it says so itself
            unsure = f"add {send}; {_own_ca(seen, last.issuer)}"
        return Violation(
            "incomplete-chain",
            f"the server sends the {last.named()} only; its issuer `{last.issuer}` is neither sent nor trusted",
            _TRUSTED,
            f"add {send}" if last.ca_issuers else unsure,
        )
    walked = {certificate.fingerprint for certificate in seen.path or seen.certificates}
    if any(certificate.fingerprint not in walked for certificate in seen.certificates):
        return Violation(
            "incomplete-chain",
            f"the server sends {len(seen.certificates)} certificates, but not the one that issued the {last.named()}: "
            f"`{last.issuer}`",
            _TRUSTED,
            f"add the intermediate `{last.issuer}` ({_FULL_CHAIN})",
        )
    longer = f"send the whole chain of the CA ({_FULL_CHAIN}); " if last.ca_issuers else ""
    return Violation(
        "unknown-ca",
        f"{last.named()} was issued by `{last.issuer}`, which is not trusted ({seen.trust})",
        _TRUSTED,
        longer + _own_ca(seen, last.issuer),
    )


def _own_ca(seen: PresentedChain, issuer: str) -> str:
    """Return what to do about a CA that is not trusted; a CA file that was given may be that of another CA."""
    if not seen.ca_file:
        return _CA_FILE
    return (
        f"the chain ends at `{issuer}`, {OTHER_CA} {seen.ca_file}: if it is your CA, pass the file that has its root "
        "with --nodered-ca-file=FILE; otherwise get a certificate from a CA that is trusted"
    )


def _fault(seen: PresentedChain, certificate: CertificateFacts, code: int) -> Violation:
    text = _TEXTS.get(code, f"does not verify (OpenSSL verify code {code})")
    remedy = _REMEDIES.get(code, _NEW_CHAIN)
    if code == 9:
        text += f" (from {certificate.not_before:%Y-%m-%d %H:%MZ}){clocks(seen)}"
    elif code == 10:
        text += f" ({certificate.not_after:%Y-%m-%d %H:%MZ}){clocks(seen)}"
    elif code in _NOT_A_CA and certificate.authority:
        text = "may not sign certificates (keyUsage), yet issued another"
    elif code == 26 and not certificate.position and certificate.for_servers:
        text, remedy = (
            "may not be used for a server (keyUsage)",
            f"{_USAGE} (keyUsage = digitalSignature; extendedKeyUsage = serverAuth)",
        )
    elif code == 26 and certificate.position:
        text, remedy = "may not issue certificates for servers (extendedKeyUsage)", _NEW_CHAIN
    if code in _UNKNOWN_ROOT:
        remedy = _own_ca(seen, certificate.issuer)
    if certificate.position < 0:
        remedy = "bring the trust store up to date (apt-get install --only-upgrade ca-certificates), or the CA file"
    return Violation(f"verify-{code}", f"{certificate.named()} {text}", _TRUSTED, remedy)


def clocks(seen: PresentedChain) -> str:
    """Return a hint where the target's clock and ours differ, which may be the whole fault; else ""."""
    if seen.skew is None or abs(seen.skew) < _SKEW:
        return ""
    much = timedelta(seconds=abs(seen.skew))
    return f"; the target's clock is {much} {'ahead of' if seen.skew > 0 else 'behind'} ours, by its Date header"


def names_the_host(seen: PresentedChain, policy: Policy) -> Verdict:
    """The leaf's subject alternative name holds the host asked for (RFC 9525, 6; the common name does not count)."""
    if not seen.certificates:
        return NotApplicable("served without TLS: see tls-01")
    if policy.certificate:
        return NotApplicable("the pinned certificate identifies this target, whatever it names: see tls-01")
    return of_each(seen, _names)


def _names(seen: PresentedChain) -> tuple[Violation, ...]:
    leaf = seen.leaf
    host = seen.host.lower().rstrip(".")
    address = _address(host)
    if address in leaf.ip_addresses if address else any(_covers(name.lower(), host) for name in leaf.dns_names):
        return ()
    expected = f"a SAN with {address or host}"
    remedy = (
        f"issue the certificate with subjectAltName = IP:{address}, or use a name in the URL"
        if address
        else f"certbot certonly --nginx -d {host}, or issue the certificate with subjectAltName = DNS:{host}"
    )
    if not leaf.has_san:
        observed = f"{leaf.named()} has no subject alternative name; its common name does not count"
        return (Violation("no-san", observed, expected, remedy),)
    observed = f"{leaf.named()} is for {_listed(leaf)}, not for {address or host}{_near_miss(leaf, host, address)}"
    return (Violation("wrong-name", observed, expected, remedy),)


def _address(host: str) -> str:
    """Return an address literal in canonical form, without IPv6 zone; "" for a name."""
    try:
        return str(ip_address(host.partition("%")[0]))
    except ValueError:
        return ""


def _listed(leaf: CertificateFacts) -> str:
    names = (*leaf.dns_names, *leaf.ip_addresses)
    left = len(names) + leaf.further_names - _SHOWN
    more = f" and {left} more" if left > 0 else ""
    return (", ".join(names[:_SHOWN]) or "no host") + more


def _near_miss(leaf: CertificateFacts, host: str, address: str) -> str:
    """Say why a name that looks right to a person does not count."""
    names = {name.lower() for name in leaf.dns_names}
    if address:
        return " (the address is listed as a DNS name, which does not count)" if address in names else ""
    if f"*.{host}" in names:
        return " (a wildcard does not cover its parent domain)"
    if any(name.startswith("*.") and host.endswith(name[1:]) for name in names):
        return " (a wildcard matches one label only)"
    return ""


def _covers(pattern: str, name: str) -> bool:
    """Whether a SAN entry covers a name: exactly, or by a left-most `*` label that stands for one label.

    As OpenSSL does, a wildcard right below a top-level domain is not accepted.
    """
    if not pattern.startswith("*."):
        return pattern == name
    first, _, rest = name.partition(".")
    return bool(first) and rest == pattern[2:] and "." in rest


def renewal_is_in_time(seen: PresentedChain, policy: Policy) -> Verdict:
    """The leaf is in date, and more of its lifetime is left than the profile's share."""
    if not seen.certificates:
        return NotApplicable("served without TLS: see tls-01")
    return of_each(seen, lambda chain: _in_time(chain, policy))


def _in_time(seen: PresentedChain, policy: Policy) -> tuple[Violation, ...]:
    leaf = seen.leaf
    left = (leaf.not_after - seen.looked_at).total_seconds()
    renew = (
        "certbot renew && systemctl reload nginx, and enable the timer (systemctl enable --now certbot.timer); "
        "Caddy renews by itself: see its log; a private CA: reissue the certificate"
    )
    if left < 0:
        observed = f"{leaf.named()} expired on {leaf.not_after:%Y-%m-%d %H:%MZ}"
        return (Violation("expired", observed + clocks(seen), "currently valid", renew),)
    if leaf.not_before > seen.looked_at:
        return (
            Violation(
                "not-yet-valid",
                f"{leaf.named()} is valid from {leaf.not_before:%Y-%m-%d %H:%MZ}, our clock says "
                f"{seen.looked_at:%Y-%m-%d %H:%MZ}{clocks(seen)}",
                "currently valid",
                "set the clocks of server and checker (timedatectl), or reissue the certificate",
            ),
        )
    rule = policy.renewal
    short = leaf.lifetime < _SHORT
    needed = leaf.lifetime * rule.short_share if short else min(leaf.lifetime * rule.share, rule.cap_days * 86400)
    if left >= needed:
        return ()
    return (
        Violation(
            "renewal-late",
            f"{leaf.named()} has {left / 86400:.1f} of {leaf.lifetime / 86400:.1f} days left "
            f"(to {leaf.not_after:%Y-%m-%d %H:%MZ})",
            f"at least {needed / 86400:.1f} days (profile {policy.profile})",
            renew,
        ),
    )
