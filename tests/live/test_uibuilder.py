"""uibuilder as sites set it up in settings.js, behind gates that guard its page and forget its live channel."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from gatelab import PASS, standing
from suite_runs import need_nginx

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.lab.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live
_SETTINGS = """module.exports = {uiHost: "0.0.0.0", uiPort: 1880, flowFile: "flows.json", telemetry: {enabled: false},
    @ROOT@ uibuilder: {telemetryEnabled: false, @MORE@}};"""
_NODE = {"type": "uibuilder", "z": "tab", "copyIndex": True, "wires": [[], []]}
_NODE |= {"templateFolder": "blank", "sourceFolder": "src", "deployedVersion": "7.7.4"}
_FLOWS = [
    {"id": "tab", "type": "tab"},
    {"id": "one", "url": "HMI"} | _NODE,
    {"id": "two", "url": "plant/line1"} | _NODE,
    {"id": "map", "type": "worldmap", "z": "tab", "path": "/worldmap", "wires": []},
]
_LOGIN = 'auth_basic "Operators"; auth_basic_user_file @FILES@/htpasswd;'
_UNLESS_UPGRADED = _LOGIN.replace('"Operators"', "$realm")
_REST = f"location / {{ {PASS} proxy_pass http://nodered; }}"
_REALM = 'map $http_upgrade $realm { default Operators; "~*websocket" off; }'
_HMI = 'interfaces = [{kind = "uibuilder", path = "/HMI"}, {kind = "worldmap", path = "/worldmap"}]'
_BOTH = 'interfaces = [{kind = "uibuilder", path = "/HMI"}, {kind = "uibuilder", path = "/plant/line1"}]'
_UNSEEN = "which instances it has cannot be seen from outside"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The directory of a site with two instances and a map; its settings.js is to be written."""
    need_nginx()
    folder = tmp_path / "site"
    (folder / "node_modules").mkdir(parents=True)
    modules = toolchain.packages("contrib", "contributed nodes", lambda line: None)
    for name in ("node-red-contrib-uibuilder", "node-red-contrib-web-worldmap"):
        (folder / "node_modules" / name).symlink_to(modules / name)
    (folder / "flows.json").write_text(json.dumps(_FLOWS))
    return folder


def _gated(path: str, login: str = _LOGIN, upstream: str = "nodered") -> str:
    return f"location {path} {{ {login} {PASS} proxy_pass http://{upstream}; }}\n"


def _judged(folder: Path, cases: tuple[tuple[str, str, tuple[str, ...]], ...]) -> Iterator[tuple[set[str], str]]:
    """Run live-01 behind each gate, a server block with its policy and options; yield outcomes and report."""
    with lab.start([str(folder)], say=lambda line: None) as running:
        for number, (server, policy, args) in enumerate(cases):
            here = folder.parent / str(number)
            here.mkdir()
            with standing(here, running.deployments[0].direct_port, server + _REST, http=_REALM) as gate:
                (here / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
                (gate.folder / "nodered-sec.toml").write_text(policy)
                yield gate.judged(*args, "-k", "other_interface")["live-01"] - {"not-applicable"}, gate.report()


def _settings(folder: Path, more: str, root: str = "") -> None:
    (folder / "settings.js").write_text(_SETTINGS.replace("@ROOT@", root).replace("@MORE@", more))


def test_a_gate_that_guards_the_page_alone_leaves_the_channel_open(site: Path) -> None:
    _settings(site, "")
    pages = _gated("/HMI") + _gated("/plant")
    upgraded = _gated("/HMI") + _gated("/uibuilder/", _UNLESS_UPGRADED) + _gated("/worldmap", _UNLESS_UPGRADED)
    guarded = pages + _gated("/uibuilder/") + _gated("/worldmap")
    cases = ((pages, _BOTH, ()), (pages, "", ()), (upgraded, _HMI, ()), (guarded, _HMI, ()))
    both, unnamed, let_through, closed = _judged(site, cases)
    assert both[0] == {"non-compliant"}
    assert "namespace /HMI, without credentials was joined" in both[1]
    assert "namespace /plant/line1, without credentials was joined" in both[1]
    assert unnamed[0] == {"non-compliant", "could-not-look"}  # the map
    assert _UNSEEN in unnamed[1]
    assert let_through[0] == {"non-compliant"}
    assert "namespace /HMI, as a WebSocket, without credentials was joined" in let_through[1]
    assert "live channel /worldmap/socket as a WebSocket, without credentials was joined" in let_through[1]
    assert closed[0] == {"compliant"}


def test_a_port_of_its_own_knows_no_node_root(site: Path) -> None:
    (port,) = free_ports(1)
    _settings(site, f"port: {port}", 'httpNodeRoot: "/red",')
    there = f"127.0.0.1:{port}"
    page, root = _gated("/HMI", upstream=there), ("--nodered-node-root=/red",)
    hmi = _HMI.partition(", {")[0] + "]"
    opened = page + _gated("/uibuilder/", "", there)
    cases = ((opened, hmi, root), (opened, "", root), (page + _gated("/uibuilder/", upstream=there), hmi, root))
    declared, unnamed, closed = _judged(site, cases)
    assert declared[0] == {"non-compliant"}
    assert "live channel /uibuilder/vendor/socket.io, namespace /HMI, without credentials was joined" in declared[1]
    assert "could-not-look" in unnamed[0]
    assert _UNSEEN in unnamed[1]
    assert "uibuilder" not in "".join(part for part in closed[1].split("<testcase") if "<failure" in part)


def test_without_polling_a_websocket_is_joined(site: Path) -> None:
    _settings(site, 'socketOptions: {transports: ["websocket"]}')
    cases = ((_gated("/HMI") + _gated("/worldmap"), _HMI, ()),)
    ((outcome, report),) = _judged(site, cases)
    assert outcome == {"non-compliant", "compliant"}  # the map
    assert "namespace /HMI, as a WebSocket, without credentials was joined" in report


def test_its_own_middleware_refuses_websockets(site: Path) -> None:
    _settings(site, 'socketOptions: {transports: ["websocket"]}')
    config = site / "uibuilder" / ".config"
    config.mkdir(parents=True)
    (config / "sioMiddleware.js").write_text('module.exports = (socket, next) => next(new Error("who are you?"));')
    cases = ((_gated("/HMI") + _gated("/worldmap"), _HMI, ()),)
    ((outcome, _),) = _judged(site, cases)
    assert outcome == {"compliant"}
