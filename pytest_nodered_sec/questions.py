"""Which questions each control asks of a target: derived from settings and data tables, never from the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.data import editor_assets, guarded_get_routes
from pytest_nodered_sec.model import Ask, Surface

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target

CHAIN = (Ask("chain"),)
REACH = (Ask("reach"),)
LOGIN_OFFER = (Ask("login_offer"),)
SIGN_IN = (Ask("sign_in", needs="credentials"),)


def http(path: str, method: str = "GET") -> Ask:
    """Return the question what an anonymous request to a site's own endpoint gets.

    Args:
        path: path below the node root, e.g. "/api/orders".
        method: HTTP method. Mind that a request runs the flow behind an open endpoint.
    """
    return _access(Surface.NODE, path, method=method)


def _access(surface: Surface, path: str, how: str = "anonymous", method: str = "GET") -> Ask:
    return Ask("access", (surface.name, method, path, how), f"{method} {path}")


def guarded_reads(target: Target) -> tuple[Ask, ...]:
    """Every GET route that Node-RED guards, without credentials (admin-01)."""
    return tuple(_access(Surface.ADMIN, route.path) for route in guarded_get_routes())


def forged_reads(target: Target) -> tuple[Ask, ...]:
    """The same with a bearer token that nobody issued (admin-02)."""
    return tuple(_access(Surface.ADMIN, route.path, "forged") for route in guarded_get_routes())


def editor_page(target: Target) -> tuple[Ask, ...]:
    """The editor's page (editor-01)."""
    return (Ask("access", (Surface.EDITOR.name, "GET", "/", "anonymous")),)


def editor_parts(target: Target) -> tuple[Ask, ...]:
    """The editor's assets, and the routes of the editor app (editor-02)."""
    routes = [route.path for route in guarded_get_routes() if route.app == "editor"]
    assets = [asset.path for asset in editor_assets()]
    return tuple(_access(Surface.EDITOR, path) for path in (*assets, *routes))


def dashboards_of(target: Target) -> tuple[str, ...]:
    """Return the dashboards' paths below the node root: those declared, else the two products' defaults."""
    declared = target.policy.dashboards
    return ("/ui", "/dashboard") if declared is None else declared


def dashboard_pages(target: Target) -> tuple[Ask, ...]:
    """Each dashboard's page (dash-01)."""
    return tuple(
        Ask("access", (Surface.DASHBOARD.name, "GET", path, "anonymous"), path) for path in dashboards_of(target)
    )


def dashboard_channels(target: Target) -> tuple[Ask, ...]:
    """Each dashboard's live channel (dash-02)."""
    return tuple(Ask("socket", (path,), path) for path in dashboards_of(target))


def surfaces_in_clear(target: Target) -> tuple[Ask, ...]:
    """Every surface over plain HTTP (http-01)."""
    fixed = (
        Ask("plain", ("editor", "admin", "/"), "editor"),
        Ask("plain", ("admin-api", "admin", "/settings"), "admin-api"),
        Ask("plain", ("login", "admin", "/auth/login"), "login"),
        Ask("plain", ("node", "node", ""), "node"),
    )
    return (*fixed, *(Ask("plain", (path, "node", path), path) for path in dashboards_of(target)))


def redirects(target: Target) -> tuple[Ask, ...]:
    """Where plain HTTP sends pages, and a log-in (http-02)."""
    fixed = (
        Ask("redirects", ("admin", "/", "GET"), "editor"),
        Ask("redirects", ("admin", "/auth/token", "POST"), "token"),
    )
    return (*fixed, *(Ask("redirects", ("node", path, "GET"), path) for path in dashboards_of(target)))


def logins_in_clear(target: Target) -> tuple[Ask, ...]:
    """The login endpoints over plain HTTP, without credentials (http-03)."""
    return (
        Ask("plain", ("login", "admin", "/auth/login"), "GET /auth/login"),
        Ask("plain", ("token", "admin", "/auth/token", "POST"), "POST /auth/token"),
    )


SPOOFS = tuple(Ask("spoofed", (header,), header) for header in ("X-Forwarded-Proto", "X-Forwarded-Host", "Host"))


def channels_in_clear(target: Target) -> tuple[Ask, ...]:
    """Every live channel over plain HTTP (http-05)."""
    return (
        *(Ask("plain_channel", ("Socket.IO", "node", path), path) for path in dashboards_of(target)),
        Ask("plain_channel", ("WebSocket", "admin", "/comms"), "/comms"),
        *(Ask("plain_channel", ("WebSocket", "node", path), f"WebSocket {path}") for path in target.policy.websockets),
    )
