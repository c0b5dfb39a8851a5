"""The plan: the fewest changes that end all findings of a target, the worst first, and TLS before what needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.remedies.changes import change
from pytest_nodered_sec.remedies.model import SEVERITIES, Step, Where
from pytest_nodered_sec.remedies.table import changes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nodered_sec.remedies.model import Finding, Site


def plan(findings: Iterable[Finding], site: Site) -> tuple[Step, ...]:
    """Return the steps to take, worst first.

    What one change ends alone is certain, so changes without an alternative come first; of the others the one that ends
    most, and of equals the one that is preferred. A finding counts with the first step that ends it.
    """
    ways = {finding: changes(finding, site) for finding in dict.fromkeys(findings)}
    chosen: dict[str, list[Finding]] = {}
    for names in ways.values():
        if len(names) == 1:
            chosen.setdefault(names[0], [])
    left = [finding for finding, names in ways.items() if not any(name in chosen for name in names)]
    while left:
        best = max(_names(left, ways), key=lambda name: _worth(name, left, ways))
        chosen[best] = []
        left = [finding for finding in left if best not in ways[finding]]
    for finding, names in ways.items():
        chosen[next(name for name in names if name in chosen)].append(finding)
    steps = [_step(name, ended, site) for name, ended in chosen.items() if ended]
    return _tls_first(sorted(steps, key=lambda step: (SEVERITIES.index(step.severity), -len(step.findings))))


def _tls_first(steps: list[Step]) -> tuple[Step, ...]:
    """Return the steps with TLS, where there is none, before all else at the front: redirects and logins need it."""
    missing = [step for step in steps if any(finding.code == "no-tls" for finding in step.findings)]
    front = next((at for at, step in enumerate(steps) if step.change.where is Where.FRONT), 0)
    return (*steps[:front], *missing, *(step for step in steps[front:] if step not in missing))


def _names(left: list[Finding], ways: dict[Finding, tuple[str, ...]]) -> list[str]:
    return list(dict.fromkeys(name for finding in left for name in ways[finding]))


def _worth(name: str, left: list[Finding], ways: dict[Finding, tuple[str, ...]]) -> tuple[int, int]:
    """Return how many findings a change ends, and how high it is preferred by those."""
    ended = [ways[finding].index(name) for finding in left if name in ways[finding]]
    return len(ended), -sum(ended)


def _step(name: str, ended: list[Finding], site: Site) -> Step:
    worst = min((finding.severity for finding in ended), key=SEVERITIES.index)
    return Step(change(name, site, ended[0]), worst, tuple(ended))
