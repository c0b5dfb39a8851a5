"""The targets beside each other: what must be unique is unique."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.twins import machine_is_no_copy, tls_key_is_its_own

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.twins import Beside
    from pytest_nodered_sec.policy.model import Policy


@control("fleet-01", severity=Severity.HIGH, asks=questions.OWN_KEY)
def test_tls_key_is_its_own(nodered_seen: Beside, nodered_policy: Policy) -> None:
    """No two servers have the same TLS key.

    Gateways flashed from one image share it: who takes the key from one of them can pass for all. Judged at the end,
    when all targets were asked.
    """
    require(tls_key_is_its_own(nodered_seen, nodered_policy))


@control("fleet-02", severity=Severity.HIGH, asks=questions.OWN_MACHINE)
def test_machine_is_no_copy(nodered_seen: Beside, nodered_policy: Policy) -> None:
    """No two machines have the same machine id or ssh host keys.

    Copies of one image do: who takes the host key of one can pass for all, and systems that tell machines by their id
    mistake one for another. The same goes for the instance id and the key for credentials that Node-RED makes for
    itself: who takes that key from one can read the credentials of all. A password hash that two machines have was
    copied from one to the other: its password opens both. Judged at the end, when all targets were asked.
    """
    require(machine_is_no_copy(nodered_seen, nodered_policy))
