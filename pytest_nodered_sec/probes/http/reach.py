"""Whether the target answered from the first look to the last: asked last."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pytest_nodered_sec.observations.reach import Reach, banned, may_be_banned

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.probes.transport.look import Look
    from pytest_nodered_sec.probes.transport.station import Station


def unwelcome(station: Station, admin: RootView) -> bool:
    """Whether everything is refused without asking for a login, so far, and nothing shows that it is no ban."""
    return may_be_banned(admin, station.target) and not station.welcome


def see_both_ends(look: Look, admin: RootView) -> Reach:
    """Say what lies between the first answer and the last; the sign of life by which this is confirmed is the last.

    Args:
        look: the look.
        admin: landmarks of the admin root.

    Raises:
        ProbeError: it may have banned this machine before that.
    """
    if unwelcome(look.station, admin):
        raise banned(admin, look.target)
    station = look.station
    return Reach(
        address=station.address,
        addresses=station.addresses,
        first=station.first,
        last=datetime.now(UTC),
        looks=station.looks,
        identity=admin.identity,
        view=admin,
    )
