"""Gates that let past by what a WebSocket's handshake says, or by the address: each surface, before one Node-RED."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import nginxlab
import pytest
from certlab import issue
from gatelab import PASS
from suite_controls import CONTROLS, rule_of
from suite_runs import need_nginx

from pytest_nodered_sec import lab
from pytest_nodered_sec.catalogue import catalogue
from pytest_nodered_sec.data.ways import ASSETS, FOLDERS
from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.lab import deployments
from pytest_nodered_sec.lab.node_red import flows
from pytest_nodered_sec.lab.ports import free_ports
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.observations.settling import answered
from pytest_nodered_sec.policy.model import Endpoint, Policy
from pytest_nodered_sec.survey.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.live
ROOT = issue("Ways", ca=True)
LEAF = issue("localhost", ROOT, dns=["localhost"])
POLICY = Policy(
    admin_api="proxied",
    editor="protected",
    dashboards=("/ui",),
    protected_paths=(Endpoint("/api/orders", effect="none"),),
    websockets=("/ws/line",),
)
LOGIN = "auth_basic Operators; auth_basic_user_file @FILES@/users;"
TO_NODE_RED = f"{PASS} proxy_pass http://nodered;"
GUARDED = f"{LOGIN} location / {{ {TO_NODE_RED} }}"


def by_map(name: str, what: str, pattern: str) -> tuple[str, str]:
    """Return a gate that asks for no login where a request says something."""
    lines = f"{LOGIN.replace('Operators', f'${name}')} location / {{ {TO_NODE_RED} }}"
    return lines, f'map "{what}" ${name} {{ default Operators; "~*{pattern}" off; }}'


SOCKETS = {"/ui/socket.io WebSocket", "/comms", "WebSocket /ws/line"}
TIDIED = f"location / {{ {PASS} proxy_pass http://nodered/; }}"  # the tidied path is forwarded
ASKED = {"GET /settings", "/ui", "GET /api/orders"}
WRITTEN = ASKED | {"/ui/socket.io", "/comms", "WebSocket /ws/line"}  # where paths are asked in other forms
# gate: its lines, those of the http block, the findings' codes, and where they must be found
GATES: dict[str, tuple[str, str, str, set[str]]] = {
    "clean": (GUARDED, "", "", set()),
    "origin": (*by_map("by_origin", "$http_upgrade:$http_origin", "^websocket:https://localhost"), "browser", SOCKETS),
    "bearer": (*by_map("by_token", "$http_upgrade:$http_authorization", "^websocket:Bearer"), "bearer", SOCKETS),
    "cookie": (*by_map("by_cookie", "$http_upgrade:$http_cookie", "^websocket:.+"), "credential-shaped", SOCKETS),
    "lan": (*by_map("by_lan", "$http_upgrade:$http_x_real_ip", "^websocket:192[.]168"), "forwarded", SOCKETS),
    "query": (*by_map("by_query", "$arg_transport", "websocket"), "transport", ASKED),
    "protocol": (*by_map("by_protocol", "$http_sec_websocket_protocol", "."), "browser", SOCKETS),
    "raw-path": (
        f"{LOGIN.replace('Operators', '$by_path')} {TIDIED}",
        'map $request_uri $by_path { default off; "~*^/(ui|api|settings|comms|ws)" Operators; }',
        "encoded dotted",
        WRITTEN,
    ),
    "tidied-path": (f"{LOGIN} {TIDIED}", "", "", set()),
    "slashes-kept": (  # by nginx behind the gate: // is nothing that Node-RED serves
        f"merge_slashes off; {LOGIN.replace('Operators', '$by_kept')} {TIDIED}",
        'map $request_uri $by_kept { default off; "~*^/(ui|api|settings|comms|ws|static)" Operators; }',
        "encoded",
        WRITTEN,
    ),
    "no-percent": (  # the same refusal for what is encoded
        f"if ($by_percent) {{ return 403; }} {TIDIED}",
        'map $request_uri $by_percent { default ""; "~*^/(ui|api|settings|comms|ws|static)|%" 1; }',
        "slashes",
        WRITTEN,
    ),
    "percent-login": (  # the same login for what is encoded
        f"{LOGIN.replace('Operators', '$by_code')} {TIDIED}",
        'map $request_uri $by_code { default off; "~*^/(ui|api|settings|comms|ws|static)|%" Operators; }',
        "slashes",
        {"GET /settings"},
    ),
    "slashes-login": (
        f"{LOGIN.replace('Operators', '$by_two')} {TIDIED}",
        'map $request_uri $by_two { default off; "~*^/(ui|api|settings|comms|ws|static)|//" Operators; }',
        "encoded",
        {"GET /settings"},
    ),
    "free-prefix": (
        f"{LOGIN.replace('Operators', '$by_prefix')} {TIDIED}",
        'map $request_uri $by_prefix { default Operators; "~^/static/" off; }',
        "dotted",
        WRITTEN,
    ),
    "events": (*by_map("by_accept", "$http_accept", "^text/event-stream$"), "events", ASKED | {"/ui/socket.io"}),
    "page-by-agent": (
        f"{LOGIN} location / {{ {TO_NODE_RED} }} location ~ ^/ui/?$ "
        f"{{ {LOGIN.replace('Operators', '$by_agent')} {TO_NODE_RED} }}",
        'map $http_user_agent $by_agent { default Operators; "~Mozilla" off; }',
        "browser",
        {"/ui"},
    ),
    "upgrade-by-origin": (
        f"{LOGIN} location / {{ {TO_NODE_RED} }} "
        f"location ~ comms|socket.io|/ws/ {{ auth_basic off; if ($http_origin !~ localhost) {{ return 403; }} "
        f"{TO_NODE_RED} }}",
        "",
        "browser",
        SOCKETS | {"/ui/socket.io"},
    ),
}
EVERYWHERE = ASKED | SOCKETS | {"/ui/socket.io"}


def by_address(header: str, network: str) -> tuple[str, str]:
    """Return a gate that asks for no login from a network, by an address that anybody may write."""
    trusting = f"set_real_ip_from 0.0.0.0/0; real_ip_header {header}; satisfy any; allow {network}; deny all;"
    return f"{trusting} {GUARDED}", ""


GATES |= {
    "token-in-query": (*by_map("by_argument", "$arg_token", "."), "query", EVERYWHERE),
    "script-in-query": (*by_map("by_ending", "$request_uri", "[.](js|css)$"), "query ending", EVERYWHERE),
    "monitor": (*by_map("by_monitor", "$http_user_agent", "^kube-probe"), "monitor", ASKED | {"/ui/socket.io"}),
    "cookie-of-refusal": (
        f"add_header Set-Cookie 'seen=41f2; Path=/' always; {by_map('by_seen', '$cookie_seen', '^41f2$')[0]}",
        by_map("by_seen", "$cookie_seen", "^41f2$")[1],
        "returned",
        EVERYWHERE,
    ),
    "token-in-header": (*by_map("by_header", "$http_x_access_token", "^eyJ"), "credential-shaped", EVERYWHERE),
    "program": (*by_map("by_program", "$http_accept", "^application/json$"), "program", {"/ui", "GET /api/orders"}),
    "scheme": (*by_map("by_scheme", "$http_x_forwarded_proto", "^https$"), "rewritten", ASKED | {"/ui/socket.io"}),
    "page-by-referer": (
        *by_map("by_referer", "$http_referer", "^https://localhost:[0-9]+/ui/$"),
        "browser",
        {"/ui", "/ui/socket.io", "GET /api/orders"},
    ),
    "cookie-by-name": (*by_map("by_named_cookie", "$cookie_jsessionid", "."), "credential-shaped", EVERYWHERE),
    "method-in-header": (
        *by_map("by_method", "$http_x_http_method_override", "^OPTIONS$"),
        "rewritten",
        ASKED | {"/ui/socket.io"},
    ),
    "uri-in-header": (*by_map("by_uri", "$http_x_original_uri", "[.]js$"), "rewritten", ASKED | {"/ui/socket.io"}),
    "free-path-in-query": (
        *by_map("by_free_path", "$request_uri", "/(public|static)/"),
        "query",
        EVERYWHERE - {"/ui/socket.io", "/ui/socket.io WebSocket"},  # dash-02 finds these: the path itself has them
    ),
    "content-type": (
        *by_map("by_content", "$request_method:$http_content_type", "^GET:application/json"),
        "browser",
        ASKED | {"/ui/socket.io"},
    ),
    # admin-12 finds it elsewhere
    "loopback": (*by_map("by_loopback", "$http_cf_connecting_ip", "^127"), "", set()),
    "ingress": (*by_map("by_ingress", "$http_x_ingress_path", "."), "", set()),
    "assertion": (
        *by_map("by_assertion", "$http_x_pomerium_jwt_assertion", "^eyJ"),
        "credential-shaped",
        EVERYWHERE,
    ),
    "loopback-six": (*by_address("X-Client-IP", "::1"), "forwarded", WRITTEN),
    "containers": (*by_address("X-Forwarded-For", "172.17.0.0/16"), "forwarded", ASKED | {"/ui/socket.io"}),
    "unique-local": (*by_address("X-Forwarded-For", "fd00::/8"), "forwarded", ASKED),
}
_POLLED = ASKED | {"/ui/socket.io"}
GATES |= {
    "key": (*by_map("by_key", "$http_sec_websocket_key:$http_upgrade", "^[^:]+:$"), "handshake", _POLLED),
    "device": (*by_map("by_device", "$http_user_agent", "(ESP8266|Tasmota|Shelly)"), "monitor", _POLLED),
    "signed-hook": (*by_map("by_signature", "$http_x_hub_signature_256", "."), "credential-shaped", EVERYWHERE),
    "any-key": (*by_map("by_key_of_kong", "$http_apikey", "."), "credential-shaped", EVERYWHERE),
    "frame": (*by_map("by_frame", "$http_sec_fetch_dest", "^iframe$"), "embedded", _POLLED),
    "hook-in-query": (*by_map("by_hook", "$request_uri", "[?].*/(api|webhook)/"), "query", EVERYWHERE),
}
GATES |= {
    "older": (*by_map("by_age", "$server_protocol", "^HTTP/1[.]0$"), "older", ASKED),
    "newer": (*by_map("by_youth", "$server_protocol", "^HTTP/2"), "newer", _POLLED),
    "newer-only": (
        f"if ($server_protocol ~ HTTP/1) {{ return 403; }} location / {{ {TO_NODE_RED} }}",
        "",
        "newer",
        _POLLED,
    ),
    "newer-clean": (GUARDED, "", "", set()),
    "length": (*by_map("by_length", "$content_length", "."), "carrying", _POLLED),
    "expect": (*by_map("by_expect", "$http_expect", "."), "carrying", _POLLED),
    "chunks": (*by_map("by_chunks", "$http_transfer_encoding", "chunked"), "chunked", _POLLED),
    "preflight": (*by_map("by_preflight", "$http_access_control_request_method", "."), "preflight", _POLLED),
    "since": (*by_map("by_since", "$http_if_modified_since", "."), "program", ASKED),
    "head": (*by_map("by_head", "$request_method", "^HEAD$"), "head", {"GET /api/orders"}),
    "navigation": (*by_map("by_fetch", "$http_sec_fetch_mode", "^navigate$"), "navigation", ASKED),
    "ahead": (*by_map("by_purpose", "$http_sec_purpose", "prefetch"), "navigation", ASKED),
    "trailers": (*by_map("by_trailers", "$http_te", "trailers"), "browser", _POLLED),
    "style-in-query": (*by_map("by_style", "$request_uri", "[.]css$"), "ending", _POLLED),
    "percent-in-query": (*by_map("by_escape", "$request_uri", "[?].*%"), "ending", _POLLED),
    "host-as-usual": (
        f"{LOGIN.replace('Operators', '$by_host')} location / {{ {TO_NODE_RED} }}",
        'map $http_host $by_host { default off; "~^localhost(:[0-9]+)?$" Operators; }',
        "host",
        _POLLED,
    ),
    "host-without-port": (
        f"{LOGIN.replace('Operators', '$by_port')} location / {{ {TO_NODE_RED} }}",
        'map $http_host $by_port { default off; "~*^localhost$" Operators; }',
        "host",
        _POLLED,
    ),
    "comms-by-loopback": (
        f"{GUARDED} location /comms {{ {LOGIN.replace('Operators', '$by_near')} {TO_NODE_RED} }}",
        'map $http_x_forwarded_for $by_near { "127.0.0.1" off; default Operators; }',
        "",
        set(),
    ),
    "older-505": (f"if ($server_protocol = HTTP/1.0) {{ return 505; }} {GUARDED}", "", "", set()),
    "chunks-501": (f"if ($http_transfer_encoding) {{ return 501; }} {GUARDED}", "", "", set()),
    "head-of-the-front": (f"if ($request_method = HEAD) {{ return 200; }} {GUARDED}", "", "", set()),
    "nameless": (
        f"{LOGIN.replace('Operators', '$nameless')} location / {{ {TO_NODE_RED} }}",
        'map $http_user_agent $nameless { "" off; default Operators; }',
        "nameless",
        {"GET /settings", "/ui"},
    ),
}
GATES |= {
    # WebSockets alone; admin-12 finds them
    "comms-by-name": (
        f"{GUARDED} location /comms {{ {LOGIN.replace('Operators', '$by_admin')} {TO_NODE_RED} }}",
        "map $http_remote_user $by_admin { admin off; default Operators; }",
        "",
        set(),
    ),
    "socket-by-loopback": (
        f"{GUARDED} location /ui/socket.io {{ {LOGIN.replace('Operators', '$by_socket')} {TO_NODE_RED} }}",
        'map $http_upgrade:$http_x_forwarded_for $by_socket { "websocket:127.0.0.1" off; default Operators; }',
        "",
        set(),
    ),
    "cases": (  # guards a list, in lower and in upper case
        f"{LOGIN.replace('Operators', '$by_case')} location / {{ {TO_NODE_RED} }}",
        'map $uri $by_case { default off; "~^/(ui|api|settings|comms|ws|UI|API|SETTINGS|COMMS|WS)(/|$)" Operators; }',
        "",
        set(),
    ),
}
OAUTH = f"""absolute_redirect off; location = /auth {{ internal; return 401; }}
location @start {{ return 302 /oauth2/start?rd=$request_uri; }}
location /oauth2/ {{ return 302 https://login.example/authorize?state=$request_id; }}
location / {{ auth_request /auth; error_page 401 = @start; {TO_NODE_RED} }}"""
_FORM = "<title>Node-RED Dashboard</title><form><input type=password></form><script src=assets/index-1.js></script>"
LED = {  # how browsers are led to a login, while programs get 401
    "form": f"default_type text/html; return 200 '{_FORM}';",
    "elsewhere": "return 302 https://login.example/start?rd=$request_uri;",
    "json": """default_type application/json; return 200 '{"login": "/login"}';""",
}
_LEADING = f"if ($http_accept ~ text/html) {{ return 418; }} error_page 418 = @login; {GUARDED}"
BAN = f"if ($http_user_agent ~* pytest) {{ return @STATUS@; }} {GUARDED}"
# fronts that turn away otherwise than with 401 or 403, and what the policy says beside POLICY
FRONTS: dict[str, tuple[str, dict[str, Any]]] = {
    "dots": (f"location ~ /[.] {{ return 444; }} {GUARDED}", {}),
    **{
        f"method-{status}": (f"if ($request_method !~ ^(GET|HEAD)$) {{ return {status}; }} {GUARDED}", {})
        for status in (400, 418, 444)
    },
    **{f"upgrade-{status}": (f"if ($http_upgrade) {{ return {status}; }} {GUARDED}", {}) for status in (404, 426, 444)},
    "post-404": (
        f"if ($request_method = POST) {{ return 404; }} {GUARDED}",
        {"protected_paths": (Endpoint("/api/orders", "POST"),)},
    ),
    "closed-but-for-one-dashboard": (
        f"location /ui/ {{ {LOGIN} {TO_NODE_RED} }} location / {{ return 444; }}",
        {"admin_api": "disabled", "editor": "disabled", "protected_paths": (), "websockets": ()},
    ),
    **{f"browsers-{name}": (f"{_LEADING} location @login {{ {act} }}", {}) for name, act in LED.items()},
    "oauth": (OAUTH, {"login_urls": ("https://login.example/authorize",)}),
    "one-dashboard": (
        f"location /ui/ {{ {LOGIN} {TO_NODE_RED} }} location / {{ return 404; }}",
        {"admin_api": "disabled", "editor": "disabled", "protected_paths": (), "websockets": ()},
    ),
}
BANS = {f"ban-{status}": BAN.replace("@STATUS@", str(status)) for status in (403, 404, 444)}
GATES["open"] = (f"location / {{ {TO_NODE_RED} }}", "", "", set())
GATES["page-by-name"] = (
    f"{LOGIN} location / {{ {TO_NODE_RED} }} location ~ ^/ui/?$ "
    f"{{ {LOGIN.replace('Operators', '$by_name')} {TO_NODE_RED} }}",
    'map $http_remote_user $by_name { "" Operators; default off; }',
    "",
    set(),
)
FURTHER = {  # a gate of its own for the first dashboard, and one for all else that goes by the path as it was sent
    name: f"location /dashboard {{ {first} }} set $realm Operators; "
    f"if ($request_uri ~ ^/static/) {{ set $realm off; }} "
    f"{LOGIN.replace('Operators', '$realm')} {TIDIED} "
    f"location ~ ^/ui/.*[.]svg$ {{ auth_basic off; {TO_NODE_RED} }}"
    for name, first in {
        "further-forbidden": "return 403;",
        "further-same": f"{LOGIN} {TO_NODE_RED}",
        "further-login": f"{LOGIN.replace('Operators', 'Halls')} {TO_NODE_RED}",
        "further-node-red": "add_header WWW-Authenticate 'Bearer realm=\"Users\"' always; return 401;",
    }.items()
}
FREE = ("(public|static)", "auth")  # folders that such a list lets pass wherever they stand
# each lets one name of a file pass its login
ASSET_GATES = {asset: f"{GUARDED} location ~ /{asset}$ {{ auth_basic off; {TO_NODE_RED} }}" for asset in ASSETS}
ASSET_GATES |= {folder: f"{GUARDED} location ~ /{folder}/ {{ auth_basic off; {TO_NODE_RED} }}" for folder in FREE}
LINES = {**FURTHER, **ASSET_GATES, **{name: lines for name, (lines, _) in FRONTS.items()}, **BANS}
# what a server block for the address opens, and where it must be found over HTTPS and in clear
BY_ADDRESS = {
    "channel": ("/ui/socket.io", "GET /ui/socket.io", True),
    "comms": ("/comms", "GET /comms", False),
    "page": ("/ui", "GET /ui", True),
    "endpoint": ("/api/orders", "GET /api/orders", False),
    "other-site": ("", "", False),
}


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Target]]:
    """One open Node-RED whose /ui takes any WebSocket, /dashboard who sends a cookie, and every gate before it."""
    need_nginx()
    site, folder = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("gates")
    takes = "{ioMiddleware: (socket, next) => next()}"
    believes = "{ioMiddleware: (socket, next) => next(socket.request.headers.cookie ? undefined : new Error('no'))}"
    (site / "settings.js").write_text(
        f"module.exports = {{ui: {takes}, dashboard: {believes}, "
        "webSocketNodeVerifyClient: () => true, telemetry: {enabled: false}};"
    )
    (site / "flows.json").write_text(flows(deployments.Deployment()))
    (folder / "users").write_text("operator:{PLAIN}right\n")
    (folder / "ca.pem").write_bytes(ROOT.pem)
    names = (*GATES, *BY_ADDRESS, *LINES)
    with lab.start([str(site)], say=lambda line: None) as running:
        free = free_ports(2 * len(names))  # at once: a second call may give what the first one gave
        ports, clear = (dict(zip(names, half, strict=True)) for half in (free[: len(names)], free[len(names) :]))
        text = _servers(ports, clear, running.deployments[0].direct_port).replace("@FILES@", str(folder))
        with nginxlab.serving(folder, [LEAF], http=text):

            def target(name: str) -> Target:
                url = f"https://localhost:{ports[name]}"
                (direct,) = free_ports(1)
                return Target(
                    name, url, POLICY, http_port=clear[name], direct_port=direct, ca_file=str(folder / "ca.pem")
                )

            yield target


def _servers(ports: dict[str, int], clear: dict[str, int], upstream: int) -> str:
    files = "ssl_certificate @FILES@/chain0.pem; ssl_certificate_key @FILES@/chain0.key;"
    text = f"""map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
    upstream nodered {{ server 127.0.0.1:{upstream}; }}"""
    for name, port in ports.items():
        lines, above = GATES[name][:2] if name in GATES else (LINES.get(name, GUARDED), "")
        listen = f"listen 127.0.0.1:{port} ssl{' http2' if name.startswith('newer') else ''}"
        text += f"{above} server {{ {listen}; server_name localhost; {files} {lines} }}"
        away = f"return 301 https://localhost:{port}$request_uri;"
        text += f"server {{ listen 127.0.0.1:{clear[name]}; server_name localhost; {away} }}"
        if name in BY_ADDRESS:
            opened = BY_ADDRESS[name][0]
            lines = f"location {opened} {{ {TO_NODE_RED} }} location / {{ return 404; }}" if opened else "return 200;"
            text += f"server {{ listen 127.0.0.1:{port} ssl; server_name 127.0.0.1; {files} {lines} }}"
            text += f"server {{ listen 127.0.0.1:{clear[name]}; server_name 127.0.0.1; {lines} }}"
    return text


def violations_of(target: Target, control: str, *probes: str) -> dict[str, list[tuple[str, str]]]:
    """Return what a control finds, by the label of the question: code and what was observed."""
    asks = [ask for ask in CONTROLS[control].asks(target) if ask.probe in probes or not probes]
    rule = rule_of(catalogue()[control])
    survey = Survey()
    try:
        survey.ask_ahead(target, asks)
        verdicts = {ask.label: rule(answered(survey.answer(target, ask), target), target.policy) for ask in asks}
    finally:
        survey.close()
    return {
        label: [(violation.code, violation.observed) for violation in verdict]
        for label, verdict in verdicts.items()
        if isinstance(verdict, tuple) and verdict
    }


@pytest.mark.parametrize("name", GATES)
def test_a_gate_that_believes_a_handshake_opens(name: str, targets: Callable[[str], Target]) -> None:
    codes, places = GATES[name][2:]
    target = targets(name)
    if name == "host-without-port":  # as on port 443, with which Host names none
        target = replace(target, connect=target.url.removeprefix("https://"), url="https://localhost")
    seen = violations_of(target, "proxy-05", "way")
    assert {violation[0] for violations in seen.values() for violation in violations} == set(codes.split())
    assert {
        label.rpartition(" ")[0].replace("WebSocket /ui/socket.io", "/ui/socket.io WebSocket") for label in seen
    } == places


@pytest.mark.parametrize("name", FRONTS)
def test_a_front_that_turns_away_in_its_own_way_is_no_finding(name: str, targets: Callable[[str], Target]) -> None:
    target = targets(name)
    target = replace(target, policy=replace(target.policy, **FRONTS[name][1]))
    controls = "reach-01 admin-01 admin-03 admin-06 admin-07 csrf-01 dash-01 dash-02 node-01 node-02 cors-01 static-01"
    for control in (*controls.split(), "proxy-05", "roots-01"):
        assert violations_of(target, control) == {}, control  # nor an error, which would be raised


@pytest.mark.parametrize("name", BANS)
def test_a_ban_of_our_name_is_named(name: str, targets: Callable[[str], Target]) -> None:
    answered = {"403": "403 (text/html, ", "404": "404 (text/html, ", "444": "nothing, the connection was closed"}
    with pytest.raises(ProbeError) as caught:
        violations_of(targets(name), "reach-01")
    said = caught.value.message
    assert f"answered {answered[name.removeprefix('ban-')]}" in said
    assert said.endswith(
        'with a browser\'s User-Agent 401 (Basic realm="Operators"): the front bans this User-Agent; let it pass from '
        "the machine that runs the tests"
    )


@pytest.mark.parametrize("name", BY_ADDRESS)
def test_what_the_address_opens_is_found(name: str, targets: Callable[[str], Target]) -> None:
    _, observed, in_clear = BY_ADDRESS[name]
    target = targets(name)
    over_tls = [
        violation for violations in violations_of(target, "proxy-05", "by_address").values() for violation in violations
    ]
    plainly = [
        violation
        for violations in violations_of(target, "http-01", "by_address_in_clear").values()
        for violation in violations
    ]
    assert [code for code, _ in over_tls] == (["address"] if observed else [])
    assert all(text.startswith(observed) for _, text in over_tls)
    assert [code for code, _ in plainly] == (["served"] if in_clear else [])


def test_in_calm_mode_only_a_browsers_headers_are_sent(targets: Callable[[str], Target]) -> None:
    calm = replace(POLICY, mode="calm")
    assert violations_of(replace(targets("origin"), policy=calm), "proxy-05", "way")
    assert violations_of(replace(targets("bearer"), policy=calm), "proxy-05", "way") == {}


def test_a_page_that_believes_an_identity_alone_is_found(targets: Callable[[str], Target]) -> None:
    seen = violations_of(targets("page-by-name"), "admin-12", "variant")
    assert {label: [code for code, _ in violations] for label, violations in seen.items()} == {"/ui": ["believed"]}


@pytest.mark.parametrize("name", ["loopback", "ingress"])
def test_a_gate_that_believes_a_rarer_header_is_found(name: str, targets: Callable[[str], Target]) -> None:
    seen = violations_of(targets(name), "admin-12")
    assert {code for violations in seen.values() for code, _ in violations} == {"believed"}
    sockets = {"WebSocket /ui/socket.io", "/comms", "WebSocket /ws/line"}
    assert set(seen) == {"other address headers", "/ui", "/ui/socket.io", "GET /api/orders"} | sockets


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("socket-by-loopback", "WebSocket /ui/socket.io"),
        ("comms-by-name", "/comms"),
        ("comms-by-loopback", "/comms"),
    ],
)
def test_a_websocket_alone_that_believes_who_asks_is_found(
    name: str, place: str, targets: Callable[[str], Target]
) -> None:
    ((label, findings),) = violations_of(targets(name), "admin-12").items()
    assert (label, [code for code, _ in findings]) == (place, ["believed"])


@pytest.mark.parametrize(
    ("control", "asked"),
    [("dash-04", "/uI"), ("proxy-05", "/ApI/OrDeRs"), ("admin-05", "/SeTtInGs")],
)
def test_a_list_in_small_letters_and_in_capitals_is_not_all(
    control: str, asked: str, targets: Callable[[str], Target]
) -> None:
    seen = violations_of(targets("cases"), control)
    observed = [text for findings in seen.values() for code, text in findings if code == "spelling"]
    assert any(text.startswith(f"GET {asked} without credentials answered 200") for text in observed), seen


@pytest.mark.parametrize("asset", ASSET_GATES)
def test_a_channel_that_opens_by_the_name_of_a_file_is_found(asset: str, targets: Callable[[str], Target]) -> None:
    ((label, findings),) = violations_of(targets(asset), "dash-02", "socket").items()
    assert (label, [code for code, _ in findings]) == ("/ui", ["gate-passed"])
    assert f"/ui/socket.io/{asset if asset in ASSETS else FOLDERS}" in findings[0][1]


@pytest.mark.parametrize("name", FURTHER)
def test_what_one_gate_refuses_says_nothing_of_anothers_dashboard(name: str, targets: Callable[[str], Target]) -> None:
    target = targets(name)
    target = replace(target, policy=replace(target.policy, dashboards=("/dashboard", "/ui")))
    seen = violations_of(target, "proxy-05", "way")
    assert "/ui dotted" in seen
    if name == "further-same":  # of a further channel that the same gate refuses, not every name of a file is asked
        assert "/ui/socket.io dotted" in seen
        return
    ((label, findings),) = violations_of(target, "dash-02", "socket").items()
    assert (label, [code for code, _ in findings]) == ("/ui", ["gate-passed"])
    assert "/ui/socket.io/x.svg" in findings[0][1]


def test_a_middleware_that_believes_any_cookie_is_found(targets: Callable[[str], Target]) -> None:
    policy = replace(POLICY, dashboards=("/dashboard",), protected_paths=(), websockets=())
    target = replace(targets("open"), policy=policy)
    seen = violations_of(target, "proxy-05", "way")
    assert {label: [code for code, _ in violations] for label, violations in seen.items()} == {
        "/dashboard/socket.io browser": ["credential-shaped"],
        "/dashboard/socket.io bearer": ["flagged"],
        "WebSocket /dashboard/socket.io socket": ["credential-shaped"],
    }
    assert all("refused after the handshake" in pairs[0][1] for pairs in seen.values())


def test_a_middleware_refuses_under_the_address_too(targets: Callable[[str], Target]) -> None:
    policy = replace(POLICY, dashboards=("/dashboard",), protected_paths=(), websockets=())
    assert violations_of(replace(targets("open"), policy=policy), "proxy-05", "by_address") == {}
