"""Whether what the site accepts for now is still right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.waivers import is_needed

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.waivers import WaiverUse
    from pytest_nodered_sec.policy.model import Policy


@control("waiver-01", severity=Severity.MEDIUM, asks=questions.waivers)
def test_waiver_is_needed(nodered_seen: WaiverUse, nodered_policy: Policy) -> None:
    """Each waiver is in force, matches a tested control, and is still needed.

    Runs after all other controls of its target, and judges nothing where tests were left out.
    """
    require(is_needed(nodered_seen, nodered_policy))
