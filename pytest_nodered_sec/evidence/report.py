"""What every report says, worked out once: a run's records, filed by control, family and target."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.accounts import ORDER
from pytest_nodered_sec.evidence.catalogue import OWN, catalogue
from pytest_nodered_sec.model import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_nodered_sec.accounts import Account
    from pytest_nodered_sec.evidence.catalogue import Entry
    from pytest_nodered_sec.evidence.replay import Looked
    from pytest_nodered_sec.facts import RunFacts
    from pytest_nodered_sec.ledger import Finding, Record
    from pytest_nodered_sec.model_chain import PresentedChain

SEVERITIES: Final = tuple(one.value for one in Severity)


@dataclass(frozen=True)
class Judged:
    """A control and what became of its cases.

    Attributes:
        id: the control's.
        title: first line of the test's docstring.
        why: the reason for it, "" where not known.
        family: what it is filed under.
        severity: the control's own.
        outcome: the gravest at any target.
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
        return tuple(one for one in self.records if one["target"] == target)


@dataclass(frozen=True)
class Report:
    """A run, as it is told.

    Attributes:
        facts: who looked, when, at what, by which demands.
        records: what became of each case.
        accounts: what became of each control at each target.
        chains: the certificates that each target sent, by name.
        unfinished: why the run ended before its time, "" where it did not.
        looked: when it was looked and by which version, None where this run did.
    """

    facts: RunFacts
    records: Sequence[Record]
    accounts: Sequence[Account]
    chains: Mapping[str, PresentedChain] = field(default_factory=dict)
    unfinished: str = ""
    looked: Looked | None = None

    @property
    def replayed(self) -> str:
        """What was judged again in place of looking, "" where we looked."""
        return self.facts["replayed"]

    @property
    def counts(self) -> Counter[str]:
        """Return how many cases came to each outcome."""
        return sum((Counter(one["instances"]) for one in self.accounts), Counter())

    @property
    def severities(self) -> Counter[str]:
        """Return how many cases have findings, by the worst of each."""
        return Counter(one["severity"] for one in self.with_outcome("non-compliant"))

    def with_outcome(self, *outcomes: str) -> list[Record]:
        """Return the cases of these outcomes, the gravest first."""
        found = [one for one in self.records if one["outcome"] in outcomes]
        return sorted(found, key=lambda one: SEVERITIES.index(one["severity"]))

    @property
    def names(self) -> tuple[str, ...]:
        """Return the targets' names; "" for cases of no target comes last."""
        named = [one["name"] for one in self.facts["targets"]]
        seen = [one["target"] for one in self.accounts]
        return tuple(dict.fromkeys([*named, *filter(None, seen), *([""] if "" in seen else [])]))

    @cached_property
    def judged(self) -> tuple[Judged, ...]:
        """The run's controls, bundled ones in the catalogue's order, own ones behind."""
        found: dict[str, list[Account]] = defaultdict(list)
        cases: dict[str, list[Record]] = defaultdict(list)
        for account in self.accounts:
            found[account["control"]].append(account)
        for record in self.records:
            cases[record["control"]].append(record)
        order = [one for one in catalogue() if one in found] + [one for one in found if one not in catalogue()]
        return tuple(_judged(found[one], cases[one], catalogue().get(one)) for one in order)


def _judged(found: Sequence[Account], cases: Sequence[Record], entry: Entry | None) -> Judged:
    first = found[0]
    return Judged(
        id=first["control"],
        title=first["title"],
        why=entry.why if entry else "",
        family=entry.family if entry else OWN,
        severity=first["severity"],
        outcome=min((one["outcome"] for one in found), key=ORDER.index),
        requirements=entry.requirements if entry else {},
        records=tuple(cases),
    )


def findings(record: Record) -> list[Finding]:
    """Return a case's findings; a site's own test that failed without one has what it saw."""
    if record["findings"] or record["outcome"] != "non-compliant":
        return record["findings"]
    seen = record["observed"] or "the test failed"
    return [{"code": "", "severity": record["severity"], "observed": seen, "expected": "", "remedy": ""}]
