"""A target whose tests are done is let go: its connections and answers, but for those that are still needed."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import hostile
import pytest

from pytest_nodered_sec import questions
from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Ask, Target
from pytest_nodered_sec.observations.access import AccessAttempt, LoginOffer
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.survey.pending import Pending
from pytest_nodered_sec.survey.survey import Survey

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Observation


def test_what_is_kept_is_known_and_the_rest_is_asked_anew() -> None:
    paths: list[str] = []
    fake = hostile.FakeNodeRED()

    def serve(request: hostile.Request) -> hostile.Reply | None:
        paths.append(request.path)
        return fake(request)

    with hostile.serving(serve) as server:
        target = Target("t", server.url, Policy(), timeout=5)
        survey = Survey(None, [target])
        reach, offer = Ask("reach"), questions.LOGIN_OFFER[0]
        before = survey.outcome(target, reach), survey.outcome(target, offer)
        identity, asked = survey.identity(target), len(paths)
        survey.let_go(target, [reach, Ask("never asked")])
        assert survey.identity(target) == identity
        assert survey.outcome(target, reach) is before[0]
        assert len(paths) == asked
        again = survey.outcome(target, offer)
        assert again is not before[1]
        assert type(again) is type(before[1])
        assert len(paths) > asked
        survey.let_go(target, [])
        survey.close()
        survey.let_go(target, [reach])  # nothing is left to let go


def test_what_is_queued_or_in_progress_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the last tests are skipped by a fixture of the site's: each such question took a worker with it."""
    broken: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", broken.append)
    fake = hostile.FakeNodeRED()

    def serve(request: hostile.Request) -> hostile.Reply | None:
        hostile.pause(0.02)
        return fake(request)

    asks = [Ask("access", ("ADMIN", "GET", f"/flows/{number}", "anonymous")) for number in range(300)]
    with hostile.serving(serve) as server:
        target = Target("t", server.url, Policy(), timeout=5)
        survey = Survey(None, [target])
        survey.ask_ahead(target, asks)
        time.sleep(0.3)
        survey.let_go(target, [])
        time.sleep(0.3)
        assert isinstance(survey.outcome(target, asks[0]), AccessAttempt)
        survey.close()
    assert broken == []


def test_what_is_kept_is_waited_for() -> None:
    """The target's own tests may be done before the answers that are judged last."""
    fake = hostile.FakeNodeRED()

    def serve(request: hostile.Request) -> hostile.Reply | None:
        hostile.pause(0.1)
        return fake(request)

    with hostile.serving(serve) as server:
        target = Target("t", server.url, Policy(), timeout=5)
        survey = Survey(None, [target])
        offer = questions.LOGIN_OFFER[0]
        survey.ask_ahead(target, [offer])
        survey.let_go(target, [offer])
        assert isinstance(survey.outcome(target, offer), LoginOffer)
        survey.close()


def test_an_answer_that_is_dropped_ends_the_wait_and_what_comes_later_is_ignored() -> None:
    pending, got = Pending(), list[object]()
    waiting = threading.Thread(target=lambda: got.extend(pending.get()))
    waiting.start()
    pending.drop()
    waiting.join(5)
    assert [str(part) for part in got] == ["the run has ended", "None"]
    pending.settle(None, KeyError("late"))
    outcome: tuple[Observation | ProbeError | None, BaseException | None] = pending.get()
    assert isinstance(outcome[0], ProbeError)
    assert pending.dropped
    settled = Pending()
    settled.settle(None, KeyError("bug"))
    settled.drop()
    assert not settled.dropped
    with pytest.raises(KeyError):
        raise settled.get()[1] or AssertionError
