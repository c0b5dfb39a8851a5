"""What answers in a location: a server behind, files, or a module (ngx_http_proxy_module, index, static)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.walk import known
from pytest_nodered_sec.rules.walk.anything import may_hold_a_path, settled
from pytest_nodered_sec.rules.walk.blocks import all_of, value
from pytest_nodered_sec.rules.walk.locations import match_of
from pytest_nodered_sec.rules.walk.request import ANYTHING, Outcome, unknown, unknowns
from pytest_nodered_sec.rules.walk.uri import escaped
from pytest_nodered_sec.rules.walk.variables import filled

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.blocks import Path
    from pytest_nodered_sec.rules.walk.request import Request

_URL: Final = re.compile(r"(https?)://(?:unix:([^:]*):?|((?:[^/?\0]|\0[^\0]*\0)*))(.*)", re.DOTALL)
_PORT_AND_MORE: Final = re.compile("(://[^/?\0]*:[0-9]+)(?=\0)")
_OF_HOSTS: Final = frozenset(("host", "http_host"))
_OF_NGINX: Final = frozenset(("500", "502", "503", "504"))  # what it answers where the server behind does not


def exists(request: Request, directive: Directive) -> bool:
    """Whether the file is there that a directive looks for."""
    there = request.client.exists
    return request.choices.whether(("exists", directive.where(), directive.args)) if there is None else there


def answer(request: Request) -> Outcome | int | str:
    """Return how it ends, a status that may have an error page, or the path that it is redirected to inside nginx."""
    for block in request.path:
        for directive in block.block:
            if known.decides(directive.name) and not known.ANSWERS.match(directive.name):
                request.doubt(f"the decision of {directive.name} ({directive.where()}) is unknown")
    for block in reversed(_inherited(request.path)):
        for directive in block.block:
            if directive.name == "proxy_pass" and directive.args:
                return _proxied(request, directive)
            if known.ELSEWHERE.match(directive.name):
                return _sent(request, request.end("elsewhere", address=f"{directive.name} {' '.join(directive.args)}"))
            if known.BUILT_IN.match(directive.name):
                return request.end("answered", status=request.shown or 200)
            if known.ANSWERS.match(directive.name):
                request.doubt(f"{directive.name} ({directive.where()}) answers")
                return request.end("unknown")
    return _file(request)


def _inherited(path: Path) -> Path:
    """Return the blocks whose handler is in force: the location's, and those of what stands in it."""
    last = max((number for number, directive in enumerate(path) if directive.name == "location"), default=len(path) - 1)
    return path[last:]


# --- a server behind -------------------------------------------------------------------------------------


def _proxied(request: Request, directive: Directive) -> Outcome | int:
    computed = "$" in directive.args[0]
    target = _PORT_AND_MORE.sub(r"\1/", filled(request, directive.args[0]))
    parts = _URL.fullmatch(target)
    if (parts is None and unknowns(target)) or (parts and may_hold_a_path(parts[3] or "")):
        return _somewhere(request, directive, settled(request, unknown(unknowns(target)[0])))
    if parts is None or not (parts[2] or parts[3].partition(":")[0]):
        return 500
    name = parts[3] or ""
    put = f"/{parts[4]}" if parts[4].startswith("?") else parts[4]
    via = (*request.path, directive)
    if parts[2] is not None:
        address = parts[2]
    elif behind := request.config.upstreams.get(name):
        address = behind[request.choices.pick(("upstream", name), len(behind))].removeprefix("unix:")
    else:
        address = name
    if not address.startswith("/") and not re.search(r":[^\]]*$", address):
        address += ":443" if parts[1] == "https" else ":80"
    named = name[-1:] != ANYTHING and _OF_HOSTS.issuperset(unknowns(name))  # which hold no port
    if unknowns(parts[2] or "") or (unknowns(name) and not (named or re.search(r":\d+$", name))):
        return _somewhere(request, directive, _uri(request, put, computed=computed))
    uri = _uri(request, put, computed=computed)
    if request.config.is_node_red(address):
        return request.end("node-red", uri=uri, address=address, status=request.shown, via=via, where=directive.where())
    return _sent(
        request,
        request.end("elsewhere", uri=uri, address=address, status=request.shown, via=via, where=directive.where()),
    )


def _somewhere(request: Request, directive: Directive, uri: str) -> Outcome:
    request.doubt(
        f"the destination of proxy_pass {directive.args[0]} ({directive.where()}) is not in the configuration"
    )
    return request.end("unknown", uri=uri, via=(*request.path, directive), where=directive.where())


def _uri(request: Request, put: str, *, computed: bool) -> str:
    """Return what the server behind is asked for."""
    if computed and put:
        path, mark, args = put.partition("?")
        return settled(request, path) + mark + args
    if not put and request.raw:
        return request.client.uri
    location = next(
        (match_of(directive).text for directive in reversed(request.path) if directive.name == "location"), ""
    )
    replaced = len(location) if put and request.in_location else 0
    rest = request.uri[replaced:]
    path = (put if request.in_location else "") + (escaped(rest) if request.quoted or request.internal else rest)
    return path + (f"?{request.args}" if request.args else "")


def _sent(request: Request, end: Outcome) -> Outcome | int:
    """Return what comes back from another server: its answer, or a status that has an error page here."""
    if request.client.behind is not None:
        return end
    intercepted = any(value(request.path, f"{kind}_intercept_errors") == ("on",) for kind in ("proxy", "fastcgi"))
    codes = {code for directive in all_of(request.path, "error_page") for code in directive.args[:-1] if code.isdigit()}
    statuses = sorted(codes if intercepted else codes & _OF_NGINX)
    turn = request.choices.pick(("answers", end.where, end.address), len(statuses) + 1)
    return int(statuses[turn - 1]) if turn else end


# --- files -----------------------------------------------------------------------------------------------


def _file(request: Request) -> Outcome | int | str:
    """Return a file, the index of a directory, or a status."""
    there = request.client.exists
    if request.method not in ("GET", "HEAD", "POST"):
        return 405
    if not request.uri.endswith("/"):
        if there is None:
            there = request.choices.whether(("file", request.uri))
        if there and request.method == "POST":
            return 405
        return request.end("answered", status=request.shown or 200) if there else 404
    index = value(request.path, "index") or ("index.html",)
    for name in index:
        if name.startswith("/"):
            return filled(request, name)
        if there or (there is None and request.choices.whether(("file", request.uri, name))):
            return request.uri + filled(request, name)
    return 404 if there is not None else (404, 403)[request.choices.pick(("directory", request.uri), 2)]
