"""What browsers send by themselves, as parts of ways past a gate; reviewed 2026-12-01."""

from __future__ import annotations

from typing import Final

from pytest_nodered_sec.data.part import Part

BROWSER_AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_CHROMIUM: Final = (  # what it sends of itself, and its Safari's and Edge's names
    (
        "User-Agent",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 "
        "Safari/537.36 Edg/142.0.0.0",
    ),
    ("Accept-Language", "de-DE,de;q=0.9,en;q=0.8"),
    ("Sec-CH-UA", '"Chromium";v="142", "Microsoft Edge";v="142", "Not_A Brand";v="99"'),
    ("Sec-CH-UA-Mobile", "?0"),
    ("Sec-CH-UA-Platform", '"Windows"'),
    ("Priority", "u=0, i"),
    ("DNT", "1"),
    ("Sec-GPC", "1"),
    ("Save-Data", "on"),
)
_ANY_BROWSER: Final = (
    ("Accept-Language", "en-US,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate"),
    ("Cache-Control", "no-cache"),  # this and the next: where a page is loaded anew, and with each WebSocket
    ("Pragma", "no-cache"),
)
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
        ("TE", "trailers"),
        *_ANY_BROWSER,
    ),
    "nginx: if ($http_user_agent !~ Mozilla) { return 403; }, and the same by Referer, Origin, X-Requested-With, "
    "Sec-Fetch-Site, TE or Accept-Language; HAProxy: unless { req.hdr(Accept-Encoding) -m sub gzip }; Varnish: if "
    "(req.http.Cache-Control ~ no-cache) { return (pass); } in front of the login",
    ordinary=True,
)
NAVIGATION: Final = Part(
    "navigation",
    "as a browser that opens a page, or loads one ahead",
    (
        ("Sec-Fetch-Site", "none"),  # typed, or a bookmark
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Dest", "document"),
        ("Sec-Fetch-User", "?1"),
        ("Upgrade-Insecure-Requests", "1"),
        ("Sec-Purpose", "prefetch"),
        ("Purpose", "prefetch"),  # Chromium's name before that
        *_CHROMIUM,
    ),
    "nginx: map $http_sec_fetch_mode $realm { navigate off; default Operators; }, and the same by Sec-Fetch-Dest, "
    "Sec-Fetch-User or Sec-Purpose; if ($http_user_agent !~ Chrome) { return 401; }, map $http_sec_ch_ua $realm",
    ordinary=True,
)
EMBEDDED: Final = Part(
    "embedded",
    "as a page that another one embeds",
    (
        ("Sec-Fetch-Dest", "iframe"),
        ("Referer", "http://homeassistant.local:8123/lovelace/portal/grafana/login"),
        ("X-Requested-With", "io.homeassistant.companion.android"),  # as Android's WebView names its app
    ),
    "nginx: map $http_sec_fetch_dest $realm { iframe off; default Operators; }, because frames cannot log in; the same "
    "by $http_referer or $http_x_requested_with for Home Assistant's panels and app",
    ordinary=True,
)


def _loads(name: str, what: str, accept: str, destination: str, *more: tuple[str, str]) -> Part:
    """Return what a browser sends for a part of a page."""
    return Part(
        name,
        f"as a browser that loads {what}",
        (("Accept", accept), ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", destination), *more),
        "nginx: map $http_accept $realm { default Operators; ~^image/ off; }, and the same by $http_sec_fetch_dest",
    )


# As Chromium 142 asks for them; left out in calm mode, in which they would be requests of their own.
IMAGE: Final = _loads("image", "an image", "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "image")
STYLE: Final = _loads("style", "a style sheet", "text/css,*/*;q=0.1", "style")
SCRIPT: Final = _loads("script", "a script", "*/*", "script", ("Service-Worker", "script"))
BROWSER_SOCKET: Final = Part(
    "browser",
    "as this site's page in a browser",
    (
        ("User-Agent", BROWSER_AGENT),
        ("Origin", "{origin}"),
        ("Sec-Fetch-Site", "same-origin"),
        ("Sec-Fetch-Mode", "websocket"),
        ("Sec-Fetch-Dest", "empty"),
        *_ANY_BROWSER,
        ("Sec-WebSocket-Protocol", "nobody"),  # by which a script may name a token
    ),
    'nginx: map "$http_upgrade:$http_origin" $realm { "websocket:https://HOST" off; }, if ($http_origin != "https://'
    'HOST") { return 403; } and no login, because browsers send no Basic login with a WebSocket; Caddy: header Origin',
    ordinary=True,
)
