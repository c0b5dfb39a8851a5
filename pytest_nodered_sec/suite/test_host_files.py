"""Who else can read secrets on the host, or write code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.files import keys_are_private, others_cannot_reach

if TYPE_CHECKING:
    from pytest_nodered_sec.model_host import FileAccess, KeyAccess
    from pytest_nodered_sec.policy import Policy


@control("host-07", severity=Severity.HIGH, asks=questions.host_files)
def test_others_cannot_reach(nodered_seen: FileAccess, nodered_policy: Policy) -> None:
    """Nobody else can read Node-RED's secrets or write its code.

    Judged by effective access, through every directory above a file: modes of rewritten files do not last.
    """
    require(others_cannot_reach(nodered_seen, nodered_policy))


@control("host-15", severity=Severity.CRITICAL, asks=questions.host_keys)
def test_keys_are_private(nodered_seen: KeyAccess, nodered_policy: Policy) -> None:
    """Private keys are readable only by root and the services that use them."""
    require(keys_are_private(nodered_seen, nodered_policy))
