"""The surfaces of a target that its settings name: dashboards, endpoints, and one representative of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target


class Spot(NamedTuple):
    """One place of a surface.

    Attributes:
        surface: the surface's name in `data.ways.CELLS`.
        path: path below its root; of a channel that of its dashboard.
        label: what a person calls it.
        method: HTTP method.
    """

    surface: str
    path: str
    label: str
    method: str = "GET"


def dashboards_of(target: Target) -> tuple[str, ...]:
    """Return the dashboards' paths below the node root: those declared, else the two products' defaults."""
    return target.dashboards


def harmless_endpoints(target: Target) -> tuple[str, ...]:
    """Return paths of declared endpoints at which a GET does nothing."""
    return tuple(
        endpoint.path
        for endpoint in target.policy.protected_paths
        if (endpoint.method, endpoint.effect) == ("GET", "none")
    )


def askable_endpoints(target: Target) -> tuple[Spot, ...]:
    """Return declared endpoints that can be asked without harm, each path once: by GET where that does nothing."""
    harmless = harmless_endpoints(target)
    spots = {path: Spot("endpoint", path, f"GET {path}") for path in harmless}
    for endpoint in target.policy.protected_paths:
        if endpoint.method not in ("GET", "HEAD", "OPTIONS") and endpoint.effect != "acts":
            spots.setdefault(
                endpoint.path, Spot("endpoint", endpoint.path, f"{endpoint.method} {endpoint.path}", endpoint.method)
            )
    return tuple(spots.values())


def representatives(target: Target) -> tuple[Spot, ...]:
    """Return one place of each surface: of endpoints the first below each first part of a path, at most three."""
    channels = {path: f"{path.rstrip('/')}/socket.io" for path in dashboards_of(target)}
    sockets = (Spot("WebSocket endpoint", path, f"WebSocket {path}") for path in target.policy.websockets)
    return (
        Spot("admin API", "/settings", "GET /settings"),
        *(Spot("dashboard page", path, path) for path in dashboards_of(target)),
        *(Spot("channel, polling", path, label) for path, label in channels.items()),
        *(Spot("channel, WebSocket", path, f"WebSocket {label}") for path, label in channels.items()),
        Spot("/comms", "/comms", "/comms"),
        *_first_below_each(askable_endpoints(target)),
        *_first_below_each(tuple(sockets)),
    )


def _first_below_each(spots: tuple[Spot, ...]) -> list[Spot]:
    """Return the first below each first part of a path, at most three."""
    return list(reversed({spot.path.split("/")[1]: spot for spot in reversed(spots)}.values()))[:3]
