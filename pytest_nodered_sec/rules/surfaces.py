"""What of Node-RED a proxy on its host is asked for: every surface that strangers may not reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.walk.pages import Surface

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_fronts import FrontConfig
    from pytest_nodered_sec.observations.host_proxies import CaddyConfig, NginxConfig
    from pytest_nodered_sec.policy.model import Policy

PAGES: Final = ("/ui", "/dashboard")


def wanted(seen: NginxConfig | CaddyConfig | FrontConfig, policy: Policy) -> tuple[Surface, ...]:
    """Return the dashboards, the declared endpoints and WebSockets, and the admin API with its channel."""
    root = seen.node_root.rstrip("/")
    surfaces = [Surface(f"{root}{path}") for path in policy.dashboards or PAGES]
    surfaces += [Surface(f"{root}{path}", "socket") for path in policy.websockets]
    surfaces += [Surface(f"{root}{endpoint.path}", "path", endpoint.method) for endpoint in policy.protected_paths]
    if seen.admin_root and policy.admin_api != "disabled":
        admin, gated = seen.admin_root.rstrip("/"), policy.admin_api == "proxied"
        surfaces += [
            Surface(f"{admin}/flows", "path", method, gated, method != "GET") for method in ("GET", "POST")
        ]  # some gates have one
        surfaces.append(Surface(f"{admin}/comms", "socket", gated=gated))
    return tuple(dict.fromkeys(surfaces))
