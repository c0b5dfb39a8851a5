"""Many targets at a glance: how each stands, the worst first, and the changes that several of them need.

Pure: from records and plans. The terminal, the HTML page and the job summary say the same.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from pytest_nodered_sec.evidence.headline import SEVERITIES
from pytest_nodered_sec.evidence.plans import told
from pytest_nodered_sec.results.referring import reasons
from pytest_nodered_sec.results.rollup import JUDGED
from pytest_nodered_sec.session.state import PAPERWORK
from pytest_nodered_sec.texts import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_nodered_sec.evidence.changes import Record, TargetPlan
    from pytest_nodered_sec.evidence.plans import Told

FEW: Final = 12  # targets; reports of more begin with the fleet, and fold what is alike
_REACH: Final = "reach-01"
_T = TypeVar("_T")


class Standing(NamedTuple):
    """How a target stands.

    Attributes:
        name: the target's.
        harm: number of its findings by severity, those that count.
        cases: number of test cases with findings.
        changes: what to change, worst first.
        waived: number of cases whose findings are all waived.
        unseen: number of cases that could not be looked at.
        silent: since when it answers nothing, and why; "" where it answered any question.
    """

    name: str
    harm: Counter[str]
    cases: int
    changes: tuple[str, ...]
    waived: int
    unseen: int
    silent: str = ""

    @property
    def severities(self) -> str:
        """How many findings of which severity, in words, the worst first."""
        return ", ".join(f"{self.harm[severity]} {severity}" for severity in SEVERITIES if self.harm[severity])

    def line(self, *, alone: bool) -> str:
        """Return it in one line; for a target that is alone without what its findings say anyway."""
        if self.silent:
            return f"{self.name}: {self.silent}"
        number = self.harm.total()
        bad = counted(number, "finding") + ("" if alone else f" ({self.severities})")
        changed = f", {counted(len(self.changes), 'change')}" if self.changes else ""
        parts = [f"{bad} in {counted(self.cases, 'test')}{changed}" if number else "no findings"]
        parts += [f"{self.waived} waived"] if self.waived else []
        parts += [f"{self.unseen} could not be looked at"] if self.unseen else []
        return f"{self.name}: {', '.join(parts)}"


def standings(plans: Sequence[TargetPlan], records: Iterable[Record]) -> list[Standing]:
    """Return how each target stands: findings by their harm, then unreachable, then not wholly seen, then clean."""
    own: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        own[record["target"]].append(record)
    rows = [_standing(planned, own[planned.target.name]) for planned in plans]
    return sorted(rows, key=_rank)


def _standing(planned: TargetPlan, own: Sequence[Record]) -> Standing:
    unseen = [record for record in own if record["outcome"] == "could-not-look"]
    answered = any(record["outcome"] in JUDGED and record["control"] != PAPERWORK for record in own)
    harm = Counter(finding.severity for step in planned.steps for finding in step.findings)
    harm.update(record["severity"] for record in own if record["outcome"] == "non-compliant" and not record["findings"])
    return Standing(
        planned.target.name,
        harm,
        sum(record["outcome"] == "non-compliant" for record in own),
        tuple(step.what for step in told([planned])) if planned.steps else (),
        sum(record["outcome"] == "waived" for record in own),
        len(unseen),
        "" if answered else _silent(unseen),
    )


def _rank(standing: Standing) -> tuple[int, ...]:
    return (*(-standing.harm[severity] for severity in SEVERITIES), not standing.silent, -standing.unseen)


def _silent(unseen: Sequence[Record]) -> str:
    """Return since when a target answers nothing, and why: what reach-01 says, else what most cases say."""
    if not unseen:
        return "nothing was judged"
    since = f"since {datetime.fromisoformat(min(record['started'] for record in unseen)):%H:%M:%S}Z"
    reach = [record["reason"] for record in unseen if record["control"] == _REACH]
    if reach:
        return f"unreachable {since}: {reach[0]}"
    return f"no question answered {since}: {Counter(why for _, why in reasons(unseen)).most_common(1)[0][0]}"


class Cause(NamedTuple):
    """A change that targets need.

    Attributes:
        severity: of the worst finding that it ends anywhere.
        what: where to change what.
        targets: who needs it, in the run's order.
        findings: how many it ends, at all of them.
        controls: whose findings these are.
        guide: where the guide shows it, "" for nowhere.
    """

    severity: str
    what: str
    targets: tuple[str, ...]
    findings: int
    controls: tuple[str, ...]
    guide: str


def causes(plans: Iterable[TargetPlan]) -> list[Cause]:
    """Return each change once, with all who need it: the worst first, and of these what most of them need."""
    steps: dict[str, list[tuple[str, Told]]] = defaultdict(list)
    for planned in plans:
        for step in told([planned]):
            steps[step.what].append((planned.target.name, step))
    rows = [
        Cause(
            min((step.severity for _, step in needed), key=SEVERITIES.index),
            what,
            tuple(dict.fromkeys(name for name, _ in needed)),
            sum(step.findings for _, step in needed),
            tuple(dict.fromkeys(control for _, step in needed for control in step.controls)),
            needed[0][1].guide,
        )
        for what, needed in steps.items()
    ]
    return sorted(rows, key=lambda cause: (SEVERITIES.index(cause.severity), -len(cause.targets)))


def shared(pairs: Iterable[tuple[str, _T]]) -> list[tuple[list[str], _T]]:
    """Return each value once, with the names of all targets that have it."""
    gathered: dict[str, tuple[list[str], _T]] = {}
    for name, value in pairs:
        gathered.setdefault(repr(value), ([], value))[0].append(name)
    return list(gathered.values())
