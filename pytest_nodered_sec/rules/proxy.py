"""The routes through the proxy on the host: nginx, Caddy, HAProxy, Apache httpd or Traefik."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.observations.host_fronts import FrontConfig
from pytest_nodered_sec.observations.host_proxies import CaddyConfig
from pytest_nodered_sec.rules import caddy, fronts, nginx

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_proxies import NginxConfig
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict


def way_is_guarded(seen: NginxConfig | CaddyConfig | FrontConfig, policy: Policy) -> Verdict:
    """Servers that lead to Node-RED are TLS-only or redirect, guard sockets as pages, and go to loopback."""
    if isinstance(seen, CaddyConfig):
        return caddy.caddy_way_is_guarded(seen, policy)
    if isinstance(seen, FrontConfig):
        return fronts.front_way_is_guarded(seen, policy)
    return nginx.nginx_way_is_guarded(seen, policy)


def gate(seen: NginxConfig | CaddyConfig | FrontConfig | None, page: str, *, exactly: bool = False) -> str:
    """Say whether the proxy keeps strangers out: "closed", "open", or why that is not known.

    Args:
        seen: the proxy's configuration.
        page: path of a dashboard, in every spelling and with its channel; or of a WebSocket node.
        exactly: it is one path, without a channel below.
    """
    if seen is None:
        return "open"
    if isinstance(seen, CaddyConfig):
        return caddy.gate(seen, page, exactly=exactly)
    if isinstance(seen, FrontConfig):
        return fronts.gate(seen, page, exactly=exactly)
    return nginx.gate(seen, page, exactly=exactly)
