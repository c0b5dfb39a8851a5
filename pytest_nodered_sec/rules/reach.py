"""Whether the target was there throughout."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Verdict
    from pytest_nodered_sec.model_access import Reach
    from pytest_nodered_sec.policy import Policy


def answers_throughout(seen: Reach, policy: Policy) -> Verdict:
    """The target answered from the first look to the last, and somebody behind the gate was seen.

    A target that did not is could-not-look by nature, which `model.settle` has said before this runs: so this
    control passes or errs, and never fails.
    """
    return ()
