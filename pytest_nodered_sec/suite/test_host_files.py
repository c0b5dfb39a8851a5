"""Who else can read secrets on the host, or write code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.files import keys_are_private, others_cannot_reach, settings_are_out_of_reach

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_files import FileAccess, KeyAccess
    from pytest_nodered_sec.policy.model import Policy


@control("host-07", severity=Severity.HIGH, asks=questions.host_files)
def test_others_cannot_reach(nodered_seen: FileAccess, nodered_policy: Policy) -> None:
    """Other users cannot read Node-RED's secrets or write its code.

    Judged by effective access through every parent directory: the mode of a file that is rewritten does not last.
    """
    require(others_cannot_reach(nodered_seen, nodered_policy))


@control("host-15", severity=Severity.CRITICAL, asks=questions.host_keys)
def test_keys_are_private(nodered_seen: KeyAccess, nodered_policy: Policy) -> None:
    """Private keys are readable only by root and the services that use them."""
    require(keys_are_private(nodered_seen, nodered_policy))


@control("host-19", severity=Severity.HIGH, asks=questions.SETTINGS_FILES)
def test_settings_are_out_of_reach(nodered_seen: FileAccess, nodered_policy: Policy) -> None:
    """Node-RED cannot write settings.js or what it loads.

    Flows run as Node-RED's user: one that can write settings.js, or replace it in a directory above it, can switch the
    login off at the next start.
    """
    require(settings_are_out_of_reach(nodered_seen, nodered_policy))
