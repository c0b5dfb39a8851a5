"""Names under which gates look for an address, a session or a token, and made-up values; reviewed 2026-12-01."""

from __future__ import annotations

from typing import Final

# What gates and apps call a visitor's session; whoever asks only whether there is one lets everybody in. All stand in
# one header, so that a name more costs no request.
_NAMES: Final = (
    *("session", "sessionid", "session_id", "sid", "SID", "_session_id"),  # Django, Rails, and written by hand
    *("JSESSIONID", "PHPSESSID", "ASP.NET_SessionId", "SESSION", "CGISESSID", "laravel_session"),
    *("auth", "auth_token", "authToken", "Authorization", "token", "access_token", "user", "login", "username"),
    *("user_session", "auth_session", "sso_session", "remember_token", "remember_me", "io", "node_red_session"),
    *("nodered_session", "hass_session", "kc_session"),
    *("_oauth2_proxy", "_forward_auth", "authelia_session", "authentik_session", "authentik_proxy"),
    *("CF_Authorization", "_pomerium", "VouchCookie", "mod_auth_openidc_session"),  # Cloudflare Access and others
    *("KEYCLOAK_IDENTITY", "KEYCLOAK_SESSION", "AUTH_SESSION_ID", "kc-access"),  # the last of Louketo
    *("grafana_session", "ingress_session"),  # Home Assistant's ingress
    *("appSession", "next-auth.session-token", "__Secure-next-auth.session-token"),  # Auth0, Auth.js
    *("AUTHP_ACCESS_TOKEN", "tinyauth-session", "ory_kratos_session", "wordpress_logged_in_nobody"),  # caddy-security
    *(".AspNetCore.Cookies", ".ASPXAUTH", "FedAuth", "AppServiceAuthSession"),  # ASP.NET, ADFS, Azure App Service
    *("MRHSession", "SMSESSION", "LtpaToken2", "NSC_AAAC"),  # F5, SiteMinder, WebSphere, Citrix
    *("AWSELBAuthSessionCookie-0", "GCP_IAP_UID"),  # load balancers that log in
    *("SERVERID", "id_token", "refresh_token", "jwt_token", "auth-token", "sso"),  # HAProxy's guides; by hand
)
COOKIES: Final = {
    **dict.fromkeys(_NAMES, "nobody"),
    "connect.sid": "s%3Anobody.nothing",  # express-session
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
    "X-Original-Forwarded-For",  # ingress-nginx
    "Fly-Client-IP",
    "DO-Connecting-IP",  # DigitalOcean's app platform
    "Incap-Client-IP",  # Imperva
)
