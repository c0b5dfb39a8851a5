"""A request's way through nginx, phase by phase (ngx_http_core_module.c): rewriting, location, access, content."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.walk import access, content, known, locations, rewriting, servers
from pytest_nodered_sec.rules.walk.anything import settled
from pytest_nodered_sec.rules.walk.blocks import all_of, value
from pytest_nodered_sec.rules.walk.request import ANYTHING, Outcome, Request
from pytest_nodered_sec.rules.walk.uri import BadUriError, parse
from pytest_nodered_sec.rules.walk.variables import filled

if TYPE_CHECKING:
    import re

    from pytest_nodered_sec.rules.walk.choices import Choices
    from pytest_nodered_sec.rules.walk.config import Config, Listen
    from pytest_nodered_sec.rules.walk.request import Client

_MOST_HOPS: Final = 4
_REDIRECTS: Final = ("301", "302", "303", "307", "308")


def walk(
    config: Config,
    listen: Listen,
    client: Client,
    choices: Choices,
    named: dict[str, str] | None = None,
    captures: tuple[str, ...] = (),
) -> Outcome:
    """Return what becomes of a request that a server answers.

    Args:
        config: nginx's configuration.
        listen: the server, and where it listens.
        client: the request.
        choices: what the client decides.
        named: what the server's name captured by name.
        captures: what it captured.
    """
    request = Request(client, config, choices, listen.server, listen.server, captures=captures)
    request.method = client.method
    places = request.config.places[listen.place]  # one of them decides for all
    request.relayed = any(other.relayed for other in places)
    request.told = request.relayed and not listen.place.local and not client.hops
    request.variables.update({name.lower(): text for name, text in (named or {}).items()})
    merge = _merges_slashes(request, listen)
    try:
        request.uri, request.args, request.quoted = parse(client.uri, merge_slashes=merge)
    except BadUriError:
        return request.end("answered", status=400)
    if listen.tls and not client.tls:
        return _ended(request, 497)
    if listen.tls and value(listen.server, "ssl_verify_client") == ("on",) and not client.granted:
        request.refused.append("ssl_verify_client on;")
        return _ended(request, 496)
    return _from_the_server(request)


def _merges_slashes(request: Request, listen: Listen) -> bool:
    """Whether doubled slashes count as one: as the server says that was chosen when the request's line was read.

    That is before any Host: the place's default server, or the one that the client named by TLS.
    """
    default = next((place for place in request.config.places[listen.place] if place.default), None)
    first = default or request.config.places[listen.place][0]
    ways = [value(server, "merge_slashes") != ("off",) for server in (listen.server, first.server)]
    if ways[0] != ways[1] and listen.tls:
        return request.choices.whether("the server named by TLS is the default one") != ways[0]
    return ways[1]


def _from_the_server(request: Request) -> Outcome:
    request.path = request.server
    request.in_location = True
    stop = rewriting.run(request, request.server[-1].block)
    if isinstance(stop, Outcome):
        return stop
    if stop > rewriting.NEXT:
        return _ended(request, stop)
    return _scripted(request, known.SERVER_REWRITES) or _to_a_location(request)


def _to_a_location(request: Request) -> Outcome:
    """Find a location and rewrite there, until nothing wants another one."""
    while True:
        request.changed = False
        redirects = locations.find(request)
        if not request.internal and all_of(request.path, "internal"):
            return _ended(request, 404)
        _limit_methods(request)
        if redirects:
            target = f"{request.uri}/" + (f"?{request.args}" if request.args else "")
            return request.end("answered", status=301, location=target)
        outcome = _in_the_location(request)
        if outcome is not None:
            return outcome


def _limit_methods(request: Request) -> None:
    """Go into limit_except where it is about the request's method."""
    for directive in request.path[-1].block:
        if directive.name == "limit_except":
            allowed = {arg.upper() for arg in directive.args}
            allowed |= {"HEAD"} if "GET" in allowed else set()
            if request.method not in allowed:
                request.path = (*request.path, directive)


def _in_the_location(request: Request) -> Outcome | None:
    """Go on from where a location was found; None to look for another one."""
    here = request.path[-1]
    stop = rewriting.run(request, here.block) if here.name == "location" else rewriting.NEXT
    if isinstance(stop, Outcome):
        return stop
    if stop > rewriting.NEXT:
        return _ended(request, stop)
    if request.changed:
        request.left -= 1
        return request.end("answered", status=500) if not request.left else None
    if scripted := _scripted(request, known.REWRITES):
        return scripted
    if status := access.refusal(request, _ask):
        return _ended(request, status)
    if request.subrequest or request.client.granted:
        return _with_files(request)
    return _scripted(request, known.ADMITS) or _with_files(request)


