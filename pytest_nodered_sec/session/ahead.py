"""What is asked before a test needs it: the questions of all collected tests, target by target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from pytest_nodered_sec import private
from pytest_nodered_sec.session.skips import may_not_run
from pytest_nodered_sec.session.state import case_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nodered_sec.model import Ask, Target
    from pytest_nodered_sec.session.state import Answers

TARGETS_AHEAD: Final = 32  # more targets that are asked at once; those that do not answer cost one time limit together


class Ahead:
    """The questions of a session's tests, grouped once; registered as a plugin, so that it sees the run end.

    Args:
        session: pytest's, with its tests collected and selected.
        answers: where the questions go.
    """

    def __init__(self, session: pytest.Session, answers: Answers) -> None:
        self._session = session
        self._answers = answers
        self._asks: dict[str, dict[Ask, None]] = {}  # by target, in the order of the first test of each
        self._targets: dict[str, Target] = {}
        self._asked: set[str] = set()
        self._reached: set[str] = set()  # targets of which a test has begun
        for item in session.items:
            self._sort_in(item)

    def _sort_in(self, item: pytest.Item) -> None:
        case = case_of(item)
        if case is None or case.target is None or case.ask is None or not case.ask.probe:
            return
        if not may_not_run(item):
            self._targets[case.target.name] = case.target
            self._asks.setdefault(case.target.name, {})[case.ask] = None

    def begin(self, target: Target) -> None:
        """Ask what the tests of a target need, and of those that come next, when its first test begins."""
        if target.name in self._reached:
            return
        self._reached.add(target.name)
        self._ask(target.name)
        for name in self._next(target.name):
            self._ask(name)

    def _ask(self, name: str) -> None:
        if name not in self._asked and name in self._asks:
            self._asked.add(name)
            self._answers.ask_ahead(self._targets[name], self._asks[name])

    def _next(self, name: str) -> list[str]:
        """Return the targets that come next in this process; a worker of xdist's knows those it was given."""
        if hasattr(self._session.config, "workerinput"):
            items = [self._session.items[place] for place in private.given_tests(self._session.config)]
            names: Iterable[str] = dict.fromkeys(
                case.target.name for case in map(case_of, items) if case and case.target
            )
        else:
            names = self._asks
        coming = [name for name in names if name not in self._reached]
        return coming[:TARGETS_AHEAD]

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self) -> None:
        """Ask nothing more once the run is about to end, as after a failure with `-x`."""
        if self._session.shouldfail or self._session.shouldstop:
            self._answers.stop()
