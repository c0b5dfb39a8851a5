"""Apache httpd, HAProxy or Traefik in front of Node-RED: the way that requests take through its configuration.

Requests are followed (rules/walk): every listener, under each name that it tells apart, is asked for the pages in
question and for what the configuration itself names, as a stranger and as somebody whom every login lets pass.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.remedies.lines import TRAEFIK_LOGIN, apache_gate, haproxy_gate
from pytest_nodered_sec.rules.nginx import LOOPBACK
from pytest_nodered_sec.rules.surfaces import wanted
from pytest_nodered_sec.rules.walk import apache_entries, haproxy_entries, pages, traefik_entries
from pytest_nodered_sec.verdict import NotApplicable, NotJudged, Violation

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.observations.host_fronts import FrontConfig
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.rules.walk.entries import Entry, Raw
    from pytest_nodered_sec.rules.walk.pages import Surface, Way
    from pytest_nodered_sec.rules.walk.request import Outcome
    from pytest_nodered_sec.verdict import Verdict

_ENTRIES: Final[dict[str, Callable[[FrontConfig, tuple[Surface, ...]], tuple[Entry, ...]]]] = {
    "Apache httpd": apache_entries.entries,
    "HAProxy": haproxy_entries.entries,
    "Traefik": traefik_entries.entries,
}
_RAW: Final[dict[str, Callable[[FrontConfig], list[Raw]]]] = {
    "HAProxy": haproxy_entries.raw,
    "Traefik": traefik_entries.raw,
}
_READS_HTTP: Final = {
    "HAProxy": "give it mode http, TLS and a login",
    "Traefik": "make it a router of http with TLS and a login, which forwards WebSockets as well",
}
_FAR: Final = {"Apache httpd": apache_entries.far, "HAProxy": haproxy_entries.far, "Traefik": traefik_entries.far}
_REDIRECT: Final = {
    "Apache httpd": "in the <VirtualHost> of that port, before its other rules: `RewriteEngine on` "
    "`RewriteRule ^ https://NAME%{REQUEST_URI} [R=308,L,NE]` (ProxyPass comes before Redirect)",
    "HAProxy": "haproxy.cfg, before the other http-request lines of the frontend: "
    "`http-request redirect scheme https code 301 unless { ssl_fc }`",
    "Traefik": "traefik.yml, in that entry point: `http: {redirections: {entryPoint: {to: websecure, scheme: https}}}` "
    "(websecure: the entry point with TLS)",
}
_LOGIN: Final[dict[str, Callable[[str], str]]] = {
    "Apache httpd": apache_gate,
    "HAProxy": haproxy_gate,
    "Traefik": lambda _: TRAEFIK_LOGIN,
}
_LOCAL: Final = {
    "Apache httpd": 'ProxyPass "/" "http://127.0.0.1:1880/" upgrade=websocket',
    "HAProxy": "haproxy.cfg: server nodered 127.0.0.1:1880",
    "Traefik": "the service's loadBalancer.servers: [{url: http://127.0.0.1:1880}]",
}


def front_way_is_guarded(seen: FrontConfig, policy: Policy) -> Verdict:
    """Listeners that lead to Node-RED are TLS-only or redirect, guard sockets as pages, and go to loopback."""
    surfaces = wanted(seen, policy)
    every_entry = _entries(seen, surfaces)
    leading = [entry for entry in every_entry if entry.leads]
    faults = _raw(seen)
    if not leading and not faults:
        return _leads_elsewhere(seen, every_entry)
    unsure: list[str] = []
    faults += _plain(seen, leading) + _far(seen, leading)
    for name in dict.fromkeys(entry.name for entry in leading):
        for surface in surfaces:
            codes: dict[str, Violation] = {}
            for entry in leading:
                if entry.name == name:
                    for code, (why, guard, way) in pages.uneven(entry.ways, _demanded(entry, surface), unsure).items():
                        codes.setdefault(code, _fault(seen, entry, code, why, guard, way, surface))
            faults += codes.values()
    for surface in surfaces:
        unsure += _astray(every_entry, surface)
    if unsure and not faults:
        return NotJudged(f"{unsure[0]}: not judged")
    return tuple(faults)


def gate(seen: FrontConfig, page: str, *, exactly: bool) -> str:
    """Say whether strangers reach a dashboard, page or channel, or a path: "closed", "open", or why it is not known."""
    surface = pages.Surface(page, "socket" if exactly else "page")
    every_entry = _entries(seen, (surface,))
    leading = [entry for entry in every_entry if entry.leads]
    leading = [entry for entry in leading if not entry.hidden] or leading  # others are in front of those
    if _raw(seen):
        return "open"
    if not leading:
        elsewhere = _leads_elsewhere(seen, every_entry)
        return elsewhere.reason if isinstance(elsewhere, NotJudged) else "open"
    return pages.state((pages.gate(entry.ways, surface) for entry in leading), _astray(every_entry, surface))


def _astray(every_entry: tuple[Entry, ...], surface: Surface) -> list[str]:
    """Say why listeners that others reach may lead to a surface, though none is known to lead to Node-RED."""
    others = (entry.ways for entry in every_entry if not entry.leads and not entry.local)
    return pages.astray((entry.ways for entry in every_entry if entry.leads), others, surface)


@lru_cache(maxsize=16)
def _entries(seen: FrontConfig, surfaces: tuple[Surface, ...]) -> tuple[Entry, ...]:
    return _ENTRIES[seen.program](seen, surfaces)


def _ends(every_entry: tuple[Entry, ...]) -> list[Outcome]:
    return [end for entry in every_entry for way in entry.ways for end in way.ends]


def _leads_elsewhere(seen: FrontConfig, every_entry: tuple[Entry, ...]) -> NotApplicable | NotJudged:
    """Say that nothing leads to Node-RED, or that nobody can tell."""
    every_end = _ends(every_entry)
    if doubts := [doubt for end in every_end for doubt in end.doubts]:
        return NotJudged(f"{doubts[0]}; so whether {seen.program} forwards to Node-RED is unknown")
    if near := next((end.address for end in every_end if end.kind == "elsewhere" and _is_near(end.address)), ""):
        return NotJudged(f"{seen.program} forwards to {near}, and how that forwards to Node-RED is not followed")
    return NotApplicable(f"{seen.evidence()}; nothing there forwards to it")


def _is_near(address: str) -> bool:
    return address.startswith("/") or LOOPBACK.match(address.rpartition(":")[0]) is not None


# --- what is said ----------------------------------------------------------------------------------------


def _demanded(entry: Entry, surface: Surface) -> Surface:
    """Return a surface as a listener must guard it: one that only this machine reaches has another in front."""
    return replace(surface, gated=surface.gated and not entry.local)


def _raw(seen: FrontConfig) -> list[Violation]:
    return [
        Violation(
            "stream",
            f"{seen.program}: {raw.name} forwards connections on {raw.place} to Node-RED at {raw.address} "
            "without a login",
            "only listeners that read HTTP forward to Node-RED",
            f"{seen.program}: delete {raw.name}, or {_READS_HTTP[seen.program]}",
        )
        for raw in dict.fromkeys(_RAW[seen.program](seen) if seen.program in _RAW else ())
    ]


def _plain(seen: FrontConfig, leading: list[Entry]) -> list[Violation]:
    faults = []
    for name in dict.fromkeys(entry.name for entry in leading):
        bare = [entry for entry in leading if entry.name == name and not (entry.tls or entry.hidden)]
        clear = [entry.place for entry in bare if not entry.place.startswith("unix:") and pages.needs_tls(entry.ways)]
        if clear:
            faults.append(
                Violation(
                    "plain",
                    f"{seen.program}: {name} listens on {', '.join(dict.fromkeys(clear))} without TLS, "
                    "leading to Node-RED",
                    "TLS only, and a redirect on port 80",
                    _REDIRECT[seen.program],
                )
            )
    return faults


def _far(seen: FrontConfig, leading: list[Entry]) -> list[Violation]:
    faults: dict[tuple[str, str], Violation] = {}
    for entry in leading:
        for end in (end for way in entry.ways for end in way.ends if end.kind == "node-red"):
            how = "" if _is_near(end.address) else _FAR[seen.program](end.via)
            if how:
                faults[end.where, end.address] = Violation(
                    "upstream",
                    f"{seen.program}: {end.where} goes to {end.address}: not loopback, {how}",
                    "Node-RED on loopback or a unix socket, or TLS that verifies the server",
                    f'settings.js: uiHost: "127.0.0.1"; {_LOCAL[seen.program]}',
                )
    return list(faults.values())


def _fault(seen: FrontConfig, entry: Entry, code: str, why: str, guard: str, way: Way, surface: Surface) -> Violation:
    return Violation(
        code,
        f"{seen.program}: {entry.name}: {guard + ', none' if guard else 'no login'} at {way.line()}: {why}",
        f"the same login at {way.line()}" if guard else f"a login at {way.line()}",
        _LOGIN[seen.program](way.uri.partition("?")[0] if code == "alias" else surface.path),
    )
