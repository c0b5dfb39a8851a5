"""What is read of the admin API's answers, and what is let go."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.account import Palette
from pytest_nodered_sec.observations.flows import Entry
from pytest_nodered_sec.probes.flows.entries import entries_of
from pytest_nodered_sec.probes.flows.shape import Flows
from pytest_nodered_sec.probes.login import view
from pytest_nodered_sec.probes.login.view import read_view, release, release_in
from pytest_nodered_sec.probes.transport.http import Exchange

SETTINGS: dict[str, Any] = {  # Any: JSON
    "httpNodeRoot": "/",
    "version": "5.0.7",
    "user": {"username": "viewer", "permissions": "read"},
    "context": {"default": "memory", "stores": ["memory"]},
    "externalModules": {"palette": {"allowInstall": False}, "modules": {"allowInstall": False}},
    "functionExternalModules": True,
}
NODES = [
    {"id": "node-red/junction", "module": "node-red", "version": "5.0.7"},
    {"id": "a/b", "module": "node-red-contrib-s7", "version": "3.1.3"},
    {"id": "a/c", "module": "node-red-contrib-s7", "version": "3.1.3"},
    {"id": "x", "module": "<script>", "version": "1.0.0"},
    {"id": "y", "module": ["odd"], "version": "1.0.0"},
    {"id": "z", "module": "node-red-contrib-odd", "version": "latest"},
]
DIAGNOSTICS = {"nodejs": {"version": "v24.22.3"}, "runtime": {"version": "5.0.7"}}
SECRET = "hunter2-plant"
FLOWS = [
    {"id": "t", "type": "tab", "label": SECRET},
    {"id": "i", "type": "http in", "z": "t", "name": SECRET, "url": "/api/orders", "method": "get"},
    {"id": "f", "type": "function", "z": "t", "func": f"const password = '{SECRET}'"},
    {"id": "m", "type": "mqtt-broker", "credentials": {"password": SECRET}},
]
ANSWERS: dict[str, Any] = {"/settings": SETTINGS, "/nodes": NODES, "/diagnostics": DIAGNOSTICS, "/flows": FLOWS}
ROUTES = {"/library/local/flows": 401, "/Settings/User/Keys": 404}


def answered(status: int = 200, **answers: Any) -> Any:
    """A view of an admin API; keyword arguments replace answers, `bytes` as they are."""
    bodies = ANSWERS | ROUTES | {f"/{name}": body for name, body in answers.items()}

    def ask(path: str) -> Exchange:
        body = bodies[path]
        if isinstance(body, ProbeError):
            raise body
        if isinstance(body, int):
            return Exchange(body, {}, b"")
        return Exchange(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())

    return read_view("viewer", ask, lambda got: str(got.status))


def test_what_is_kept() -> None:
    view = answered()
    assert (view.release, view.node, view.editor) == ("5.0.7", "24.22.3", True)
    assert view.modules == (("node-red-contrib-odd", ""), ("node-red-contrib-s7", "3.1.3"))
    assert view.palette == Palette(nodes=False, modules=False)
    assert view.entries == (Entry("http", "/api/orders", "GET"),)
    assert (view.refused, view.broken) == ((), ())
    assert SECRET not in repr(view)


def test_a_disabled_editor_says_nothing_of_what_may_be_installed() -> None:
    view = answered(settings={"httpNodeRoot": "/", "version": "5.0.7"})
    assert (view.editor, view.palette) == (False, None)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, (True, True)),
        ({"externalModules": {"palette": {"allowInstall": True}}}, (True, True)),
        ({"externalModules": {"palette": {"allowInstall": False}}}, (False, True)),
        ({"editorTheme": {"palette": {"editable": False}}}, (False, True)),
        ({"functionExternalModules": False}, (True, False)),
        ({"externalModules": "odd", "editorTheme": []}, (True, True)),
    ],
)
def test_what_may_be_installed(more: dict[str, Any], expected: tuple[bool, bool]) -> None:
    base = {"httpNodeRoot": "/", "context": {}, "functionExternalModules": True}
    palette = answered(settings=base | more).palette
    assert (palette.nodes, palette.modules) == expected


def test_what_is_refused_and_what_is_no_answer_are_told_apart() -> None:
    trouble = ProbeError("GET /flows: no complete answer within the time limit", Cause.TIMEOUT)
    view = answered(nodes=403, diagnostics=404, flows=trouble)
    assert view.refused == (
        ("/nodes", "GET /nodes as viewer answered 403"),
        ("/diagnostics", "GET /diagnostics as viewer answered 404"),
    )
    assert view.broken == (("/flows", trouble),)
    assert (view.modules, view.node, view.entries) == (None, "", None)


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"null", b"{}", b'[1, "x"]', b"[" * 100_000, 500, 302],
    ids=["page", "null", "object", "no objects", "deep", "500", "302"],
)
@pytest.mark.parametrize("name", ["nodes", "flows"])
def test_what_is_not_node_reds_answer_is_none(name: str, body: bytes | int) -> None:
    replaced: dict[str, Any] = {name: body}
    view = answered(**replaced)
    assert [path for path, _ in view.broken] == [f"/{name}"]
    assert view.modules is None or name != "nodes"


@pytest.mark.parametrize("body", [b"{}", b"[]", 500])
def test_settings_of_something_else(body: bytes | int) -> None:
    view = answered(settings=body)
    assert [path for path, _ in view.broken] == ["/settings"]
    assert view.release == "5.0.7"  # of the diagnostics
    assert view.editor is None


def test_an_endless_answer_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "limits", lambda path: (20, 20))
    assert [path for path, _ in answered().broken] == ["/settings", "/nodes", "/diagnostics", "/flows"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [("v24.19.0", "24.19.0"), ("5.0.0-beta.6", "5.0.0-beta.6"), ("5.0", ""), ("5.0.7\nx", ""), (5, ""), (None, "")],
)
def test_a_release(said: object, expected: str) -> None:
    assert release(said) == expected


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/red/about", b"#### 5.0.7: Maintenance Release\n\n#### 5.0.6: Maintenance Release", "5.0.7"),
        ("/red/about", b"#### 5.0.0-beta.6: Beta Release", "5.0.0-beta.6"),
        ("/red/about", b"<html>#### 5.0.7: x", ""),
        ("/settings", b'{"version": "4.1.15"}', "4.1.15"),
        ("/settings", b"[]", ""),
        ("/settings", b"no", ""),
        ("/diagnostics", b'{"runtime": {"version": "4.1.15"}, "version": "1.1.1"}', "4.1.15"),
        ("/nodes", b'[{"id":"x","module":"node-red","version":"4.1.15"},{"id', "4.1.15"),  # cut off
        ("/nodes", b'[{"id":"x","module":"mine","version":"4.1.15"}]', ""),
    ],
)
def test_the_release_in_an_answer(path: str, body: bytes, expected: str) -> None:
    assert release_in(Exchange(200, {}, body), path) == expected
    assert release_in(Exchange(404, {}, body), path) == ""


def node(kind: str, **more: Any) -> dict[str, Any]:
    return {"id": kind, "type": kind, "z": "t"} | more


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (node("http in", url="api/x/", method="post"), ["http-in POST /api/x"]),
        (node("http in", url="/api/:id", method="get"), ["http-in GET /api/:id"]),
        (node("http in", url="/x", method="get", d=True), []),
        (node("http in", url="/x", method="get", z="off"), []),
        (node("http in", url="/x\n\x1b[2J", method="get"), ["http-in GET /x\\n\\x1b[2J"]),
        (node("http in"), ["http-in /"]),
        (node("websocket-listener", path="/ws/line", z=""), ["WebSocket /ws/line"]),
        (node("websocket-listener", path="ws://elsewhere/x"), []),
        (node("websocket-client", path="/ws"), []),
        (node("uibuilder", url="panel"), ["uibuilder /panel"]),
        (node("tcp in", server="server", port="4000"), ["TCP port 4000"]),
        (node("tcp in", server=True, port=4000), ["TCP port 4000"]),
        (node("tcp in", server="client", port="4000"), []),
        (node("tcp out", beserver="server", port="4001"), ["TCP port 4001"]),
        (node("tcp out", beserver="client", port="4001"), []),
        (node("udp in", port="514"), ["UDP port 514"]),
        (node("tcp in", server="server", port="65535"), ["TCP port 65535"]),
        (node("tcp in", server="server", port="65536"), []),  # Node.js does not listen there
        (node("tcp out", beserver="server", port=70000), []),
        (node("udp in", port="70000"), ["UDP port 4464"]),  # where it does listen
        (node("aedes broker", mqtt_port="70000", mqtt_ws_port="8080"), ["MQTT broker port 8080"]),
        (node("tcp in", server="server", port="${PORT}"), ["TCP port ${PORT}"]),
        (node("http in", url="/x", method="get", z="s"), ["http-in GET /x"]),  # in a subflow that is used
        (node("http in", url="/x", method="get", z="unused"), []),
        (node("http in", url="/x", method="get", z="loop"), []),
        (node("http in", url="/x", method="get", z="idle"), []),
    ],
)
def test_ways_in(told: dict[str, Any], expected: list[str]) -> None:
    flows: list[dict[str, Any]] = [
        {"id": ["odd"], "type": ["odd"], "z": {}},
        {"id": "t", "type": "tab"},
        {"id": "off", "type": "tab", "disabled": True},
        {"id": "s", "type": "subflow"},
        {"id": "unused", "type": "subflow"},
        {"id": "loop", "type": "subflow"},
        {"id": "idle", "type": "subflow"},
        {"id": "s1", "type": "subflow:s", "z": "t"},
        {"id": "l1", "type": "subflow:loop", "z": "loop"},
        {"id": "i1", "type": "subflow:idle", "z": "off"},
        {"id": "i2", "type": "subflow:idle", "z": "t", "d": True},
        told,
        told,  # told once
    ]
    assert [entry.line() for entry in entries_of(Flows(flows))] == expected
