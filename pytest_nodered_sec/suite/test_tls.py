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
    suites_are_forward_secret,
    suites_are_listed,
)

if TYPE_CHECKING:
    from pytest_nodered_sec.model_certificates import CertificateDemand, RevocationCheck
    from pytest_nodered_sec.model_chain import PresentedChain
    from pytest_nodered_sec.model_tls import OfferedGroups, OfferedVersions, ProtocolOffer
    from pytest_nodered_sec.policy import Policy


@control("tls-01", severity=Severity.CRITICAL, asks=questions.CHAIN)
def test_chain_is_trusted(nodered_chain: PresentedChain, nodered_policy: Policy) -> None:
    """The presented chain verifies to a trusted root.

    Trusted are the system's store and --nodered-ca-file. People who learn to click a warning away will do so
    for an attacker's certificate too.
    """
    require(chain_is_trusted(nodered_chain, nodered_policy))


@control("tls-02", severity=Severity.CRITICAL, asks=questions.CHAIN)
def test_certificate_names_the_host(nodered_chain: PresentedChain, nodered_policy: Policy) -> None:
    """The certificate names the host it is served for.

    Only the subject alternative name counts (RFC 9525); a certificate for another name proves nothing.
    """
    require(names_the_host(nodered_chain, nodered_policy))


@control("tls-03", severity=Severity.HIGH, asks=questions.CHAIN)
def test_renewal_is_in_time(nodered_chain: PresentedChain, nodered_policy: Policy) -> None:
    """The certificate is in date, and its renewal is not late.

    Measured against the certificate's own lifetime, so that neither 160-hour nor ten-year certificates raise
    false alarms: a certificate that should have been renewed by now will lapse soon.
    """
    require(renewal_is_in_time(nodered_chain, nodered_policy))


@control("tls-04", severity=Severity.LOW, asks=questions.CHAIN)
def test_chain_is_in_order(nodered_chain: PresentedChain, nodered_policy: Policy) -> None:
    """The chain is sent complete, in order, without duplicates, without the root.

    Browsers mend what is wrong here, many clients do not: a chain that works in one of them fails in a gateway.
    """
    require(chain_is_in_order(nodered_chain, nodered_policy))


@control("tls-05", severity=Severity.HIGH, asks=questions.CHAIN)
def test_keys_and_signatures_are_strong(nodered_chain: PresentedChain, nodered_policy: Policy) -> None:
    """Keys and signatures of the chain are strong enough.

    RSA from 2048 bits, elliptic curves from 256, Ed25519, Ed448; SHA-256 or better. The self-signature of a root is
    not judged, because nobody relies on it.
    """
    require(keys_are_strong(nodered_chain, nodered_policy))


@control("tls-06", severity=Severity.MEDIUM, asks=questions.CHAIN)
def test_lifetime_is_limited(nodered_chain: PresentedChain, nodered_policy: Policy) -> None:
    """The certificate was issued for no longer than is allowed.

    Publicly trusted ones: what the Baseline Requirements allowed on the day of issue. Those of a private CA: what
    the policy allows. A key that is used for years can be lost for years.
    """
    require(lifetime_is_limited(nodered_chain, nodered_policy))


@control("tls-11", severity=Severity.MEDIUM, asks=questions.CHAIN)
def test_issuer_is_the_named_one(nodered_chain: PresentedChain, nodered_policy: Policy) -> None:
    """The certificate was issued by the CA that the policy names.

    By its organisation, whichever of its intermediates it was: those change without notice.
    """
    require(issued_by_the_named_ca(nodered_chain, nodered_policy))


@control("tls-12", severity=Severity.MEDIUM, asks=questions.CLIENT_CERTIFICATE)
def test_client_certificate_is_demanded(nodered_certificate_demand: CertificateDemand, nodered_policy: Policy) -> None:
    """Whoever shows no client certificate gets no further.

    Where the policy says mutual_tls = true: by a TLS alert, or by an answer that says what is missing.
    """
    require(demands_client_certificate(nodered_certificate_demand, nodered_policy))


@control("tls-13", severity=Severity.HIGH, asks=questions.REVOCATION)
def test_certificates_are_not_revoked(nodered_revocation: RevocationCheck, nodered_policy: Policy) -> None:
    """No certificate of the chain is revoked.

    Where the policy says revocation = "crl": by the lists that the certificates themselves name. A stapled OCSP
    response is judged where there is one, and missed where the certificate demands one.
    """
    require(not_revoked(nodered_revocation, nodered_policy))


@control("tls-07", severity=Severity.HIGH, asks=questions.OLD_VERSIONS)
def test_old_version_is_refused(nodered_tls_versions: OfferedVersions, nodered_policy: Policy) -> None:
    """SSLv3, TLS 1.0 and TLS 1.1 are refused.

    Refused is what a server turns away while it speaks a newer version; one that does not answer at all refuses
    nothing. A policy may accept TLS 1.0 or 1.1, with a reason.
    """
    require(old_version_is_refused(nodered_tls_versions, nodered_policy))


@control("tls-08", severity=Severity.MEDIUM, asks=questions.NEW_VERSIONS)
def test_new_version_is_offered(nodered_tls_versions: OfferedVersions, nodered_policy: Policy) -> None:
    """TLS 1.2 or 1.3 is offered, as the profile demands.

    Under the profile strict that is TLS 1.3 alone.
    """
    require(new_version_is_offered(nodered_tls_versions, nodered_policy))


@control("tls-09", severity=Severity.HIGH, asks=questions.SUITES)
def test_no_suite_is_broken(nodered_tls_protocol: ProtocolOffer, nodered_policy: Policy) -> None:
    """No broken cipher suite is accepted: NULL, anonymous, export, RC4, DES, 3DES, MD5.

    Every suite there is was offered, in every version, until the server refused what was left.
    """
    require(no_suite_is_broken(nodered_tls_protocol, nodered_policy))


@control("tls-14", severity=Severity.MEDIUM, asks=questions.SUITES)
def test_suites_are_forward_secret(nodered_tls_protocol: ProtocolOffer, nodered_policy: Policy) -> None:
    """Every accepted cipher suite has forward secrecy and authenticated encryption (AEAD).

    So no static RSA and no CBC. Broken suites are tls-09's.
    """
    require(suites_are_forward_secret(nodered_tls_protocol, nodered_policy))


@control("tls-15", severity=Severity.LOW, asks=questions.SUITES)
def test_suites_are_listed(nodered_tls_protocol: ProtocolOffer, nodered_policy: Policy) -> None:
    """No cipher suite outside the profile's list is accepted.

    The list is TLSRef's intermediate one, strict has the modern one; `tls_suites` in the policy chooses another.
    """
    require(suites_are_listed(nodered_tls_protocol, nodered_policy))


@control("tls-10", severity=Severity.LOW, asks=questions.GROUPS)
def test_groups_are_large_enough(nodered_tls_groups: OfferedGroups, nodered_policy: Policy) -> None:
    """Keys are agreed on in Diffie-Hellman groups that are large enough.

    2048 bits, or curves of equal strength; under the profile strict in no other groups than its list has.
    """
    require(groups_are_large_enough(nodered_tls_groups, nodered_policy))
