"""Every address of the target's name, and every server behind one, is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.reach import addresses_agree

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.addresses import Addresses
    from pytest_nodered_sec.policy.model import Policy


@control("reach-02", severity=Severity.HIGH, asks=questions.ADDRESSES)
def test_addresses_agree(nodered_seen: Addresses, nodered_policy: Policy) -> None:
    """Every address of the name serves and refuses the same, and the same request always gets the same answer.

    A gate often guards the IPv4 listener alone, or one of several servers behind a load balancer. Visitors and
    attackers reach whichever they like.
    """
    require(addresses_agree(nodered_seen, nodered_policy))
