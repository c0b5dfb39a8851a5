"""The data of every report, computed once: a run's records by control, family and target."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_nodered_sec.catalogue import OWN, catalogue
from pytest_nodered_sec.evidence.headline import SEVERITIES, headline
from pytest_nodered_sec.policy.assessment import assessment_of
from pytest_nodered_sec.results.fleet import Fleet
from pytest_nodered_sec.results.records import last_day
from pytest_nodered_sec.results.rollup import ORDER, line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from pytest_nodered_sec.catalogue import Entry
    from pytest_nodered_sec.evidence.changes import TargetPlan
    from pytest_nodered_sec.observations.chain import PresentedChain
    from pytest_nodered_sec.results.baseline import Since
    from pytest_nodered_sec.results.metadata import RunFacts
    from pytest_nodered_sec.results.records import Account, Looked, Record


@dataclass(frozen=True)
class Judged:
    """A control and the outcomes of its cases.

    Attributes:
        id: the control's.
        title: first line of the test's docstring.
        why: the reason for it, "" where not known.
        family: what it is filed under.
        severity: the control's own.
        outcome: the worst at any target.
        requirements: ids by framework.
        records: its cases, in the order of the run.
    """

    id: str
    title: str
    why: str
    family: str
    severity: str
    outcome: str
    requirements: Mapping[str, tuple[str, ...]]
    records: tuple[Record, ...]

    def at(self, target: str) -> tuple[Record, ...]:
        """Return the cases of one target."""
        return tuple(record for record in self.records if record["target"] == target)


@dataclass(frozen=True)
class Report:
    """A run, as reports show it.

    Attributes:
        facts: who looked, when, at what, by which demands.
        records: what became of each case.
        accounts: what became of each control at each target.
        chains: the certificates that each target sent, by name.
        unfinished: why the run ended before its time, "" where it did not.
        looked: when it was looked and by which version, None where this run did.
        looks: the same for each target, by name, where several stored runs were judged as one.
        plans: what to change at each target.
        fleet: all targets, of which a shard has a part.
        since: what changed since the baseline, None where there is none.
    """

    facts: RunFacts
    records: Sequence[Record]
    accounts: Sequence[Account]
    chains: Mapping[str, PresentedChain] = field(default_factory=dict)
    unfinished: str = ""
    looked: Looked | None = None
    looks: Mapping[str, Looked] = field(default_factory=dict)
    plans: Sequence[TargetPlan] = ()
    fleet: Fleet = field(default_factory=Fleet)
    since: Since | None = None

    @property
    def replayed(self) -> str:
        """What was judged again in place of looking, "" where we looked."""
        return self.facts["replayed"]

    @property
    def day(self) -> date:
        """The day as of which waivers are judged, UTC: the last one on which it was looked."""
        if not self.looked:
            return datetime.fromisoformat(self.facts["started"]).date()
        return last_day((self.looked, *self.looks.values()))

    @property
    def assessment(self) -> str:
        """Return who assesses what, and by what right, in one line; "" where the site does not say."""
        return assessment_of(self.facts["assessment"]).line()

    @cached_property
    def headline(self) -> str:
        """The sentence that says how it stands."""
        return headline(self.records, [target["name"] for target in self.facts["targets"]], self.unfinished)

    @property
    def judgement(self) -> str:
        """Return how much was judged, and what was not."""
        return line(self.accounts, self.facts["narrowed"] or self.unfinished, self.facts["shard"])

    @cached_property
    def counts(self) -> Counter[str]:
        """How many cases came to each outcome."""
        counter: Counter[str] = Counter()
        for account in self.accounts:
            counter.update(account["instances"])
        return counter

    @cached_property
    def severities(self) -> Counter[str]:
        """How many cases have findings, by the worst of each."""
        return Counter(record["severity"] for record in self.with_outcome("non-compliant"))

    def with_outcome(self, *outcomes: str) -> list[Record]:
        """Return the cases with these outcomes, the worst first."""
        records = [record for record in self.records if record["outcome"] in outcomes]
        return sorted(records, key=lambda record: SEVERITIES.index(record["severity"]))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The targets' names; "" for cases of no target comes last."""
        named = [target["name"] for target in self.facts["targets"]]
        seen = [account["target"] for account in self.accounts]
        return tuple(dict.fromkeys([*named, *filter(None, seen), *([""] if "" in seen else [])]))

    @cached_property
    def judged(self) -> tuple[Judged, ...]:
        """The run's controls, bundled ones in the catalogue's order, own ones behind."""
        by_control: dict[str, list[Account]] = defaultdict(list)
        cases: dict[str, list[Record]] = defaultdict(list)
        for account in self.accounts:
            by_control[account["control"]].append(account)
        for record in self.records:
            cases[record["control"]].append(record)
        order = [control for control in catalogue() if control in by_control] + [
            control for control in by_control if control not in catalogue()
        ]
        return tuple(_judged(by_control[control], cases[control], catalogue().get(control)) for control in order)


def _judged(accounts: Sequence[Account], cases: Sequence[Record], entry: Entry | None) -> Judged:
    first = accounts[0]
    return Judged(
        id=first["control"],
        title=first["title"],
        why=entry.why if entry else "",
        family=entry.family if entry else OWN,
        severity=first["severity"],
        outcome=min((account["outcome"] for account in accounts), key=ORDER.index),
        requirements=entry.requirements if entry else {},
        records=tuple(cases),
    )
