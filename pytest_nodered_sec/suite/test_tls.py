"""The certificate chain that the target presents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.chain import chain_is_trusted, names_the_host, renewal_is_in_time

if TYPE_CHECKING:
    from pytest_nodered_sec.model import PresentedChain
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
