"""The target's beginning and end: asked last, when everything else has been."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model_access import Reach
from pytest_nodered_sec.probes.landmarks import see_again

if TYPE_CHECKING:
    from pytest_nodered_sec.model_answers import RootView
    from pytest_nodered_sec.probes.look import Look


def see_both_ends(look: Look, admin: RootView) -> Reach:
    """Ask the admin root's sign of life once more and say what lies between.

    Raises:
        ProbeError: it no longer answers as at the start.
    """
    again = see_again(look, admin)
    if not again.same_as(admin.sign):
        what = "a random path" if admin.sign is admin.canary else admin.sign.path
        raise ProbeError(
            f"{look.target.url} answered {what} with {admin.sign.answer.line()} at the start and with "
            f"{again.answer.line()} at the end",
            Cause.CHANGED,
        )
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
