"""What is told by refusals that were asked for anyway, so that nothing is asked once more."""

from __future__ import annotations

import hostile
import pytest

from pytest_nodered_sec import questions
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.transport.repeats import Repeats
from pytest_nodered_sec.survey.survey import Survey

CHANNEL = "/ui/socket.io/"


@pytest.mark.parametrize(
    ("path", "tallied", "often"),
    [
        ("/ui", [("/ui", 401), ("/ui/", 401), ("/ui/index.html", 401)], True),
        ("/ui", [("/ui", 401), ("/ui/", 401)], False),
        ("/ui", [("/ui", 401), ("/ui/", 401), ("/ui/socket.io/", 401)], False),  # another surface
        ("/ui", [("/ui", 401), ("/ui/", 401), ("/ui/", 403)], False),  # of another gate
        ("/ui", [("/ui", 401), ("/ui/", 401), ("/ui/", 401), ("/ui/", 200)], False),
        ("/ui", [("/ui", 404), ("/ui", 404), ("/ui", 404)], False),
        (CHANNEL, [(CHANNEL, 401), (f"{CHANNEL}x.js", 401), (f"{CHANNEL}x.css", 401)], True),
        (CHANNEL, [(CHANNEL, 401), (f"{CHANNEL}x.js", 401), (f"{CHANNEL}../../x/", 404)], False),
        (CHANNEL, [(CHANNEL, 401), (CHANNEL, 401), (CHANNEL, 401), (f"{CHANNEL}../../x/", 404)], True),
        (CHANNEL, [(CHANNEL, 401), ("/ui", 401), ("/ui/socket.iox", 401)], False),
    ],
)
def test_what_was_refused_often_in_other_forms(path: str, tallied: list[tuple[str, int]], often: bool) -> None:
    repeats = Repeats()
    for asked, status in tallied:
        repeats.tally(asked, status)
    assert repeats.refused_often(path) is often


@pytest.mark.parametrize(("spellings", "times"), [(False, 3), (True, 1)], ids=["alone", "spelled otherwise, too"])
def test_a_page_is_asked_for_once_more_only_where_nothing_else_tells(spellings: bool, times: int) -> None:
    def gated(request: hostile.Request) -> hostile.Reply:
        return (hostile.basic_everything if request.path.startswith("/ui") else hostile.FakeNodeRED())(request)

    survey = Survey()
    with hostile.serving(gated) as server:
        closed = hostile.closed_port()
        policy = Policy(dashboards=("/ui",))
        target = Target("plant", server.url, policy, timeout=3.0, http_port=closed, direct_port=closed)
        asks = [*questions.dashboard_pages(target), *(questions.respelled_pages(target) if spellings else ())]
        survey.ask_ahead(target, asks)
        for ask in asks:
            survey.answer(target, ask)
        survey.close()
        assert len([line for line in server.requests if line.startswith("GET /ui ")]) == times
