"""Requests that are not sent, because another's answer says what they would be answered; and sent where it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import hostile
import pytest

from pytest_nodered_sec import questions
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.observations.access import AccessAttempt, VariantAttempt
from pytest_nodered_sec.observations.answers import Kind
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.survey.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_nodered_sec.model import Ask, Observation

SCRIPT = hostile.Reply(200, {"Content-Type": "application/javascript"}, b"RED = {}")
NOWHERE = hostile.Reply(404, {"Content-Type": "text/html"}, b"<h1>404 Not Found</h1>")
NAMED = Target("plant", "https://localhost", Policy(dashboards=("/ui",)))
STYLE, RED = "/red/style.min.css", "/red/red.min.js"


@pytest.fixture
def survey() -> Iterator[Survey]:
    survey = Survey()
    yield survey
    survey.close()


def seen_of(survey: Survey, server: hostile.Hostile, asks: Sequence[Ask]) -> list[Observation]:
    closed = hostile.closed_port()
    target = replace(NAMED, url=server.url, timeout=3.0, http_port=closed, direct_port=closed)
    survey.ask_ahead(target, asks)
    return [survey.answer(target, ask) for ask in asks]


@pytest.mark.parametrize(
    ("replies", "asked", "kind"),
    [
        ({}, False, Kind.ABSENT),
        ({RED: NOWHERE}, True, Kind.ABSENT),  # somebody else's word, which says nothing of its neighbours
        ({RED: NOWHERE, STYLE: SCRIPT}, True, Kind.SERVED),
        ({RED: SCRIPT}, True, Kind.ABSENT),
        ({RED: SCRIPT, STYLE: SCRIPT}, True, Kind.SERVED),
    ],
    ids=["mounts nothing", "front hides one", "front hides one of two", "one is gone", "all are served"],
)
def test_files_of_the_editor_that_express_has_not_mounted_are_asked_once(
    survey: Survey, replies: dict[str, hostile.Reply], asked: bool, kind: Kind
) -> None:
    asks = [ask for ask in questions.editor_parts(NAMED) if ask.args[2] in (RED, STYLE)]
    with hostile.serving(hostile.FakeNodeRED(replies=replies)) as server:
        attempts = dict(zip((ask.args[2] for ask in asks), seen_of(survey, server, asks), strict=True))
        assert (f"GET {STYLE} HTTP/1.1" in server.requests) is asked
    style = attempts[STYLE]
    assert isinstance(style, AccessAttempt)
    assert style.kind is kind
    assert ("for all of the editor's below /red" in style.evidence()) is not asked


@pytest.mark.parametrize(
    ("status", "asked"), [(401, False), (403, True), (200, True)], ids=["same login", "other refusal", "open"]
)
def test_the_name_is_left_out_of_the_handshake_where_the_address_does_not_ask_for_the_same_login(
    survey: Survey, status: int, asked: bool
) -> None:
    strange: list[str] = []

    def gated(request: hostile.Request) -> hostile.Reply:
        by_address = request.headers["host"].startswith("127.")
        if request.path == "/ui":
            strange.append("address" if by_address else "name")
        if request.path != "/ui" or (by_address and status == 200):
            return hostile.FakeNodeRED()(request)
        return hostile.Reply(403) if by_address and status == 403 else hostile.basic_everything(request)

    ways = [ask for ask in questions.other_ways(NAMED) if ask.probe == "by_address"]
    with hostile.serving(gated) as server:
        *_, unnamed = seen_of(survey, server, [ask for ask in ways if ask.args in ((), ("no name",))])
    assert isinstance(unnamed, VariantAttempt)
    assert unnamed.ways == ("sni",)
    assert unnamed.attempt.kind is Kind.REFUSED
    assert "without" in unnamed.evidence()
    assert strange.count("name") == (2 if asked else 1)
