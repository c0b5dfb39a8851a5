"""The keys of what a run keeps in pytest's stashes, and the `Case` of a test."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import pytest

from pytest_nodered_sec.catalogue import PREFIX
from pytest_nodered_sec.controls import MARK, Control

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_nodered_sec.errors import ProbeError
    from pytest_nodered_sec.model import Ask, Observation, Target
    from pytest_nodered_sec.results.baseline import Baseline
    from pytest_nodered_sec.results.gate import Gate
    from pytest_nodered_sec.results.records import CollectedCase, Looked, Record, Was

PAPERWORK: Final = "waiver-01"  # judges waivers, and asks no target
PARAMETER: Final = "_nodered_case"
TARGETS: Final = pytest.StashKey[tuple["Target", ...]]()
LAB: Final = pytest.StashKey[list[dict[str, Any]]]()  # the lab's deployments as plain values  # Any: of all types
ATTEMPTS: Final = pytest.StashKey[
    Path
]()  # directory in which all processes of the run count login attempts; made by the first attempt
REPLAYED: Final[pytest.StashKey[StoredRun]] = pytest.StashKey()  # the stored run of a replay; absent in other runs
BASELINE: Final[pytest.StashKey[Baseline]] = pytest.StashKey()  # the run to compare with; absent in other runs
GATE: Final[pytest.StashKey[Gate]] = pytest.StashKey()  # which findings fail the run
RECORDING: Final = pytest.StashKey[bool]()  # whether observations are kept for a report
WANTED: Final = pytest.StashKey[tuple[str, ...]]()  # ids of the suite that are part of the run; () for none
TODAY: Final = pytest.StashKey[date]()  # UTC, the same in every process of the run
CONTROLS: Final = pytest.StashKey[tuple[str, ...]]()  # globs of the control ids that the run is about; () for all
AWAY: Final = pytest.StashKey[str]()  # which targets the run leaves to others; "" for none
LEFT_OUT: Final = pytest.StashKey[str]()  # the options that leave tests out; "" for none
APART: Final = pytest.StashKey[bool]()  # whether the suite stays out because paths are named, and not it
UNRUN: Final = pytest.StashKey[tuple[str, ...]]()  # paths that were named, and that --nodered-suite=only leaves out
ELSEWHERE: Final = pytest.StashKey[str]()  # why the site's own tests are not all collected; "" where they are
COLLECTED: Final = pytest.StashKey[list["CollectedCase"]]()  # before anything was left out
RUNNING: Final = pytest.StashKey[pytest.Item]()  # the test whose turn it is, from its setup on
RAN: Final = pytest.StashKey[dict[str, "Record"]]()  # outcomes of the cases that ran in this process, by node id


_UNKNOWN: Final[Any] = object()  # Any: in the place of what a stash may hold, None included
_CONTROL: Final = pytest.StashKey[Control | None]()


class Answers(Protocol):
    """The source of answers: the survey, which asks the target, or a stored run."""

    def ask_ahead(self, target: Target, asks: Iterable[Ask]) -> None:
        """Take note of questions that will be needed."""

    def outcome(self, target: Target, ask: Ask) -> Observation | ProbeError:
        """Return the answer to a question, or why there is none."""

    def identity(self, target: Target) -> dict[str, Any] | None:
        """Return what identifies the server that answered, as plain values; None if unknown."""

    def let_go(self, target: Target, kept: Iterable[Ask]) -> None:
        """Let go of what was seen of a target, but for the answers to some questions."""

    def stop(self) -> None:
        """Begin no more looks: the run is about to end."""

    def close(self) -> None:
        """Stop all work in progress."""


class StoredRun(Protocol):
    """A run that is judged again."""

    @property
    def day(self) -> date:
        """The day of that run, UTC; waivers are judged by it."""

    @property
    def policies(self) -> dict[str, str]:
        """Effective policy of each target as TOML, by name."""

    @property
    def replay(self) -> Answers:
        """The stored answers."""

    @property
    def looked(self) -> Looked:
        """When that run took place, and the plugin's version."""

    @property
    def looks(self) -> Mapping[str, Looked]:
        """The same of each target, by name."""

    @property
    def records(self) -> Mapping[str, Was]:
        """Outcome of each case, by node id."""

    def line(self) -> str:
        """Return a one-line description of the stored run."""


@dataclass(frozen=True, repr=False)
class Case:
    """Target and question of a test case; no target if none is configured, no ask if there is nothing to ask.

    Other plugins show it as the test's parameter, and allure knows a test's history by it: as the id does, in short.
    """

    target: Target | None = None
    ask: Ask | None = None

    def __str__(self) -> str:
        if self.target is None:
            return "no-target"
        return f"{self.target.name}-{self.ask.label}" if self.ask and self.ask.label else self.target.name

    __repr__ = __str__


class Turn(NamedTuple):
    """A test case as it runs."""

    item: pytest.Item
    case: Case


def title_of(item: pytest.Item) -> str:
    """Return the first line of a test's docstring, "" where it has none; the same text for every case of the test."""
    return intern((getattr(item, "obj", None).__doc__ or "").strip().partition("\n")[0])


def of_suite(nodeid: str) -> bool:
    """Whether a node id is one of the bundled suite's."""
    return nodeid.startswith(f"{PREFIX}/")


def control_of(node: pytest.Item) -> Control | None:
    """Return the control that a test is, or None; its marks are searched once."""
    known = node.stash.get(_CONTROL, _UNKNOWN)
    if known is _UNKNOWN:
        mark = node.get_closest_marker(MARK)
        known = node.stash[_CONTROL] = mark.args[0] if mark else None
    return known


def case_of(item: pytest.Item) -> Case | None:
    """Return the case of a collected item, or None."""
    callspec = getattr(item, "callspec", None)
    return callspec.params.get(PARAMETER) if callspec else None


def looked_at(item: pytest.Item, start: float) -> str:
    """Return when a case was looked at, UTC: of what is judged again then, and not at its start now."""
    stored = item.config.stash.get(REPLAYED, None)
    then = stored.records.get(item.nodeid) if stored else None
    return then.started if then else datetime.fromtimestamp(start, UTC).isoformat(timespec="milliseconds")
