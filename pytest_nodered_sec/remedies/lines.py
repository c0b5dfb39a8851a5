"""Remedies of one line, as a finding shows them: each works when it is pasted as it stands.

What only a person can decide (an account) is a file that they write; while it is missing Node-RED does not start, and
nginx lets nobody in.
"""

from __future__ import annotations

import json
import re
from typing import Final

HTPASSWD: Final = "/etc/nginx/node-red.htpasswd"
NODE_RED: Final = "http://127.0.0.1:1880"  # where Node-RED listens unless its settings say otherwise

ADMIN_AUTH: Final = (
    'settings.js: adminAuth: {type: "credentials", users: require("./users.json")}, without a `default` user. '
    "You write users.json: a list of accounts, each with username, password (a hash: node-red admin hash-pw) and "
    "permissions"
)
HTTP_NODE_AUTH: Final = (
    'settings.js: httpNodeAuth: require("./node-login.json"). You write node-login.json: user, and pass (a hash: '
    "node-red admin hash-pw). Or a login in the proxy"
)
OTHER_CA: Final = "another CA than those in"  # a file that was given
# a loopback address reaches what no other machine can
SAME_MACHINE: Final = (
    'you are asking from the same machine: set `connect` to its network address (connect = "192.0.2.2"), or ask '
    "from another machine"
)
NO_DOTS: Final = r'if ($request_uri ~* "^[^?]*(/|%2f)(\.|%2e)+(/|%2f|\?|$)") { return 404; }'


def nginx_gate(path: str) -> str:
    """Return nginx's whole location that asks for a login at a path, at all below it, and at its live channel.

    Args:
        path: absolute, as the proxy sees it.
    """
    match = "/" if path == "/" else f'~* "^{_pattern(path)}(/|$)"'
    return (
        f'location {match} {{ auth_basic "Operators"; auth_basic_user_file {HTPASSWD}; proxy_http_version 1.1; '
        "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; "
        "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection; "
        f"proxy_pass {NODE_RED}; }}"
    )


def apache_gate(path: str) -> str:
    """Return Apache's lines that ask for a login at a path and below it; sections after others take their place."""
    lines = (
        f'<LocationMatch "(?i)^{_escaped(path)}(/|$)">', "AuthType Basic", 'AuthName "Operators"',
        "AuthBasicProvider file", "AuthUserFile /etc/apache2/node-red.htpasswd", "Require valid-user",
        "</LocationMatch>",
    )  # fmt: skip
    return f"as the last lines of the <VirtualHost>, each on its own: {_ticked(lines)}"


def haproxy_gate(path: str) -> str:
    """Return HAProxy's line that asks for a login at a path and below it."""
    line = (
        f"http-request auth realm Operators if {{ path_reg -i '^{_escaped(path)}(/|$)' }} "
        "!{ http_auth(node-red-operators) }"
    )
    users = _ticked(("userlist node-red-operators", "user NAME password HASH"))
    return f"haproxy.cfg, before the other http-request lines of the frontend: {_ticked((line,))}; accounts: {users}"


def caddy_gate(path: str) -> str:
    """Return Caddy's lines that ask for a login at a path, at all below it and in every letter case."""
    base = path.rstrip("/")
    matcher = f"@nodered path {base} {base}/*" if base else "@nodered path *"
    users = "import /etc/caddy/node-red-accounts"
    lines = (matcher, "basic_auth @nodered bcrypt Operators {", users, "}")
    return (
        f"Caddyfile, first in the site, each on its own line: {_ticked(lines)}; that file: a line for each account, "
        "its name and what caddy hash-password prints"
    )


TRAEFIK_LOGIN: Final = (
    "Traefik: middlewares: [node-red-login@file] at that router, and in a file of the provider `http: {middlewares: "
    "{node-red-login: {basicAuth: {usersFile: /etc/traefik/node-red-accounts, realm: Operators}}}}`; accounts: "
    "htpasswd -B"
)


def _ticked(lines: tuple[str, ...]) -> str:
    return " ".join(f"`{line}`" for line in lines)


def _escaped(path: str) -> str:
    """Return a path as a regular expression that PCRE and POSIX read alike."""
    return re.sub(r"([.^$*+?()\[\]{}|\\])", r"\\\1", path.rstrip("/"))


def _pattern(path: str) -> str:
    """Return a path as a regular expression inside double quotes, as nginx reads them."""
    return re.escape(path.rstrip("/")).replace("\\-", "-").replace("\\ ", " ").replace('"', '\\"')


def toml(value: object) -> str:
    """Return plain values as TOML on one line; what a policy file is to say."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml(inner) for inner in value) + "]"
    return json.dumps(value, ensure_ascii=False)
