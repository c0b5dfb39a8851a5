"""What the plain HTTP port does, on every address of the name: surfaces, redirects, live channels."""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.answers import NODE_RED_MARKS, Mark, alike
from pytest_nodered_sec.observations.cleartext import (
    UNREACHED,
    Hop,
    PlainAnswer,
    PlainAttempt,
    PortState,
    RedirectTrails,
    SpoofedAttempt,
    Trail,
)
from pytest_nodered_sec.observations.login_urls import is_login
from pytest_nodered_sec.probes.channels.engineio import DISGUISED, QUERY, WEBSOCKET, farewell, offered
from pytest_nodered_sec.probes.channels.handshake import upgrade
from pytest_nodered_sec.probes.channels.websocket import accept
from pytest_nodered_sec.probes.http.endpoint import STOPPED, UNPARSABLE
from pytest_nodered_sec.probes.http.landmarks import ask_plain
from pytest_nodered_sec.probes.transport.answers import location_of, origin_of, path_and_query, without_query
from pytest_nodered_sec.probes.transport.names import random_path
from pytest_nodered_sec.probes.transport.response import SWITCHING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.probes.http.landmarks import PlainView
    from pytest_nodered_sec.probes.transport.http import Exchange
    from pytest_nodered_sec.probes.transport.look import Look

_HOPS: Final = 6
_STRANGER: Final = "stranger.invalid"  # RFC 6761: never assigned
_SPOOFS: Final = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": _STRANGER, "Host": _STRANGER}
_ADDED: Final = ("X-Forwarded-Proto", "X-Forwarded-Host")  # by a proxy, to what the client has sent
_SAYING_THE_SAME: Final = {  # with X-Forwarded-Proto: nginx: if ($http_x_forwarded_ssl = "") { return 301 https://…; }
    "X-Forwarded-Ssl": "on",
    "Front-End-Https": "on",
    "X-Forwarded-Scheme": "https",
    "X-Url-Scheme": "https",
    "X-Forwarded-Port": "443",
    "X-ARR-SSL": "nobody",  # Azure
    "CF-Visitor": '{"scheme":"https"}',
    "CloudFront-Forwarded-Proto": "https",
    "Forwarded": "proto=https",
}
_POLLING: Final = f"/socket.io{QUERY}"


def ask_in_clear(
    look: Look, admin: RootView, plain: PlainView, surface: str, root: str, path: str, method: str = "GET"
) -> PlainAttempt:
    """Ask a surface's path on the plain HTTP port of every address.

    What is no GET has a query, because that request is the one by which `follow_redirects` sees where it leads; so has
    a page, and where that leads to HTTPS, it is not asked for again.

    Args:
        look: the look.
        admin: landmarks of the admin root; asking for them shows that the HTTPS side is alive.
        plain: what a random path got over plain HTTP.
        surface: what a person calls it.
        root: "admin" or "node".
        path: path below that root; "" for the node root itself, where a random path tells more than "/".
        method: HTTP method; the body is empty.

    Raises:
        ProbeError: a port accepted and gave no answer.
    """
    absolute = _absolute(look, root, path)
    if method == "GET":
        return _in_clear(look, plain, surface, absolute)
    asked = _with_query(look, method, absolute)
    return _attempt(look, surface, asked, method, tuple(_once(look, at, asked, method) for at in plain.answers))


def _in_clear(look: Look, plain: PlainView, surface: str, path: str) -> PlainAttempt:
    """Ask for a page by the request of `follow_redirects`; as it is where that does not lead to HTTPS everywhere."""
    if look.target.tls and path in look.target.pages:
        asked = _with_query(look, "GET", path)
        seen = tuple(_once(look, at, asked, "GET") for at in plain.answers)
        if all(each.answer is None or each.answer.location.startswith("https:") for each in seen):
            return _attempt(look, surface, asked, "GET", seen)
    return look.shared(f"GET {path} in clear", lambda: _ask(look, plain, surface, path, "GET"))


def _once(look: Look, canary: PlainAnswer, asked: str, method: str) -> PlainAnswer:
    if canary.state in UNREACHED:
        return canary
    try:
        got = _exchange(look, canary.address, asked, method)
    except ProbeError as error:
        if error.cause is Cause.CLOSED:
            return PlainAnswer(canary.address, PortState.CLOSED)
        raise
    return _beside(canary, PlainAnswer(canary.address, PortState.ANSWERED, look.reduce(got, asked, plain=True)))


def _with_query(look: Look, method: str, path: str) -> str:
    """Return a path with a query by which it is known again, the same for all who ask by this method."""
    return look.shared(f"{method} {path} with a query", lambda: f"{path}?keep={secrets.token_hex(4)}")


