"""Headers by which a login in front names the person, or a proxy the machine, to the one behind; reviewed 2026-11-30.

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
