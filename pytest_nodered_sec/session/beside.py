"""Controls that judge a target beside the others: last of all, in the process that knows what every target showed.

Without xdist there is one process only. An xdist worker knows its own targets alone: it looks, as for every other case,
and hands what it saw to the controller when it ends. The controller then collects these few cases itself and runs them,
so that verdicts, reports and exit code are the same however many workers there are.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_nodered_sec import private
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.session import collection, fixtures, turns
from pytest_nodered_sec.session.state import COLLECTED, RAN

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from pytest_nodered_sec.model import Ask, Observation, Target
    from pytest_nodered_sec.session.ledger import Ledger

_TOLD: Final = "nodered_beside"  # among what a worker hands to its controller: node ids, and what their cases saw


def register(config: pytest.Config, book: Ledger | None) -> None:
    """Make ready to judge last, as a controller or as a worker.

    Args:
        config: pytest's.
        book: the controller's, None in a worker.
    """
    config.pluginmanager.register(Worker(config) if book is None else Controller(config, book), "nodered-sec-beside")


class Worker:
    """Looks, and leaves the judgement to the controller."""

    def __init__(self, config: pytest.Config) -> None:
        self._told: list[tuple[str, bytes]] = []
        self._last: set[pytest.Item] = set()
        config.workeroutput[_TOLD] = self._told  # type: ignore[attr-defined]  # xdist's

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Take note of the cases that are not judged here."""
        self._last = turns.judged_beside(session.items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run a case that is judged last without a report; but report it if it is skipped or could not look."""
        if item not in self._last:
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports = private.run_silently(item, nextitem)
        left = reports[0].passed
        looked = getattr(reports[0], "nodered_looked", None)
        if left or looked:
            told = looked and {**looked, "outcome": looked["outcome"].decode()}
            self._told.append((item.nodeid, json.dumps({"left": left, "looked": told}).encode()))
        for report in () if left else reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True


class Controller:
    """Runs the cases that its workers left to it.

    Args:
        config: pytest's.
        book: what became of the other cases.
    """

    def __init__(self, config: pytest.Config, book: Ledger) -> None:
        self._config = config
        self._book = book
        self._told: dict[str, dict[str, Any]] = {}  # by node id  # Any: JSON

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # Any: xdist's
        """Take what a worker left."""
        told = getattr(node, "workeroutput", {}).get(_TOLD, ())
        self._told |= {nodeid: json.loads(text) for nodeid, text in told}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Run them when all workers have ended, unless the run was broken off."""
        result = yield
        if self._told:
            session.items = self._collected(session)
            fixtures.answer_from(session, Told(account["looked"] for account in self._told.values()))
            left = [item for item in session.items if self._told[item.nodeid]["left"]]
            for item, following in zip(left, (*left[1:], None), strict=False):
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
                if session.shouldfail:
                    raise session.Failed(session.shouldfail)
                if session.shouldstop:
                    raise session.Interrupted(session.shouldstop)
        return result

    def _collected(self, session: pytest.Session) -> list[pytest.Item]:
        items = collection.collect_again(session, self._told)
        self._config.stash[COLLECTED] = list(self._book.collected)
        self._config.stash[RAN] = {record["nodeid"]: record for record in self._book.records}
        turns.in_turns(items)
        return items


class Told:
    """What workers saw, in place of a survey: a controller asks nothing.

    Args:
        looked: of each case, as its report had it; None for a case that asks no target.
    """

    def __init__(self, looked: Iterable[dict[str, Any] | None]) -> None:  # Any: JSON
        from pytest_nodered_sec.observations import codec  # knows every kind of observation: only where there are some

        self._outcomes = {
            (record["target"], record["probe"], *record["args"]): codec.decode(json.loads(record["outcome"]))
            for record in looked
            if record is not None
        }

    def ask_ahead(self, target: Target, asks: Iterable[Ask]) -> None:
        """Do nothing: all was asked."""

    def outcome(self, target: Target, ask: Ask) -> Observation | ProbeError:
        """Return what a worker saw."""
        missing = ProbeError(f"no worker asked {target.name}", Cause.NOT_ASKED)
        observation: Observation | ProbeError = self._outcomes.get((target.name, ask.probe, *ask.args), missing)
        return observation

    def identity(self, target: Target) -> dict[str, Any] | None:  # Any: as above
        """Return nothing: the workers have told who answered."""
        return None

    def let_go(self, target: Target, kept: Iterable[Ask]) -> None:
        """Do nothing: all of it is needed for the judgement."""

    def stop(self) -> None:
        """Do nothing: nothing is asked."""

    def close(self) -> None:
        """Do nothing: nothing is open."""
