"""Whether a 503 is a limit's, or the answer of one place that is down."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import cycle
from typing import TYPE_CHECKING

import hostile
import pytest
from seen import target

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.observations.certificates import CertificateDemand
from pytest_nodered_sec.policy.model import Endpoint, Policy
from pytest_nodered_sec.probes.transport.down import Down
from pytest_nodered_sec.probes.transport.form import Form
from pytest_nodered_sec.probes.transport.http import Exchange
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.probes.transport.station import Station

if TYPE_CHECKING:
    from collections.abc import Iterator

PLANT = target("https://plant.example/nr")


def answers(*statuses: int) -> Iterator[Exchange]:
    return (Exchange(status, {}, b"") for status in statuses)


def asked(down: Down, path: str, elsewhere: Iterator[Exchange], again: Iterator[Exchange]) -> bool:
    return down.asked(path, lambda: next(elsewhere), lambda: next(again))


def test_a_place_is_down_that_answers_503_while_others_are_answered() -> None:
    down = Down(PLANT)
    assert asked(down, "/nr/ui/?a=/b", answers(401, 401), answers(503))
    assert [down.is_known(path) for path in ("/NR/UI", "/ui/", "/nr/flows", "/nr", "/")] == [True, *[False] * 4]
    assert asked(down, "/nr/ui/x", answers(), answers())  # known, so nothing is asked


@pytest.mark.parametrize(
    ("elsewhere", "again"),
    [((503,), ()), ((429,), ()), ((401, 503), ()), ((401, 401), (401,))],
    ids=["a limit", "a limit of 429", "every second server", "it has come back"],
)
def test_a_limit_is_none(elsewhere: tuple[int, ...], again: tuple[int, ...]) -> None:
    down = Down(PLANT)
    assert not asked(down, "/ui", answers(*elsewhere, 503, 503), answers(*again, 503))
    assert not down.is_known("/ui")


def test_nothing_is_down_where_nobody_answers_or_at_the_root() -> None:
    def nobody() -> Exchange:
        raise ProbeError("no answer", Cause.TIMEOUT)

    assert not Down(PLANT).asked("/ui", nobody, nobody)
    assert not asked(Down(PLANT), "/", cycle(answers(401)), answers(503))


def test_who_asks_elsewhere_may_wait_for_who_waits_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_nodered_sec.probes.transport.down._PATIENCE", 0.01)
    down = Down(PLANT)
    within: list[bool] = []

    def elsewhere() -> Exchange:
        within.append(asked(down, "/dashboard", answers(401, 401), answers(503)))
        return Exchange(401, {}, b"")

    assert down.asked("/ui", elsewhere, lambda: Exchange(503, {}, b""))
    assert within == [False, False]


def test_every_question_about_it_says_the_same() -> None:
    down, late = Down(target()), ProbeError("it answered 503", Cause.UNAVAILABLE)
    other = ProbeError("GET /ui/x: closed", Cause.CLOSED)
    seen = CertificateDemand(asked=False, status=200)
    assert down.told(["/ui/x"], late) is late
    asked(down, "/ui", answers(401, 401), answers(503))

    said = [str(down.told(args, late)) for args in (["dashboard", "/ui"], ["GET", "/UI/x"])]
    assert len(set(said)) == 1
    assert said[0].startswith("/ui answered 503, again and again, while a random path was answered otherwise")
    assert [down.told(["/ui"], other), down.told(["/dashboard"], late), down.told(["ui"], late)] == [other, late, late]
    assert down.told(["/ui"], seen) is seen


def test_a_plain_request_to_what_is_down_is_sent_no_more() -> None:
    down, gone = Down(PLANT), Exchange(503, {}, b"gone", seconds=3.0)
    down.remember("/nr/ui/x", gone)  # not known to be down yet
    assert down.remembered("/nr/ui/x") is None
    asked(down, "/nr/ui", answers(401, 401), answers(503))
    down.remember("/nr/ui/x", Exchange(200, {}, b""))
    down.remember("/nr/ui/../y", gone)
    assert down.remembered("/nr/ui/x") is None
    down.remember("/nr/ui/x", gone)
    paths = ("/nr/ui", "/nr/ui/socket.io/?EIO=4&transport=polling", "/nr/uI", "/nr/ui/../x", "/nr//ui/x", "/nr/%75i")
    assert [bool(down.remembered(path)) for path in paths] == [True, True, False, False, False, False]


def test_what_answers_as_slowly_and_the_same_is_down_too() -> None:
    down, gone = Down(target()), Exchange(503, {}, b"gone", seconds=3.0)
    assert not down.is_alike("/ui_base/x", gone)
    asked(down, "/ui", answers(401, 401), answers(503))
    down.remember("/ui", gone)
    at_once, other = Exchange(503, {}, b"gone", seconds=0.1), Exchange(503, {}, b"busy", seconds=3.0)
    for path, got in (("/ui_base/x", at_once), ("/ui_base/x", other), ("/", gone)):
        assert not down.is_alike(path, got)
    assert down.is_alike("/ui_base/x", gone)


def test_what_begins_alike_or_is_named_in_the_reason_is_told_with_the_first() -> None:
    down = Down(target())
    for path in ("/uisettings", "/ui", "/dashboard"):
        asked(down, path, answers(401, 401), answers(503))

    def said(*args: str, reason: str) -> str:
        return str(down.told(args, ProbeError(reason, Cause.UNAVAILABLE))).partition(" answered")[0]

    assert said("/uisettings", reason="503") == "/ui"
    assert said(reason="no answer to GET /ui: 503; GET /dashboard: 503") == "/dashboard"
    assert said("/flows", reason="GET /ui: 503; GET /flows: 503") == "GET /ui: 503; GET /flows: 503"
    assert said(reason="nothing") == "nothing"


def test_what_the_policy_declares_is_told_by_its_own_name() -> None:
    policy = Policy(
        dashboards=("/ui", "/ui2"),
        websockets=("/uiws/line",),
        protected_paths=(Endpoint("/uiapi/orders", "GET", "none"),),
    )
    down = Down(replace(PLANT, policy=policy))
    paths = ("/nr/ui", "/nr/ui2", "/nr/uiws/line", "/nr/uiapi/orders", "/nr/uisettings")
    for path in paths:
        asked(down, path, answers(401, 401), answers(503))
    late = ProbeError("503", Cause.UNAVAILABLE)
    said = [str(down.told([path.removeprefix("/nr")], late)).partition(" answered")[0] for path in paths]
    assert said == ["/nr/ui", "/nr/ui2", "/nr/uiws", "/nr/uiapi", "/nr/ui"]


def asked_behind_an_upgrade(serve: hostile.Handler) -> Station:
    """Ask for a page on a connection by which an upgrade was asked for; it is refused in the end."""
    with hostile.serving(serve) as server:
        station = Station(Target("host", server.url, Policy(), ca_file=str(hostile.default_ca().pem_path)))
        station.arrive(time.monotonic() + 5)
        look = Look(station)
        with look.formed(Form(behind="/nobody")):
            assert look.ask("GET", "/ui").status == 401
        station.close()
    return station


def test_the_pause_that_a_server_asks_for_is_kept_between_two_requests_on_one_connection() -> None:
    times: list[float] = []

    def limited(request: hostile.Request) -> hostile.Reply | None:
        times.append(time.monotonic())
        first = len(times) < 3
        return (hostile.always(429, headers={"Retry-After": "1"}) if first else hostile.basic_everything)(request)

    asked_behind_an_upgrade(limited)
    assert times[2] - times[1] > 0.9


def test_two_requests_on_one_connection_are_sent_apart_where_a_limit_objects() -> None:
    last = 0.0

    def limited(request: hostile.Request) -> hostile.Reply | None:
        nonlocal last
        soon, last = time.monotonic() - last < 0.3, time.monotonic()
        return (hostile.always(503) if soon else hostile.basic_everything)(request)

    station = asked_behind_an_upgrade(limited)
    assert not station.down.is_known("/ui")
    assert not station.narrowed
