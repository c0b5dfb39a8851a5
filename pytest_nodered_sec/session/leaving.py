"""When a target's tests are done: what was seen of it is let go, because a run may have hundreds of targets."""

from __future__ import annotations

import gc
from collections import Counter
from typing import TYPE_CHECKING

from pytest_nodered_sec.model import Ask
from pytest_nodered_sec.session import fixtures
from pytest_nodered_sec.session.settings import only_shows
from pytest_nodered_sec.session.state import TARGETS, case_of

if TYPE_CHECKING:
    import pytest

    from pytest_nodered_sec.model import Target

_REACH = Ask("reach")  # others refer to it


def register(session: pytest.Session) -> None:
    """Let go of targets one after the other, where there are several."""
    if len(session.config.stash[TARGETS]) > 1 and not only_shows(session.config):
        session.config.pluginmanager.register(Leaving(session), "nodered-sec-leaving")
        gc.freeze()  # the tests stay until the run ends: Python need not search them for garbage again and again
        session.config.add_cleanup(gc.unfreeze)


class Leaving:
    """Counts the tests that each target still has.

    Cases that are judged beside those of other targets come last; the answers to their questions are kept.

    Args:
        session: pytest's, with its tests collected and selected.
    """

    def __init__(self, session: pytest.Session) -> None:
        self._session = session
        self._left = Counter[str]()  # by target
        self._kept: dict[str, list[Ask]] = {}
        self._done: Target | None = None  # whose test has just run
        for item in session.items:
            case = case_of(item)
            if case and case.target and case.ask and case.ask.beside:
                self._kept.setdefault(case.target.name, [_REACH]).append(case.ask)
            elif case and case.target:
                self._left[case.target.name] += 1

    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """Note that a test has run; perhaps it is run again at once, and only its last run counts."""
        case = case_of(item)
        self._done = case.target if case and not (case.ask and case.ask.beside) else None

    def pytest_runtest_logfinish(self) -> None:
        """Let go of the target whose last test this was."""
        done, self._done = self._done, None
        if done is not None:
            self._left[done.name] -= 1
            if not self._left[done.name]:
                fixtures.let_go(self._session, done, self._kept.get(done.name, [_REACH]))
