"""What became of every control at every target: one account each, the worst of its instances.

Pure: from what was collected and what was recorded to accounts, and to the line that sums them up. The order, worst
first, is that of `ORDER`: a finding that counts, then what is not known although it was asked, then a finding that the
site accepts, then what is not known because it could not or was not to be asked; compliant only where every instance
that arises was judged; and not applicable where none arises.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_nodered_sec.ledger import Record

ORDER: Final = (
    "non-compliant",
    "could-not-look",
    "waived",
    "not-judged",
    "not-selected",
    "compliant",
    "not-applicable",
)
TOOK_DOWN: Final = "the test took its process down"
JUDGED: Final = ("compliant", "non-compliant", "waived")


class CollectedCase(TypedDict):
    """One test case of a control as it was collected, before anything was left out."""

    nodeid: str
    control: str
    title: str
    severity: str
    target: str
    instance: str


class Account(TypedDict):
    """What became of one control at one target.

    `outcome` is one of `ORDER`; `reason` says why nothing was judged, or why the finding is accepted, and is "" for
    what was judged otherwise; `instances` counts its test cases by outcome.
    """

    control: str
    title: str
    severity: str
    target: str
    outcome: str
    reason: str
    instances: dict[str, int]


def accounts(
    collected: Iterable[CollectedCase], records: Sequence[Record], crashed: Iterable[str], left_out: str
) -> list[Account]:
    """Account for every control of every target, in the order of collection.

    Args:
        collected: the run's cases, before anything was left out.
        records: what became of those that ran; of one that ran again the last counts.
        crashed: node ids of cases that took their process down.
        left_out: why what did not run did not, e.g. "-k" or "interrupted".
    """
    ran = {record["nodeid"]: record for record in records}
    gone = set(crashed)
    cases: dict[tuple[str, str], list[tuple[str, str, str, str]]] = defaultdict(list)
    for case in collected:
        record = ran.pop(case["nodeid"], None)
        if record is not None:
            found = _found(record)
        elif case["nodeid"] in gone:
            found = ("could-not-look", TOOK_DOWN, case["title"], case["severity"])
        else:
            found = ("not-selected", left_out, case["title"], case["severity"])
        cases[case["target"], case["control"]].append(found)
    for record in ran.values():  # known from its report alone, where no list of what was collected came
        cases[record["target"], record["control"]].append(_found(record))
    return [_account(target, control, found) for (target, control), found in cases.items()]


def _found(record: Record) -> tuple[str, str, str, str]:
    waiver = record["waiver"]
    reason = waiver["reason"] if waiver and record["outcome"] == "waived" else record["reason"]
    return record["outcome"], reason, record["title"], record["severity"]


def _account(target: str, control: str, cases: Sequence[tuple[str, str, str, str]]) -> Account:
    outcome, reason, title, severity = min(cases, key=lambda case: ORDER.index(case[0]))
    counted = Counter(case[0] for case in cases)
    instances = {one: counted[one] for one in ORDER if counted[one]}
    return Account(
        control=control,
        title=title,
        severity=severity,
        target=target,
        outcome=outcome,
        reason=reason,
        instances=instances,
    )


_UNJUDGED: Final = (
    ("could-not-look", "could not be looked at"),
    ("not-applicable", "not applicable"),
    ("not-judged", "not judged"),
    ("not-selected", "not selected"),
)


def line(found: Sequence[Account], left_out: str) -> str:
    """Return how much was judged: "judged 62 of 80 controls; 9 not applicable, 9 not judged".

    A control counts once for each target.
    """
    outcomes: Mapping[str, int] = Counter(one["outcome"] for one in found)
    targets = len({one["target"] for one in found})
    judged = sum(outcomes[one] for one in JUDGED)
    text = f"judged {judged} of {len(found)} controls" + (f" at {targets} targets" if targets > 1 else "")
    parts = [f"{outcomes[outcome]} {words}" for outcome, words in _UNJUDGED if outcomes[outcome]]
    if outcomes["not-selected"]:
        parts[-1] += f" ({left_out})"
    return text + ("; " + ", ".join(parts) if parts else "")
