"""Gates as sites write them for Traefik, with routers: what opens them is found, and their sound twins are left alone.

A line of a gate is a router, "RULE [PRIORITY] -> MIDDLEWARES", or "entry JSON", what its entry point has besides.
"""

from __future__ import annotations

import contextlib
import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from servers import running
from waylab import ELSEWHERE, HASH, Pair, open_node_red, standing

from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.lab.ports import accepts, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from waylab import Street

pytestmark = pytest.mark.live
CLOSED = "PathPrefix(`/`) -> login"
TRUSTING = 'entry {"forwardedHeaders": {"insecure": true}}'


def unless(rule: str, *more: str) -> str:
    """Return a gate that asks for no login where a rule matches."""
    return "\n".join((f"{rule} [100] ->", CLOSED, *more))


def refusing(rule: str) -> str:
    """Return a gate that refuses what a rule matches, and asks everybody else for the login."""
    return f"{rule} [100] -> nobody\n{CLOSED}"


def says(header: str, pattern: str = ".") -> str:
    """Return the rule for a header."""
    return f"HeaderRegexp(`{header}`, `{pattern}`)"


_PAGES = "PathRegexp(`(?i)^/(ui|api|ws)(/|$)`) [20] ->"
_EXACTLY = "(Path(`/ui`) || PathPrefix(`/ui/`) || PathPrefix(`/api/`) || PathPrefix(`/ws/`)) [30] -> login"
_FORWARDING = 'entry {"forwardedHeaders": {"insecure": true}}\nPathPrefix(`/`) -> '
GATES = {
    "head": Pair(unless("Method(`HEAD`)"), "proxy-05:head", refusing("Method(`HEAD`)")),
    "monitor": Pair(
        unless(says("User-Agent", "kube-probe")),
        "proxy-05:monitor",
        unless(f"ClientIP(`192.0.2.7`) && {says('User-Agent', 'kube-probe')}"),
    ),
    "nameless": Pair(unless(f"!{says('User-Agent')}"), "proxy-05:nameless", refusing(f"!{says('User-Agent')}")),
    "bearer": Pair(
        unless(says("Authorization", "^Bearer ")),
        "proxy-05:bearer admin-02:served",
        refusing(says("Authorization", "^Bearer ")),
    ),
    "cookie": Pair(unless(says("Cookie", "session=")), "proxy-05:credential-shaped", CLOSED),
    "flag": Pair(unless(says("Cookie", "loggedin=true")), "proxy-05:flagged", CLOSED),
    "key": Pair(
        unless(says("X-Api-Key")), "proxy-05:credential-shaped", unless("Header(`X-Api-Key`, `s3kr1t9-of-this-site`)")
    ),
    "events": Pair(
        unless("Header(`Accept`, `text/event-stream`)"),
        "proxy-05:events",
        refusing("Header(`Accept`, `text/event-stream`)"),
    ),
    "same-site": Pair(
        unless("Header(`Sec-Fetch-Site`, `same-origin`)"),
        "proxy-05:browser",
        refusing("Header(`Sec-Fetch-Site`, `cross-site`)"),
    ),
    "referer": Pair(unless(says("Referer", "^https://localhost")), "proxy-05:browser", CLOSED),
    "origin": Pair(unless(says("Origin", "^https://localhost:[0-9]+$")), "proxy-05:browser", CLOSED),
    "query": Pair(unless("QueryRegexp(`token`, `.`)"), "proxy-05:query", refusing("QueryRegexp(`token`, `.`)")),
    "transport": Pair(
        unless("Query(`transport`, `websocket`)"),
        "proxy-05:transport dash-02:channel-open roots-01:undeclared",
        CLOSED,
    ),
    "cdn": Pair(
        f"{says('CF-Ray')} [100] ->\nPathPrefix(`/`) -> nobody",
        "proxy-05:cdn",
        f"{says('CF-Ray')} [100] -> login\nPathPrefix(`/`) -> nobody",
    ),
    "length": Pair(
        unless(says("Content-Length")), "proxy-05:carrying admin-03:served", refusing(says("Content-Length", "[1-9]"))
    ),
    "expect": Pair(unless(says("Expect")), "proxy-05:carrying", refusing(says("Expect"))),
    "range": Pair(unless(says("Range")), "proxy-05:program", refusing(says("Range"))),
    "preflight": Pair(
        unless(says("Access-Control-Request-Method")),
        "proxy-05:preflight",
        unless(f"Method(`OPTIONS`) && {says('Access-Control-Request-Method')}"),
    ),
    "user": Pair(  # middlewares of the entry point come after the router was chosen
        unless(says("X-Forwarded-User"), 'entry {"http": {"middlewares": ["unnamed@file"]}}'),
        "admin-12:believed",
        'entry {"http": {"middlewares": ["unnamed@file"]}}\n' + CLOSED,
    ),
    "path-told": Pair(
        unless(says("X-Replaced-Path", "^/public/")), "proxy-05:rewritten", unless("PathPrefix(`/public/`)")
    ),
    "neighbours": Pair(
        unless(says("X-Forwarded-For", "^10[.]"), TRUSTING),
        "proxy-05:forwarded",
        unless(says("X-Forwarded-For", "^10[.]")),
    ),
    "real-address": Pair(
        unless(says("X-Real-Ip", "^192[.]168[.]"), TRUSTING),
        "proxy-05:forwarded",
        unless("ClientIP(`192.168.0.0/16`)", TRUSTING),
    ),
    "depth": Pair(f"{TRUSTING}\nPathPrefix(`/`) -> depth", "proxy-05:forwarded", "PathPrefix(`/`) -> depth"),
    "depth-of-two": Pair(f"{TRUSTING}\nPathPrefix(`/`) -> second", "proxy-05:forwarded", "PathPrefix(`/`) -> second"),
    "depth-at-home": Pair(f"{TRUSTING}\nPathPrefix(`/`) -> home", "proxy-05:forwarded", "PathPrefix(`/`) -> home"),
    "trusted": Pair(
        'entry {"forwardedHeaders": {"trustedIPs": ["127.0.0.0/8"]}}\nPathPrefix(`/`) -> depth',
        "proxy-05:forwarded",
        'entry {"forwardedHeaders": {"trustedIPs": ["192.0.2.0/24"]}}\nPathPrefix(`/`) -> depth',
    ),
    "excluded": Pair(f"{TRUSTING}\nPathPrefix(`/`) -> excluded", "proxy-05:forwarded", "PathPrefix(`/`) -> excluded"),
    "announced": Pair(
        unless("ClientIP(`10.0.0.0/8`)", 'entry {"proxyProtocol": {"insecure": true}}'),
        "proxy-05:proxy-protocol",
        unless("ClientIP(`10.0.0.0/8`)", 'entry {"proxyProtocol": {"trustedIPs": ["192.0.2.0/24"]}}'),
    ),
    "priority": Pair(  # without numbers the longer rule wins
        f"{says('User-Agent', 'Mozilla')} ->\n{CLOSED}",
        "proxy-05:browser proxy-05:navigation",
        f"{says('User-Agent', 'Mozilla')} ->\nPathPrefix(`/`) [100] -> login",
    ),
    "letter-case": Pair(
        f"{_EXACTLY}\n{_PAGES}\n{CLOSED}", "dash-04:spelling proxy-05:spelling", f"{_PAGES} login\n{CLOSED}"
    ),
    "slash": Pair(
        f"Path(`/api/orders`) [30] -> login\nPathPrefix(`/api/`) [20] ->\n{CLOSED}",
        "proxy-05:spelling",
        f"PathPrefix(`/api/orders`) [30] -> login\nPathPrefix(`/api/`) [20] ->\n{CLOSED}",
    ),
    "dots": Pair(  # passed on as they came, where nobody takes them
        'entry {"http": {"sanitizePath": false}}\n' + unless("PathPrefix(`/static/`)"),
        "",
        unless("PathPrefix(`/static/`)"),
    ),
    "another-root": Pair(
        f"PathPrefix(`/nodered/`) [100] -> strip\n{CLOSED}",
        "roots-01:undeclared",
        f"PathPrefix(`/nodered/`) [100] -> login,strip\n{CLOSED}",
    ),
    "address": Pair("Host(`127.0.0.1`) ->\nHost(`localhost`) -> login", "proxy-05:address", CLOSED),
    "localhost": Pair(
        f"Host(`localhost`) ->\nHost(`{ELSEWHERE}`) -> login",
        "proxy-05:localhost",
        f"Host(`{ELSEWHERE}`) -> login",
        named=True,
    ),
    "judged-path": Pair(f"{_FORWARDING}by-path", "proxy-05:rewritten", "PathPrefix(`/`) -> by-path"),
    "judged-method": Pair(f"{_FORWARDING}by-method", "proxy-05:rewritten", "PathPrefix(`/`) -> by-method"),
    "judged-address": Pair(f"{_FORWARDING}by-address", "proxy-05:forwarded", "PathPrefix(`/`) -> by-address"),
}
_JUDGES = {  # what a service of one's own lets pass, as a matcher of Caddy's
    "by-path": "header X-Forwarded-Uri /public/*",
    "by-method": "header X-Forwarded-Method OPTIONS",
    "by-address": "header_regexp X-Forwarded-For ^10[.]",
}
_LINE = re.compile(r"(?P<rule>.+?)(?: \[(?P<priority>\d+)\])? ->(?: (?P<middlewares>\S+))?")


