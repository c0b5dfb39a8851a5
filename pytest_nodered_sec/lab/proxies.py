"""The TLS proxy in front of a deployment, as a Caddyfile."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec.lab.deployments import Deployment


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
    plain = _plain(deployment, rules, upstream, https_port)
    blocks = [f"http://:{http_port} {{\n{plain}\n}}"]
    if deployment.tls:
        names = f"https://localhost:{https_port}, https://127.0.0.1:{https_port}"
        blocks.append(f"{names} {{\ntls {folder}/leaf.pem {folder}/leaf.key\n{rules}\n}}")
    head = "{\nadmin off\nauto_https off\npersist_config off\nskip_install_trust\ndefault_bind 127.0.0.1\n}"
    return "\n".join([head, *blocks]) + "\n"


def _plain(deployment: Deployment, rules: str, upstream: str, https_port: int) -> str:
    """Return what the plain HTTP port does."""
    if deployment.plain == "serve":
        return rules
    if deployment.plain == "trusting":  # as nginx with proxy_pass alone: the client's own headers go through
        passed = "header_up X-Forwarded-Proto {http.request.header.X-Forwarded-Proto}"
        passed += "\nheader_up X-Forwarded-Host {http.request.header.X-Forwarded-Host}"
        return rules.replace(f"reverse_proxy {upstream}", f"reverse_proxy {upstream} {{\n{passed}\n}}")
    name = "{host}" if deployment.plain == "echo" else "localhost"
    return f"redir https://{name}:{https_port}{{uri}} {302 if deployment.plain == '302' else 301}"


def _rules(deployment: Deployment, upstream: str, user: str, hashed: str) -> str:
    lines: list[str] = []
    if deployment.gate == "sso":
        return "redir https://login.example/auth?rd={uri} 302"
    if deployment.gate:
        # Express ignores letter case, so the gate must too.
        paths = "path_regexp (?i)^/(ui|dashboard|api|ws)(/|$)" if deployment.gate == "dashboards" else "path *"
        lines += [f"@gated {paths}", f"basic_auth @gated {{\n{user} {hashed}\n}}"]
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
