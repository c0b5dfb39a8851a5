"""A Socket.IO client over long polling that joins, listens and leaves; it never emits an event.

The handshake's status is no oracle: it answers 200 even where a middleware refuses. The answer to the connect packet
is. Socket.IO 2 (Dashboard 1 before 3.0) joins the main namespace by the handshake alone.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.answers import REFUSALS, Classified, Kind, Refuser
from pytest_nodered_sec.probes.channels.engineio import QUERY, framed, offered, unframed
from pytest_nodered_sec.probes.http.access import describe, unless_a_page
from pytest_nodered_sec.probes.http.refusals import closed_twice, unless_dropped
from pytest_nodered_sec.probes.transport.http import BODY_LIMIT
from pytest_nodered_sec.probes.transport.names import random_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_nodered_sec.model import Surface
    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.answers import Answer, RootView
    from pytest_nodered_sec.probes.transport.http import Exchange
    from pytest_nodered_sec.probes.transport.look import Look

_TEXT: Final = {"Content-Type": "text/plain;charset=UTF-8"}
_NOT_TAKEN: Final = (*REFUSALS, 404, 405, 410, 501)  # engine.io answers 400 where it knows no such session
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
    look: Look,
    node: RootView,
    surface: Surface,
    socket: str,
    how: str,
    headers: Mapping[str, str] | None = None,
    query: str = QUERY,
    write: Callable[[str], str] | None = None,
) -> tuple[AccessAttempt, Session | None]:
    """Ask for a session; return what came, and the session where one was offered.

    Args:
        look: the look.
        node: landmarks of the node root.
        surface: whose channel it is.
        socket: Socket.IO's path below the node root.
        how: how it is asked, for the evidence.
        headers: further headers.
        query: what follows the path.
        write: turns the absolute path into the form that is sent; None for the usual one.

    Raises:
        ProbeError: no answer.
    """
    absolute = look.target.node(socket)
    base = (write(absolute) if write else absolute) + query
    came: list[Exchange] = []

    def ask() -> Answer:
        answer, got = look.exchange("GET", base, headers=headers)
        came.append(got)
        return answer

    other = look.target.node(random_path())
    nowhere = partial(look.answer, "GET", (write(other) if write else other) + query, headers=headers)
    try:
        answer = unless_dropped(look, node, how, ask, nowhere) if headers else ask()
    except ProbeError as error:
        again = partial(look.answer, "GET", base, headers=headers)
        answer = closed_twice(look, error, node, f"GET {base} {headers}", again)
        if answer.status:
            raise
        return describe(look, surface, "GET", socket, how, answer, node), None
    attempt = describe(look, surface, "GET", socket, how, answer, node)
    taken = answer.status in (200, *REFUSALS)  # a refusal may offer a session
    session = offered(came[-1].body) if taken else None
    if session is None:
        return unless_a_page(attempt), None
    return attempt, Session(f"{base}&sid={session[0]}", session[1])


class NotTakenError(ProbeError):
    """A session was offered, and its packets are refused: a front that takes no POST."""


def not_taken(error: NotTakenError) -> Classified:
    """Return what such a refusal makes of the attempt to join."""
    return Classified(Kind.REFUSED, Refuser.UNNAMED, why=f"a session is offered, but {error.message}")


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
        NotTakenError: whoever stands in front takes no such packets.
        ProbeError: no answer.
    """

    def say(*said: str) -> Exchange:
        body = framed(*said, old=session.old)
        return look.ask("POST", session.path, headers={**_TEXT, **(headers or {})}, body=body)

    needed = [packet for packet in packets if not (session.old and packet == JOIN)]
    try:
        got = say(*needed) if needed else None
        if got is not None and got.status in _NOT_TAKEN and got.body != b"ok":  # with which engine.io takes them
            path = session.path.partition("?")[0]
            raise NotTakenError(f"POST {path} with the connect packet answered {got.status}", Cause.REJECTED)
        yield
    finally:
        look.extend()  # leave what was joined, even after the time limit
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
        packets = unframed(text, old=session.old)
        return (
            tuple(packet for packet in packets if packet.startswith("4")) if session.old else packets
        )  # no guard's farewell

    heard = poll()
    if not session.old or set(heard) != {JOIN}:
        return heard
    more = poll()
    return heard + more if more else ()


def forgotten(look: Look, session: Session, headers: Mapping[str, str] | None = None) -> bool:
    """Whether the server knows a session no more (engine.io, lib/server.js: UNKNOWN_SID)."""
    got = look.ask("POST", session.path, headers={**_TEXT, **(headers or {})}, body=framed("1", old=session.old))
    return got.status == 400 and b'"Session ID unknown"' in got.body
