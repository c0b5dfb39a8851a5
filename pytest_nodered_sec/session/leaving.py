"""When a target's tests are done: what was seen of it is let go, because a run may have hundreds of targets."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec import private
from pytest_nodered_sec.errors import NonCompliant, ProbeError
from pytest_nodered_sec.model import Ask
from pytest_nodered_sec.session import fixtures, garbage
from pytest_nodered_sec.session.settings import only_shows
from pytest_nodered_sec.session.state import TARGETS, case_of

if TYPE_CHECKING:
    from collections.abc import Generator

_REACH = Ask("reach")  # others refer to it


def prepare(config: pytest.Config) -> None:
    """Make ready to collect the tests of several targets."""
    if _are_several(config):
        garbage.search_less(config)


def _are_several(config: pytest.Config) -> bool:
    return len(config.stash[TARGETS]) > 1 and not only_shows(config)


def register(session: pytest.Session) -> None:
    """Let go of targets one after the other, where there are several."""
    if _are_several(session.config):
        session.config.pluginmanager.register(Leaving(session), "nodered-sec-leaving")
        garbage.search_less(session.config)


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
        for item in session.items:
            case = case_of(item)
            if case and case.target and case.ask and case.ask.beside:
                self._kept.setdefault(case.target.name, [_REACH]).append(case.ask)
            elif case and case.target:
                self._left[case.target.name] += 1

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Let go of the target whose last test this was; within, a test may be run again."""
        ended = yield
        case = case_of(item)
        if case and case.target and not (case.ask and case.ask.beside):
            name = case.target.name
            self._left[name] -= 1
            if not self._left[name]:
                fixtures.let_go(self._session, case.target, self._kept.get(name, [_REACH]))
        return ended

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_exception_interact(self, call: pytest.CallInfo[object]) -> Generator[None]:
        """Let go of where an error or a finding was raised, when all others, such as a debugger, have seen it.

        pytest-rerunfailures keeps each exception until the run ends, and with it thirty frames and what is in them.
        """
        yield
        if call.excinfo is not None and isinstance(call.excinfo.value, (NonCompliant, ProbeError)):
            private.forget_where(call.excinfo)  # the text of these is shown without it
