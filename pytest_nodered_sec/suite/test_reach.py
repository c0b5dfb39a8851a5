"""The target is there, from the first look to the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.reach import answers_throughout

if TYPE_CHECKING:
    from pytest_nodered_sec.model_access import Reach
    from pytest_nodered_sec.policy import Policy


@control("reach-01", severity=Severity.CRITICAL, asks=questions.REACH)
def test_target_answers_throughout(nodered_reach: Reach, nodered_policy: Policy) -> None:
    """The target answers, at the beginning and at the end, and shows that it is a Node-RED.

    Every other verdict stands between these two signs of life. Where the target is dead this control carries
    the cause and the others refer to it.
    """
    require(answers_throughout(nodered_reach, nodered_policy))
