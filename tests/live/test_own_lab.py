"""A directory of the user's own in the lab: its settings, its flows, its part of the proxy's configuration."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from suite_runs import need_nginx, run, with_outcome

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab.deployments import SAMPLE_HASH

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live

ORDERS = [
    {"id": "tab", "type": "tab"},
    {"id": "in", "type": "http in", "z": "tab", "url": "/api/orders", "method": "get", "wires": [["out"]]},
    {"id": "out", "type": "http response", "z": "tab", "wires": []},
]
SETTINGS = """
const place = require("./place.js");
module.exports = {
    uiHost: "127.0.0.1",
    httpAdminRoot: place.admin,
    httpNodeRoot: "node/",
    https: {key: "/nowhere/key.pem"},
    logging: {console: {level: "off"}},
};
setInterval(() => {}, 1000);
"""
SITE = """
from pytest_nodered_sec import Severity, control, http, require, endpoint_refuses

@control("site-01", severity=Severity.HIGH, asks=[http("/api/orders")])
def test_orders(nodered_attempt, nodered_policy):
    '''Orders refuse strangers.'''
    require(endpoint_refuses(nodered_attempt, nodered_policy))
"""
ACTS = """
def test_it_acts(nodered_lab, nodered_target):
    assert nodered_lab.url == nodered_target.url
    assert nodered_lab.credentials()[0] == "admin"
"""
GATES = {
    "nginx.conf": """
location ~* ^/node/api(/|$) {
    auth_basic "Operators"; auth_basic_user_file /etc/nginx/plant.htpasswd;
    proxy_pass http://localhost:1880;
}
location / { proxy_pass http://127.0.0.1:1880; }
""",
    "Caddyfile": """
@gated path_regexp (?i)^/node/api(/|$)
respond @gated 401
reverse_proxy http://localhost:1880
""",
}


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    folder = tmp_path / "line 7 @north+"
    folder.mkdir()
    (folder / "settings.js").write_text(SETTINGS)
    (folder / "place.js").write_text('exports.admin = "/red";')
    (folder / "flows.json").write_text(json.dumps(ORDERS))
    (tmp_path / "test_site.py").write_text(SITE)
    return folder


def test_without_and_with_its_part_of_each_proxy(plant: Path, tmp_path: Path) -> None:
    need_nginx()
    folders, labs = [plant], [f"--nodered-lab={plant}"]
    for name, text in GATES.items():
        other = tmp_path / name.lower()
        shutil.copytree(plant, other)
        (other / name).write_text(text)
        folders.append(other)
        labs.append(f"--nodered-lab={other}@4")
    before = {path: path.stat().st_mtime_ns for folder in folders for path in folder.rglob("*")}
    seen = run(tmp_path, "-k", "test_site or anonymous_read or direct_port", *labs)
    without, nginx, caddy = (seen[f"lab-{name}"] for name in ("line_7__north_@5", "nginx.conf@4+nginx", "caddyfile@4"))
    assert with_outcome(without, "non-compliant") == {"site-01", "admin-01"}  # found below its own roots
    for controls in (nginx, caddy):
        assert controls["site-01"] == {"compliant"}
        assert controls["admin-01"] == {"non-compliant", "not-applicable"}
    for controls in seen.values():
        assert controls["proxy-01"] == {"compliant"}
    assert {path: path.stat().st_mtime_ns for folder in folders for path in folder.rglob("*")} == before  # a copy ran


def test_nodes_that_the_site_has_installed_are_used(plant: Path, tmp_path: Path) -> None:
    node = plant / "node_modules" / "@plant" / "node-red-counter"
    node.mkdir(parents=True)
    (node / "package.json").write_text(
        '{"name": "@plant/node-red-counter", "version": "1.0.0", "node-red": {"nodes": {"counter": "counter.js"}}}'
    )
    (node / "counter.js").write_text('module.exports = (RED) => RED.nodes.registerType("counter", function () {});')
    (plant / "flows.json").write_text(json.dumps([*ORDERS, {"id": "x", "type": "counter", "z": "tab", "wires": []}]))
    with lab.start([str(plant)], say=lambda line: None) as running:
        [deployment] = running.deployments
        assert (deployment.admin_root, deployment.node_root) == ("/red", "/node")
        assert deployment.label == "lab-line_7__north_@5"


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        (
            "flows.json",
            '[{"id": "x", "type": "modbus-read", "z": "tab"}]',
            "need nodes that the lab does not have (mod",
        ),
        ("settings.js", "module.exports = {", "settings.js cannot be read: SyntaxError: Unexpected end of input"),
        ("settings.js", 'require("./gone")', "settings.js cannot be read: Error: Cannot find module './gone'"),
        ("settings.js", None, "has no settings.js: put Node-RED's there"),
    ],
)
def test_what_cannot_run_is_one_sentence(
    plant: Path, tmp_path: Path, file: str, text: str | None, sentence: str
) -> None:
    (plant / file).unlink()
    if text is not None:
        (plant / file).write_text(text)
    command = [sys.executable, "-m", "pytest", f"--nodered-lab={plant}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    [line] = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    assert sentence in line


def test_directories_are_read_before_anything_starts(plant: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(plant.parent)
    assert lab.parse(f"{plant.name}@4+nginx") == (str(plant), 4, "nginx")
    assert lab.parse(plant.name).proxy == "caddy"
    (plant / "nginx.conf").touch()
    assert lab.parse(f"./{plant.name}").proxy == "nginx"
    with pytest.raises(lab.LabError, match="has no Caddyfile, and the lab was asked for caddy"):
        lab.parse(f"{plant}+caddy")
    with pytest.raises(lab.LabError, match="finds no directory 'zzz'; --nodered-lab=list"):
        lab.parse("zzz")
    (plant / plant.name).mkdir()
    (plant / plant.name / "settings.js").touch()
    with pytest.raises(lab.LabError, match="two directories for the lab would both be called lab-line_7__north_@5"):
        lab.start([f"{plant}+nginx", f"{plant}/{plant.name}+nginx"], say=lambda line: None)


def test_accounts_of_a_directory_come_from_the_environment(
    plant: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = (
        f'adminAuth: {{type: "credentials", users: [{{username: "a", password: "{SAMPLE_HASH}", permissions: "*"}}]}}'
    )
    (plant / "settings.js").write_text(f"module.exports = {{{users}}}")
    monkeypatch.setenv("NODERED_USERNAME", "a")
    monkeypatch.setenv("NODERED_PASSWORD", "password")
    [controls] = run(tmp_path, "-k", "account_is_honoured", f"--nodered-lab={plant}").values()
    assert controls["admin-08"] == {"compliant"}


def test_a_test_that_may_act_does_so_in_the_lab_only(tmp_path: Path) -> None:
    (tmp_path / "test_acts.py").write_text(ACTS)
    command = [sys.executable, "-m", "pytest", "-rs", "--nodered-suite=off"]
    command += ["--nodered-url=https://plant.example", "--nodered-lab", "-n2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 passed, 1 skipped" in done.stdout
    assert "plant.example is not in the lab, and this test may act: see --nodered-lab" in done.stdout
