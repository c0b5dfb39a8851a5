"""What comes over plain HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.transport import nothing_in_clear

if TYPE_CHECKING:
    from pytest_nodered_sec.model import PlainAttempt
    from pytest_nodered_sec.policy import Policy


@control("http-01", severity=Severity.HIGH, asks=questions.surfaces_in_clear)
def test_nothing_comes_in_clear(nodered_plain: PlainAttempt, nodered_policy: Policy) -> None:
    """Nothing of Node-RED comes over plain HTTP.

    Passwords, tokens and plant data would cross the network readable and changeable. Asked per surface:
    Node-RED's own requireHttps leaves login and dashboards in clear.
    """
    require(nothing_in_clear(nodered_plain, nodered_policy))
