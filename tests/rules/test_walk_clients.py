"""Where requests come from as each proxy sees it: by the connection, or as the PROXY protocol says (HAProxy's doc)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_nodered_sec.observations.host import ListeningSocket
from pytest_nodered_sec.observations.host_fronts import FrontConfig
from pytest_nodered_sec.observations.host_proxies import (
    CaddyConfig,
    CaddyMatch,
    CaddyRoute,
    CaddyServer,
    CaddyStep,
    NginxConfig,
)
from pytest_nodered_sec.probes.host import haproxy, nginx, traefik
from pytest_nodered_sec.rules.proxy import gate

SOCKETS = (ListeningSocket("tcp", "127.0.0.1", 1880),)
PASS = "location / { proxy_pass http://127.0.0.1:1880; }"
GEO = "geo $proxy_protocol_addr $near { default 0; 10.0.0.0/8 1; } map $near $realm { 1 off; 0 plant; }"
BY_GEO = f"auth_basic $realm; auth_basic_user_file /x; {PASS}"
NEAR = f"satisfy any; allow 10.0.0.0/8; allow 127.0.0.1; deny all; auth_basic x; auth_basic_user_file /x; {PASS}"
REAL = "real_ip_header proxy_protocol; set_real_ip_from"


def of_nginx(body: str, listen: str = "443 ssl proxy_protocol", http: str = "", stream: str = "") -> str:
    text = f"http {{ {http} server {{ listen {listen}; {body} }} }} stream {{ {stream} }}"
    seen = NginxConfig(nginx.tree(f"# configuration file /etc/nginx/nginx.conf:\n{text}\n"), SOCKETS)
    return gate(seen, "/ui")


@pytest.mark.parametrize(
    ("body", "more", "expected"),
    [
        (f"{REAL} 0.0.0.0/0; {NEAR}", {}, "open"),
        (f"{REAL} 10.0.0.1; {NEAR}", {}, "closed"),
        (f"{REAL} 0.0.0.0/0; {NEAR}", {"listen": "443 ssl"}, "closed"),
        (f"auth_request /a; {REAL} 0.0.0.0/0; location = /a {{ return 204; }} {NEAR}", {}, "open"),
        (BY_GEO, {"http": GEO}, "open"),
        (BY_GEO, {"http": GEO, "listen": "443 ssl"}, "closed"),
        (BY_GEO.replace("$realm", "$proxy_protocol_port"), {}, "open"),
    ],
)
def test_nginx(body: str, more: dict[str, Any], expected: str) -> None:
    assert of_nginx(body, **more) == expected


def test_nginx_behind_its_own_streams() -> None:
    """What a stream server hands on comes from this machine, unless it says by the PROXY protocol where from."""
    stream = "server { listen 443; proxy_pass 127.0.0.1:8443; }"
    assert of_nginx(NEAR, "127.0.0.1:8443 ssl", stream=stream) == "open"
    told = stream.replace("443;", "443; proxy_protocol on;", 1)
    assert of_nginx(f"{REAL} 127.0.0.1; {NEAR}", "127.0.0.1:8443 ssl proxy_protocol", stream=told) == "closed"
    assert of_nginx(BY_GEO, "127.0.0.1:8443 ssl proxy_protocol", GEO, told) == "closed"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("deny 10.0.0.1;", "open"),
        ("allow 10.0.0.0/8; deny all;", "closed"),
        ("allow all; deny all;", "open"),
        ("allow 10.0.0.0/8; deny all; set_real_ip_from 0.0.0.0/0;", "open"),
    ],
)
def test_whom_a_stream_lets_in(rules: str, expected: str) -> None:
    raw = f"server {{ listen 1881; {rules} proxy_pass 127.0.0.1:1880; }}"
    assert of_nginx(f"auth_basic x; auth_basic_user_file /x; {PASS}", "443 ssl", stream=raw) == expected


def of_haproxy(frontend: str, more: str = "") -> str:
    text = (
        f"defaults\nmode http\n{more}\nfrontend f\n{frontend}\ndefault_backend b\nbackend b\nserver s 127.0.0.1:1880\n"
    )
    return gate(FrontConfig("HAProxy", "h.cfg", haproxy.tree([("h.cfg", text)]), SOCKETS), "/ui")


UNLESS_NEAR = "http-request auth unless { src 10.0.0.0/8 127.0.0.1 } || { http_auth(u) }"


@pytest.mark.parametrize(
    ("frontend", "expected"),
    [
        (f"bind :443 ssl crt x\n{UNLESS_NEAR}", "closed"),
        (f"bind :443 ssl crt x accept-proxy\n{UNLESS_NEAR}", "open"),
        (f"bind :443 ssl crt x\ntcp-request connection expect-proxy layer4\n{UNLESS_NEAR}", "open"),
        (
            f"bind :443 ssl crt x\ntcp-request connection expect-proxy layer4 if {{ src 10.1.1.1 }}\n{UNLESS_NEAR}",
            "closed",
        ),
        (f"bind 127.0.0.1:443 ssl crt x\ntcp-request connection expect-proxy layer4\n{UNLESS_NEAR}", "closed"),
    ],
)
def test_haproxy(frontend: str, expected: str) -> None:
    assert of_haproxy(frontend) == expected


@pytest.mark.parametrize(
    ("how", "section"),
    [
        ("default_backend c", "backend c\nmode tcp\nserver s 127.0.0.1:8443"),
        ("use_backend c if TRUE\ndefault_backend none", "backend c\nmode tcp\nserver s 127.0.0.1:8443"),
        ("server s 127.0.0.1:8443\nserver t 10.0.0.1:8443", ""),
    ],
)
def test_haproxy_behind_its_own_connections(how: str, section: str) -> None:
    raw = f"listen raw\nmode tcp\nbind :443\n{how}\n{section}"
    assert of_haproxy(f"bind 127.0.0.1:8443 ssl crt x\n{UNLESS_NEAR}", raw) == "open"
    told = raw.replace("127.0.0.1:8443", "127.0.0.1:8443 send-proxy")
    assert of_haproxy(f"bind 127.0.0.1:8443 ssl crt x accept-proxy\n{UNLESS_NEAR}", told) == "closed"


def test_haproxy_in_front_of_itself() -> None:
    outer = "bind :443 ssl crt x\nhttp-request auth unless { http_auth(u) }\nuse_backend o"
    inner = "backend o\nserver s 127.0.0.1:8080\nfrontend in\nbind 127.0.0.1:8080"
    assert of_haproxy(f"{outer}\n{inner}") == "closed"


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ({}, "closed"),
        ({"proxyProtocol": {"insecure": True}}, "open"),
        ({"proxyProtocol": {"trustedIPs": ["211.77.9.0/24"]}}, "open"),
        ({"proxyProtocol": {"trustedIPs": ["10.0.0.1"]}}, "closed"),
    ],
)
def test_traefik(point: dict[str, Any], expected: str) -> None:
    static = {"entryPoints": {"s": {"address": ":443", **point}}}
    router = {"rule": "PathPrefix(`/`)", "service": "s", "tls": {}, "middlewares": ["near"]}
    http = {
        "routers": {"r": router},
        "middlewares": {"near": {"ipAllowList": {"sourceRange": ["10.0.0.0/8"]}}},
        "services": {"s": {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:1880"}]}}},
    }
    trees = traefik.tree("static", "s.yml", static), traefik.tree("dynamic", "d.yml", {"http": http})
    assert gate(FrontConfig("Traefik", "s.yml", trees, SOCKETS), "/ui") == expected


@pytest.mark.parametrize(
    ("relays", "expected"),
    [((), "closed"), (("10.0.0.0/8",), "closed"), (("0.0.0.0/0", "::/0"), "open"),
     (("*",), "whose PROXY protocol Caddy takes for a client's address is not known")],
)  # fmt: skip
def test_caddy(relays: tuple[str, ...], expected: str) -> None:
    red = CaddyStep("proxy", ("127.0.0.1:1880",), name="reverse_proxy")
    near = CaddyRoute((CaddyMatch(networks=("10.0.0.0/8",)),), (red,))
    rest = CaddyRoute((), (CaddyStep("login", name="authentication"), red))
    server = CaddyServer("srv0", (":443",), True, (("127.0.0.1:1880", False),), (near, rest))
    assert gate(CaddyConfig("c", (replace(server, relays=relays),), SOCKETS), "/ui") == expected
