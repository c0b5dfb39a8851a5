"""Whether nothing that was presented is revoked, and whether clients must show a certificate of their own."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.verdict import NotApplicable, Severity, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.certificates import CertificateDemand, RevocationCheck
    from pytest_nodered_sec.observations.chain import PresentedChain
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

_CLOCKS: Final = timedelta(minutes=5)  # by which two clocks may differ
_LONGEST: Final = timedelta(days=10)  # that a response may hold (Baseline Requirements, 4.9.10)
_HOLDS: Final = "a response that is currently valid"
_STAPLE: Final = (
    "nginx: ssl_stapling on; with a resolver and ssl_trusted_certificate; or a certificate without must-staple"
)


def not_revoked(seen: RevocationCheck, policy: Policy) -> Verdict:
    """No certificate of the chain is revoked, by the lists that they name or by a stapled response.

    A stapled response is judged where there is one, and missed only where the certificate itself demands one
    (RFC 7633). OCSP responders are not asked.
    """
    if not seen.chain.certificates:
        return NotApplicable("served without TLS: see tls-01")
    faults = [
        Violation(
            "revoked",
            lookup.line(),
            "not revoked",
            "make a new key, get a new certificate, and find out why this one was revoked: its key may be known"
            if lookup.certificate.position == 0
            else "get a certificate of another intermediate: certbot renew --force-renewal",
        )
        for lookup in seen.lists
        if lookup.revoked
    ]
    for chain in (seen.chain, seen.chain.also):
        faults += _stapled(chain) if chain else []
    if faults:
        return tuple(faults)
    if seen.lists or any(chain.staple for chain in (seen.chain, seen.chain.also) if chain):
        return ()
    if policy.revocation != "crl":
        return NotApplicable('not required: revocation = "crl" fetches the lists that the certificates name')
    if policy.certificate:
        return NotApplicable("the pinned certificate is trusted by its fingerprint, not by a CA: see tls-01")
    return NotApplicable("the certificate is self-signed: no CA can revoke it")


def _stapled(chain: PresentedChain) -> list[Violation]:
    leaf, staple = chain.leaf, chain.staple
    if staple is None:
        if not leaf.must_staple:
            return []
        observed = f"{leaf.named()} requires a stapled OCSP response (must-staple), but none was sent"
        return [Violation("staple-missing", observed, "a response with every handshake", _STAPLE)]
    name = f"the OCSP response stapled for the {leaf.named()}"
    if staple.trouble:
        return [
            Violation(
                "staple-unusable", f"{name} is unusable: {staple.trouble}", "a valid response from its issuer", _STAPLE
            )
        ]
    if staple.status != "good":
        return [Violation("revoked", f"{name} says: {staple.status}", "good", "get a new certificate with a new key")]
    if staple.since is not None and staple.since > chain.looked_at + _CLOCKS:
        from_on = f"{name} holds from {staple.since:%Y-%m-%d %H:%MZ} on only"
        observed = f"{from_on}, our clock says {chain.looked_at:%Y-%m-%d %H:%MZ}"
        remedy = "set the clocks of responder, server and checker (timedatectl), then fetch the response again"
        return [Violation("staple-early", observed, _HOLDS, remedy)]
    if staple.until is not None and staple.until < chain.looked_at:
        observed = f"{name} has been out of date since {staple.until:%Y-%m-%d %H:%MZ}"
        return [Violation("staple-late", observed, _HOLDS, _STAPLE)]
    if staple.until is None and staple.since is not None and chain.looked_at - staple.since > _LONGEST:
        observed = f"{name} is of {staple.since:%Y-%m-%d %H:%MZ} and has no nextUpdate"
        return [Violation("staple-late", observed, _HOLDS, _STAPLE)]
    return []


def demands_client_certificate(seen: CertificateDemand, policy: Policy) -> Verdict:
    """Whoever shows no client certificate gets no further (mutual TLS), nor does who shows one that he made."""
    if seen.turned_away and seen.takes_any:
        return (
            Violation(
                "any-certificate",
                seen.evidence(),
                "a certificate that no authority issued is refused as none is",
                "nginx: ssl_verify_client on; in place of optional_no_ca (Caddy: tls { client_auth { mode "
                "require_and_verify } }; Traefik: clientAuthType: RequireAndVerifyClientCert)",
                Severity.HIGH,
            ),
        )
    if not policy.mutual_tls:
        return NotApplicable("not required: mutual_tls = true demands a client certificate")
    if seen.demanded:
        return ()
    return (
        Violation(
            "not-demanded",
            seen.evidence(),
            "a TLS alert, or an answer that says that the certificate is missing",
            "nginx: ssl_client_certificate /etc/nginx/clients-ca.pem; ssl_verify_client on; "
            "(Caddy: tls { client_auth { mode require_and_verify } })",
        ),
    )
