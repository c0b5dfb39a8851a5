"""Caddy in front of Node-RED: whole Caddyfiles, adapted by a real Caddy and reduced as on the host."""

from __future__ import annotations

import json
import os
import subprocess
import time
from functools import cache
from typing import TYPE_CHECKING

import certlab
import pytest
from caddylab import adapted
from seen import target, violations

from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.observations.host import ListeningSocket
from pytest_nodered_sec.observations.host_proxies import CaddyConfig, CaddyMatch, CaddyRoute, CaddyServer, CaddyStep
from pytest_nodered_sec.observations.host_settings import ChannelSettings
from pytest_nodered_sec.probes.host import caddy
from pytest_nodered_sec.probes.host.gather import PROGRAM
from pytest_nodered_sec.rules.proxy import gate, way_is_guarded
from pytest_nodered_sec.rules.settings import channels_are_guarded
from pytest_nodered_sec.verdict import NotJudged

if TYPE_CHECKING:
    from pathlib import Path

SOCKETS = (ListeningSocket("tcp", "127.0.0.1", 1880),)
LOGIN = "basic_auth @gated {\nadmin $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG\n}"
RED = "reverse_proxy 127.0.0.1:1880"


@cache
def reduced(text: str) -> CaddyConfig:
    return adapted(text, SOCKETS)


SITES = {
    "an expression": (f"@gated `!path('/public/*') && !remote_ip('10.0.0.0/8')`\n{LOGIN}\n{RED}", [], True),
    "an expression of alternatives": (
        f"@gated expression `path('/ui', '/ui/*') || path_regexp('(?i)^/dashboard(/|$)')`\n{LOGIN}\n{RED}",
        [],
        True,
    ),
    "an expression for all but sockets": (
        f"@gated `!path('*/socket.io/*') || (protocol('http') && host('x'))`\n{LOGIN}\n{RED}",
        ["socket", "socket"],
        False,
    ),
    "an expression of headers": (
        f"@gated expression `!header({{'Upgrade': 'websocket', 'Via': ['a', 'b']}})`\n{LOGIN}\n{RED}",
        ["header", "header"],
        False,
    ),
    "an expression of a header's pattern": (
        f"@gated `!header_regexp('User-Agent', '^Mozilla')`\n{LOGIN}\n{RED}",
        ["header", "header"],
        False,
    ),
    "an expression of the method": (f"@gated `method('GET') && path_regexp('name', '.')`\n{LOGIN}\n{RED}", [], True),
    "everything": (f"{LOGIN.replace('@gated', '')}\n{RED}", [], True),
    "nothing": (RED, [], False),
    "path, which ignores letter case": (f"@gated path /ui /ui/* /dashboard /dashboard/*\n{LOGIN}\n{RED}", [], True),
    "a pattern that does not": (f"@gated path_regexp ^/ui(/|$)\n{LOGIN}\n{RED}", ["letter-case"], False),
    "a pattern that does": (f"@gated path_regexp (?i)^/ui(/|$)\n{LOGIN}\n{RED}", [], True),
    "all but sockets": (f"@gated not path */socket.io/*\n{LOGIN}\n{RED}", ["socket", "socket"], False),
    "a page only": (f"@gated path /ui/\n{LOGIN}\n{RED}", ["socket"], False),
    "a login for some": (f"@gated not header Remote-User *\n{LOGIN}\n{RED}", ["header", "header"], False),
    "asked elsewhere": (f"forward_auth 127.0.0.1:9091 {{\nuri /verify\n}}\n{RED}", [], True),
    "in a block": (f"handle /ui/* {{\n{LOGIN.replace('@gated', '')}\n{RED}\n}}\nhandle {{\n{RED}\n}}", [], True),
    "in a block, its socket in another": (
        f"handle /ui/socket.io/* {{\n{RED}\n}}\nhandle /ui/* {{\n{LOGIN.replace('@gated', '')}\n{RED}\n}}",
        ["socket"],
        False,
    ),
    "elsewhere": ("handle /ui/* {\nreverse_proxy 127.0.0.1:3000\n}\nhandle {\n" + RED + "\n}", [], True),
    "answered, if some condition holds": (f"@far not remote_ip 10.0.0.0/8\nrespond @far 403\n{RED}", [], True),
    "answered": (f"@ui path /ui /ui/*\nrespond @ui 404\n{RED}", [], True),
    "rewritten": (f"handle_path /ui/* {{\n{RED}\n}}", [], False),
    "another way to the page, by a rewrite": (
        f"handle /hmi/* {{\nuri strip_prefix /hmi\nrewrite * /ui{{uri}}\n{RED}\n}}\n{LOGIN.replace('@gated', '')}\n"
        f"@gated path /ui/*\nhandle @gated {{\n{LOGIN.replace('@gated', '')}\n{RED}\n}}",
        [],
        True,
    ),
    "another way to the page, past the login": (
        f"handle /ui/* {{\n{LOGIN.replace('@gated', '')}\n{RED}\n}}\n"
        f"handle_path /hmi/* {{\nrewrite * /ui{{uri}}\n{RED}\n}}",
        ["alias"],
        False,
    ),
    "another way, by the proxy's own rewrite": (
        f"handle /ui/* {{\n{LOGIN.replace('@gated', '')}\n{RED}\n}}\nhandle /hmi {{\n{RED} {{\nrewrite /ui/\n}}\n}}",
        ["alias"],
        False,
    ),
    "who fails to log in is let in by the errors": (
        f"{LOGIN.replace('@gated', '')}\n{RED}\nhandle_errors 401 {{\n{RED}\n}}",
        [],
        False,
    ),
    "an answer that is handled is no login": (
        f"{RED} {{\n@broken status 5xx\nhandle_response @broken {{\nrespond 503\n}}\n}}",
        [],
        False,
    ),
}


