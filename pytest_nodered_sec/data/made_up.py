"""Names under which gates look for an address, a session or a token, and made-up values; reviewed 2026-11-30."""

from __future__ import annotations

from typing import Final

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
    **dict.fromkeys(("remember_token", "laravel_session", "grafana_session", "_session_id"), "nobody"),
    "jwt": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJub2JvZHkifQ.",  # {"alg": "none"}, {"sub": "nobody"}
    **dict.fromkeys(("logged_in", "loggedin", "authenticated", "is_admin"), "1"),
}
# What they say of a visitor who is logged in; a cookie has one value only, so "1" and "true" are sent by two ways.
FLAGS: Final = ("logged_in", "loggedin", "loggedIn", "isLoggedIn", "authenticated", "is_admin", "admin", "auth")
# Where a token stands if not in Authorization: adminAuth.tokenHeader, and what services in front sign.
TOKEN_HEADERS: Final = (
    *("X-Auth-Token", "X-Access-Token", "X-Token"),
    *("X-JWT-Assertion", "Cf-Access-Jwt-Assertion", "X-Goog-IAP-JWT-Assertion", "X-Amzn-Oidc-Data"),
    *("X-Pomerium-Jwt-Assertion", "Teleport-Jwt-Assertion", "X-Authentik-Jwt", "X-MS-TOKEN-AAD-ID-TOKEN"),
    *("X-Forwarded-Access-Token", "X-Auth-Request-Access-Token"),  # oauth2-proxy
)
# The client's address, as fronts tell it.
ADDRESSED: Final = (
    "X-Forwarded-For",
    "X-Real-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",  # Zeus and Rackspace load balancers
    "CF-Connecting-IP",  # Cloudflare
    "True-Client-IP",  # Akamai, Cloudflare Enterprise
    "X-Azure-ClientIP",  # Azure Front Door
    "Fastly-Client-IP",
    "Client-IP",  # PHP's HTTP_CLIENT_IP, and what copies it
    "X-Remote-IP",
    "X-Remote-Addr",
    "X-Originating-IP",
    "X-Envoy-External-Address",
)
