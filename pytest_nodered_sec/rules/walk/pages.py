"""What leads to a surface of Node-RED's: the ways that were tried, and how those that are open differ from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from pytest_nodered_sec.rules.walk.request import ANYTHING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nodered_sec.rules.walk.request import Outcome

CHANNEL: Final = "/socket.io/"
_CHALLENGE: Final = "/.well-known/acme-challenge/"


@dataclass(frozen=True)
class Surface:
    """Something of Node-RED's that strangers may not reach.

    Attributes:
        path: where Node-RED has it.
        kind: "page": a dashboard with the channel below it; "path": an endpoint, in any letter case; "socket": a
            WebSocket, at exactly this path.
        method: HTTP method.
        gated: whether it is the proxy that must ask for a login.
        twin: whether the same is wanted by GET, too, which then tells.
    """

    path: str
    kind: Literal["page", "path", "socket"] = "page"
    method: str = "GET"
    gated: bool = False
    twin: bool = False


@dataclass(frozen=True)
class Way:
    """What becomes of one request: of a stranger's, and of one whom every login lets pass.

    Attributes:
        uri: what is asked for.
        stranger: how a stranger's request may end.
        granted: how that of somebody with every right may end.
        method: HTTP method.
    """

    uri: str
    stranger: tuple[Outcome, ...]
    granted: tuple[Outcome, ...]
    method: str = "GET"

    @property
    def ends(self) -> tuple[Outcome, ...]:
        """All of them."""
        return (*self.stranger, *self.granted)

    def line(self) -> str:
        """Return what is asked for, with the method unless that is GET."""
        return self.uri if self.method == "GET" else f"{self.method} {self.uri}"


def asked(surface: Surface) -> tuple[str, ...]:
    """Return what a surface is asked by: a page with its channel, an endpoint in other spellings."""
    own = surface.path.rstrip("/")
    if surface.kind == "socket":
        return (surface.path,)
    if surface.kind == "path":
        return surface.path, own.upper() or "/", f"{own}/"
    return f"{own}/", f"{own}{CHANNEL}", f"{own.upper()}/"


def aims(surfaces: tuple[Surface, ...]) -> tuple[str, ...]:
    """Return all that some surfaces are asked by."""
    return tuple(dict.fromkeys(uri for surface in surfaces for uri in asked(surface)))


def tails(surfaces: tuple[Surface, ...]) -> list[str]:
    """Return what may follow the beginning of a path that a proxy replaces by the beginning of a surface's."""
    wanted = {"": None}
    for surface in surfaces:
        path = surface.path
        if surface.kind == "page":
            for start in range(len(path)):
                wanted[f"{path[start:]}/"] = wanted[f"{path[start:]}{CHANNEL}"] = None
        else:  # from the beginning of each of its segments
            starts = [place for place, letter in enumerate(path) if letter == "/"]
            wanted.update(dict.fromkeys(path[start + more :] for start in starts for more in (0, 1)))
    if any(surface.kind == "page" for surface in surfaces):
        wanted[CHANNEL] = wanted[CHANNEL[1:]] = None
    return list(wanted)


def by_method(surfaces: tuple[Surface, ...]) -> dict[str, tuple[Surface, ...]]:
    """Return the surfaces that are asked by each method."""
    methods = dict.fromkeys(surface.method for surface in surfaces)
    return {method: tuple(surface for surface in surfaces if surface.method == method) for method in methods}


def uris(heads: Iterable[tuple[str, bool]], surfaces: tuple[Surface, ...], any_text: str) -> dict[str, None]:
    """Return what to ask for, to find every way to some surfaces.

    Args:
        heads: the beginnings of paths that a configuration names, and whether more may follow them.
        surfaces: of Node-RED's.
        any_text: what stands in a beginning for any text.
    """
    paths = [surface.path for surface in surfaces]
    pages = [surface.path for surface in surfaces if surface.kind == "page"]
    wanted: dict[str, None] = dict.fromkeys(aims(surfaces))
    wanted.update(dict.fromkeys(("/", *paths)))
    ends = tails(surfaces)
    for head, is_open_end in heads:
        for tail in ends if is_open_end or any_text in head else ("",):
            replaced = head.replace(any_text, tail, 1).replace(any_text, "x")
            text = replaced if any_text in head else head + tail
            floating = [] if head.startswith("/") else [f"{page}{CHANNEL}{text.lstrip('/')}" for page in pages]
            wanted.update(dict.fromkeys((text if text.startswith("/") else f"/{text}", *floating)))
    return wanted


def is_open(end: Outcome) -> bool:
    """Whether a stranger's request surely ends at Node-RED."""
    return end.kind == "node-red" and not end.doubts


def needs_tls(ways: Iterable[Way]) -> bool:
    """Whether any way ends at Node-RED that is more than what a certificate authority asks for in clear (RFC 8555)."""
    return any(
        end.kind == "node-red" and not (way.uri.startswith(_CHALLENGE) and end.uri.startswith(_CHALLENGE))
        for way in ways
        for end in way.ends
    )


def is_of(uri: str, surface: Surface) -> str:
    """Say what of a surface Node-RED is asked for: "page", "channel", "path", "socket", or "" for something else.

    Express ignores letter case; Socket.IO compares the beginning of what it is asked for, as it is.
    """
    path = uri.partition("?")[0]
    own = surface.path.rstrip("/")
    if surface.kind == "socket":
        return "socket" if path == surface.path else ""
    if surface.kind == "path":
        return "path" if path.rstrip("/").lower() == own.lower() else ""
    if path.startswith(f"{own}{CHANNEL}".rstrip("/")):
        return "channel"
    return "page" if path.lower() == f"{own}/".lower() else ""


