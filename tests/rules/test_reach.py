"""Whether the target was there: the rule passes what is settled, settling says the rest."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from seen import (
    AUTH,
    BROKEN,
    ERROR,
    GATE,
    NOT_FOUND,
    PAGE,
    PASS,
    SHOWN,
    STRANGER,
    TO_SSO,
    outcome,
    target,
    view,
)

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model_access import Reach, settle
from pytest_nodered_sec.model_answers import Answer
from pytest_nodered_sec.rules.reach import answers_throughout

if TYPE_CHECKING:
    from pytest_nodered_sec.model_answers import RootView

START, END = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2026, 1, 2, 3, 4, 9, tzinfo=UTC)


def reach(view: RootView, identity: tuple[str, ...] = ()) -> Reach:
    return Reach("192.0.2.1", ("192.0.2.1",), START, END, 61, identity, view)


def test_answers_throughout() -> None:
    seen = reach(AUTH, SHOWN)
    assert outcome(answers_throughout, seen, target()) == PASS
    assert seen.evidence() == (
        f"192.0.2.1 answered from 03:04:05Z to 03:04:09Z, 61 looks between; Node-RED shown by {SHOWN[0]}"
    )


def test_everything_behind_a_gate() -> None:
    assert outcome(answers_throughout, reach(GATE), target(admin_api="proxied")) == PASS
    assert "nobody seen behind the gate" in reach(GATE).evidence()


def test_policy_proxied_does_not_excuse_a_stranger() -> None:
    assert outcome(answers_throughout, reach(STRANGER), target(admin_api="proxied")) == ERROR


@pytest.mark.parametrize(
    ("view", "says"),
    [
        (GATE, "nobody was seen behind the gate"),
        (view(PAGE, PAGE, ()), "every path answers the same page"),
        (view(Answer(400, "text/html", 9), Answer(400, "text/html", 9), ()), "every path answers the same page"),
        (view(TO_SSO, TO_SSO, ()), "--nodered-login-url=https://sso.example/login"),
        (STRANGER, "wrong URL or wrong --nodered-admin-root?"),
        (view(BROKEN, NOT_FOUND, ()), "wrong URL or wrong --nodered-admin-root?"),
    ],
    ids=["gate", "catch-all page", "a client certificate is demanded", "undeclared login", "404", "404 and 500"],
)
def test_nothing_shows_a_node_red(view: RootView, says: str) -> None:
    assert outcome(answers_throughout, reach(view), target()) == ERROR
    with pytest.raises(ProbeError) as caught:
        settle(reach(view), target())
    assert says in caught.value.message
    assert caught.value.cause is Cause.UNIDENTIFIED
