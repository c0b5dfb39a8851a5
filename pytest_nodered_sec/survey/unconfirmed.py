"""The answers of one target that wait until its landmarks are seen to answer as at the start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.observations.settling import asked_again, may_be_a_limit
from pytest_nodered_sec.probes.transport.net import AT_ONCE
from pytest_nodered_sec.registry import PROBES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nodered_sec.errors import ProbeError
    from pytest_nodered_sec.model import Ask, Observation, Target

    Waiting = tuple[Ask, Observation | ProbeError]

CANARY_EVERY: Final = 30  # looks between two signs of life, those that asked nothing because others had asked it aside


class Unconfirmed:
    """Such answers, by what confirms them; who uses it holds the lock of its place.

    Args:
        target: whose.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._waiting: dict[str, list[Waiting]] = {}
        self._shared: set[Ask] = set()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, ask: Ask, seen: Observation | ProbeError) -> None:
        """Add an answer."""
        self._waiting.setdefault(PROBES[ask.probe].confirmed_by, []).append((ask, seen))

    def note_shared(self, ask: Ask) -> None:
        """Note that a look at this question sent nothing: others had asked it already."""
        self._shared.add(ask)

    def asks(self) -> list[Ask]:
        """Return the questions of all."""
        return [ask for waiting in self._waiting.values() for ask, _ in waiting]

    def due(self, still_open: Mapping[str, int], confirming: set[str]) -> list[Waiting]:
        """Take those to confirm now, of one kind: every 30 looks that asked, and when no more of a kind are open.

        Answers from other ports are confirmed at the end only, because that takes new connections, and so are those
        that may be a limit's, which the landmarks tell sooner or later, and refusals of dashboards, for which nothing
        need be asked once more where enough others have been refused by then.

        Args:
            still_open: how many questions have no answer yet, by kind.
            confirming: the kinds of which some are being confirmed; the one taken is added.
        """
        for kind, waiting in self._waiting.items():
            sure = [each for each in waiting if not self._has_time(each[1])]
            looks = sum(ask not in self._shared for ask, _ in sure)
            enough = kind != "doors" and looks >= CANARY_EVERY and still_open[kind] >= AT_ONCE
            if kind in confirming or not (enough or not still_open[kind]):
                continue
            confirming.add(kind)
            del self._waiting[kind]
            if not enough:
                return waiting
            if len(sure) < len(waiting):
                self._waiting[kind] = [each for each in waiting if self._has_time(each[1])]
            return sure
        return []

    def _has_time(self, seen: Observation | ProbeError) -> bool:
        """Whether an answer is confirmed with the last ones of its kind."""
        return may_be_a_limit(seen) or bool(asked_again(seen, self._target))
