"""The live channel of a dashboard: an anonymous Socket.IO connect over long polling.

No widget event is sent; the session is closed at once. The one trace: flows with a ui-control node see one `connect`
and one `lost`.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.model_access import Channel, SocketAttempt
from pytest_nodered_sec.model_answers import Kind
from pytest_nodered_sec.probes.access import describe, with_hint
from pytest_nodered_sec.probes.engineio import QUERY
from pytest_nodered_sec.probes.socketio import JOIN, forgotten, hear, joined, knock
from pytest_nodered_sec.probes.websocket import QUIET, join, upgrade

if TYPE_CHECKING:
    from pytest_nodered_sec.model_answers import RootView
    from pytest_nodered_sec.probes.look import Look
    from pytest_nodered_sec.probes.socketio import Session

_WEBSOCKET: Final = QUERY.replace("polling", "websocket")
_POLLS: Final = 3  # answers to wait for: the namespace's, the connect packet's, and one with events between


def connect_channel(look: Look, admin: RootView, node: RootView, path: str) -> SocketAttempt:
    """Try to join a dashboard's live channel without credentials; where a gate refuses, in other ways too.

    Some gates let WebSockets pass, because browsers send no Basic login with them.
    Socket.IO compares the beginning of the path only (engine.io, lib/server.js: `path === req.url.slice(0,
    path.length)`). A gate by path may let pass what goes on after it: a file's name that it takes for an asset, or dot
    segments, of which it judges the tidied path (`/ui/socket.io/../../x` is `/x` to it) and forwards the untidied one.

    Args:
        look: the look.
        admin: landmarks of the admin root (what shows a Node-RED).
        node: landmarks of the node root.
        path: the dashboard's path below the node root.

    Raises:
        ProbeError: no answer, or one that is neither HTTP refusal nor Socket.IO.
    """
    socket = path.rstrip("/") + "/socket.io"
    seen = _connect(look, node, path, socket)
    if seen.channel is not Channel.NO_CHANNEL or seen.attempt.kind is not Kind.REFUSED:
        return seen
    answer, channel = upgrade(look, look.target.node(socket) + _WEBSOCKET, {}, join)
    if channel in (Channel.OPEN, Channel.REFUSED_BY_MIDDLEWARE):
        how = "as a WebSocket, without credentials"
        return SocketAttempt(describe(look, Surface.DASHBOARD, "GET", socket, how, answer, node), channel)
    if look.target.policy.mode == "calm":
        return replace(seen, detour_left_out=True)
    up = "/.." * look.target.node(socket).count("/")
    for further, query in ((f"{up}/x", QUERY), ("/x.js", QUERY.removeprefix("/"))):
        try:
            detour = _connect(look, node, path, f"{socket}{further}", query)
        except ProbeError as error:
            if error.cause is not Cause.CLOSED:
                raise
            continue  # somebody does not take such paths
        if detour.channel is not Channel.NO_CHANNEL or detour.attempt.kind is Kind.NO_ANSWER:
            return detour
    return seen


def _connect(look: Look, node: RootView, path: str, socket: str, query: str = QUERY) -> SocketAttempt:
    attempt, session = knock(look, node, Surface.DASHBOARD, socket, "without credentials", query=query)
    if session is None:
        return SocketAttempt(with_hint(look, attempt, path), Channel.NO_CHANNEL)
    with joined(look, session, JOIN):
        packets = hear(look, session)
    return SocketAttempt(attempt, outcome(packets, socket), len(packets) - 1)


def outcome(packets: tuple[str, ...], socket: str) -> Channel:
    """Return what became of the connect packet, by the packets that came after it.

    Raises:
        ProbeError: none of them answers it.
    """
    if any(packet.startswith("44") for packet in packets):
        return Channel.REFUSED_BY_MIDDLEWARE
    if any(packet.startswith(JOIN) for packet in packets):
        return Channel.OPEN
    raise ProbeError(f"Socket.IO connect to {socket} got neither an acceptance nor a refusal", Cause.PROTOCOL)


def connect_from(look: Look, node: RootView, path: str, origin: str) -> SocketAttempt:
    """Try to join a dashboard's live channel as a page of another origin.

    The dashboards' own guard never answers such a connect packet. That it was heard shows in the answer to a second
    one, to a namespace that does not exist; a second of silence after it is a refusal.

    Args:
        look: the look.
        node: landmarks of the node root.
        path: the dashboard's path below the node root.
        origin: value of the Origin header, "" for none: then only whether a session is offered is looked at.

    Raises:
        ProbeError: no answer, or one that is neither HTTP refusal nor Socket.IO.
    """
    headers = {"Origin": origin} if origin else {}
    how = f"with the Origin {origin}" if origin else "without credentials"
    socket = path.rstrip("/") + "/socket.io"
    attempt, session = knock(look, node, Surface.DASHBOARD, socket, how, headers)
    if session is None:
        return SocketAttempt(attempt, Channel.NO_CHANNEL)
    if session.old and origin:
        return SocketAttempt(attempt, _answer_of_old(look, session, headers, socket))
    nowhere = "40/" + session.path.rpartition("=")[2] + ","  # a namespace that does not exist
    with joined(look, session, *((JOIN, nowhere) if origin else ()), headers=headers):
        heard = _listen(look, session, headers) if origin else []
    if not origin or any(packet.startswith("40{") for packet in heard):
        return SocketAttempt(attempt, Channel.OPEN, max(0, len(heard) - 2))
    if any(packet.startswith("44{") for packet in heard):
        return SocketAttempt(attempt, Channel.REFUSED_BY_MIDDLEWARE)
    if any(packet.startswith("44/") for packet in heard):
        return SocketAttempt(attempt, Channel.UNANSWERED)
    raise ProbeError(f"Socket.IO connect to {path}/socket.io {how} got no answer", Cause.PROTOCOL)


def _answer_of_old(look: Look, session: Session, headers: dict[str, str], socket: str) -> Channel:
    """Return what Socket.IO 2 makes of an Origin: its guard says nothing, but the session is gone."""
    deadline = look.deadline
    with joined(look, session, headers=headers):
        look.deadline = min(deadline, time.monotonic() + QUIET)
        heard: tuple[str, ...] = ()
        try:
            heard = hear(look, session, headers)
        except ProbeError as error:
            if error.cause is not Cause.TIMEOUT:
                raise
        finally:
            look.deadline = deadline
        if not heard and forgotten(look, session, headers):
            return Channel.UNANSWERED
        return outcome(heard, socket)


def _listen(look: Look, session: Session, headers: dict[str, str]) -> list[str]:
    """Return the packets that come until the connect packet is answered, or nothing more comes for a second."""
    heard: list[str] = []
    deadline = look.deadline
    for _ in range(_POLLS):
        look.deadline = min(deadline, time.monotonic() + QUIET) if heard else deadline
        try:
            heard += hear(look, session, headers)
        except ProbeError as error:
            if not heard or error.cause is not Cause.TIMEOUT:
                raise
            break
        finally:
            look.deadline = deadline
        if any(packet.startswith(("40{", "44{")) for packet in heard):
            break
    return heard
