"""The live channel of a dashboard: an anonymous Socket.IO connect over long polling.

The handshake's status is no oracle: it answers 200 even where `ioMiddleware` refuses. The answer to the connect
packet is. No widget event is sent; the session is closed at once. The one trace: flows with a ui-control node
see one `connect` and one `lost`.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Channel, SocketAttempt, Surface
from pytest_nodered_sec.probes.access import describe, with_hint

if TYPE_CHECKING:
    from pytest_nodered_sec.model import RootView
    from pytest_nodered_sec.probes.look import Look

_POLLING: Final = "/socket.io/?EIO=4&transport=polling"
_TEXT: Final = {"Content-Type": "text/plain;charset=UTF-8"}
_RECORD: Final = "\x1e"  # Engine.IO 4 separates the packets of one payload by it


def connect_channel(look: Look, admin: RootView, node: RootView, path: str) -> SocketAttempt:
    """Try to join a dashboard's live channel without credentials.

    Args:
        look: the look.
        admin: landmarks of the admin root (what shows a Node-RED).
        node: landmarks of the node root.
        path: the dashboard's path below the node root.

    Raises:
        ProbeError: no answer, or one that is neither HTTP refusal nor Socket.IO.
    """
    base = look.target.node(path.rstrip("/") + _POLLING)
    answer, got = look.exchange("GET", base)
    attempt = describe(
        look, Surface.DASHBOARD, "GET", path.rstrip("/") + "/socket.io", "without credentials", answer, node
    )
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
    raise ProbeError(f"Socket.IO connect to {path}/socket.io got neither an acceptance nor a refusal", Cause.PROTOCOL)


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
