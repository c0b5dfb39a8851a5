"""Engine.IO over long polling: handshake, framing of packets, and closing a session.

Version 4 (Socket.IO 3 and later) puts a character between packets. Version 3 (Socket.IO 2) writes their length before
each, and joins the main namespace by the handshake alone.
"""

from __future__ import annotations

import re
from typing import Final

from pytest_nodered_sec.probes.transport.answers import json_of

QUERY: Final = "/?EIO=4&transport=polling"
WEBSOCKET: Final = QUERY.replace("polling", "websocket")
# The same to engine.io. Dashboards without an ioMiddleware close every WebSocket that did not begin as polling, which
# they tell by these letters (node-red-dashboard 3.6, ui.js: url.indexOf("transport=websocket")).
DISGUISED: Final = QUERY.replace("polling", "%77ebsocket")
_RECORD: Final = "\x1e"
_LENGTH: Final = re.compile(rb"((?:[0-9]\0){1,9}):\0")  # of a packet, in UTF-16
_PACKETS: Final = 10_000  # of one payload; to whoever joins, dashboards send a few, and then what their flows tell


def offered(body: bytes) -> tuple[str, bool] | None:
    """Return the id of the session that an answer to the handshake offers, and whether it is of version 3."""
    text = body.decode("utf-8", "replace")
    old = re.match(r"[0-9]{1,9}:0\{", text) is not None
    opening = unframed(text, old=old)[:1]
    sid = _session_id(opening[0]) if opening else ""
    return (sid, old) if sid else None


def framed(*packets: str, old: bool) -> bytes:
    """Return packets as the body of a POST."""
    return ("".join(f"{len(packet)}:{packet}" for packet in packets) if old else _RECORD.join(packets)).encode()


def farewell(*, old: bool) -> bytes:
    """Return what ends a session that has joined nothing but what the handshake joins."""
    return framed("41", "1", old=True) if old else framed("1", old=False)


def unframed(text: str, *, old: bool) -> tuple[str, ...]:
    """Split a payload into its first packets; the lengths of version 3 count UTF-16 units."""
    if not old:
        return tuple(text.split(_RECORD, _PACKETS)[:_PACKETS])
    packets: list[str] = []
    units = text.encode("utf-16-le")
    here = 0
    while len(packets) < _PACKETS and (head := _LENGTH.match(units, here)):
        here = head.end() + 2 * int(head[1].decode("utf-16-le"))
        packets.append(units[head.end() : here].decode("utf-16-le", "replace"))
    return tuple(packets)


def _session_id(packet: str) -> str:
    """Return the sid of an open packet (`0{"sid":…}`), or "" where it is something else."""
    if not packet.startswith("0{"):
        return ""
    opened = json_of(packet[1:])
    sid = opened.get("sid") if isinstance(opened, dict) else None
    return sid if isinstance(sid, str) and re.fullmatch("[A-Za-z0-9_-]{1,100}", sid) else ""
