"""TLS: the certificates that the target presents, what it accepts, and who may come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.certificates import (
    chain_is_in_order,
    issued_by_the_named_ca,
    keys_are_strong,
    lifetime_is_limited,
)
from pytest_nodered_sec.rules.chain import chain_is_trusted, names_the_host, renewal_is_in_time
from pytest_nodered_sec.rules.revocation import demands_client_certificate, not_revoked
from pytest_nodered_sec.rules.suites import (
    groups_are_large_enough,
    new_version_is_offered,
    no_suite_is_broken,
    old_version_is_refused,
    renegotiation_is_secure,
    suites_are_forward_secret,
    suites_are_listed,
)

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.certificates import CertificateDemand, RevocationCheck
    from pytest_nodered_sec.observations.chain import PresentedChain
    from pytest_nodered_sec.observations.tls import (
        OfferedGroups,
        OfferedRenegotiation,
        OfferedVersions,
        ProtocolOffer,
    )
    from pytest_nodered_sec.policy.model import Policy


@control("tls-01", severity=Severity.CRITICAL, asks=questions.CHAIN)
def test_chain_is_trusted(nodered_chain: PresentedChain, nodered_policy: Policy) -> None:
    """The certificate chain leads to a trusted root.

    Trusted are the system's store and --nodered-ca-file. Users who learn to click past a warning will do so for an
    attacker's certificate too.
    """
    require(chain_is_trusted(nodered_chain, nodered_policy))


@control("tls-02", severity=Severity.CRITICAL, asks=questions.CHAIN)
def test_certificate_names_the_host(nodered_chain: PresentedChain, nodered_policy: Policy) -> None:
    """The certificate is valid for the host name.

    Only the subject alternative name counts (RFC 9525).
    """
    require(names_the_host(nodered_chain, nodered_policy))


@control("tls-03", severity=Severity.HIGH, asks=questions.CHAIN)
def test_renewal_is_in_time(nodered_chain: PresentedChain, nodered_policy: Policy) -> None:
    """The certificate is in date and is renewed on time.

    Measured against the certificate's own lifetime, so that neither 160-hour nor ten-year certificates raise false
    alarms: a certificate that should have been renewed by now will soon expire.
    """
    require(renewal_is_in_time(nodered_chain, nodered_policy))


@control("tls-04", severity=Severity.LOW, asks=questions.CHAIN)
def test_chain_is_in_order(nodered_chain: PresentedChain, nodered_policy: Policy) -> None:
    """The chain is complete, in order, and without duplicates or the root.

    Browsers repair a faulty chain, many other clients do not: a chain that works in a browser can fail in a gateway.
    """
    require(chain_is_in_order(nodered_chain, nodered_policy))


@control("tls-05", severity=Severity.HIGH, asks=questions.CHAIN)
def test_keys_and_signatures_are_strong(nodered_chain: PresentedChain, nodered_policy: Policy) -> None:
    """Keys and signatures in the chain are strong.

    RSA from 2048 bits, elliptic curves from 256, Ed25519, Ed448; SHA-256 or better. The self-signature of a root is not
    judged, because nothing relies on it.
    """
    require(keys_are_strong(nodered_chain, nodered_policy))


@control("tls-06", severity=Severity.MEDIUM, asks=questions.CHAIN)
def test_lifetime_is_limited(nodered_chain: PresentedChain, nodered_policy: Policy) -> None:
    """The certificate's lifetime is within the limit.

    For publicly trusted certificates, what the Baseline Requirements allowed on the day of issue; for a private CA,
    what the policy allows. A key in use for years can be stolen for years.
    """
    require(lifetime_is_limited(nodered_chain, nodered_policy))


@control("tls-11", severity=Severity.MEDIUM, asks=questions.CHAIN)
def test_issuer_is_the_named_one(nodered_chain: PresentedChain, nodered_policy: Policy) -> None:
    """The certificate was issued by the CA named in the policy.

    Compared by organisation, not by intermediate, because intermediates change without notice.
    """
    require(issued_by_the_named_ca(nodered_chain, nodered_policy))


@control("tls-12", severity=Severity.MEDIUM, asks=questions.CLIENT_CERTIFICATE)
def test_client_certificate_is_demanded(nodered_seen: CertificateDemand, nodered_policy: Policy) -> None:
    """Clients without a certificate are refused.

    Where the policy says mutual_tls = true: by a TLS alert, or by an answer that names what is missing. Whatever it
    says, a certificate that anybody can make must open nothing that is refused without one.
    """
    require(demands_client_certificate(nodered_seen, nodered_policy))


@control("tls-13", severity=Severity.HIGH, asks=questions.REVOCATION)
def test_certificates_are_not_revoked(nodered_seen: RevocationCheck, nodered_policy: Policy) -> None:
    """No certificate in the chain is revoked.

    Where the policy says revocation = "crl": by the lists that the certificates name. A stapled OCSP response is judged
    if there is one, and is a finding if the certificate demands one and there is none.
    """
    require(not_revoked(nodered_seen, nodered_policy))


@control("tls-07", severity=Severity.HIGH, asks=questions.OLD_VERSIONS)
def test_old_version_is_refused(nodered_seen: OfferedVersions, nodered_policy: Policy) -> None:
    """SSLv3, TLS 1.0 and TLS 1.1 are refused.

    A version counts as refused only if the server speaks a newer one; a server that does not answer at all refuses
    nothing. A policy may accept TLS 1.0 or 1.1, with a reason.
    """
    require(old_version_is_refused(nodered_seen, nodered_policy))


@control("tls-08", severity=Severity.MEDIUM, asks=questions.NEW_VERSIONS)
def test_new_version_is_offered(nodered_seen: OfferedVersions, nodered_policy: Policy) -> None:
    """TLS 1.2 or 1.3 is offered, as the profile demands.

    The strict profile demands TLS 1.3.
    """
    require(new_version_is_offered(nodered_seen, nodered_policy))


@control("tls-09", severity=Severity.HIGH, asks=questions.SUITES)
def test_no_suite_is_broken(nodered_seen: ProtocolOffer, nodered_policy: Policy) -> None:
    """Broken cipher suites are refused: NULL, anonymous, export, RC4, DES, 3DES, MD5.

    Every known suite is offered, in every version, until the server refuses what is left.
    """
    require(no_suite_is_broken(nodered_seen, nodered_policy))


@control("tls-14", severity=Severity.MEDIUM, asks=questions.SUITES)
def test_suites_are_forward_secret(nodered_seen: ProtocolOffer, nodered_policy: Policy) -> None:
    """All accepted cipher suites have forward secrecy and use AEAD.

    That excludes static RSA and CBC. Broken suites are reported by tls-09.
    """
    require(suites_are_forward_secret(nodered_seen, nodered_policy))


@control("tls-15", severity=Severity.LOW, asks=questions.SUITES)
def test_suites_are_listed(nodered_seen: ProtocolOffer, nodered_policy: Policy) -> None:
    """All accepted cipher suites are on the profile's list.

    The list is TLSRef's intermediate one, or its modern one in the strict profile; `tls_suites` in the policy selects
    another.
    """
    require(suites_are_listed(nodered_seen, nodered_policy))


@control("tls-10", severity=Severity.LOW, asks=questions.GROUPS)
def test_groups_are_large_enough(nodered_seen: OfferedGroups, nodered_policy: Policy) -> None:
    """Key exchange uses only strong Diffie-Hellman groups.

    2048 bits, or curves of equal strength; the strict profile accepts only the groups on its list.
    """
    require(groups_are_large_enough(nodered_seen, nodered_policy))


@control("tls-16", severity=Severity.MEDIUM, asks=questions.RENEGOTIATION)
def test_renegotiation_is_secure(nodered_seen: OfferedRenegotiation, nodered_policy: Policy) -> None:
    """Secure renegotiation is offered in every version before TLS 1.3.

    Without RFC 5746 somebody between client and server can put requests of his own before the client's. Nothing secret
    is sent to such a server.
    """
    require(renegotiation_is_secure(nodered_seen, nodered_policy))
