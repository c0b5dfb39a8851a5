"""Ways past a gate that real servers were seen to open, and of which surfaces each is asked; reviewed 2026-12-01.

`WAYS` says what is sent, `PROXY_05` where. The questions of proxy-05 and admin-12 are made from it; the whole table of
surfaces and ways is in `data.cells`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pytest_nodered_sec.data.api_keys import API_KEYS, HOOKS
from pytest_nodered_sec.data.browsers import BROWSER, BROWSER_SOCKET, EMBEDDED, IMAGE, NAVIGATION, SCRIPT, STYLE
from pytest_nodered_sec.data.identity_headers import FURTHER_HEADERS, IDENTITY_HEADERS
from pytest_nodered_sec.data.made_up import ADDRESSED, COOKIES, FLAGS, TOKEN_HEADERS
from pytest_nodered_sec.data.part import Part, Way
from pytest_nodered_sec.data.queries import ENDING, QUERY, TRANSPORT
from pytest_nodered_sec.data.schemes import BASIC, DIGEST, JWT, KEYED, SCHEME

# Names that a gate may let pass wherever they stand: nginx: location ~ /(public|static)/, ~ /metrics; Caddy: not path
# */static/*
FOLDERS: Final = (
    "public/static/assets/images/img/css/js/fonts/icons/vendor/api/webhook/hooks/login/auth/oauth2/ping/metrics/status"
)
# What a gate may let pass below a live channel: nginx: location ~* \.(css|png|svg|ico|woff2|webmanifest|pdf)$;
# location ~ /health$. Lists with .jpg have .png, and those with robots.txt favicon.ico.
ASSETS: Final = (
    *("x.js", "x.svg", "x.css", f"{FOLDERS}/favicon.ico", "x.png", "x.woff2", "x.webmanifest", "manifest.json"),
    *("x.pdf", "health", "healthz"),
)
# of further channels of one gate, whose list is for all, with the folders in one path: the rest takes eight more
USUAL_ASSETS: Final = (f"{FOLDERS}/x.js", "x.svg")


OFTEN_FREE: Final = "/public"  # below which rules in front of login services let everything pass


def _from(*forwarded: str, rest: str = "") -> Part:
    """Return addresses in X-Forwarded-For, and one in each of the other headers: the last of them, or `rest`.

    Most fronts believe the last of a list; some the last but one, any, or the first (nginx: real_ip_recursive).
    """
    address = rest or forwarded[-1]
    node = f'"[{address}]"' if ":" in address else address  # RFC 7239, 6
    *before, last = dict.fromkeys((*forwarded, address))
    return Part(
        "forwarded",
        f"as if forwarded for {', '.join(before)}{' and ' if before else ''}{last}",
        (
            ("X-Forwarded-For", ", ".join(forwarded)),
            *((name, address) for name in ADDRESSED[1:]),
            ("Forwarded", f"for={node};by={node};host=localhost;proto=https"),
        ),
        "nginx 1.22: set_real_ip_from 0.0.0.0/0 with satisfy any and allow 192.168.0.0/16, by any of these as "
        "real_ip_header; HAProxy: hdr_ip; Traefik 3: ipStrategy.depth",
    )


UPGRADE: Final = Part(
    "upgrade",
    "with Upgrade: websocket and no Connection",
    (("Upgrade", "websocket"),),
    "HAProxy 2.6: acl hdr(Upgrade) -i WebSocket; nginx: map $http_upgrade $realm; Caddy: not header Upgrade",
)
HOST: Final = Part(
    "host",
    "with the name in capitals and another port in Host, or none",
    (("Host", "{host}"),),
    "HAProxy 2.6: http-request auth if { hdr(host) -m str plant.example }; nginx: map $http_host $realm "
    "{ plant.example Operators; default off; }",
)
MONITOR: Final = Part(
    "monitor",
    "as a monitor that asks whether it is up",
    (
        (
            "User-Agent",
            "kube-probe/1.34 ELB-HealthChecker/2.0 GoogleHC/1.0 UptimeRobot/2.0 Uptime-Kuma/2.0 Pingdom.com_bot "
            "check_http/v2.4 Zabbix Blackbox-Exporter/0.27 Prometheus/3.5 StatusCake Better-Uptime Site24x7 "
            "Grafana/12.2 Telegraf/1.36 HomeAssistant/2026.11 Home Assistant/2026.11 okhttp/5.3 Alexa/3.0 "
            "ESP8266HTTPClient ESP32HTTPClient Tasmota/15.1 Shelly/1.7 IFTTT "
            "Fully Kiosk Browser; Node-RED; Telegraf; InfluxDB; OwnTracks; Traccar; Tasker; Shortcuts; SmartTV; Tizen; "
            "Web0S; CrKey; Nagios; Icinga; PRTG; Datadog; Gatus; HetrixTools; Consul Health Check; "
            "Amazon-Route53-Health-Check-Service; Let's Encrypt validation server; "
            "Googlebot/2.1 (Linux; Android 16; Mobile; iPhone; wv)",
        ),
        ("Via", "1.1 internal"),
        ("X-Internal", "1"),
        ("X-Health-Check", "1"),
    ),
    "nginx: map $http_user_agent $realm { default Operators; ~(kube-probe|UptimeRobot|check_http) off; }, and the "
    "same for apps that cannot log in, such as ~*Home ?Assistant",
)
CDN: Final = Part(
    "cdn",
    "as if a CDN or load balancer had passed it on",
    (
        ("CF-Ray", "8f0c1d2e3a4b5c6d-FRA"),
        ("CF-IPCountry", "DE"),
        ("CF-Visitor", '{"scheme":"https"}'),
        ("X-Amz-Cf-Id", "nobody"),  # CloudFront
        ("X-Amzn-Trace-Id", "Root=1-67891233-abcdef012345678912345678"),  # AWS load balancers
        ("X-Azure-FDID", "00000000-0000-0000-0000-000000000000"),  # Azure Front Door
        ("X-Azure-Ref", "nobody"),
        ("X-Request-Id", "nobody"),
        ("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ),
    'nginx: if ($http_cf_ray = "") { return 403; } and no login, because the CDN asks for one',
)
RETURNED: Final = Part(
    "returned",
    "with the cookies that the refusals have set",
    (("Cookie", "{cookies}"),),
    'nginx: map $cookie_seen $realm { "" Operators; default off; } and add_header Set-Cookie seen=1 always, as checks '
    "for browsers do",
)
FLAGGED: Final = Part(
    "flagged",
    "with cookies that say that somebody is logged in",
    (("Cookie", "; ".join(f"{name}=true" for name in FLAGS)),),
    'nginx: if ($cookie_loggedin != "true") { return 401; }',
)
CREDENTIAL_SHAPED: Final = Part(
    "credential-shaped",
    "with a made-up session cookie, API key and token",
    (
        ("Cookie", "; ".join(f"{name}={value}" for name, value in COOKIES.items())),
        *((name, "nobody") for name in API_KEYS),
        *((name, "{token}") for name in TOKEN_HEADERS),
    ),
    'nginx: map $http_cookie $realm { ~session= off; }, map $http_x_api_key $realm { "" Operators; default off; }, '
    'map $cookie_auth $realm { "" Operators; default off; }; HAProxy: cook(JSESSIONID) -m found; Node-RED: '
    "adminAuth.tokens with tokenHeader, where it decodes only; ioMiddleware: socket.handshake.auth.token ? next() : …",
)
HOOK: Final = Part(
    "hook",
    "with a service's made-up signature, as it posts by itself",
    tuple((name, "nobody") for name in HOOKS),
    'nginx: if ($http_x_telegram_bot_api_secret_token = "") { return 401; }; HAProxy: req.hdr(stripe-signature) -m '
    "found",
)
TOOL: Final = Part(
    "tool",
    "as a script's tool",
    (("User-Agent", "curl/8.14.1 Wget/1.25 Go-http-client/2.0 python-requests/2.32 axios/1.12 node-fetch"),),
    "nginx: map $http_user_agent $realm { default Operators; ~^curl/ off; }, for scripts and checks of containers",
)
CONNECTION: Final = Part(
    "connection",
    "with Connection: Upgrade and no Upgrade",
    (("Connection", "Upgrade"),),
    "nginx: map $http_connection $realm { ~*upgrade off; }",
)
HANDSHAKE: Final = Part(
    "handshake",
    "with a WebSocket's key and version and no Upgrade",
    (("Sec-WebSocket-Key", "bm9ib2R5bm9ib2R5bm9ibw=="), ("Sec-WebSocket-Version", "13")),
    'nginx: map $http_sec_websocket_key $realm { "" Operators; default off; }; Apache httpd: Require expr '
    "\"%{HTTP:Sec-WebSocket-Version} == '13'\"",
)
EVENTS: Final = Part(
    "events",
    "as a reader of server-sent events",
    (("Accept", "text/event-stream"),),
    "nginx: map $http_accept $realm { default Operators; text/event-stream off; }",
)
_NAMING_PATHS: Final = (
    *("X-Original-URL", "X-Rewrite-URL", "X-Original-URI", "X-Forwarded-Uri", "X-Forwarded-Path"),
    *("X-Replaced-Path", "X-Envoy-Original-Path"),  # Traefik, Envoy
)
_NAMING_METHODS: Final = (
    *("X-Original-Method", "X-Forwarded-Method", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"),
)
REWRITTEN: Final = Part(
    "rewritten",
    "with rewriting headers that name another path, method, host and scheme",
    (
        *((name, "{free}{random}.js") for name in _NAMING_PATHS),
        ("X-Forwarded-Prefix", "/"),
        *((name, "OPTIONS") for name in _NAMING_METHODS),
        *((name, "localhost") for name in ("X-Forwarded-Host", "X-Forwarded-Server", "X-Original-Host", "X-Host")),
        *((name, "https") for name in ("X-Forwarded-Proto", "X-Forwarded-Scheme", "X-Url-Scheme")),
        *((name, "on") for name in ("X-Forwarded-Ssl", "Front-End-Https")),
        ("X-Forwarded-Port", "443"),
    ),
    "nginx: map $http_x_original_url $realm, map $http_x_forwarded_proto $realm { https off; }; login services that "
    "judge path, method or host of such a header",
)
REROUTED: Final = Part(
    "rerouted",
    "by a path that nobody serves, with X-Original-URL and X-Rewrite-URL naming the one that is meant",
    (("X-Original-URL", "{path}"), ("X-Rewrite-URL", "{path}")),
    "nginx in front of nginx: rewrite ^ $http_x_original_url; IIS URL Rewrite; Symfony (CVE-2018-14773)",
    rerouted=True,
)
_UNTIDY: Final = (
    "nginx: map $request_uri $realm { ~*^/(ui|api) Operators; default off; } and a proxy_pass that ends with a slash, "
    "which forwards the tidied path"
)


def _encoded(path: str) -> str:
    return "/" + "".join(f"%{byte:02X}" for byte in path[1:2].encode()) + path[2:]


SLASHES: Final = Part(
    "slashes", "with // in place of the path's first slash", (), _UNTIDY, write=lambda path: f"/{path}"
)
# Paths that a gate may let pass wherever they stand; the first of all also where it looks at the beginning alone
ANYWHERE: Final = "/.well-known/acme-challenge/../../robots.txt/../favicon.ico/../health/../public/../assets/.."
DOTTED: Final = Part(
    "dotted",
    "by way of paths that are often free (/static/.. and others)",
    (),
    "nginx: map $request_uri $realm { default Operators; ~^/static/ off; } and a proxy_pass that ends with a slash; "
    "HAProxy: path_beg /static/ in front of an nginx that tidies",
    write=lambda path: f"/static/..{ANYWHERE}{path}",
)
ENCODED: Final = Part(
    "encoded",
    "with the path's first letter percent-encoded",
    (),
    _UNTIDY,
    write=_encoded,
)
FREED: Final = Part(
    "freed",
    "by way of paths that are often free (/.well-known/acme-challenge/.%2e and others)",
    (),
    "nginx: map $request_uri $realm { default Operators; ~^/[.]well-known/ off; } and a proxy_pass that ends with a "
    "slash, the same by /robots[.]txt or /favicon[.]ico anywhere; HAProxy: path_beg /.well-known/acme-challenge/ in "
    'front of an nginx that tidies; the same behind if ($request_uri ~ "[.][.]") { return 403; }',
    write=lambda path: ANYWHERE.replace("..", ".%2e") + path,
)
# Where Node-RED itself refuses, and a front may log in for whoever asks by such a path: all forms in one.
UNTIDY: Final = replace(
    DOTTED,
    said="by way of paths that are often free (/static/.. and others), with // and its first letter percent-encoded",
    write=lambda path: f"/static/..{ANYWHERE}/{_encoded(path)}",
)
ABSOLUTE: Final = Part(
    "absolute",
    "with the whole URL in the request line",
    (),
    "HAProxy 2.6: http-request auth if { url_beg / }; Apache httpd: %{THE_REQUEST}; Varnish 7.1: req.url of https://",
    absolute=True,
)
PROGRAM: Final = Part(
    "program",
    "as a program that asks for JSON, for a part, or for what has changed",
    (
        ("Accept", "application/json"),
        ("Range", "bytes=0-"),
        ("If-None-Match", '"nobody"'),
        ("If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("Content-Type", "text/plain"),
    ),
    "nginx: map $http_accept $realm { default Operators; application/json off; }, and the same by $http_range, "
    "$http_if_none_match, $http_if_modified_since or $content_type",
    ordinary=True,
)
OLDER: Final = Part(
    "older",
    "in HTTP/1.0",
    (("Connection", "keep-alive"),),  # or each would end a connection that others could use
    "nginx: map $server_protocol $realm { HTTP/1.0 off; default Operators; }, for health checks; HAProxy: req.ver 1.0",
    version="HTTP/1.0",
)
NEWER: Final = Part(
    "newer",
    "in HTTP/2",
    (),
    "nginx: if ($server_protocol ~ HTTP/1) { return 403; }, against programs; HAProxy: ssl_fc_alpn h2; Caddy: protocol "
    "http/2",
    version="HTTP/2",
    ordinary=True,
)
NAMELESS: Final = Part(
    "nameless",
    "without a User-Agent",
    (),
    'nginx: map $http_user_agent $realm { "" off; default Operators; }, because health checks of HAProxy have none',
    without=("User-Agent",),
)
CARRYING: Final = Part(
    "carrying",
    "with a form's body, and Expect: 100-continue",
    (("Expect", "100-continue"), ("Content-Type", "application/x-www-form-urlencoded")),
    'nginx: map $content_length $realm { "" Operators; default off; }, the same by $http_expect; HAProxy: '
    "req.body_size gt 0",
    body="{}",
)
CHUNKED: Final = Part(
    "chunked",
    "with an upload's body in chunks",
    (("Content-Type", "multipart/form-data; boundary=nobody"),),
    "nginx: map $http_transfer_encoding $realm { chunked off; default Operators; }; HAProxy: "
    "req.hdr(transfer-encoding) -m found",
    body="{}",
    chunked=True,
)
PREFLIGHT: Final = Part(
    "preflight",
    "with the headers of a CORS preflight",
    (("Access-Control-Request-Method", "GET"), ("Access-Control-Request-Headers", "authorization")),
    'nginx: map $http_access_control_request_method $realm { "" Operators; default off; }, without the method; '
    "HAProxy: req.hdr(access-control-request-method) -m found",
)
HEAD: Final = Part(
    "head",
    "by HEAD, which Node-RED answers as GET: the flow runs,",
    (),
    "nginx: map $request_method $realm { HEAD off; default Operators; }; Apache httpd: <LimitExcept HEAD>",
    method="HEAD",
    ordinary=True,
)
BEHIND: Final = Part(
    "behind",
    "on a connection by which a path that nobody serves was asked for with Upgrade: websocket",
    (),
    'Varnish 7.1: if (req.http.Upgrade ~ "(?i)websocket") { return (pipe); }, after which nothing on the connection is '
    "judged any more",
    behind=True,
)
BEARER: Final = Part(
    "bearer",
    "with a made-up token (JWT, alg none)",
    (("Authorization", "Bearer {token}"),),
    "nginx: map $http_authorization $realm { ~^Bearer off; }; Node-RED: adminAuth.tokens that decodes only",
)
LOOPBACK: Final = tuple(line for line in _from("127.0.0.1").headers if line not in IDENTITY_HEADERS)
IDENTITY: Final = Part(
    "believed",
    "with forged identity headers",
    (*IDENTITY_HEADERS, *FURTHER_HEADERS, *LOOPBACK),
    "nginx: map $http_remote_user $realm; see data/identity_headers.py",
)

_HOME: Final = _from("192.168.1.5", "fd00::1", rest="192.168.1.5")
_ROUTERS: Final = _from(
    *("192.168.0.2", "192.168.2.2", "10.8.0.2", "192.168.0.2"), rest="192.168.178.2"
)  # of routers, and of OpenVPN
_PROGRAMS: Final = (MONITOR, HOOK, EVENTS, CARRYING, FLAGGED, ENDING, HOST)

WAYS: Final = {
    way.name: way
    for way in (
        Way("upgrade", (UPGRADE, TRANSPORT, QUERY, CDN, SCHEME, IMAGE, _from("192.168.178.2", "172.17.0.1"))),
        Way(
            "browser", (BROWSER, CREDENTIAL_SHAPED, RETURNED, DIGEST, _from("192.168.1.5"), REWRITTEN, PREFLIGHT, NEWER)
        ),
        Way(
            "bearer",
            (BEARER, CONNECTION, HANDSHAKE, EMBEDDED, *_PROGRAMS, _from("10.0.0.1")),
        ),
        Way(
            "basic",
            (
                *(BASIC, ABSOLUTE, PROGRAM, NAVIGATION, OLDER),
                _from("172.30.32.2", "10.0.0.1", "100.64.0.1"),
            ),
        ),
        Way("lan", (CONNECTION, HANDSHAKE, EMBEDDED, *_PROGRAMS, _from("10.0.0.1"))),
        Way("socket", (BROWSER_SOCKET, CREDENTIAL_SHAPED, RETURNED, BEARER, QUERY, CDN, _HOME)),
        Way("rerouted", (REROUTED,)),  # alone: it asks for another path, which is answered otherwise
        Way("behind", (BEHIND, NAMELESS, SCRIPT, JWT, _ROUTERS)),
        Way(
            "written", (ENCODED, SLASHES, CHUNKED, KEYED, STYLE, _from("172.17.0.1", "192.168.178.2", rest="::1"))
        ),  # in this order: the letter first
        Way("freed", (FREED,)),
        Way("dotted", (DOTTED,)),  # alone: a front that takes no dot segments hides whatever is beside them
        Way("head", (HEAD, TOOL, SCRIPT, JWT, _ROUTERS)),
        Way("identity", (IDENTITY,)),
    )
}
_WRITTEN: Final = ("written", "dotted", "freed")
PROXY_05: Final = {
    "admin API": ("upgrade", "browser", "basic", "lan", "rerouted", "behind", *_WRITTEN),  # admin-02 asks with tokens
    "dashboard page": ("upgrade", "browser", "bearer", "basic", "rerouted", "behind", *_WRITTEN),
    "channel, polling": ("upgrade", "browser", "bearer", *_WRITTEN),
    "channel, WebSocket": ("socket",),  # its path is that of the polling, which is asked in other forms
    "/comms": ("socket", *_WRITTEN),
    "endpoint": ("upgrade", "browser", "bearer", "basic", "head", *_WRITTEN),
    "WebSocket endpoint": ("socket", *_WRITTEN),
}
RARE: Final = ("basic", "rerouted", "behind")  # of dashboards, asked at the first one that refuses
ONCE: Final = ("freed",)  # asked at the first surface that a gate refuses
