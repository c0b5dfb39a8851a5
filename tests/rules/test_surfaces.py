"""Every surface of Node-RED's is followed through each proxy: dashboards, endpoints, WebSockets, admin API, /comms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from seen import target, violations

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
from pytest_nodered_sec.policy.model import Endpoint
from pytest_nodered_sec.probes.host import haproxy
from pytest_nodered_sec.probes.host.nginx import tree
from pytest_nodered_sec.remedies import fronts
from pytest_nodered_sec.remedies.model import Site
from pytest_nodered_sec.rules.proxy import gate, way_is_guarded
from pytest_nodered_sec.rules.surfaces import wanted
from pytest_nodered_sec.rules.walk.pages import Surface

if TYPE_CHECKING:
    Config = NginxConfig | CaddyConfig | FrontConfig

SOCKETS = (ListeningSocket("tcp", "127.0.0.1", 1880),)
GUARD = "auth_basic x; auth_basic_user_file /x;"
RED = "proxy_pass http://127.0.0.1:1880;"
LOGIN = CaddyStep("login", name="authentication")
PROXY = CaddyStep("proxy", ("127.0.0.1:1880",), name="reverse_proxy")
ORDERS = Endpoint("/api/orders", "POST")


def nginx(*locations: str, listen: str = "443 ssl", admin: str = "/", node: str = "/") -> NginxConfig:
    body = "".join(f"location {location} }} " for location in locations)
    text = f"events {{}} http {{ server {{ listen {listen}; {body} }} }}"
    return NginxConfig(tree(f"# configuration file /n.conf:\n{text}"), SOCKETS, "", admin, node)


def caddy(*open_paths: str, listen: str = ":443") -> CaddyConfig:
    gated = CaddyRoute((CaddyMatch(none=(CaddyMatch(paths=open_paths),)),) if open_paths else (), (LOGIN,))
    server = CaddyServer("srv0", (listen,), True, (("127.0.0.1:1880", False),), (gated, CaddyRoute((), (PROXY,))))
    return CaddyConfig("Caddyfile", (server,), SOCKETS, "/")


def balanced(rules: str, bind: str = ":443 ssl") -> FrontConfig:
    head = f"defaults\nmode http\nfrontend web\nbind {bind}\n{rules}\n"
    text = f"{head}default_backend red\nbackend red\nserver a 127.0.0.1:1880"
    return FrontConfig("HAProxy", "h.cfg", haproxy.tree([("h.cfg", text)]), SOCKETS, "/")


def test_what_is_asked_for() -> None:
    policy = target(websockets=("/ws/plant",), protected_paths=(ORDERS,), admin_api="proxied").policy
    assert wanted(nginx(admin="/admin/", node="/node"), policy) == (
        Surface("/node/ui"), Surface("/node/dashboard"), Surface("/node/ws/plant", "socket"),
        Surface("/node/api/orders", "path", "POST"), Surface("/admin/flows", "path", gated=True),
        Surface("/admin/flows", "path", "POST", gated=True, twin=True), Surface("/admin/comms", "socket", gated=True),
    )  # fmt: skip
    assert [surface.kind for surface in wanted(nginx(admin=""), target().policy)] == ["page", "page"]
    assert [surface.kind for surface in wanted(nginx(), target(admin_api="disabled").policy)] == ["page", "page"]


ALL = f"/ {{ {GUARD} {RED}"


@pytest.mark.parametrize(
    ("seen", "demands", "expected"),
    [
        (nginx(ALL), {"admin_api": "proxied"}, []),
        (nginx(f"/ {{ {RED}"), {}, []),  # Node-RED's own login must
        (nginx(f"/ {{ {RED}"), {"admin_api": "proxied"}, ["no-login", "no-login"]),
        (nginx(ALL, f"/api/ {{ {RED[:-1]}/;"), {"admin_api": "proxied"}, ["alias", "alias", "alias", "alias"]),
        (nginx(ALL, f"/comms {{ {RED}"), {"admin_api": "proxied"}, ["no-login"]),
        (nginx(ALL, f"/comms {{ {RED}"), {}, []),
        (nginx(f"/ {{ {RED}", f"/flows {{ {GUARD} {RED}"), {}, ["letter-case"]),
        (nginx(f"/ {{ {RED}", f"= /flows {{ {GUARD} {RED}"), {}, ["letter-case"]),
        (nginx(f"/ {{ {RED}", f"/api/ {{ {GUARD} {RED}"), {"protected_paths": (ORDERS,)}, ["letter-case"]),
        (nginx(f"/ {{ {RED}", f"~* ^/api/ {{ {GUARD} {RED}"), {"protected_paths": (ORDERS,)}, []),
        (
            nginx(f"/ {{ limit_except POST {{ deny all; }} {RED}", f"~* ^/api/ {{ {GUARD} {RED}"),
            {"protected_paths": (ORDERS,)}, [],
        ),
        (
            nginx(f"/ {{ {RED}", f"/api/ {{ limit_except POST {{ {GUARD} }} {RED}"),
            {"protected_paths": (ORDERS,)}, [],  # nothing is guarded there by nginx
        ),
        (nginx(f"/ {{ limit_except POST {{ {GUARD} }} {RED}"), {"admin_api": "proxied"}, ["no-login"]),
        (nginx(f"/ {{ limit_except POST {{ {GUARD} }} {RED}"), {}, []),
        (balanced("http-request auth if METH_GET !{ http_auth(u) }"), {"admin_api": "proxied"}, ["no-login"]),
        (nginx(ALL, f"/x/ {{ {RED[:-1]}/ws/;"), {"websockets": ("/ws/plant",), "dashboards": ("/hmi",)}, ["alias"]),
        (nginx(f"/ {{ {RED}", listen="127.0.0.1:8080"), {"admin_api": "proxied"}, ["plain"]),
        (caddy(), {"admin_api": "proxied"}, []),
        (caddy("/flows", "/comms"), {"admin_api": "proxied"}, ["no-login", "no-login"]),
        (caddy("*"), {"admin_api": "proxied"}, ["no-login", "no-login"]),
        (caddy("*", listen="127.0.0.1:8443"), {"admin_api": "proxied"}, []),
        (balanced("http-request auth unless { http_auth(u) }"), {"admin_api": "proxied"}, []),
        (balanced(""), {"admin_api": "proxied"}, ["no-login", "no-login"]),
        (balanced("", bind="127.0.0.1:1 ssl"), {"admin_api": "proxied"}, []),
        (balanced("http-request auth if METH_POST !{ http_auth(u) } { path_beg /api }"), {"protected_paths": (ORDERS,)},
         ["letter-case"]),
    ],
)  # fmt: skip
def test_every_surface_is_followed(seen: Config, demands: dict[str, Any], expected: list[str]) -> None:
    assert [fault.code for fault in violations(way_is_guarded(seen, target(**demands).policy))] == expected


def test_a_gate_for_reading_alone_names_the_method() -> None:
    seen = nginx(f"/ {{ limit_except POST {{ {GUARD} }} {RED}")
    [fault] = violations(way_is_guarded(seen, target(admin_api="proxied").policy))
    assert "no login at POST /flows: the policy says" in fault.observed


def test_what_a_fix_writes_passes() -> None:
    site = Site(
        "a", "plant.example", admin_api="proxied", dashboards=("/ui",), channels=("/ws/line",), endpoints=("/x",)
    )
    [lines] = fronts.haproxy.write(site).values()
    [text] = fronts.nginx.write(site).values()
    for seen in (
        FrontConfig("HAProxy", "h.cfg", haproxy.tree([("h.cfg", lines)]), SOCKETS, "/", "/"),
        NginxConfig(tree(f"# configuration file /n.conf:\nhttp {{ {text} }}"), SOCKETS, "", "/", "/"),
    ):
        assert way_is_guarded(seen, target(admin_api="proxied", dashboards=("/ui",)).policy) == ()
        assert gate(seen, "/ui") == "closed"
