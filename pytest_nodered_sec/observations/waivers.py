"""The outcome of a waiver in a run, which the control about waivers judges."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from pytest_nodered_sec.policy.model import Waiver


@dataclass(frozen=True)
class WaivedCase:
    """One test case that a waiver covers.

    Attributes:
        instance: what follows the target in its id.
        outcome: as in `ledger.Record`; "" where it did not run in this process.
        findings: codes of its violations.
    """

    instance: str
    outcome: str
    findings: tuple[str, ...]


@dataclass(frozen=True)
class WaiverUse:
    """One waiver, and the outcomes of the cases that it covers.

    Attributes:
        waiver: as the policy has it.
        today: UTC.
        left_out: the options that leave tests out, "" for a complete run.
        elsewhere: why the test that it covers may not have been collected, "" if it must have been.
        cases: as collected, before anything was left out.
    """

    waiver: Waiver
    today: date
    left_out: str
    elsewhere: str
    cases: tuple[WaivedCase, ...]

    @property
    def needed(self) -> bool:
        """Whether one of the cases shows the finding."""
        return any(self.waiver.names(code) for case in self.cases for code in case.findings)

    @property
    def unknown(self) -> bool:
        """Whether one of the cases was not judged, so that nobody knows what it would show."""
        return any(case.outcome in ("", "could-not-look", "not-judged") for case in self.cases)

    @property
    def stale(self) -> bool:
        """Whether every case was judged, and none shows the finding."""
        return bool(self.cases) and not self.left_out and not self.needed and not self.unknown

    def evidence(self) -> str:
        """Return one line for the evidence."""
        counted = Counter(case.outcome or "did not run" for case in self.cases)
        cases = ", ".join(f"{number} {outcome}" for outcome, number in counted.items()) or "no matching test case"
        return f"waiver of {self.waiver.line(self.today)}: {cases}"
