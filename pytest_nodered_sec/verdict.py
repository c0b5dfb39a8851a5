"""Verdicts: compliant, violations, or why there is nothing to judge. Values only."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Severity(enum.Enum):
    """How bad a finding is, in descending order."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True)
class Violation:
    """One violation of a control.

    Attributes:
        code: short stable name, unique within the rule, e.g. "served".
        observed: what was asked and what came back.
        expected: what would have been compliant.
        remedy: the line to change, in settings.js or the proxy's configuration.
        severity: lower than the control's, where circumstances make it so; None for the control's.
    """

    code: str
    observed: str
    expected: str
    remedy: str
    severity: Severity | None = None


@dataclass(frozen=True)
class NotApplicable:
    """The control does not apply, for a reason that is true of this target."""

    reason: str


@dataclass(frozen=True)
class NotJudged(NotApplicable):
    """The control could not be judged; the reason begins with "not judged" and says what to configure."""


Verdict = tuple[Violation, ...] | NotApplicable
