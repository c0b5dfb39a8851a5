"""The live channel of a dashboard: an anonymous Socket.IO connect over long polling.

No widget event is sent; the session is closed at once. The one trace: flows with a ui-control node see one `connect`
and one `lost`.
"""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.ways import ASSETS, USUAL_ASSETS
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.answers import Answer, Kind
from pytest_nodered_sec.observations.channels import Channel, SocketAttempt
from pytest_nodered_sec.probes.channels.engineio import DISGUISED, QUERY, WEBSOCKET
from pytest_nodered_sec.probes.channels.handshake import SilenceError, upgrade
from pytest_nodered_sec.probes.channels.socketio import JOIN, NotTakenError, forgotten, hear, joined, knock, not_taken
from pytest_nodered_sec.probes.channels.websocket import QUIET, Nowhere, join
from pytest_nodered_sec.probes.http.access import describe, with_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.probes.channels.handshake import Wire
    from pytest_nodered_sec.probes.channels.socketio import Session
    from pytest_nodered_sec.probes.transport.look import Look

_PAUSES: Final = (0.0, 0.1, 0.4)  # seconds before each look for the session
_POLLS: Final = 3  # answers to wait for: the namespace's, the connect packet's, and one with events between


def connect_channel(look: Look, admin: RootView, node: RootView, path: str) -> SocketAttempt:
    """Return the attempt to join a dashboard's live channel without credentials, made once for all questions.

    Args:
        look: the look.
        admin: landmarks of the admin root (what shows a Node-RED).
        node: landmarks of the node root.
        path: the dashboard's path below the node root.

    Raises:
        ProbeError: no answer, or one that is neither HTTP refusal nor Socket.IO.
    """
    del admin  # its canary decides whether this answer is released
    return look.shared(f"channel of {path}", lambda: _try_channel(look, node, path))


def _try_channel(look: Look, node: RootView, path: str) -> SocketAttempt:
    """Try to join a dashboard's live channel without credentials; if a gate or its own guard refuses, in other ways.

    Socket.IO compares the beginning of the path only (engine.io, lib/server.js: `path === req.url.slice(0,
    path.length)`). A gate by path may let pass what goes on after it: a file's name that it takes for an asset, or dot
    segments, of which it judges the tidied path (`/ui/socket.io/../../x` is `/x` to it) and forwards the untidied one.
    """
    seen, gated = _as_it_is(look, node, path)
    if not gated:
        return seen
    if look.target.policy.mode == "calm":
        return replace(seen, detour_left_out=True)
    socket = path.rstrip("/") + "/socket.io"
    up = "/.." * look.target.node(socket).count("/")
    names = USUAL_ASSETS if _has_forerunner(look, node, path, seen) else ASSETS
    for further, query in ((f"{up}/x", QUERY), *((f"/{name}", QUERY.removeprefix("/")) for name in names)):
        look.extend()  # up to twelve in a row, on a slow line or where each is held up: nginx: limit_req, no nodelay
        try:
            detour = _connect(look, node, f"{socket}{further}", query)
        except ProbeError as error:
            if error.cause is not Cause.CLOSED:
                raise
            continue  # somebody does not take such paths
        if detour.channel is not Channel.NO_CHANNEL or detour.attempt.kind is Kind.NO_ANSWER:
            return detour
    return seen


def _has_forerunner(look: Look, node: RootView, path: str, seen: SocketAttempt) -> bool:
    """Whether the same gate refuses a channel that the run asks by every name of a file: one list is for all of them.

    Which one that is depends on the order of the dashboards, never on who has asked first.
    """
    for earlier in look.station.channels.before(path):
        look.extend()  # it may be asked here
        with contextlib.suppress(ProbeError):  # its own case carries why there is no answer
            other, gated = _as_it_is(look, node, earlier)
            if gated and other.attempt.gate == seen.attempt.gate:
                return True
    return False


def _as_it_is(look: Look, node: RootView, path: str) -> tuple[SocketAttempt, bool]:
    """Return the attempt to join a channel by its own path, and whether a gate refuses it; made once for all questions.

    Some gates let WebSockets pass, because browsers send no Basic login with them; some guards do, too.

    Raises:
        ProbeError: no answer, or one that is neither HTTP refusal nor Socket.IO.
    """
    return look.shared(f"channel of {path} by its own path", lambda: _join_as_it_is(look, node, path))


