"""Whether a 503 is a limit's, or the answer of one place that is down."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

import pytest
from seen import target

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.certificates import CertificateDemand
from pytest_nodered_sec.probes.transport.down import Down
from pytest_nodered_sec.probes.transport.http import Exchange

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
    down, late = Down(target()), ProbeError("GET /ui/x: 503", Cause.UNAVAILABLE)
    other = ProbeError("GET /ui/x: closed", Cause.CLOSED)
    seen = CertificateDemand(asked=False, status=200)
    assert down.told(["/ui/x"], late) is late
    asked(down, "/ui", answers(401, 401), answers(503))

    said = [str(down.told(args, late)) for args in (["dashboard", "/ui"], ["GET", "/UI/x"])]
    assert len(set(said)) == 1
    assert said[0].startswith("/ui answered 503, again and again, while a random path was answered otherwise")
    assert [down.told(["/ui"], other), down.told(["/dashboard"], late), down.told(["ui"], late)] == [other, late, late]
    assert down.told(["/ui"], seen) is seen
