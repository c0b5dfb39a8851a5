"""Judging again what an evidence folder holds: no network, the same tests, the same or another policy."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.evidence.folder import NEEDED, OBSERVATIONS, check
from pytest_nodered_sec.model import Observation, Target
from pytest_nodered_sec.observations import codec
from pytest_nodered_sec.policy import file as policyfile
from pytest_nodered_sec.policy.assessment import assessment_of
from pytest_nodered_sec.policy.model import PolicyError
from pytest_nodered_sec.results.records import Looked
from pytest_nodered_sec.session.run import Run
from pytest_nodered_sec.session.settings import REPORTS, Settings, fail_on
from pytest_nodered_sec.session.targets import prepare as targets_of
from pytest_nodered_sec.session.targets import with_waivers

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping
    from datetime import date

    from pytest_nodered_sec.model import Ask, Credentials
    from pytest_nodered_sec.results.metadata import RunFacts
    from pytest_nodered_sec.results.records import Record
    from pytest_nodered_sec.session.ledger import Ledger
    from pytest_nodered_sec.session.state import StoredRun

_Key = tuple[str, str, tuple[str, ...]]  # target, probe, arguments


@dataclass(frozen=True)
class Stored:
    """An evidence folder, read.

    Attributes:
        folder: where it lies.
        facts: who judged, when, by which demands.
        unfinished: why that run ended before its time, "" where it did not.
        looked: when, and by which version.
        targets: as they were; their secrets are not here.
        records: what became of each case, by node id.
        replay: gives out what was seen.
    """

    folder: Path
    facts: RunFacts
    unfinished: str
    looked: Looked
    targets: tuple[Target, ...]
    records: Mapping[str, Record]
    replay: Replay

    @property
    def policies(self) -> dict[str, str]:
        """What was demanded of each target, as TOML."""
        return {one["name"]: one["policy"] for one in self.facts["targets"]}

    @property
    def day(self) -> date:
        """The day on which it was looked, UTC: waivers are judged as of then."""
        return datetime.fromisoformat(self.looked["at"]).date()

    def line(self) -> str:
        """Return what is judged, in one phrase."""
        cut = f", incomplete: {self.unfinished}" if self.unfinished else ""
        return f"{self.folder.name}, looked at {self.looked['at']} by version {self.looked['by']}{cut}"


class Replay:
    """The stored observations, in place of the survey; sends no requests."""

    def __init__(
        self, outcomes: Mapping[_Key, Observation | ProbeError], identities: Mapping[str, dict[str, Any]]
    ) -> None:
        self._outcomes = outcomes
        self._identities = identities

    def ask_ahead(self, target: Target, asks: Iterable[Ask]) -> None:
        """Do nothing: whatever was asked is here."""

    def outcome(self, target: Target, ask: Ask) -> Observation | ProbeError:
        """Return what was seen, or why nothing was."""
        found = self._outcomes.get((target.name, ask.probe, ask.args))
        if found is None:
            question = " ".join(filter(None, (ask.probe, ask.label)))
            return ProbeError(f"{question} was not asked of {target.name} when the evidence was taken", Cause.NOT_ASKED)
        return found

    def identity(self, target: Target) -> dict[str, Any] | None:
        """Return who answered then, as `facts.Identity` has it."""
        return self._identities.get(target.name)

    def close(self) -> None:
        """Do nothing: nothing is open."""


def read(folder: Path) -> Stored:
    """Read an evidence folder that is as it was written.

    Raises:
        PolicyError: it is not, or it is of a version that this one cannot read.
    """
    check(folder)
    try:
        run, looked, results = ((folder / name).read_text(encoding="utf-8").split("\n") for name in NEEDED)
        facts = json.loads("\n".join(run))
        if facts["schema"] != codec.SCHEMA:
            raise PolicyError(f"{folder} has schema {facts['schema']}, and this version reads {codec.SCHEMA}")
        seen = [_outcome(json.loads(line)) for line in looked if line]
        outcomes = dict(seen)
        if len(outcomes) < len(seen):
            raise PolicyError(f"{folder / OBSERVATIONS} answers a question twice; nobody knows which answer was judged")
        stored = Stored(
            folder,
            facts["facts"],
            facts["unfinished"],
            _looked(facts),
            tuple(_target(one, folder) for one in facts["targets"]),
            {one["nodeid"]: one for one in map(json.loads, filter(None, results))},
            Replay(outcomes, {one["name"]: one["identity"] for one in facts["facts"]["targets"]}),
        )
        _ = (
            stored.day,
            stored.line(),
            stored.policies,
            [_outcome_of(one) for one in stored.records.values()],
        )  # readable
    except (KeyError, TypeError, AttributeError, RecursionError, ValueError) as error:
        if isinstance(error, PolicyError):
            raise
        raise PolicyError(f"{folder} cannot be read by this version: {error}") from None
    return stored


def _looked(run: Mapping[str, Any]) -> Looked:  # Any, here and below: JSON
    facts = run["facts"]
    own = run.get("looked") or {"at": facts["started"], "by": facts["plugin"]}
    return Looked(
        at=own["at"],
        by=own["by"],
        machine=own.get("machine", facts.get("machine", "")),  # 0.1.0 has neither
        clock=own.get("clock", facts.get("clock", "")),
    )


def _target(one: Mapping[str, Any], folder: Path) -> Target:
    target = codec.decode(one["target"])
    if not isinstance(target, Target):
        raise codec.CodecError("a target is something else")
    if target.ca_file is not None and Path(target.ca_file).name != target.ca_file:
        raise codec.CodecError(f"{target.ca_file} is no file of the folder")
    ca_file = None if target.ca_file is None else str(folder / target.ca_file)
    return replace(
        target,
        ca_file=ca_file,
        credentials=_not_here if one["credentials"] else None,
        dashboard_credentials=_not_here if one.get("dashboard_credentials") else None,  # 0.1.0 has no such
    )


def _not_here() -> Credentials:
    raise ProbeError("a replay has no credentials", Cause.NOT_ASKED)


def _outcome(line: Mapping[str, Any]) -> tuple[_Key, Observation | ProbeError]:  # Any: JSON
    found = codec.decode(line["outcome"])
    if not isinstance(found, (Observation, ProbeError)):
        raise codec.CodecError("an observation is something else")
    return (line["target"], line["probe"], tuple(line["args"])), found


_OF_LOOKING: Final = ("ca_file", "credentials", "dashboard_credentials")  # who judges need not have them
_JUDGES: Final = ("replay", "policy", "fail-on", "suite", "exit")
_SHOWS: Final = ("junit", "seal", "fix", "show", *REPORTS)


def prepare(settings: Settings) -> tuple[Run, Stored]:
    """Return what a replay is about: the folder's targets as they were judged, or as another policy file has them.

    Raises:
        PolicyError: the folder, the file or an option cannot be used.
    """
    stored = read(Path(settings.one("replay", "")).expanduser())
    given = [
        f"--nodered-{name}" for name in settings.values if settings.typed(name) and name not in (*_JUDGES, *_SHOWS)
    ]
    if given:
        raise PolicyError(
            f"--nodered-replay sends no requests: remove {', '.join(given)}; to judge by another policy give "
            f"--nodered-policy=FILE, e.g. a changed copy of {stored.folder / 'policy.toml'}"
        )
    if not settings.typed("policy"):
        chosen = settings.sources.get("fail-on") in ("option", "environment")
        severity = settings.one("fail-on", "") if chosen else stored.facts["fail_on"]
        assessment = assessment_of(stored.facts.get("assessment", {}))  # 0.1.0 has none
        return Run(settings, None, (), stored.targets, severity, assessment), stored
    file = policyfile.read(Path(settings.one("policy", "")).expanduser(), _OF_LOOKING, settings.one("policy", ""))
    prepared = targets_of(Settings({}, {}, {}), file)
    found = {one.target.name: with_waivers(one.target, file) for one in prepared}
    for one in stored.targets:
        if one.name not in found:
            raise PolicyError(
                f"{file.path} has no [[target]] called {one.name}, which {stored.folder} is about; it has "
                f"{', '.join(found) or 'none'}"
            )
    targets = tuple(
        replace(
            found[one.name],
            credentials=one.credentials,
            dashboard_credentials=one.dashboard_credentials,
            http=one.http,
        )
        for one in stored.targets
    )
    return Run(settings, file, tuple(prepared), targets, fail_on(settings, file), file.assessment), stored


class Comparison:
    """Says at the end what differs from what was judged then; lives on the controller only.

    Args:
        stored: what is judged again.
        ledger: what becomes of it now.
    """

    def __init__(self, stored: StoredRun, ledger: Ledger) -> None:
        self._stored = stored
        self._ledger = ledger

    def differences(self) -> list[str]:
        """Return a line for each case that came to something else."""
        lines = []
        for record in self._ledger.records:
            before = self._stored.records.get(record["nodeid"])
            then, now = _outcome_of(before) if before else "not run then", _outcome_of(record)
            if then != now:
                lines.append(f"{record['nodeid']}: {then} → {now}")
        return lines

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        """Print what differs, above the last line."""
        yield
        lines = self.differences()
        for line in lines:
            terminalreporter.write_line(f"nodered-sec: differs: {line}")
        now = {one["nodeid"] for one in self._ledger.records}
        left = len(self._stored.records.keys() - now)
        number = len(now)
        found = (f"{len(lines)} differ" if lines else "none differs") + (f"; {left} were not run now" if left else "")
        terminalreporter.write_line(f"nodered-sec: judged {number} cases again ({self._stored.line()}): {found}")


def _outcome_of(record: Record) -> str:
    """Return an outcome, and of findings which."""
    codes = ", ".join(dict.fromkeys(one["code"] for one in record["findings"]))
    return f"{record['outcome']} ({codes})" if codes else record["outcome"]