def _join_as_it_is(look: Look, node: RootView, path: str) -> tuple[SocketAttempt, bool]:
    socket = path.rstrip("/") + "/socket.io"
    seen = _connect(look, node, socket)
    gated = seen.channel is Channel.NO_CHANNEL
    if gated:
        seen = replace(seen, attempt=with_hint(look, seen.attempt, path))
    if seen.channel is Channel.OPEN or (gated and seen.attempt.kind is not Kind.REFUSED):
        return seen, False
    try:
        answer, channel = upgrade_channel(look, look.target.node(socket), {}, join, refused=gated)
    except SilenceError:  # a front that drops upgrades: a channel that is open is answered at once
        look.extend()
        answer, channel = Answer(0, silent=True), None
        if gated and not Nowhere(look, look.target.node).gets(answer):
            raise
    if channel is Channel.OPEN or (gated and channel is Channel.REFUSED_BY_MIDDLEWARE):
        how = "as a WebSocket, without credentials"
        return SocketAttempt(describe(look, Surface.DASHBOARD, "GET", socket, how, answer, node), channel), False
    return seen, gated  # its own guard may ask by which transport somebody comes


def upgrade_channel(
    look: Look,
    path: str,
    headers: Mapping[str, str],
    talk: Callable[[Wire], Channel],
    query: Callable[[str], str] = str,
    *,
    refused: bool = False,
) -> tuple[Answer, Channel | None]:
    """Do as `upgrade` with a dashboard's channel; if that is closed after the handshake, in disguise.

    Args:
        look: the look.
        path: absolute path of the channel.
        headers: additional headers.
        talk: what is said on the open channel.
        query: adds to the path with its query.
        refused: as for `upgrade`.

    Raises:
        ProbeError: no answer in time, or none of a WebSocket.
    """
    answer, channel = upgrade(look, query(path + WEBSOCKET), headers, talk, refused=refused)
    if answer.status or answer.at_once or look.target.policy.mode == "calm":
        return answer, channel
    return upgrade(look, query(path + DISGUISED), headers, talk, refused=refused)


def _connect(look: Look, node: RootView, socket: str, query: str = QUERY) -> SocketAttempt:
    attempt, session = knock(look, node, Surface.DASHBOARD, socket, "without credentials", query=query)
    if session is None:
        return SocketAttempt(attempt, Channel.NO_CHANNEL)
    try:
        with joined(look, session, JOIN):
            packets = hear(look, session)
    except NotTakenError as error:
        return SocketAttempt(replace(attempt, classified=not_taken(error)), Channel.NO_CHANNEL)
    except ProbeError as error:
        if error.cause is not Cause.TIMEOUT or session.old or not _answers_others(look, node, socket, query):
            raise
        return SocketAttempt(attempt, Channel.UNANSWERED)
    return SocketAttempt(attempt, outcome(packets, socket), len(packets) - 1)


def _answers_others(look: Look, node: RootView, socket: str, query: str) -> bool:
    """Whether packets other than the connect packet are answered at once, which it never was.

    An ioMiddleware that calls `next` for those it knows only leaves strangers without a word. The connect packet to a
    namespace that does not exist gets past it.
    """
    look.extend()
    _, session = knock(look, node, Surface.DASHBOARD, socket, "without credentials", query=query)
    if session is None:
        return False
    with joined(look, session, _nowhere(session)):
        return any(packet.startswith("44/") for packet in hear(look, session))


def _nowhere(session: Session) -> str:
    """Return the connect packet of a namespace that does not exist."""
    return "40/" + session.path.rpartition("=")[2] + ","


