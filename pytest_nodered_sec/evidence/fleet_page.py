"""What the page of many targets shows, `fleet.html.j2`: numbers and examples in place of every case of every target.

So the page of hundreds stays a few hundred kilobytes, whatever the size of the run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.evidence.fleet import causes, standings
from pytest_nodered_sec.results.referring import reasons
from pytest_nodered_sec.results.rollup import ORDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_nodered_sec.evidence.report import Judged, Report
    from pytest_nodered_sec.observations.chain import CertificateFacts
    from pytest_nodered_sec.results.records import Record

_EXAMPLES: Final = 3  # of what was seen, for each control


def values(report: Report) -> dict[str, Any]:  # Any, here and below: what the template takes
    """Return what this page has in place of, or besides, what the page of few targets has."""
    rows = standings(report.plans, report.records)
    counts = _tallies(report)
    matrix: dict[str, list[tuple[Judged, Counter[str]]]] = defaultdict(list)
    for control in report.judged:
        matrix[control.family].append((control, counts[control.id]))
    return {
        "failing": [standing for standing in rows if standing.harm],
        "silent": [standing for standing in rows if standing.silent and not standing.harm],
        "partly": [standing for standing in rows if standing.unseen and not standing.silent and not standing.harm],
        "clean": [standing.name for standing in rows if not (standing.harm or standing.silent or standing.unseen)],
        "causes": causes(report.plans),
        "unseen": _alike(report.with_outcome("could-not-look"), lambda record: ""),
        "skipped": _alike(report.with_outcome("not-judged", "not-applicable"), lambda record: record["outcome"]),
        "passed": [row for judged in report.judged if (row := _passed(judged))],
        "matrix": matrix,
        "chains": _leaves(report),
        "tallies": counts,
    }


def _tallies(report: Report) -> dict[str, Counter[str]]:
    """Return by control at how many targets it came to what, in the order of outcomes."""
    counters: dict[str, Counter[str]] = defaultdict(Counter)
    for account in sorted(report.accounts, key=lambda account: ORDER.index(account["outcome"])):
        counters[account["control"]][account["outcome"]] += 1
    return counters


def _alike(cases: Iterable[Record], key: Callable[[Record], str]) -> list[dict[str, Any]]:
    """Return cases that share their reason, and this key, as one: what most cases have comes first."""
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for case, reason in reasons(cases):
        groups[key(case), reason].append(case)
    rows = [
        {
            "outcome": group[0]["outcome"],
            "reason": reason,
            "targets": list(dict.fromkeys(case["target"] or "no target" for case in group)),
            "controls": list(dict.fromkeys(case["control"] for case in group)),
            "cases": len(group),
        }
        for (_, reason), group in groups.items()
    ]
    return sorted(rows, key=lambda row: -row["cases"])


def _passed(judged: Judged) -> dict[str, Any] | None:
    """Return how often a control is met, with what was seen most often; None where it is met nowhere."""
    cases = [case for case in judged.records if case["outcome"] == "compliant"]
    if not cases:
        return None
    first = {case["observed"]: case for case in reversed(cases)}
    common = Counter(case["observed"] for case in cases).most_common(_EXAMPLES)
    return {
        "control": judged,
        "cases": len(cases),
        "targets": len({case["target"] for case in cases}),
        "examples": [(first[seen], number) for seen, number in common],
        "left": len(cases) - sum(number for _, number in common),
    }


def _leaves(report: Report) -> list[tuple[str, CertificateFacts | None, int]]:
    """Return name, certificate and days left of each target, the first to expire first; None where there is no TLS."""
    rows: list[tuple[str, CertificateFacts | None, int]] = []
    for name, chain in report.chains.items():
        leaf = next(iter(chain.certificates), None)
        rows.append((name, leaf, (leaf.not_after - chain.looked_at).days if leaf else -1))
    return sorted(rows, key=lambda row: row[2])
