"""The walk against the real Caddy: sites that hypothesis makes up, requests to them, and what becomes of each.

A few dozen sites stand in one Caddy at a time. NODERED_SEC_WALKS says how many comparisons are made.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from caddylab import adapted
from hypothesis import given
from hypothesis import strategies as st
from loopback import ask, free_ports, listens
from walks import answers, examples

from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.observations.host import ListeningSocket
from pytest_nodered_sec.rules.walk import caddy
from pytest_nodered_sec.rules.walk.choices import every
from pytest_nodered_sec.rules.walk.request import Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from pytest_nodered_sec.observations.host_proxies import CaddyConfig

SITES: Final = 25
REQUESTS: Final = 8
HASH: Final = "$2a$04$6lgDbSLZZAbLIzhvvjDfQu6kIbzcMqSwEc0GgpGPoF5wA0BxNEgzi"

PATHS: Final = (
    "/ui",
    "/ui/",
    "/ui/*",
    "/ui*",
    "*/socket.io/*",
    "*.js",
    "/dashboard/*",
    "/api/*",
    "/UI/x",
    "/a/*/c",
    "/*",
    "*",
)
PATTERNS: Final = ("^/ui", "^/(dashboard)/(.*)$", "socket\\.io", "(?i)^/ui(/|$)", "^/a(/.*)?$", "^/([a-z]+)/([a-z]*)")
ASKED: Final = (
    "/", "/ui", "/ui/", "/UI/", "/ui/socket.io/", "/ui/x.js", "/dashboard/", "/dashboard/socket.io/", "/api/v",
    "/API/v",
    "/a/b/c", "/a/", "/panel/ui/", "/panel", "/panelx", "/PANEL/ui", "//ui//socket.io/", "/%75i/", "/a/../ui/", "/ui/.",
    "/ui/socket.io/../../a/", "/a%2Fb/", "/x%20y/", "/ui/...", "/ui%2F", "/aa/aa",
)  # fmt: skip
OTHERS: Final = ("method POST", "remote_ip 10.0.0.0/8", "remote_ip 127.0.0.0/8", "protocol https", "protocol http")
REWRITES: Final = ("/dashboard{uri}", "/ui/", "/x{path}", "/dashboard/{re.2}", "{path}/y", "/a?x=1")
NUMBERS: Final = itertools.count()  # a matcher is defined once
QUERIES: Final = ("", "", "?q=1", "?q=/ui/")


def an_expression(random: Random, depth: int = 0) -> str:
    """Return an expression of CEL."""
    kind = random.randrange(4)
    if kind == 0 and depth < 2:
        return f"!({an_expression(random, depth + 1)})"
    if kind == 1 and depth < 2:
        sign = random.choice((" && ", " || ", "||"))
        return sign.join(an_expression(random, depth + 1) for _ in range(random.choice((2, 3))))
    plain = [pattern for pattern in PATTERNS if "\\" not in pattern]
    return random.choice((
        f"path('{random.choice(PATHS)}', \"{random.choice(PATHS)}\")", f"!path('{random.choice(PATHS)}')",
        f"path_regexp('{random.choice(plain)}')", "method('POST')", "remote_ip('10.0.0.0/8', '127.0.0.0/8')",
        "!remote_ip('10.0.0.0/8')", "protocol('http')", "host('none.example')",
    ))  # fmt: skip


def a_matcher(random: Random, lines: list[str]) -> str:
    """Return a matcher's name, having defined it."""
    choice = random.randrange(8)
    if choice < 2:
        return random.choice([path for path in PATHS if path.startswith("/")])
    name = f"@m{next(NUMBERS)}"
    path = f"path {random.choice(PATHS)}"
    body = {
        2: f"{path} {random.choice(PATHS)}",
        3: f'path_regexp {name[1:] if random.randrange(2) else ""} "{random.choice(PATTERNS)}"',
        4: f"not {path}",
        5: random.choice(
            ("method POST", "remote_ip 10.0.0.0/8", "remote_ip 127.0.0.0/8", "protocol https", "protocol http")
        ),
        7: f"expression `{an_expression(random)}`",
        6: f"{{\n{path}\nmethod GET\nnot path_regexp {random.choice(PATTERNS)}\n}}",
    }[choice]
    lines.append(f"{name} {body}")
    return name


