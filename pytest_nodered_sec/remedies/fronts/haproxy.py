"""HAProxy: one haproxy.cfg. The login stands in the frontend, before any backend is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.remedies.fronts import common

if TYPE_CHECKING:
    from pytest_nodered_sec.remedies.model import Site

CLIENTS: Final = "/etc/haproxy/node-red-clients.pem"
FILE: Final = "haproxy.cfg"
USERS: Final = "the section `userlist node-red-operators`"


def certificate(site: Site) -> str:
    """Return where the certificate and its key stand."""
    return f"which certificate and key HAProxy presents: put both into one file, {_pem(site)}, or name yours in {FILE}"


def _pem(site: Site) -> str:
    return f"/etc/haproxy/certs/{site.host}.pem"


def _both(port: int) -> str:
    """Return a port of IPv4 and of IPv6: a port alone means IPv4."""
    return f":{port},[::]:{port} v6only"


def write(site: Site) -> dict[str, str]:
    """Return the whole configuration, for /etc/haproxy/haproxy.cfg."""
    host = f"[{site.host}]" if ":" in site.host else site.host
    gate = common.gated(site)
    sockets = common.upgraded(site)
    rules = [
        f"http-request return status 421 unless {{ hdr(host) -i {host} {host}:{site.port} }}",
        f"http-request return status 404 if {{ url_reg -i '^[^?]*{common.DOTS.replace('|$)', '|[?]|$)')}' }}",
        *(
            [f"http-request return status 403 if {{ path_reg -i '{common.withheld(site)}' }}"]
            if common.withheld(site)
            else []
        ),
        *(["http-request deny status 403 if { req.hdr(Sec-Fetch-Site) cross-site }"] if gate == "^/" else []),
        *(
            [
                f"http-request auth realm {common.REALM} if "
                f"{{ path_reg -i '{gate}' }} !{{ http_auth(node-red-operators) }}"
            ]
            if gate
            else []
        ),
        "http-request del-header Upgrade"
        + (f" unless {{ path_reg -i '{common.pattern(sockets)}' }}" if sockets else ""),
        *(f"http-request del-header {name}" for name in common.IDENTITY),
        "http-request set-header X-Forwarded-Proto https",
        "http-request set-header X-Forwarded-Host %[req.hdr(Host)]",
        "http-request set-header X-Forwarded-For %[src]",
        *(f'http-after-response set-header {name} "{value}"' for name, value in common.added(site).items()),
        *(f"http-after-response del-header {name}" for name in common.HIDDEN),
        *(
            [r"http-after-response replace-header Set-Cookie (.*) '\1; Secure; HttpOnly; SameSite=Lax'"]
            if site.cookies
            else []
        ),
        "default_backend node-red",
    ]
    lines = [
        f"# {site.name}: /etc/haproxy/haproxy.cfg. You add who may log in: {USERS}",
        "# with a line `user NAME password HASH` for each account (the hash: openssl passwd -6). Certificate and key",
        f"# stand together in {_pem(site)}.",
        "# Where the kernel has no IPv6 (ipv6.disable=1), take out `,[::]:PORT v6only` twice.",
        "global",
        f"    ssl-default-bind-options ssl-min-ver TLSv{min(site.versions)} no-tls-tickets",
        f"    ssl-default-bind-ciphers {common.CIPHERS}",
        "",
        "defaults",
        "    mode http",
        "    timeout connect 5s",
        "    timeout client 1m",
        "    timeout server 1m",
        "    timeout tunnel 1h",
        "",
        "# Nothing but the way to HTTPS; the name is written out, so that no header chooses it.",
        "frontend plain",
        f"    bind {_both(site.http_port)}",
        f"    http-request redirect prefix {site.origin} code 308",
        "",
        "frontend secure",
        f"    bind {_both(site.port)} ssl crt {_pem(site)} alpn http/1.1"
        + (f" ca-file {CLIENTS} verify required" if site.clients else ""),
        *(f"    {line}" for line in rules),
        "",
        "backend node-red",
        f"    server node-red 127.0.0.1:{site.direct_port}",
    ]
    return {FILE: "\n".join(lines) + "\n"}
