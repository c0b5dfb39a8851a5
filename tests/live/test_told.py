"""What real deployments tell the account and anybody: releases, palette, ways in, unguarded routes."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from suite_runs import need_nginx, run

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.policyfile import toml

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live

CONTROLS = ("admin-08", "admin-10", "editor-04", "flow-01", "patch-01", "patch-02", "patch-03", "version-01")
PASS, FAIL, SKIP = {"compliant"}, {"non-compliant"}, {"not-applicable"}
UNJUDGED = {"not-judged"}
CHOSEN = "account_is_honoured or routes_are_guarded or installs_from or ways_in or test_patch_level"
COMPLIANT = dict.fromkeys(CONTROLS, PASS)
EXPECTED = {
    "hardened": COMPLIANT | {"editor-04": SKIP},
    "editor-protected": COMPLIANT,
    "undeclared": COMPLIANT | {"editor-04": SKIP, "flow-01": FAIL},
    "palette": COMPLIANT | {"editor-04": FAIL},
    "tells-release": COMPLIANT | {"version-01": FAIL | PASS},  # /red/about does, the others do not
    "fresh": COMPLIANT | {"admin-08": UNJUDGED, "editor-04": FAIL, "flow-01": FAIL, "version-01": FAIL},
    "gate": dict.fromkeys(CONTROLS, UNJUDGED) | {"admin-10": PASS, "version-01": PASS},
}


@pytest.fixture(scope="module", params=["4+nginx", "5+caddy"])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, set[str]]]:
    """One run over all of them, of one major behind one proxy."""
    if "nginx" in request.param:
        need_nginx()
    specs = [f"--nodered-lab={name}@{request.param}" for name in EXPECTED]
    found = run(tmp_path_factory.mktemp("run"), "-k", CHOSEN, *specs)
    return {target.split("@")[0].removeprefix("lab-"): controls for target, controls in found.items()}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_told(name: str, seen: dict[str, dict[str, set[str]]]) -> None:
    assert {control: seen[name][control] for control in CONTROLS} == EXPECTED[name]


@pytest.mark.parametrize("major", [4, 5])
def test_an_account_that_may_only_read_is_enough(major: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with lab.start([f"editor-protected@{major}"], say=lambda line: None) as running:
        [one] = running.deployments
        monkeypatch.setenv("PLANT_USERNAME", "viewer")
        monkeypatch.setenv("PLANT_PASSWORD", one.credentials()[1])
        values = {**dict(one.expect), "url": one.url, "name": "plant", "ca_file": one.ca_file}
        values |= {"http_port": one.http_port, "direct_port": one.direct_port, "credentials": {"env": "PLANT"}}
        lines = ["[[target]]", *(f"{key} = {toml(value)}" for key, value in values.items())]
        (tmp_path / "nodered-sec.toml").write_text("\n".join(lines) + "\n")
        [controls] = run(tmp_path, "-k", CHOSEN).values()
        assert {control: controls[control] for control in CONTROLS} == COMPLIANT
        text = (tmp_path / "out.xml").read_text()
        assert "told viewer" in text
        assert one.credentials()[1] not in text
        assert json.loads((Path(one.user_dir) / ".sessions.json").read_text()) == {}


@contextlib.contextmanager
def node_red(folder: Path, package: str) -> Iterator[str]:
    """An open Node-RED without editor and a stub that bears a package's name, not the package; its URL."""
    modules = toolchain.node_red(lab.DEFAULT_MAJOR, lambda line: None)
    stub = folder / "node_modules" / package
    stub.mkdir(parents=True)
    (stub / "package.json").write_text(
        json.dumps({"name": package, "version": "7.7.4", "node-red": {"nodes": {"stub": "stub.js"}}})
    )
    (stub / "stub.js").write_text("module.exports = (RED) => RED.nodes.registerType('stub', function () {});")
    (stub / "stub.html").write_text("")
    port = lab._free_ports(1)[0]
    settings = {"uiHost": "127.0.0.1", "uiPort": port, "disableEditor": True, "flowFile": "flows.json"}
    settings |= {"telemetry": {"enabled": False}}
    (folder / "settings.js").write_text(f"module.exports = {json.dumps(settings)};")
    argv = [str(toolchain.node()), str(modules / "node-red" / "red.js"), "-u", str(folder)]
    log = folder / "log"
    with log.open("w") as out:
        process = subprocess.Popen(argv, cwd=folder, env={**os.environ, "HOME": str(folder)}, stdout=out, stderr=out)
    try:
        until = time.monotonic() + 60
        while "Started flows" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(15)


def test_an_unguarded_package_is_found_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "red").mkdir()
    with node_red(tmp_path / "red", "node-red-contrib-uibuilder") as url:
        [controls] = run(tmp_path, f"--nodered-url={url}", "-k", "routes_are_guarded or modules_are_free").values()
    assert controls["admin-10"] == FAIL
    assert controls["patch-02"] == PASS
    assert "node-red-contrib-uibuilder 7.7.4 is installed" in (tmp_path / "out.xml").read_text()
