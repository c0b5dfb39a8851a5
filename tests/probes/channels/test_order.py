"""What is asked of a dashboard's channel depends on the order of the dashboards, never on which thread comes first."""

from __future__ import annotations

import re

import hostile
import pytest

from pytest_nodered_sec import questions
from pytest_nodered_sec.data.ways import ASSETS, USUAL_ASSETS
from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Ask, Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.transport.order import ChannelOrder
from pytest_nodered_sec.survey.survey import Survey

UI, DASHBOARD = "/ui", "/dashboard"


def names_asked(
    slow: str, asks: list[Ask], declared: tuple[str, ...] = (DASHBOARD, UI), realms: bool = False, lost: str = ""
) -> dict[str, set[str]]:
    """Return by which names of files each channel is asked where one of them is answered late.

    Args:
        slow: path of the dashboard that is.
        asks: what is asked.
        declared: dashboards.
        realms: whether each dashboard has a gate of its own.
        lost: path of a dashboard whose channel is not answered at all.
    """

    def gates(request: hostile.Request) -> hostile.Reply:
        base = "/" + request.path.split("/")[1].partition("?")[0]
        if base not in (UI, DASHBOARD, "/hmi"):
            return hostile.FakeNodeRED()(request)
        if base == slow:
            hostile.pause(0.05)
        if base == lost:
            return hostile.Reply(500, {}, b"")
        return hostile.Reply(401, {"WWW-Authenticate": f'Basic realm="{base if realms else "Operators"}"'}, b"no")

    survey = Survey()
    with hostile.serving(gates) as server:
        closed = hostile.closed_port()
        policy = Policy(dashboards=declared, protected_paths=(), websockets=())
        target = Target("plant", server.url, policy, timeout=5.0, http_port=closed, direct_port=closed)
        survey.ask_ahead(target, asks)
        for ask in asks:
            if isinstance(outcome := survey.outcome(target, ask), ProbeError):
                assert lost, outcome
        survey.close()
        asked = [match for line in server.requests if (match := re.match(r"GET (/\w+)/socket\.io/(\w[^? ]*)", line))]
    return {path: {match[2] for match in asked if match[1] == path} for path in {match[1] for match in asked}}


def channels(*paths: str) -> list[Ask]:
    return [Ask("socket", (path,), path) for path in paths]


@pytest.mark.parametrize("slow", [UI, DASHBOARD])
@pytest.mark.parametrize("first", [UI, DASHBOARD])
def test_the_first_that_is_declared_is_asked_by_every_name(slow: str, first: str) -> None:
    further = UI if first == DASHBOARD else DASHBOARD
    asked = names_asked(slow, channels(further, first), (first, further))
    assert asked == {first: set(ASSETS), further: set(USUAL_ASSETS)}


@pytest.mark.parametrize("slow", [UI, DASHBOARD])
def test_a_gate_of_its_own_is_asked_by_every_name(slow: str) -> None:
    asked = names_asked(slow, channels(DASHBOARD, UI), realms=True)
    assert asked == {DASHBOARD: set(ASSETS), UI: set(ASSETS)}


def test_a_channel_of_which_the_run_has_no_case_stands_for_no_other() -> None:
    assert names_asked("", channels(UI)) == {UI: set(ASSETS)}


def test_a_channel_that_got_no_answer_stands_for_no_other() -> None:
    assert names_asked("", channels(DASHBOARD, UI), lost=DASHBOARD) == {UI: set(ASSETS)}


@pytest.mark.parametrize("slow", [UI, DASHBOARD])
def test_other_questions_about_a_channel_change_nothing(slow: str) -> None:
    target = Target("plant", "https://plant.example", Policy(dashboards=(DASHBOARD, UI), protected_paths=()))
    ways = [ask for ask in questions.other_ways(target) if ask.args[:1] == ("channel, polling",)]
    asked = names_asked(slow, [*ways, *channels(UI, DASHBOARD)])
    assert asked == {DASHBOARD: set(ASSETS), UI: set(USUAL_ASSETS)}


@pytest.mark.parametrize("slow", [UI, "/hmi"])
def test_what_nobody_declared_comes_after_what_somebody_did(slow: str) -> None:
    asked = names_asked(slow, [Ask("undeclared", (UI,), UI), *channels("/hmi")], ("/hmi",))
    assert asked["/hmi"] == set(ASSETS)


def test_the_order_is_as_declared_then_as_noted() -> None:
    order = ChannelOrder(("/a", "/b", "/c"))
    order.add(["/told", "/c"])
    order.add(["/again", "/a", "/told"])
    assert order.before("/a") == ()
    assert order.before("/c") == ("/a",)
    assert order.before("/told") == ("/a", "/c")
    assert order.before("/again") == ("/a", "/c", "/told")
    assert order.before("/b") == ("/a", "/c", "/told", "/again")
