"""The walk against the real Traefik: configurations that hypothesis makes up, requests, and what becomes of each.

A few dozen entry points stand in one Traefik at a time, each with routers of its own. NODERED_SEC_WALKS says how many
comparisons are made.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from hypothesis import given
from hypothesis import strategies as st
from loopback import ask, echoing, free_ports, listens
from walks import answers, examples

from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.observations.host import ListeningSocket
from pytest_nodered_sec.probes.host.traefik import table, tree
from pytest_nodered_sec.rules.walk import traefik
from pytest_nodered_sec.rules.walk.choices import every
from pytest_nodered_sec.rules.walk.request import Client
from pytest_nodered_sec.rules.walk.traefik_visit import Setup

if TYPE_CHECKING:
    from collections.abc import Iterator

Asked = tuple[str, str, bool, bool]
"""Method, URI, whether a header comes with it, whether the right account does."""
Point = tuple[list[dict[str, Any]], list[Asked]]

POINTS: Final = 25
REQUESTS: Final = 8
CALLS: Final = (
    "PathPrefix(`/`)", "PathPrefix(`/ui`)", "PathPrefix(`/ui/`)", "Path(`/ui/`)", "Path(`/a`)", "PathPrefix(`/a/b`)",
    "PathRegexp(`^/ui`)", "PathRegexp(`(?i)^/UI(/|$)`)", "PathRegexp(`\\.js$`)", "PathRegexp(`socket\\.io`)",
    "Host(`s.example`)", "Host(`S.Example`)", "Host(`t.example`)", "HostRegexp(`^s\\.`)", "HostRegexp(`.+`)",
    "Method(`POST`)", "Method(`get`)", "Header(`X-Tag`, `one`)", "HeaderRegexp(`X-Tag`, `^o`)",
    "Header(`X-Tag`, `ONE`)", "Query(`q`, `1`)", "QueryRegexp(`q`, `.`)", "ClientIP(`127.0.0.0/8`)",
    "ClientIP(`10.0.0.1`)", 'PathPrefix("/dash")', "PathPrefix(`/x y`)", "pathprefix(`/panel`)", "Query(`x`)",
)  # fmt: skip
ASKED: Final = (
    "/", "/ui", "/ui/", "/UI/", "/ui/socket.io/", "/ui/x.js", "/dashboard/", "/dashboard/socket.io/", "/dashboard",
    "/api", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/dash", "/dash/x", "//ui//socket.io/", "/%75i/", "/a/../ui/",
    "/ui/socket.io/../../a/", "/ui/%2e%2e/a/b", "/ui/.", "/x%20y/", "/..", "/u%zz", "/panel/ui/", "/uix", "/ui;x",
    "/%55i/", "/a/./b", "/ui/%2E/x", "/ui/..",
)  # fmt: skip
QUERIES: Final = ("", "", "", "?q=1", "?q=2&x=3", "?x", "?")
USERS: Final = ["operator:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="]
MIDDLEWARES: Final[dict[str, dict[str, Any]]] = {
    "login": {"basicAuth": {"users": USERS}},
    "near": {"ipAllowList": {"sourceRange": ["127.0.0.1/32", "10.0.0.0/8"]}},
    "far": {"ipAllowList": {"sourceRange": ["10.0.0.0/8"], "rejectStatusCode": 404}},
    "strip": {"stripPrefix": {"prefixes": ["/panel", "/ui", "/a/"]}},
    "strip-by": {"stripPrefixRegex": {"regex": ["^/[a-z]+/"]}},
    "add": {"addPrefix": {"prefix": "/dashboard"}},
    "replace": {"replacePath": {"path": "/ui/"}},
    "replace-by": {"replacePathRegex": {"regex": "^/a(.*)", "replacement": "/ui$1"}},
    "to-https": {"redirectScheme": {"scheme": "https", "port": "8443", "permanent": True}},
    "stay": {"redirectScheme": {"scheme": "http"}},
    "moved": {"redirectRegex": {"regex": "^http://([^/]+)/a(.*)", "replacement": "https://else.example/${2}"}},
    "told": {"headers": {"customRequestHeaders": {"X-Seen": "yes"}}},
    "all": {"chain": {"middlewares": ["told", "login", "strip"]}},
    "asked": {"forwardAuth": {"address": "http://127.0.0.1:NOBODY/"}},
    "small": {"compress": {}},
}


def a_rule(random: Random, depth: int = 0) -> str:
    kind = random.randrange(6)
    if kind == 0 and depth < 2:
        operator = random.choice((" && ", "&&", " || "))
        text = operator.join(a_rule(random, depth + 1) for _ in range(random.choice((2, 2, 3))))
        return f"({text})" if depth or random.randrange(2) else text
    if kind == 1:
        return f"!{random.choice(CALLS)}"
    if kind == 2 and depth < 2:
        return f"{a_rule(random, 2)} && {a_rule(random, 2)} || {a_rule(random, 2)}"
    return random.choice(CALLS)


def a_router(random: Random, priority: int) -> dict[str, Any]:
    names = [name for name in MIDDLEWARES if name != "asked"]
    wanted = random.sample(names, random.choice((0, 0, 1, 1, 2)))
    service = random.choice(("red", "red", "red", "else", "both", "mirrored", "deep", "safe"))
    if random.randrange(15) == 0:
        wanted.append("none")  # a router with a mistake is left out
    if random.randrange(15) == 0:
        service = "none"
    return {"rule": a_rule(random), "priority": priority, "middlewares": wanted, "service": service}


def a_point(random: Random) -> Point:
    priorities = random.sample(range(1, 100), random.choice((1, 2, 3, 4)))
    routers = [a_router(random, priority) for priority in priorities]
    for place, router in enumerate(routers[1:], 1):
        if random.randrange(3) == 0:
            router["below"] = random.randrange(place)
    return routers, [a_request(random) for _ in range(REQUESTS)]


def a_request(random: Random) -> Asked:
    method, uri = random.choice(("GET", "GET", "GET", "POST")), random.choice(ASKED) + random.choice(QUERIES)
    return method, uri, random.randrange(3) == 0, random.randrange(3) == 0


def a_batch(random: Random) -> list[Point]:
    return [a_point(random) for _ in range(POINTS)]


@st.composite
def batches(draw: st.DrawFn) -> list[Point]:
    return a_batch(Random(draw(st.integers(0, 2**32))))  # noqa: S311 no secret is made of it


def placed(number: int, below: int | None = None, **router: Any) -> dict[str, Any]:
    """Return a router at an entry point, or below another router."""
    where = {"entryPoints": [f"p{number}"]} if below is None else {"parentRefs": [f"r{number}-{below}@file"]}
    return {**where, **router}


@contextmanager
def traefik_running(points: list[list[dict[str, Any]]]) -> Iterator[tuple[list[int], Setup]]:
    *ports, red, other, nobody = free_ports(len(points) + 3)

    def servers(*at: int) -> dict[str, Any]:
        return {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{port}/ignored"} for port in at]}}

    dynamic = {
        "http": {
            "routers": {
                f"r{number}-{place}": placed(number, **router)
                for number, routers in enumerate(points)
                for place, router in enumerate(routers)
            },
            "middlewares": MIDDLEWARES,
            "services": {
                "red": servers(red),
                "else": servers(other),
                "both": {"weighted": {"services": [{"name": "red", "weight": 1}, {"name": "else", "weight": 0}]}},
                "mirrored": {"mirroring": {"service": "red", "mirrors": [{"name": "else", "percent": 0}]}},
                "deep": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{red}/below", "preservePath": True}]}},
                "safe": servers(red),
            },
        }
    }
    static = {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "entryPoints": {f"p{number}": {"address": f"127.0.0.1:{port}"} for number, port in enumerate(ports)},
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = json.dumps(dynamic).replace("NOBODY", str(nobody))
        (folder / "dynamic.yml").write_text(text)
        (folder / "traefik.yml").write_text(
            json.dumps({**static, "providers": {"file": {"filename": f"{folder}/dynamic.yml", "watch": False}}})
        )
        setup = Setup(
            (tree("static", "traefik.yml", static), tree("dynamic", "dynamic.yml", table("dynamic.yml", text))),
            (ListeningSocket("tcp", "127.0.0.1", red),),
        )
        with (folder / "out").open("w") as out, echoing({red: "red", other: "else"}):
            command = [str(toolchain.traefik()), f"--configFile={folder}/traefik.yml"]
            process = subprocess.Popen(command, stdout=out, stderr=out)
            try:
                assert listens(process, *ports), (folder / "out").read_text()
                yield ports, setup
            finally:
                process.kill()
                process.wait(10)


def walked(setup: Setup, number: int, port: int, asked: Asked) -> set[tuple[str, str]]:
    """Follow the same request."""
    method, uri, tagged, granted = asked
    headers = {"x-tag": "one"} if tagged else {}
    client = Client(uri, "s.example", False, str(port), "127.0.0.1", method, headers=headers, granted=granted)
    ends = every(lambda made: traefik.walk(setup, setup.binds[number], client, made))
    assert granted or not [end for end in ends if end.doubts], ends
    return answers(ends)


def compare(batch: list[Point]) -> Iterator[str]:
    """Yield what differs."""
    first = [{"rule": "Path(`/ready`)", "priority": 1000, "service": "red"}]
    batch = [*batch, (first, [])]
    with traefik_running([routers for routers, _ in batch]) as (ports, setup):
        until = time.monotonic() + 20
        while ask(ports[-1], "s.example", "GET", "/ready")[0] != "red":  # routers come a second after the ports
            assert time.monotonic() < until
            time.sleep(0.05)
        for number, (routers, requests) in enumerate(batch):
            for asked in requests:
                method, uri, tagged, granted = asked
                sent = ["X-Tag: one"] * tagged + ["Authorization: Basic b3BlcmF0b3I6c2VjcmV0"] * granted
                answer = ask(ports[number], "s.example", method, uri, *sent)
                ours = walked(setup, number, ports[number], asked)
                if answer not in ours or (len(ours) > 1 and not granted):
                    rows = "\n".join(map(str, routers))
                    yield f"{asked}: Traefik {answer}, walk {ours}\n{rows}"


@examples(POINTS * REQUESTS, 400)
@given(batches())
def test_the_walk_ends_where_traefik_does(batch: list[Point]) -> None:
    assert next(compare(batch), "") == ""