def _exchange(look: Look, address: str, asked: str, method: str) -> Exchange:
    """Ask once over plain HTTP, without following redirects, for all who ask that.

    Raises:
        ProbeError: no answer.
    """
    return look.shared(f"{method} {asked} at {address}", lambda: look.ask(method, asked, plain_address=address))


def ask_write_in_clear(look: Look, admin: RootView, plain: PlainView, method: str, path: str) -> PlainAttempt:
    """Ask a writing endpoint on the plain HTTP port of every address, with a body that http-in cannot parse.

    Args:
        look: the look.
        admin: as above.
        plain: as above.
        method: HTTP method.
        path: path below the node root.

    Raises:
        ProbeError: a port accepted and gave no answer.
    """
    absolute = look.target.node(path)

    def ask(canary: PlainAnswer) -> PlainAnswer:
        if canary.state in UNREACHED:
            return canary
        seen = _beside(canary, ask_plain(look, canary.address, absolute, method, UNPARSABLE, b"x"))
        stopped = seen.answer and f"{seen.answer.status} {seen.answer.content_type}" == STOPPED
        return replace(seen, reached=bool(stopped) and not seen.like_canary)

    return _attempt(look, f"{method} {path}", absolute, method, tuple(map(ask, plain.answers)))


def ask_spoofed(look: Look, admin: RootView, plain: PlainView, header: str) -> SpoofedAttempt:
    """Ask the admin root in clear, as it is and with a header that only a proxy should set.

    Those that a proxy adds are sent together, once, and each by itself where together they change the answer.

    Args:
        look: the look.
        admin: as above.
        plain: as above.
        header: a name of `_SPOOFS`.

    Raises:
        ProbeError: a port accepted and gave no answer.
    """
    path = _absolute(look, "admin", "/")
    before = _in_clear(look, plain, "editor", path)

    def ask(*names: str) -> PlainAttempt:
        more = _SAYING_THE_SAME if "X-Forwarded-Proto" in names else {}
        return _ask(look, plain, "editor", before.path, "GET", {**{name: _SPOOFS[name] for name in names}, **more})

    said = f"{header}: {_SPOOFS[header]}{' and headers that say the same' if header == 'X-Forwarded-Proto' else ''}"
    if header in _ADDED:
        together = look.shared("spoofed together", lambda: ask(*_ADDED))
        if _leads_alike(before, together):
            others = (f"{name}: {_SPOOFS[name]}" for name in _ADDED if name != header)
            return SpoofedAttempt(f"{said} and {' and '.join(others)}", before, together)
    return SpoofedAttempt(said, before, ask(header))


def _leads_alike(before: PlainAttempt, after: PlainAttempt) -> bool:
    """Whether each address answers as before, and leads where it did."""
    pairs = zip(before.answers, after.answers, strict=True)
    return all(
        was.state is now.state
        and (was.answer and (was.answer.status, was.answer.location))
        == (now.answer and (now.answer.status, now.answer.location))
        for was, now in pairs
    )


def _absolute(look: Look, root: str, path: str) -> str:
    return look.target.admin(path) if root == "admin" else look.target.node(path or "/")


def _ask(
    look: Look, plain: PlainView, surface: str, path: str, method: str, headers: Mapping[str, str] | None = None
) -> PlainAttempt:
    return _attempt(
        look, surface, path, method, tuple(_at(look, canary, path, method, headers) for canary in plain.answers)
    )


def _attempt(look: Look, surface: str, path: str, method: str, answers: tuple[PlainAnswer, ...]) -> PlainAttempt:
    target = look.target
    default_port = target.tls and target.http_port == 80 and target.port != 443
    return PlainAttempt(surface, path, look.station.plain_port, default_port, answers, method)


def _at(look: Look, canary: PlainAnswer, path: str, method: str, headers: Mapping[str, str] | None) -> PlainAnswer:
    if canary.state in UNREACHED:
        return canary
    return _beside(canary, ask_plain(look, canary.address, path, method, headers))


def _beside(canary: PlainAnswer, seen: PlainAnswer) -> PlainAnswer:
    """Note whether a random path gets the same."""
    if seen.answer is None or canary.answer is None:
        return seen
    same = alike(seen.answer, canary.answer)
    return replace(seen, indistinct=same and seen.answer.status < 300, like_canary=same)


# --- redirects


def follow_redirects(
    look: Look, admin: RootView, plain: PlainView, root: str, path: str, method: str
) -> RedirectTrails:
    """Follow where plain HTTP sends a request until that leads to HTTPS, with a query that must survive.

    A GET is followed through clear text; another method is not. What is there on HTTPS is asked by others.

    Raises:
        ProbeError: a port accepted and gave no answer.
    """
    target = look.target
    asked = _with_query(look, method, _absolute(look, root, path))
    trails = tuple(
        Trail(canary.address, canary.state)
        if canary.state in UNREACHED
        else _follow(look, canary.address, asked, method)
        for canary in plain.answers
        if target.tls
    )
    return RedirectTrails(method, asked, look.station.plain_port, target.hostname, target.tls, trails)


