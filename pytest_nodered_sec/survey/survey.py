"""Asks the questions of the collected tests: in parallel, within rate limits, each question once.

One queue per host, one `Place` per target. Nothing here judges: it returns the observation, or the reason why there is
none.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.settling import answered
from pytest_nodered_sec.probes.transport.contexts import Contexts
from pytest_nodered_sec.probes.transport.logins import Logins
from pytest_nodered_sec.probes.transport.once import Memo
from pytest_nodered_sec.registry import PROBES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

    from pytest_nodered_sec.model import Ask, Observation, Target
    from pytest_nodered_sec.probes.transport.station import Station
    from pytest_nodered_sec.survey.pending import Pending

from pytest_nodered_sec.survey.flow_place import FlowPlace
from pytest_nodered_sec.survey.hosts import Hosts
from pytest_nodered_sec.survey.place import Place


class Survey:
    """The questions of one run and their answers; thread-safe.

    Args:
        attempts: directory in which the run counts login attempts; None if no password may be tried.
        targets: all targets of the run: if one of them is quiet, all targets on its host are.
    """

    def __init__(self, attempts: Path | None = None, targets: Sequence[Target] = ()) -> None:
        self._hosts = Hosts(targets)
        self._logins = Logins(attempts)
        self._logins.hold_signals()
        self._lists: Memo[Any] = Memo()  # Any: probes store values of many types
        self._contexts = Contexts()
        self._lock = threading.Lock()
        self._places: dict[str, Place | FlowPlace] = {}
        self._left: dict[str, tuple[dict[str, Any], dict[Ask, Pending]]] = {}  # of targets whose tests are done
        self._bugs: dict[BaseException, TracebackType | None] = {}  # where each bug in a look was raised first
        self._closed = False

    def ask_ahead(self, target: Target, asks: Iterable[Ask]) -> None:
        """Queue questions that will be needed; those already known are not asked again."""
        asks = list(asks)
        for ask in asks:  # here, not in a thread: pytest may rewrite what is imported, and Python 3.11 fails
            PROBES[ask.probe].load()  # ("AST constructor recursion depth mismatch") where two threads do such
        with self._lock:
            place = self._place(target)
        place.add(asks)

    def outcome(self, target: Target, ask: Ask) -> Observation | ProbeError:
        """Wait for a question; return the observation, settled or not, or the error."""
        __tracebackhide__ = True
        pending = self._pending(target, ask)
        if pending is None or self._closed:
            self.ask_ahead(target, [ask])
            pending = self._pending(target, ask)
        assert pending is not None  # noqa: S101  it was added; for the type checker
        outcome, bug = pending.get()
        if bug:  # may be that of many questions: each raise would make its traceback longer
            raise bug.with_traceback(self._bugs.setdefault(bug, bug.__traceback__))
        assert outcome is not None  # noqa: S101  as above
        return outcome

    def answer(self, target: Target, ask: Ask) -> Observation:
        """Wait for the answer to one question.

        Raises:
            ProbeError: it could not be answered; a fresh exception for every caller, without our frames.
        """
        __tracebackhide__ = True
        return answered(self.outcome(target, ask), target)

    def station(self, target: Target) -> Station:
        """Return the connections and pace that a target's looks share, for a site's own requests.

        Raises:
            ProbeError: the target cannot be reached.
        """
        with self._lock:
            place = self._place(target)
        return place.arrived()

    def identity(self, target: Target) -> dict[str, Any] | None:
        """Return what identifies a target's server so far, a `metadata.ServerIdentity`; None if nothing was asked."""
        place = self._places.get(target.name)
        return place.identity() if place else self._left[target.name][0] if target.name in self._left else None

    def let_go(self, target: Target, kept: Iterable[Ask]) -> None:
        """Let go of what was seen of a target, when its tests are done.

        Args:
            target: who it is.
            kept: questions whose answers are needed all the same; what else is asked later on is asked anew.
        """
        place, kept = self._places.get(target.name), list(kept)
        if self._closed or not isinstance(place, Place):
            return
        for ask in kept:
            if pending := place.pending(ask):
                pending.get()  # it may be yet to come: nobody has waited for it
        with self._lock:
            if self._places.get(target.name) is place:
                del self._places[target.name]
                self._left[target.name] = place.identity(), place.leave(kept)

    def stop(self) -> None:
        """Begin no more looks: the run is about to end. What is open stays open for what the tests still undo."""
        with self._lock:
            self._closed = True
        self._hosts.workers.close()
        for place in list(self._places.values()):
            place.drop()

    def close(self) -> None:
        """Empty the queues, log out sessions, close all connections; looks in progress end by their deadline."""
        self.stop()
        self._logins.end()
        for place in self._places.values():
            place.close()
        self._logins.release_signals()

    def _pending(self, target: Target, ask: Ask) -> Pending | None:
        left = self._left.get(target.name)
        place = self._places.get(target.name)
        return (left[1].get(ask) if left else None) or (place.pending(ask) if place else None)

    def _place(self, target: Target) -> Place | FlowPlace:
        if self._closed:
            raise ProbeError("the run has ended", Cause.UNAVAILABLE)
        if target.flows:
            return self._places.setdefault(target.name, FlowPlace(target))
        if target.name not in self._places:
            self._places[target.name] = Place(target, self._hosts, self._logins, self._lists, self._contexts)
        return self._places[target.name]
