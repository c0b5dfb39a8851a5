"""Absences and redirects where nothing identifies Node-RED: reach-01 says what that is, the rest refers to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from seen import BEARER, EDITOR, FLOWS, FORBIDDEN, GATE, NOT_FOUND, OPEN, PAGE, STRANGER, attempt, target, view

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Surface, Target
from pytest_nodered_sec.observations.access import FileAttempt
from pytest_nodered_sec.observations.answers import Answer, RootView, alike
from pytest_nodered_sec.observations.reach import DASHBOARD_PAGE, Reach, of_a_dashboard
from pytest_nodered_sec.observations.settling import settle

NOBODYS = Answer(404, "text/html", 146)
LED = replace(NOBODYS, first="https://plant.example/en/random", hops=1)
NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("surface", "answer", "root", "known"),
    [
        (Surface.DASHBOARD, NOBODYS, STRANGER, False),
        (Surface.NODE, NOBODYS, STRANGER, False),
        (Surface.DASHBOARD, NOT_FOUND, STRANGER, True),  # Express's own page: no front's
        (Surface.DASHBOARD, NOBODYS, OPEN, True),
        (Surface.DASHBOARD, NOBODYS, GATE, True),  # which refuses the rest
        (Surface.DASHBOARD, NOBODYS, view(None, identity=()), True),  # a node root of its own: its control says so
    ],
)
def test_an_absence_is_known_only_where_somebody_is(
    surface: Surface, answer: Answer, root: RootView, known: bool
) -> None:
    seen = attempt(surface, "/ui", answer, root)
    if known:
        settle(seen, target())
        return
    with pytest.raises(ProbeError) as caught:
        settle(seen, target())
    assert caught.value.cause is Cause.SEE_REACH


def test_a_site_that_leads_every_path_below_another_says_where() -> None:
    root = view(LED, LED, ())
    with pytest.raises(ProbeError, match=r"every path is redirected to the same below https://plant\.example/en/: "):
        settle(Reach("127.0.0.1", ("127.0.0.1",), NOW, NOW, 7, (), root), target())
    post = attempt(Surface.ADMIN, "/flow", Answer(302, location="https://plant.example/en/flow"), root)
    with pytest.raises(ProbeError) as caught:
        settle(post, target())
    assert caught.value.cause is Cause.SEE_REACH


@pytest.mark.parametrize("first", ["https://plant.example/random", "https://plant.example/login"])
def test_a_redirect_to_the_path_itself_or_to_another_is_no_prefix(first: str) -> None:
    root = view(NOBODYS, replace(NOBODYS, first=first, hops=1), ())
    with pytest.raises(ProbeError, match="wrong URL or wrong --nodered-admin-root"):
        settle(Reach("127.0.0.1", ("127.0.0.1",), NOW, NOW, 7, (), root), target())


def test_all_of_a_page_as_a_part_is_that_page() -> None:
    assert alike(replace(PAGE, status=206), PAGE)
    assert not alike(replace(PAGE, status=404), PAGE)


def test_something_else_in_a_files_place_is_judged_only_where_somebody_is() -> None:
    with pytest.raises(ProbeError) as caught:
        settle(FileAttempt(attempt(Surface.NODE, "/settings.js", PAGE, STRANGER), found=False), target())
    assert caught.value.cause is Cause.SEE_REACH


@pytest.mark.parametrize("surface", [Surface.DASHBOARD, Surface.NODE])
def test_a_403_for_everything_may_be_a_limit_or_a_ban(surface: Surface) -> None:
    seen = attempt(surface, "/ui", FORBIDDEN, view(FORBIDDEN, FORBIDDEN, ()))
    with pytest.raises(ProbeError) as caught:
        settle(seen, target())
    assert caught.value.cause is Cause.SEE_REACH
    settle(seen, target(admin_api="proxied"))


OF_A_DASHBOARD = view(NOT_FOUND, identity=(f"/ui/ ({DASHBOARD_PAGE})",), root="/ui/")


@pytest.mark.parametrize(("url", "above"), [("https://a.example/ui", ""), ("https://a.example/nr/ui/", "/nr")])
def test_the_url_of_a_dashboard_is_told_from_node_reds(url: str, above: str) -> None:
    there = target(url)
    with pytest.raises(ProbeError, match=rf"use `--nodered-url=https://a\.example{above}`, from where") as caught:
        settle(Reach("127.0.0.1", ("127.0.0.1",), NOW, NOW, 7, OF_A_DASHBOARD.identity, OF_A_DASHBOARD), there)
    assert caught.value.cause is Cause.UNIDENTIFIED
    for seen in (
        attempt(Surface.ADMIN, "/settings", NOT_FOUND, OF_A_DASHBOARD, there),
        attempt(Surface.EDITOR, "/", PAGE, OF_A_DASHBOARD, there),
    ):
        with pytest.raises(ProbeError) as caught:
            settle(seen, there)
        assert caught.value.cause is Cause.SEE_REACH
    settle(attempt(Surface.ADMIN, "/flows", FLOWS, OF_A_DASHBOARD, there), there)  # served is served
    settle(attempt(Surface.EDITOR, "/", EDITOR, OF_A_DASHBOARD, there), there)


@pytest.mark.parametrize(
    ("there", "root"),
    [
        (target("https://a.example"), OF_A_DASHBOARD),  # a dashboard at /
        (target("https://a.example/hmi", dashboards=("/",)), OF_A_DASHBOARD),
        (target("https://a.example/hmi", admin_api="disabled"), OF_A_DASHBOARD),
        (target("https://a.example/hmi"), view(BEARER, identity=OF_A_DASHBOARD.identity)),
        (target("https://a.example/nr"), STRANGER),
    ],
)
def test_the_url_of_a_node_red_may_show_a_dashboard(there: Target, root: RootView) -> None:
    assert of_a_dashboard(root, there) == ""
