"""Live channels as a page of another origin sees them, in the browser of somebody who is logged in."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.answers import Kind
from pytest_nodered_sec.observations.channels import Channel, ForeignAttempt
from pytest_nodered_sec.probes.channels.dashboard import connect_channel, connect_from
from pytest_nodered_sec.probes.channels.websocket import attempt_channel
from pytest_nodered_sec.probes.http.ways import attempt_way
from pytest_nodered_sec.probes.transport.origins import STRANGER, lookalike
from pytest_nodered_sec.registry.ways import OWN_ORIGIN

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.observations.channels import ChannelAttempt, SocketAttempt
    from pytest_nodered_sec.probes.transport.look import Look


def attempt_foreign(look: Look, admin: RootView, node: RootView, kind: str, path: str) -> ForeignAttempt:
    """Try to join a live channel with a foreign Origin that resembles the target's own, then with others.

    Where a login refuses whoever has no Origin or the target's own (proxy-05 asks with that), no other is tried: only a
    gate that takes strangers and not its own site would let it in. Where a foreign one is let in, a stranger's says
    whether any is. Where it is refused, none says whether the Origin decided. No `null` is sent: a site's own function
    may parse the Origin without a guard, and Node-RED ends with it.

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
        return attempt_channel(look, admin, node, surface.name, path, talk, origin)

    if not look.target.policy.public_reason(path):
        plain = join("")
        if _refused(plain):
            surface, way = OWN_ORIGIN[kind]
            with contextlib.suppress(ProbeError):
                own = attempt_way(look, admin, node, surface, "GET", path, way)
                if own.ways and own.attempt.kind is Kind.REFUSED:
                    said = replace(plain.attempt, how="with the site's own Origin")
                    return ForeignAttempt(replace(plain, attempt=said), login_first=True)
    seen = join(lookalike(look.target))
    if seen.channel is Channel.OPEN:
        strange = join(STRANGER)
        return ForeignAttempt(strange if strange.channel is Channel.OPEN else seen)
    if _refused(seen) and join("").attempt.kind is Kind.REFUSED:
        return ForeignAttempt(seen, login_first=True)
    return ForeignAttempt(seen)


def _refused(seen: SocketAttempt | ChannelAttempt) -> bool:
    """Whether it was refused before it was a channel: by a login."""
    return seen.channel is Channel.NO_CHANNEL and seen.attempt.kind is Kind.REFUSED
