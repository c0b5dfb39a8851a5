"""What a gate may look for in the query of a request, as parts of ways past a gate; reviewed 2026-12-01."""

from __future__ import annotations

from typing import Final

from pytest_nodered_sec.data.part import Part

# Arguments that show a key or a signature; whoever asks only whether there is one lets everybody in. None is called a
# password: a front that logs in by the query could count it as an attempt. All stand in one query.
_TOKENS: Final = (
    *("token", "access_token", "accessToken", "api_key", "apikey", "apiKey", "key", "auth", "auth_token", "id_token"),
    *("jwt", "session", "ticket", "secret", "sig", "code", "user", "callback", "pin", "hash", "uid", "hmac"),
    *("signature", "md5"),
)
# Arguments that ask for a page without a login, as screens on a wall do: "1" by one way, "true" by another.
_SWITCHES: Final = (
    *("kiosk", "embed", "public", "guest", "share", "preview", "demo", "readonly", "noauth", "nologin", "tv"),
    *("display", "monitor"),
)

TRANSPORT: Final = Part(
    "transport",
    "with the query of a Socket.IO session as a WebSocket",
    (),
    "nginx: map $arg_transport $realm { websocket off; }, because Socket.IO's WebSockets carry that query; "
    'map $arg_sid $realm { "" Operators; default off; }, as what follows on the handshake',
    query="EIO=4&transport=websocket&sid=nobody",
)
QUERY: Final = Part(
    "query",
    "with a made-up token and paths that are often free in the query",
    (),
    'nginx: map $arg_token $realm { "" Operators; default off; }, if ($request_uri ~ "\\.js$") { set $realm off; }; '
    "oauth2-proxy before 7.11: skip_auth_routes, which judged the query too (CVE-2025-54576)",
    query="&".join(
        (
            *(f"{name}=nobody" for name in _TOKENS),
            "expires=9999999999",  # of signed addresses: nginx's secure_link
            *(f"{name}=1" for name in _SWITCHES),
            "r=/health/healthz/ping/metrics/status/login/public/static/assets/api/webhook/hooks/socket.io/.well-known/"
            "acme-challenge/x.pdf/x.csv/x.js",
        )
    ),
)
ENDING: Final = Part(
    "ending",
    "with switches, and a style sheet's name at the end of the query",
    (),
    'nginx: if ($request_uri ~ "\\.(css|png)$") { set $realm off; }, or a map of $request_uri that looks for "%"; '
    'if ($arg_kiosk = "true") { set $realm off; }; if ($args ~ ^health) { set $realm off; }',
    query="&".join(
        (
            *("healthcheck=1", "health=1", "ping=1", "status=1", "mode=kiosk", "view=kiosk"),
            *(f"{name}=true" for name in _SWITCHES),
            "v=%2Fx.css",
        )
    ),
)
