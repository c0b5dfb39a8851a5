"""Gates that let past by what a WebSocket's handshake says, or by the address: each surface, before one Node-RED."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import nginxlab
import pytest
from certlab import issue
from servers import reserved_ports
from suite_controls import CONTROLS, rule_of
from suite_runs import need_nginx
from waygates import BANS, FRONTS, GATES, GUARDED, LOGIN, TIDIED, TO_NODE_RED
from waylab import POLICY

from pytest_nodered_sec import lab
from pytest_nodered_sec.catalogue import catalogue
from pytest_nodered_sec.data.ways import ASSETS, FOLDERS
from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.lab import deployments
from pytest_nodered_sec.lab.node_red import flows
from pytest_nodered_sec.lab.ports import free_ports
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.observations.settling import answered
from pytest_nodered_sec.survey.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.live
ROOT = issue("Ways", ca=True)
LEAF = issue("localhost", ROOT, dns=["localhost"])
FURTHER = {  # a gate of its own for the first dashboard, and one for all else that goes by the path as it was sent
    name: f"location /dashboard {{ {first} }} set $realm Operators; "
    f"if ($request_uri ~ ^/static/) {{ set $realm off; }} "
    f"{LOGIN.replace('Operators', '$realm')} {TIDIED} "
    f"location ~ ^/ui/.*{'/static/.*' * name.endswith('folder')}[.]{file}$ {{ auth_basic off; {TO_NODE_RED} }}"
    for name, first, file in (
        ("further-forbidden", "return 403;", "woff2"),
        ("further-same", f"{LOGIN} {TO_NODE_RED}", "svg"),
        ("further-same-folder", f"{LOGIN} {TO_NODE_RED}", "js"),
        ("further-same-rare", f"{LOGIN} {TO_NODE_RED}", "woff2"),
        ("further-login", f"{LOGIN.replace('Operators', 'Halls')} {TO_NODE_RED}", "woff2"),
        ("further-node-red", "add_header WWW-Authenticate 'Bearer realm=\"Users\"' always; return 401;", "woff2"),
    )
}
FREE = ("(public|static)", "auth", "(ping|metrics)")  # names that such a list lets pass wherever they stand
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
    # Others start servers meanwhile, and one port that one of them takes is an error of every test here.
    with lab.start([str(site)], say=lambda line: None) as running, reserved_ports(2 * len(names)) as free:
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


@pytest.mark.parametrize("name", ["loopback", "ingress", "role"])
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
    assert "/ui dotted" in violations_of(target, "proxy-05", "way")
    seen = violations_of(target, "dash-02", "socket")
    if name == "further-same-rare":  # of a further channel that the same gate refuses, few names of files are asked
        assert seen == {}
        target = replace(target, policy=replace(target.policy, dashboards=("/ui", "/dashboard")))
        seen = violations_of(target, "dash-02", "socket")
    ((label, findings),) = seen.items()
    assert (label, [code for code, _ in findings]) == ("/ui", ["gate-passed"])
    file = {"further-same": "x.svg", "further-same-folder": f"{FOLDERS}/x.js"}.get(name, "x.woff2")
    assert f"/ui/socket.io/{file}" in findings[0][1]


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