def command(node_red: int, judge: int, folder: Path, gates: Mapping[str, tuple[int, str]]) -> list[str]:
    """Write Traefik's configuration; return the command that runs it."""
    routers: dict[str, Any] = {}
    entries: dict[str, Any] = {}
    for name, (port, lines) in gates.items():
        entry = name.replace(" ", "-")
        entries[entry] = {"address": f"127.0.0.1:{port}"}
        for number, line in enumerate(lines.splitlines()):
            if line.startswith("entry "):
                entries[entry] |= json.loads(line.removeprefix("entry "))
                continue
            match = _LINE.fullmatch(line)
            assert match, line
            router: dict[str, Any] = {"entryPoints": [entry], "rule": match["rule"], "service": "node-red", "tls": {}}
            router |= {"middlewares": match["middlewares"].split(",")} if match["middlewares"] else {}
            routers[f"{entry}-{number}"] = router | ({"priority": int(match["priority"])} if match["priority"] else {})
    depth = {"sourceRange": ["10.0.0.0/8", "192.168.0.0/16"], "ipStrategy": {"depth": 1}}
    excluded = {"sourceRange": ["10.0.0.0/8"], "ipStrategy": {"excludedIPs": ["127.0.0.1"]}}
    asking = {name: {"address": f"http://127.0.0.1:{judge}/{name}", "trustForwardHeader": True} for name in _JUDGES}
    certificate = {"certFile": f"{folder}/leaf.pem", "keyFile": f"{folder}/leaf.key"}
    dynamic = {
        "http": {
            "routers": routers,
            "middlewares": {
                "login": {"basicAuth": {"users": [f"operator:{HASH}"], "realm": "Operators"}},
                "nobody": {"ipAllowList": {"sourceRange": ["192.0.2.0/32"]}},
                "unnamed": {"headers": {"customRequestHeaders": {"X-Forwarded-User": ""}}},
                "strip": {"stripPrefix": {"prefixes": ["/nodered"]}},
                "depth": {"ipAllowList": depth},
                "second": {"ipAllowList": {"sourceRange": ["10.0.0.0/8"], "ipStrategy": {"depth": 2}}},
                "home": {"ipAllowList": {"sourceRange": ["192.168.0.0/16"], "ipStrategy": {"depth": 2}}},
                "excluded": {"ipAllowList": excluded},
                **{name: {"forwardAuth": told} for name, told in asking.items()},
            },
            "services": {"node-red": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{node_red}"}]}}},
        },
        "tls": {"certificates": [certificate], "stores": {"default": {"defaultCertificate": certificate}}},
    }
    static = {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "entryPoints": entries,
        "providers": {"file": {"filename": str(folder / "dynamic.yml")}},
    }
    (folder / "dynamic.yml").write_text(json.dumps(dynamic))
    (folder / "traefik.yml").write_text(json.dumps(static))
    return [str(toolchain.traefik()), f"--configFile={folder}/traefik.yml"]


@contextlib.contextmanager
def judging(folder: Path) -> Iterator[int]:
    """Run a service that a gate asks about each request, and that believes what it is told; yield its port."""
    (port,) = free_ports(1)
    rules = "".join(
        f"handle /{name} {{\n@{name} {matcher}\nrespond @{name} 200\nrespond 401\n}}\n"
        for name, matcher in _JUDGES.items()
    )
    head = f"admin off\npersist_config off\nstorage file_system {folder}/storage\n"
    head += "servers {\ntrusted_proxies static 127.0.0.1/32\n}\n"
    (folder / "Caddyfile").write_text(f"{{\n{head}}}\nhttp://:{port} {{\nbind 127.0.0.1\n{rules}}}\n")
    run = [str(toolchain.caddy()), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    with running(run, folder / "judge.log", partial(accepts, port)):
        yield port


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    folder = tmp_path_factory.mktemp("traefik")
    with (
        open_node_red(folder / "site") as port,
        judging(folder) as judge,
        standing(folder, GATES, partial(command, port, judge)) as there,
    ):
        yield there


@pytest.mark.parametrize("name", GATES)
def test_what_opens_a_gate_is_found(name: str, street: Street) -> None:
    seen = street.found(name, "weak")
    assert set(seen) == set(GATES[name].found.split()), seen


@pytest.mark.parametrize("name", GATES)
def test_a_sound_gate_is_left_alone(name: str, street: Street) -> None:
    assert street.found(name, "sound") == {}
