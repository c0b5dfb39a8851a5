"""Fronts that limit requests without saying so: what they refuse is asked again, or one sentence names them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import hostile
import pytest
from test_hostile_verdicts import judge

from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.transport import pace
from pytest_nodered_sec.survey import signs

if TYPE_CHECKING:
    from collections.abc import Callable

GATE = Policy(admin_api="proxied", editor="protected")


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signs, "_RESTS", (0.3, 0.3))
    monkeypatch.setattr(signs, "_INTERVALS", (0.005, 0.01))
    monkeypatch.setattr(signs, "_FORGOTTEN", 0.1)


def limited(refusal: Callable[[hostile.Request], hostile.Reply | None], most: int, rest: float) -> hostile.Handler:
    """Return a gate that refuses everything after so many requests, until none has come for so many seconds."""
    last, rested = time.monotonic(), False

    def answer(request: hostile.Request) -> hostile.Reply | None:
        nonlocal last, rested
        now = time.monotonic()
        rested = rested or (request.number > most and now - last > rest)
        last = now
        return (hostile.basic_everything if rested or request.number <= most else refusal)(request)

    return answer


@pytest.mark.parametrize(
    "refusal",
    [hostile.always(403), hostile.always(404), hostile.closes_without_answer],
    ids=["403", "404", "closed"],
)
def test_what_a_limit_refuses_is_asked_again_after_a_rest(
    refusal: Callable[[hostile.Request], hostile.Reply | None],
) -> None:
    with hostile.serving(limited(refusal, 30, 0.2)) as server:
        letters, sentences = judge(server.url, policy=GATE)
    assert sentences == []
    assert letters["admin-01"] == letters["reach-01"] == {"P"}


def test_a_password_is_not_tried_again_after_a_rest() -> None:
    tried: list[str] = []

    def gate(request: hostile.Request) -> hostile.Reply | None:
        if request.headers.get("authorization", "").startswith("Basic "):
            tried.append(request.headers["authorization"])
            return hostile.always(403)(request)
        return hostile.always(403)(request) if tried else hostile.basic_everything(request)

    with hostile.serving(gate) as server:
        _, sentences = judge(server.url, policy=GATE)
    assert tried
    assert len(tried) == len(set(tried))
    assert sentences


def test_a_ban_is_one_sentence_with_a_way_out() -> None:
    with hostile.serving(hostile.turns_after(hostile.FakeNodeRED(), 40, hostile.always(403))) as server:
        _, sentences = judge(server.url)
    said = {sentence for sentence in sentences if "see reach-01" not in sentence}
    assert any(
        "banned, limited, challenged, or down? If it is up, let its front pass the machine" in sentence
        for sentence in said
    )
    assert len(sentences) > 20 * len(said)


def test_what_is_closed_now_and_then_is_asked_once_more() -> None:
    closed: set[str] = set()

    def gate(request: hostile.Request) -> hostile.Reply | None:
        once = request.method + request.path
        if request.path in ("/flows", "/nodes") and once not in closed:
            closed.add(once)
            return None
        return hostile.FakeNodeRED()(request)

    with hostile.serving(gate) as server:
        letters, sentences = judge(server.url)
    assert closed
    assert sentences == []
    assert "P" in letters["admin-01"]


def test_a_limit_that_leaves_no_time_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_GRACE", 0.5)
    monkeypatch.setattr(pace, "_SLOWEST", 0.2)
    server_of = hostile.rate_limited(hostile.basic_everything, per_second=4, burst=8)
    with hostile.serving(server_of) as server:
        _, sentences = judge(server.url, policy=GATE, timeout=1.0)
    said = {sentence for sentence in sentences if "see reach-01" not in sentence and "answered 429" not in sentence}
    assert any("let its front pass the machine that runs the tests" in sentence for sentence in said)
    assert len([sentence for sentence in sentences if "see reach-01" in sentence]) > 20
