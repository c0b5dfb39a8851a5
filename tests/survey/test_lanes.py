"""The order in which a target's first questions are asked."""

from __future__ import annotations

import pytest

from pytest_nodered_sec.model import Ask, Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.survey.lanes import lanes, one_by_one

FILES = [Ask("file", (path, "")) for path in ("/a", "/b")]


def way(surface: str, path: str, name: str) -> Ask:
    return Ask("way", (surface, "GET", path, name))


def test_a_way_that_takes_many_connections_begins_early() -> None:
    """Or it would be the last that is asked, with seven threads idle."""
    page, comms = way("dashboard page", "/ui", "bearer"), way("/comms", "/comms", "written")
    assert lanes([*FILES, page, comms])[0] == [comms]


def test_the_ways_behind_an_upgrade_follow_each_other_and_begin_early() -> None:
    first, second = (way("dashboard page", path, "behind") for path in ("/ui", "/dashboard"))
    assert lanes([*FILES, first, second]) == [[first, second], *([ask] for ask in FILES)]


def test_whether_http_2_is_spoken_is_found_out_early_by_one() -> None:
    """All others by that way would wait for it, each with a thread and a connection."""
    pages = [way("dashboard page", path, "browser") for path in ("/ui", "/dashboard")]
    assert lanes([*FILES, *pages]) == [[pages[0]], *([ask] for ask in FILES), [pages[1]]]


def test_requests_for_an_upgrade_follow_each_other_and_begin_early() -> None:
    """By the connection by which the first was refused; in one lane for each surface, because each may be held up."""
    pages, api = [way("dashboard page", path, "upgrade") for path in ("/a", "/b")], way("admin API", "/s", "upgrade")
    assert lanes([*FILES, *pages, api]) == [pages, [api], *([ask] for ask in FILES)]


def test_upgrades_of_one_kind_follow_each_other() -> None:
    """So that one connection is enough for those that are refused."""
    comms = [Ask("foreign", ("comms", "/comms")), way("/comms", "/comms", "socket"), way("/comms", "/comms", "freed")]
    line = [Ask("channel", ("NODE", "/ws", "accept")), Ask("foreign", ("websocket", "/ws"))]
    line += [way("WebSocket endpoint", "/ws", "socket")]
    page = [
        Ask("socket", ("/ui",)),
        way("channel, WebSocket", "/ui", "socket"),
        way("channel, polling", "/ui", "upgrade"),
    ]
    seen = lanes([*comms, *line, *page])
    assert sorted(map(len, seen)) == [3, 3, 3]
    assert all(set(lane) in (set(comms), set(line), set(page)) for lane in seen)


def test_what_would_wait_for_an_answer_to_another_question_is_asked_after_it() -> None:
    """Or it would hold a thread, and with it one of the eight connections."""
    plain, foreign = Ask("socket", ("/ui",)), Ask("foreign", ("dashboard", "/ui"))
    upgrade, polling = (way(f"channel, {how}", "/ui", "socket") for how in ("WebSocket", "polling"))
    forged = [Ask("access", ("ADMIN", "GET", path, "forged")) for path in ("/flows", "/nodes")]
    address = [Ask("by_address", args) for args in ((), ("localhost",), ("no name",))]
    seen = lanes([polling, upgrade, foreign, plain, *forged, *address])
    assert seen[:3] == [[plain, foreign, upgrade], [address[0], address[2]], [address[1]]]
    assert sorted(seen[3:], key=len) == [[polling], forged]


def test_the_first_of_a_kind_begins_before_others_that_may_wait_for_it() -> None:
    claims = [Ask("claim", (f"{name}: admin",)) for name in ("Remote-User", "X-User")]
    assert lanes([*FILES, *claims]) == [[FILES[0]], [claims[0]], [FILES[1]], [claims[1]]]


@pytest.mark.parametrize(("realm", "lengths"), [("", [1, 2]), ("plant", [3])])
def test_a_log_in_is_guessed_beside_basic_logins_unless_they_share_a_directory(realm: str, lengths: list[int]) -> None:
    target = Target("t", "https://plant.example", Policy(login_realm=realm))
    guesses = [Ask("guess_login"), *(Ask("guess_basic", ("DASHBOARD", path)) for path in ("/ui", "/dashboard"))]
    assert [len(lane) for lane in one_by_one(guesses, target)] == lengths