def outcome(packets: tuple[str, ...], socket: str) -> Channel:
    """Return the outcome of the connect packet, judged by the packets that followed.

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

    Args:
        look: the look.
        node: landmarks of the node root.
        path: the dashboard's path below the node root.
        origin: value of the Origin header, "" for none: then only whether a session is offered is looked at.

    Raises:
        ProbeError: no answer, or one that is neither HTTP refusal nor Socket.IO.
    """
    if origin:
        return connect_with(look, node, path, f"with the Origin {origin}", {"Origin": origin})
    socket = path.rstrip("/") + "/socket.io"
    attempt, session = knock(look, node, Surface.DASHBOARD, socket, "without credentials")
    if session is None:
        return SocketAttempt(attempt, Channel.NO_CHANNEL)
    with joined(look, session):
        return SocketAttempt(attempt, Channel.OPEN)


def connect_with(
    look: Look, node: RootView, path: str, how: str, headers: dict[str, str], claim: str = ""
) -> SocketAttempt:
    """Try to join a dashboard's live channel with headers by which a guard may decide.

    The dashboards' own guard never answers the connect packet of a foreign origin. That it was heard shows in the
    answer to a second one, to a namespace that does not exist; a second of silence after it is a refusal.

    Args:
        look: the look.
        node: landmarks of the node root.
        path: the dashboard's path below the node root.
        how: what the headers are, for the evidence.
        headers: the headers.
        claim: JSON that a guard finds in `socket.handshake.auth`, "" for nothing.

    Raises:
        ProbeError: no answer, or one that is neither HTTP refusal nor Socket.IO.
    """
    socket = path.rstrip("/") + "/socket.io"
    asked = time.monotonic()
    attempt, session = knock(look, node, Surface.DASHBOARD, socket, how, headers)
    if session is None:
        return SocketAttempt(attempt, Channel.NO_CHANNEL)
    if session.old:
        patience = QUIET + 2 * (time.monotonic() - asked)
        return SocketAttempt(attempt, _answer_of_old(look, session, headers, socket, patience))
    try:
        with joined(look, session, JOIN + claim, _nowhere(session), headers=headers):
            heard = _listen(look, session, headers)
    except NotTakenError as error:
        return SocketAttempt(replace(attempt, classified=not_taken(error)), Channel.NO_CHANNEL)
    if any(packet.startswith("40{") for packet in heard):
        return SocketAttempt(attempt, Channel.OPEN, max(0, len(heard) - 2))
    if any(packet.startswith("44{") for packet in heard):
        return SocketAttempt(attempt, Channel.REFUSED_BY_MIDDLEWARE)
    if any(packet.startswith("44/") for packet in heard):
        return SocketAttempt(attempt, Channel.UNANSWERED)
    raise ProbeError(f"Socket.IO connect to {path}/socket.io {how} got no answer", Cause.PROTOCOL)


def _answer_of_old(look: Look, session: Session, headers: dict[str, str], socket: str, patience: float) -> Channel:
    """Return what Socket.IO 2 makes of an Origin: its guard says nothing, and an unanswered poll ends the session.

    Args:
        look: the look.
        session: as `knock` returned it.
        headers: those with the Origin.
        socket: path of the channel below the node root.
        patience: seconds in which a server that accepts has answered; a slow one needs more than a quick one.

    Raises:
        ProbeError: no answer, although the session is still there, or none within the time of the look.
    """
    with joined(look, session, headers=headers):
        heard: tuple[str, ...] = ()
        try:
            with look.within(patience):
                heard = hear(look, session, headers)
        except ProbeError as error:
            if error.cause is not Cause.TIMEOUT or time.monotonic() >= look.deadline:
                raise
        if not heard and _is_dropped(look, session, headers):
            return Channel.UNANSWERED
        return outcome(heard, socket)


def _is_dropped(look: Look, session: Session, headers: dict[str, str]) -> bool:
    """Whether the server has dropped a session; a proxy tells it a moment later that the poll was given up."""
    for pause in _PAUSES:
        time.sleep(pause)
        if forgotten(look, session, headers):
            return True
    return False


def _listen(look: Look, session: Session, headers: dict[str, str]) -> list[str]:
    """Return the packets received until the connect packet is answered or nothing arrives for a second."""
    heard: list[str] = []
    for _ in range(_POLLS):
        try:
            with look.within(QUIET if heard else math.inf):
                heard += hear(look, session, headers)
        except ProbeError as error:
            if not heard or error.cause is not Cause.TIMEOUT:
                raise
            break
        if any(packet.startswith(("40{", "44{")) for packet in heard):
            break
    return heard
