"""The quiet pace against buckets such as intrusion detection keeps, in a time that only the test lets pass."""

from __future__ import annotations

import threading
import time

import hostile
import pytest

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.transport import pace as module
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.probes.transport.pace import Pace
from pytest_nodered_sec.probes.transport.station import Station


class Clock:
    """Stands for `time`: sleeping takes no time."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def fullest(times: list[float], leak: float) -> float:
    """Return how full a leaky bucket gets into which one drop falls at each of the times."""
    level, last, most = 0.0, times[0], 0.0
    for now in times:
        level = max(0.0, level - (now - last) / leak) + 1
        last, most = now, max(most, level)
    return most


def ask(clock: Clock, pace: Pace, method: str, status: int, number: int) -> list[float]:
    times: list[float] = []
    for _ in range(number):
        pace.rest()
        times.append(clock.now)
        clock.now += 0.004  # as long as an answer takes
        pace.note(method, status)
    return times


def test_each_look_begins_its_time_when_it_is_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AFTER_REFUSAL", 0.6)
    with hostile.serving(hostile.always(404)) as server:
        station = Station(Target("x", server.url, Policy(pace="quiet"), timeout=1.0))
        station.arrive(time.monotonic() + 1)
        assert [answer.status for answer in Look(station).together(["/a", "/b", "/c", "/d"])] == [404] * 4
        station.close()


@pytest.mark.parametrize(("method", "status"), [("GET", 404), ("GET", 403), ("GET", 400), ("POST", 401), ("GET", 0)])
def test_refusals_do_not_fill_the_bucket_for_probing(clock: Clock, method: str, status: int) -> None:
    times = ask(clock, Pace(quiet=True), method, status, 60)
    assert fullest(times, 10) < 2  # CrowdSec bans at 5 to 10


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("GET", 301), ("GET", 401)])
def test_other_answers_do_not_fill_the_bucket_for_crawling(clock: Clock, method: str, status: int) -> None:
    times = ask(clock, Pace(quiet=True), method, status, 200)
    assert fullest(times, 0.5) < 2  # CrowdSec bans at 40
    assert times[-1] - times[0] < 110


def test_the_normal_pace_rests_not(clock: Clock) -> None:
    times = ask(clock, Pace(), "GET", 404, 60)
    assert times[-1] - times[0] < 1


def test_who_waits_for_a_turn_may_ask_in_the_time_that_is_left_of_the_look() -> None:
    pace = Pace()
    pace.slow_down(time.monotonic())
    with hostile.serving(hostile.always(404)) as server:
        station = Station(Target("x", server.url, Policy(), timeout=0.5), pace=pace)
        station.arrive(time.monotonic() + 1)
        answers = Look(station).together([f"/{number}" for number in range(8)])  # 0.12 seconds apart: 0.84 in all
        station.close()
    assert [answer.status for answer in answers] == [404] * 8


def test_no_turn_comes_after_the_time_limit_where_those_in_front_got_no_answer(clock: Clock) -> None:
    pace = Pace()
    pace.slow_down(clock.monotonic())
    late = clock.now
    for _ in range(4):  # a WebSocket that nobody serves is none of that
        with pytest.raises(TimeoutError), pace.turn(late):
            raise TimeoutError
    with pytest.raises(ProbeError, match="turn did not come"), pace.turn(late):
        pass
    with pace.turn(clock.now + 5):
        pass
    with pace.turn(late):  # the one in front was answered
        pass
    assert not pace.given_up


def test_ten_minutes_after_the_first_objection_waiting_counts(clock: Clock) -> None:
    pace = Pace()
    pace.slow_down(clock.monotonic())
    late = clock.now
    clock.now += 590
    with pace.turn(late):
        pass
    clock.now += 20
    with pytest.raises(ProbeError, match="turn did not come"), pace.turn(late):
        pass
    assert "let its front pass the machine" in str(pace.given_up)
    with pace.turn(clock.now + 5):
        pass


def test_answers_that_take_long_together_end_the_asking() -> None:
    fast, slow, limited, quiet = Pace(), Pace(), Pace(), Pace(quiet=True)
    limited.slow_down(time.monotonic())
    for _ in range(2100):  # ten times those of an ordinary run
        fast.spend(3.0, 10)
        quiet.spend(9.0, 10)
    for _ in range(80):
        slow.spend(9.0, 10)
    for _ in range(10):  # one at a time
        limited.spend(9.0, 10)
    assert not fast.given_up
    assert not quiet.given_up
    assert str(slow.given_up).startswith("the target takes up to 9.0 s for an answer, again and again")
    assert "--nodered-timeout" in str(limited.given_up)


@pytest.mark.parametrize(
    ("answers", "in_vain"),
    [
        ([503] * 24, True),
        ([429, 401] * 12, True),  # several servers, one of them down
        ([503, 503, 401] * 8, True),
        ([429] * 10 + [401] * 200, False),  # a window of ten seconds
        ([401] * 100 + [429] * 10 + [401] * 100, False),  # somebody else asks, too
        (([429] + [401] * 11) * 20, False),
    ],
)
def test_objections_at_the_slowest_pace_end_the_asking(answers: list[int], in_vain: bool) -> None:
    fast, slow = Pace(), Pace()
    slow.keep(module._SLOWEST)
    for status in answers:
        fast.note("GET", status)
        slow.note("GET", status)
    assert not fast.given_up
    assert ("goes on answering 429 or 503" in str(slow.given_up)) is in_vain


def test_turns_come_in_the_order_in_which_they_were_asked_for() -> None:
    pace = Pace()
    pace.slow_down(time.monotonic())
    order: list[int] = []

    def ask(number: int) -> None:
        with pace.turn(time.monotonic() + 5):
            order.append(number)

    with pace.turn(time.monotonic() + 5):
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
            time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert order == list(range(6))


def test_a_turn_that_never_comes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST", 0.01)
    pace = Pace()
    pace.slow_down(time.monotonic())
    late = time.monotonic() + 5

    def ask() -> None:
        with pytest.raises(ProbeError, match="turn did not come"), pace.turn(late):
            pass

    with pace.turn(late):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()


def test_who_is_interrupted_while_waiting_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    pace = Pace()
    pace.slow_down(time.monotonic())

    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pace._line, "wait_for", interrupted)
        with pytest.raises(KeyboardInterrupt), pace.turn(time.monotonic() + 5):
            pass
    monkeypatch.setattr(module, "_LONGEST", 1.0)
    with pace.turn(time.monotonic() + 5):
        pass


def test_an_objection_whose_meaning_was_found_out_later_is_no_new_one(clock: Clock) -> None:
    """Four looks that were refused at once learn one after the other that no place is down, a second apart."""
    pace, came = Pace(), clock.monotonic()
    news = []
    for _ in range(4):
        news.append(pace.slow_down(came))
        clock.sleep(1.2)
    assert news == [True, False, False, False]
    assert pace.slow_down(clock.monotonic())


@pytest.mark.parametrize("objects", [False, True])
def test_a_pace_for_a_while_ends_unless_a_limit_objected_to_it(objects: bool, clock: Clock) -> None:
    pace = Pace()
    with pace.spaced(0.5):
        if objects:
            pace.slow_down(clock.now)
    begun = clock.now
    for _ in range(3):
        with pace.turn(clock.now + 9):
            pass
    assert (clock.now - begun > 0.5) == objects
