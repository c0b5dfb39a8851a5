"""The outcome of each case, and of each control: plain values between the ledger and every report."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date


class Finding(TypedDict):
    """One violation, as plain values; its severity is the control's where the rule gave no other."""

    code: str
    severity: str
    observed: str
    expected: str
    remedy: str


class Waived(TypedDict):
    """The waiver under which findings of a case are accepted: a single one, or the sum of several.

    `expires` is an ISO date, that of the first to expire; `findings` are the codes that are accepted.
    """

    reason: str
    expires: str
    approver: str
    ticket: str
    measure: str
    findings: list[str]


class Record(TypedDict):
    """The result of one test case of a control: plain values, no secrets.

    `title` is the first line of the test's docstring; `reason` says why nothing was judged, or that a mark of the test
    expects the finding, and is "" otherwise; `findings` are all there are, `severity` that of the worst which is not
    waived; `waiver` is set where any is waived: the outcome is "waived" where all are. `started` is UTC in ISO 8601,
    of what is judged again when it was looked at; `seconds` is how long the phase took that settled the outcome.
    """

    nodeid: str
    control: str
    title: str
    severity: str
    target: str
    instance: str
    observed: str
    outcome: str
    reason: str
    findings: list[Finding]
    waiver: Waived | None
    started: str
    seconds: float
    policy_sha256: str


class Was(NamedTuple):
    """What became of a case in a run that is judged again, as far as the new one refers to it.

    `outcome` names the findings, too; `started` is when it was looked at, UTC in ISO 8601.
    """

    target: str
    outcome: str
    started: str


class CollectedCase(TypedDict):
    """One test case of a control as it was collected, before anything was left out."""

    nodeid: str
    control: str
    title: str
    severity: str
    target: str
    instance: str


class Account(TypedDict):
    """The outcome of one control at one target.

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


class Looked(TypedDict):
    """When the target was asked, UTC in ISO 8601, by which version, machine and clock: in a replay, the stored run's.

    Machine and clock are "" where 0.1.0 looked, which did not store them.
    """

    at: str
    by: str
    machine: str
    clock: str


def last_day(looks: Iterable[Looked]) -> date:
    """Return the last day on which it was looked, UTC."""
    return max(datetime.fromisoformat(look["at"]).date() for look in looks)
