"""When the answers of a target are due for a sign of life."""

from __future__ import annotations

from seen import EDITOR, PROXY_BASIC, attempt, target, view

from pytest_nodered_sec.model import Ask, Surface
from pytest_nodered_sec.survey.unconfirmed import CANARY_EVERY, Unconfirmed

ASKS = [Ask("access", ("ADMIN", "GET", f"/{number}", "anonymous"), f"{number}") for number in range(CANARY_EVERY)]
SEEN = attempt(Surface.ADMIN, "/flows", EDITOR, view(None))


def waiting(*shared: Ask) -> Unconfirmed:
    unconfirmed = Unconfirmed(target())
    for ask in ASKS:
        unconfirmed.add(ask, SEEN)
    for ask in shared:
        unconfirmed.note_shared(ask)
    return unconfirmed


def test_answers_are_due_after_so_many_looks() -> None:
    assert [ask for ask, _ in waiting().due({"roots": 99}, set())] == ASKS


def test_looks_that_sent_nothing_do_not_count_and_are_confirmed_with_the_others() -> None:
    unconfirmed = waiting(*ASKS[:2])
    assert unconfirmed.due({"roots": 99}, set()) == []
    assert [ask for ask, _ in unconfirmed.due({"roots": 0}, set())] == ASKS


def test_refusals_of_dashboards_wait_for_what_is_asked_in_other_forms() -> None:
    """Enough of those on several connections, and no page is asked for once more."""
    unconfirmed = waiting()
    page = Ask("access", ("DASHBOARD", "GET", "/ui", "anonymous"), "/ui")
    refused = attempt(Surface.DASHBOARD, "/ui", PROXY_BASIC, view(None), how="without credentials")
    unconfirmed.add(page, refused)
    assert page not in dict(unconfirmed.due({"roots": 99}, set()))
    assert unconfirmed.due({"roots": 0}, set()) == [(page, refused)]
