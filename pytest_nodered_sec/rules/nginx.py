"""nginx in front of Node-RED: the service, and the way that requests take through its configuration.

Requests are followed (rules/walk): every server, under each of its names, is asked for the pages in question and for
what its own locations and patterns name, as a stranger and as somebody whom every login lets pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.remedies.lines import nginx_gate
from pytest_nodered_sec.rules.surfaces import wanted
from pytest_nodered_sec.rules.walk import pages as pages_of
from pytest_nodered_sec.rules.walk import ways
from pytest_nodered_sec.rules.walk.blocks import value
from pytest_nodered_sec.rules.walk.config import Config, every
from pytest_nodered_sec.rules.walk.streams import fed, streams
from pytest_nodered_sec.verdict import NotApplicable, NotJudged, Violation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nodered_sec.observations.host_proxies import Directive, NginxConfig, NginxService
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.rules.walk.config import Place
    from pytest_nodered_sec.rules.walk.pages import Surface, Way
    from pytest_nodered_sec.rules.walk.ways import Door
    from pytest_nodered_sec.verdict import Verdict

LOOPBACK: Final = re.compile(r"^(localhost|127(\.\d+){3}|\[::1\])$")


def nginx_is_in_service(seen: NginxService, policy: Policy) -> Verdict:
    """nginx is installed, starts at boot, runs, and its configuration is valid."""
    if not seen.installed:
        if "nginx" not in policy.host.demands:
            return NotApplicable(seen.evidence())
        return (
            Violation(
                "not-installed",
                seen.evidence(),
                "nginx, as the policy says",
                "apt install nginx && systemctl enable --now nginx",
            ),
        )
    faults = []
    if not seen.running:
        if seen.other and "nginx" not in policy.host.demands:
            return NotApplicable(f"{seen.evidence()}; {seen.other} runs instead")
        faults.append(Violation("not-running", seen.evidence(), "a running nginx", "systemctl enable --now nginx"))
    elif seen.unit is not None and seen.unit.get("ActiveState") in ("inactive", "failed"):
        remedy = f"stop the nginx that runs, then systemctl start {seen.unit.name}: systemctl reload does not reach it"
        faults.append(Violation("by-hand", f"{seen.evidence()}; {seen.unit.name} is not active", "a service", remedy))
    if seen.unit is not None and not seen.unit.starts_at_boot:
        remedy = f"systemctl {seen.unit.to_start_at_boot}"
        faults.append(Violation("not-enabled", seen.evidence(), "nginx starts at boot", remedy))
    if seen.valid is False:
        remedy = "nginx -t names the line; until it is valid nginx cannot be restarted"
        faults.append(Violation("not-valid", seen.evidence(), "a valid configuration", remedy))
    return tuple(faults)


# --- every way -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Walked:
    """A server at one place under one name, and every way that was tried there."""

    config: Config
    door: Door
    ways: tuple[Way, ...]
    unseen: tuple[str, ...]

    @property
    def leads(self) -> bool:
        """Whether any of them ends at Node-RED."""
        return any(end.kind == "node-red" for way in self.ways for end in way.ends)


@lru_cache(maxsize=8)
def walked(seen: NginxConfig, surfaces: tuple[Surface, ...]) -> tuple[Walked, ...]:
    """Walk every way to some surfaces."""
    config = Config(seen.directives, seen.sockets)
    result = []
    for door in ways.doors(config):
        tried: list[Way] = []
        for method, some in pages_of.by_method(surfaces).items():
            uris = ways.uris(config, door.server, some)
            aims = (*pages_of.aims(some), *ways.inner(door.server, uris))
            tried += [ways.way(config, door, uri, method, aims) for uri in uris]
        asked_for = tuple(way.uri for way in tried)
        result.append(Walked(config, door, tuple(tried), tuple(ways.unseen(config, door.server, asked_for))))
    return tuple(result)


def leads_elsewhere(seen: NginxConfig, every_way: tuple[Walked, ...]) -> NotApplicable | NotJudged:
    """Say that nothing leads to Node-RED, or that nobody can tell."""
    doubts = [doubt for approach in every_way for way in approach.ways for end in way.ends for doubt in end.doubts]
    if doubts := [*doubts, *_unsure(seen)]:
        return NotJudged(f"{doubts[0]}; so whether nginx forwards to Node-RED is unknown")
    config = Config(seen.directives, seen.sockets)
    handed_to = _handed_to([directive for directive in seen.directives if directive.name == "http"], config)
    if led := next((address for address in handed_to if config.is_node_red(address)), ""):
        return NotJudged(f"nginx forwards to Node-RED at {led}, but no request that was tried gets there")
    if near := next((address for address in handed_to if _is_near(address) and not config.own(address)), ""):
        return NotJudged(f"nginx forwards to {near}, and how that forwards to Node-RED is not followed")
    return NotApplicable(f"{seen.evidence()}; no nginx server block forwards to it")


# --- host-12 ---------------------------------------------------------------------------------------------


def nginx_way_is_guarded(seen: NginxConfig, policy: Policy) -> Verdict:
    """Servers that lead to Node-RED are TLS-only or redirect, guard sockets as pages, and go to loopback."""
    if seen.other:
        return NotApplicable(seen.other)
    surfaces = wanted(seen, policy)
    every_way = walked(seen, surfaces)
    leading = [approach for approach in every_way if approach.leads]
    faults = _streams(seen)
    if not leading and not faults:
        return leads_elsewhere(seen, every_way)
    doubts = _unsure(seen)
    for server in dict.fromkeys(id(approach.door.server) for approach in leading):
        here = [approach for approach in leading if id(approach.door.server) == server]
        faults += _plain(here)
        faults += _far(here)
        faults += [fault for surface in surfaces for fault in _uneven(here, surface, doubts)]
    for surface in surfaces:
        doubts += _astray(every_way, surface)
    if not faults and doubts:
        return NotJudged(f"{doubts[0]}: not judged")
    return tuple(faults)


def _name(server: Directive) -> str:
    names = [" ".join(directive.args) for directive in server.block if directive.name == "server_name"]
    return names[0] if names else "(default)"


def _plain(here: list[Walked]) -> list[Violation]:
    config = here[0].config
    inner = (_inner(config) | fed(config)) - fed(config, clear=True)
    clear = [
        str(approach.door.place)
        for approach in here
        if not approach.door.tls
        and approach.door.place.address != "unix"
        and approach.door.place not in inner
        and pages_of.needs_tls(approach.ways)
    ]
    if not clear:
        return []
    server = here[0].door.server
    return [
        Violation(
            "plain",
            f"server {_name(server)} ({server.where()}) listens on {', '.join(dict.fromkeys(clear))} without TLS, "
            "leading to Node-RED",
            "TLS only, and a server on port 80 that redirects",
            "nginx: in that server listen 443 ssl; with ssl_certificate and ssl_certificate_key in its place; "
            "beside it: server { listen 80; server_name NAME; return 301 https://NAME$request_uri; }",
        )
    ]


def _inner(config: Config) -> set[Place | None]:
    """Return the places that only this machine reaches, and to which nginx itself hands requests on."""
    places = {config.own(address) for address in _handed_to(config.directives, config)}
    return {place for place in places if place and place.local}


def _handed_to(directives: Sequence[Directive], config: Config) -> list[str]:
    """Return the addresses that proxy_pass names."""
    violations = []
    for directive in every(tuple(directives)):
        if directive.name == "proxy_pass" and directive.args:
            target = directive.args[0].partition("://")[2]
            unix = target.startswith("unix:")
            name = target.removeprefix("unix:").partition(":" if unix else "/")[0]
            violations += [address.removeprefix("unix:") for address in config.upstreams.get(name, (name,))]
    return violations


def _is_near(address: str) -> bool:
    return address.startswith("/") or LOOPBACK.match(address.rpartition(":")[0]) is not None


def _far(here: list[Walked]) -> list[Violation]:
    faults: dict[tuple[str, str], Violation] = {}
    for end in (end for approach in here for way in approach.ways for end in way.ends if end.kind == "node-red"):
        handed = end.via[-1]
        secure = handed.args[0].startswith("https://")
        if _is_near(end.address) or (secure and value(end.via[:-1], "proxy_ssl_verify") == ("on",)):
            continue
        address = re.sub("\0([^\0]*)\0", r"$\1", end.address)
        faults[end.where, "" if "$" in handed.args[0] else end.address] = Violation(
            "upstream",
            f"proxy_pass {handed.args[0]} ({end.where}) goes to {address}: not loopback, "
            + ("TLS without verifying the server" if secure else "clear text over the network"),
            "Node-RED on loopback or a unix socket, or https:// with proxy_ssl_verify on",
            'settings.js: uiHost: "127.0.0.1"; nginx: proxy_pass http://127.0.0.1:1880;',
        )
    return list(faults.values())


def _uneven(here: list[Walked], surface: Surface, doubts: list[str]) -> list[Violation]:
    """Compare who is kept from a surface with who gets its channel, other spellings, and other ways to it."""
    faults: dict[str, Violation] = {}
    for approach in here:
        inner = approach.door.place.local and approach.door.place not in fed(
            approach.config
        )  # which has another in front
        demanded = replace(surface, gated=surface.gated and not inner)
        open_ways = pages_of.uneven(approach.ways, demanded, doubts)
        for code, (why, guard, way) in open_ways.items():
            faults.setdefault(code, _fault(code, why, approach, guard, way, surface))
        doubts += approach.unseen
    return list(faults.values())


def _astray(every_way: tuple[Walked, ...], surface: Surface) -> list[str]:
    """Say why servers that others reach may lead to a surface, though none is known to lead to Node-RED."""
    others = [approach.ways for approach in every_way if not approach.leads and not approach.door.place.local]
    return pages_of.astray((approach.ways for approach in every_way if approach.leads), others, surface)


def _fault(code: str, why: str, approach: Walked, guard: str, way: Way, surface: Surface) -> Violation:
    server = approach.door.server
    observed = f"{guard + ', none' if guard else 'no login'} at {way.line()}: {why}"
    return Violation(
        code,
        f"server {_name(server)} ({server.where()}): {observed}",
        f"the same login at {way.line()}" if guard else f"a login at {way.line()}",
        f"nginx: the login at server level; or, with your own login in it, {nginx_gate(surface.path)}",
    )


def _streams(seen: NginxConfig) -> list[Violation]:
    """Return the servers that hand raw connections to Node-RED: past TLS or past every login of nginx's."""
    config = Config(seen.directives, seen.sockets)
    return [
        Violation(
            "stream",
            f"stream server ({stream.server.where()}) forwards connections on {stream.places} to Node-RED at {address} "
            "without a login",
            "only http servers with TLS forward to Node-RED",
            "nginx: delete that server of the stream block, or close its port to all but the proxy",
        )
        for stream in streams(config)
        for address in stream.addresses
        if config.is_node_red(address)
    ]


