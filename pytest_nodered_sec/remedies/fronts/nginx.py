"""nginx: one file for `sites-available`, with what stands around the server block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.remedies.fronts import common
from pytest_nodered_sec.remedies.lines import HTPASSWD

if TYPE_CHECKING:
    from pytest_nodered_sec.remedies.model import Site

CLIENTS: Final = "/etc/nginx/node-red-clients.pem"
FILE: Final = "nginx-node-red.conf"


def write(site: Site) -> dict[str, str]:
    """Return the whole configuration, for /etc/nginx/sites-available/node-red."""
    live = f"/etc/letsencrypt/live/{site.host}"
    tls = [
        f"ssl_certificate {live}/fullchain.pem;",
        f"ssl_certificate_key {live}/privkey.pem;",
        f"ssl_protocols {' '.join(f'TLSv{version}' for version in site.versions)};",
        *([f"ssl_ciphers {common.CIPHERS};"] if "1.2" in site.versions else []),
        "ssl_session_tickets off;",
        *([f"ssl_client_certificate {CLIENTS};", "ssl_verify_client on;"] if site.clients else []),
    ]
    blocks = [
        f"# {site.name}: /etc/nginx/sites-available/node-red, linked into sites-enabled.",
        f"# Take out of sites-enabled what serves {site.host} today, and `default`: of two default servers at one port",
        "# nginx takes none.",
        "# Certificate and key: write the paths of yours at ssl_certificate and ssl_certificate_key, twice each.",
        f"# Who may log in: {HTPASSWD}, one line for each account:",
        f"#   printf 'operator:%s\\n' \"$(openssl passwd -6)\" | sudo tee -a {HTPASSWD} >/dev/null",
        "# Then `sudo nginx -t && sudo systemctl restart nginx`: where today's `listen` names an address, a reload",
        "# cannot take the port over; it leaves all as it is, and says so in /var/log/nginx/error.log alone.",
        "# Where the kernel has no IPv6 (ipv6.disable=1), take out the lines with [::].",
        "server_tokens off;",
        "proxy_http_version 1.1;",
        "# Upgrade is passed on to live channels and nowhere else.",
        _map("$uri $node_red_upgrade", upgrades(site)),
        'map $node_red_upgrade $node_red_connection { default upgrade; "" ""; }',
        f"upstream node_red {{ server 127.0.0.1:{site.direct_port}; }}",
        "",
        "# Nothing but the way to HTTPS; the name is written out, so that no header chooses it.",
        _block(
            "server",
            [
                *_listen(f"{site.http_port} default_server"),
                "location /.well-known/acme-challenge/ { root /var/www/letsencrypt; }",
                f"location / {{ return 308 {site.origin}$request_uri; }}",
            ],
        ),
        "",
        "# Whoever asks for another name gets nothing.",
        _block("server", [*_listen(f"{site.port} ssl default_server"), *tls, "return 444;"]),
        "",
        _block("server", [*_listen(f"{site.port} ssl"), f"server_name {_name(site)};", *tls, *_rules(site)]),
    ]
    return {FILE: "\n".join(blocks) + "\n"}


def certificate(site: Site) -> str:
    """Return where the paths of the certificate and its key stand."""
    names = "ssl_certificate and ssl_certificate_key"
    return f"which certificate and key nginx presents: write their paths at {names} in {FILE}"


def _listen(what: str) -> list[str]:
    """Return the lines by which a server listens in IPv4 and in IPv6: a port alone means IPv4."""
    return [f"listen {what};", f"listen [::]:{what};"]


def _name(site: Site) -> str:
    return f"[{site.host}]" if ":" in site.host else site.host


def upgrades(site: Site) -> dict[str, str]:
    """Return what `Upgrade` becomes, by path."""
    paths = common.upgraded(site)
    return {"default": '""'} | ({f'"~*{common.pattern(paths)}"': "$http_upgrade"} if paths else {})


def _rules(site: Site) -> list[str]:
    gate = common.gated(site)
    lines = [
        f'if ($request_uri ~* "^[^?]*{common.DOTS.replace("|$)", "|[?]|$)")}") {{ return 404; }}',
        *(f'add_header {name} "{value}" always;' for name, value in common.added(site).items()),
        *(f"proxy_hide_header {name};" for name in (*common.added(site), *common.HIDDEN)),
        *(["proxy_cookie_flags ~ secure httponly samesite=lax;"] if site.cookies else []),
        "proxy_set_header Host $http_host;",
        "proxy_set_header Upgrade $node_red_upgrade;",
        "proxy_set_header Connection $node_red_connection;",
        "proxy_set_header X-Forwarded-Proto $scheme;",
        "proxy_set_header X-Forwarded-Host $http_host;",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_set_header X-Real-IP $remote_addr;",
        *(f'proxy_set_header {name} "";' for name in common.IDENTITY),
        *([f'location ~* "{common.withheld(site)}" {{ return 403; }}'] if common.withheld(site) else []),
    ]
    login = [f'auth_basic "{common.REALM}";', f"auth_basic_user_file {HTPASSWD};"]
    passes = "proxy_pass http://node_red;"
    if gate == "^/":
        lines += ["if ($http_sec_fetch_site = cross-site) { return 403; }", *login]
    elif gate:
        lines.append(_block(f'location ~* "{gate}"', [*login, passes]))
    return [*lines, _block("location /", [passes])]


def _map(head: str, values: dict[str, str]) -> str:
    return _block(f"map {head}", [f"{key} {value};" for key, value in values.items()])


def _block(head: str, lines: list[str]) -> str:
    inner = "\n".join(f"    {line}" for text in lines for line in text.split("\n"))
    return f"{head} {{\n{inner}\n}}"


def for_lab(site: Site) -> tuple[str, ...]:
    """Return how a part of the configuration becomes the lab's, which writes the rest itself."""
    return (
        f"Into the directory's nginx.conf goes only what stands inside the last server block, of {site.host}, "
        "without listen, server_name and what begins with ssl_.",
        "The accounts stand in the directory's htpasswd.",
        "Write http://nodered in place of http://node_red, $http_upgrade in place of $node_red_upgrade, and "
        "$connection_upgrade in place of $node_red_connection.",
    )
