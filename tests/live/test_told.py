"""What real deployments tell the account and anybody: releases, palette, ways in, unguarded routes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from suite_runs import by_the_calendar, need_nginx, run

from pytest_nodered_sec import lab
from pytest_nodered_sec.policy.toml import toml

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
    "tells-release": COMPLIANT | {"patch-01": FAIL, "version-01": FAIL | PASS},  # /red/about does, the others do not
    "fresh": COMPLIANT
    | {"admin-08": UNJUDGED, "editor-04": FAIL, "flow-01": FAIL, "patch-01": FAIL, "version-01": FAIL},
    "interfaces": COMPLIANT | {"admin-10": FAIL, "editor-04": SKIP},  # uibuilder's routes
    "gate": COMPLIANT | {"editor-04": FAIL, "flow-01": FAIL, "patch-01": FAIL},  # the account is the gate's
}


@pytest.fixture(scope="module", params=["4+nginx", "5+caddy"])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, set[str]]]:
    """One run over all of them, of one major behind one proxy."""
    if "nginx" in request.param:
        need_nginx()
    specs = [f"--nodered-lab={name}@{request.param}" for name in EXPECTED]
    outcomes = run(tmp_path_factory.mktemp("run"), "-k", CHOSEN, *specs)
    return {target.removeprefix("lab-"): controls for target, controls in outcomes.items()}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_told(name: str, seen: dict[str, dict[str, set[str]]]) -> None:
    [(label, controls)] = [(label, of) for label, of in seen.items() if label.split("@")[0] == name]
    failing = by_the_calendar(lab.parse(label).major, controls)
    assert {control: controls[control] for control in CONTROLS} == EXPECTED[name] | dict.fromkeys(failing, FAIL)


@pytest.mark.parametrize("major", [4, 5])
def test_an_account_that_may_only_read_is_enough(major: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with lab.start([f"editor-protected@{major}"], say=lambda line: None) as running:
        [deployment] = running.deployments
        monkeypatch.setenv("PLANT_USERNAME", "viewer")
        monkeypatch.setenv("PLANT_PASSWORD", deployment.credentials()[1])
        values = {**dict(deployment.expect), "url": deployment.url, "name": "plant", "ca_file": deployment.ca_file}
        values |= {
            "http_port": deployment.http_port,
            "direct_port": deployment.direct_port,
            "credentials": {"env": "PLANT"},
        }
        lines = ["[[target]]", *(f"{key} = {toml(value)}" for key, value in values.items())]
        (tmp_path / "nodered-sec.toml").write_text("\n".join(lines) + "\n")
        [controls] = run(tmp_path, "-k", CHOSEN).values()
        expected = COMPLIANT | dict.fromkeys(by_the_calendar(major, controls), FAIL)
        assert {control: controls[control] for control in CONTROLS} == expected
        text = (tmp_path / "out.xml").read_text()
        assert "as viewer" in text
        assert deployment.credentials()[1] not in text
        assert json.loads((Path(deployment.user_dir) / ".sessions.json").read_text()) == {}