def _unsure(seen: NginxConfig) -> list[str]:
    """Return why it is not known where raw connections go."""
    return [stream.doubt for stream in streams(Config(seen.directives, seen.sockets)) if stream.doubt]


# --- host-04 ---------------------------------------------------------------------------------------------


def gate(seen: NginxConfig, page: str, *, exactly: bool = False) -> str:
    """Say whether strangers reach a dashboard, page or channel, or a path: "closed", "open", or why that is not known.

    Args:
        seen: nginx's configuration.
        page: path of the dashboard, or of a WebSocket node.
        exactly: it is one path, without a channel below.
    """
    surface = pages_of.Surface(page, "socket" if exactly else "page")
    every_way = walked(seen, (surface,))
    leading = [approach for approach in every_way if approach.leads]
    config = Config(seen.directives, seen.sockets)
    inner = _inner(config) - fed(config)
    leading = [
        approach for approach in leading if approach.door.place not in inner
    ] or leading  # others are in front of those
    if not leading or _streams(seen):
        elsewhere = leads_elsewhere(seen, every_way)
        return elsewhere.reason if not leading and isinstance(elsewhere, NotJudged) else "open"
    doubts = [*_unsure(seen), *(doubt for approach in leading for doubt in approach.unseen)]
    doubts += _astray(every_way, surface)
    for approach in leading:
        is_open, unknown = pages_of.gate(approach.ways, surface)
        if is_open:
            return "open"
        doubts += unknown
    return doubts[0] if doubts else "closed"
