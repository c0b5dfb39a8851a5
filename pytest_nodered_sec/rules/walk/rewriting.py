"""nginx's rewrite module: set, if, break, return, rewrite (ngx_http_rewrite_module, ngx_http_script)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.walk import conditions, variables
from pytest_nodered_sec.rules.walk.anything import settled
from pytest_nodered_sec.rules.walk.request import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.request import Request

_REDIRECTS: Final = ("301", "302", "303", "307", "308")
_AWAY: Final = ("http://", "https://", "$scheme")

NEXT: Final = 0
DONE: Final = -1
Stop = Outcome | int
"""An answer, a status that may have an error page, DONE: on with the next phase, or NEXT: with the next directive."""


def run(request: Request, directives: Sequence[Directive], *, quote: list[bool] | None = None) -> Stop:
    """Run the directives of a block, those of each `if` that holds in their place."""
    quote = quote if quote is not None else [True]
    for directive in directives:
        stop: Stop = NEXT
        if directive.name == "break":
            request.changed = False
            return DONE
        if directive.name == "set" and len(directive.args) > 1:
            _set(request, directive.args[0][1:].lower(), variables.filled(request, directive.args[1], quote=quote[0]))
        elif directive.name == "return" and directive.args:
            return _returned(request, directive.args)
        elif directive.name == "rewrite" and len(directive.args) > 1:
            stop = _rewritten(request, directive, quote)
        elif directive.name == "if" and _holds(request, directive):
            if request.path[-1].name == "if":
                request.path = request.path[:-1]  # the last that holds is in force
            if request.path[-1].name == "location":
                request.path = (*request.path, directive)
            stop = run(request, directive.block, quote=quote)
        if stop != NEXT:
            return stop
    return NEXT


def _set(request: Request, name: str, text: str) -> None:
    if name == "args":
        request.args = text
    else:
        request.variables[name] = text


def _returned(request: Request, args: tuple[str, ...]) -> Stop:
    code = args[0] if args[0].isdigit() else "302"
    text = args[-1] if len(args) > 1 or not args[0].isdigit() else ""
    if code in _REDIRECTS:
        return request.end("answered", status=int(code), location=variables.filled(request, text))
    if code != "444" and int(code) >= 400 and not text:
        return int(code)
    return request.end("answered", status=request.shown or int(code))


def _rewritten(request: Request, directive: Directive, quote: list[bool]) -> Stop:
    pattern, put, *flags = directive.args
    away = put.startswith(_AWAY) or flags[:1] in (["redirect"], ["permanent"])
    if not _matches(request, pattern, request.uri, directive):
        return NEXT
    keeps = not put.endswith("?")
    put = put if keeps else put[:-1]
    path, mark, args = put.partition("?")
    quote[0] = away
    new = variables.filled(request, path, quote=away)
    new_args = variables.filled(request, args, quote=True)
    quote[0] = False
    if away:
        target = new + (f"?{new_args}" if mark else "")
        if keeps and request.args:
            target += ("&" if mark else "?") + request.args
        return request.end("answered", status=301 if flags[:1] == ["permanent"] else 302, location=target)
    if mark:
        request.args = new_args + (f"&{request.args}" if keeps and request.args else "")
    elif not keeps:
        request.args = ""
    request.uri, request.internal, request.raw = settled(request, new), True, False
    if not new:
        return 500
    if flags[:1] == ["break"]:
        request.changed, request.in_location = False, False
        return DONE
    request.changed = True
    return DONE if flags[:1] == ["last"] else NEXT


def _holds(request: Request, directive: Directive) -> bool:
    """Whether an if's condition holds."""
    first, *rest = directive.args
    if re.fullmatch("!?-[fdex]", first):
        there = request.client.exists
        if there is None:
            there = request.choices.whether(("exists", directive.where(), directive.args))
        return there != first.startswith("!")
    text = variables.filled(request, first)
    if not rest:
        return conditions.is_set(request, text)
    sign, wanted = rest[0], " ".join(rest[1:])
    if sign in ("=", "!="):
        return conditions.equal(request, text, variables.filled(request, wanted)) == (sign == "=")
    return _matches(request, wanted, text, directive, ignore_case=sign.endswith("*")) != sign.startswith("!")


def _matches(request: Request, pattern: str, text: str, directive: Directive, *, ignore_case: bool = False) -> bool:
    """Whether a pattern matches; one that does not leaves nothing of what others captured."""
    held = conditions.matches(request, pattern, text, ignore_case=ignore_case, where=directive.where())
    if not held:
        request.captures = ()
    return held
