"""The target is there, from the first look to the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.reach import answers_throughout

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.reach import Reach
    from pytest_nodered_sec.policy.model import Policy


@control("reach-01", severity=Severity.CRITICAL, asks=questions.REACH)
def test_target_answers_throughout(nodered_seen: Reach, nodered_policy: Policy) -> None:
    """The target answers throughout the run and is a Node-RED.

    Every other verdict relies on this. If the target is down, this control carries the cause and the others refer to
    it.
    """
    require(answers_throughout(nodered_seen, nodered_policy))
