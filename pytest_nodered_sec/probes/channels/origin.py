"""Live channels as a page of another origin sees them, in the browser of somebody who is logged in."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.answers import Kind
from pytest_nodered_sec.observations.channels import Channel, ForeignAttempt
from pytest_nodered_sec.probes.channels.dashboard import connect_channel, connect_from
from pytest_nodered_sec.probes.channels.websocket import attempt_channel
from pytest_nodered_sec.probes.transport.origins import STRANGER, lookalike

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.observations.channels import ChannelAttempt, SocketAttempt
    from pytest_nodered_sec.probes.transport.look import Look


def attempt_foreign(look: Look, admin: RootView, node: RootView, kind: str, path: str) -> ForeignAttempt:
    """Try to join a live channel with a foreign Origin that resembles the target's own, then with others.

    Where it is let in, a stranger's says whether any is. Where it is refused, none says whether the Origin decided. No
    `null` is sent: a site's own function may parse the Origin without a guard, and Node-RED ends with it.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        node: landmarks of the node root.
        kind: "dashboard", "websocket" or "comms".
        path: the dashboard's or WebSocket's path below its root.

    Raises:
        ProbeError: no answer.
    """

    def join(origin: str) -> SocketAttempt | ChannelAttempt:
        look.extend()  # that nobody answers a foreign one takes its time
        if kind == "dashboard":
            return connect_from(look, node, path, origin) if origin else connect_channel(look, admin, node, path)
        surface, talk = (Surface.ADMIN, "subscribe") if kind == "comms" else (Surface.NODE, "accept")
        return attempt_channel(look, admin, node, surface.name, path, talk, origin, refused=refused)

    refused = False
    if kind != "dashboard":
        with contextlib.suppress(ProbeError):  # its own case carries why there is no answer
            refused = _refused(join(""))
    seen = join(lookalike(look.target))
    if seen.channel is Channel.OPEN:
        strange = join(STRANGER)
        return ForeignAttempt(strange if strange.channel is Channel.OPEN else seen)
    if _refused(seen) and join("").attempt.kind is Kind.REFUSED:
        return ForeignAttempt(seen, login_first=True)
    return ForeignAttempt(seen)


def _refused(seen: SocketAttempt | ChannelAttempt) -> bool:
    return seen.channel is Channel.NO_CHANNEL and seen.attempt.kind is Kind.REFUSED