@pytest.mark.parametrize("name", SITES)
def test_who_is_asked_for_a_login(name: str) -> None:
    site, expected, guarded = SITES[name]
    seen = reduced(f"https://plant.example {{\n{site}\n}}\n")
    assert [violation.code for violation in violations(way_is_guarded(seen, target().policy))] == expected
    assert (gate(seen, "/ui") == "closed") is guarded


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("!query({'q': 'x'}) || client_ip('10.0.0.0/8')", "whether anonymous clients know the value of q is unknown"),
        ("{http.request.host} != 'x'", "whether Caddy's matcher expression fits is not known"),
        ("!path('/\\x70ublic/*')", "whether Caddy's matcher expression fits is not known"),
        ("!path('/public/*') == true", "whether Caddy's matcher expression fits is not known"),
    ],
)
def test_expressions_that_are_not_followed(expression: str, reason: str) -> None:
    seen = reduced(f"https://plant.example {{\n@gated `{expression}`\n{LOGIN}\n{RED}\n}}\n")
    assert gate(seen, "/ui") == reason


UNKNOWN = {
    "a handler of a plugin's": ("unknown", "the decision of Caddy's handler rate_limit is unknown"),
    "a rewrite as 0.1.0 told it": ("rewrite", "how Caddy rewrites the path was not looked at"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_understood_is_not_judged_naming_it(name: str) -> None:
    kind, reason = UNKNOWN[name]
    step = CaddyStep(kind, name="rate_limit" if kind == "unknown" else "")
    proxy = CaddyStep("proxy", ("127.0.0.1:1880",))
    channel = CaddyMatch(paths=("/ui/socket.io/*",))
    routes = (CaddyRoute((channel,), (step, proxy)), CaddyRoute((), (CaddyStep("login"), proxy)))
    dials = (("127.0.0.1:1880", False),)
    seen = CaddyConfig("caddy.json", (CaddyServer("srv0", (":443",), True, dials, routes),), SOCKETS)
    verdict = way_is_guarded(seen, target(dashboards=("/ui",)).policy)
    assert isinstance(verdict, NotJudged)
    assert reason in verdict.reason
    assert reason in gate(seen, "/ui")


@pytest.mark.parametrize(
    ("sites", "tls"),
    [
        ("plant.example {\nrespond ok\n}", True),
        ("https://plant.example:3001 {\nrespond ok\n}", True),
        ("{\nhttps_port 8443\n}\nplant.example {\nrespond ok\n}", True),
        ("plant.example:3001 {\ntls internal\nrespond ok\n}", True),
        ("http://plant.example:3001 {\nrespond ok\n}", False),
        ("http://plant.example {\nrespond ok\n}", False),
        (":3001 {\nrespond ok\n}", False),
    ],
)
def test_which_servers_speak_tls(sites: str, tls: bool) -> None:
    [server] = reduced(sites).servers
    assert server.tls is tls


@pytest.mark.parametrize(
    ("demand", "state"),
    [
        ("mode require_and_verify\ntrust_pool file CA", "closed"),
        ("trust_pool file CA", "closed"),
        ("mode require\ntrusted_leaf_cert_file CA", "closed"),
        ("mode require", "open"),  # any that a client makes: nothing is verified
        ("mode verify_if_given\ntrust_pool file CA", "open"),
        ("mode request", "open"),
    ],
)
def test_a_client_certificate_counts_where_it_is_verified(demand: str, state: str, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(certlab.issue("plant", ca=True).pem)
    mutual = f"tls internal {{\nclient_auth {{\n{demand.replace('CA', str(ca))}\n}}\n}}"
    seen = reduced(f"https://plant.example {{\n{mutual}\n{RED}\n}}\n")
    assert gate(seen, "/ui") == state
    whole = f"{{\nservers {{\nstrict_sni_host insecure_off\n}}\n}}\nhttps://plant.example {{\n{mutual}\n{RED}\n}}\n"
    assert gate(reduced(whole), "/ui") == "open"  # by the name of another in TLS


@pytest.mark.parametrize(
    ("wrapper", "state"),
    [
        ("proxy_protocol {\nallow 10.0.0.0/8\n}", "closed"),
        ("proxy_protocol {\nallow 0.0.0.0/0\n}", "open"),
        ("proxy_protocol {\nfallback_policy use\n}", "open"),
        ("proxy_protocol {\nfallback_policy reject\n}", "closed"),
        ("proxy_protocol", "whose PROXY protocol Caddy takes for a client's address is not known"),
    ],
)
def test_addresses_that_connections_tell(wrapper: str, state: str) -> None:
    login = LOGIN.replace("@gated", "")
    body = f"@near remote_ip 10.0.0.0/8\nhandle @near {{\n{RED}\n}}\nhandle {{\n{login}\n{RED}\n}}"
    text = f"{{\nservers {{\nlistener_wrappers {{\n{wrapper}\ntls\n}}\n}}\n}}\nplant.example {{\n{body}\n}}"
    assert gate(reduced(text), "/ui", exactly=False) == state


@pytest.mark.parametrize(
    ("trust", "state"),
    [
        ("", "closed"),
        ("trusted_proxies static 10.0.0.0/8", "closed"),
        ("trusted_proxies static 0.0.0.0/0 ::/0", "open"),  # X-Forwarded-For, from anybody
    ],
)
def test_addresses_that_trusted_proxies_tell(trust: str, state: str) -> None:
    site = f"https://plant.example {{\n@far not client_ip 10.0.0.0/8\nrespond @far 403\n{RED}\n}}\n"
    assert gate(reduced(f"{{\nservers {{\n{trust}\n}}\n}}\n{site}"), "/ui") == state


def told(main: Path, started: float) -> str:
    """Return why a Caddyfile is not taken for what runs, "" where it is, as the program on the host says."""
    text = json.dumps(
        {"file": str(main), "started": started, "exe": str(toolchain.caddy()), "adapter": "", "resume": False}
    )
    program = (
        f"const INPUT = {{}};\n{PROGRAM.removesuffix('main();' + chr(10))}\nconst [config, why] = written({text});"
    )
    run = [str(toolchain.node()), "-"]
    done = subprocess.run(
        run,
        input=f"{program}\nconsole.log(why || (config ? '' : 'nothing'));",
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_files_that_a_caddyfile_takes_in_are_what_runs_too(tmp_path: Path) -> None:
    main, site, more = tmp_path / "Caddyfile", tmp_path / "sites" / "a.caddy", tmp_path / "sites" / "b.caddy"
    site.parent.mkdir()
    main.write_text("import sites/*.caddy\n")
    site.write_text("http://a {\nrespond a\nimport b.caddy x\n}\n")
    more.write_text("# nothing\n")
    now = time.time()
    assert told(main, now) == ""
    os.utime(site, (now + 100, now + 100))
    assert told(main, now).endswith("a.caddy was changed after Caddy started, and its admin endpoint is off")
    site.write_text("http://{$NAME} {\nrespond a\n}\n")
    assert told(main, time.time()).endswith(
        "a.caddy takes values from Caddy's environment, and its admin endpoint is off"
    )
    assert "cannot be read" in told(tmp_path / "none", now)
    os.mkfifo(tmp_path / "pipe")
    assert "cannot be read" in told(tmp_path / "pipe", now)
    site.write_text("# nothing\n")
    dated = now - 100
    for path in (site, site.parent):
        os.utime(path, (dated, dated))
    now = time.time()
    os.utime(site.parent, (now + 100, now + 100))  # a file was taken out, whose servers go on
    assert told(main, now).endswith("sites was changed after Caddy started, and its admin endpoint is off")
    os.utime(site.parent, (dated, dated))
    site.parent.chmod(0o777)  # who may replace the directory shows one that Caddy never read
    assert told(main, time.time()).startswith("others than root, Caddy's user and Node-RED's can change ")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('import "sites/a.caddy"', "a.caddy was changed after Caddy started"),
        ("import `sites/a.caddy` x", "a.caddy was changed after Caddy started"),
        ("import */a.caddy", "a.caddy, which is not followed,"),
        ("import sites/[ab].caddy", "which is not followed,"),
        ("import sites/b.caddy", ""),
        ("import snippet", ""),
    ],
)
def test_files_that_a_caddyfile_takes_in_by_other_forms(line: str, why: str, tmp_path: Path) -> None:
    """A real Caddy 2.11 takes in all of them; a file that was changed since is not what runs."""
    (tmp_path / "sites").mkdir()
    for name, seconds in (("a", 100.0), ("b", -100.0)):
        (tmp_path / "sites" / f"{name}.caddy").write_text("# nothing\n")
        os.utime(tmp_path / "sites" / f"{name}.caddy", (time.time() + seconds,) * 2)
    (tmp_path / "Caddyfile").write_text(f"(snippet) {{\n}}\n{line}\n")
    assert why in told(tmp_path / "Caddyfile", time.time() + 1)
    assert bool(told(tmp_path / "Caddyfile", time.time() + 1)) is bool(why)


def test_an_account_that_caddy_itself_sets_may_log_everybody_in() -> None:
    login, sign = LOGIN.replace("@gated", ""), 'request_header Authorization "Basic eDp5"'
    for body, state in (
        (f"route {{\n{sign}\n{login}\n{RED}\n}}", "lets everybody in is unknown: Caddy itself sets Authorization"),
        (f"route {{\nrequest_header X-A x\n{login}\n{RED}\n}}", "closed"),
        (f"{sign}\n{login}\n{RED}", "closed"),  # after the login, for who is behind
    ):
        assert state in gate(reduced(f"https://a.example {{\n{body}\n}}\n"), "/ui")


SAYING = """
const serve = (at, port, said) => new Promise((done) => {
  const server = http.createServer((_, answer) => answer.end(said)).listen(port, at, () => done(server.address().port));
});
(async () => {
  const port = await serve("127.0.0.1", 0, '"ours"');
  await serve("::1", port, '"theirs"');
  const end = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const line = fs.readFileSync("/proc/net/tcp", "utf8").split("\\n").find((one) => one.includes(`${end} 00000000`));
  const inode = line.trim().split(/\\s+/)[9];
  for (const given of [inode, "1"]) console.log(await running({ address: "127.0.0.1", port, inode: given }));
  process.exit();
})();
"""


def test_who_listens_on_another_address_of_localhost_is_not_the_admin_endpoint() -> None:
    program = f"const INPUT = {{}};\n{PROGRAM.removesuffix('main();' + chr(10))}\n{SAYING}"
    run = [str(toolchain.node()), "-"]
    done = subprocess.run(run, input=program, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["ours", "null"]  # of another inode, it is in another network


def test_connections_that_the_app_layer4_hands_on() -> None:
    apps = {"layer4": {"servers": {"a": {"listen": [":1881"], "routes": [{"handle": [
        {"handler": "proxy", "upstreams": [{"dial": ["127.0.0.1:1880"]}]}]}]}}}}  # fmt: skip
    program = f"const INPUT = {{}};\n{PROGRAM.removesuffix('main();' + chr(10))}"
    run = [str(toolchain.node()), "-"]
    asked = f"{program}\nconsole.log(JSON.stringify(raws({json.dumps({'apps': apps})})));"
    done = subprocess.run(run, input=asked, capture_output=True, text=True, check=True)
    [server] = map(caddy.server, json.loads(done.stdout))
    assert (server.name, server.raw, server.dials) == ("layer4 a", True, (("127.0.0.1:1880", False),))
    assert gate(CaddyConfig("caddy.json", (server,), SOCKETS), "/ui") == "open"


def test_answers_that_are_handed_on() -> None:
    handed = f"intercept {{\n@no status 401\nhandle_response @no {{\n{RED}\n}}\n}}"
    seen = reduced(f"https://plant.example {{\n{handed}\n{LOGIN.replace('@gated', '')}\n{RED}\n}}\n")
    assert seen.servers[0].routes[0].steps[0].kind == "routes"
    kinds = {step.kind for route in seen.servers[0].routes[0].steps[0].routes for step in route.steps}
    assert "unknown" in kinds


def test_each_name_has_its_own_way() -> None:
    gated = f"https://plant.example {{\n{LOGIN.replace('@gated', '')}\n{RED}\n}}\n"
    assert gate(reduced(gated), "/ws/line", exactly=True) == "closed"
    assert gate(reduced(f"{gated}https://other.example {{\n{RED}\n}}\n"), "/ws/line", exactly=True) == "open"
    assert gate(reduced(f"{gated}https://other.example {{\nrespond 404\n}}\n"), "/ws/line", exactly=True) == "closed"


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
        ((CaddyRoute((), (login,), "one"), CaddyRoute((), (proxy,), "one")), False),
        ((CaddyRoute((), (CaddyStep("other"),), "one"), CaddyRoute((), (proxy,), "one")), False),
        ((CaddyRoute((), (), last=True), CaddyRoute((), (proxy,))), False),
    ):
        server = CaddyServer("srv0", (":443",), True, (("127.0.0.1:1880", False),), routes)
        seen = CaddyConfig("caddy.json", (server,), SOCKETS)
        assert (gate(seen, "/ui") == "closed") is guarded
