"""The answer to one question of a survey, and until it is there whoever waits for it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Observation

_TURN: Final = threading.Lock()  # held for an instant, while one of them changes


class Pending:
    """An answer that will come: a small one, because a fleet has hundreds of thousands, and nobody waits for most.

    Attributes:
        dropped: whether nobody wants it any more.
    """

    __slots__ = ("_bug", "_come", "_outcome", "dropped")

    def __init__(self) -> None:
        self._outcome: Observation | ProbeError | None = None
        self._bug: BaseException | None = None
        self._come: threading.Event | None = None  # made by the first who waits
        self.dropped = False

    @property
    def done(self) -> bool:
        """Whether it has come."""
        return self._outcome is not None or self._bug is not None

    @property
    def failed(self) -> bool:
        """Whether it has come and is none."""
        return isinstance(self._outcome, ProbeError)

    def settle(self, outcome: Observation | ProbeError | None, bug: BaseException | None = None) -> None:
        """Give the answer, or what broke in its place; what comes second is ignored."""
        with _TURN:
            self._settle(outcome, bug)

    def drop(self) -> None:
        """Give it up, if it has not come."""
        with _TURN:
            self.dropped = not self.done
            self._settle(ProbeError("the run has ended", Cause.UNAVAILABLE), None)

    def _settle(self, outcome: Observation | ProbeError | None, bug: BaseException | None) -> None:
        if not self.done:
            self._outcome, self._bug = outcome, bug
            if self._come is not None:
                self._come.set()

    def get(self) -> tuple[Observation | ProbeError | None, BaseException | None]:
        """Wait for it; return the answer, or what broke in its place."""
        with _TURN:
            come = None if self.done else self._come or threading.Event()
            self._come = come
        if come is not None:
            come.wait()
        return self._outcome, self._bug
