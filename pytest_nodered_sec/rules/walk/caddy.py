"""A request's way through Caddy: its routes one after the other, each handler calling the next (caddyhttp/routes.go).

Go's regular expressions are read as far as they mean the same in Python.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from pytest_nodered_sec.rules.walk import caddy_matching
from pytest_nodered_sec.rules.walk.anything import settled
from pytest_nodered_sec.rules.walk.caddy_visit import Visit
from pytest_nodered_sec.rules.walk.config import is_near, is_node_red
from pytest_nodered_sec.rules.walk.request import Outcome, unknown, unknowns

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.observations.host_proxies import CaddyConfig, CaddyRoute, CaddyServer, CaddyStep
    from pytest_nodered_sec.rules.walk.choices import Choices
    from pytest_nodered_sec.rules.walk.request import Client

    Next = Callable[[], Outcome]

_PLACEHOLDER: Final = re.compile(r"\{([^{}]+)\}")
_GROUP: Final = re.compile(r"\$(?:\{(\w+)\}|(\d+))")
_TOKEN: Final = re.compile("%[0-9a-fA-F]{2}|.", re.DOTALL)
_MOST_HOPS: Final = 4


class _Failed(Exception):
    """A handler ended with an error's status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def walk(seen: CaddyConfig, server: CaddyServer, client: Client, choices: Choices) -> Outcome:
    """Return what becomes of a request that a server answers."""
    path, _, query = client.uri.partition("?")
    visit = Visit(client, seen, server, choices, path, query)
    if not client.granted and any(caddy_matching.is_host(client.host, name) for name in server.certificates):
        visit.refused.append("client_auth")
        return visit.answered(0)
    try:
        return _routes(visit, server.routes, lambda: visit.answered(200))
    except _Failed as failed:
        visit.path, visit.query, visit.status = path, query, failed.status
        visit.groups.clear()
    try:
        return _routes(visit, server.errors, lambda: visit.answered(visit.status))
    except _Failed as failed:
        return visit.answered(failed.status)


def _routes(visit: Visit, routes: tuple[CaddyRoute, ...], rest: Next) -> Outcome:
    """Try routes from the first on; each decides whether the next ones are tried."""
    for number, route in enumerate(routes):
        if route.group in visit.groups or not caddy_matching.any_fits(visit, route.matches):
            continue
        if route.group:
            visit.groups.add(route.group)
        after = routes[number + 1 :]

        def following(route: CaddyRoute = route, after: tuple[CaddyRoute, ...] = after) -> Outcome:
            return visit.answered(visit.status or 200) if route.last else _routes(visit, after, rest)

        return _steps(visit, route.steps, following)
    return rest()


def _steps(visit: Visit, steps: tuple[CaddyStep, ...], rest: Next) -> Outcome:
    if not steps:
        return rest()

    def following() -> Outcome:
        return _steps(visit, steps[1:], rest)

    return _step(visit, steps[0], following)


def _step(visit: Visit, step: CaddyStep, following: Next) -> Outcome:
    """Do what a handler does."""
    if step.kind == "routes":
        return _with_errors(visit, step, following)
    if step.kind == "invoke":
        named = [route for name, route in visit.server.named if name == step.name]
        return _routes(visit, tuple(named), following)
    if step.kind == "proxy":
        return _proxied(visit, step, following)
    if step.kind == "login" and not visit.client.granted:
        visit.refused.append(step.name or "a login")
        if visit.signed:
            visit.doubt(
                f"whether {step.name or 'a login'} lets everybody in is unknown: Caddy itself sets Authorization"
            )
        if not (visit.signed and visit.choices.whether(("signed", visit.uri))):
            raise _Failed(401)
    if step.kind == "sign":
        visit.signed = True
    elif step.kind == "rewrite":
        _rewrite(visit, step)
    elif step.kind in ("end", "error"):
        if step.kind == "error":
            raise _Failed(step.status or 500)
        return visit.answered(step.status or 200)
    elif step.kind == "file":
        there = visit.client.exists
        if there or (there is None and visit.choices.whether(("file", visit.path))):
            return visit.answered(200)
        if not step.passes:
            raise _Failed(404)
    elif step.kind == "unknown":
        visit.doubt(f"the decision of Caddy's handler {step.name} is unknown")
    return following()


def _with_errors(visit: Visit, step: CaddyStep, following: Next) -> Outcome:
    if not step.errors:
        return _routes(visit, step.routes, following)
    try:
        return _routes(visit, step.routes, following)
    except _Failed as failed:
        visit.status = failed.status
        return _routes(visit, step.errors, following)


# --- rewriting -------------------------------------------------------------------------------------------


