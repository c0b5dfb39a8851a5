"""Caddy in front of Node-RED: the way that requests take through the routes of its adapted configuration.

Requests are followed (rules/walk/caddy): every server, under each name that its routes tell apart, is asked for the
pages in question and for what the routes themselves name, as a stranger and as somebody whom every login lets pass.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from pytest_nodered_sec.remedies.lines import caddy_gate
from pytest_nodered_sec.rules.nginx import LOOPBACK
from pytest_nodered_sec.rules.surfaces import wanted
from pytest_nodered_sec.rules.walk import caddy, pages
from pytest_nodered_sec.rules.walk.config import is_node_red
from pytest_nodered_sec.rules.walk.entries import NOBODY, examples, tried
from pytest_nodered_sec.rules.walk.entries import ends as every_end
from pytest_nodered_sec.rules.walk.pages import Way
from pytest_nodered_sec.rules.walk.request import Client
from pytest_nodered_sec.rules.walk.samples import ANY
from pytest_nodered_sec.verdict import NotApplicable, NotJudged, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.observations.host_proxies import CaddyConfig, CaddyMatch, CaddyRoute, CaddyServer
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.rules.walk.request import Outcome
    from pytest_nodered_sec.verdict import Verdict


def caddy_way_is_guarded(seen: CaddyConfig, policy: Policy) -> Verdict:
    """Servers that lead to Node-RED are TLS-only or redirect, guard sockets as pages, and go to loopback."""
    dials = [(server, dial, secure) for server in seen.servers for dial, secure in server.dials]
    named = [(server, dial, secure) for server, dial, secure in dials if is_node_red(_address(dial), seen.sockets)]
    surfaces = wanted(seen, policy)
    leading = _leading(seen, surfaces)
    faults = _raw(seen)
    if not faults and (not named or not leading):
        doubts = _doubts(seen, surfaces)
        if doubts:
            return NotJudged(f"{doubts[0]}; so whether Caddy forwards to Node-RED is unknown")
        if near := _elsewhere(seen):
            return NotJudged(near)
        return NotApplicable(f"{seen.evidence()}; no Caddy server forwards to it")
    unsure: list[str] = []
    faults += [_plain(seen, server) for server in dict.fromkeys(server for server, _ in leading) if not server.tls]
    faults += [_far(seen, dial) for _, dial, secure in named if not secure and not _near(_address(dial))]
    for server in dict.fromkeys(server for server, _ in leading):
        for surface in surfaces:
            violations: dict[str, Violation] = {}
            for server_ahead, ways in leading:
                if server_ahead is server:
                    for code, (why, guard, way) in pages.uneven(ways, _demanded(server, surface), unsure).items():
                        violations.setdefault(code, _fault(seen, server, code, why, guard, way, surface))
            faults += violations.values()
    for surface in surfaces:
        unsure += _astray(seen, surfaces, surface)
    if unsure and not faults:
        return NotJudged(f"{unsure[0]}: not judged")
    return tuple(faults)


def _demanded(server: CaddyServer, surface: pages.Surface) -> pages.Surface:
    """Return a surface as a server must guard it: one that only this machine reaches has another in front."""
    return replace(surface, gated=surface.gated and not _is_inner(server))


def _is_inner(server: CaddyServer) -> bool:
    return all(LOOPBACK.match(at.rpartition(":")[0]) or at.startswith("unix/") for at in server.listen)


def gate(seen: CaddyConfig, page: str, *, exactly: bool) -> str:
    """Say whether strangers reach a dashboard, page or channel, or a path: "closed", "open", or why it is not known."""
    surface = pages.Surface(page, "socket" if exactly else "page")
    leading = _leading(seen, (surface,))
    if _raw(seen):
        return "open"
    if not leading:
        return next(iter(_doubts(seen, (surface,))), _elsewhere(seen) or "open")
    return pages.state((pages.gate(ways, surface) for _, ways in leading), _astray(seen, (surface,), surface))


# --- every way -------------------------------------------------------------------------------------------


def _leading(seen: CaddyConfig, surfaces: tuple[pages.Surface, ...]) -> list[tuple[CaddyServer, tuple[Way, ...]]]:
    return [(server, ways) for server, ways in _walked(seen, surfaces) if _leads(ways)]


def _leads(ways: tuple[Way, ...]) -> bool:
    return any(end.kind == "node-red" for way in ways for end in way.ends)


def _astray(seen: CaddyConfig, surfaces: tuple[pages.Surface, ...], surface: pages.Surface) -> list[str]:
    """Say why servers that others reach may lead to a surface, though none is known to lead to Node-RED."""
    leading = [ways for _, ways in _leading(seen, surfaces)]
    others = [ways for server, ways in _walked(seen, surfaces) if not (_leads(ways) or _is_inner(server))]
    return pages.astray(leading, others, surface)


def _doubts(seen: CaddyConfig, surfaces: tuple[pages.Surface, ...]) -> list[str]:
    return [doubt for _, ways in _walked(seen, surfaces) for way in ways for end in way.ends for doubt in end.doubts]


@lru_cache(maxsize=16)
def _walked(seen: CaddyConfig, surfaces: tuple[pages.Surface, ...]) -> tuple[tuple[CaddyServer, tuple[Way, ...]], ...]:
    """Ask every server for all that leads to some surfaces, under each of its names."""
    result = []
    for server in seen.servers:
        heads = tuple(text for route in _routes(server) for text in _heads(route))
        for host in _hosts(server):
            result.append((server, tried(heads, surfaces, partial(_way, seen, server, host))))
    return tuple(result)


def _way(seen: CaddyConfig, server: CaddyServer, host: str, uri: str, method: str, aims: tuple[str, ...]) -> Way:
    def ends(*, granted: bool) -> tuple[Outcome, ...]:
        client = Client(uri, host, server.tls, method=method, granted=granted, aims=aims)
        return every_end(lambda made: caddy.walk(seen, server, client, made), server.name)

    return Way(uri, ends(granted=False), ends(granted=True), method)


def _routes(server: CaddyServer) -> Iterator[CaddyRoute]:
    yield from _below(server.routes)
    yield from _below(server.errors)
    yield from _below(tuple(route for _, route in server.named))


def _below(routes: tuple[CaddyRoute, ...]) -> Iterator[CaddyRoute]:
    for route in routes:
        yield route
        for step in route.steps:
            yield from _below(
                (*step.routes, *step.errors, *(caddy_route for _, inner in step.answers for caddy_route in inner))
            )


def _sets(matches: tuple[CaddyMatch, ...]) -> Iterator[CaddyMatch]:
    for matcher in matches:
        yield matcher
        yield from _sets(matcher.none)


def _hosts(server: CaddyServer) -> list[str]:
    """Return every name that its routes tell apart, and one that is none of them."""
    sets = [matcher for route in _routes(server) for matcher in _sets(route.matches)]
    return list(dict.fromkeys((*(name.replace("*", "any") for matcher in sets for name in matcher.hosts), NOBODY)))


def _heads(route: CaddyRoute) -> Iterator[str]:
    """Yield the paths that a route names, ANY standing for what may be anything."""
    for matcher in _sets(route.matches):
        yield from (path.replace("*", ANY) for path in matcher.paths)
        yield from examples(matcher.pattern) if matcher.pattern else ()
    for step in route.steps:
        if step.prefix:
            yield f"{step.prefix}{ANY}"
        yield from (f"{find}{ANY}" for find, _, _ in step.swaps)
        yield from (text for find, _ in step.patterns for text in examples(find))


def _elsewhere(seen: CaddyConfig) -> str:
    """Say whom else on this machine Caddy forwards to, "" for nobody."""
    own = {at.rpartition(":")[2] for server in seen.servers for at in server.listen}
    dials = [_address(dial) for server in seen.servers if not server.raw for dial, _ in server.dials]
    near = next((dial for dial in dials if _near(dial) and dial.rpartition(":")[2] not in own), "")
    if near and is_node_red(near, seen.sockets):
        return f"Caddy forwards to Node-RED at {near}, but no request that was tried gets there"
    return f"Caddy forwards to {near}, and how that forwards to Node-RED is not followed" if near else ""


# --- what is said ----------------------------------------------------------------------------------------


def _address(dial: str) -> str:
    return dial.removeprefix("unix/") if dial.startswith("unix/") else dial


def _near(address: str) -> bool:
    return address.startswith("/") or LOOPBACK.match(address.rpartition(":")[0]) is not None


def _fault(
    seen: CaddyConfig, server: CaddyServer, code: str, why: str, guard: str, way: Way, surface: pages.Surface
) -> Violation:
    return Violation(
        code,
        f"{seen.file}: {server.name}: {guard + ', none' if guard else 'no login'} at {way.line()}: {why}",
        f"the same login at {way.line()}" if guard else f"a login at {way.line()}",
        caddy_gate(surface.path),
    )


def _raw(seen: CaddyConfig) -> list[Violation]:
    return [
        Violation(
            "stream",
            f"{seen.file}: {server.name} forwards connections on {', '.join(server.listen)} to Node-RED at {dial} "
            "without a login",
            "only servers that read HTTP forward to Node-RED",
            "Caddy: delete that server of the app layer4, or close its port to all but the proxy",
        )
        for server in seen.servers
        if server.raw
        for dial, _ in server.dials
        if is_node_red(_address(dial), seen.sockets)
    ]


def _plain(seen: CaddyConfig, server: CaddyServer) -> Violation:
    return Violation(
        "plain",
        f"{seen.file}: {server.name} listens on {', '.join(server.listen)} without TLS and forwards to Node-RED",
        "TLS only, and a redirect on port 80",
        "Caddyfile: name the site by its host name alone, without http:// (Caddy then gets a certificate and redirects "
        "by itself)",
    )


def _far(seen: CaddyConfig, dial: str) -> Violation:
    return Violation(
        "upstream",
        f"{seen.file}: reverse_proxy goes to {dial}: not loopback, so in clear text over the network",
        "Node-RED on loopback or a unix socket",
        'settings.js: uiHost: "127.0.0.1"; Caddyfile: reverse_proxy 127.0.0.1:1880',
    )
