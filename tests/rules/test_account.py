"""What an account must and must not be able to do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from seen import violations

from pytest_nodered_sec.observations.account import SignIn, View
from pytest_nodered_sec.observations.answers import Answer
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.rules.account import account_is_honoured, sessions_are_short
from pytest_nodered_sec.verdict import NotApplicable

REFUSED = SignIn("operator", "POST /auth/token answered 403 (invalid_grant)")
ADMIN = SignIn("admin", permissions="*", expires_in=604800, view=View("admin", release="5.0.7"))
TOKEN = SignIn("the given token", permissions="*")


def reader(status: int) -> SignIn:
    return SignIn("viewer", permissions="read", expires_in=3600, write=Answer(status, "application/json", 40))


def test_an_account_that_is_refused() -> None:
    (violation,) = violations(account_is_honoured(REFUSED, Policy()))
    assert violation.code == "account-refused"
    assert violation.observed == "operator was refused: POST /auth/token answered 403 (invalid_grant)"
    assert violation.remedy == "correct the credentials, or the user in settings.js: adminAuth"
    named = replace(REFUSED, origin="the password in PLANT_PASSWORD")
    (violation,) = violations(account_is_honoured(named, Policy()))
    assert violation.remedy == "correct the password in PLANT_PASSWORD, or the user in settings.js: adminAuth"


@pytest.mark.parametrize("seen", [ADMIN, TOKEN, reader(401), reader(403)])
def test_an_account_that_works(seen: SignIn) -> None:
    assert account_is_honoured(seen, Policy()) == ()


def test_a_reader_that_writes() -> None:
    (violation,) = violations(account_is_honoured(reader(400), Policy()))
    assert violation.code == "reader-writes"
    assert violation.observed == (
        "viewer was accepted, permissions read, token for 3600 s; its write (POST /flows, deliberately invalid) "
        "answered 400 (application/json, 40 bytes)"
    )


def test_sessions() -> None:
    assert sessions_are_short(ADMIN, Policy()) == ()
    (violation,) = violations(sessions_are_short(ADMIN, Policy("strict")))
    assert violation.code == "long-session"
    assert violation.remedy == "settings.js, in adminAuth: sessionExpiryTime: 86400"
    assert violation.observed == "admin was accepted, permissions *, token for 604800 s, Node-RED 5.0.7"
    for seen in (REFUSED, TOKEN):
        assert isinstance(sessions_are_short(seen, Policy()), NotApplicable)
