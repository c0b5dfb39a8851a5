"""Compares the answers to equal questions: several servers behind one address may answer differently."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.observations.addresses import Turn

if TYPE_CHECKING:
    from collections.abc import Hashable

    from pytest_nodered_sec.probes.transport.http import Exchange

_REFUSED: Final = (401, 403)
_ABSENT: Final = (404, 410)
_NO_ANSWERS: Final = (408, 429)
_GATED: Final = {"refused", "redirected"}  # what is there one time and not the other may be the flow's own doing
_KEPT: Final = 2000  # questions of which the first answer is remembered
_SHOWN: Final = 20


class Repeats:
    """What each question was answered first, and which were answered otherwise later; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first: dict[Hashable, tuple[str, str]] = {}
        self._turns: dict[Hashable, Turn] = {}

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
                self._turns[key] = Turn(what, (line, str(got.status)), "served" in (before, kind))

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
