"""Whether the presented chain is trusted, names the host, and is renewed in time.

One fault, one control: 9 and 10 at depth 0 belong to tls-03, 62 to tls-02, 66 to 68 to tls-05, 3 and 23 to
tls-13; everything else that verifying meets is tls-01's, unknown codes included. Codes: OpenSSL, x509_vfy.h.
"""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.model import NotApplicable, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.model import CertificateFacts, PresentedChain, Verdict
    from pytest_nodered_sec.policy import Policy

_OTHERS: Final = frozenset({3, 23, 62, 66, 67, 68})
_NO_ISSUER: Final = frozenset({2, 20, 21})
_TEXTS: Final = {
    9: "is not yet valid",
    10: "has expired",
    18: "is self-signed and not trusted",
    19: "comes with a root that is not trusted here",
    22: "is at the end of a chain that is too long",
    24: "is not a CA certificate, yet issued another",
    26: "may not be used for a server",
    32: "may not sign certificates",
    47: "breaks a name constraint of its CA",
    79: "is not a CA certificate, yet issued another",
}
_TRUSTED: Final = "a chain that verifies to a trusted root"
_CA_FILE: Final = (
    "if this CA is yours, pass its root with --nodered-ca-file=FILE; otherwise get a certificate from a public CA"
)
_SHORT: Final = timedelta(days=10).total_seconds()


def chain_is_trusted(seen: PresentedChain, policy: Policy) -> Verdict:
    """The chain as sent verifies to the system's store or the CA file given."""
    if not seen.certificates:
        return (
            Violation(
                "no-tls",
                seen.evidence(),
                "HTTPS",
                "nginx: listen 443 ssl; ssl_certificate /etc/letsencrypt/live/NAME/fullchain.pem; ssl_certificate_key ...",
            ),
        )
    mine = [(code, depth) for code, depth in seen.verify_errors if not _elsewhere(code, depth)]
    faults: dict[str, Violation] = {}
    for code, depth in mine:
        fault = _no_issuer(seen) if code in _NO_ISSUER else _fault(seen, code, depth)
        faults.setdefault(fault.code, fault)
    return tuple(faults.values())


def _elsewhere(code: int, depth: int) -> bool:
    return code in _OTHERS or (code in (9, 10) and depth == 0)


def _no_issuer(seen: PresentedChain) -> Violation:
    last = seen.certificates[-1]
    if len(seen.certificates) == 1:
        return Violation(
            "incomplete-chain",
            f"the server sends the leaf only; its issuer `{last.issuer}` is neither sent nor trusted",
            _TRUSTED,
            f"add the intermediate `{last.issuer}` (nginx: ssl_certificate must point at fullchain.pem); {_CA_FILE}",
        )
    return Violation(
        "unknown-ca",
        f"{last.named()} was issued by `{last.issuer}`, which is not trusted ({seen.trust})",
        _TRUSTED,
        _CA_FILE,
    )


def _fault(seen: PresentedChain, code: int, depth: int) -> Violation:
    certificate = seen.certificates[min(depth, len(seen.certificates) - 1)]
    text = _TEXTS.get(code, f"does not verify (OpenSSL code {code})")
    remedies = {
        9: "issue that certificate again, or set the clocks (timedatectl)",
        10: "replace the expired certificate (certbot renew --force-renewal brings a current chain)",
        18: _CA_FILE,
        19: _CA_FILE,
        26: "issue the certificate for server authentication (extendedKeyUsage = serverAuth)",
        47: "get a certificate whose names the CA is allowed to certify",
    }
    remedy = remedies.get(code, "replace the chain: nginx ssl_certificate must point at the CA's own fullchain.pem")
    return Violation(f"verify-{code}", f"{certificate.named()} {text}", _TRUSTED, remedy)


def names_the_host(seen: PresentedChain, policy: Policy) -> Verdict:
    """The leaf's subject alternative name holds the host asked for (RFC 9525; the common name does not count)."""
    if not seen.certificates:
        return NotApplicable("served without TLS: see tls-01")
    leaf = seen.certificates[0]
    if _matches(seen.host, leaf):
        return ()
    names = ", ".join((*leaf.dns_names, *leaf.ip_addresses)) or "no name"
    remedy = f"certbot certonly --nginx -d {seen.host}, or issue the certificate with this name in its SAN"
    if not leaf.has_san:
        return (
            Violation("no-san", f"{leaf.named()} has no subject alternative name", f"a SAN with {seen.host}", remedy),
        )
    apex = any(name.lower() == f"*.{seen.host.lower()}" for name in leaf.dns_names)
    why = " (a wildcard does not cover the name it hangs below)" if apex else ""
    return (
        Violation(
            "wrong-name", f"{leaf.named()} is for {names}{why}, not for {seen.host}", f"a SAN with {seen.host}", remedy
        ),
    )


def _matches(host: str, leaf: CertificateFacts) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        wanted = host.lower().rstrip(".")
        return any(_covers(name.lower(), wanted) for name in leaf.dns_names)
    return str(address) in leaf.ip_addresses


def _covers(pattern: str, name: str) -> bool:
    """Whether a SAN entry covers a name: exactly, or by one left-most `*` label that stands for one label."""
    if not pattern.startswith("*."):
        return pattern == name
    first, _, rest = name.partition(".")
    return bool(first) and rest == pattern[2:] and "." in rest


def renewal_is_in_time(seen: PresentedChain, policy: Policy) -> Verdict:
    """The leaf is in date, and more of its lifetime is left than the profile's share."""
    if not seen.certificates:
        return NotApplicable("served without TLS: see tls-01")
    leaf = seen.certificates[0]
    left = (leaf.not_after - seen.looked_at).total_seconds()
    renew = "certbot renew, and enable its timer (systemctl enable --now certbot.timer)"
    if left < 0:
        return (Violation("expired", f"{leaf.named()} expired on {leaf.not_after:%Y-%m-%d %H:%MZ}", "in date", renew),)
    if leaf.not_before > seen.looked_at:
        return (
            Violation(
                "not-yet-valid",
                f"{leaf.named()} is valid from {leaf.not_before:%Y-%m-%d %H:%MZ}, our clock says "
                f"{seen.looked_at:%Y-%m-%d %H:%MZ}",
                "in date",
                "set the clocks of server and checker (timedatectl), or issue the certificate again",
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
            f"{leaf.named()} has {left / 86400:.1f} of {leaf.lifetime / 86400:.1f} days left (to {leaf.not_after:%Y-%m-%d})",
            f"at least {needed / 86400:.1f} days (profile {policy.profile})",
            renew,
        ),
    )
