"""Questions in other forms than the plain request: spellings, headers, and roots that are common in the field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.host_names import AT_HOME, DOTTED, UNNAMED
from pytest_nodered_sec.data.identity_headers import FURTHER_HEADERS, IDENTITY_HEADERS
from pytest_nodered_sec.data.roots import KNOWN_ROOTS, USUAL_DASHBOARDS
from pytest_nodered_sec.data.spellings import PAGE_FILE, SPELLINGS, respelled_routes
from pytest_nodered_sec.data.ways import LOOPBACK, PROXY_05
from pytest_nodered_sec.model import Ask, Surface
from pytest_nodered_sec.questions.surfaces import askable_endpoints, dashboards_of, harmless_endpoints, representatives

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target


_CLAIMING: Final = ("channel, polling", "channel, WebSocket", "/comms", "endpoint")  # surfaces; pages have their slash
_PREFIXES: Final = 3  # of public paths that are looked below


def _respelled(surface: Surface, plain: str, *below: str) -> tuple[Ask, ...]:
    bare = plain.rstrip("/")
    spelled = [
        *((spelling.write(bare), spelling.labelled(bare)) for spelling in SPELLINGS),
        *((path, path) for path in below),
    ]
    return tuple(
        Ask("variant", (surface.name, plain, path), f"GET {label}")
        for path, label in spelled
        if path not in ("", plain)
    )


def respelled_reads(target: Target) -> tuple[Ask, ...]:
    """Guarded routes in every spelling that has bypassed real proxies (admin-05)."""
    return tuple(ask for path in respelled_routes() for ask in _respelled(Surface.ADMIN, path))


def respelled_pages(target: Target) -> tuple[Ask, ...]:
    """Each dashboard's page in every such spelling, and by the name of its file (dash-04)."""
    below = {path: [path.rstrip("/") + PAGE_FILE] if path.rstrip("/") else [] for path in dashboards_of(target)}
    return tuple(ask for path, files in below.items() for ask in _respelled(Surface.DASHBOARD, path, *files))


def claimed_identities(target: Target) -> tuple[Ask, ...]:
    """Each identity header at the admin API, and all of them at once at every other surface (admin-12).

    Headers that name this machine's own address are among them; the less usual ones are one question.
    """
    claims = [f"{name}: {value}" for name, value in IDENTITY_HEADERS]
    rarer = [f"{name}: {value}" for name, value in (*FURTHER_HEADERS, *LOOPBACK)]
    every = [*claims, *rarer]
    others = [spot for spot in representatives(target) if spot.surface in _CLAIMING]
    return (
        *(Ask("claim", (header,), header.split(":")[0]) for header in claims),
        Ask("claim", tuple(rarer), "other address headers"),
        *(
            Ask("variant", (Surface.DASHBOARD.name, path, f"{path.rstrip('/')}/", "claimed", *every), path)
            for path in dashboards_of(target)
        ),
        *(Ask("way", (spot.surface, spot.method, spot.path, "identity"), spot.label) for spot in others),
        *(
            Ask("way", ("WebSocket endpoint", "GET", path, "identity"), f"WebSocket {path}")
            for path in target.policy.websockets[:1]
        ),
    )


def cross_origin_readers(target: Target) -> tuple[Ask, ...]:
    """The first endpoint at which a GET does nothing, and static files, as another site's page asks (cors-01)."""
    endpoints = harmless_endpoints(target)[:1]
    return (
        *(
            Ask("cross_origin", (method, path), f"{method} {path}")
            for path in endpoints
            for method in ("GET", "OPTIONS")
        ),
        Ask("cross_origin", ("OPTIONS", ""), "OPTIONS of files"),
    )


def other_ways(target: Target) -> tuple[Ask, ...]:
    """Each surface by each way that a real gate was seen to let pass (proxy-05); rare ones at one dashboard alone.

    HTTP/3 is no way that is asked: whether it is offered is told.
    """
    spots = representatives(target)
    asks = [
        Ask("way", (spot.surface, spot.method, spot.path, name), f"{spot.label} {name}")
        for spot in spots
        for name in PROXY_05[spot.surface]
    ]
    for spot in askable_endpoints(target):
        bare = spot.path.rstrip("/")
        asks += [
            Ask("spelled_endpoint", (spot.method, spot.path, path), f"{spot.method} {spelling.labelled(bare)} spelling")
            for spelling in SPELLINGS
            if (path := spelling.write(bare)) != spot.path
        ]
    by_address = [Ask("by_address", label="the address as Host")] if target.named else []
    if target.named and target.hostname != "localhost":
        by_address.append(Ask("by_address", ("localhost",), "localhost as Host"))
        by_address.append(Ask("by_address", (DOTTED,), f"{DOTTED} as Host"))
        by_address += [
            Ask("by_address", (name,), f"{name} as Host")
            for name, domain in AT_HOME.items()
            if not target.hostname.endswith(f".{domain}")
        ]
    if target.named and target.tls:
        by_address.append(Ask("by_address", (UNNAMED,), f"{UNNAMED} in the TLS handshake"))
    if target.tls:
        by_address.append(Ask("announced", label="PROXY protocol"))
    http3 = [Ask("http3", label="HTTP/3")] if target.tls else []
    return (*asks, *by_address, *http3)


def _above_public(target: Target) -> list[str]:
    """Return the paths above public ones: what a proxy passes on for one endpoint may be all of Node-RED."""
    known = {root.path for root in KNOWN_ROOTS}
    parts = [path.path.strip("/").split("/") for path in target.policy.public_paths]
    above = [target.node("/" + "/".join(part[:deep])) for part in parts for deep in range(1, len(part))]
    return [path for path in dict.fromkeys(above) if path not in known]


def other_roots(target: Target) -> tuple[Ask, ...]:
    """Each known root of the host that is none of the target's, and each usual dashboard not declared (roots-01)."""
    declared = target.policy.dashboards
    undeclared = () if declared is None else tuple(path for path in USUAL_DASHBOARDS if path not in declared)
    own = {
        target.admin("/"),
        target.node("/"),
        *(f"{target.node(path).rstrip('/')}/" for path in dashboards_of(target)),
    }
    beside_public = [root for root in _above_public(target) if f"{root}/" not in own]
    return (
        *(
            Ask("root", (root.path, *root.below), root.path or "/")
            for root in KNOWN_ROOTS
            if f"{root.path}/" not in own
        ),
        *(Ask("root", (root, "/auth/login"), root) for root in beside_public[:_PREFIXES]),
        *(Ask("undeclared", (path,), f"dashboard {path}") for path in undeclared),
        Ask("told_places", label="as told"),
    )
