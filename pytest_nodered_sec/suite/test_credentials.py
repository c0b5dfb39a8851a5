"""Whether a published password opens anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.credentials import known_password_cannot_log_in, known_password_opens_nothing

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.known_passwords import BasicGuesses, LoginGuesses
    from pytest_nodered_sec.policy.model import Policy


@control("cred-01", severity=Severity.CRITICAL, asks=questions.LOGIN_GUESSES)
def test_known_password_cannot_log_in(nodered_seen: LoginGuesses, nodered_policy: Policy) -> None:
    """No published user name and password logs in to the admin API.

    Few attempts in one run, over HTTPS only, and none after a lock-out; a session that begins is ended in the same
    look.
    """
    require(known_password_cannot_log_in(nodered_seen, nodered_policy))


@control("cred-02", severity=Severity.CRITICAL, asks=questions.basic_logins)
def test_known_password_opens_nothing(nodered_seen: BasicGuesses, nodered_policy: Policy) -> None:
    """No published user name and password opens a Basic login.

    Blank passwords included. Asked wherever a Basic login may be: httpAdminAuth, httpNodeAuth, httpStaticAuth, a proxy.
    At most three attempts for each login, one at a time. Node-RED's own Basic logins hash in the event loop: where one
    attempt held it up for over 250 ms, no other is made for that user name, and the test says so and errs.
    """
    require(known_password_opens_nothing(nodered_seen, nodered_policy))
