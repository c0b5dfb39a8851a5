"""Whether the target answered from the first look to the last: asked last."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pytest_nodered_sec.observations.reach import Reach

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.probes.transport.look import Look


def see_both_ends(look: Look, admin: RootView) -> Reach:
    """Say what lies between the first answer and the last; the sign of life by which this is confirmed is the last.

    Args:
        look: the look.
        admin: landmarks of the admin root.
    """
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
