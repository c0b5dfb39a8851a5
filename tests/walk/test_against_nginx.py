"""The walk against the real nginx: configurations that hypothesis makes up, requests to them, and what becomes of each.

A few dozen servers stand in one nginx at a time. NODERED_SEC_WALKS says how many comparisons are made.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import ask, free_ports, listens
from walks import answers, examples

from pytest_nodered_sec.observations.host import ListeningSocket
from pytest_nodered_sec.probes.host.nginx import tree
from pytest_nodered_sec.rules.walk import engine, servers
from pytest_nodered_sec.rules.walk.choices import every
from pytest_nodered_sec.rules.walk.config import Config
from pytest_nodered_sec.rules.walk.config import place as place_of
from pytest_nodered_sec.rules.walk.request import Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

NGINX: Final = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin")
pytestmark = pytest.mark.skipif(NGINX is None and not os.environ.get("CI"), reason="no nginx here: apt install nginx")

SERVERS: Final = 25
REQUESTS: Final = 8

PATHS: Final = ("/", "/ui", "/ui/", "/ui/socket.io/", "/dashboard/", "/api", "/a/", "/a/b/", "/UI/", "/dash")
PATTERNS: Final = (
    "^/ui", "^/(?<part>dashboard)/(.*)$", "socket\\.io", "(?i)^/ui(/|$)", "^/a(/.*)?$", "\\.js$",
    "^/([a-z]+)/([a-z]*)", "^/ui(?!/socket)", "^/[^/]+/b", "(?:^/API|^/dash)", "^/u(?i)I/", "^/[[:alpha:]]+/$",
)  # fmt: skip
MAPS: Final = """
map $uri $by_path { default ""; /ui/ 1; ~^/dash on; ~*^/API/(?<rest>.*) $rest; }
map $http_x_tag $by_tag { default off; "" plant; one "other $http_x_tag"; }
map $host $by_name { hostnames; default no; *.s.example yes; s1.example first; }
map $request_uri $to { default RED; ~/a/ ELSE; }
geo $near { default 0; 127.0.0.0/8 1; 10.0.0.0/8 2; }
geo $within { ranges; default 0; 127.0.0.0-127.0.0.255 1; 127.0.0.1-127.0.0.1 2; 10.0.0.0-10.0.0.9 3; }
geo $behind { default 0; proxy 10.0.0.0/8; 127.0.0.0/8 1; }
geo $arg_ip $told { default far; 10.1.0.0/16 inner; 10.0.0.0/8 near; }
"""
CONDITIONS: Final = (
    "$scheme = http", "$scheme != https", "$server_port = 80", "$arg_q = 1", "$http_x_tag", "$http_x_tag = one",
    "$request_uri ~ PATTERN", "$uri ~* PATTERN", "$uri !~ PATTERN", "$args ~ q", "$by_path", "$near = 1",
    "$told = inner", "$within = 2", "$behind",
    "!-e $request_filename", "-f $request_filename", "$kept = yes", "$https = ''",
    "$ssl_client_verify != SUCCESS", "$part = dashboard", "$request_method = POST", "$by_name = yes",
)  # fmt: skip
TARGETS: Final = (
    "/dashboard/$1", "/ui/", "/a/$2?x=$1", "/api?", "/a/b/c", "https://else.example$1", "$scheme://else.example/$1",
    "/dash$uri", "/ui$by_path",
)  # fmt: skip
ASKED: Final = (
    "/", "/ui", "/ui/", "/UI/", "/ui/socket.io/", "/ui/x.js", "/dashboard/", "/dashboard/socket.io/", "/dashboard",
    "/api", "/API/v", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/dash", "/dash/x", "//ui//socket.io/", "/%75i/",
    "/a/../ui/", "/ui/socket.io/../../a/", "/ui/%2e%2e/a/b", "/ui/.", "/a%2Fb/", "/x%20y/", "/..", "/u%zz", "/ui%3fx",
)  # fmt: skip
QUERIES: Final = ("", "", "", "?q=1", "?q=2&ip=10.1.2.3", "?ip=10.9.9.9", "?")


def a_rewrite(random: Random) -> str:
    flag = random.choice(("", "last", "break", "redirect", "permanent"))
    return f'rewrite "{random.choice(PATTERNS)}" {random.choice(TARGETS)} {flag};'


def a_return(random: Random) -> str:
    return random.choice(
        ("return 404;", "return 403;", "return 204;", "return 301 https://else.example$request_uri;", "return 200 x;",
         "return 302 /ui/$1;", "return https://else.example/;", "return 401;", "return 307 $uri$by_tag;")
    )  # fmt: skip


def an_action(random: Random) -> str:
    """Return a line of the rewrite module."""
    choice = random.randrange(6)
    if choice == 0:
        return a_rewrite(random)
    if choice == 1:
        return f"set $kept {random.choice(('yes', 'no', '$1', '$arg_q', '$by_tag', '$kept$kept'))};"
    if choice == 2:
        condition = random.choice(CONDITIONS).replace("PATTERN", f'"{random.choice(PATTERNS)}"')
        inside = random.choice((a_return, a_rewrite, lambda of: "break;", lambda of: "set $kept yes;"))(random)
        return f"if ({condition}) {{ {inside} }}"
    return random.choice(("", "", a_return(random) if random.randrange(3) == 0 else ""))


def a_gate(random: Random) -> str:
    lines = (
        "auth_basic plant;", "auth_basic off;", 'auth_basic "$by_tag";', "auth_basic_user_file HTPASSWD;",
        "deny all;", "allow 127.0.0.0/8; deny all;", "allow 10.0.0.0/8; deny all;", "deny 127.0.0.1;", "allow all;",
        "satisfy any;", "satisfy all;", "auth_request /say204;", "auth_request /say401;", "auth_request /say403;",
        "auth_request /say404;", "auth_request off;", "auth_request /sub;", "error_page 401 = @first;",
        "error_page 403 404 /ui/;", "error_page 401 403 =200 /dash?e=1;", "error_page 404 = @second;",
        "recursive_error_pages on;", "error_page 401 https://login.example/;", "error_page 500 = @first;",
        "index /dashboard/;",
    )  # fmt: skip
    seen: dict[str, str] = {}
    for line in random.sample(lines, random.choice((0, 0, 1, 1, 2, 3))):
        seen.setdefault(line.split(" ")[0] if not line.startswith(("allow", "deny")) else "allow", line)
    return " ".join(seen.values())


def a_handler(random: Random, match: str) -> str:
    red = random.choice(("RED", "RED", "ELSE", "behind"))
    prefix = not match.startswith(("~", "@"))
    lines = [
        f"proxy_pass http://{red};", f"proxy_pass http://{red};", f"proxy_pass http://{red}$request_uri;",
        "proxy_pass http://$to;", f"proxy_pass http://{red}/dashboard/$1;", f"proxy_pass http://{red}$uri$is_args$args;",
        "set $way behind; proxy_pass http://$way;", "return 204;", "", f"try_files /none {random.choice(ENDS)};",
        f"try_files $uri $uri/ {random.choice(ENDS)};", f"internal; proxy_pass http://{red};",
        f"limit_except GET {{ deny all; }} proxy_pass http://{red};",
        f"limit_except POST {{ auth_basic x; auth_basic_user_file HTPASSWD; }} proxy_pass http://{red};",
    ]  # fmt: skip
    lines += [f"proxy_pass http://{red}{put};" for put in ("/", "/ui/", "/dashboard", "/x?")] if prefix else []
    line = random.choice(lines)
    if "proxy_pass" in line and random.randrange(5) == 0:
        line += f" if ($arg_q = 1) {{ proxy_pass http://{random.choice(('RED', 'ELSE'))}; }}"
    return line


ENDS: Final = ("@first", "@second", "/ui/", "=404", "/dashboard/x?t=1", "=403")


def a_location(random: Random, depth: int = 0, under: str = "") -> tuple[str, str]:
    """Return what a location is for, and all of it."""
    kind = random.choice(("", "", "", "= ", "^~ ", "~ ", "~* "))
    if kind.startswith("~"):
        match = f'{kind}"{random.choice(PATTERNS)}"'
    else:
        match = kind + random.choice([path for path in PATHS if path.startswith(under)] or [under])
    parts = [an_action(random) for _ in range(random.choice((0, 0, 1, 2)))]
    parts += [a_gate(random), a_handler(random, match)]
    if depth < 2 and not match.startswith("=") and random.randrange(4) == 0:
        below = "" if match.startswith(("~ ", "~* ")) else match.split(" ")[-1]
        inner: dict[str, str] = {}
        for _ in range(2):
            name, text = a_location(random, depth + 1, below)
            inner.setdefault(name.removeprefix("^~ "), text)
        if match.startswith(("~ ", "~* ")):
            inner = {name: text for name, text in inner.items() if name.startswith("~")}
        parts += inner.values()
    return match, f"location {match} {{ {' '.join(parts)} }}"


def a_server(random: Random) -> str:
    """Return what stands in a server."""
    parts = [an_action(random) for _ in range(random.choice((0, 0, 0, 1, 2)))]
    parts += [random.choice(("merge_slashes off;", "", "", ""))]
    parts += [a_gate(random) if random.randrange(2) else ""]
    told: dict[str, str] = {}
    for _ in range(random.choice((2, 3, 4, 6))):
        match, text = a_location(random)
        told.setdefault(match.removeprefix("^~ "), text)
    parts += told.values()
    parts += [f"location = /say{code} {{ return {code}; }}" for code in (204, 401, 403, 404)]
    parts += [f"location = /sub {{ rewrite ^ /say{random.choice((204, 401, 403))} last; }}"]
    for name in ("@first", "@second"):
        actions = an_action(random) if random.randrange(3) == 0 else ""
        parts += [f"location {name} {{ {actions} {a_gate(random)} {a_handler(random, name)} }}"]
    return " ".join(part for part in parts if part)


@st.composite
def batches(draw: st.DrawFn) -> list[tuple[str, list[tuple[str, str, bool]]]]:
    """Return servers, and what each is asked: method, URI, and whether a header comes with it."""
    random = draw(st.randoms(use_true_random=False, note_method_calls=False))
    return [
        (
            a_server(random),
            [
                (
                    random.choice(("GET", "GET", "GET", "POST")),
                    random.choice(ASKED) + random.choice(QUERIES),
                    random.randrange(4) == 0,
                )
                for _ in range(REQUESTS)
            ],
        )
        for _ in range(SERVERS)
    ]


@dataclass
class Running:
    """An nginx that runs, and the text of its configuration."""

    port: int
    red: int
    text: str


@contextmanager
def nginx(bodies: list[str]) -> Iterator[Running]:
    port, red, other = free_ports(3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "htpasswd").write_text("operator:{PLAIN}secret\n")
        folder.chmod(0o755)
        listen = f"listen 127.0.0.1:{port}; root {folder}/none;"
        own = "".join(
            f"server {{ {listen} server_name s{number}.example; {body} }}\n" for number, body in enumerate(bodies)
        )
        own = own.replace("HTPASSWD", f"{folder}/htpasswd")
        places = " ".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        echo = "".join(
            f'server {{ listen 127.0.0.1:{at}; merge_slashes off; return 200 "{name} $request_uri"; }}\n'
            for at, name in ((red, "red"), (other, "else"))
        )
        text = (
            f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/log crit;\n"
            "events { worker_connections 200; }\n"
            f"http {{ access_log off; {places} absolute_redirect off; uninitialized_variable_warn off; {MAPS}\n"
            f"upstream behind {{ server 127.0.0.1:{red}; }}\n{own}}}\n"
        )
        text = text.replace("RED", f"127.0.0.1:{red}").replace("ELSE", f"127.0.0.1:{other}")
        (folder / "nginx.conf").write_text(text.removesuffix("}\n") + echo + "}\n")
        assert NGINX is not None
        with (folder / "out").open("w") as out:
            process = subprocess.Popen([NGINX, "-c", str(folder / "nginx.conf"), "-e", str(folder / "log")], stderr=out)
        try:
            assert listens(process, port), (folder / "out").read_text()
            yield Running(port, red, text)
        finally:
            process.kill()
            process.wait(10)


def walked(config: Config, running: Running, number: int, method: str, uri: str, tagged: bool) -> set[tuple[str, str]]:
    """Follow the same request."""
    host, headers = f"s{number}.example", {"x-tag": "one"} if tagged else {}
    listen, named, captures, _ = servers.chosen(config, place_of(f"127.0.0.1:{running.port}"), host)
    client = Client(uri, host, False, str(running.port), "127.0.0.1", method, headers=headers, exists=False, behind=200)
    ends = every(lambda choices: engine.walk(config, listen, client, choices, named, captures))
    assert not [end for end in ends if end.doubts], ends
    # what no server takes is refused by the one behind
    return {("400", "") if " " in uri and what in ("red", "else") else (what, uri) for what, uri in answers(ends)}


@examples(SERVERS * REQUESTS, 400)
@given(batches())
def test_the_walk_ends_where_nginx_does(batch: list[tuple[str, list[tuple[str, str, bool]]]]) -> None:
    with nginx([body for body, _ in batch]) as running:
        config = Config(
            tree(f"# configuration file /etc/nginx/nginx.conf:\n{running.text}"),
            (ListeningSocket("tcp", "127.0.0.1", running.red),),
        )
        for number, (body, requests) in enumerate(batch):
            for method, uri, tagged in requests:
                seen = ask(running.port, f"s{number}.example", method, uri, *["X-Tag: one"][: int(tagged)])
                ours = walked(config, running, number, method, uri, tagged)
                assert ours == {seen}, f"{method} {uri} {tagged}: nginx {seen}, walk {ours}\n{body}"
