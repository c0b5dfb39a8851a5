"""Apache httpd 2.4.47 or newer: one file for `sites-available`; its comment names the modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.remedies.fronts import common

if TYPE_CHECKING:
    from pytest_nodered_sec.remedies.model import Site

CLIENTS: Final = "/etc/apache2/node-red-clients.pem"
FILE: Final = "apache-node-red.conf"
HTPASSWD: Final = "/etc/apache2/node-red.htpasswd"


def write(site: Site) -> dict[str, str]:
    """Return the whole configuration, for /etc/apache2/sites-available/node-red.conf."""
    gate = common.gated(site)
    host = f"[{site.host}]" if ":" in site.host else site.host
    live = f"/etc/letsencrypt/live/{site.host}"
    tls = [
        "SSLEngine on",
        f"SSLCertificateFile {live}/fullchain.pem",
        f"SSLCertificateKeyFile {live}/privkey.pem",
        f"SSLProtocol -all {' '.join(f'+TLSv{version}' for version in site.versions)}",
        *([f"SSLCipherSuite {common.CIPHERS}"] if "1.2" in site.versions else []),
    ]
    if site.clients:  # by SSLCACertificateFile, a CA that issued the server's certificate as well would be sent with it
        tls += [f"SSLOpenSSLConfCmd VerifyCAFile {CLIENTS}", f"SSLCADNRequestFile {CLIENTS}", "SSLVerifyClient require"]
    login = [
        f'<LocationMatch "(?i){gate}">',
        "    AuthType Basic",
        f'    AuthName "{common.REALM}"',
        "    AuthBasicProvider file",
        f"    AuthUserFile {HTPASSWD}",
        "    Require valid-user",
        "</LocationMatch>",
    ]
    sockets = common.upgraded(site)
    rules = [
        "RewriteEngine on",
        f'RewriteCond "%{{THE_REQUEST}}" "^\\S+ [^? ]*{common.DOTS.replace("|$)", "|[?]| )")}" [NC]',
        "RewriteRule ^ - [R=404,L]",
        *([f'RewriteRule "(?i){common.withheld(site)}" - [F,L]'] if common.withheld(site) else []),
        *(['RewriteCond "%{HTTP:Sec-Fetch-Site}" "^cross-site$"', "RewriteRule ^ - [F,L]"] if gate == "^/" else []),
        *(login if gate else []),
        *(f"RequestHeader unset {name}" for name in common.IDENTITY),
        "RequestHeader set X-Forwarded-Proto https",
        "ProxyPreserveHost on",
        *(
            line
            for name, value in common.added(site).items()
            for line in (f"Header onsuccess unset {name}", f'Header always set {name} "{value}"')
        ),
        *(line for name in common.HIDDEN[1:] for line in (f"Header onsuccess unset {name}", f"Header unset {name}")),
        *(['Header edit Set-Cookie "(.*)" "$1; Secure; HttpOnly; SameSite=Lax"'] if site.cookies else []),
        # One worker for all: of two with the same address Apache takes the one with the longer path.
        f'RequestHeader unset Upgrade "expr=%{{REQUEST_URI}} !~ m#{common.pattern(sockets) if sockets else "^$"}#i"',
        f"ProxyPass / http://127.0.0.1:{site.direct_port}/ upgrade=websocket disablereuse=on",
    ]
    lines = [
        f"# {site.name}: /etc/apache2/sites-available/node-red.conf, then:",
        "#   sudo a2enmod ssl headers rewrite proxy proxy_http proxy_wstunnel auth_basic authn_file",
        "#   sudo a2ensite node-red && sudo systemctl restart apache2",
        f"# Before, `sudo a2dissite NAME` for 000-default and each site that serves {site.host} today (`apache2ctl -S`",
        "# lists them): what stays enabled goes on answering in clear.",
        "# Certificate and key: write the paths of yours at SSLCertificateFile and SSLCertificateKeyFile, twice each.",
        f"# Who may log in: sudo htpasswd -B {HTPASSWD} NAME (the first time with -c).",
        "ServerTokens Prod",
        "ServerSignature Off",
        "SSLStrictSNIVHostCheck on",
        "SSLSessionTickets off",
        "",
        "# Nothing but the way to HTTPS; the name is written out, so that no header chooses it.",
        f"<VirtualHost *:{site.http_port}>",
        "    RewriteEngine on",
        '    RewriteCond "%{REQUEST_URI}" "!^/\\.well-known/acme-challenge/"',
        f"    RewriteRule ^ {site.origin}%{{REQUEST_URI}} [R=308,L,NE]",
        "</VirtualHost>",
        "",
        "# The first of a port is what no other name has: whoever asks for another name gets nothing.",
        f"<VirtualHost *:{site.port}>",
        "    ServerName other.invalid",
        *(f"    {line}" for line in tls),
        "    Redirect 404 /",
        "</VirtualHost>",
        "",
        f"<VirtualHost *:{site.port}>",
        f"    ServerName {host}",
        *(f"    {line}" for line in [*tls, *rules]),
        "</VirtualHost>",
    ]
    return {FILE: "\n".join(lines) + "\n"}


def certificate(site: Site) -> str:
    """Return where the paths of the certificate and its key stand."""
    names = "SSLCertificateFile and SSLCertificateKeyFile"
    return f"which certificate and key Apache httpd presents: write their paths at {names} in {FILE}"
