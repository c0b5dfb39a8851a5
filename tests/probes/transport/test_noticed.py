"""What answers tell besides what was asked does not depend on which of them came first."""

from __future__ import annotations

import itertools
import time

import hostile

from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.transport.http import Exchange
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.probes.transport.noticed import Noticed
from pytest_nodered_sec.probes.transport.station import Station

REFUSED = [
    ("/abcdefghijklmnopqrstuvwx", Exchange(404, {}, b"", ("sid=1; Secure",))),
    ("/ui", Exchange(401, {}, b"", ("sid=2; Secure", "other=3"))),
    ("/comms", Exchange(401, {}, b"", ("other=4",))),
]


def test_cookies_are_told_in_one_order_and_by_one_place() -> None:
    told = set()
    for order in itertools.permutations(REFUSED):
        noticed = Noticed()
        for path, got in order:
            noticed.note("GET", path, got)
        told.add(tuple((cookie.name, cookie.where) for cookie in noticed.cookies()))
    assert told == {(("other", "GET /ui"), ("sid", "GET /ui"))}


def test_cookies_are_handed_out_by_the_path_that_set_them() -> None:
    for order in itertools.permutations(REFUSED):
        noticed = Noticed()
        for path, got in order:
            noticed.note("GET", f"{path}?x", got)
        assert noticed.handed_out(["/comms"]) == {"other": "4"}
        assert noticed.handed_out(["/ui", "/comms"]) == {"sid": "2", "other": "4"}
        assert noticed.handed_out(["/nowhere"]) == {}


def test_cookies_with_a_new_name_each_time_make_no_header_that_fronts_refuse() -> None:
    """As oauth2-proxy sets one for each request that it leads to its login (cookie_csrf_per_request)."""
    noticed = Noticed()
    for number in range(100):
        noticed.note("GET", "/ui", Exchange(302, {}, b"", (f"_csrf_{number}={'a' * 300}",)))
    cookies = noticed.handed_out(["/ui"])
    assert "_csrf_0" in cookies
    assert 3000 < len("; ".join(f"{name}={value}" for name, value in cookies.items())) < 4096


def test_what_was_served_and_what_was_sent_with_a_secret_hands_out_nothing() -> None:
    noticed = Noticed()
    noticed.note("GET", "/a", Exchange(200, {}, b"", ("sid=1",)))
    noticed.note("GET", "/a", Exchange(401, {}, b"", ("sid=1",)), secret=True)
    assert noticed.handed_out(["/a"]) == {}


def test_the_cookie_of_a_login_belongs_to_the_path_that_led_there() -> None:
    def login(request: hostile.Request) -> hostile.Reply:
        if request.path == "/login":
            return hostile.Reply(403, {"Set-Cookie": "sid=1"}, b"")
        return hostile.Reply(302, {"Location": "/login"}, b"")

    with hostile.serving(login) as server:
        station = Station(Target("plant", server.url, Policy()))
        station.arrive(time.monotonic() + 5)
        look = Look(station)
        look.answer("GET", "/ui")
        assert station.noticed.handed_out(["/ui"]) == {"sid": "1"}
        assert station.noticed.handed_out(["/login"]) == {}
        look.answer("GET", "/login")
        assert station.noticed.handed_out(["/login"]) == {"sid": "1"}
        station.close()
