"""The outcome of every control at every target: one account each, the worst of its instances.

Pure: from what was collected and what was recorded to accounts, and to the line that sums them up. The order, worst
first, is that of `ORDER`: a finding that counts, then what is not known although it was asked, then a finding that the
site accepts, then what is not known because it could not or was not to be asked; compliant only where every instance
that arises was judged; and not applicable where none arises. What was not judged is attested where somebody vouches
for it: never compliant, and not judged again once the attestation has expired.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.results.records import Account, CollectedCase

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_nodered_sec.results.metadata import AttestationFacts
    from pytest_nodered_sec.results.records import Record

ORDER: Final = (
    "non-compliant",
    "could-not-look",
    "waived",
    "not-judged",
    "not-selected",
    "attested",
    "compliant",
    "not-applicable",
)
TOOK_DOWN: Final = "the test crashed its process"
JUDGED: Final = ("compliant", "non-compliant", "waived")


def accounts(
    collected: Iterable[CollectedCase],
    records: Sequence[Record],
    crashed: Iterable[str],
    left_out: str,
    attestations: Mapping[str, Sequence[AttestationFacts]] | None = None,
) -> list[Account]:
    """Return an account of every control of every target, in the order of collection.

    Args:
        collected: the run's cases, before anything was left out.
        records: results of those that ran; for one that ran again the last counts.
        crashed: node ids of cases that crashed their process.
        left_out: why cases did not run, e.g. "-k" or "interrupted".
        attestations: what somebody vouches for, by target.
    """
    ran = {record["nodeid"]: record for record in records}
    gone = set(crashed)
    cases: dict[tuple[str, str], list[tuple[str, str, str, str]]] = defaultdict(list)
    for case in collected:
        record = ran.pop(case["nodeid"], None)
        if record is not None:
            ended = _found(record)
        elif case["nodeid"] in gone:
            ended = ("could-not-look", TOOK_DOWN, case["title"], case["severity"])
        else:
            ended = ("not-selected", left_out, case["title"], case["severity"])
        cases[case["target"], case["control"]].append(ended)
    for record in ran.values():  # known from its report alone, where no list of what was collected came
        cases[record["target"], record["control"]].append(_found(record))
    found_accounts = [_account(target, control, case) for (target, control), case in cases.items()]
    return _attested(found_accounts, attestations or {})


def _attested(judged: list[Account], attestations: Mapping[str, Sequence[AttestationFacts]]) -> list[Account]:
    """Return accounts with what somebody vouches for where nothing was judged, and of what no test asks about."""
    there = {(account["target"], account["control"]): number for number, account in enumerate(judged)}
    for target, vouched in attestations.items():
        for attestation in sorted(vouched, key=lambda each: each["in_force"]):  # of several the one in force counts
            number = there.setdefault((target, attestation["control"]), len(judged))
            if number == len(judged):
                judged.append(Account(control=attestation["control"], title=attestation["statement"], severity="low",
                                     target=target, outcome="not-judged", reason="", instances={}))  # fmt: skip
            account = judged[number]
            if account["outcome"] == "not-judged":
                in_force = attestation["in_force"]
                outcome, until = ("attested", "until") if in_force else ("not-judged", "not in force: until")
                period = f"on {attestation['dated']}, {until} {attestation['until']}"
                vouches = f"attested by {attestation['by']} {period}: {attestation['statement']}"
                reason = "; ".join(filter(None, (account["reason"], vouches)))
                judged[number] = Account(**{**account, "outcome": outcome, "reason": reason})
    return judged


def _found(record: Record) -> tuple[str, str, str, str]:
    waiver = record["waiver"]
    reason = waiver["reason"] if waiver and record["outcome"] == "waived" else record["reason"]
    return record["outcome"], reason, record["title"], record["severity"]


def _account(target: str, control: str, cases: Sequence[tuple[str, str, str, str]]) -> Account:
    outcome, reason, title, severity = min(cases, key=lambda case: ORDER.index(case[0]))
    counted = Counter(case[0] for case in cases)
    instances = {outcome: counted[outcome] for outcome in ORDER if counted[outcome]}
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
    ("attested", "attested"),
    ("could-not-look", "could not be looked at"),
    ("not-applicable", "not applicable"),
    ("not-judged", "not judged"),
    ("not-selected", "not selected"),
)


def line(judged_controls: Sequence[Account], left_out: str, shard: str = "") -> str:
    """Return how much was judged: "judged 62 of 80 controls; 9 not applicable, 9 not judged".

    A control counts once for each target.

    Args:
        found: the accounts.
        left_out: why cases did not run.
        shard: which targets a shard leaves out, "" for none.
    """
    outcomes: Mapping[str, int] = Counter(account["outcome"] for account in judged_controls)
    targets = len({account["target"] for account in judged_controls})
    judged = sum(outcomes[outcome] for outcome in JUDGED)
    text = f"judged {judged} of {len(judged_controls)} controls" + (f" at {targets} targets" if targets > 1 else "")
    parts = [f"{outcomes[outcome]} {words}" for outcome, words in _UNJUDGED if outcomes[outcome]]
    if outcomes["not-selected"]:
        parts[-1] += f" ({left_out})"
    return "; ".join(filter(None, (text, ", ".join(parts), shard)))
