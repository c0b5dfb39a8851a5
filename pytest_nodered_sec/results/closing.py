"""The last lines of a run: how many cases came to what, and which targets answered nothing, each with the cause."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.results.baseline import worse
from pytest_nodered_sec.results.referring import reasons, referred
from pytest_nodered_sec.results.rollup import JUDGED
from pytest_nodered_sec.texts import counted, listed
from pytest_nodered_sec.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from pytest_nodered_sec.results.gate import Gate
    from pytest_nodered_sec.results.records import Record

NOTHING: Final = "no question was answered, so nothing is proven"
_CAUSES: Final = 4  # that are told again; of each target its own line says it, too
_UNSEEN: Final = "could-not-look"
_REACH: Final = "reach-01"  # carries the cause where a target is dead


def answered(records: Iterable[Record], paperwork: str) -> frozenset[str]:
    """Return the targets that answered a question.

    Args:
        records: of the run.
        paperwork: the control that asks no target.
    """
    return frozenset(
        record["target"] for record in records if record["outcome"] in JUDGED and record["control"] != paperwork
    )


def unanswered(records: Iterable[Record], names: Iterable[str], answered: Collection[str], alone: str) -> list[str]:
    """Return a line for each cause why targets answered nothing.

    Args:
        records: of the run.
        names: the targets of the run.
        answered: those that answered a question.
        alone: the line where nothing at all was asked, "" for none.
    """
    unseen = defaultdict[str, list["Record"]](list)
    for record in records:
        if record["outcome"] == _UNSEEN and record["target"] not in answered:
            unseen[record["target"]].append(record)
    causes = {name: _cause(unseen[name]) for name in names if name not in answered}
    lines = [
        f"{listed([name for name in causes if causes[name] == cause])}: {cause}"
        for cause in dict.fromkeys(filter(None, causes.values()))
    ]
    if answered and len(lines) > _CAUSES:
        return [f"{NOTHING} of {len(causes)} targets ({listed(causes)}): their lines above say why"]
    if answered:
        return [f"{NOTHING} of {line}" for line in lines]
    return [f"{NOTHING}: {line}" for line in lines] or list(filter(None, [alone]))


def _cause(unseen: Sequence[Record]) -> str:
    """Return why a target gave no answers: what reach-01 says, else what most of its cases say."""
    reach = [record["reason"] for record in unseen if record["control"] == _REACH]
    others = [why for record, why in reasons(unseen) if referred(record["reason"])[0] != _REACH]
    said = Counter(others or [record["reason"] for record in unseen])
    return next(iter(reach + [reason for reason, _ in said.most_common(1)]), "")


def summary(records: Sequence[Record], lost: Sequence[Record], targets: int, gate: Gate) -> str:
    """Return the counts by outcome, findings by severity.

    Args:
        records: of the run.
        lost: of the cases that crashed their process.
        targets: how many there are.
        gate: which findings fail the run.
    """
    outcomes = Counter(record["outcome"] for record in records)
    errors = {record["nodeid"] for record in records if record["outcome"] == _UNSEEN}
    bad = [record for record in records if record["outcome"] == "non-compliant"]
    rated = Counter(record["severity"] for record in bad)
    severities = [severity.value for severity in Severity if rated[severity.value]]
    told = ", ".join(f"{rated[severity]} {severity}" for severity in severities)
    if any(worse(gate.fail_on, severity) for severity in severities):
        told += f"; failing from {gate.fail_on}"
    told += "; only new findings fail the run" if bad and gate.known is not None else ""
    if marked := sum(1 for record in bad if record["reason"]):
        told += f"; {marked} expected by a mark of the test, which is no waiver"
    parts = [
        counted(targets, "target"),
        f"{outcomes['compliant']} compliant",
        f"{outcomes['non-compliant']} non-compliant" + (f" ({told})" if told else ""),
        f"{outcomes['waived']} waived",
        counted(len(errors | {record["nodeid"] for record in lost}), "error"),
        f"{outcomes['not-applicable']} not applicable",
    ]
    if outcomes["not-judged"]:
        parts.append(f"{outcomes['not-judged']} not judged")
    return " · ".join(parts)
