"""Known passwords: tried and refused, tried and accepted, not tried, and not answered."""

from __future__ import annotations

import pytest
from seen import (
    AUTH,
    BEARER,
    BROKEN,
    ERROR,
    FAIL,
    GATE,
    LOGIN,
    NO_ADMIN,
    NO_LOGIN,
    NODE_AUTH,
    NODE_BASIC,
    NOT_FOUND,
    OPEN,
    PAGE,
    PASS,
    PROXY_BASIC,
    SKIP,
    TO_SSO,
    attempt,
    outcome,
    target,
    view,
    violations,
)

from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.answers import Answer, RootView
from pytest_nodered_sec.observations.known_passwords import BasicGuesses, Guess, LoginGuesses
from pytest_nodered_sec.policy.model import Deviation, Policy
from pytest_nodered_sec.rules.credentials import known_password_cannot_log_in, known_password_opens_nothing
from pytest_nodered_sec.verdict import NotApplicable

REFUSED = Guess("admin", "a blank password", accepted=False)
ACCEPTED = Guess("user", "a password that the policy names", accepted=True)
LEFT = "`admin` with a blank password"
LOCKED = ("admin", "`admin` was not answered: 500, too many log-in attempts")


def offered(answer: Answer, root: RootView, **more: object) -> LoginGuesses:
    return LoginGuesses(attempt(Surface.ADMIN, "/auth/login", answer, root), **more)  # type: ignore[arg-type]  # of any type


@pytest.mark.parametrize(
    ("seen", "letter"),
    [
        (offered(LOGIN, AUTH, guesses=(REFUSED,)), PASS),
        (offered(LOGIN, AUTH, guesses=(REFUSED, ACCEPTED)), FAIL),
        (offered(LOGIN, AUTH, guesses=(ACCEPTED,), any_password=True), FAIL),
        (offered(LOGIN, AUTH, guesses=(REFUSED,), unanswered=(LOCKED,)), PASS),
        (offered(LOGIN, AUTH, guesses=(), unanswered=(LOCKED,)), ERROR),
        (offered(LOGIN, AUTH, guesses=(Guess("user", "x", accepted=False),), unanswered=(LOCKED,)), ERROR),
        (offered(LOGIN, AUTH, guesses=(ACCEPTED,), unanswered=(LOCKED,)), FAIL),
        (offered(LOGIN, AUTH, gate=PROXY_BASIC), SKIP),
        (offered(LOGIN, AUTH, spent=("POST /auth/token of a",)), SKIP),
        (offered(LOGIN, AUTH, guesses=(REFUSED,), spent=("POST /auth/token of a",)), PASS),
        (offered(NO_LOGIN, OPEN), SKIP),
        (offered(NOT_FOUND, NO_ADMIN), SKIP),
        (offered(Answer(200, "application/json", 9), AUTH), SKIP),
        (offered(PROXY_BASIC, GATE), ERROR),
        (offered(BROKEN, AUTH), ERROR),
    ],
)
def test_the_log_in(seen: LoginGuesses, letter: str) -> None:
    assert outcome(known_password_cannot_log_in, seen, target()) == letter


def test_behind_a_gate_that_is_meant_it_does_not_apply() -> None:
    seen = offered(PROXY_BASIC, GATE)
    verdict = known_password_cannot_log_in(seen, Policy())
    assert outcome(known_password_cannot_log_in, seen, target(admin_api="proxied")) == SKIP
    assert isinstance(verdict, NotApplicable)
    assert "see cred-02" in verdict.reason


def test_what_a_finding_says() -> None:
    (violation,) = violations(known_password_cannot_log_in(offered(LOGIN, AUTH, guesses=(REFUSED, ACCEPTED)), Policy()))
    assert violation.observed == "POST /auth/token: `user` with a password that the policy names was accepted"
    assert "give `user` in adminAuth.users" in violation.remedy
    seen = offered(LOGIN, AUTH, guesses=(REFUSED,), unanswered=(LOCKED,), spent=("X of a", "X of a"))
    assert seen.evidence() == (
        "POST /auth/token: `admin` with a blank password was refused; `admin` was not answered: 500, too many log-in "
        "attempts; other user names were tried at X of a"
    )
    assert offered(NO_LOGIN, OPEN).evidence() == offered(NO_LOGIN, OPEN).offer.evidence()
    assert offered(LOGIN, AUTH).evidence() == "POST /auth/token: no password was tried"
    assert offered(LOGIN, AUTH, gate=PROXY_BASIC).evidence() == 'POST /auth/token answered 401 (Basic realm="plant")'


def at(answer: Answer, root: RootView = AUTH, surface: Surface = Surface.DASHBOARD, **more: object) -> BasicGuesses:
    return BasicGuesses(attempt(surface, "/ui", answer, root), **more)  # type: ignore[arg-type]  # of any type


