"""nginx's gates that something in a request opens, and fronts that turn away in their own ways: lines, and findings."""

from __future__ import annotations

from typing import Any

from gatelab import PASS

from pytest_nodered_sec.policy.model import Endpoint

LOGIN = "auth_basic Operators; auth_basic_user_file @FILES@/users;"
TO_NODE_RED = f"{PASS} proxy_pass http://nodered;"
GUARDED = f"{LOGIN} location / {{ {TO_NODE_RED} }}"


def by_map(name: str, what: str, pattern: str) -> tuple[str, str]:
    """Return a gate that asks for no login where a request says something."""
    lines = f"{LOGIN.replace('Operators', f'${name}')} location / {{ {TO_NODE_RED} }}"
    return lines, f'map "{what}" ${name} {{ default Operators; "~*{pattern}" off; }}'


SOCKETS = {"/ui/socket.io WebSocket", "/comms", "WebSocket /ws/line"}
TIDIED = f"location / {{ {PASS} proxy_pass http://nodered/; }}"  # the tidied path is forwarded
ASKED = {"GET /settings", "/ui", "GET /api/orders"}
WRITTEN = ASKED | {"/ui/socket.io", "/comms", "WebSocket /ws/line"}  # where paths are asked in other forms
# gate: its lines, those of the http block, the findings' codes, and where they must be found
EVERYWHERE = ASKED | SOCKETS | {"/ui/socket.io"}
_POLLED = ASKED | {"/ui/socket.io"}
GATES: dict[str, tuple[str, str, str, set[str]]] = {
    "clean": (GUARDED, "", "", set()),
    "origin": (*by_map("by_origin", "$http_upgrade:$http_origin", "^websocket:https://localhost"), "browser", SOCKETS),
    "bearer": (*by_map("by_token", "$http_upgrade:$http_authorization", "^websocket:Bearer"), "bearer", SOCKETS),
    "cookie": (*by_map("by_cookie", "$http_upgrade:$http_cookie", "^websocket:.+"), "credential-shaped", SOCKETS),
    "lan": (*by_map("by_lan", "$http_upgrade:$http_x_real_ip", "^websocket:192[.]168"), "forwarded", SOCKETS),
    "query": (*by_map("by_query", "$arg_transport", "websocket"), "transport", ASKED),
    "session-in-query": (*by_map("by_session", "$arg_sid", "."), "transport", ASKED),
    "flag-in-query": (*by_map("by_flag", "$arg_public", "1"), "query", EVERYWHERE),
    "metrics-in-query": (*by_map("by_metrics", "$args", "/metrics"), "query", EVERYWHERE),
    "metrics-anywhere": (  # opens the channel by its path too, which is dash-02's finding
        *by_map("by_written", "$request_uri", "/metrics"),
        "query",
        ASKED | {"/comms", "WebSocket /ws/line"},
    ),
    "protocol": (*by_map("by_protocol", "$http_sec_websocket_protocol", "."), "browser", SOCKETS),
    "raw-path": (
        f"{LOGIN.replace('Operators', '$by_path')} {TIDIED}",
        'map $request_uri $by_path { default off; "~*^/(ui|api|settings|comms|ws)" Operators; }',
        "encoded dotted freed",
        WRITTEN,
    ),
    "tidied-path": (f"{LOGIN} {TIDIED}", "", "", set()),
    "slashes-kept": (  # by nginx behind the gate: // is nothing that Node-RED serves
        f"merge_slashes off; {LOGIN.replace('Operators', '$by_kept')} {TIDIED}",
        'map $request_uri $by_kept { default off; "~*^/(ui|api|settings|comms|ws|static|[.]well-known)" Operators; }',
        "encoded",
        WRITTEN,
    ),
    "no-percent": (  # the same refusal for what is encoded
        f"if ($by_percent) {{ return 403; }} {TIDIED}",
        'map $request_uri $by_percent { default ""; "~*^/(ui|api|settings|comms|ws|static|[.]well-known)|%" 1; }',
        "slashes",
        WRITTEN,
    ),
    "percent-login": (  # the same login for what is encoded
        f"{LOGIN.replace('Operators', '$by_code')} {TIDIED}",
        'map $request_uri $by_code { default off; "~*^/(ui|api|settings|comms|ws|static|[.]well-known)|%" Operators; }',
        "slashes",
        {"GET /settings"},
    ),
    "slashes-login": (
        f"{LOGIN.replace('Operators', '$by_two')} {TIDIED}",
        'map $request_uri $by_two { default off; "~*^/(ui|api|settings|comms|ws|static|[.]well-known)|//" Operators; }',
        "encoded",
        {"GET /settings"},
    ),
    "free-prefix": (
        f"{LOGIN.replace('Operators', '$by_prefix')} {TIDIED}",
        'map $request_uri $by_prefix { default Operators; "~^/static/" off; }',
        "dotted",
        WRITTEN,
    ),
    "events": (*by_map("by_accept", "$http_accept", "^text/event-stream$"), "events", ASKED | {"/ui/socket.io"}),
    "page-by-agent": (
        f"{LOGIN} location / {{ {TO_NODE_RED} }} location ~ ^/ui/?$ "
        f"{{ {LOGIN.replace('Operators', '$by_agent')} {TO_NODE_RED} }}",
        'map $http_user_agent $by_agent { default Operators; "~Mozilla" off; }',
        "browser navigation",
        {"/ui"},
    ),
    "upgrade-by-origin": (
        f"{LOGIN} location / {{ {TO_NODE_RED} }} "
        f"location ~ comms|socket.io|/ws/ {{ auth_basic off; if ($http_origin !~ localhost) {{ return 403; }} "
        f"{TO_NODE_RED} }}",
        "",
        "browser",
        SOCKETS | {"/ui/socket.io"},
    ),
}


