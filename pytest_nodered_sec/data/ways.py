"""Ways past a gate that real servers were seen to open, and of which surfaces each is asked; reviewed 2026-11-29.

`WAYS` says what is sent, `PROXY_05` where. The questions of proxy-05 and admin-12 are made from it; the whole table of
surfaces and ways is in `data.cells`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.identity_headers import IDENTITY_HEADERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Files that a gate may let pass below a live channel: nginx: location ~* \.(css|png|svg|ico|woff2|webmanifest)$
ASSETS: Final = ("x.js", "x.css", "x.png", "x.svg", "x.ico", "x.woff2", "x.webmanifest", "manifest.json")


@dataclass(frozen=True)
class Part:
    """Headers, or another way to write the path, that may open a gate by themselves.

    Attributes:
        name: the finding's code.
        said: what they are, for the evidence.
        headers: name and value; in a value `{origin}` stands for the target's own origin, `{random}` for a path that
            nobody serves, `{path}` for the path that is meant, `{page}` for the page from which a browser asks,
            `{token}` for a token that nobody issued, `{cookies}` for the cookies that refusals have set. Cookies of
            several parts are sent together.
        source: which real servers were seen to open for them.
        ordinary: whether any visitor may send them; the others have the form of an attack.
        query: what is put behind the path, "" for nothing.
        rerouted: whether a path that nobody serves is asked for, and the headers name the one that is meant.
        write: turns the absolute path into another form, which Node-RED itself serves nothing at; None for no other.
        absolute: whether the whole URL stands in the request line (RFC 9112, 3.2.2), which Node-RED serves as the path.
    """

    name: str
    said: str
    headers: tuple[tuple[str, str], ...]
    source: str
    ordinary: bool = False
    query: str = ""
    rerouted: bool = False
    write: Callable[[str], str] | None = None
    absolute: bool = False

    @property
    def rewrites(self) -> bool:
        """Whether it changes the form of the path."""
        return self.write is not None or self.absolute


def written(parts: Sequence[Part], path: str, origin: str) -> str:
    """Return an absolute path in the form that these parts give it, at an origin such as `https://plant.example`."""
    for part in parts:
        path = part.write(path) if part.write else path
    return origin + path if any(part.absolute for part in parts) else path


def with_query(path: str, parts: Sequence[Part]) -> str:
    """Return a path with what these parts put behind it."""
    queries = [part.query for part in parts if part.query]
    return f"{path}{'&' if '?' in path else '?'}{'&'.join(queries)}" if queries else path


ADDRESSED: Final = (
    "X-Forwarded-For",
    "X-Real-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",  # Zeus and Rackspace load balancers
    "CF-Connecting-IP",  # Cloudflare
    "True-Client-IP",  # Akamai, Cloudflare Enterprise
)


def _from(address: str) -> Part:
    node = f'"[{address}]"' if ":" in address else address  # RFC 7239, 6
    return Part(
        "forwarded",
        f"as if forwarded for {address}",
        (*((name, address) for name in ADDRESSED), ("Forwarded", f"for={node}")),
        "nginx 1.22: set_real_ip_from 0.0.0.0/0 with satisfy any and allow 192.168.0.0/16, by any of these as "
        "real_ip_header; HAProxy: hdr_ip",
    )


UPGRADE: Final = Part(
    "upgrade",
    "with Upgrade: websocket and no Connection",
    (("Upgrade", "websocket"),),
    "HAProxy 2.6: acl hdr(Upgrade) -i WebSocket; nginx: map $http_upgrade $realm; Caddy: not header Upgrade",
)
TRANSPORT: Final = Part(
    "transport",
    "with the query transport=websocket",
    (),
    "nginx: map $arg_transport $realm { websocket off; }, because Socket.IO's WebSockets carry that query",
    query="transport=websocket",
)
QUERY: Final = Part(
    "query",
    "with a made-up token and paths that are often free in the query",
    (),
    'nginx: map $arg_token $realm { "" Operators; default off; }, if ($request_uri ~ "\\.js$") { set $realm off; }; '
    "oauth2-proxy before 7.11: skip_auth_routes, which judged the query too (CVE-2025-54576)",
    query="token=nobody&access_token=nobody&accessToken=nobody&api_key=nobody&apikey=nobody&apiKey=nobody&key=nobody"
    "&auth=nobody&callback=nobody"
    "&r=/health/login/public/static/assets/.well-known/acme-challenge/x.js",
)
MONITOR: Final = Part(
    "monitor",
    "as a monitor that asks whether it is up",
    (
        (
            "User-Agent",
            "kube-probe/1.34 ELB-HealthChecker/2.0 GoogleHC/1.0 UptimeRobot/2.0 Uptime-Kuma/2.0 Pingdom.com_bot "
            "check_http/v2.4 Zabbix Blackbox-Exporter/0.27 Prometheus/3.5 StatusCake Better-Uptime Site24x7",
        ),
        ("Via", "1.1 internal"),
        ("X-Internal", "1"),
        ("X-Health-Check", "1"),
    ),
    "nginx: map $http_user_agent $realm { default Operators; ~(kube-probe|UptimeRobot|check_http) off; }",
)
RETURNED: Final = Part(
    "returned",
    "with the cookies that the refusals have set",
    (("Cookie", "{cookies}"),),
    'nginx: map $cookie_seen $realm { "" Operators; default off; } and add_header Set-Cookie seen=1 always, as checks '
    "for browsers do",
)
BROWSER_AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
BROWSER: Final = Part(
    "browser",
    "as this site's page in a browser",
    (
        ("User-Agent", BROWSER_AGENT),
        ("Accept", "text/html,application/xhtml+xml,application/json,image/avif,text/event-stream,*/*;q=0.8"),
        ("Origin", "{origin}"),
        ("Referer", "{origin}{page}"),
        ("X-Requested-With", "XMLHttpRequest"),
        ("Content-Type", "application/json"),
        ("Sec-Fetch-Site", "same-origin"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Dest", "empty"),
    ),
    "nginx: if ($http_user_agent !~ Mozilla) { return 403; }, and the same by Referer, Origin, X-Requested-With or "
    "Sec-Fetch-Site",
    ordinary=True,
)
BROWSER_SOCKET: Final = Part(
    "browser",
    "as this site's page in a browser",
    (
        ("User-Agent", BROWSER_AGENT),
        ("Origin", "{origin}"),
        ("Sec-Fetch-Site", "same-origin"),
        ("Sec-Fetch-Mode", "websocket"),
        ("Sec-Fetch-Dest", "empty"),
        ("Sec-WebSocket-Protocol", "nobody"),  # by which a script may name a token
    ),
    'nginx: map "$http_upgrade:$http_origin" $realm { "websocket:https://HOST" off; }, if ($http_origin != "https://'
    'HOST") { return 403; } and no login, because browsers send no Basic login with a WebSocket; Caddy: header Origin',
    ordinary=True,
)
# What gates and apps call a visitor's session; whoever asks only whether there is one lets everybody in.
COOKIES: Final = {
    "session": "nobody",
    "connect.sid": "s%3Anobody.nothing",  # express-session
    **dict.fromkeys(
        ("sessionid", "session_id", "sid", "SID", "JSESSIONID", "PHPSESSID", "ASP.NET_SessionId"), "nobody"
    ),
    **dict.fromkeys(("auth", "auth_token", "authToken", "Authorization", "token", "access_token", "user"), "nobody"),
    **dict.fromkeys(("_oauth2_proxy", "_forward_auth", "authelia_session", "authentik_session"), "nobody"),
    **dict.fromkeys(("CF_Authorization", "KEYCLOAK_IDENTITY", "io", "node_red_session"), "nobody"),
    "jwt": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJub2JvZHkifQ.",  # {"alg": "none"}, {"sub": "nobody"}
    **dict.fromkeys(("logged_in", "loggedin", "authenticated", "is_admin"), "1"),
}
# Where a token stands if not in Authorization: adminAuth.tokenHeader, and what services in front sign.
TOKEN_HEADERS: Final = (
    *("X-Auth-Token", "X-Access-Token", "X-Token"),
    *("X-JWT-Assertion", "Cf-Access-Jwt-Assertion", "X-Goog-IAP-JWT-Assertion", "X-Amzn-Oidc-Data"),
)
CREDENTIAL_SHAPED: Final = Part(
    "credential-shaped",
    "with a made-up session cookie, API key and token",
    (
        ("Cookie", "; ".join(f"{name}={value}" for name, value in COOKIES.items())),
        ("X-API-Key", "nobody"),
        *((name, "{token}") for name in TOKEN_HEADERS),
    ),
    'nginx: map $http_cookie $realm { ~session= off; }, map $http_x_api_key $realm { "" Operators; default off; }, '
    'map $cookie_auth $realm { "" Operators; default off; }; HAProxy: cook(JSESSIONID) -m found; Node-RED: '
    "adminAuth.tokens with tokenHeader, where it decodes only",
)
CONNECTION: Final = Part(
    "connection",
    "with Connection: Upgrade and no Upgrade",
    (("Connection", "Upgrade"),),
    "nginx: map $http_connection $realm { ~*upgrade off; }",
)
EVENTS: Final = Part(
    "events",
    "as a reader of server-sent events",
    (("Accept", "text/event-stream"),),
    "nginx: map $http_accept $realm { default Operators; text/event-stream off; }",
)
BASIC: Final = Part(
    "basic",
    "with a made-up name and password (Basic)",
    (("Authorization", "Basic bm9ib2R5Om5vYm9keQ=="),),  # nobody:nobody
    'nginx: if ($http_authorization !~ "^Basic ") { return 403; }',
)
REWRITTEN: Final = Part(
    "rewritten",
    "with rewriting headers that name another path, method, host and scheme",
    (
        ("X-Original-URL", "{random}.js"),
        ("X-Rewrite-URL", "{random}.js"),
        ("X-Original-URI", "{random}.js"),
        ("X-Forwarded-Uri", "{random}.js"),
        ("X-Forwarded-Prefix", "/"),
        ("X-Original-Method", "OPTIONS"),
        ("X-Forwarded-Method", "OPTIONS"),
        ("X-HTTP-Method-Override", "OPTIONS"),
        ("X-Forwarded-Host", "localhost"),
        ("X-Forwarded-Proto", "https"),
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
SLASHES: Final = Part(
    "slashes", "with // in place of the path's first slash", (), _UNTIDY, write=lambda path: f"/{path}"
)
DOTTED: Final = Part(
    "dotted",
    "by way of a path that is often free (/static/..)",
    (),
    "nginx: map $request_uri $realm { default Operators; ~^/static/ off; } and a proxy_pass that ends with a slash; "
    "HAProxy: path_beg /static/ in front of an nginx that tidies",
    write=lambda path: f"/static/..{path}",
)
ENCODED: Final = Part(
    "encoded",
    "with the path's first letter percent-encoded",
    (),
    _UNTIDY,
    write=lambda path: "/" + "".join(f"%{byte:02X}" for byte in path[1:2].encode()) + path[2:],
)
ABSOLUTE: Final = Part(
    "absolute",
    "with the whole URL in the request line",
    (),
    "HAProxy 2.6: http-request auth if { url_beg / }; Apache httpd: %{THE_REQUEST}",
    absolute=True,
)
PROGRAM: Final = Part(
    "program",
    "as a program that asks for JSON, for a part, or for what has changed",
    (("Accept", "application/json"), ("Range", "bytes=0-"), ("If-None-Match", '"nobody"')),
    "nginx: map $http_accept $realm { default Operators; application/json off; }, and the same by $http_range or "
    "$http_if_none_match",
    ordinary=True,
)
BEARER: Final = Part(
    "bearer",
    "with a made-up token (JWT, alg none)",
    (("Authorization", "Bearer {token}"),),
    "nginx: map $http_authorization $realm { ~^Bearer off; }; Node-RED: adminAuth.tokens that decodes only",
)
IDENTITY: Final = Part(
    "believed",
    "with forged identity headers",
    IDENTITY_HEADERS,
    "nginx: map $http_remote_user $realm; see data/identity_headers.py",
)


@dataclass(frozen=True)
class Way:
    """One question: parts that are sent together, and each by itself where together they are answered otherwise.

    Attributes:
        name: what a person calls it; part of a test's id.
        parts: what is sent.
    """

    name: str
    parts: tuple[Part, ...]


WAYS: Final = {
    way.name: way
    for way in (
        Way("upgrade", (UPGRADE, TRANSPORT, QUERY, _from("172.17.0.1"))),
        Way("browser", (BROWSER, CREDENTIAL_SHAPED, RETURNED, _from("192.168.1.5"), REWRITTEN)),
        Way("bearer", (BEARER, CONNECTION, MONITOR, EVENTS, _from("10.0.0.1"))),
        Way("basic", (BASIC, ABSOLUTE, PROGRAM, _from("100.64.0.1"))),
        Way("lan", (CONNECTION, MONITOR, EVENTS, _from("10.0.0.1"))),
        Way("socket", (BROWSER_SOCKET, CREDENTIAL_SHAPED, RETURNED, BEARER, QUERY, _from("192.168.1.5"))),
        Way("rerouted", (REROUTED, _from("fd00::1"))),
        Way("slashes", (SLASHES, DOTTED, _from("::1"))),
        Way("encoded", (ENCODED, _from("127.0.0.1"))),
        Way("identity", (IDENTITY,)),
    )
}
_WRITTEN: Final = ("slashes", "encoded")
PROXY_05: Final = {
    "admin API": ("upgrade", "browser", "basic", "lan", "rerouted", *_WRITTEN),  # admin-02 asks with tokens
    "dashboard page": ("upgrade", "browser", "bearer", "basic", "rerouted", *_WRITTEN),
    "channel, polling": ("upgrade", "browser", "bearer", *_WRITTEN),
    "channel, WebSocket": ("socket", *_WRITTEN),
    "/comms": ("socket", *_WRITTEN),
    "endpoint": ("upgrade", "browser", "bearer", "basic", *_WRITTEN),
    "WebSocket endpoint": ("socket", *_WRITTEN),
}