def _rewrite(visit: Visit, step: CaddyStep) -> None:
    """Rewrite the path (caddyhttp/rewrite): the whole, then prefix, suffix, texts, patterns."""
    if not (step.uri or step.prefix or step.suffix or step.swaps or step.patterns):
        if not step.name:  # as 0.1.0 told it
            visit.doubt("how Caddy rewrites the path was not looked at")
        return
    if step.uri:
        path, mark, query = step.uri.partition("?")
        if path:
            path, injected, more = filled(visit, path).partition("?")
            path = settled(visit, path)
            visit.path = quote(unquote(path, "latin-1"), safe="/:@!$&'()*+,;=~%?", encoding="latin-1") or "/"
            if injected and not mark:
                visit.query = more
        if mark:
            visit.query = filled(visit, query)
    if unknowns(prefix := filled(visit, step.prefix)):
        visit.path = _any(visit, prefix)
    elif prefix:
        prefix = prefix if prefix.startswith("/") else f"/{prefix}"
        left = _without(_tokens(caddy_matching.cleaned(visit.path, merge="//" not in prefix)), _tokens(prefix))
        left = left[1:] if left[:1] in (["/"], ["%2F"], ["%2f"]) else left
        visit.path = "".join(["/", *left])
    if unknowns(suffix := filled(visit, step.suffix)):
        visit.path = _any(visit, suffix)
    elif suffix:
        whole = _tokens(caddy_matching.cleaned(visit.path, merge="//" not in suffix))
        visit.path = "".join(_without(whole[::-1], _tokens(suffix)[::-1])[::-1])
    for find, put, limit in step.swaps:
        what, by = filled(visit, find), filled(visit, put)
        path = caddy_matching.cleaned(visit.path, merge="//" not in what).replace(what, by, limit or -1)
        visit.path = _any(visit, what) if unknowns(what) else settled(visit, path)
        visit.query = visit.query.replace(what, by, limit or -1)
    for find, put in step.patterns:
        regex = caddy_matching.compiled(visit, find)
        if regex is None:
            visit.path = _any(visit, unknown(f"the pattern {find}"))
            continue
        by = "".join(text if _GROUP.match(text) else filled(visit, text) for text in re.split(r"(\$\{\w+\})", put))
        by = _GROUP.sub(r"\\g<\1\2>", by.replace("\\", r"\\"))
        visit.path = settled(visit, regex.sub(by, visit.path))


def _any(visit: Visit, text: str) -> str:
    """Return what the path may be behind a change by what is not known."""
    return settled(visit, unknown(unknowns(text)[0]), other=visit.path)


def _tokens(path: str) -> list[str]:
    """Return a path's characters, percent-encoded ones as they are written."""
    return _TOKEN.findall(path)


def _without(path: list[str], first: list[str]) -> list[str]:
    """Take a beginning off, whatever its letter case; what is percent-encoded only in the path counts as decoded."""
    for char, wanted in zip_longest(path[: len(first)], first, fillvalue=""):
        plain = char if len(wanted) > 1 else unquote(char, "latin-1")
        if plain.lower() != wanted.lower():
            return path
    return path[len(first) :]


def filled(visit: Visit, template: str) -> str:
    """Return a text with its placeholders' values; what is none of the request's own may be anything."""
    known = {
        "http.request.uri": visit.uri,
        "http.request.uri.path": visit.path,
        "http.request.uri.query": visit.query,
        "http.request.orig_uri": visit.client.uri,
        "http.request.orig_uri.path": visit.client.uri.partition("?")[0],
        "http.request.host": visit.client.host,
        "http.request.method": visit.client.method,
        **visit.captured,
    }

    return _PLACEHOLDER.sub(lambda match: known.get(match[1], unknown(f"{{{match[1].replace('?', '')}}}")), template)


# --- a server behind -------------------------------------------------------------------------------------


def _proxied(visit: Visit, step: CaddyStep, following: Next) -> Outcome:
    before = visit.path, visit.query
    if step.uri or step.prefix or step.suffix or step.swaps or step.patterns:
        _rewrite(visit, step)
    uri = visit.uri if visit.uri.startswith("/") else f"/{visit.uri}"
    visit.path, visit.query = before
    if step.gathers or not step.dials or any("{" in dial for dial in step.dials):
        return visit.unknown(f"the upstream of {step.name or 'reverse_proxy'} is determined at run time", uri)
    dial = step.dials[visit.choices.pick(("dial", step.dials), len(step.dials))]
    address = dial.removeprefix("unix/") if dial.startswith("unix/") else dial
    if is_node_red(address, visit.seen.sockets):
        return visit.end(Outcome("node-red", uri=uri, address=dial))
    if own := _own(visit, address):
        client = replace(visit.client, uri=uri, tls=own.tls, address="127.0.0.1", hops=visit.client.hops + 1)
        return visit.end(walk(visit.seen, own, client, visit.choices))
    return _answer(visit, step, Outcome("elsewhere", uri=uri, address=dial), following)


def _own(visit: Visit, address: str) -> CaddyServer | None:
    """Return the server of Caddy's own that listens there."""
    host, _, port = address.rpartition(":")
    if visit.client.hops >= _MOST_HOPS or not is_near(host):
        return None
    return next(
        (server for server in visit.seen.servers if any(at.rpartition(":")[2] == port for at in server.listen)), None
    )


def _answer(visit: Visit, step: CaddyStep, end: Outcome, following: Next) -> Outcome:
    """Do what is said about the answer of another server; forward_auth lets pass what that answers with 2xx."""
    behind = visit.client.behind
    admits = any(2 in statuses or 200 in statuses for statuses, _ in step.answers)
    if behind is None:
        if admits:
            behind = 200 if visit.client.granted else 401
        elif visit.server.errors and visit.choices.whether(("fails", step.dials)):
            raise _Failed(502)
    if admits and behind is not None and behind >= 300:
        visit.refused.append(f"forward_auth {end.address}")
    for statuses, routes in step.answers:
        if behind is None:
            taken = visit.choices.whether(("answers", step.dials, statuses))
        else:
            taken = not statuses or behind in statuses or behind // 100 in statuses
        if taken:
            return _routes(visit, routes, following)
    return visit.end(end)
