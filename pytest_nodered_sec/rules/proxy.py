"""The way through whichever proxy stands on the host: nginx, or Caddy as far as its adapted configuration tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.model import NotApplicable, Violation
from pytest_nodered_sec.model_host import CaddyConfig
from pytest_nodered_sec.rules.nginx import LOOPBACK, is_node_red, nginx_way_is_guarded

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Verdict
    from pytest_nodered_sec.model_host import CaddyServer, NginxConfig
    from pytest_nodered_sec.policy import Policy


def way_is_guarded(seen: NginxConfig | CaddyConfig, policy: Policy) -> Verdict:
    """Servers that lead to Node-RED are TLS-only or redirect, guard sockets as pages, and go to loopback.

    Of Caddy TLS and upstreams are judged; who is asked for a login there, dash-01 and dash-02 ask from outside.
    """
    if not isinstance(seen, CaddyConfig):
        return nginx_way_is_guarded(seen, policy)
    found = [(server, dial, secure) for server in seen.servers for dial, secure in server.dials]
    leading = [(server, dial, secure) for server, dial, secure in found if is_node_red(_address(dial), seen.sockets)]
    if not leading:
        return NotApplicable(f"{seen.evidence()}; no server of Caddy leads there")
    servers = dict.fromkeys(server for server, _, _ in leading)
    clear = [_plain(seen, server) for server in servers if not server.tls]
    return (*clear, *(_far(seen, dial) for _, dial, secure in leading if not secure and not _near(_address(dial))))


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
