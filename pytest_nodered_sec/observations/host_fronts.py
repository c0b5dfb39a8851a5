"""The configuration of a proxy in front that is neither nginx nor Caddy: Apache httpd, HAProxy, Traefik."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host import ListeningSocket
    from pytest_nodered_sec.observations.host_proxies import Directive


@dataclass(frozen=True)
class FrontConfig:
    """What the proxy in front of Node-RED reads at its start, as a tree (host-12).

    Attributes:
        program: "Apache httpd", "HAProxy" or "Traefik".
        file: its main file.
        directives: its sections, without passwords and hashes.
        sockets: what Node-RED listens on.
        admin_root: path of its editor and admin API; "" where it has none, or settings.js does not tell.
        node_root: path of its dashboards and endpoints, "" for /.
    """

    program: str
    file: str
    directives: tuple[Directive, ...]
    sockets: tuple[ListeningSocket, ...]
    admin_root: str = ""
    node_root: str = ""

    def evidence(self) -> str:
        """Return one line for the evidence."""
        places = ", ".join(socket.line() for socket in self.sockets) or "nowhere"
        return f"{self.program}: {self.file}; Node-RED listens on {places}"