def _scripted(request: Request, which: re.Pattern[str]) -> Outcome | None:
    """Return an unknown end where a program decides."""
    for block in reversed(request.path):
        for directive in block.block:
            if which.match(directive.name):
                request.doubt(f"{directive.name} ({directive.where()}) decides")
                return request.end("unknown")
    return None


def _with_files(request: Request) -> Outcome:
    """Look at try_files, which no block inherits, then at the content."""
    files = next(
        (
            directive
            for directive in request.path[-1].block
            if directive.name == "try_files" and len(directive.args) > 1
        ),
        None,
    )
    if files is None or content.exists(request, files):
        return _content(request)
    last = files.args[-1]
    return _ended(request, int(last[1:])) if last.startswith("=") else _elsewhere_inside(request, filled(request, last))


def _content(request: Request) -> Outcome:
    outcome = content.answer(request)
    if isinstance(outcome, int):
        return _ended(request, outcome)
    if isinstance(outcome, str):
        return _elsewhere_inside(request, outcome, request.args)
    return _handed_on(request, outcome) if outcome.kind == "elsewhere" else outcome


def _handed_on(request: Request, outcome: Outcome) -> Outcome:
    """Follow a request that nginx hands to another server of its own."""
    place = request.config.own(outcome.address)
    if place is None:
        return outcome
    if request.client.hops >= _MOST_HOPS:
        request.doubt(f"nginx forwards requests to itself in a loop ({outcome.via[-1].where()})")
        return request.end("unknown")
    given = [
        directive.args[1]
        for directive in all_of(outcome.via, "proxy_set_header")
        if directive.args[0].lower() == "host"
    ]
    client = replace(
        request.client,
        uri=outcome.uri,
        host=filled(request, given[0]) if given else _proxy_host(filled(request, outcome.via[-1].args[0])),
        tls=outcome.via[-1].args[0].startswith("https:"),
        port=place.port,
        address="unix:" if place.address == "unix" else "127.0.0.1",
        hops=request.client.hops + 1,
    )
    listen, named, captures, doubt = servers.chosen(request.config, place, client.host)
    if doubt:
        request.doubt(doubt)
    end = walk(request.config, listen, client, request.choices, named, captures)
    end = replace(end, status=request.shown or end.status)  # an error page is shown with its own
    return replace(end, refused=(*request.refused, *end.refused), doubts=(*request.doubts, *end.doubts))


def _proxy_host(target: str) -> str:
    """Return the Host that nginx sends to a server behind, unless it is told another: the name by which it calls it."""
    authority = target.partition("://")[2]
    return "localhost" if authority.startswith("unix:") else authority.partition("/")[0]


def _ended(request: Request, status: int) -> Outcome:
    """End with a status, or with its error page."""
    answer = request.end("answered", status=400 if status in (495, 496, 497) else status)
    pages = all_of(request.path, "error_page")
    if request.paged or not pages or not request.left:
        return answer
    if value(request.path, "recursive_error_pages") != ("on",):
        request.paged = True
    for directive in pages:
        *codes, target = directive.args
        if str(status) not in codes:
            continue
        given = next((code[1:] for code in codes if code.startswith("=")), str(status))
        to = filled(request, target)
        if to.startswith(("/", "@", ANYTHING)):
            request.shown = int(given or 0)
            if not to.startswith("@") and request.method != "HEAD":
                request.method = "GET"
            return _elsewhere_inside(request, to)
        return request.end("answered", status=int(given) if given in _REDIRECTS else 302, location=to)
    return answer


def _elsewhere_inside(request: Request, to: str, args: str | None = None) -> Outcome:
    """Go to another path, which has its arguments behind it unless they are given, or to a named location."""
    request.left -= 1
    request.internal = True
    path = locations.named(request, to) if to.startswith("@") else request.server
    if not request.left or path is None:
        return request.end("answered", status=500)
    request.path = path
    if to.startswith("@"):
        request.changed = False
        _limit_methods(request)
        return _in_the_location(request) or _to_a_location(request)
    target, request.args = (to, args) if args is not None else to.partition("?")[::2]
    request.uri = settled(request, target)
    request.raw = False
    return _from_the_server(request)


def _ask(request: Request, uri: str) -> Outcome:
    """Make a subrequest, as auth_request does."""
    sub = Request(
        request.client, request.config, request.choices, request.server, request.server, captures=request.captures
    )
    sub.variables, sub.bound, sub.doubts = request.variables, request.bound, request.doubts
    sub.uri, _, sub.args = uri.partition("?")
    sub.raw, sub.internal, sub.subrequest = False, True, True
    sub.relayed, sub.told = request.relayed, request.told
    return _from_the_server(sub)
