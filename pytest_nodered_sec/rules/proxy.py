"""The way through whichever proxy stands on the host, nginx or Caddy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.model_host import CaddyConfig
from pytest_nodered_sec.rules import caddy, nginx

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Verdict
    from pytest_nodered_sec.model_host import NginxConfig
    from pytest_nodered_sec.policy import Policy


def way_is_guarded(seen: NginxConfig | CaddyConfig, policy: Policy) -> Verdict:
    """Servers that lead to Node-RED are TLS-only or redirect, guard sockets as pages, and go to loopback."""
    if isinstance(seen, CaddyConfig):
        return caddy.caddy_way_is_guarded(seen, policy)
    return nginx.nginx_way_is_guarded(seen, policy)


def guards_page(seen: NginxConfig | CaddyConfig | None, page: str) -> bool:
    """Whether the proxy asks for a login at a dashboard's page, in every spelling, and at its socket."""
    if isinstance(seen, CaddyConfig):
        return caddy.guards(seen, (f"{page}/", f"{page.upper()}/", f"{page}/socket.io/"))
    return seen is not None and nginx.guards(seen, page)


def guards_path(seen: NginxConfig | CaddyConfig | None, path: str) -> bool:
    """Whether the proxy asks for a login at this very path."""
    if isinstance(seen, CaddyConfig):
        return caddy.guards(seen, (path,))
    return seen is not None and nginx.guards_exactly(seen, path)
