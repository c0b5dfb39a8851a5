"""Gates of nginx that look closed and are not: one weakness each, as changes to `hardened`.

Each was seen in the field or follows a guide word by word; `data.ways` and `data.roots` name the kinds.
"""

from __future__ import annotations

from typing import Any, Final

_PROXIED: Final = ("admin_api", "proxied")
_EVERYTHING: Final = "location / { @GUARD@ @PASS@ }"
_BY_MAP: Final = "location / { auth_basic $passed; auth_basic_user_file @FOLDER@/htpasswd; @PASS@ }"
_KEEP: Final = 'location ~* "^/red/about" { return 404; }'


def _map(variable: str, pattern: str) -> str:
    """Return a map by which the login is not asked for where a header matches."""
    return f'map ${variable} $passed {{ "~*{pattern}" off; default Operators; }}'


_FROM_THE_LAN: Final = """
  set_real_ip_from 0.0.0.0/0; set_real_ip_from unix:; real_ip_header X-Forwarded-For;
  location ~* ^/(ui|dashboard|api|ws)(/|$) { satisfy any; allow @NET@; deny all; @GUARD@ @PASS@ }
  location / { @PASS@ }
"""
_BY_PATH: Final = """
  location ~* ^/(@SITE@)(/|$) { @GUARD@ @PASS@ }
  location / { @PASS@ }
"""
_OLDER: Final = """
  server {
    listen unix:@FOLDER@/older.sock;
    if ($http_x_original_url) { rewrite ^ $http_x_original_url last; }
    location / { @PASS@ }
  }
"""
_DECODES: Final = """adminAuth: {
    tokens: (token) => Promise.resolve({
      username: JSON.parse(Buffer.from(token.split(".")[1], "base64url")).sub, permissions: "*"}),"""


def weak_gates(settings: str, login: str, site: tuple[tuple[str, Any], ...]) -> dict[str, dict[str, Any]]:
    """Return each weak gate by its name, as fields of `Deployment` that differ from `hardened`.

    Args:
        settings: settings.js of `hardened`.
        login: those of its lines that ask for a login.
        site: what the policy of `hardened` expects.
    """
    bare = settings.replace(login, "")
    proxied = {"expect": (*site, _PROXIED)}
    by_path = {
        name: _BY_PATH.replace("@SITE@", names) for name, names in (("ui", "ui|api|ws"), ("api", "ui|dashboard|ws"))
    }
    return {
        "channel-denied": {  # what stops strangers stops the operator as well: a page whose values never change
            "locations": (("^~ /ui/socket.io", "deny all;"), ("^~ /dashboard/socket.io", "deny all;")),
            "sockets": ("/ws",),
        },
        "gate-lan": {"front": ("", _FROM_THE_LAN.replace("@NET@", "192.168.0.0/16") + _KEEP)},
        "gate-lan-ten": {"front": ("", _FROM_THE_LAN.replace("@NET@", "10.0.0.0/8") + _KEEP)},
        "gate-bearer": {
            "front": (
                _map("http_authorization", "^Bearer"),
                "location ~* ^/(ui|dashboard|api|ws)(/|$) "
                "{ auth_basic $passed; auth_basic_user_file @FOLDER@/htpasswd; @PASS@ } location / { @PASS@ }" + _KEEP,
            )
        },
        "gate-browser": {
            "settings": bare,
            "front": ("", "if ($http_user_agent !~ Mozilla) { return 403; } location / { @PASS@ }"),
            **proxied,
        },
        "gate-named-sockets": {
            "front": (
                _map("http_remote_user", "."),
                "location ~* ^/((ui|dashboard)/socket.io|api|ws)(/|$) "
                "{ auth_basic $passed; auth_basic_user_file @FOLDER@/htpasswd; @PASS@ } "
                "location ~* ^/(ui|dashboard)(/|$) { @GUARD@ @PASS@ } location / { @PASS@ }" + _KEEP,
            )
        },
        "gate-rewritten": {"settings": bare, "front": (_map("http_x_original_url", "."), _BY_MAP), **proxied},
        "gate-rerouted": {
            "front": (
                _OLDER,
                "location ~* ^/(ui|dashboard|api|ws)(/|$) { @GUARD@ @PASS@ } location ~* ^/red/about { return 404; } "
                "location / { proxy_pass http://unix:@FOLDER@/older.sock; proxy_set_header Host $http_host; }",
            )
        },
        "gate-cased-endpoint": {
            "front": ("", by_path["api"] + "location /api/ { @GUARD@ @PASS@ }" + _KEEP),
        },
        "gate-by-name": {
            "settings": bare,
            "front": ("server { @TLS@ server_name 127.0.0.1; location / { @PASS@ } }", _EVERYTHING),
            **proxied,
        },
        "gate-root": {
            "settings": f'{bare} httpNodeRoot: "/endpoint",',
            "front": ("", f"{_EVERYTHING} location /endpoint/ {{ @PASS@ }}"),
            "expect": (_PROXIED,),
        },
        "gate-second": {
            "settings": bare,
            "front": ("", _EVERYTHING + " location /api/ { @STRIPPED@ }"),
            "expect": (_PROXIED,),
        },
        "one-declared": {
            "front": ("", by_path["ui"] + _KEEP),
            "expect": (*site, ("dashboards", ["/ui"])),
        },
        "none-declared": {"gate": "endpoints", "expect": (*site, ("dashboards", []))},
        "dashboard-moved": {
            "settings": settings.replace("ui: {", 'ui: {path: "scada", '),
            "front": ("", _BY_PATH.replace("@SITE@", "ui|dashboard|api|ws") + _KEEP),
        },
        "clear-flows": {
            "front": (
                "server { listen 127.0.0.1:@HTTP@; location ~ ^/flow { @PASS@ } "
                "location / { return 301 https://localhost:@HTTPS@$request_uri; } }",
                "",
            )
        },
        "clear-write": {
            "front": (
                "server { listen 127.0.0.1:@HTTP@; location = /api/orders { @PASS@ } "
                "location / { return 301 https://localhost:@HTTPS@$request_uri; } }",
                "",
            ),
            "expect": (("protected_paths", [{"path": "/api/orders", "method": "POST"}]), ("websockets", ["/ws/line"])),
        },
        "static-backup": {
            "settings": f'{settings} httpStatic: [{{path: __dirname, root: "/backup"}}, '
            '{path: __dirname, root: "/data"}],'
        },
        "cors-endpoints": {
            "settings": f'{settings} httpNodeAuth: {{user: "user", pass: "@HASH@"}}, '
            "httpNodeCors: {origin: true, credentials: true},",
            "gate": "",
            "headers": False,  # or the proxy would keep them back
            "majors": (5,),  # 4.x sends * besides, which no browser takes with credentials
        },
        "token-decoded": {"settings": settings.replace("adminAuth: {", _DECODES)},
    }
