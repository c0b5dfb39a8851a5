"""Caddy in front of Node-RED: the way that requests take through the routes of its adapted configuration.

How Caddy tries them: caddyserver.com/docs/json/apps/http/servers/routes; its `path` matcher ignores letter case.
Conditions on hosts and paths are followed. Others (headers, addresses) may hold or not: a login that depends on them is
none, and a way to Node-RED that depends on them is one. A path that is rewritten is not followed.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.model import NotApplicable, Violation
from pytest_nodered_sec.rules.nginx import LOOPBACK, is_node_red

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nodered_sec.model import Verdict
    from pytest_nodered_sec.model_host import CaddyConfig, CaddyMatch, CaddyRoute, CaddyServer, CaddyStep
    from pytest_nodered_sec.policy import Policy

_OPEN: Final = "open"  # it reaches Node-RED, and nobody asked for a login
_GUARDED: Final = "guarded"
_ENDED: Final = "ended"  # answered by Caddy, or by somebody else
_PAGES: Final = ("/ui", "/dashboard")


def caddy_way_is_guarded(seen: CaddyConfig, policy: Policy) -> Verdict:
    """Servers that lead to Node-RED are TLS-only or redirect, guard sockets as pages, and go to loopback."""
    found = [(server, dial, secure) for server in seen.servers for dial, secure in server.dials]
    leading = [(server, dial, secure) for server, dial, secure in found if is_node_red(_address(dial), seen.sockets)]
    if not leading:
        return NotApplicable(f"{seen.evidence()}; no server of Caddy leads there")
    servers = dict.fromkeys(server for server, _, _ in leading)
    return (
        *(_plain(seen, server) for server in servers if not server.tls),
        *(_far(seen, dial) for _, dial, secure in leading if not secure and not _near(_address(dial))),
        *(one for server in servers for page in policy.dashboards or _PAGES for one in _uneven(seen, server, page)),
    )


def guards(seen: CaddyConfig, uris: Sequence[str]) -> bool:
    """Whether Caddy leads to Node-RED, and at none of these paths without a login."""
    fates = [
        _fate(server.routes, host, uri, seen) for server in seen.servers for host in _hosts(server) for uri in uris
    ]
    return _GUARDED in fates and _OPEN not in fates


def _uneven(seen: CaddyConfig, server: CaddyServer, page: str) -> list[Violation]:
    found = {}
    for host in _hosts(server):
        if _fate(server.routes, host, f"{page}/", seen) != _GUARDED:
            continue  # Caddy asks for no login there: Node-RED's own settings must (host-03, host-04)
        for code, uri, why in (
            ("socket", f"{page}/socket.io/", "the live values and buttons are open to anybody"),
            ("letter-case", f"{page.upper()}/", "Express ignores letter case, so this is the same page"),
        ):
            if _fate(server.routes, host, uri, seen) == _OPEN:
                found[code] = Violation(
                    code,
                    f"{seen.file}: {server.name} asks for a login at {page}/, but for none at {uri}: {why}",
                    f"the same login at {uri}",
                    f"Caddyfile: @gated path {page} {page}/*, then basic_auth @gated (path ignores letter case)",
                )
    return list(found.values())


# --- the way of one request ------------------------------------------------------------------------------


def _fate(routes: tuple[CaddyRoute, ...], host: str, uri: str, seen: CaddyConfig) -> str:
    """Return what becomes of a request; "" where it falls through. Where it may be open it is."""
    taken = set()
    for route in routes:
        fits = _one_fits(route.matches, host, uri)
        if fits is False or (route.group and route.group in taken):
            continue
        if fits and route.group:
            taken.add(route.group)
        for step in route.steps:
            fate = _step(step, host, uri, seen)
            if fate == _OPEN or (fate and fits):
                return fate
            if fate:
                break  # it may be so; what comes later counts
        if route.last and fits:
            return _ENDED
    return ""


def _step(step: CaddyStep, host: str, uri: str, seen: CaddyConfig) -> str:
    if step.kind == "routes":
        return _fate(step.routes, host, uri, seen)
    if step.kind == "proxy":
        return _OPEN if any(is_node_red(_address(dial), seen.sockets) for dial in step.dials) else _ENDED
    return {"login": _GUARDED, "end": _ENDED, "rewrite": _ENDED}.get(step.kind, "")


def _one_fits(matches: tuple[CaddyMatch, ...], host: str, uri: str) -> bool | None:
    """Whether one of the sets holds; None where that depends on what is not looked at."""
    each = [_fits(one, host, uri) for one in matches]
    if not each or True in each:
        return True
    return None if None in each else False


def _fits(one: CaddyMatch, host: str, uri: str) -> bool | None:
    if one.hosts and not any(fnmatchcase(host, name) for name in one.hosts):
        return False
    if one.paths and not any(fnmatchcase(uri.lower(), path.lower()) for path in one.paths):
        return False
    by_pattern = _matches(one.pattern, uri)
    if by_pattern is False:
        return False
    excluded = _one_fits(one.none, host, uri) if one.none else False
    if excluded:
        return False
    return None if one.others or excluded is None or by_pattern is None else True


def _matches(pattern: str, uri: str) -> bool | None:
    try:
        return re.search(pattern, uri) is not None
    except re.error:  # Go's expressions are nearly Python's
        return None


def _hosts(server: CaddyServer) -> list[str]:
    """Return every name that its routes tell apart, and one that is none of them."""

    def named(routes: tuple[CaddyRoute, ...]) -> list[str]:
        own = [name for route in routes for one in route.matches for name in one.hosts]
        return own + [name for route in routes for step in route.steps for name in named(step.routes)]

    return list(dict.fromkeys((*named(server.routes), "stranger.invalid")))


# --- servers ---------------------------------------------------------------------------------------------


def _address(dial: str) -> str:
    return dial.removeprefix("unix/") if dial.startswith("unix/") else dial


def _near(address: str) -> bool:
    return address.startswith("/") or LOOPBACK.match(address.rpartition(":")[0]) is not None


def _plain(seen: CaddyConfig, server: CaddyServer) -> Violation:
    return Violation(
        "plain",
        f"{seen.file}: {server.name} listens on {', '.join(server.listen)} without TLS, leading to Node-RED",
        "TLS only, and a redirect on port 80",
        "Caddyfile: name the site without http:// (Caddy then gets a certificate and redirects by itself)",
    )


def _far(seen: CaddyConfig, dial: str) -> Violation:
    return Violation(
        "upstream",
        f"{seen.file}: reverse_proxy goes to {dial}: not loopback, a network in clear",
        "Node-RED on loopback or a unix socket",
        'settings.js: uiHost: "127.0.0.1"; Caddyfile: reverse_proxy 127.0.0.1:1880',
    )
