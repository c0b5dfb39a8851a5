"""Whether a password that the whole world knows opens anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.credentials import known_password_cannot_log_in, known_password_opens_nothing

if TYPE_CHECKING:
    from pytest_nodered_sec.model_credentials import BasicGuesses, LoginGuesses
    from pytest_nodered_sec.policy import Policy


@control("cred-01", severity=Severity.CRITICAL, asks=questions.LOGIN_GUESSES)
def test_known_password_cannot_log_in(nodered_login_guesses: LoginGuesses, nodered_policy: Policy) -> None:
    """No user name and password that the whole world knows log in to the admin API.

    At most two attempts for each user name in one run, over HTTPS only, and never again after a lock-out; a session
    that begins is ended in the same look.
    """
    require(known_password_cannot_log_in(nodered_login_guesses, nodered_policy))


@control("cred-02", severity=Severity.CRITICAL, asks=questions.basic_logins)
def test_known_password_opens_nothing(nodered_basic_guesses: BasicGuesses, nodered_policy: Policy) -> None:
    """No user name and password that the whole world knows, a blank one included, open a Basic login.

    Asked wherever one may stand: httpAdminAuth, httpNodeAuth, httpStaticAuth, a proxy. At most three attempts at each
    login, one at a time; none after one that took over a quarter of a second, because Node-RED stands still for it.
    """
    require(known_password_opens_nothing(nodered_basic_guesses, nodered_policy))
