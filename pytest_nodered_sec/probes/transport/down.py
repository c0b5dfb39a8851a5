"""Tells a place that answers 503 by itself, as where its server is down, from a limit on whoever asks."""

from __future__ import annotations

import contextlib
import re
import threading
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.settling import answered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_nodered_sec.model import Observation, Target
    from pytest_nodered_sec.probes.transport.http import Exchange

UNAVAILABLE: Final = 503
CALM: Final = 1.0  # seconds after which limits by rate let one request pass (nginx: rate=1r/s)
_PATIENCE: Final = 15.0  # seconds: who asks may wait for whoever wants to be alone, and that may be who waits here
_SLOW: Final = 1.0  # seconds; a limit answers at once
_SIMPLE: Final = re.compile(r"(/(?!\.+(/|\?|$))[\w.-]+)+/?(\?[\w.&=-]*)?")  # of a path that no front takes for another
_NAMED: Final = re.compile(r"(?:GET|HEAD|POST|PATCH|PUT|DELETE) (/[\w./-]+)")
_ELSEWHERE: Final = 2  # answers there, one after the other: one of two servers by turns answers one of them alone


class Down:
    """The places of a target that are down, by the first segments of their paths; thread-safe.

    A 503 from there is their answer: to wait for another would slow the run for all other places. It is never a
    verdict, so one that was a limit's all the same costs an answer, and nothing else.

    Args:
        target: whose places they are.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        roots = {root.lower().rstrip("/") for root in (target.admin("/"), target.node("/"))}
        self._roots = sorted(roots, key=len, reverse=True)
        policy = target.policy
        declared = [*(policy.dashboards or ()), *policy.websockets, *(each.path for each in policy.interfaces)]
        declared += [each.path for each in policy.protected_paths] + [each.path for each in policy.public_paths]
        self._declared = {self._place(target.node(path)) for path in declared}
        self._places: set[str] = set()
        self._answers: dict[str, Exchange] = {}  # the answer of each, by its first segment as it is written
        self._asking = threading.Lock()  # one at a time: a limit would object to each of eight

    def is_known(self, path: str) -> bool:
        """Whether a place is down; never "/" itself."""
        return bool(self._places) and self._place(path) in self._places

    def remembered(self, path: str) -> Exchange | None:
        """Return the answer of a place that is down to a plain GET, which need not be sent again; None where it must.

        Another letter case, or dots, may lead past the place.
        """
        return self._answers.get(self._segment(path)) if self._answers and _SIMPLE.fullmatch(path) else None

    def remember(self, path: str, got: Exchange) -> None:
        """Remember what a plain GET got, if the place is down."""
        if got.status == UNAVAILABLE and self.is_known(path) and _SIMPLE.fullmatch(path):
            self._answers.setdefault(self._segment(path), got)

    def is_alike(self, path: str, got: Exchange) -> bool:
        """Whether a place answers 503 as slowly as one that is down, and the same: a limit's answer comes at once."""
        place = self._place(path)
        alike = any(got.body == other.body and other.seconds >= _SLOW for other in list(self._answers.values()))
        if place and got.seconds >= _SLOW and alike:
            self._places.add(place)
        return place in self._places

    def asked(self, path: str, elsewhere: Callable[[], Exchange], again: Callable[[], Exchange]) -> bool:
        """Whether a place that answered 503 is down: a random path is answered, and it answers 503 once more.

        Args:
            path: absolute.
            elsewhere: asks for a random path.
            again: asks as before.
        """
        place = self._place(path)
        if not (place and self._asking.acquire(timeout=_PATIENCE)):
            return False
        try:
            if place not in self._places:
                with contextlib.suppress(ProbeError):
                    others = [elsewhere().status for _ in range(_ELSEWHERE)]
                    if not {429, UNAVAILABLE}.intersection(others) and again().status == UNAVAILABLE:
                        self._places.add(place)
            return place in self._places
        finally:
            self._asking.release()

    def explains(self, args: Iterable[str], outcome: Observation | ProbeError) -> str:
        """Return which place that is down keeps a question from being answered; "" for none.

        Args:
            args: the question's.
            outcome: its answer, or why it has none.
        """
        if not self._places:
            return ""
        try:
            answered(outcome, self._target)
        except ProbeError as error:
            if error.cause is not Cause.UNAVAILABLE:
                return ""
            asked = [self._target.node(arg) for arg in args if arg.startswith("/")]
            named = [self._place(path) for path in asked]
            if self._places.isdisjoint(named):
                named = [self._place(path) for path in _NAMED.findall(error.message)]
                if not self._places.issuperset(named):
                    return ""
            return self._first(place for place in named if place in self._places)
        return ""

    def told(self, args: Iterable[str], outcome: Observation | ProbeError) -> Observation | ProbeError:
        """Return what became of a question; for each about a place that is down the same, so that it is told once."""
        place = self.explains(args, outcome)
        if not place:
            return outcome
        return ProbeError(
            f"{place} answered 503, again and again, while a random path was answered otherwise: what is behind it is "
            "down. Start it, or take it out of the policy",
            Cause.UNAVAILABLE,
        )

    def _first(self, places: Iterable[str]) -> str:
        """Return the first of these by name; one that begins like another goes with it (HAProxy: path_beg /ui).

        What the policy declares has a name of its own: another server may be behind it.
        """
        least = min(places, default="")
        if least in self._declared:
            return least
        return min((place for place in list(self._places) if least.startswith(place)), default="")

    def _segment(self, path: str) -> str:
        """Return a path's beginning that is its place, as it is written."""
        return path[: len(self._place(path))]

    def _place(self, path: str) -> str:
        """Return a path's first segment, below a root with that: beside it, others are answered; "" for a root."""
        plain = path.partition("?")[0].lower()
        above = next((root for root in self._roots if plain.startswith(f"{root}/")), "")
        segment = plain.removeprefix(above).partition("/")[2].partition("/")[0]
        return f"{above}/{segment}" if segment else ""
