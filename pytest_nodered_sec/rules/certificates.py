"""Whether the chain is sent in good order, is strong enough, lives no longer than it may, and comes from the right CA.

What verification met belongs to `chain`; here the certificates' own words are judged.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.lifetimes import public_limit
from pytest_nodered_sec.rules.chain import chain_is_trusted, counted, no_issuer, of_each
from pytest_nodered_sec.verdict import NotApplicable, NotJudged, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.chain import CertificateFacts, PresentedChain
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

_WITHOUT_TLS: Final = NotApplicable("served without TLS: see tls-01")
_FILE: Final = "nginx: ssl_certificate; Caddy: tls"
_ORDER: Final = "each certificate once, each followed by its issuer, up to but not including the root"
_LEAST_BITS: Final = {"RSA": 2048, "EC": 256, "Ed25519": 0, "Ed448": 0, "DSA": math.inf}
_STRONG: Final = frozenset({"", "sha256", "sha384", "sha512", "sha3-256", "sha3-384", "sha3-512"})
_WEAK: Final = frozenset({"md5", "sha1", "sha224", "sha3-224"})
_NEW_KEY: Final = (
    "make a new key and have it certified: certbot certonly --force-renewal --key-type ecdsa "
    "(Caddy: key_type p256; openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256)"
)


def chain_is_in_order(seen: PresentedChain, policy: Policy) -> Verdict:
    """Each certificate is sent once, after one that it issued, without the root (RFC 5246, 7.4.2; RFC 8446, 4.4.2).

    A missing intermediate is tls-01's, unless verification took it out of the trust store.
    """
    del policy
    return of_each(seen, _order) if seen.certificates else _WITHOUT_TLS


def _order(seen: PresentedChain) -> tuple[Violation, ...]:
    faults = []
    walked = {certificate.fingerprint for certificate in seen.path or seen.certificates}
    for certificate in seen.certificates[1:]:
        before = seen.certificates[: certificate.position]
        after = seen.certificates[certificate.position + 1 :]
        name = certificate.named()
        if certificate.fingerprint in {other.fingerprint for other in before}:
            faults.append(Violation("duplicate", f"{name} was sent before", _ORDER, _take_out(certificate)))
        elif certificate.self_signed:
            observed = f"{name} is a root: clients that trust it already have it"
            faults.append(Violation("root-sent", observed, _ORDER, _take_out(certificate)))
        elif any(certificate.issued(other) for other in before):
            if certificate.not_after < seen.looked_at and certificate.fingerprint not in walked:
                observed = (
                    f"{name} has expired ({certificate.not_after:%Y-%m-%d}); old clients fail on it, others ignore it"
                )
                faults.append(Violation("expired-extra", observed, _ORDER, _take_out(certificate)))
        elif any(certificate.issued(other) for other in after):
            observed = f"{name} comes before the certificate that it issued"
            remedy = f"put the certificates in order: {_ordered(seen)} ({_FILE})"
            faults.append(Violation("wrong-order", observed, _ORDER, remedy))
        elif not no_issuer(seen):
            observed = f"{name} issued none of the others"
            faults.append(Violation("stranger", observed, _ORDER, _take_out(certificate)))
    for certificate in seen.path[1:]:
        if certificate.position < 0 and not certificate.self_signed and certificate != seen.path[-1]:
            faults.append(
                Violation(
                    "taken-from-the-store",
                    f"the intermediate `{certificate.subject}` is not sent; it was found in {seen.trust}",
                    _ORDER,
                    f"add the intermediate `{certificate.subject}` ({_FILE}: fullchain.pem)",
                )
            )
    return tuple(faults)


def _take_out(certificate: CertificateFacts) -> str:
    return f"take `{certificate.subject}` at place {certificate.position + 1} out of the file ({_FILE})"


def _ordered(seen: PresentedChain) -> str:
    """Return the subjects in the order of who issued whom."""
    left = list(dict.fromkeys(seen.certificates[1:]))
    chain = [seen.leaf]
    while issuers := [certificate for certificate in left if certificate.issued(chain[-1])]:
        chain.append(issuers[0])
        left.remove(issuers[0])
    return ", ".join(f"`{certificate.subject}`" for certificate in chain)


def keys_are_strong(seen: PresentedChain, policy: Policy) -> Verdict:
    """Keys have 112 bits of strength and more, signatures use no broken hash (Baseline Requirements, 6.1.5 and 7.1.3).

    The self-signature of a root proves nothing, so it is not judged.
    """
    del policy
    if not seen.certificates:
        return _WITHOUT_TLS
    verdict = of_each(seen, _strength)
    unknown = [
        certificate for chain in (seen, seen.also) if chain for certificate in counted(chain) if _unknown(certificate)
    ]
    if verdict or not unknown:
        return verdict
    return NotJudged(
        f"not judged: {unknown[0].named()} has a key ({unknown[0].key_type}) or a signature "
        f"({unknown[0].signature_hash or 'of its own kind'}) that is not known here"
    )


def _unknown(certificate: CertificateFacts) -> bool:
    return certificate.key_type not in _LEAST_BITS or (
        not certificate.self_signed and certificate.signature_hash not in _STRONG | _WEAK
    )


def _strength(seen: PresentedChain) -> tuple[Violation, ...]:
    faults = []
    for certificate in counted(seen):
        if certificate.key_bits < _LEAST_BITS.get(certificate.key_type, 0):
            replace = _NEW_KEY if certificate.position == 0 else _other_chain(certificate)
            observed = f"{certificate.named()} has a key of {certificate.key_bits} bits ({certificate.key_type})"
            faults.append(Violation("weak-key", observed, "RSA ≥ 2048, EC ≥ 256, Ed25519 or Ed448", replace))
        if certificate.signature_hash in _WEAK and not certificate.self_signed:
            replace = (
                "reissue the certificate: openssl ca -md sha256"
                if certificate.position == 0
                else _other_chain(certificate)
            )
            observed = f"{certificate.named()} is signed with {certificate.signature_hash.upper()}"
            faults.append(Violation("weak-signature", observed, "SHA-256 or better", replace))
    return tuple(faults)


def _other_chain(certificate: CertificateFacts) -> str:
    return f"have `{certificate.subject}` issued again by its CA, or take the chain of a better one"


def lifetime_is_limited(seen: PresentedChain, policy: Policy) -> Verdict:
    """The leaf lives no longer than the Baseline Requirements allowed when it was issued, or the policy for other CAs.

    Public is what ends at a root of Mozilla's programme; a site's own root is not, in the system's store or elsewhere.
    """
    if not seen.certificates:
        return _WITHOUT_TLS
    if policy.certificate:
        return NotApplicable("the pinned certificate is accepted whatever its lifetime: see tls-01")
    limits = [_limit(chain, policy)[0] for chain in (seen, seen.also) if chain]
    if all(math.isinf(limit) for limit in limits):
        return NotApplicable(f"not required by profile {policy.profile}, for certificates of a private CA")
    return of_each(seen, lambda chain: _lifetime(chain, policy))


def _limit(seen: PresentedChain, policy: Policy) -> tuple[float, str]:
    """Return the most days, and whose limit it is."""
    if not seen.public:
        return policy.thresholds.private_lifetime_days, f"private CA, profile {policy.profile}"
    days = public_limit(seen.leaf.not_before)
    return math.inf if days is None else days, f"publicly trusted, issued {seen.leaf.not_before:%Y-%m-%d}"


def _lifetime(seen: PresentedChain, policy: Policy) -> tuple[Violation, ...]:
    leaf = seen.leaf
    limit, whose = _limit(seen, policy)
    if leaf.lifetime <= limit * 86400:
        return ()
    return (
        Violation(
            "lives-too-long",
            f"{leaf.named()} is issued for {leaf.lifetime / 86400:.1f} days "
            f"({leaf.not_before:%Y-%m-%d} to {leaf.not_after:%Y-%m-%d})",
            f"at most {limit:g} days ({whose})",
            "use a shorter lifetime and automatic renewal: certbot, Caddy, or your own ACME server "
            "(step-ca); openssl x509 -days",
        ),
    )


def issued_by_the_named_ca(seen: PresentedChain, policy: Policy) -> Verdict:
    """The leaf was issued by the organisation that the policy names, by whichever of its intermediates."""
    if not policy.issuer:
        return NotApplicable('not required: to accept one CA only, set issuer = "…" to the name of its organisation')
    if not seen.certificates:
        return _WITHOUT_TLS
    verdict = of_each(seen, lambda chain: _issuer(chain, policy.issuer))
    if not verdict and chain_is_trusted(seen, policy):
        return NotJudged("not judged: the chain does not verify, so its issuer may be forged; see tls-01")
    return verdict


def _issuer(seen: PresentedChain, wanted: str) -> tuple[Violation, ...]:
    leaf = seen.leaf
    anchor = (seen.path or seen.certificates)[-1]
    # Where the issuer names no organisation, as in many a private CA, its root may: nothing pins an intermediate.
    names = (
        [leaf.organisations[1]]
        if leaf.organisations[1]
        else [anchor.organisations[0], anchor.subject.removeprefix("CN=")]
    )
    if wanted.casefold() in [name.casefold() for name in names]:
        return ()
    named = " or ".join(f"“{name}”" for name in names if name)
    return (
        Violation(
            "other-issuer",
            f"{leaf.named()} was issued by {named} (`{leaf.issuer}`)",
            f"“{wanted}”",
            f"get the certificate from {wanted}, or say in the policy who issues it; if nobody of yours changed it, "
            "somebody stands between",
        ),
    )