@pytest.mark.parametrize(
    ("seen", "letter"),
    [
        (at(PROXY_BASIC, realm="plant", guesses=(REFUSED,)), PASS),
        (at(PROXY_BASIC, realm="plant", guesses=(REFUSED,), slow=0.3), PASS),
        (at(NODE_BASIC, NODE_AUTH, realm="plant", guesses=(REFUSED,), slow=0.3, untried=(LEFT,)), ERROR),
        (at(NODE_BASIC, NODE_AUTH, realm="plant", guesses=(REFUSED, ACCEPTED), slow=0.3, untried=(LEFT,)), FAIL),
        (at(PROXY_BASIC, realm="plant", guesses=(REFUSED, ACCEPTED)), FAIL),
        (at(PROXY_BASIC, GATE, realm="plant", guesses=(ACCEPTED,)), FAIL),
        (at(PROXY_BASIC, realm="plant", guesses=(ACCEPTED,), as_well="a made-up user name and password"), FAIL),
        (at(PROXY_BASIC, realm="plant", same_as="GET /settings"), SKIP),
        (at(PROXY_BASIC, realm="plant", spent=("POST /auth/token of a",)), SKIP),
        (at(BEARER), SKIP),
        (at(PAGE), SKIP),
        (at(BROKEN), ERROR),
        (at(TO_SSO), ERROR),
        (at(TO_SSO, view(TO_SSO, TO_SSO, ())), ERROR),
    ],
)
def test_a_basic_login(seen: BasicGuesses, letter: str) -> None:
    assert outcome(known_password_opens_nothing, seen, target()) == letter


@pytest.mark.parametrize(
    ("answer", "root", "surface", "remedy"),
    [
        (PROXY_BASIC, GATE, Surface.DASHBOARD, "htpasswd"),
        (NODE_BASIC, NODE_AUTH, Surface.NODE, "httpNodeAuth"),
        (NODE_BASIC, NODE_AUTH, Surface.ADMIN, "in place of httpAdminAuth"),
    ],
)
def test_the_remedy_is_of_whoever_asks(answer: Answer, root: RootView, surface: Surface, remedy: str) -> None:
    seen = at(answer, root, surface, realm="x", guesses=(ACCEPTED,))
    (violation,) = violations(known_password_opens_nothing(seen, Policy()))
    assert remedy in violation.remedy
    assert violation.observed == 'GET /ui, Basic realm="x": `user` with a password that the policy names was accepted'


@pytest.mark.parametrize(
    ("answer", "root", "remedy"),
    [(PROXY_BASIC, GATE, "nginx: auth_basic"), (NODE_BASIC, NODE_AUTH, "settings.js: adminAuth, httpNodeAuth")],
)
def test_a_gate_that_compares_no_password_needs_no_other_password(answer: Answer, root: RootView, remedy: str) -> None:
    seen = at(answer, root, realm="x", guesses=(REFUSED, ACCEPTED), as_well="a made-up password for `user`")
    (violation,) = violations(known_password_opens_nothing(seen, Policy()))
    assert violation.code == "any-password"
    assert violation.remedy.startswith(remedy) or remedy in violation.remedy
    assert violation.observed.endswith(
        "`user` with a password that the policy names was accepted; so was a made-up password for `user`"
    )


def test_what_was_left_out_is_told() -> None:
    seen = at(PROXY_BASIC, realm="x", guesses=(REFUSED,), slow=0.312, untried=(LEFT,), spent=("Y",))
    assert seen.evidence() == (
        'GET /ui, Basic realm="x": `admin` with a blank password was refused; not tried: `admin` with a blank '
        "password, because an attempt for that user name kept Node-RED from everything else for 0.31 s; other user "
        "names were tried at Y"
    )


def test_switched_off_it_does_not_apply_and_says_why() -> None:
    off = Policy(guess=False, deviations=(Deviation("guess", "false", "true", "accounts of the company"),))
    for verdict in (
        known_password_cannot_log_in(offered(BROKEN, AUTH), off),
        known_password_opens_nothing(at(BROKEN), off),
    ):
        assert verdict == NotApplicable("guessing is switched off: accounts of the company")
    assert outcome(known_password_cannot_log_in, offered(BROKEN, AUTH), target(guess=False)) == SKIP
    assert outcome(known_password_opens_nothing, at(BROKEN), target(guess=False)) == SKIP


def test_passwords_of_the_policy_that_no_attempt_was_left_for_are_named() -> None:
    seen = offered(LOGIN, AUTH, guesses=(REFUSED,), left_out=("admin", "hmi"))
    assert seen.evidence().endswith(
        "not tried: further passwords of the policy for `admin`, `hmi`, because a run has no more attempts"
    )
