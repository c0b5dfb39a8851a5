"""What is told by refusals that were asked for anyway, so that nothing is asked once more."""

from __future__ import annotations

import hostile
import pytest

from pytest_nodered_sec import questions
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.transport.http import Exchange
from pytest_nodered_sec.probes.transport.repeats import Repeats
from pytest_nodered_sec.survey.survey import Survey

CHANNEL = "/ui/socket.io/"


@pytest.mark.parametrize(
    ("path", "tallied", "often"),
    [
        ("/ui", [("/ui", 401), ("/ui/", 401), ("/ui/index.html", 401), ("/ui/", 401)], True),
        ("/ui", [("/ui", 401), ("/ui/", 401), ("/ui/index.html", 401)], False),
        ("/ui", [("/ui", 401), ("/ui/", 401), ("/ui/", 401), ("/ui/socket.io/", 401)], False),  # another surface
        ("/ui", [("/ui", 401), ("/ui/", 401), ("/ui/", 401), ("/ui/", 403)], False),  # of another gate
        ("/ui", [("/ui", 401), ("/ui/", 401), ("/ui/", 401), ("/ui/", 401), ("/ui/", 200)], False),
        ("/ui", [("/ui", 404), ("/ui", 404), ("/ui", 404), ("/ui", 404)], False),
        (CHANNEL, [(CHANNEL, 401), *((f"{CHANNEL}x.{end}", 401) for end in ("js", "css", "svg"))], True),
        (CHANNEL, [(CHANNEL, 401)] * 3 + [(f"{CHANNEL}../../x/", 401)], False),
        (CHANNEL, [(CHANNEL, 401)] * 4 + [(f"{CHANNEL}../../x/", 404)], True),
        (CHANNEL, [(CHANNEL, 401)] * 3 + [("/ui", 401), ("/ui/socket.iox", 401)], False),
    ],
)
def test_what_was_refused_often_in_other_forms(path: str, tallied: list[tuple[str, int]], often: bool) -> None:
    for connections, sure in ((len(tallied), often), (3, False)):
        repeats = Repeats()
        for number, (asked, status) in enumerate(tallied):
            repeats.tally(asked, Exchange(status, {}, b"", connection=number % connections))
        assert repeats.refused_often(path) is sure


@pytest.mark.parametrize(("spellings", "times"), [(False, 3), (True, 1)], ids=["alone", "spelled otherwise, too"])
def test_a_page_is_asked_for_once_more_only_where_nothing_else_tells(spellings: bool, times: int) -> None:
    def gated(request: hostile.Request) -> hostile.Reply:
        if not request.path.startswith("/ui"):
            return hostile.FakeNodeRED()(request)
        return hostile.Reply(401, {"WWW-Authenticate": 'Basic realm="x"', "Connection": "close"}, b"")  # one each

    survey = Survey()
    with hostile.serving(gated) as server:
        closed = hostile.closed_port()
        policy = Policy(dashboards=("/ui",))
        target = Target("plant", server.url, policy, timeout=3.0, http_port=closed, direct_port=closed)
        forms = [*questions.respelled_pages(target), *questions.claimed_identities(target)]
        asks = [*questions.dashboard_pages(target), *(ask for ask in forms if spellings and ask.probe == "variant")]
        survey.ask_ahead(target, asks)
        for ask in asks:
            survey.answer(target, ask)
        survey.close()
        assert len([line for line in server.requests if line.startswith("GET /ui ")]) == times
