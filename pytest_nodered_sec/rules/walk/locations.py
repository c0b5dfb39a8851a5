"""Which location nginx takes (ngx_http_core_module, location; ngx_http_core_find_location)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nodered_sec.rules.walk import conditions

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.blocks import Path
    from pytest_nodered_sec.rules.walk.request import Request


@dataclass(frozen=True)
class Match:
    """What a location is for.

    Attributes:
        kind: "=", "^~", "~", "~*", "@" for a named one, "" for a prefix.
        text: the path, pattern or name.
    """

    kind: str
    text: str


def match_of(location: Directive) -> Match:
    """Read a location's arguments; the modifier may stand against the path."""
    if len(location.args) > 1:
        return Match(location.args[0], location.args[1])
    text = location.args[0] if location.args else ""
    for sign in ("=", "^~", "~*", "~"):
        if text.startswith(sign):
            return Match(sign, text[len(sign) :])
    return Match("@" if text.startswith("@") else "", text)


def of_block(block: Directive) -> list[tuple[Match, Directive]]:
    """Return a block's locations."""
    return [(match_of(directive), directive) for directive in block.block if directive.name == "location"]


def find(request: Request) -> bool:
    """Choose the location for the request's path; return whether nginx redirects to the path with a "/" behind."""
    request.path = request.server
    return _find(request, request.server[-1]) == "redirect"


def _find(request: Request, block: Directive) -> str:
    """Return "exact", "prefix", "redirect" or "" for what was found in a block, having gone there."""
    here = of_block(block)
    kind, chosen = _static(request.uri, here)
    if chosen is not None:
        request.path = (*request.path, chosen)
    stop = False
    if kind == "prefix" and chosen is not None:
        stop = match_of(chosen).kind == "^~"
        outer: Path = request.path
        kind = _find(request, chosen)
        if not kind:
            request.path = outer
    if kind in ("exact", "redirect"):
        return kind
    if not stop:
        for match, location in here:
            if match.kind in ("~", "~*") and conditions.matches(
                request, match.text, request.uri, ignore_case=match.kind == "~*", where=location.where()
            ):
                request.path = (*_around(request.path, block), location)
                _ = _find(request, location)
                return "exact"
    return "prefix" if chosen is not None else ""


def _around(path: Path, block: Directive) -> Path:
    """Return the part of a path up to a block."""
    return path[: next(number for number, directive in enumerate(path) if directive is block) + 1]


def _static(uri: str, here: list[tuple[Match, Directive]]) -> tuple[str, Directive | None]:
    """Look through exact locations and prefixes."""
    for match, location in here:
        if match.kind == "=" and match.text == uri:
            return "exact", location
    prefixes = [(match, location) for match, location in here if match.kind in ("", "^~")]
    fitting = [(len(match.text), location) for match, location in prefixes if uri.startswith(match.text)]
    longest = max(fitting, key=lambda item: item[0], default=None)
    if longest is None or longest[0] < len(uri):
        longer = sorted(
            ((match.kind != "=", location) for match, location in here if match.kind in ("", "^~", "=")
             and match.text == f"{uri}/"), key=lambda item: item[0],
        )  # fmt: skip
        if any(_hands_on(location) for _, location in longer):
            return "redirect", longer[0][1]
    return ("prefix", longest[1]) if longest else ("", None)


def _hands_on(location: Directive) -> bool:
    return any(directive.name.endswith("_pass") for directive in location.block)


def named(request: Request, name: str) -> Path | None:
    """Return a named location of the request's server."""
    for match, location in of_block(request.server[-1]):
        if match.kind == "@" and match.text == name:
            return (*request.server, location)
    return None
