"""What the lab's proxies have in common: where they stand, headers, gates as regular expressions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec.lab.deployments import Deployment

REALM: Final = "Operators"
LOGIN: Final = "https://login.example/auth?rd="
ADDED: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "frame-ancestors 'self'",
}
REMOVED: Final = ("Strict-Transport-Security", "Server", "Via", "X-Powered-By", "Access-Control-Allow-Origin")
# A gate by path sees the tidied path, Node-RED gets the untidied one, and Socket.IO compares its beginning only:
# /ui/socket.io/../../x would pass the gate as /x and be served as a live channel.
DOTS: Final = r"^[^?]*(/|%2f)(\.|%2e)+(/|%2f|\?|$)"
# The editor's change log, which names the release, and what no release fixes; Express ignores letter case.
WITHHELD: Final = "^/(red/about|library/|settings/user/keys)"
BY_PATH: Final = (
    *("dashboards", "dashboards-cased", "endpoints", "routes-cased"),
    *("but-flows", "but-ui", "but-files", "unless-upgraded"),
)
_ROUTES: Final = "auth|flows?|nodes|settings|plugins|diagnostics|context|inject|debug|udp-ports|dashboard"
STEERING: Final = ("X-Forwarded-Proto", "X-Forwarded-Host")


@dataclass(frozen=True)
class Front:
    """Where a proxy stands.

    Attributes:
        https_port: TCP port of HTTPS.
        http_port: TCP port of plain HTTP.
        upstream: Node-RED: path of a unix socket, or HOST:PORT.
        certificates: directory with `leaf.pem` and `leaf.key`, and `lab.crl` where they name it.
        authority: PEM of the CA, for client certificates.
        folder: directory for the proxy's own files; exists.
        user: user name of the Basic gate.
        password: its password.
        hashed: bcrypt hash of the password.
        site: directory with a site's own part of the configuration, "" for the deployment's.
    """

    https_port: int
    http_port: int
    upstream: str
    certificates: Path
    authority: Path
    folder: Path
    user: str
    password: str
    hashed: str
    site: str = ""


def added_headers(deployment: Deployment) -> dict[str, str]:
    """Return the headers that are advised, as far as this deployment follows the advice."""
    if not deployment.headers:
        return {}
    return {**({"Strict-Transport-Security": deployment.hsts} if deployment.hsts else {}), **ADDED}


def gate_pattern(deployment: Deployment) -> str:
    """Return the regular expression of what stands behind the gate, flags included.

    Express ignores letter case, so a gate must too: the ones called "cased" do not.
    """
    site = "|".join([*(("ui", "dashboard") if deployment.dashboards else ()), "api", "ws", *deployment.gated])
    patterns = {
        "dashboards": f"(?i)^/({site})(/|$)",
        "unless-upgraded": f"(?i)^/({site})(/|$)",
        "endpoints": "(?i)^/(api|ws|dashboard/_debug)(/|$)",
        "dashboards-cased": f"^/({site})(/|$)",
        "routes-cased": f"^/({_ROUTES}|(?i:{site}))(/|$)",
        "but-flows": f"(?i)^/(?!flows/?$)({_ROUTES}|{site})(/|$)",
        "but-files": f"(?i)^/(?!.*\\.(css|js|png|svg|woff2)$)({site})(/|$)",
        "but-ui": f"(?i)^/({site.removeprefix('ui|')})(/|$)",
        "all": "^/",
        "unless-named": "^/",
    }
    return patterns.get(deployment.gate, "^$")