def an_action(random: Random, lines: list[str], depth: int) -> str:
    matcher = a_matcher(random, lines) if random.randrange(3) else "*"
    red = random.choice(("RED", "RED", "ELSE"))
    actions = [
        f"basic_auth {matcher} {{\noperator {HASH}\n}}",
        f"rewrite {matcher} {random.choice(REWRITES)}",
        f"uri {matcher} strip_prefix {random.choice(('/panel', '/ui', 'a', '/A'))}",
        f"uri {matcher} strip_suffix {random.choice(('/', '.js', 'i'))}",
        f"uri {matcher} replace {random.choice(('/a /b', 'ui dashboard', 'aa a 1'))}",
        f"uri {matcher} path_regexp {random.choice(('^/x(.*)$ /ui$1', '/+ /', '^/([a-z]+)/ /dash/$1/'))}",
        f"redir {matcher} https://else.example{{uri}} 301",
        f"respond {matcher} {random.choice((204, 404, 403))}",
        f"error {matcher} {random.choice((404, 500))}",
        f"reverse_proxy {matcher} {red}",
        f"reverse_proxy {matcher} {red} {{\nrewrite {random.choice(('/dash{uri}', '/ui/'))}\n}}",
        f"forward_auth {matcher} NO {{\nuri /verify\n}}",
        f"header {matcher} X-A b",
        f"file_server {matcher}",
    ]
    if depth < 2 and random.randrange(3) == 0:
        kind = random.choice(("handle", "handle", "route", "handle_path"))
        at = random.choice(("/panel/*", "/ui/*", "/ui*")) if kind == "handle_path" else matcher
        inner = a_site(random, depth + 1)
        return f"{kind} {at} {{\n{inner}\n}}"
    return random.choice(actions)


def a_site(random: Random, depth: int = 0) -> str:
    lines: list[str] = []
    actions = [an_action(random, lines, depth) for _ in range(random.choice((1, 2, 3, 4)))]
    if random.randrange(2):
        actions.append(random.choice(("reverse_proxy RED", "handle {\nreverse_proxy RED\n}")))
    return "\n".join(lines + actions)


