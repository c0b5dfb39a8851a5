"""Whether the target answered from the first look to the last: asked last."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.reach import Reach
from pytest_nodered_sec.probes.http.landmarks import see_again

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.probes.transport.look import Look


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
            f"{again.answer.line()} at the end: banned, limited, or down? If it is up, let its front pass the "
            "machine that runs the tests, or slow down (--nodered-pace=quiet)",
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
