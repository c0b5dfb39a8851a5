"""Fronts that limit requests without saying so: what they refuse is asked again, or one sentence names them."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import hostile
import pytest
from test_hostile_verdicts import judge

from pytest_nodered_sec import questions
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.observations.addresses import Turn
from pytest_nodered_sec.observations.answers import Answer
from pytest_nodered_sec.observations.settling import answered
from pytest_nodered_sec.policy.model import Endpoint, Policy
from pytest_nodered_sec.probes.transport import pace
from pytest_nodered_sec.probes.transport.net import AT_ONCE, Places
from pytest_nodered_sec.probes.transport.once import Memo
from pytest_nodered_sec.probes.transport.station import Station
from pytest_nodered_sec.survey import signs
from pytest_nodered_sec.survey.landmarks import Landmarks
from pytest_nodered_sec.survey.survey import Survey

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
    refusal: Callable[[hostile.Request], hostile.Reply | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signs, "_RESTS", (0.3,) * 10)  # on a busy machine what is on its way may come late
    with hostile.serving(limited(refusal, 30, 0.2)) as server:
        letters, sentences = judge(server.url, policy=GATE)
    assert sentences == []
    assert letters["admin-01"] == letters["reach-01"] == {"P"}


@pytest.mark.parametrize("status", [403, 404])
def test_what_a_limit_refuses_at_the_start_is_asked_again_alone(status: int) -> None:
    refused = hostile.always(status)

    def gate(request: hostile.Request) -> hostile.Reply | None:
        return (refused if request.number <= 4 else hostile.FakeNodeRED())(request)

    with hostile.serving(gate) as server:
        letters, sentences = judge(server.url)
    assert sentences == []
    assert "P" in letters["admin-01"]


def test_a_limit_of_ten_a_second_does_not_answer_for_the_gate_at_the_start() -> None:
    """nginx: limit_req rate=10r/s without burst, limit_req_status 403; three requests are sent together."""
    last = 0.0

    def gate(request: hostile.Request) -> hostile.Reply | None:
        nonlocal last
        now = time.monotonic()
        if now - last < 0.1:
            return hostile.always(403)(request)
        last = now
        return hostile.basic_everything(request)

    with hostile.serving(gate) as server:
        station = Station(Target("host", server.url, GATE, ca_file=str(hostile.default_ca().pem_path)))
        station.arrive(time.monotonic() + 5)
        seen = Landmarks(station).get("admin")
        station.close()
    assert [each.answer.status for each in (seen.canary, seen.settings, seen.login)] == [401] * 3


@pytest.mark.parametrize("control", ["admin-01", "dash-01", "dash-02", "dash-04", "node-01", "live-01", "proxy-05"])
def test_a_ban_from_the_start_is_no_refusal_of_anything(control: str) -> None:
    policy = Policy(protected_paths=(Endpoint("/api/orders", effect="none"),))
    with hostile.serving(hostile.always(403)) as server:
        letters, sentences = judge(server.url, policy=policy)
    assert "E" in letters[control]
    assert not letters[control] & {"P", "F"}
    [told] = [said for said in sentences if "see reach-01" not in said]
    assert "every path answers 403" in told


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


class Balanced:
    """A station of which every fourth new connection leads to another server."""

    def __init__(self, *turns: Turn) -> None:
        self.pace = pace.Pace()
        self.places = Places()
        self.repeats = SimpleNamespace(turns=lambda: turns)
        self.connections = 0
        self.forgotten = False

    def rest(self) -> None:
        self.connections += 1

    def narrow(self) -> None: ...

    def connect_anew(self, deadline: float) -> None:
        del deadline

    def begin_again(self, interval: float) -> None:
        del interval
        self.forgotten = True


def test_one_of_several_servers_is_no_limit_that_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    for turns in ((), (Turn("GET /x", ("401", "404"), open=False),)):
        station = Balanced(*turns)
        landmarks = SimpleNamespace(
            get=lambda name: SimpleNamespace(name=name), forget=lambda *names: names, knows=bool
        )
        seen = signs.Signs(station, landmarks)  # type: ignore[arg-type]  # what it needs of them
        monkeypatch.setattr(seen, "_unreached", lambda: None)
        monkeypatch.setattr(seen, "_otherwise", lambda before: "404" * (station.connections % 4 == 3))  # noqa: B023  asked within this turn
        assert seen.limited(["admin"], 0) is station.forgotten is (not turns)


def test_a_ban_is_one_sentence_with_a_way_out() -> None:
    with hostile.serving(hostile.turns_after(hostile.FakeNodeRED(), 40, hostile.always(403))) as server:
        _, sentences = judge(server.url)
    said = {sentence for sentence in sentences if "see reach-01" not in sentence}
    assert any(
        "banned, limited, challenged, or down? If it is up, let its front pass the machine" in sentence
        for sentence in said
    )
    assert len(sentences) > 20 * len(said)


def test_a_server_that_answers_each_request_just_in_time_does_not_stretch_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each answer takes half the time limit, and on a busy machine more: so many, and no longer than that."""
    monkeypatch.setattr(pace, "_TOGETHER", together := 2)
    with hostile.serving(hostile.FakeNodeRED(delay=2.0)) as server:
        letters, sentences = judge(server.url, timeout=4.0)
        asked = len(server.requests)
    assert asked < together * 2 * AT_ONCE + 4 * AT_ONCE  # and those that were on their way
    assert any(
        "nothing more is asked. A longer time limit (--nodered-timeout) gives it more time" in said
        for said in sentences
    )
    assert "F" not in letters["reach-01"] | letters["admin-01"]