@st.composite
def batches(draw: st.DrawFn) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return sites, and what each is asked: method and URI."""
    random = draw(st.randoms(use_true_random=False, note_method_calls=False))
    sites = []
    for _ in range(SITES):
        text = a_site(random)
        if random.randrange(3) == 0:
            inner = random.choice(("reverse_proxy RED", "respond 410", "rewrite * /failed{uri}\nreverse_proxy ELSE"))
            text += f"\nhandle_errors {random.choice(('', '401', '404 500'))} {{\n{inner}\n}}"
        requests = [
            (random.choice(("GET", "GET", "POST")), random.choice(ASKED) + random.choice(QUERIES))
            for _ in range(REQUESTS)
        ]
        sites.append((text, requests))
    return sites


@contextmanager
def running(bodies: list[str]) -> Iterator[tuple[int, CaddyConfig]]:
    head = "{\nadmin off\nauto_https off\npersist_config off\ndefault_bind 127.0.0.1\n}\n"
    with tempfile.TemporaryDirectory() as name:
        for turn in range(3):  # a port that was free may be taken when it is used
            port, red, other, no = free_ports(4)
            sites = "".join(
                f"http://s{number}.example:{port} {{\nroot {name}/none\n{body}\n}}\n"
                for number, body in enumerate(bodies)
            )
            for word, to in (("RED", red), ("ELSE", other), ("NO", no)):
                sites = re.sub(rf"\b{word}\b", f"127.0.0.1:{to}", sites)
            echo = "".join(
                f'http://:{at} {{\nrespond "{said} {{http.request.orig_uri}}" {status}\n}}\n'
                for at, said, status in ((red, "red", 200), (other, "else", 200), (no, "no", 401))
            )
            (Path(name) / "Caddyfile").write_text(head + sites + echo)
            program = [str(toolchain.caddy()), "run", "--config", f"{name}/Caddyfile", "--adapter", "caddyfile"]
            home = {"HOME": name, "PATH": os.environ["PATH"], "XDG_DATA_HOME": name}
            with (Path(name) / "out").open("w") as out:
                process = subprocess.Popen(program, stdout=out, stderr=out, env=home)
            try:
                if listens(process, port, red, other, no):
                    yield port, adapted(head + sites, (ListeningSocket("tcp", "127.0.0.1", red),))
                    return
                said_last = (Path(name) / "out").read_text()[-3000:]
                adapted(head + sites, ())  # says what is wrong with it, if that is it
                assert "address already in use" in said_last, said_last
                assert turn < 2, said_last
            finally:
                process.kill()
                process.wait(10)


def walked(
    seen: CaddyConfig, port: int, number: int, method: str, uri: str, aims: tuple[str, ...] = ()
) -> set[tuple[str, str]]:
    """Follow a request; a guard elsewhere admits or refuses, as its port says."""
    client = Client(
        uri, f"s{number}.example", False, str(port), "127.0.0.1", method, headers={}, exists=False, aims=aims
    )
    [server] = seen.servers
    ends = every(lambda choices: caddy.walk(seen, server, client, choices))
    return answers(ends)


@examples(SITES * REQUESTS, 400)
@given(batches())
def test_the_walk_ends_where_caddy_does(batch: list[tuple[str, list[tuple[str, str]]]]) -> None:
    with running([body for body, _ in batch]) as (port, seen):
        for number, (body, requests) in enumerate(batch):
            for method, uri in requests:
                who, what = ask(port, f"s{number}.example", method, uri)
                told = who, what if who in ("red", "else") else ""
                ours = walked(seen, port, number, method, uri)
                assert told in ours, f"{method} {uri}: Caddy {told}, walk {ours}\n{body}"


NOT_KNOWN: Final = {
    "a map": 'map {path} {go} {\n"~/free(.*)" "/ui${1}"\n}\nrewrite * {go}',
    "a variable": "vars go /ui/\nrewrite * {vars.go}",
    "arguments": "rewrite * {query.go}",
    "a part": "rewrite * /u{query.i}/",
    "a header's pattern": "@h header_regexp h Host ^(s)\nrewrite @h /{re.h.1}/\nuri replace /s/ /ui/",
    "a prefix": "uri strip_prefix {query.prefix}",
    "a text": "uri replace free {query.ui}",
    "a pattern": "uri path_regexp ^/free(.*)$ {query.before}$1",
    "by the way": "reverse_proxy RED {\nrewrite {query.go}\n}",
}


@pytest.mark.parametrize("body", NOT_KNOWN.values(), ids=NOT_KNOWN)
def test_what_no_configuration_tells_leads_to_what_is_looked_for(body: str) -> None:
    asked = "/free/ui/" if "strip_prefix" in body else "/free/"
    uri = f"{asked}?go=/ui/&i=i&prefix=/free&ui=ui&before=/ui"
    with running([f"route {{\n{body}\nreverse_proxy RED\n}}"]) as (port, seen):
        told = ask(port, "s0.example", "GET", uri)
        ends = [told, *walked(seen, port, 0, "GET", uri, aims=("/ui/",))]
        first, *ours = [(who, what.partition("?")[0]) for who, what in ends]
        assert first == ("red", "/ui/")
        assert first in ours