def uneven(ways: tuple[Way, ...], surface: Surface, doubts: list[str]) -> dict[str, tuple[str, str, Way]]:
    """Compare who is kept from a surface with who gets its channel, other spellings, and other ways to it.

    Args:
        ways: those of one server.
        surface: of Node-RED's.
        doubts: what is not known of them is added.

    Returns:
        For each kind of open way what it means, a guard on a way that is closed ("" where none must be), and the way.
    """
    all_ways, ways = ways, tuple(way for way in ways if way.method == surface.method)
    closed = _closed(ways, surface)
    if not closed and not surface.gated:
        return {}  # the proxy asks for no login there: Node-RED's own settings must (host-03, host-04)
    guard = _guard(closed[0]) if closed else ""
    result: dict[str, tuple[str, str, Way]] = {}
    for way in ways:
        ends = [end for end in way.stranger if _may_be(end, surface)]
        doubts += [doubt for end in ends for doubt in end.doubts]
        if any(is_open(end) for end in ends):
            code, why = _how(way.uri, [other.uri for other in closed], surface)
            result.setdefault(code, (why, guard, way))
        elif not ends and way.uri in asked(surface):
            doubts += [doubt for end in way.stranger if end.kind == "unknown" for doubt in end.doubts]
    if surface.twin and result:
        told = uneven(all_ways, replace(surface, method="GET", twin=False), [])
        result = {code: how for code, how in result.items() if code not in told}  # what GET opens alike, is told there
    first = next((code for code in ("no-login", "header") if code in result), "")  # which opens all the others
    return {first: result[first]} if first else result


def _closed(ways: Iterable[Way], surface: Surface) -> list[Way]:
    """Return the ways to a surface on which strangers are refused."""
    return [way for way in ways if _refuses(way) and any(_is(end, surface) for end in way.granted)]


def astray(leading: Iterable[tuple[Way, ...]], others: Iterable[tuple[Way, ...]], surface: Surface) -> list[str]:
    """Say why servers that are not known to lead to Node-RED may lead strangers to what others keep from them.

    Args:
        leading: the ways of each server that leads to Node-RED.
        others: those of each other one.
        surface: of Node-RED's.
    """
    if not surface.gated and not any(_closed(ways, surface) for ways in leading):
        return []
    every = (end for ways in others for way in ways if way.method == surface.method for end in way.stranger)
    return [doubt for end in every if _may_be(end, surface) for doubt in end.doubts]


def _may_be(end: Outcome, surface: Surface) -> bool:
    """Whether a surface is asked for at the end, of Node-RED or of nobody knows whom."""
    return end.kind in ("node-red", "unknown") and (end.uri == ANYTHING or bool(is_of(end.uri, surface)))


def _guard(way: Way) -> str:
    """Say what keeps strangers from a way."""
    text = next((text for end in way.stranger for text in end.refused), "")
    return f"a login at {way.line()} ({text or 'refused'})"


def _is(end: Outcome, surface: Surface) -> bool:
    """Whether it is the very surface, in its own letter case."""
    own = surface.path if surface.kind != "page" else f"{surface.path.rstrip('/')}/"
    return end.kind == "node-red" and end.uri.partition("?")[0] == own


def _refuses(way: Way) -> bool:
    """Whether strangers are refused: always, or unless they choose what decides."""
    ends = [end for end in way.stranger if end.kind != "node-red"]
    return len(ends) == len(way.stranger) or any(end.refused for end in ends)


def _how(uri: str, closed: list[str], surface: Surface) -> tuple[str, str]:
    """Return the code for a way that is open, and what it means."""
    if not closed:
        return "no-login", "the policy says that the proxy asks for one there"
    if uri in closed:
        return "header", "access depends on request data that any client can set"
    what = {"page": "page", "path": "endpoint", "socket": "WebSocket"}[surface.kind]
    pages = [other.rstrip("/") for other in closed]
    if surface.kind == "page" and any(uri.startswith(f"{page}{CHANNEL}".rstrip("/")) for page in pages):
        return "socket", "the live values and buttons require no login"
    if any(f"{uri.rstrip('/')}/".lower().startswith(f"{page}/".lower()) for page in pages):
        return "letter-case", f"Express ignores letter case and a slash at the end, so this is the same {what}"
    return "alias", f"it leads to the same {what}"


def state(gates: Iterable[tuple[bool, list[str]]], further: list[str]) -> str:
    """Return what several servers' gates come to: "closed", "open", or why it is not known.

    Args:
        gates: what `gate` said of each.
        further: what else is not known.
    """
    known = list(gates)
    if any(is_open for is_open, _ in known):
        return "open"
    return next((doubt for doubts in (*(doubts for _, doubts in known), further) for doubt in doubts), "closed")


def gate(ways: tuple[Way, ...], surface: Surface) -> tuple[bool, list[str]]:
    """Return whether a stranger gets to a surface, and what is not known of that."""
    doubts: list[str] = []
    for way in ways:
        for end in way.stranger:
            there = _may_be(end, surface)
            if there and is_open(end):
                return True, []
            if there or (end.kind == "unknown" and way.uri in (surface.path, *asked(surface))):
                doubts += end.doubts
    return False, doubts
