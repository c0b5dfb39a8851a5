"""The TLS proxy in front of a deployment: what it does, in the words of Caddy and in those of nginx.

Both must come to the same verdicts. They listen on loopback, need no root, and keep their files in their directory.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.lab.deployments import CIPHERS
from pytest_nodered_sec.lab.rules import (
    ADDED,
    BY_PATH,
    DOTS,
    LOGIN,
    REALM,
    REMOVED,
    STEERING,
    WITHHELD,
    added_headers,
    gate_pattern,
)
from pytest_nodered_sec.lab.servers import SERVERS
from pytest_nodered_sec.lab.sites import own_part

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.lab.deployments import Deployment
    from pytest_nodered_sec.lab.rules import Front


def caddy(deployment: Deployment, front: Front) -> list[str]:
    """Write the configuration that puts a deployment behind Caddy; return the command that runs it."""
    rules: list[str] = []
    if deployment.gate == "sso":
        rules += [f"redir {LOGIN}{{uri}} 302"]
    elif deployment.gate == "same-site":
        rules += ["@foreign header Sec-Fetch-Site cross-site", "respond @foreign 403"]
    elif deployment.gate:
        matchers = {
            "unless-named": "@gated not header Remote-User *",
            "unless-upgraded": f"@gated {{\npath_regexp {gate_pattern(deployment)}\nnot header Upgrade websocket\n}}",
        }
        rules += [matchers.get(deployment.gate, f"@gated path_regexp {gate_pattern(deployment)}")]
        rules += [f"basic_auth @gated bcrypt {REALM} {{\n{front.user} {front.hashed}\n}}"]
    if deployment.gate in BY_PATH and deployment.tidy:
        rules += [f"@dots vars_regexp {{http.request.orig_uri}} `(?i){DOTS}`", "respond @dots 404"]
    added = [f'{name} "{value}"' for name, value in added_headers(deployment).items()]
    added += ['Server "Caddy/2.10.0"'] if deployment.versions else []
    added += [f'+{name} "{value}"' for name, value in deployment.extra]
    given = [line.split(" ")[0].lstrip("+") for line in added]
    removed = [f"-{name}" for name in REMOVED if deployment.headers and name not in given]
    headers = ["header {", *added, *removed, "defer", "}"] if added or removed else []
    rules += headers
    if deployment.headers and deployment.gate != "all":
        rules += [f"@withheld path_regexp (?i){WITHHELD}", "respond @withheld 403"]
    if deployment.sockets:
        rules += ["@page not path " + " ".join(f"{path} {path}/*" for path in deployment.sockets)]
        rules += ["request_header @page -Upgrade"]
    upstream = f"{'unix/' if front.upstream.startswith('/') else ''}{front.upstream}"
    rules += [f"reverse_proxy {upstream}"]
    snippet = own_part(Path(front.site), "caddy", upstream, front.folder / "htpasswd") if front.site else ""
    rules = [snippet] if snippet else rules

    # as a proxy does that passes what the client says of itself
    passed = "".join(f"header_up {name} {{http.request.header.{name}}}\n" for name in STEERING)
    plain = {
        "serve": rules,
        "trusting": [*rules[:-1], f"{rules[-1]} {{\n{passed}}}"],
        "redirect": [f"redir https://localhost:{front.https_port}{{uri}} 301"],
        "302": [f"redir https://localhost:{front.https_port}{{uri}} 302"],
        "echo": [f"redir https://{{host}}:{front.https_port}{{uri}} 301"],
    }
    sites = {f"http://:{front.http_port}": plain[deployment.plain]}
    if deployment.tls:
        certificate = f"tls {front.certificates}/leaf.pem {front.certificates}/leaf.key"
        names = f"https://localhost:{front.https_port}, https://127.0.0.1:{front.https_port}"
        # What basic_auth refuses is an error, and passes by the site's own headers.
        errors = ["handle_errors {", *headers, 'respond "" {err.status_code}', "}"] if headers else []
        sites[names if deployment.named else f"https://:{front.https_port}"] = [certificate, *rules, *errors]
    # h3 would open a UDP port; open live channels would delay the end forever.
    options = ["admin off", "auto_https off", "persist_config off", "skip_install_trust", "default_bind 127.0.0.1"]
    options += ["grace_period 1s", "servers {\nprotocols h1 h2\n}"]
    options += [] if deployment.named else ["fallback_sni localhost"]
    blocks = {"": options, **sites}
    text = "\n".join("\n".join([f"{head} {{", *lines, "}"]) for head, lines in blocks.items())
    (front.folder / "Caddyfile").write_text(text + "\n")
    program = str(toolchain.caddy())
    return [program, "run", "--config", str(front.folder / "Caddyfile"), "--adapter", "caddyfile"]


def refused_by_caddy(folder: Path) -> str:
    """Return what Caddy has against the configuration in a folder, "" for nothing.

    Its `run` may end before that is written; `adapt` and `validate` start nothing and say it.
    """
    for command in ("adapt", "validate"):
        argv = [str(toolchain.caddy()), command, "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
        own = {name: str(folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
        try:
            done = subprocess.run(
                argv, cwd=folder, env={**os.environ, **own}, capture_output=True, text=True, timeout=30, check=False
            )
        except subprocess.TimeoutExpired:
            continue
        lines = [line for line in done.stderr.splitlines() if '"level":"error"' in line or line.startswith("Error:")]
        if done.returncode and lines:
            return str(json.loads(lines[-1])["msg"]) if lines[-1].startswith("{") else lines[-1]
    return ""


def nginx(deployment: Deployment, front: Front) -> list[str]:
    """Write the configuration that puts a deployment behind nginx; return the command that runs it."""
    folder = front.folder
    realms = {"unless-named": "$unless_named", "unless-upgraded": "$unless_upgraded"}
    realm = realms.get(deployment.gate, f'"{REALM}"')

    def location(match: str, *, gated: bool, upgrade: bool, before: str = "") -> str:
        lines = [before] if before else []
        lines += [f"auth_basic {realm}; auth_basic_user_file {folder}/htpasswd;"] if gated else []
        lines += ["proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;"]
        lines += [
            "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;"
            if upgrade
            else 'proxy_set_header Connection "";'
        ]
        return "\n".join([f"location {match} {{", *lines, "proxy_pass http://nodered;", "}"])

    rules: list[str] = []
    if deployment.gate == "sso":
        rules += [f"return 302 {LOGIN}$request_uri;"]
    if deployment.gate == "same-site":
        rules += ["if ($http_sec_fetch_site = cross-site) { return 403; }"]
    if deployment.gate in BY_PATH and deployment.tidy:
        rules += [f'if ($request_uri ~* "{DOTS}") {{ return 404; }}']
    rules += [f'add_header {name} "{value}" always;' for name, value in added_headers(deployment).items()]
    rules += [f'add_header {name} "{value}" always;' for name, value in deployment.extra]
    if deployment.headers:
        rules += [f"proxy_hide_header {name};" for name in (*ADDED, *REMOVED)]
    if deployment.headers and deployment.gate != "all":
        rules += [f'location ~* "{WITHHELD}" {{ return 403; }}']
    gate = re.compile(gate_pattern(deployment))
    for path in deployment.sockets:  # before the gate: of these the first that matches is taken
        rules += [location(f'~* "^{re.escape(path)}(/|$)"', gated=bool(gate.match(path)), upgrade=True)]
    if deployment.gate in BY_PATH:
        rules += [location(f'~ "{gate.pattern}"', gated=True, upgrade=not deployment.sockets)]
    for match, does in deployment.locations:
        own = does == "gate"
        rules += [location(match, gated=own, upgrade=own, before="" if own else does)]
    if "/" not in dict(deployment.locations):
        rules += [location("/", gated=deployment.gate in ("all", "unless-named"), upgrade=not deployment.sockets)]

    if deployment.front[1]:
        rules = [rule for rule in rules if not rule.startswith("location")] + [_own_lines(front, deployment.front[1])]
    snippet = own_part(Path(front.site), "nginx", "nodered", folder / "htpasswd") if front.site else ""
    rules = [snippet] if snippet else rules

    plain = {
        "serve": rules,
        "trusting": [
            rule.replace("X-Forwarded-Proto $scheme", "X-Forwarded-Proto $http_x_forwarded_proto") for rule in rules
        ],
        "redirect": [f"return 301 https://localhost:{front.https_port}$request_uri;"],
        "302": [f"return 302 https://localhost:{front.https_port}$request_uri;"],
        "echo": [f"return 301 https://$host:{front.https_port}$request_uri;"],
    }
    lists = f"location = /lab.crl {{ root {front.certificates}; }}"
    redirect = f"location / {{ return 301 https://localhost:{front.https_port}$request_uri; }}"
    plain_rules = [lists, redirect] if (front.certificates / "lab.crl").exists() else plain[deployment.plain]
    sites = [[f"listen 127.0.0.1:{front.http_port};", *plain_rules]]
    if deployment.tls:
        tls = [f"ssl_certificate {front.certificates}/leaf.pem;", f"ssl_certificate_key {front.certificates}/leaf.key;"]
        weak = ":@SECLEVEL=0" if deployment.certificate == "weak-key" else ""  # or OpenSSL would not load the key
        tls += [deployment.accepts or f"ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers {CIPHERS}{weak};"]
        tls += ["ssl_session_tickets off;"]
        tls += [f"ssl_client_certificate {front.authority}; ssl_verify_client on;"] if deployment.mutual else []
        listen = f"listen 127.0.0.1:{front.https_port} ssl"
        # Of the first server of a port is what no other server names; closed only now, so that 127.0.0.1 finds its own.
        sites += [[f"{listen} default_server;", *tls, "return 444;"]] if deployment.named else []
        sites += [[f"{listen}; server_name localhost 127.0.0.1;", *tls, *rules]]
    upstream = f"unix:{front.upstream}" if front.upstream.startswith("/") else front.upstream
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in kinds)
    # One process: killed, it leaves no workers behind, and started by root it does not lose the right to our files.
    text = "\n".join(
        [
            f"daemon off; master_process off; pid {folder}/pid; error_log stderr warn;",
            "events {}",
            "http {",
            f"access_log off; {places} server_tokens {'on' if deployment.versions else 'off'};",
            'map $http_upgrade $connection_upgrade { default upgrade; "" ""; }',
            f'map $http_remote_user $unless_named {{ default off; "" "{REALM}"; }}',
            f'map $http_upgrade $unless_upgraded {{ websocket off; default "{REALM}"; }}',
            f"upstream nodered {{ server {upstream}; }}",
            "proxy_http_version 1.1;",
            _own_lines(front, deployment.front[0]),
            *("\n".join(["server {", *lines, "}"]) for lines in sites),
            "}",
        ]
    )
    (folder / "nginx.conf").write_text(text + "\n")
    (folder / "htpasswd").touch(mode=0o600)
    theirs = Path(front.site, "htpasswd") if front.site else None
    accounts = theirs.read_text() if theirs and theirs.is_file() else f"{front.user}:{_salted_sha1(front.password)}\n"
    (folder / "htpasswd").write_text(accounts)
    # -e: where errors go until the configuration is read, which otherwise is a file of root's.
    return [str(toolchain.nginx()), "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]


PROXIES: Final[dict[str, Callable[[Deployment, Front], list[str]]]] = {"caddy": caddy, "nginx": nginx, **SERVERS}


def _own_lines(front: Front, text: str) -> str:
    """Return a deployment's own lines of nginx, filled in."""
    passes = "proxy_pass http://nodered; proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade;"
    passes += " proxy_set_header Connection $connection_upgrade;"
    listen = f"listen 127.0.0.1:{front.https_port} ssl; ssl_certificate {front.certificates}/leaf.pem;"
    known = {
        "@GUARD@": f'auth_basic "{REALM}"; auth_basic_user_file {front.folder}/htpasswd;',
        "@PASS@": passes,
        "@STRIPPED@": passes.replace("//nodered", "//nodered/"),
        "@TLS@": f"{listen} ssl_certificate_key {front.certificates}/leaf.key;",
        "@FOLDER@": str(front.folder),
        "@HTTP@": str(front.http_port),
        "@HTTPS@": str(front.https_port),
    }
    for placeholder, filling in known.items():
        text = text.replace(placeholder, filling)
    return text


def _salted_sha1(password: str) -> str:
    """Return a password as nginx reads it; the only salted hash that it knows on every system."""
    salt = secrets.token_bytes(8)
    digest = hashlib.sha1(password.encode() + salt, usedforsecurity=False).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode()