def _follow(look: Look, address: str, asked: str, method: str) -> Trail:
    here = look.origin(plain=True) + asked
    wanted = path_and_query(here)
    hops: list[Hop] = []
    while True:
        try:
            got = _exchange(look, address, path_and_query(here), method)
        except ProbeError as error:
            if error.cause is Cause.CLOSED:
                return Trail(address, PortState.CLOSED, tuple(hops))
            raise
        there = location_of(here, got)
        if not there:
            return Trail(address, PortState.ANSWERED, tuple(hops), look.reduce(got))
        shown = without_query(there)
        hops.append(Hop(got.status, shown, path_and_query(there) == wanted, is_login(shown, look.target)))
        in_clear = origin_of(there) == look.origin(plain=True)
        if not in_clear or hops[-1].login or method != "GET" or len(hops) == _HOPS:
            return Trail(address, PortState.ANSWERED, tuple(hops))
        here = there


# --- live channels


def ask_channel_in_clear(
    look: Look, admin: RootView, plain: PlainView, kind: str, root: str, path: str
) -> PlainAttempt:
    """Ask for a live channel over plain HTTP, and leave it at once: the handshake alone, so that no flow notices.

    Args:
        look: the look.
        admin: as above.
        plain: as above.
        kind: "Socket.IO" or "WebSocket".
        root: "admin" or "node".
        path: path of the channel, or of its dashboard, below that root.

    Raises:
        ProbeError: a port accepted and gave no answer.
    """
    base = _absolute(look, root, path).rstrip("/")
    answers: list[PlainAnswer] = []
    for canary in plain.answers:
        if canary.state in UNREACHED:
            answers.append(canary)
        elif kind == "Socket.IO":
            answers.append(_handshake(look, canary, base))
        else:
            answers.append(_upgrade(look, canary, base))
    if kind == "Socket.IO":
        upgraded = any(seen.answer is not None and seen.answer.status == SWITCHING for seen in answers)
        return _attempt(look, path, base + "/socket.io/", "WebSocket" if upgraded else "GET", tuple(answers))
    return _attempt(look, path, base, kind, tuple(answers))


def _handshake(look: Look, canary: PlainAnswer, base: str) -> PlainAnswer:
    """Ask for a session by polling; where none is offered and no Node-RED answers, for one as a WebSocket.

    nginx: if ($http_upgrade = "") { return 301 https://$host$request_uri; }
    """
    path = base + _POLLING
    try:
        answer, got = look.exchange("GET", path, plain_address=canary.address)
    except ProbeError as error:
        if error.cause is Cause.CLOSED:
            return PlainAnswer(canary.address, PortState.CLOSED)
        raise
    session = offered(got.body)
    if session:
        with contextlib.suppress(ProbeError):  # it ends by itself then
            path, body = f"{path}&sid={session[0]}", farewell(old=session[1])
            look.ask("POST", path, body=body, plain_address=canary.address)
    elif not answer.marks & {*NODE_RED_MARKS, Mark.EXPRESS}:
        look.extend()
        # Without an ioMiddleware both dashboards close what is called a WebSocket by these letters (`DISGUISED`).
        query = WEBSOCKET if look.target.policy.mode == "calm" else DISGUISED
        upgraded = _upgrade_once(look, canary.address, f"{base}/socket.io{query}")
        if upgraded.answer is not None and upgraded.answer.status == SWITCHING:
            return _beside(canary, upgraded)
    return _beside(canary, PlainAnswer(canary.address, PortState.ANSWERED, answer))


def _upgrade(look: Look, canary: PlainAnswer, path: str) -> PlainAnswer:
    """Ask for a WebSocket; where that gets no answer, see what a path gets that nobody serves.

    Node-RED closes such a connection after a second, and a proxy makes a 502 of that.
    """
    seen = _upgrade_once(look, canary.address, path)
    nobody = seen.answer is None or seen.answer.status >= 500
    ordinary = canary.answer is not None and canary.answer.status < 500
    if nobody and ordinary and _gist(_upgrade_once(look, canary.address, random_path())) == _gist(seen):
        return PlainAnswer(canary.address, PortState.NO_CHANNEL)
    return _beside(canary, seen)


def _upgrade_once(look: Look, address: str, path: str) -> PlainAnswer:
    answer, _ = upgrade(look, path, {}, accept, address)
    if not answer.status:
        return PlainAnswer(address, PortState.CLOSED)
    return PlainAnswer(address, PortState.ANSWERED, answer)


def _gist(seen: PlainAnswer) -> tuple[PortState, int]:
    return seen.state, seen.answer.status if seen.answer else 0
