"""Caddy in front of Node-RED: whole Caddyfiles, adapted by a real Caddy and reduced as on the host."""

from __future__ import annotations

import json
import subprocess
from functools import cache

import pytest
from seen import target, violations

from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.model_host import (
    CaddyConfig,
    CaddyMatch,
    CaddyRoute,
    CaddyServer,
    CaddyStep,
    ChannelSettings,
    ListeningSocket,
)
from pytest_nodered_sec.probes.host import PROGRAM
from pytest_nodered_sec.probes.host_parts import _routes
from pytest_nodered_sec.rules.proxy import guards_page, guards_path, way_is_guarded
from pytest_nodered_sec.rules.settings import channels_are_guarded

SOCKETS = (ListeningSocket("tcp", "127.0.0.1", 1880),)
LOGIN = "basic_auth @gated {\nadmin $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG\n}"
RED = "reverse_proxy 127.0.0.1:1880"


@cache
def reduced(text: str) -> CaddyConfig:
    """Adapt a Caddyfile with Caddy itself, and reduce it with the functions of the program for the host's Node."""
    adapt = [str(toolchain.caddy()), "adapt", "--config", "/dev/stdin", "--adapter", "caddyfile"]
    adapted = subprocess.run(adapt, input=text, capture_output=True, text=True, check=True, timeout=20).stdout
    servers = json.loads(adapted)["apps"]["http"]["servers"]
    program = PROGRAM.replace("if (INPUT.child) evaluate(); else main();", "")
    program = f"const INPUT = {{}}, SERVERS = {json.dumps(servers)};\n{program}\n"
    program += "console.log(JSON.stringify(Object.values(SERVERS).map((one) => routed(one.routes))))"
    run = [str(toolchain.node()), "-"]
    done = subprocess.run(run, input=program, capture_output=True, text=True, check=True, timeout=20)
    assert "$2a$14" not in done.stdout
    dials = (("127.0.0.1:1880", False),)
    names = [(name, tuple(one["listen"])) for name, one in servers.items()]
    return CaddyConfig(
        "Caddyfile",
        tuple(
            CaddyServer(name, listen, True, dials, _routes(routes))
            for (name, listen), routes in zip(names, json.loads(done.stdout), strict=True)
        ),
        SOCKETS,
    )


SITES = {
    "everything": (f"{LOGIN.replace('@gated', '')}\n{RED}", [], True),
    "nothing": (RED, [], False),
    "path, which ignores letter case": (f"@gated path /ui /ui/* /dashboard /dashboard/*\n{LOGIN}\n{RED}", [], True),
    "a pattern that does not": (f"@gated path_regexp ^/ui(/|$)\n{LOGIN}\n{RED}", ["letter-case"], False),
    "a pattern that does": (f"@gated path_regexp (?i)^/ui(/|$)\n{LOGIN}\n{RED}", [], True),
    "all but sockets": (f"@gated not path */socket.io/*\n{LOGIN}\n{RED}", ["socket", "socket"], False),
    "a page only": (f"@gated path /ui/\n{LOGIN}\n{RED}", ["socket"], False),
    "a login for some": (f"@gated not header Remote-User *\n{LOGIN}\n{RED}", [], False),
    "asked elsewhere": (f"forward_auth 127.0.0.1:9091 {{\nuri /verify\n}}\n{RED}", [], True),
    "in a block": (f"handle /ui/* {{\n{LOGIN.replace('@gated', '')}\n{RED}\n}}\nhandle {{\n{RED}\n}}", [], True),
    "in a block, its socket in another": (
        f"handle /ui/socket.io/* {{\n{RED}\n}}\nhandle /ui/* {{\n{LOGIN.replace('@gated', '')}\n{RED}\n}}",
        ["socket"],
        False,
    ),
    "elsewhere": ("handle /ui/* {\nreverse_proxy 127.0.0.1:3000\n}\nhandle {\n" + RED + "\n}", [], False),
    "answered, if some condition holds": (f"@far not remote_ip 10.0.0.0/8\nrespond @far 403\n{RED}", [], False),
    "answered": (f"@ui path /ui /ui/*\nrespond @ui 404\n{RED}", [], False),
    "rewritten": (f"handle_path /ui/* {{\n{RED}\n}}", [], False),
}


@pytest.mark.parametrize("name", SITES)
def test_who_is_asked_for_a_login(name: str) -> None:
    site, expected, guarded = SITES[name]
    seen = reduced(f"https://plant.example {{\n{site}\n}}\n")
    assert [one.code for one in violations(way_is_guarded(seen, target().policy))] == expected
    assert guards_page(seen, "/ui") is guarded


def test_each_name_has_its_own_way() -> None:
    gated = f"https://plant.example {{\n{LOGIN.replace('@gated', '')}\n{RED}\n}}\n"
    assert guards_path(reduced(gated), "/ws/line")
    assert not guards_path(reduced(f"{gated}https://other.example {{\n{RED}\n}}\n"), "/ws/line")
    assert guards_path(reduced(f"{gated}https://other.example {{\nrespond 404\n}}\n"), "/ws/line")


def test_channels_that_caddy_guards() -> None:
    gated = reduced(f"https://plant.example {{\n{LOGIN.replace('@gated', '')}\n{RED}\n}}\n")
    dashboards = (("ui", False, False),)
    seen = ChannelSettings("settings.js", dashboards, ("/ws/line",), False, "", ("/ui",), gated)
    assert violations(channels_are_guarded(seen, target().policy)) == ()


def test_what_only_json_can_say() -> None:
    """Two sets of conditions, a pattern that is none of Python's, and a group of which the first is taken."""
    proxy, login = CaddyStep("proxy", ("127.0.0.1:1880",)), CaddyStep("login")
    sets = (CaddyMatch(paths=("/hmi/*",)), CaddyMatch(pattern=r"^/ui/\pL", others=True))
    for routes, guarded in (
        ((CaddyRoute((), (CaddyStep("other"), login, proxy)),), True),
        ((CaddyRoute(sets, (login,)), CaddyRoute((), (proxy,))), False),
        ((CaddyRoute((CaddyMatch(pattern="^/("),), (login,)), CaddyRoute((), (proxy,))), False),
        ((CaddyRoute((), (login,), "one"), CaddyRoute((), (proxy,), "one")), True),
        ((CaddyRoute((), (CaddyStep("other"),), "one"), CaddyRoute((), (proxy,), "one")), False),
        ((CaddyRoute((), (), last=True), CaddyRoute((), (proxy,))), False),
    ):
        server = CaddyServer("srv0", (":443",), True, (("127.0.0.1:1880", False),), routes)
        assert guards_page(CaddyConfig("caddy.json", (server,), SOCKETS), "/ui") is guarded
