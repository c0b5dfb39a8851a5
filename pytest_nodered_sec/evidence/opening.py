"""What the page's first two printed pages list: what was not looked at and why, which exceptions hold until when, and
what is not met.

Pure, and short whatever the run: where there is more, the page's other sections have it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_nodered_sec.evidence.headline import SEVERITIES
from pytest_nodered_sec.results.rollup import ORDER
from pytest_nodered_sec.texts import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_nodered_sec.evidence.report import Judged, Report
    from pytest_nodered_sec.results.records import Record

_MOST: Final = 6  # lines of one kind
_LONG: Final = 160  # characters of one reason
_UNSEEN: Final = {
    "could-not-look": "could not be looked at",
    "not-judged": "not judged",
    "not-selected": "not selected",
}
_WORDS: Final = {**_UNSEEN, "not-applicable": "not applicable"}

_Texts = dict[tuple[str, str, str], list[str]]  # what to sort by, and the text before and behind the targets' names


class Unmet(NamedTuple):
    """A control that is not met, with the number of its cases and the targets they are of."""

    control: Judged
    severity: str
    cases: int
    targets: str


def unseen(report: Report) -> list[str]:
    """Return what was not looked at, and why: a line for each reason, what could not be looked at first."""
    left = report.facts["omitted"]
    lines = [f"targets of the policy file that this run leaves out: {listed(left)}"] if left else []
    lines += [f"tests left out by {report.facts['narrowed']}"] if report.facts["narrowed"] else []
    lines += [report.facts["shard"]] if report.facts["shard"] else []
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for account in sorted(report.accounts, key=lambda each: ORDER.index(each["outcome"])):
        if account["outcome"] in _UNSEEN:
            key = (account["outcome"], account["reason"])
            groups.setdefault(key, []).append((account["control"], account["target"]))
    for (outcome, reason), cases in groups.items():
        number = len(dict.fromkeys(control for control, _ in cases))
        what = cases[0][0] if number == 1 else f"{number} controls"
        at = listed([target or "no target" for _, target in cases])
        words = _UNSEEN[outcome]
        why = reason.removeprefix(f"{words} ")  # "not judged without a host: …"
        lines.append(f"{what} at {at} {words}{' ' if why != reason else ': '}{_short(why or 'no reason is known')}")
    return _most(lines, "reasons")


def targets(report: Report) -> list[str]:
    """Return a line for each target: where it was looked at, its release, and what its cases came to."""
    counts: dict[str, Counter[str]] = {}
    for account in report.accounts:
        counts.setdefault(account["target"], Counter()).update(account["instances"])
    lines = []
    for target in report.facts["targets"]:
        release = target["identity"]["node_red"]
        there = ", ".join(filter(None, (target["url"], release and f"Node-RED {release}")))
        came = counts.get(target["name"], Counter())
        tally = ", ".join(f"{came[outcome]} {_WORDS.get(outcome, outcome)}" for outcome in ORDER if came[outcome])
        lines.append(f"{target['name']} ({there}): {tally or 'no test case'}")
    return _most(lines, "targets")


def exceptions(report: Report) -> list[str]:
    """Return what is accepted, by whom and until when: waivers, the first to end first, deviations, attestations."""
    waivers: _Texts = {}
    deviations: _Texts = {}
    vouched: _Texts = {}
    for target in report.facts["targets"]:
        for waiver in target["waivers"]:
            finding = " ".join(filter(None, (waiver["control"], waiver["instance"], waiver["finding"])))
            until = f"until {waiver['expires']}" if waiver["in_force"] else f"expired after {waiver['expires']}"
            by = f"approved by {waiver['approver']}" if waiver["approver"] else "no approver"
            key = (waiver["expires"], f"waiver of {finding}", f"{until}, {by}: {_short(waiver['reason'])}")
            waivers.setdefault(key, []).append(target["name"])
        for each in target["deviations"]:
            key = ("", f"{each['key']} = {each['value']}", f"no end: {_short(each['reason'])}")
            deviations.setdefault(key, []).append(target["name"])
        for said in target["attestations"]:
            ends = (
                f"until {said['until']}" if said["in_force"] else f"not in force ({said['dated']} to {said['until']})"
            )
            key = (
                said["until"],
                f"attestation of {said['control']}",
                f"{ends}, by {said['by']}: {_short(said['statement'])}",
            )
            vouched.setdefault(key, []).append(target["name"])
    kinds = {
        "waivers": sorted(waivers.items()),
        "deviations": deviations.items(),
        "attestations": sorted(vouched.items()),
    }
    lines: list[str] = []
    for kind, entries in kinds.items():
        lines += _most([f"{what} at {listed(names)}, {rest}" for (_, what, rest), names in entries], kind)
    return lines


def unmet(cases: Iterable[Record], controls: Mapping[str, Judged]) -> list[Unmet]:
    """Return the controls that are not met, the worst first; all of them, however many."""
    by_control: dict[str, list[Record]] = {}
    for case in cases:
        by_control.setdefault(case["control"], []).append(case)
    rows = [
        Unmet(
            controls[control],
            min((record["severity"] for record in each), key=SEVERITIES.index),
            len(each),
            listed([record["target"] or "no target" for record in each]),
        )
        for control, each in by_control.items()
    ]
    return sorted(rows, key=lambda row: SEVERITIES.index(row.severity))


def _most(lines: list[str], kind: str) -> list[str]:
    left = len(lines) - _MOST
    return lines if left < 1 else [*lines[:_MOST], f"and {left} more {kind}"]


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONG else f"{flat[:_LONG]}…"
