"""Traefik 3: its static configuration, and a dynamic one. Routers differ by path alone, never by what is upgraded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.remedies.fronts import common

if TYPE_CHECKING:
    from pytest_nodered_sec.remedies.model import Site

CLIENTS: Final = "/etc/traefik/node-red-clients.pem"
STATIC: Final = "traefik.yml"
DYNAMIC: Final = "node-red.yml"
ACCOUNTS: Final = "/etc/traefik/node-red-accounts"

_GO: Final = tuple(
    f"TLS_ECDHE_{key}_WITH_{cipher}"
    for cipher in ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256")
    for key in ("ECDSA", "RSA")
)


def write(site: Site) -> dict[str, str]:
    """Return both configurations, for /etc/traefik/traefik.yml and /etc/traefik/dynamic/node-red.yml."""
    static: dict[str, object] = {
        "entryPoints": {"web": {"address": f":{site.http_port}"}, "websecure": {"address": f":{site.port}"}},
        "providers": {"file": {"directory": "/etc/traefik/dynamic"}},
    }
    head = [
        f"# {site.name}: /etc/traefik/dynamic/node-red.yml. Traefik sees to dot segments by itself, and cannot give",
        f"# cookies their flags. Who may log in: htpasswd -B {ACCOUNTS} NAME (the first time with -c).",
        f"# Take away other routers for {site.host}. Certificate and key: the paths of yours at certFile and keyFile.",
    ]
    return {
        STATIC: f"# {site.name}: /etc/traefik/traefik.yml\n" + _yaml(static),
        DYNAMIC: "\n".join(head) + "\n" + _yaml(_dynamic(site)),
    }


def certificate(site: Site) -> str:
    """Return where the paths of the certificate and its key stand."""
    return f"which certificate and key Traefik presents: write their paths at certFile and keyFile in {DYNAMIC}"


def _dynamic(site: Site) -> dict[str, object]:
    host = f"[{site.host}]" if ":" in site.host else site.host
    own = f"Host(`{host}`)"
    gate = common.gated(site)
    told = common.added(site)
    middlewares: dict[str, object] = {
        "told": {
            "headers": {
                "stsSeconds": site.hsts,
                "contentTypeNosniff": True,
                "contentSecurityPolicy": told["Content-Security-Policy"],
                "customResponseHeaders": dict.fromkeys(common.HIDDEN, ""),
                "customRequestHeaders": dict.fromkeys(common.IDENTITY, ""),
            }
        },
        "page": {"headers": {"customRequestHeaders": {"Upgrade": ""}}},
        "nobody": {"ipAllowList": {"sourceRange": ["192.0.2.0/32"]}},
        "to-https": {
            "redirectRegex": {"regex": "^http://[^/]+(.*)", "replacement": f"{site.origin}${{1}}", "permanent": True}
        },
        "login": {"basicAuth": {"usersFile": ACCOUNTS, "realm": common.REALM, "removeHeader": False}},
    }
    routers = {
        "plain": _router("web", "PathPrefix(`/`)", ["to-https"], 1, "noop@internal"),
        # whoever asks for another name is turned away: a 404 would not say that there is a gate
        "strangers": _router("websecure", "PathPrefix(`/`)", ["nobody"], 1),
        "rest": _router("websecure", own, ["told", "page"], 10),
    }
    if common.withheld(site):
        withheld = f"{own} && PathRegexp(`(?i){common.withheld(site)}`)"
        routers["withheld"] = _router("websecure", withheld, ["told", "nobody"], 40)
    if gate == "^/":
        foreign = f"{own} && Header(`Sec-Fetch-Site`, `cross-site`)"
        routers["foreign"] = _router("websecure", foreign, ["told", "nobody"], 50)
        routers["rest"] = _router("websecure", own, ["told", "login"], 10)
    elif gate:
        routers["gated"] = _router("websecure", f"{own} && PathRegexp(`(?i){gate}`)", ["told", "login"], 20)
    if site.comms and gate != "^/":
        comms = f"{own} && PathRegexp(`(?i){common.pattern([site.comms])}`)"
        routers["comms"] = _router("websecure", comms, ["told"], 30)
    live = f"/etc/letsencrypt/live/{site.host}"
    options: dict[str, object] = {"minVersion": f"VersionTLS{min(site.versions).replace('.', '')}", "sniStrict": True}
    if "1.2" in site.versions:
        options["cipherSuites"] = list(_GO)
    if site.clients:
        options["clientAuth"] = {"caFiles": [CLIENTS], "clientAuthType": "RequireAndVerifyClientCert"}
    server = [{"url": f"http://127.0.0.1:{site.direct_port}"}]
    return {
        "http": {
            "routers": routers,
            "middlewares": middlewares,
            "services": {"node-red": {"loadBalancer": {"servers": server}}},
        },
        "tls": {
            "certificates": [{"certFile": f"{live}/fullchain.pem", "keyFile": f"{live}/privkey.pem"}],
            "options": {"default": options},
        },
    }


def _router(
    entry: str, rule: str, middlewares: list[str], priority: int, service: str = "node-red"
) -> dict[str, object]:
    router: dict[str, object] = {"entryPoints": [entry], "rule": rule, "middlewares": middlewares}
    router |= {"priority": priority, "service": service}
    return router | ({"tls": {}} if entry == "websecure" else {})


def _yaml(value: dict[str, object], depth: int = 0) -> str:
    """Return nested tables as YAML; what is no table is written as JSON, which YAML reads."""
    lines = []
    for key, inner in value.items():
        name = "  " * depth + json.dumps(key) if not key.replace("-", "").isalnum() else "  " * depth + key
        if isinstance(inner, dict) and inner:
            lines.append(f"{name}:\n{_yaml(inner, depth + 1)}")
        else:
            lines.append(f"{name}: {json.dumps(inner)}\n")
    return "".join(lines)
