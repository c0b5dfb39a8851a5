"""Who may use the admin API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.access import login_is_configured, refuses_access

if TYPE_CHECKING:
    from pytest_nodered_sec.model import AccessAttempt, LoginOffer
    from pytest_nodered_sec.policy import Policy


@control("admin-01", severity=Severity.CRITICAL, asks=questions.guarded_reads)
def test_anonymous_read_is_refused(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """An anonymous read of the admin API is refused.

    Flows hold plant logic, addresses and often secrets. Asked of every route that Node-RED guards, with a
    request that an open instance answers.
    """
    require(refuses_access(nodered_attempt, nodered_policy))


@control("admin-02", severity=Severity.CRITICAL, asks=questions.forged_reads)
def test_forged_token_is_refused(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """A made-up bearer token is refused.

    Under a `default` user Node-RED treats an unknown token as that user, so this is a question of its own.
    """
    require(refuses_access(nodered_attempt, nodered_policy))


@control("admin-04", severity=Severity.CRITICAL, asks=questions.LOGIN_OFFER)
def test_login_is_configured(nodered_login_offer: LoginOffer, nodered_policy: Policy) -> None:
    """A login is configured.

    `{}` at /auth/login is Node-RED's own word that nobody needs one.
    """
    require(login_is_configured(nodered_login_offer, nodered_policy))
