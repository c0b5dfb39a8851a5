"""The order in which a target's first questions are asked."""

from __future__ import annotations

from pytest_nodered_sec.model import Ask
from pytest_nodered_sec.survey.lanes import lanes

FILES = [Ask("file", (path, "")) for path in ("/a", "/b")]


def way(surface: str, path: str, name: str) -> Ask:
    return Ask("way", (surface, "GET", path, name))


def test_a_way_that_takes_many_connections_begins_early() -> None:
    """Or it would be the last that is asked, with seven threads idle."""
    page, comms = way("dashboard page", "/ui", "browser"), way("/comms", "/comms", "written")
    assert lanes([*FILES, page, comms]) == [[comms], *([ask] for ask in (*FILES, page))]


def test_the_ways_behind_an_upgrade_follow_each_other_and_begin_early() -> None:
    first, second = (way("dashboard page", path, "behind") for path in ("/ui", "/dashboard"))
    assert lanes([*FILES, first, second]) == [[first, second], *([ask] for ask in FILES)]
