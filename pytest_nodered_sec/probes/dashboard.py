"""The live channel of a dashboard: an anonymous Socket.IO connect over long polling.

The handshake's status is no oracle: it answers 200 even where `ioMiddleware` refuses. The answer to the connect
packet is. No widget event is sent; the session is closed at once. The one trace: flows with a ui-control node
see one `connect` and one `lost`.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Channel, Kind, SocketAttempt, Surface
from pytest_nodered_sec.probes.access import describe, with_hint

if TYPE_CHECKING:
    from pytest_nodered_sec.model import RootView
    from pytest_nodered_sec.probes.look import Look

_QUERY: Final = "/?EIO=4&transport=polling"
_TEXT: Final = {"Content-Type": "text/plain;charset=UTF-8"}
_POLLS: Final = 3  # answers to wait for: the namespace's, the connect packet's, and one with events between
_QUIET: Final = 1.0  # seconds in which a connect packet is answered that is answered at all
_RECORD: Final = "\x1e"  # Engine.IO 4 separates the packets of one payload by it


def connect_channel(look: Look, admin: RootView, node: RootView, path: str) -> SocketAttempt:
    """Try to join a dashboard's live channel without credentials; where a gate refuses, by way of dot segments too.

    A gate by path judges the tidied path (`/ui/socket.io/../../x` is `/x` to it) and may forward the untidied one, of
    which Socket.IO compares the beginning only (engine.io, lib/server.js: `path === req.url.slice(0, path.length)`).

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
    if look.target.policy.mode == "calm":
        return replace(seen, detour_left_out=True)
    up = "/.." * look.target.node(socket).count("/")
    try:
        detour = _connect(look, node, path, f"{socket}{up}/x")
    except ProbeError as error:
        if error.cause is Cause.CLOSED:
            return seen  # somebody does not take such paths
        raise
    answered = detour.channel is Channel.NO_CHANNEL and detour.attempt.kind is not Kind.NO_ANSWER
    return seen if answered else detour


def _connect(look: Look, node: RootView, path: str, socket: str) -> SocketAttempt:
    base = look.target.node(socket) + _QUERY
    answer, got = look.exchange("GET", base)
    attempt = describe(look, Surface.DASHBOARD, "GET", socket, "without credentials", answer, node)
    sid = _session_id(got.body) if got.status == 200 else ""
    if not sid:
        return SocketAttempt(with_hint(look, attempt, path), Channel.NO_CHANNEL)
    session = f"{base}&sid={sid}"
    try:
        look.ask("POST", session, headers=_TEXT, body=b"40")
        packets = look.ask("GET", session).body.decode("utf-8", "replace").split(_RECORD)
    finally:
        with contextlib.suppress(ProbeError):  # it is gone then, which is what we want
            look.ask("POST", session, headers=_TEXT, body=f"41{_RECORD}1".encode())
    if packets[0].startswith("44"):
        return SocketAttempt(attempt, Channel.REFUSED_BY_MIDDLEWARE)
    if any(packet.startswith("40") for packet in packets):
        return SocketAttempt(attempt, Channel.OPEN, len(packets) - 1)
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
    base = look.target.node(path.rstrip("/") + "/socket.io") + _QUERY
    answer, got = look.exchange("GET", base, headers=headers)
    how = f"with the Origin {origin}" if origin else "without credentials"
    attempt = describe(look, Surface.DASHBOARD, "GET", path.rstrip("/") + "/socket.io", how, answer, node)
    sid = _session_id(got.body) if got.status == 200 else ""
    if not sid:
        return SocketAttempt(attempt, Channel.NO_CHANNEL)
    session = f"{base}&sid={sid}"
    heard: list[str] = []
    try:
        if origin:
            both = f"40{_RECORD}40/{sid},".encode()
            look.ask("POST", session, headers={**_TEXT, **headers}, body=both)
            heard = _listen(look, session, headers)
    finally:
        with contextlib.suppress(ProbeError):  # it is gone then, which is what we want
            look.ask("POST", session, headers={**_TEXT, **headers}, body=f"41{_RECORD}1".encode())
    if not origin or any(packet.startswith("40{") for packet in heard):
        return SocketAttempt(attempt, Channel.OPEN, max(0, len(heard) - 2))
    if any(packet.startswith("44{") for packet in heard):
        return SocketAttempt(attempt, Channel.REFUSED_BY_MIDDLEWARE)
    if any(packet.startswith("44/") for packet in heard):
        return SocketAttempt(attempt, Channel.UNANSWERED)
    raise ProbeError(f"Socket.IO connect to {path}/socket.io {how} got no answer", Cause.PROTOCOL)


def _listen(look: Look, session: str, headers: dict[str, str]) -> list[str]:
    """Return the packets that come until the connect packet is answered, or nothing more comes for a second."""
    heard: list[str] = []
    deadline = look.deadline
    for _ in range(_POLLS):
        look.deadline = min(deadline, time.monotonic() + _QUIET) if heard else deadline
        try:
            heard += look.ask("GET", session, headers=headers).body.decode("utf-8", "replace").split(_RECORD)
        except ProbeError as error:
            if not heard or error.cause is not Cause.TIMEOUT:
                raise
            break
        finally:
            look.deadline = deadline
        if any(packet.startswith(("40{", "44{")) for packet in heard):
            break
    return heard


def _session_id(body: bytes) -> str:
    """Return the sid of an Engine.IO open packet (`0{"sid":…}`), or "" where the body is something else."""
    if not body.startswith(b"0{"):
        return ""
    with contextlib.suppress(ValueError):
        opened = json.loads(body[1:].split(_RECORD.encode())[0])
        sid = opened.get("sid", "") if isinstance(opened, dict) else ""
        if isinstance(sid, str) and sid.replace("-", "").replace("_", "").isalnum():
            return sid
    return ""
