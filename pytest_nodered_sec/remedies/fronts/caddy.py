"""Caddy: one Caddyfile. It gets its certificate by itself; for a private CA a `tls` line names the files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.remedies.fronts import common

if TYPE_CHECKING:
    from pytest_nodered_sec.remedies.model import Site

CLIENTS: Final = "/etc/caddy/node-red-clients.pem"
FILE: Final = "Caddyfile"
ACCOUNTS: Final = "/etc/caddy/node-red-accounts"


def write(site: Site) -> dict[str, str]:
    """Return the whole configuration, for /etc/caddy/Caddyfile."""
    headers = [
        "header {",
        *(f'\t{name} "{value}"' for name, value in common.added(site).items()),
        *(f"\t-{name}" for name in common.HIDDEN),
        *(['\t>Set-Cookie "(.*)" "$1; Secure; HttpOnly; SameSite=Lax"'] if site.cookies else []),
        "\tdefer",
        "}",
    ]
    gate = common.gated(site)
    login = [
        f"@gated path_regexp (?i){gate}",
        f"basic_auth @gated bcrypt {common.REALM} {{",
        f"\timport {ACCOUNTS}",
        "}",
    ]
    sockets = common.upgraded(site)
    listed = " ".join(f"{path} {path}/*" for path in sockets)
    rules = [
        *_tls(site),
        f"@dots vars_regexp {{http.request.orig_uri}} `(?i)^[^?]*{common.DOTS.replace('|$)', '|[?]|$)')}`",
        "error @dots 404",
        *(
            [f"@withheld path_regexp (?i){common.withheld(site)}", "error @withheld 403"]
            if common.withheld(site)
            else []
        ),
        *(["@foreign header Sec-Fetch-Site cross-site", "error @foreign 403"] if gate == "^/" else []),
        *(login if gate else []),
        *([f"@page not path {listed}", "request_header @page -Upgrade"] if sockets else ["request_header -Upgrade"]),
        *(f"request_header -{name}" for name in common.IDENTITY),
        *headers,
        f"reverse_proxy 127.0.0.1:{site.direct_port}",
        "# What basic_auth refuses is an error, and passes by the site's own headers.",
        "handle_errors {",
        *(f"\t{line}" for line in headers),
        '\trespond "" {err.status_code}',
        "}",
    ]
    lines = [
        f"# {site.name}: /etc/caddy/Caddyfile, in place of the block that serves {site.host} today.",
        "# Caddy gets the certificate from Let's Encrypt by itself, where that reaches this host. Otherwise write, as",
        f"# first line of {site.origin}, `tls CERTIFICATE KEY` (two files) or `tls internal` (a CA of Caddy's own).",
        f"# Who may log in: {ACCOUNTS}, one line for each account: its name, and what `caddy hash-password` prints.",
        *([f"{{\n\thttp_port {site.http_port}\n\thttps_port {site.port}\n}}"] if _moved(site) else []),
        "",
        "# Nothing but the way to HTTPS; the name is written out, so that no header chooses it.",
        "http:// {",
        f"\tredir {site.origin}{{uri}} 308",
        "}",
        "",
        "# Whoever asks for another name gets nothing.",
        "https:// {",
        "\trespond 421",
        "}",
        "",
        f"{site.origin} {{",
        *(f"\t{line}" for line in rules),
        "}",
    ]
    return {FILE: "\n".join(lines) + "\n"}


def certificate(site: Site) -> str:
    """Return what to write where Caddy does not get its certificate by itself."""
    own = "`tls CERTIFICATE KEY` (two files) or `tls internal` (a CA of Caddy's own)"
    return (
        "which certificate Caddy presents: it gets one from Let's Encrypt by itself, where that reaches this host; "
        f"otherwise write {own} as the first line of {site.origin} in {FILE}"
    )


def for_lab(site: Site) -> tuple[str, ...]:
    """Return how a part of the configuration becomes the lab's, which writes the rest itself."""
    return (
        f"Into the directory's Caddyfile goes only what stands inside the last block, {site.origin}.",
        f"In place of `import {ACCOUNTS}` write the accounts themselves: a name and a hash (`caddy hash-password`).",
        f"Write 127.0.0.1:1880 in place of 127.0.0.1:{site.direct_port}: it stands for the lab's Node-RED.",
    )


def _moved(site: Site) -> bool:
    return (site.http_port, site.port) != (80, 443)


def _tls(site: Site) -> list[str]:
    """Return what of TLS is not Caddy's own: versions, client certificates; its suites are those of the profile."""
    lines = [] if site.versions == ("1.2", "1.3") else [f"protocols tls{site.versions[0]}"]
    if site.clients:
        lines += ["client_auth {", "\tmode require_and_verify", f"\ttrust_pool file {CLIENTS}", "}"]
    return ["tls {", *(f"\t{line}" for line in lines), "}"] if lines else []