def test_another_certificate_at_the_start_ends_the_run() -> None:
    def answers_once(request: hostile.Request) -> hostile.Reply:
        reply = hostile.FakeNodeRED()(request)
        return replace(reply, headers={**reply.headers, "Connection": "close"})

    survey, said = Survey(), list[str]()
    # as two servers behind one address
    with hostile.serving(hostile.changes_certificate_after(1, answers_once)) as server:
        target = Target("host", server.url, Policy(), ca_file=str(hostile.default_ca().pem_path))

        def ask() -> None:
            try:
                survey.answer(target, questions.REACH[0])
            except ProbeError as error:
                said.append(error.message)

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(30)
        survey.close()
    assert [f"the certificate of {target.url} changed during the run"] == said


def test_who_is_alone_waits_for_nobody() -> None:
    """The same page at every path may be a limit's, so it is looked at once more, alone."""
    survey = Survey()
    with hostile.serving(hostile.catch_all_page) as server:
        target = Target("host", server.url, Policy(), ca_file=str(hostile.default_ca().pem_path))
        with pytest.raises(ProbeError) as caught:
            answered(survey.answer(target, questions.REACH[0]), target)
        survey.close()
    assert caught.value.cause is Cause.UNIDENTIFIED  # and not TIMEOUT


def test_a_handshake_that_was_closed_is_tried_again_after_the_pause() -> None:
    def closed() -> str:
        raise ProbeError("closed", Cause.CLOSED)

    found: Memo[str] = Memo()
    station, landmarks = SimpleNamespace(found=found), SimpleNamespace(forget=lambda name: name)
    with pytest.raises(ProbeError):
        found.get("handshake", closed)
    assert signs.Signs(station, landmarks).pause()  # type: ignore[arg-type]  # what it needs of them
    assert found.get("handshake", lambda: "done") == "done"


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


def test_who_is_asked_once_more_does_not_meet_the_error_that_was_kept_for_all() -> None:
    def closed() -> Answer:
        raise ProbeError("closed", Cause.CLOSED)

    station = Station(Target("host", "https://host.example", Policy()))
    with pytest.raises(ProbeError):
        station.once("GET /nodes", closed)
    station.try_again()
    assert station.once("GET /nodes", lambda: Answer(401)).status == 401


def test_a_limit_that_leaves_no_time_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_GRACE", 0.5)
    monkeypatch.setattr(pace, "_SLOWEST", 0.2)
    server_of = hostile.rate_limited(hostile.basic_everything, per_second=0.5, burst=8)
    with hostile.serving(server_of) as server:
        _, sentences = judge(server.url, policy=GATE, timeout=1.0)
    [said] = [sentence for sentence in sentences if "see reach-01" not in sentence]
    assert "pass the machine that runs the tests" in said
    assert len(sentences) > 20


def test_a_server_that_is_busy_every_second_time_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_SLOWEST", 0.02)
    busy = hostile.always(503, headers={"Retry-After": "0"})

    def answer(request: hostile.Request) -> hostile.Reply | None:
        return (busy if request.number % 2 else hostile.FakeNodeRED())(request)

    with hostile.serving(answer) as server:
        _, sentences = judge(server.url)
        asked = len(server.requests)
    said = {sentence for sentence in sentences if "see reach-01" not in sentence}
    assert all("is several servers of which one is down: let its front pass" in sentence for sentence in said)
    assert len(said) == 1
    assert asked < 120
