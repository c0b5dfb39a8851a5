"""The pace of requests to a target."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.transport.net import AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Iterator

_AFTER_SUCCESS: Final = 0.5  # seconds, at the quiet pace
_AFTER_REFUSAL: Final = 10.0
_LONGEST: Final = 120.0  # seconds that a turn is waited for; of the looks at a target eight at most wait
_SILENT: Final = 4  # requests; upgrades to WebSockets that nobody serves are often not answered at all
_SLOWEST: Final = 1.1  # seconds between two requests; just over what a limit of one a second wants
_GRACE: Final = 600.0  # seconds after the first objection in which waiting costs no look its time
_SLOWLY: Final = 1 / 3  # of a look's limit: answers that take less do not count, however many they are
_TOGETHER: Final = 7  # times that limit, for the others together
RATE_LIMITED: Final = (429, 503)
_SPELL: Final = 8  # requests at that pace; more than one objection in each of three spells, and asking is in vain
_SPELLS: Final = 3  # a limit that counts the last ten seconds objects throughout the first one only
_IN_VAIN: Final = (
    "the target goes on answering 429 or 503 to requests that are more than a second apart: it allows fewer, is "
    "overloaded, or is several servers of which one is down: let its front pass the machine that runs the tests"
)
_LATE: Final = (
    "the target limits the request rate, and this request's turn did not come within the time limit: let its front "
    "pass the machine that runs the tests"
)


class Pace:
    """How fast we ask: freely, until a rate limiter objects; from then on one request at a time, spaced.

    Args:
        quiet: slowly enough from the start for intrusion detection with its own defaults (see `rest`).

    Attributes:
        slowest: seconds that the slowest answer took, those aside that say that something is wrong.
        given_up: why nothing more should be asked; None as long as turns come.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.slowest = 0.0  # seconds that an answer took
        self.given_up: ProbeError | None = None
        self._rested = 0.0  # absolute monotonic seconds
        self._line = threading.Condition()
        self._waiting: deque[object] = deque()  # first whose turn it is, then who waits, in the order they came
        self._objections: deque[bool] = deque(maxlen=_SPELLS * _SPELL)  # whether the last ones did, at the slowest pace
        self._unanswered = 0  # how many requests in a row had their turn and were not answered
        self._interval = 0.0  # seconds between the starts of two requests
        self._next = 0.0
        self._objected = 0.0
        self._first = 0.0  # when the first objection came, absolute monotonic seconds
        self._longest = 0.0  # seconds that an answer was waited for
        self._spent = 0.0  # seconds of the run that slow ones took: of those side by side each takes a part

    @property
    def patient(self) -> bool:
        """Whether waiting costs no look its time."""
        return time.monotonic() - self._first <= _GRACE

    @contextlib.contextmanager
    def turn(self, deadline: float) -> Iterator[None]:
        """Wait for the right to send one request: first come, first served.

        Waiting is not looking: it may go on past the deadline while those in front are answered; but not for ever, or a
        server that answers each request just in time would stretch a run to an hour.

        Raises:
            ProbeError: the turn does not come at all, or comes after the deadline where those in front got no answer,
                or where the time for all is used up.
        """
        if not self._interval:
            yield
            return
        ticket = object()
        with self._line:
            self._waiting.append(ticket)
        try:  # a test's own request may be ended while it waits (Ctrl-C, pytest-timeout): others go on
            with self._line:
                came = self._line.wait_for(lambda: self._waiting[0] is ticket, _LONGEST)
            now = time.monotonic()
            if not came or (now >= deadline and not (self._unanswered < _SILENT and self.patient)):
                late = ProbeError(_LATE, Cause.UNAVAILABLE)
                self.given_up = None if self.patient else late
                raise late.again()
            time.sleep(max(0.0, self._next - time.monotonic()))
            self._next = time.monotonic() + self._interval
            self._unanswered += 1
            yield
            self._unanswered = 0
        finally:
            with self._line:
                self._waiting.remove(ticket)
                self._line.notify_all()

    def rest(self) -> None:
        """Wait long enough for intrusion detection to forget earlier requests; not at all unless the pace is quiet."""
        if self.quiet:
            time.sleep(max(0.0, self._rested - time.monotonic()))

    def note(self, method: str, status: int, *, objects: bool = True) -> None:
        """Note an answer, 0 for none: how long `rest` waits before the next request.

        CrowdSec's buckets for probing and for refused log-ins leak once in ten seconds, the one for crawling twice a
        second (hub: http-probing, http-generic-bf, http-crawl-non_statics); a GET without a password that gets 401
        counts as neither. fail2ban counts wrong passwords only (filter nginx-http-auth).

        Asking is given up where the slowest pace does not end a rate limiter's objections.

        Args:
            method: HTTP method.
            status: the answer's; 0 for none.
            objects: whether 429 or 503 is a rate limiter's objection.
        """
        harmless = 0 < status < 400 or (status == 401 and method in ("GET", "HEAD", "OPTIONS"))
        self._rested = time.monotonic() + (_AFTER_SUCCESS if harmless else _AFTER_REFUSAL)
        if self._interval >= _SLOWEST:
            self._judge(objects=objects and status in RATE_LIMITED)

    def _judge(self, *, objects: bool) -> None:
        """Give up where the slowest pace does not end the objections; answers may come between them."""
        with self._line:
            self._objections.append(objects)
            last = list(self._objections)
        spells = [sum(last[begin : begin + _SPELL]) for begin in range(0, len(last), _SPELL)]
        if len(last) == _SPELLS * _SPELL and min(spells) > 1 and not self.given_up:
            self.given_up = ProbeError(_IN_VAIN, Cause.UNAVAILABLE)

    def spend(self, seconds: float, limit: float) -> None:
        """Note how long an answer was waited for; give up where slow ones together take many times a look's limit.

        A server that answers each request just in time would stretch a run to many minutes. At the quiet pace that is
        nothing.

        Args:
            seconds: from when the request's turn came.
            limit: seconds that a look may take.
        """
        if self.quiet or seconds < _SLOWLY * limit:
            return
        with self._line:
            self._longest = max(self._longest, seconds)
            self._spent += seconds / (1 if self._interval else AT_ONCE)
            if self._spent > _TOGETHER * limit and not self.given_up:
                self.given_up = ProbeError(
                    f"the target takes up to {self._longest:.1f} s for an answer, again and again, which would stretch "
                    "the run: nothing more is asked. A longer time limit (--nodered-timeout) gives it more time",
                    Cause.TIMEOUT,
                )

    def slow_down(self, came: float) -> bool:
        """Note an objection, and return whether it is a new one: from now on requests go out one at a time, spaced.

        Args:
            came: when it came, absolute monotonic seconds; what it means may have been found out since.
        """
        self._first = self._first or came
        new = came - self._objected > 0.5  # seven more in flight say the same: one objection
        if new:
            self._objected = came
            self._interval = min(_SLOWEST, max(0.12, self._interval * 2))
        return new

    @contextlib.contextmanager
    def spaced(self, interval: float) -> Iterator[None]:
        """Send no two requests within so many seconds until the block ends; who does this is alone.

        Where a limit objects meanwhile, the pace stays as slow as that wants.
        """
        before = self._interval
        spaced = self._interval = max(before, interval)
        try:
            yield
        finally:
            self._interval = before if self._interval == spaced else self._interval

    def keep(self, interval: float) -> None:
        """Send no two requests within so many seconds from now on; 0 changes nothing."""
        self._first = self._first or (time.monotonic() if interval else 0.0)
        self._interval = max(self._interval, interval)
