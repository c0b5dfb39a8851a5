"""A Socket.IO client over long polling that joins, listens and leaves; it never emits an event.

The handshake's status is no oracle: it answers 200 even where a middleware refuses. The answer to the connect packet
is. Socket.IO 2 (Dashboard 1 before 3.0) joins the main namespace by the handshake alone.
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.probes.access import describe
from pytest_nodered_sec.probes.http import BODY_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_nodered_sec.model import AccessAttempt, RootView, Surface
    from pytest_nodered_sec.probes.look import Look

_QUERY: Final = "/?EIO=4&transport=polling"
_TEXT: Final = {"Content-Type": "text/plain;charset=UTF-8"}
_RECORD: Final = "\x1e"  # Engine.IO 4 separates the packets of one payload by it
JOIN: Final = "40"  # the connect packet of the main namespace


@dataclass(frozen=True)
class Session:
    """A session that a server has offered.

    Attributes:
        path: absolute path with query.
        old: whether it is of Engine.IO 3, which frames packets by their length, and Socket.IO 2.
    """

    path: str
    old: bool = False


def knock(
    look: Look, node: RootView, surface: Surface, socket: str, how: str, headers: Mapping[str, str] | None = None
) -> tuple[AccessAttempt, Session | None]:
    """Ask for a session; return what came, and the session where one was offered.

    Args:
        look: the look.
        node: landmarks of the node root.
        surface: whose channel it is.
        socket: Socket.IO's path below the node root.
        how: how it is asked, for the evidence.
        headers: further headers.

    Raises:
        ProbeError: no answer.
    """
    base = look.target.node(socket) + _QUERY
    answer, got = look.exchange("GET", base, headers=headers)
    attempt = describe(look, surface, "GET", socket, how, answer, node)
    body = got.body.decode("utf-8", "replace")
    old = re.match(r"\d+:0\{", body) is not None
    sid = _session_id((_unframed(body) or ("",))[0] if old else body.split(_RECORD)[0])
    return attempt, Session(f"{base}&sid={sid}", old) if got.status == 200 and sid else None


@contextlib.contextmanager
def joined(
    look: Look, session: Session, *packets: str, namespace: str = "", headers: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Send connect packets, and leave and close the session in any case.

    Args:
        look: the look.
        session: as `knock` returned it.
        *packets: connect packets; none to leave at once.
        namespace: "/NAME," of the namespace to leave, "" for the main one.
        headers: further headers.

    Raises:
        ProbeError: no answer.
    """

    def say(*said: str) -> None:
        body = "".join(f"{len(one)}:{one}" for one in said) if session.old else _RECORD.join(said)
        look.ask("POST", session.path, headers={**_TEXT, **(headers or {})}, body=body.encode())

    needed = [one for one in packets if not (session.old and one == JOIN)]
    try:
        if needed:
            say(*needed)
        yield
    finally:
        look.extend()  # what was joined is left, though the time was up
        with contextlib.suppress(ProbeError):  # it is gone then, which is what we want
            say(f"41{namespace}", "1")


def hear(
    look: Look, session: Session, headers: Mapping[str, str] | None = None, limit: int = BODY_LIMIT
) -> tuple[str, ...]:
    """Return the packets that wait for us, or that come next.

    Socket.IO 2 accepts before its middleware has decided: that alone, with no message after it, is left out.

    Raises:
        ProbeError: none came by the deadline.
    """

    def poll() -> tuple[str, ...]:
        text = look.ask("GET", session.path, headers=headers, limit=limit).body.decode("utf-8", "replace")
        if not session.old:
            return tuple(text.split(_RECORD))
        return tuple(packet for packet in _unframed(text) if packet.startswith("4"))  # no farewell of its guard's

    heard = poll()
    if not session.old or set(heard) != {JOIN}:
        return heard
    more = poll()
    return heard + more if more else ()


def forgotten(look: Look, session: Session, headers: Mapping[str, str] | None = None) -> bool:
    """Whether the server knows a session no more (engine.io, lib/server.js: UNKNOWN_SID)."""
    got = look.ask("POST", session.path, headers={**_TEXT, **(headers or {})}, body=b"1:1" if session.old else b"1")
    return got.status == 400 and b'"Session ID unknown"' in got.body


def _unframed(text: str) -> tuple[str, ...]:
    """Split a payload of Engine.IO 3, whose lengths count UTF-16 units."""
    found: list[str] = []
    units = text.encode("utf-16-le")
    while head := re.match(rb"((?:\d\0)+):\0", units):
        end = head.end() + 2 * int(head[1].decode("utf-16-le"))
        found.append(units[head.end() : end].decode("utf-16-le", "replace"))
        units = units[end:]
    return tuple(found)


def _session_id(packet: str) -> str:
    """Return the sid of an Engine.IO open packet (`0{"sid":…}`), or "" where it is something else."""
    if not packet.startswith("0{"):
        return ""
    with contextlib.suppress(ValueError):
        opened = json.loads(packet[1:])
        sid = opened.get("sid", "") if isinstance(opened, dict) else ""
        if isinstance(sid, str) and sid.replace("-", "").replace("_", "").isalnum():
            return sid
    return ""
