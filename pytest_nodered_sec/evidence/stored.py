"""An evidence folder, read: what was seen, what was demanded, and what became of each case."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING, Any

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.evidence.folder import OBSERVATIONS, RESULTS, RUN, check
from pytest_nodered_sec.model import Observation, Target
from pytest_nodered_sec.observations import codec
from pytest_nodered_sec.policy.model import PolicyError
from pytest_nodered_sec.results.fleet import Fleet
from pytest_nodered_sec.results.records import Looked, Was, last_day
from pytest_nodered_sec.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import date

    from pytest_nodered_sec.model import Ask, Credentials
    from pytest_nodered_sec.results.records import Record

_Question = tuple[str, tuple[str, ...]]  # probe, arguments


@dataclass(frozen=True)
class Stored:
    """An evidence folder, read; or several, put together by `merge`.

    Attributes:
        folder: where it lies; of several the first.
        said: what is judged, in one phrase.
        unfinished: why that run ended before its time, "" where it did not.
        fail_on: lowest severity whose findings failed that run.
        assessment: who assessed what, as `policy.assessment` reads it.
        looked: when, and by which version; of several folders the first time.
        looks: the same for each target, by name.
        targets: as they were; their secrets are not here.
        policies: what was demanded of each target, as TOML, by name.
        records: what became of each case, by node id.
        replay: gives out what was seen.
        fleet: all targets, of which a shard had a part.
        omitted: targets of the policy file of then that the run left out.
    """

    folder: Path
    said: str
    unfinished: str
    fail_on: str
    assessment: Mapping[str, Any]  # Any: JSON
    looked: Looked
    looks: Mapping[str, Looked]
    targets: tuple[Target, ...]
    policies: dict[str, str]
    records: Mapping[str, Was]
    replay: Replay
    fleet: Fleet
    omitted: tuple[str, ...]

    @property
    def day(self) -> date:
        """The last day on which it was looked, UTC: waivers are judged as of then."""
        return last_day((self.looked, *self.looks.values()))

    def line(self) -> str:
        """Return what is judged, in one phrase."""
        return self.said


class Replay:
    """The stored observations, in place of the survey; sends no requests."""

    def __init__(
        self,
        outcomes: Mapping[str, Mapping[_Question, Observation | ProbeError]],
        identities: Mapping[str, dict[str, Any]],
    ) -> None:
        self._outcomes = dict(outcomes)  # by target
        self._identities = identities

    def having(self, other: Replay, names: Collection[str]) -> Replay:
        """Return a replay that has these targets from another one, and the others as before."""
        outcomes = {name: outcomes for name, outcomes in other._outcomes.items() if name in names}
        identities = {name: identity for name, identity in other._identities.items() if name in names}
        kept = {name: outcomes for name, outcomes in self._outcomes.items() if name not in names}
        return Replay({**kept, **outcomes}, {**self._identities, **identities})

    def ask_ahead(self, target: Target, asks: Iterable[Ask]) -> None:
        """Do nothing: whatever was asked is here."""

    def outcome(self, target: Target, ask: Ask) -> Observation | ProbeError:
        """Return what was seen, or why nothing was."""
        observation = self._outcomes.get(target.name, {}).get((ask.probe, ask.args))
        if observation is None:
            question = " ".join(filter(None, (ask.probe, ask.label)))
            return ProbeError(f"{question} was not asked of {target.name} when the evidence was taken", Cause.NOT_ASKED)
        return observation

    def identity(self, target: Target) -> dict[str, Any] | None:
        """Return who answered then, as `metadata.ServerIdentity` has it."""
        return self._identities.get(target.name)

    def let_go(self, target: Target, kept: Iterable[Ask]) -> None:
        """Let go of what was seen of a target, but for the answers to some questions."""
        asked = self._outcomes.pop(target.name, {})
        questions = ((ask.probe, ask.args) for ask in kept)
        self._outcomes[target.name] = {question: asked[question] for question in questions if question in asked}

    def stop(self) -> None:
        """Do nothing: nothing is asked."""

    def close(self) -> None:
        """Do nothing: nothing is open."""


def read(folder: Path) -> Stored:
    """Read an evidence folder that is as it was written.

    Raises:
        PolicyError: it is not, or it is of a version that this one cannot read.
    """
    check(folder, "--nodered-replay")
    try:
        facts = json.loads((folder / RUN).read_text(encoding="utf-8"))
        if facts["schema"] != codec.SCHEMA:
            raise PolicyError(f"{folder} has schema {facts['schema']}, and this version reads {codec.SCHEMA}")
        looked, cut = _looked(facts), facts["unfinished"]
        targets = tuple(_target(target, folder) for target in facts["targets"])
        named = facts["facts"]["targets"]
        fleet = facts.get("fleet") or {"names": [target.name for target in targets], "shard": ""}  # 0.1.0 has none
        stored = Stored(
            folder=folder,
            said=f"{folder.name}, looked at {looked['at']} by version {looked['by']}"
            + (f", incomplete: {cut}" if cut else ""),
            unfinished=cut,
            fail_on=Severity(facts["facts"]["fail_on"]).value,
            assessment=facts["facts"].get("assessment", {}),  # as above
            looked=looked,
            looks={
                target.name: facts_of.get("looked") or looked
                for target, facts_of in zip(targets, facts["targets"], strict=True)
            },
            targets=targets,
            policies={target["name"]: target["policy"] for target in named},
            records={record["nodeid"]: _was(record) for record in _lines(folder / RESULTS)},
            replay=Replay(_outcomes(folder / OBSERVATIONS), {target["name"]: target["identity"] for target in named}),
            fleet=Fleet(tuple(map(str, fleet["names"])), str(fleet["shard"])),
            omitted=tuple(map(str, facts["facts"].get("omitted", ()))),  # as above
        )
        _ = stored.day  # readable
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


def _target(facts: Mapping[str, Any], folder: Path) -> Target:
    target = codec.decode(facts["target"])
    if not isinstance(target, Target):
        raise codec.CodecError("a target is something else")
    if target.ca_file is not None and Path(target.ca_file).name != target.ca_file:
        raise codec.CodecError(f"{target.ca_file} is no file of the folder")
    ca_file = None if target.ca_file is None else str(folder / target.ca_file)
    return replace(
        target,
        ca_file=ca_file,
        credentials=_not_here if facts["credentials"] else None,
        dashboard_credentials=_not_here if facts.get("dashboard_credentials") else None,  # 0.1.0 has no such
    )


def _not_here() -> Credentials:
    raise ProbeError("a replay has no credentials", Cause.NOT_ASKED)


def _lines(path: Path) -> Iterator[Any]:  # Any: JSON
    """Return what each line of a file holds, one after the other: a fleet's file takes much memory as a whole."""
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            if line.strip("\n"):
                yield json.loads(line)


def _outcomes(path: Path) -> dict[str, dict[_Question, Observation | ProbeError]]:
    """Return what was seen, by target.

    Raises:
        PolicyError: a question is answered twice.
    """
    outcomes: dict[str, dict[_Question, Observation | ProbeError]] = {}
    for line in _lines(path):
        of_target, question = outcomes.setdefault(line["target"], {}), (line["probe"], tuple(line["args"]))
        if question in of_target:
            raise PolicyError(f"{path} answers a question twice; nobody knows which answer was judged")
        of_target[question] = _outcome(line)
    return outcomes


def _outcome(line: Mapping[str, Any]) -> Observation | ProbeError:  # Any: JSON
    outcome = codec.decode(line["outcome"])
    if not isinstance(outcome, (Observation, ProbeError)):
        raise codec.CodecError("an observation is something else")
    return outcome


def _was(record: Record) -> Was:
    return Was(intern(record["target"]), intern(outcome_of(record)), record["started"])


def outcome_of(record: Record) -> str:
    """Return an outcome, and of findings which."""
    codes = ", ".join(dict.fromkeys(finding["code"] for finding in record["findings"]))
    return f"{record['outcome']} ({codes})" if codes else record["outcome"]
