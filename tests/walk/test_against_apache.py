"""The walk against the real Apache httpd: configurations that hypothesis makes up, requests, and what becomes of each.

A few dozen virtual hosts stand in one Apache at a time. NODERED_SEC_WALKS says how many comparisons are made.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import ask, echoing, free_ports, listens
from walks import answers, examples

from pytest_nodered_sec.observations.host import ListeningSocket
from pytest_nodered_sec.probes.host.apache import tree
from pytest_nodered_sec.rules.walk import apache
from pytest_nodered_sec.rules.walk.apache_visit import Servers
from pytest_nodered_sec.rules.walk.choices import every
from pytest_nodered_sec.rules.walk.request import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

APACHE: Final = shutil.which("apache2", path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin")
pytestmark = pytest.mark.skipif(
    APACHE is None and not os.environ.get("CI"), reason="no apache2: apt install apache2-bin"
)

Asked = tuple[str, str, bool, bool]
"""Method, URI, whether a header comes with it, whether the right account does."""

HOSTS: Final = 25
REQUESTS: Final = 8
MODULES: Final = (
    "mpm_event", "authn_core", "authz_core", "authz_user", "authz_host", "auth_basic", "authn_file", "access_compat",
    "rewrite", "alias", "macro", "proxy", "proxy_http", "proxy_balancer", "slotmem_shm", "lbmethod_byrequests",
    "headers", "setenvif", "env",
)  # fmt: skip

PATHS: Final = ("/", "/ui", "/ui/", "/ui/socket.io/", "/dashboard/", "/api", "/a/", "/a/b", "/UI/", "/dash", "/a")
PATTERNS: Final = (
    "^/ui", "^/dashboard/(.*)$", "socket\\.io", "(?i)^/ui(/|$)", "^/a(/.*)?$", "\\.js$", "^/([a-z]+)/([a-z]*)",
    "^/ui(?!/socket)", "^/[^/]+/b", "^/panel/(.*)", "^/(.*)$", ".*", "^",
)  # fmt: skip
ASKED: Final = (
    "/", "/ui", "/ui/", "/UI/", "/ui/socket.io/", "/ui/x.js", "/dashboard/", "/dashboard/socket.io/", "/dashboard",
    "/api", "/API/v", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/dash", "/dash/x", "//ui//socket.io/", "/%75i/",
    "/a/../ui/", "/ui/socket.io/../../a/", "/ui/%2e%2e/a/b", "/ui/.", "/a%2Fb/", "/x%20y/", "/..", "/u%zz",
    "/panel/ui/",     "/ui;x", "/%55i/", "/a/./b", "/ui/%2E/x", "/x%25y",
)  # fmt: skip
QUERIES: Final = ("", "", "", "?q=1", "?q=2&x=3")
DEMANDS: Final = (
    "BASIC\nRequire valid-user",
    "BASIC\nRequire user operator",
    "BASIC\n<RequireAny>\nRequire valid-user\nRequire ip 10.0.0.0/8\n</RequireAny>",
    "BASIC\nRequire valid-user\nRequire ip 127.0.0.1",
    "BASIC\n<RequireAll>\nRequire valid-user\nRequire ip 127\n</RequireAll>",
    "BASIC\nRequire valid-user\nSatisfy any",
    "BASIC\nRequire valid-user\nOrder deny,allow\nDeny from all\nSatisfy any",
    "BASIC\nRequire valid-user\nOrder allow,deny\nAllow from 127.0.0.0/8\nSatisfy all",
    "BASIC\n<Limit POST>\nRequire valid-user\n</Limit>",
    "BASIC\n<LimitExcept POST>\nRequire valid-user\n</LimitExcept>",
    "BASIC\nAuthMerging And\nRequire valid-user",
    "BASIC\n<RequireAny>\nRequire env near\nRequire valid-user\n</RequireAny>", "Require env near far",
    "BASIC\nRequire valid-user\nOrder deny,allow\nDeny from all\nAllow from env=near\nSatisfy any",
    "Order allow,deny\nAllow from all\nDeny from env=!far", "Require expr EXPRESSION",
    "BASIC\n<If \"EXPRESSION\">\nRequire valid-user\n</If>\n<Else>\nRequire all granted\n</Else>",
    "AuthMerging Or\nRequire ip 10.0.0.0/8", "AuthMerging And\nRequire all granted",
    "Require all granted", "Require all denied", "Require ip 10.0.0.0/8", "Require ip 127.0.0.1", "Require local",
    "<RequireAll>\nRequire all granted\nRequire not ip 127.0.0.1\n</RequireAll>", "Require method GET",
    "<RequireAll>\nRequire all granted\n<RequireNone>\nRequire ip 10\nRequire ip 11\n</RequireNone>\n</RequireAll>",
    "Order allow,deny\nAllow from all",
    "Order deny,allow\nDeny from all", "Order allow,deny\nAllow from 10.0.0.0/8",
    "Order deny,allow\nDeny from all\nAllow from 127.0.0.1", "Require valid-user", "AuthType None\nRequire all granted",
)  # fmt: skip
EXPRESSIONS: Final = (
    "%{REQUEST_URI} =~ m#/socket\\.io/#", "%{REQUEST_URI} =~ m#^/ui#i", "%{REQUEST_URI} !~ m#^/a#", "-R '127.0.0.0/8'",
    "! -R '10.0.0.0/8'", "%{REMOTE_ADDR} -ipmatch '127.0.0.0/8'", "%{REMOTE_ADDR} == '10.0.0.1'", "-n %{HTTP:X-Tag}",
    "-z req('X-Tag')", "%{HTTP:X-Tag} == 'one'", "%{HTTP:X-Tag} in {'two', 'one'}", "%{HTTPS} == 'off'", "-T %{HTTPS}",
    "%{REQUEST_METHOD} == 'POST' || %{QUERY_STRING} == 'q=1'", "%{REQUEST_URI} -strmatch '/ui*'",
    "%{REQUEST_URI} -strcmatch '/UI/*' && !(%{REQUEST_METHOD} == 'POST')", "%{REQUEST_URI} -fnmatch '/*/b'",
    "%{SERVER_PORT} -gt 1", "reqenv('near') == '1'", "%{ENV:far} == 'x'", "%{HTTP_HOST} =~ /^s[0-9]/", "true", "false",
    "'%{REQUEST_SCHEME}://%{HTTP_HOST}' == 'http://s1.example'", "'a' . 'b' == 'ab'", "%{REMOTE_USER} == ''",
    "'b' < 'a'",
)  # fmt: skip
SETTING: Final = (
    "SetEnvIf Request_URI socket\\.io near", "SetEnvIfNoCase Request_URI ^/UI near=1 !far", "SetEnvIf X-Tag one far=x",
    "SetEnvIf X-Tag ^$ near", "SetEnvIf Remote_Addr ^127 near", "SetEnvIf Request_Method POST far", "SetEnv near 1",
    "SetEnvIf near 1 far=x", "BrowserMatch ^$ near", "SetEnvIf Request_Protocol HTTP/1 far=y",
    "BrowserMatchNoCase x !near", "SetEnvIf X-Tag ONE !near", "SetEnvIfNoCase X-Tag ONE near",
)  # fmt: skip
CONDITIONS: Final = (
    "%{REQUEST_URI} PATTERN", "%{REQUEST_URI} !PATTERN", "%{QUERY_STRING} q=1", "%{REQUEST_METHOD} =POST",
    "%{HTTPS} off", "%{HTTPS} =on", "%{HTTP:X-Tag} one", "%{HTTP:X-Tag} ^$", "%{HTTP:X-Tag} ^ONE$ [NC]",
    "%{HTTP_HOST} ^s1", "%{THE_REQUEST} ' /ui'", "%{REQUEST_FILENAME} !-f",
    "%{REMOTE_ADDR} ^127", "%{REMOTE_ADDR} =10.0.0.1 [OR]",
    "%{QUERY_STRING} x=(.) [OR]", "$1 ^d", "%{ENV:near} =1", "expr \"EXPRESSION\"",
)  # fmt: skip
TARGETS: Final = (
    "/dashboard/$1", "/ui/", "/a/$2?x=$1", "/api?", "http://RED/dashboard/$1", "http://RED$0", "http://ELSE/$1",
    "http://RED%{REQUEST_URI}", "https://else.example/$1", "https://else.example%{REQUEST_URI}", "-", "-", "/x/%1",
)  # fmt: skip
FLAGS: Final = (
    "", "L", "PT", "PT,L", "R", "R=301,L", "P", "P,L", "P", "F", "G", "R=404,L", "NC", "NC,PT", "QSA,PT", "QSD,P", "C",
    "S=1", "END", "R=302,NE", "NC,P", "END", "P,END", "END,PT", "E=near:1", "E=!near,L", "E=far:x,PT",
)  # fmt: skip


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\") + '"'


def a_rule(random: Random) -> str:
    lines = []
    for _ in range(random.choice((0, 0, 1, 1, 2))):
        condition = random.choice(CONDITIONS).replace("PATTERN", random.choice(PATTERNS))
        lines.append(f"RewriteCond {condition}")
    target, flags = random.choice(TARGETS), random.choice(FLAGS)
    if "P" in flags.split(","):
        target = random.choice([target for target in TARGETS if target.startswith("http:")])
    elif "R" in flags or "301" in flags:
        target = random.choice([target for target in TARGETS if not target.startswith(("http:", "-"))])
    elif target.startswith("http:"):
        target = "/ui/$1"
    negated = "!" if random.randrange(8) == 0 and "$" not in target else ""
    return "\n".join([*lines, f"RewriteRule {negated}{random.choice(PATTERNS)} {target}" + f" [{flags}]" * bool(flags)])


def a_proxy(random: Random) -> str:
    place = random.choice(("http://RED", "http://RED", "http://ELSE", "balancer://behind"))
    kind = random.randrange(8)
    if kind == 0:
        return f"ProxyPass {random.choice(PATHS)} !"
    if kind == 1:
        return f"ProxyPassMatch {random.choice(PATTERNS)} {place}{random.choice(('/$1', '', '/dashboard/$1', '/x/$2'))}"
    if kind == 2:
        return f"ProxyPassMatch {random.choice(PATTERNS)} !"
    path = random.choice(PATHS)
    ends = ("/", "/dashboard/") if "balancer" in place else (path, "/", "", "/dashboard/", "/ui")
    return f"ProxyPass {path} {place}{random.choice(ends)}"


def a_section(random: Random) -> str:
    name = random.choice(("Location", "Location", "LocationMatch"))
    what = random.choice((*PATHS, "/*/b", "/a?")) if name == "Location" else random.choice(PATTERNS)
    lines = [random.choice(DEMANDS)]
    kind = random.randrange(8)
    if kind == 0 and "*" not in what and "?" not in what:
        lines.append(f"ProxyPass {random.choice(('http://RED/ui/', 'http://RED' + what, 'http://ELSE/'))}"
                     if name == "Location" else "ProxyPassMatch http://RED/$0")  # fmt: skip
    elif kind == 1 and name == "Location" and "*" not in what and "?" not in what:
        lines.append("ProxyPass !")
    return "\n".join([f"<{name} {what}>", *lines, f"</{name}>"])


def a_host(random: Random) -> str:
    lines = [a_section(random) for _ in range(random.choice((0, 1, 2, 3)))]
    lines += [a_proxy(random) for _ in range(random.choice((0, 1, 2, 3)))]
    if random.randrange(2):
        lines += ["RewriteEngine on", *(a_rule(random) for _ in range(random.choice((1, 1, 2, 3))))]
    if random.randrange(5) == 0:
        lines.append(random.choice((
            "Redirect /api https://else.example/api", "Redirect 404 /a", "RedirectMatch 301 ^/a/(.*) https://else.example/$1",
            "Redirect permanent / https://else.example/", "Redirect gone /dash",
        )))  # fmt: skip
    if random.randrange(6) == 0:
        lines.append(
            f"<Proxy {random.choice(('*', 'http://RED', 'http://RED/dash'))}>\n{random.choice(DEMANDS)}\n</Proxy>"
        )
    if random.randrange(4) == 0:
        lines.append(random.choice((
            "MergeSlashes off", "ErrorDocument 401 /ui/", "ErrorDocument 404 /dashboard/x",
            "ErrorDocument 403 /a",
        )))  # fmt: skip
    if random.randrange(2):
        lines += random.sample(SETTING, random.choice((1, 2, 3)))
    if random.randrange(4) == 0:
        lines.append(a_chain(random))
    lines.append("ProxyPass / http://RED/" if random.randrange(3) else "")
    while "EXPRESSION" in (text := "\n".join(lines)):
        lines = [text.replace("EXPRESSION", random.choice(EXPRESSIONS), 1)]
    if random.randrange(4) == 0:
        return in_macro(random, lines)
    return "\n".join(lines)


def a_chain(random: Random) -> str:
    demands = [random.choice(DEMANDS) for _ in range(3)]
    text = f'<If "EXPRESSION">\n{demands[0]}\n</If>'
    if random.randrange(2):
        text += f'\n<ElseIf "EXPRESSION">\n{demands[1]}\n</ElseIf>'
    return text + (f"\n<Else>\n{demands[2]}\n</Else>" if random.randrange(2) else "")


def in_macro(random: Random, lines: list[str]) -> str:
    """Return a macro with some lines of a host, of which values are parameters, and its use."""
    name = f"Host{random.randrange(10**9)}"
    text = "\n".join(lines)
    values = [value for value in ("/ui", "/dashboard", "RED", "valid-user", "/a") if value in text]
    chosen = random.sample(values, min(len(values), random.choice((0, 1, 2))))
    names = random.sample(("$p", "$pa", "%to"), len(chosen))
    names = ["@who" if value == "valid-user" else name for value, name in zip(chosen, names, strict=True)]
    for value, parameter in zip(chosen, names, strict=True):
        text = text.replace(value, parameter)
    return f"<Macro {' '.join((name, *names))}>\n{text}\n</Macro>\nUse {' '.join((name.upper(), *chosen))}"


def a_batch(random: Random) -> list[tuple[str, list[Asked]]]:
    return [(a_host(random), [a_request(random) for _ in range(REQUESTS)]) for _ in range(HOSTS)]


def a_request(random: Random) -> Asked:
    method, uri = random.choice(("GET", "GET", "GET", "POST")), random.choice(ASKED) + random.choice(QUERIES)
    return method, uri, random.randrange(3) == 0, random.randrange(3) == 0


@st.composite
def batches(draw: st.DrawFn) -> list[tuple[str, list[Asked]]]:
    return a_batch(Random(draw(st.integers(0, 2**32))))  # noqa: S311 no secret is made of it


@contextmanager
def apache_running(bodies: list[str]) -> Iterator[tuple[int, int, str]]:
    port, red, other = free_ports(3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hashed = base64.b64encode(hashlib.sha1(b"secret", usedforsecurity=False).digest()).decode()
        (folder / "htpasswd").write_text(f"operator:{{SHA}}{hashed}\n")
        (folder / "none").mkdir()
        folder.chmod(0o755)
        (folder / "htpasswd").chmod(0o644)
        modules = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in MODULES)
        head = (
            f"{modules}\nServerRoot {folder}\nPidFile {folder}/pid\nErrorLog {folder}/log\nMutex file:{folder}\n"
            f"Listen 127.0.0.1:{port}\nServerName main.example\nDocumentRoot {folder}/none\n"
            f"<Proxy balancer://behind>\nBalancerMember http://RED\n</Proxy>\n"
        )
        hosts = "\n".join(
            f"<VirtualHost *:{port}>\nServerName s{number}.example\n{body}\n</VirtualHost>"
            for number, body in enumerate(bodies)
        )
        text = (head + hosts).replace("RED", f"127.0.0.1:{red}").replace("ELSE", f"127.0.0.1:{other}")
        text = text.replace("BASIC", f"AuthType Basic\nAuthName x\nAuthUserFile {folder}/htpasswd")
        (folder / "apache.conf").write_text(text + "\n")
        assert APACHE is not None
        with (folder / "out").open("w") as out:
            process = subprocess.Popen([APACHE, "-X", "-f", str(folder / "apache.conf")], stdout=out, stderr=out)
        try:
            assert listens(process, port), (folder / "out").read_text() + "".join(
                p.read_text() for p in folder.glob("log")
            )
            with echoing({red: "red", other: "else"}):
                yield port, red, text
        finally:
            process.kill()
            process.wait(10)


def walked(servers: Servers, port: int, number: int, asked: Asked) -> set[tuple[str, str]]:
    """Follow the same request."""
    method, uri, tagged, granted = asked
    headers = {"x-tag": "one"} if tagged else {}
    name = f"s{number}.example"
    client = Client(
        uri, name, False, str(port), "127.0.0.1", method, headers=headers, granted=granted, exists=False, behind=200
    )
    [bind] = servers.binds
    [site] = servers.sites(bind)
    host = servers.chosen(site, name)
    ends = every(lambda made: apache.walk(servers, bind, host, client, made))
    assert granted or not [end for end in ends if end.doubts], ends
    return answers(ends)


def compare(batch: list[tuple[str, list[Asked]]]) -> Iterator[str]:
    """Yield what differs."""
    with apache_running([body for body, _ in batch]) as (port, red, text):
        directives = tree("a", "/", "/usr/sbin/apache2", frozenset(), {"a": text})
        servers = Servers(directives, (ListeningSocket("tcp", "127.0.0.1", red),))
        for number, (body, requests) in enumerate(batch):
            for asked in requests:
                method, uri, tagged, granted = asked
                sent = ["X-Tag: one"] * tagged + ["Authorization: Basic b3BlcmF0b3I6c2VjcmV0"] * granted
                answer = ask(port, f"s{number}.example", method, uri, *sent)
                ours = walked(servers, port, number, asked)
                if answer not in ours or (len(ours) > 1 and not granted):
                    yield f"{asked}: Apache {answer}, walk {ours}\n{body}"


@examples(HOSTS * REQUESTS, 800)
@given(batches())
def test_the_walk_ends_where_apache_does(batch: list[tuple[str, list[Asked]]]) -> None:
    assert next(compare(batch), "") == ""
