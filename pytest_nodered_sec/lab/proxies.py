"""The TLS proxy in front of a deployment, as a Caddyfile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec.lab.deployments import Deployment


_ROUTES: Final = "auth|flows?|nodes|settings|plugins|diagnostics|context|inject|debug|udp-ports|dashboard"
_GATED: Final = {  # Express ignores letter case, so a gate must too: the last two do not
    "all": "path *",
    "unless-named": "not header Remote-User *",
    "dashboards": "path_regexp (?i)^/(ui|dashboard|api|ws)(/|$)",
    "dashboards-cased": "path_regexp ^/(ui|dashboard|api|ws)(/|$)",
    "routes-cased": f"path_regexp ^/(({_ROUTES})|(?i:ui|dashboard|api|ws))(/|$)",
}


def caddyfile(
    deployment: Deployment, upstream: str, https_port: int, http_port: int, folder: Path, user: str, hashed: str
) -> str:
    """Return the Caddyfile that puts a deployment behind HTTPS on loopback.

    Args:
        deployment: what to serve, and how.
        upstream: Caddy's address of Node-RED.
        https_port: TCP port of HTTPS.
        http_port: TCP port of plain HTTP.
        folder: where `leaf.pem` and `leaf.key` lie.
        user: user name of the Basic gate.
        hashed: bcrypt hash of its password.
    """
    rules = _rules(deployment, upstream, user, hashed)
    plain = rules if deployment.plain == "serve" else f"redir https://{{host}}:{https_port}{{uri}} 301"
    blocks = [f"http://:{http_port} {{\n{plain}\n}}"]
    if deployment.tls:
        names = f"https://localhost:{https_port}, https://127.0.0.1:{https_port}"
        blocks.append(f"{names} {{\ntls {folder}/leaf.pem {folder}/leaf.key\n{rules}\n}}")
    head = "{\nadmin off\nauto_https off\npersist_config off\nskip_install_trust\ndefault_bind 127.0.0.1\n}"
    return "\n".join([head, *blocks]) + "\n"


def _rules(deployment: Deployment, upstream: str, user: str, hashed: str) -> str:
    lines: list[str] = []
    if deployment.gate == "sso":
        return "redir https://login.example/auth?rd={uri} 302"
    if deployment.gate == "same-site":
        lines += ["@foreign header Sec-Fetch-Site cross-site", "respond @foreign 403"]
    elif deployment.gate:
        lines += [f"@gated {_GATED[deployment.gate]}", f"basic_auth @gated {{\n{user} {hashed}\n}}"]
    if deployment.headers:
        lines += [
            "header {",
            "Strict-Transport-Security max-age=63072000",
            "X-Content-Type-Options nosniff",
            "Content-Security-Policy \"frame-ancestors 'self'\"",
            "-Server",
            "-Via",
            "-X-Powered-By",
            "-Access-Control-Allow-Origin",
            "defer",
            "}",
            "@strange {",
            "header Upgrade *",
            "not path /ui/socket.io/* /dashboard/socket.io/* /ws/*",
            "}",
            "respond @strange 404",
        ]
    return "\n".join([*lines, f"reverse_proxy {upstream}"])