def by_address(header: str, network: str) -> tuple[str, str]:
    """Return a gate that asks for no login from a network, by an address that anybody may write."""
    trusting = f"set_real_ip_from 0.0.0.0/0; real_ip_header {header}; satisfy any; allow {network}; deny all;"
    return f"{trusting} {GUARDED}", ""


GATES |= {
    "token-in-query": (*by_map("by_argument", "$arg_token", "."), "query", EVERYWHERE),
    "script-in-query": (*by_map("by_ending", "$request_uri", "[.](js|css)$"), "query ending", EVERYWHERE),
    "monitor": (*by_map("by_monitor", "$http_user_agent", "^kube-probe"), "monitor", ASKED | {"/ui/socket.io"}),
    "cookie-of-refusal": (
        f"add_header Set-Cookie 'seen=41f2; Path=/' always; {by_map('by_seen', '$cookie_seen', '^41f2$')[0]}",
        by_map("by_seen", "$cookie_seen", "^41f2$")[1],
        "returned",
        EVERYWHERE,
    ),
    "token-in-header": (*by_map("by_header", "$http_x_access_token", "^eyJ"), "credential-shaped", EVERYWHERE),
    "program": (*by_map("by_program", "$http_accept", "^application/json$"), "program", {"/ui", "GET /api/orders"}),
    "scheme": (*by_map("by_scheme", "$http_x_forwarded_proto", "^https$"), "rewritten", ASKED | {"/ui/socket.io"}),
    "page-by-referer": (
        *by_map("by_referer", "$http_referer", "^https://localhost:[0-9]+/ui/$"),
        "browser",
        {"/ui", "/ui/socket.io", "GET /api/orders"},
    ),
    "cookie-by-name": (*by_map("by_named_cookie", "$cookie_jsessionid", "."), "credential-shaped", EVERYWHERE),
    "method-in-header": (
        *by_map("by_method", "$http_x_http_method_override", "^OPTIONS$"),
        "rewritten",
        ASKED | {"/ui/socket.io"},
    ),
    "uri-in-header": (*by_map("by_uri", "$http_x_original_uri", "[.]js$"), "rewritten", ASKED | {"/ui/socket.io"}),
    "free-path-in-query": (
        *by_map("by_free_path", "$request_uri", "/(public|static)/"),
        "query",
        EVERYWHERE - {"/ui/socket.io", "/ui/socket.io WebSocket"},  # dash-02 finds these: the path itself has them
    ),
    "content-type": (
        *by_map("by_content", "$request_method:$http_content_type", "^GET:application/json"),
        "browser",
        ASKED | {"/ui/socket.io"},
    ),
    # admin-12 finds it elsewhere
    "loopback": (*by_map("by_loopback", "$http_cf_connecting_ip", "^127"), "", set()),
    "ingress": (*by_map("by_ingress", "$http_x_ingress_path", "."), "", set()),
    "assertion": (
        *by_map("by_assertion", "$http_x_pomerium_jwt_assertion", "^eyJ"),
        "credential-shaped",
        EVERYWHERE,
    ),
    "loopback-six": (*by_address("X-Client-IP", "::1"), "forwarded", WRITTEN),
    "router": (*by_address("X-Forwarded-For", "192.168.178.0/24"), "forwarded", WRITTEN),
    "router-of-the-first": (  # where all are believed, the first address counts
        f"real_ip_recursive on; {by_address('X-Forwarded-For', '192.168.178.0/24')[0]}",
        "",
        "forwarded",
        _POLLED,
    ),
    "router-real-ip": (*by_address("X-Real-IP", "192.168.178.0/24"), "forwarded", ASKED),
    "other-router": (*by_address("X-Forwarded-For", "192.168.0.0/24"), "forwarded", ASKED),
    "containers": (*by_address("X-Forwarded-For", "172.17.0.0/16"), "forwarded", ASKED | {"/ui/socket.io"}),
    "unique-local": (*by_address("X-Forwarded-For", "fd00::/8"), "forwarded", SOCKETS),
}
GATES |= {
    "key": (*by_map("by_key", "$http_sec_websocket_key:$http_upgrade", "^[^:]+:$"), "handshake", _POLLED),
    "device": (*by_map("by_device", "$http_user_agent", "(ESP8266|Tasmota|Shelly)"), "monitor", _POLLED),
    "signed-hook": (*by_map("by_signature", "$http_x_hub_signature_256", "."), "credential-shaped", EVERYWHERE),
    "any-key": (*by_map("by_key_of_kong", "$http_apikey", "."), "credential-shaped", EVERYWHERE),
    "frame": (*by_map("by_frame", "$http_sec_fetch_dest", "^iframe$"), "embedded", _POLLED),
    "hook-in-query": (*by_map("by_hook", "$request_uri", "[?].*/(api|webhook)/"), "query", EVERYWHERE),
}
GATES |= {
    "older": (*by_map("by_age", "$server_protocol", "^HTTP/1[.]0$"), "older", ASKED),
    "newer": (*by_map("by_youth", "$server_protocol", "^HTTP/2"), "newer", _POLLED),
    "newer-only": (
        f"if ($server_protocol ~ HTTP/1) {{ return 403; }} location / {{ {TO_NODE_RED} }}",
        "",
        "newer",
        _POLLED,
    ),
    "newer-clean": (GUARDED, "", "", set()),
    "length": (*by_map("by_length", "$content_length", "."), "carrying", _POLLED),
    "expect": (*by_map("by_expect", "$http_expect", "."), "carrying", _POLLED),
    "chunks": (*by_map("by_chunks", "$http_transfer_encoding", "chunked"), "chunked", _POLLED),
    "preflight": (*by_map("by_preflight", "$http_access_control_request_method", "."), "preflight", _POLLED),
    "since": (*by_map("by_since", "$http_if_modified_since", "."), "program", ASKED),
    "head": (*by_map("by_head", "$request_method", "^HEAD$"), "head", {"GET /api/orders"}),
    "navigation": (*by_map("by_fetch", "$http_sec_fetch_mode", "^navigate$"), "navigation", ASKED),
    "chromium": (*by_map("by_engine", "$http_user_agent", " Chrome/"), "navigation", ASKED),
    "hints": (*by_map("by_hints", "$http_sec_ch_ua", "."), "navigation", ASKED),
    "traced": (*by_map("by_trace", "$http_traceparent", "."), "cdn", EVERYWHERE),
    "ahead": (*by_map("by_purpose", "$http_sec_purpose", "prefetch"), "navigation", ASKED),
    "trailers": (*by_map("by_trailers", "$http_te", "trailers"), "browser", _POLLED),
    "style-in-query": (*by_map("by_style", "$request_uri", "[.]css$"), "ending", _POLLED),
    "percent-in-query": (*by_map("by_escape", "$request_uri", "[?].*%"), "ending", _POLLED),
    "host-as-usual": (
        f"{LOGIN.replace('Operators', '$by_host')} location / {{ {TO_NODE_RED} }}",
        'map $http_host $by_host { default off; "~^localhost(:[0-9]+)?$" Operators; }',
        "host",
        _POLLED,
    ),
    "host-without-port": (
        f"{LOGIN.replace('Operators', '$by_port')} location / {{ {TO_NODE_RED} }}",
        'map $http_host $by_port { default off; "~*^localhost$" Operators; }',
        "host",
        _POLLED,
    ),
    "comms-by-loopback": (
        f"{GUARDED} location /comms {{ {LOGIN.replace('Operators', '$by_near')} {TO_NODE_RED} }}",
        'map $http_x_forwarded_for $by_near { "127.0.0.1" off; default Operators; }',
        "",
        set(),
    ),
    "older-505": (f"if ($server_protocol = HTTP/1.0) {{ return 505; }} {GUARDED}", "", "", set()),
    "chunks-501": (f"if ($http_transfer_encoding) {{ return 501; }} {GUARDED}", "", "", set()),
    "head-of-the-front": (f"if ($request_method = HEAD) {{ return 200; }} {GUARDED}", "", "", set()),
    "nameless": (
        f"{LOGIN.replace('Operators', '$nameless')} location / {{ {TO_NODE_RED} }}",
        'map $http_user_agent $nameless { "" off; default Operators; }',
        "nameless",
        {"GET /settings", "/ui"},
    ),
}
GATES |= {
    "digest": (*by_map("by_digest", "$http_authorization", "^Digest "), "digest", _POLLED),
    "keyed": (*by_map("by_keyed", "$http_authorization", "^ApiKey "), "keyed", WRITTEN),
    "image": (*by_map("by_image", "$http_accept", "^image/"), "image", _POLLED),
    "any-image": (*by_map("by_any_image", "$http_accept", "image/[*]"), "image", _POLLED),
    "style": (*by_map("by_sheet", "$http_accept", "^text/css"), "style", WRITTEN),
    "script": (*by_map("by_script", "$http_sec_fetch_dest", "^script$"), "script", ASKED),
    "form": (
        *by_map("by_form", "$request_method:$http_content_type", "^GET:application/x-www-form"),
        "carrying",
        _POLLED,
    ),
    "upload": (*by_map("by_upload", "$request_method:$http_content_type", "^GET:multipart/"), "chunked", _POLLED),
    "free-anywhere": (
        f"{LOGIN.replace('Operators', '$by_anywhere')} {TIDIED}",
        'map $request_uri $by_anywhere { default Operators; "~^/[^?]+/robots[.]txt/" off; }',
        "dotted freed",
        WRITTEN,
    ),
    "well-known-but-for-pages": (  # the dashboard's path is forwarded as it was sent, so that only others show it
        f"{LOGIN.replace('Operators', '$by_known')} {TIDIED} location /ui {{ {TO_NODE_RED} }}",
        'map $request_uri $by_known { default Operators; "~^[^?]*/[.]well-known/" off; }',
        "dotted",
        WRITTEN - {"/ui", "/ui/socket.io"},
    ),
    "last-but-one": (*by_map("by_depth", "$http_x_forwarded_for", "172[.]17[.]0[.]1, [^,]+$"), "forwarded", WRITTEN),
}
GATES |= {
    # WebSockets alone; admin-12 finds them
    "comms-by-name": (
        f"{GUARDED} location /comms {{ {LOGIN.replace('Operators', '$by_admin')} {TO_NODE_RED} }}",
        "map $http_remote_user $by_admin { admin off; default Operators; }",
        "",
        set(),
    ),
    "socket-by-loopback": (
        f"{GUARDED} location /ui/socket.io {{ {LOGIN.replace('Operators', '$by_socket')} {TO_NODE_RED} }}",
        'map $http_upgrade:$http_x_forwarded_for $by_socket { "websocket:127.0.0.1" off; default Operators; }',
        "",
        set(),
    ),
    "cases": (  # guards a list, in lower and in upper case
        f"{LOGIN.replace('Operators', '$by_case')} location / {{ {TO_NODE_RED} }}",
        'map $uri $by_case { default off; "~^/(ui|api|settings|comms|ws|UI|API|SETTINGS|COMMS|WS)(/|$)" Operators; }',
        "",
        set(),
    ),
}
GATES |= {
    "panel": (*by_map("by_panel", "$http_referer", "homeassistant"), "embedded", _POLLED),
    "app": (*by_map("by_app", "$http_x_requested_with", "^io[.]homeassistant"), "embedded", _POLLED),
    "switch": (*by_map("by_switch", "$arg_kiosk", "^true$"), "ending", _POLLED),
    "check-in-query": (*by_map("by_check", "$args", "(^|&)health"), "ending", ASKED | {"/ui/socket.io"}),
    "pin": (*by_map("by_pin", "$arg_pin", "."), "query", EVERYWHERE),
    "hook-of-a-service": (*by_map("by_service", "$http_stripe_signature", "."), "hook", _POLLED),
    "jwt-scheme": (*by_map("by_jwt", "$http_authorization", "^JWT "), "jwt", ASKED),
    "tool": (*by_map("by_tool", "$http_user_agent", "^curl/"), "tool", {"GET /api/orders"}),
    "text": (*by_map("by_text", "$http_content_type", "^text/plain"), "program", ASKED),
    "worker": (*by_map("by_worker", "$http_service_worker", "."), "script", ASKED),
    "blog": (*by_map("by_blog", "$http_cookie", "wordpress_logged_in_"), "credential-shaped", EVERYWHERE),
    "no-dots": (  # the front tidies encoded ones, too
        f"if ($request_uri ~ [.][.]) {{ return 403; }} {LOGIN.replace('Operators', '$by_encoded')} {TIDIED}",
        'map $request_uri $by_encoded { default Operators; "~/robots[.]txt/" off; }',
        "freed",
        {"/ui"},
    ),
    "another-clouds": (*by_address("Fly-Client-IP", "192.168.178.0/24"), "forwarded", ASKED),
    "forwarded-host": (*by_map("by_told_host", "$http_forwarded", "host=localhost"), "forwarded", EVERYWHERE),
    "role": (*by_map("by_role", "$http_x_role", "admin"), "", set()),
}
OAUTH = f"""absolute_redirect off; location = /auth {{ internal; return 401; }}
location @start {{ return 302 /oauth2/start?rd=$request_uri; }}
location /oauth2/ {{ return 302 https://login.example/authorize?state=$request_id; }}
location / {{ auth_request /auth; error_page 401 = @start; {TO_NODE_RED} }}"""
_FORM = "<title>Node-RED Dashboard</title><form><input type=password></form><script src=assets/index-1.js></script>"
LED = {  # how browsers are led to a login, while programs get 401
    "form": f"default_type text/html; return 200 '{_FORM}';",
    "elsewhere": "return 302 https://login.example/start?rd=$request_uri;",
    "json": """default_type application/json; return 200 '{"login": "/login"}';""",
}
_LEADING = f"if ($http_accept ~ text/html) {{ return 418; }} error_page 418 = @login; {GUARDED}"
BAN = f"if ($http_user_agent ~* pytest) {{ return @STATUS@; }} {GUARDED}"
# fronts that turn away otherwise than with 401 or 403, and what the policy says beside POLICY
FRONTS: dict[str, tuple[str, dict[str, Any]]] = {
    "dots": (f"location ~ /[.] {{ return 444; }} {GUARDED}", {}),
    **{
        f"method-{status}": (f"if ($request_method !~ ^(GET|HEAD)$) {{ return {status}; }} {GUARDED}", {})
        for status in (400, 418, 444)
    },
    **{f"upgrade-{status}": (f"if ($http_upgrade) {{ return {status}; }} {GUARDED}", {}) for status in (404, 426, 444)},
    "post-404": (
        f"if ($request_method = POST) {{ return 404; }} {GUARDED}",
        {"protected_paths": (Endpoint("/api/orders", "POST"),)},
    ),
    "closed-but-for-one-dashboard": (
        f"location /ui/ {{ {LOGIN} {TO_NODE_RED} }} location / {{ return 444; }}",
        {"admin_api": "disabled", "editor": "disabled", "protected_paths": (), "websockets": ()},
    ),
    **{f"browsers-{name}": (f"{_LEADING} location @login {{ {act} }}", {}) for name, act in LED.items()},
    "oauth": (OAUTH, {"login_urls": ("https://login.example/authorize",)}),
    "one-dashboard": (
        f"location /ui/ {{ {LOGIN} {TO_NODE_RED} }} location / {{ return 404; }}",
        {"admin_api": "disabled", "editor": "disabled", "protected_paths": (), "websockets": ()},
    ),
}
BANS = {f"ban-{status}": BAN.replace("@STATUS@", str(status)) for status in (403, 404, 444)}
GATES["open"] = (f"location / {{ {TO_NODE_RED} }}", "", "", set())
GATES["page-by-name"] = (
    f"{LOGIN} location / {{ {TO_NODE_RED} }} location ~ ^/ui/?$ "
    f"{{ {LOGIN.replace('Operators', '$by_name')} {TO_NODE_RED} }}",
    'map $http_remote_user $by_name { "" Operators; default off; }',
    "",
    set(),
)
