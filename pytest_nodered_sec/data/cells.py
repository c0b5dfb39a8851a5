"""The table of surfaces and ways: the control that asks, or why nobody does; reviewed 2026-12-01.

docs/asking.md shows it. What is sent is in `data.ways`.
"""

from __future__ import annotations

from typing import Final

from pytest_nodered_sec.data.made_up import ADDRESSED

SURFACES: Final = (
    "admin API",
    "editor page",
    "dashboard page",
    "channel, polling",
    "channel, WebSocket",
    "/comms",
    "other channels",
    "endpoint",
    "WebSocket endpoint",
    "static files",
)
COLUMNS: Final = {
    "anybody": "without credentials",
    "spelling": "small letters and capitals by turns, in the path or the root, a trailing slash; not where Node-RED "
    "itself refuses",
    "written": "`//` in place of the first slash with the first letter percent-encoded (each by itself at the first "
    "surface that a gate refuses); in one path behind `/static/..` or the first public path of the policy, "
    "`/.well-known/acme-challenge/../..`, `/robots.txt/..`, `/favicon.ico/..`, `/health/..`, `/public/..` and "
    "`/assets/..`; at the first page that a login refuses (where there is none, everywhere) the same from "
    "`/.well-known/` on with `.%2e` in place of `..`; where Node-RED itself refuses, all of it in one request to the "
    "admin API; of pages, endpoints "
    "and the admin API the whole URL in the request line",
    "token": "a made-up token, hexadecimal (where Node-RED itself refuses, one route for each permission), a JWT with "
    "`alg: none` or in the query, with paths that are often free and flags such as public=1; made-up cookies by the "
    "names that gates give them (session, auth, jwt, JSESSIONID, _oauth2_proxy and others; logged_in, is_admin and "
    "others with 1 and true) and a made-up key in X-API-Key, apikey, X-Hub-Signature-256 and others, except on "
    "WebSockets in Stripe-Signature, X-Slack-Signature and others, the cookies that refusals have set; a JWT in "
    "X-Auth-Token, X-Access-Token and the headers of services that sign one; of pages and "
    "endpoints a made-up name and password, where no Basic login refuses; except on WebSockets a made-up token of the "
    "scheme Token and, where no such login refuses, an answer of the scheme Digest; where paths are asked in other "
    "forms a key of the scheme ApiKey, of the first page, endpoints and the admin API a token of the scheme JWT",
    "identity": "forged identity headers, and 127.0.0.1 in those of the next column; of WebSockets /comms, the "
    "dashboards' channels and the first declared one",
    "forwarded": f"{', '.join(ADDRESSED)} and Forwarded with 10.0.0.1, 172.17.0.1 (X-Forwarded-For has 192.168.178.2 "
    "before it), 192.168.1.5, 100.64.0.1 (X-Forwarded-For has 172.30.32.2, which is Home Assistant's Supervisor, and "
    "10.0.0.1 before it), where paths are asked in other forms ::1 (X-Forwarded-For: 172.17.0.1, 192.168.178.2), "
    "and 192.168.178.2 (X-Forwarded-For: 192.168.0.2, 192.168.2.2, 10.8.0.2, 192.168.0.2); of channels the first "
    "three by polling, 192.168.1.5 as a WebSocket (X-Forwarded-For has fd00::1 behind it), of others than the "
    "dashboards' ::1, too; of a further page behind the same gate not the fourth, nor the last; at the admin API, the "
    "first page and the first endpoint 192.168.1.5 in a PROXY header before the TLS handshake, and where that is taken "
    "six more",
    "rewritten": "X-Original-URL, X-Original-URI, X-Rewrite-URL, X-Forwarded-Uri, X-Forwarded-Path, X-Replaced-Path "
    "and X-Envoy-Original-Path with a path that is often free, X-Forwarded-Prefix; OPTIONS in X-Original-Method, "
    "X-Forwarded-Method, X-HTTP-Method, X-HTTP-Method-Override and X-Method-Override; localhost in X-Forwarded-Host, "
    "X-Forwarded-Server, X-Original-Host and X-Host; https in X-Forwarded-Proto, X-Forwarded-Scheme and X-Url-Scheme, "
    "X-Forwarded-Ssl and Front-End-Https",
    "upgrade": "`Upgrade: websocket` without Connection, `Connection: Upgrade` or a WebSocket's key without Upgrade, "
    "the query of a Socket.IO session (transport=websocket, sid); of the first page and the admin API on a connection "
    "by which an upgrade was refused",
    "browser": "a browser's User-Agent, Accept, Accept-Language, Accept-Encoding, Origin, Referer, X-Requested-With, "
    "Content-Type, Sec-Fetch-Site, TE and Cache-Control; except on WebSockets, the headers of a CORS preflight, "
    "`Sec-Fetch-Dest: iframe` with Home Assistant's Referer and its app's X-Requested-With, a monitor's User-Agent, "
    "Via, X-Internal, X-Health-Check and `Accept: "
    "text/event-stream`, what a browser sends for an image; where paths are asked in other forms for a style sheet, of "
    "the first page, endpoints and the admin API for a script; the headers by which CDNs and load balancers are known "
    "(CF-Ray, X-Amz-Cf-Id, X-Azure-FDID and others), Host in capitals with another port, switches such as kiosk=true "
    "and the name of a style sheet in the query; of pages, endpoints and the admin API `Accept: application/json`, "
    "Range, If-None-Match, If-Modified-Since, a Content-Type of text/plain, and what Chromium sends where it opens a "
    "page (Sec-Fetch-Mode, Sec-Fetch-Dest, "
    "Sec-Fetch-User, Sec-Purpose, Sec-CH-UA, Priority, DNT, its User-Agent and others); of the "
    "first page and the admin API no User-Agent; of endpoints that of curl",
    "form": "in HTTP/2, where the server agrees on it; with a form's body, by its length and Expect: 100-continue, "
    "or an upload's in chunks; of pages, endpoints and the admin API in HTTP/1.0; of endpoints by HEAD",
    "plain": "over plain HTTP",
    "address": "the address in place of the name, as Host, over HTTPS and in clear; of admin API and pages also "
    "localhost, the name with a dot at its end, its first label in .local and .lan, and no name in the TLS handshake",
    "roots": "below another root that is known in the field, or above one of the policy's public paths",
}
_AS_PAGE: Final = "a gate takes it for the page or the channel, which are asked"
_AS_POLLING: Final = "the same path is asked as polling"
_AS_ADMIN: Final = "the admin API of the same root is asked, one request for all of it"
_EXACT: Final = "Node-RED compares this path letter by letter"
_IS_UPGRADE: Final = "it is an Upgrade already"
_HANDSHAKE: Final = "a WebSocket's handshake has no other form; in HTTP/2 (RFC 8441) it is not asked"
_FILES: Final = "no server was seen to differ from how it treats pages"
_SOCKETS: Final = dict.fromkeys(("written", "token", "forwarded", "browser"), "proxy-05")
_PATHS: Final = {
    **dict.fromkeys(("written", "token", "forwarded", "rewritten", "upgrade", "browser", "form"), "proxy-05"),
    "identity": "admin-12",
}
CELLS: Final[dict[str, dict[str, str]]] = {
    "admin API": {
        "anybody": "admin-01, admin-03",
        "spelling": "admin-05",
        **_PATHS,
        "token": "admin-02, proxy-05",
        "plain": "http-01, http-03",
        "address": "proxy-05, http-01",
        "roots": "roots-01",
    },
    "editor page": {
        "anybody": "editor-01, editor-02",
        "spelling": "-: / has no other spelling",
        "plain": "http-01",
        **dict.fromkeys(
            (name for name in COLUMNS if name not in ("anybody", "spelling", "plain")),
            f"-: {_AS_ADMIN}",
        ),
    },
    "dashboard page": {
        "anybody": "dash-01",
        "spelling": "dash-04",
        **_PATHS,
        "plain": "http-01",
        "address": "proxy-05, http-01",
        "roots": "roots-01",
    },
    "channel, polling": {
        "anybody": "dash-02",
        "spelling": f"-: {_EXACT}; dash-02 tries dot segments and the name of a file",
        **_PATHS,
        "plain": "http-05",
        "address": "proxy-05, http-01",
        "roots": "roots-01",
    },
    "channel, WebSocket": {
        "anybody": "dash-02",
        "spelling": f"-: {_EXACT}",
        "upgrade": f"-: {_IS_UPGRADE}",
        "form": f"-: {_HANDSHAKE}",
        **_SOCKETS,
        "identity": "admin-12",
        "plain": "http-05",
        **dict.fromkeys(("written", "rewritten", "address", "roots"), f"-: {_AS_POLLING}"),
    },
    "/comms": {
        "anybody": "admin-06",
        "spelling": f"-: {_EXACT}",
        "upgrade": f"-: {_IS_UPGRADE}",
        "form": f"-: {_HANDSHAKE}",
        "plain": "http-05",
        "address": "proxy-05",
        **_SOCKETS,
        "identity": "admin-12",
        **dict.fromkeys(("rewritten", "roots"), f"-: {_AS_ADMIN}"),
    },
    "other channels": {
        "anybody": "live-01",
        "spelling": f"-: {_EXACT}",
        **dict.fromkeys((name for name in COLUMNS if name not in ("anybody", "spelling")), f"-: {_AS_PAGE}"),
    },
    "endpoint": {
        "anybody": "node-01",
        "spelling": "proxy-05",
        **_PATHS,
        "plain": "http-01",
        "address": "proxy-05",
        "roots": "-: its name below another root cannot be known; dashboards and the admin API show the root",
    },
    "WebSocket endpoint": {
        "anybody": "node-02",
        "spelling": f"-: {_EXACT}",
        "identity": "admin-12",
        "upgrade": f"-: {_IS_UPGRADE}",
        "form": f"-: {_HANDSHAKE}",
        "plain": "http-05",
        **_SOCKETS,
        **dict.fromkeys(
            ("rewritten", "address", "roots"), "-: the declared endpoints and the dashboards' channels are asked"
        ),
    },
    "static files": {
        "anybody": "static-01, static-02",
        **dict.fromkeys((name for name in COLUMNS if name != "anybody"), f"-: {_FILES}"),
    },
}
