"""Headers by which a login in front names the person, or a proxy the machine, to the one behind; reviewed 2026-12-01.

Whoever stands behind believes them. Sent by a stranger they must open nothing: the gate has to drop or replace them.
Each value is what that product would send for somebody who may do everything.
"""

from __future__ import annotations

from typing import Final

IDENTITY_HEADERS: Final = (
    ("Remote-User", "admin"),  # Authelia; nginx auth_request; CGI's REMOTE_USER
    ("X-Remote-User", "admin"),  # Kubernetes' authenticating proxy
    ("X-Forwarded-User", "admin"),  # oauth2-proxy, traefik-forward-auth
    ("X-Forwarded-Email", "admin@localhost"),  # oauth2-proxy
    ("X-Auth-Request-User", "admin"),  # oauth2-proxy behind nginx auth_request
    ("X-Authentik-Username", "admin"),  # authentik's outpost
    ("X-WebAuth-User", "admin"),  # Grafana's auth.proxy, and what copies it
    ("Cf-Access-Authenticated-User-Email", "admin@localhost"),  # Cloudflare Access
    ("X-Goog-Authenticated-User-Email", "accounts.google.com:admin@localhost"),  # Google's identity-aware proxy
    ("Tailscale-User-Login", "admin@localhost"),  # Tailscale Serve
    ("X-Vouch-User", "admin@localhost"),  # Vouch Proxy
    ("X-MS-CLIENT-PRINCIPAL-NAME", "admin@localhost"),  # Azure App Service
    ("X-Forwarded-Client-Cert", 'Subject="CN=admin"'),  # Envoy, Istio
    ("X-SSL-Client-S-DN", "CN=admin"),  # nginx $ssl_client_s_dn, HAProxy
    ("X-SSL-Client-Verify", "SUCCESS"),  # nginx $ssl_client_verify, as most guides pass it on
    ("Ssl-Client-Verify", "SUCCESS"),  # ingress-nginx
    ("Remote-Groups", "admin,admins"),  # Authelia; a gate may ask for a group alone
    ("X-Forwarded-Groups", "admin,admins"),  # oauth2-proxy, as the next
    ("X-Forwarded-Preferred-Username", "admin"),
    ("X-User", "admin"),  # written by hand in many a map or middleware, as the next two
    ("X-Auth-User", "admin"),
    ("X-Authenticated-User", "admin"),
    ("X-Client-Verify", "SUCCESS"),  # nginx $ssl_client_verify, under a shorter name
    ("X-SSL-Client-CN", "admin"),  # HAProxy %{+Q}[ssl_c_s_dn(cn)], as its manual passes it on
    ("X-ARR-ClientCert", "nobody"),  # Azure App Service, IIS's request routing
    ("X-Forwarded-Tls-Client-Cert-Info", 'Subject="CN=admin"'),  # Traefik's passTLSClientCert
    ("X-Forwarded-For", "127.0.0.1"),  # "satisfy any; allow 127.0.0.1" with a real_ip module that trusts anybody
    ("X-Real-IP", "127.0.0.1"),
)
# Less usual ones, sent together: at the admin API with the addresses of `data.ways.LOOPBACK`, elsewhere with all
FURTHER_HEADERS: Final = (
    ("X-Ingress-Path", "/api/hassio_ingress/nobody"),  # Home Assistant's Supervisor: ingress, as the next four
    ("X-Hass-Source", "core.ingress"),
    ("X-Remote-User-Id", "admin"),
    ("X-Remote-User-Name", "admin"),
    ("X-Remote-User-Display-Name", "admin"),
    ("Remote-Name", "admin"),  # Authelia, as the next
    ("Remote-Email", "admin@localhost"),
    ("X-Authentik-Email", "admin@localhost"),
    ("X-Authentik-Groups", "admin|admins"),
    ("X-Authentik-Uid", "admin"),
    ("X-Auth-Request-Email", "admin@localhost"),  # oauth2-proxy behind nginx auth_request, as the next two
    ("X-Auth-Request-Groups", "admin,admins"),
    ("X-Auth-Request-Preferred-Username", "admin"),
    ("X-Auth-Username", "admin"),  # Louketo (Keycloak's gatekeeper), as the next three
    ("X-Auth-Userid", "admin"),
    ("X-Auth-Email", "admin@localhost"),
    ("X-Auth-Roles", "admin"),
    ("X-Pomerium-Claim-Email", "admin@localhost"),
    ("X-Amzn-Oidc-Identity", "admin"),  # AWS application load balancer
    ("X-MS-CLIENT-PRINCIPAL-ID", "admin"),  # Azure App Service
    ("OIDC_CLAIM_sub", "admin"),  # Apache httpd's mod_auth_openidc, as the next two
    ("OIDC_CLAIM_email", "admin@localhost"),
    ("OIDC_CLAIM_preferred_username", "admin"),
    ("X-Authenticated", "true"),  # written by hand
    ("X-SSL-Client-DN", "CN=admin"),  # HAProxy's manual, as the next two
    ("X-SSL-Client-Has-Cert", "1"),
    ("X-SSL-Client-Serial", "01"),
    ("Ssl-Client-Subject-Dn", "CN=admin"),  # ingress-nginx
    ("X-Client-DN", "CN=admin"),  # nginx $ssl_client_s_dn, under a shorter name
    ("SM-User", "admin"),  # SiteMinder; nginx takes it for SM_USER, too
    ("iv-user", "admin"),  # IBM's WebSEAL
    ("X-Consumer-Username", "admin"),  # Kong, as the next
    ("X-Credential-Identifier", "admin"),
    ("X-User-Id", "admin"),  # written by hand, as the next six
    ("X-User-Name", "admin"),
    ("X-Username", "admin"),
    ("X-User-Email", "admin@localhost"),
    ("X-User-Role", "admin"),
    ("X-Role", "admin"),
    ("X-Roles", "admin"),
)
