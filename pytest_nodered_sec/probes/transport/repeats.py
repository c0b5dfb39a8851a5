"""Compares the answers to equal questions: several servers behind one address may answer differently."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.observations.addresses import Turn

if TYPE_CHECKING:
    from collections.abc import Hashable

    from pytest_nodered_sec.probes.transport.http import Exchange

_REFUSED: Final = {401, 403}
_ABSENT: Final = (404, 410)
_A_LIMITS: Final = "403"  # what HAProxy's deny, mod_evasive and CrowdSec answer whoever asks too much
_NO_ANSWERS: Final = (408, 429)
_GATED: Final = {"refused", "redirected"}  # what is there one time and not the other may be the flow's own doing
_KEPT: Final = 2000  # questions of which the first answer is remembered
_SHOWN: Final = 20
_APART: Final = 4  # connections by which one page or channel is refused: each may lead to one of several servers


class Repeats:
    """What each question was answered first, and which were answered otherwise later; thread-safe."""

    def __init__(self, before: Repeats | None = None) -> None:
        self._lock = threading.Lock()
        # What was served once is served, whatever is forgotten: no limit answers a page that a login guards.
        self._first: dict[Hashable, tuple[str, str]] = dict(before.served if before else {})
        self.served: dict[Hashable, tuple[str, str]] = dict(self._first)
        self._turns: dict[Hashable, Turn] = {}
        self._seen: dict[str, Counter[tuple[int, int]]] = {}  # status and connection by path, however it was asked for

    def note(self, key: Hashable, what: str, got: Exchange) -> None:
        """Compare an answer with the first one to the same question; what is no answer counts for nothing."""
        if got.status >= 500 or got.status in _NO_ANSWERS or got.status < 200:
            return
        kind = _kind(got.status)
        with self._lock:
            if len(self._first) >= _KEPT and key not in self._first:
                return
            before, line = self._first.setdefault(key, (kind, str(got.status)))
            if before != kind and {before, kind} & _GATED and key not in self._turns and len(self._turns) < _SHOWN:
                answers = (line, str(got.status))
                if "served" in (before, kind):
                    self.served[key] = ("served", line if before == "served" else str(got.status))
                self._turns[key] = Turn(what, answers, "served" in (before, kind) and _A_LIMITS not in answers)

    def tally(self, path: str, got: Exchange) -> None:
        """Note what a GET of a path was answered, whatever else was sent with it."""
        with self._lock:
            if len(self._seen) < _KEPT or path in self._seen:
                self._seen.setdefault(path, Counter())[got.status, got.connection] += 1

    def refused_often(self, path: str) -> bool:
        """Whether a dashboard's page or channel was refused alike on four connections, and never answered otherwise.

        A server behind the same address that has no login would have answered one of them: a page is asked for with a
        slash at its end and by its file, too, and a channel by names of files. Where connections are balanced, one
        server answers all that comes by one of them.

        Args:
            path: absolute, without query; a channel's ends with a slash.
        """
        page = path.rstrip("/")
        with self._lock:
            if path == page:
                spots = [page, f"{page}/", f"{page}/index.html"]
            else:
                spots = [spot for spot in self._seen if spot.startswith(path) and "/.." not in spot]
            came: Counter[tuple[int, int]] = sum((self._seen.get(spot, Counter()) for spot in spots), Counter())
        statuses, connections = ({pair[place] for pair in came} for place in range(2))
        refused = len(statuses) == 1 and statuses <= _REFUSED
        return refused and len(connections) >= _APART

    def add(self, turn: Turn) -> None:
        """Record a difference that was found elsewhere."""
        with self._lock:
            if len(self._turns) < _SHOWN:
                self._turns.setdefault(turn.what, turn)

    def turns(self) -> tuple[Turn, ...]:
        """Return the questions that were answered differently."""
        with self._lock:
            return tuple(self._turns.values())


def _kind(status: int) -> str:
    if status in _REFUSED:
        return "refused"
    if status in _ABSENT:
        return "absent"
    return "redirected" if 300 <= status < 400 else "served" if status < 300 else str(status)
