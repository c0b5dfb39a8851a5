"""A page in clear is asked for by the request whose redirect is followed, and by another where that is not led away."""

from __future__ import annotations

import hostile
import pytest

from pytest_nodered_sec import questions
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.observations.cleartext import PlainAttempt, SpoofedAttempt
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.rules.transport import nothing_in_clear
from pytest_nodered_sec.survey.survey import Survey


@pytest.mark.parametrize("leads", [True, False], ids=["redirected", "served"])
def test_a_page_in_clear_is_asked_for_once_where_it_leads_to_https(leads: bool) -> None:
    def plain(request: hostile.Request) -> hostile.Reply:
        away = hostile.Reply(301, {"Location": f"https://localhost{request.path}"})
        return away if leads or not request.path.startswith("/ui") else hostile.page("Node-RED Dashboard")

    survey = Survey()
    with hostile.serving(plain, tls=False) as clear, hostile.serving(hostile.FakeNodeRED()) as server:
        policy, closed = Policy(dashboards=("/ui",)), hostile.closed_port()
        target = Target("plant", server.url, policy, timeout=3.0, http_port=clear.port, direct_port=closed)
        asks = [
            ask
            for ask in (*questions.surfaces_in_clear(target), *questions.redirects(target), *questions.SPOOFS)
            if ask.label in ("/ui", "editor", "X-Forwarded-Proto")
        ]
        survey.ask_ahead(target, asks)
        seen = [survey.answer(target, ask) for ask in asks]
        survey.close()
        lines = [line.partition(" HTTP")[0] for line in clear.requests]
    editor, page, *_, spoofed = seen
    assert isinstance(page, PlainAttempt)
    assert isinstance(editor, PlainAttempt)
    assert isinstance(spoofed, SpoofedAttempt)
    assert page.path.startswith("/ui?keep=" if leads else "/ui")
    assert bool(nothing_in_clear(page, policy)) is not leads
    assert spoofed.before.path == editor.path
    assert lines.count("GET /ui") == (0 if leads else 1)
    assert lines.count("GET /") == 0
