"""Reading verdicts in tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.model import NotApplicable

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Verdict, Violation


def violations(verdict: Verdict) -> tuple[Violation, ...]:
    """Return the violations of a control that applies."""
    assert not isinstance(verdict, NotApplicable), verdict
    return verdict
