"""Live channels as a page of another origin sees them, in the browser of somebody who is logged in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.model_access import Channel, ForeignAttempt
from pytest_nodered_sec.model_answers import Kind
from pytest_nodered_sec.probes.dashboard import connect_from
from pytest_nodered_sec.probes.websocket import attempt_channel

if TYPE_CHECKING:
    from pytest_nodered_sec.model_access import ChannelAttempt, SocketAttempt
    from pytest_nodered_sec.model_answers import RootView
    from pytest_nodered_sec.probes.look import Look

STRANGER: Final = "https://stranger.invalid"  # an Origin that is nobody's (RFC 2606)


def attempt_foreign(look: Look, admin: RootView, node: RootView, kind: str, path: str) -> ForeignAttempt:
    """Try to join a live channel with a foreign Origin, and where that is refused, with none.

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
        if kind == "dashboard":
            return connect_from(look, node, path, origin)
        surface, talk = (Surface.ADMIN, "subscribe") if kind == "comms" else (Surface.NODE, "accept")
        return attempt_channel(look, admin, node, surface.name, path, talk, origin)

    seen = join(STRANGER)
    refused = seen.channel is Channel.NO_CHANNEL and seen.attempt.kind is Kind.REFUSED
    return ForeignAttempt(seen, refused and join("").attempt.kind is Kind.REFUSED)
