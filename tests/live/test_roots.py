"""Roots that nobody named are found by what the target tells, judged there, and shown in the evidence."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from suite_runs import ALSO_ON_4, EXPECTED, by_the_calendar, need_nginx, run, with_outcome

from pytest_nodered_sec import lab

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live


def options(deployment: lab.RunningDeployment) -> list[str]:
    """Return what a person would say of a deployment on the command line."""
    return [
        f"--nodered-url={deployment.url}",
        f"--nodered-ca-file={deployment.ca_file}",
        f"--nodered-http-port={deployment.http_port}",
        f"--nodered-direct-port={deployment.direct_port}",
    ]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("admin-elsewhere@4", "admin root /admin-x according to /dashboard/_setup"),
        ("node-elsewhere@5", "node root /node-x according to /settings"),
    ],
)
def test_roots_are_found(name: str, line: str, tmp_path: Path) -> None:
    with lab.start([name], say=lambda line: None) as running:
        [deployment] = running.deployments
        args = options(deployment)
        [controls] = run(tmp_path, *args).values()
        (tmp_path / "given").mkdir()
        [given] = run(tmp_path / "given", *args, "--nodered-admin-root=/", "--nodered-node-root=/").values()
    without_account = {"flow-01"} if deployment.has_login else set()
    failing = EXPECTED[deployment.name][0] - without_account | (
        ALSO_ON_4[deployment.name] if name.endswith("4") else set()
    )
    assert with_outcome(controls, "non-compliant") == failing | by_the_calendar(deployment.major, controls)
    report = (tmp_path / "out.xml").read_text()
    assert line in report
    assert f"GET {deployment.admin_root.rstrip('/')}/flows without credentials answered" in report
    assert "according to" not in (tmp_path / "given" / "out.xml").read_text()
    assert with_outcome(given, "non-compliant") != failing


def test_a_told_root_that_shows_nothing_is_not_believed(tmp_path: Path) -> None:
    with lab.start(["adminoff"], say=lambda line: None) as running:  # tells httpAdminRoot: false
        [deployment] = running.deployments
        args = options(deployment)
        [controls] = run(tmp_path, *args, "--nodered-admin-api=disabled").values()
    assert with_outcome(controls, "non-compliant") == EXPECTED["adminoff"][0]


PLANT = """module.exports = {
  httpNodeRoot: "/plant", ui: {path: "hmi"},
  httpNodeAuth: {user: "hmi", pass: "$2y$08$e8bqOVQ4IBGlBSjRR5LL1OZ.xjRz.A3a6zYgxQ5GZgkQn8xQe5hWe"},
  adminAuth: {type: "credentials", users: [
    {username: "eng", password: "$2b$08$GIFMiPsH0S48.emIGBx9qOzKnIV.vj3q.4x3sr2aJ0nmWHhLnNPNK", permissions: "*"}]},
}"""
MOVED = """[{"id": "tab", "type": "tab"}, {"id": "hmi", "type": "ui_tab", "name": "HMI"},
  {"id": "group", "type": "ui_group", "name": "Group", "tab": "hmi"},
  {"id": "text", "type": "ui_text", "z": "tab", "group": "group", "label": "x", "format": "{{msg.payload}}",
   "wires": []}]"""


GUARDED = """location / {
  proxy_pass http://127.0.0.1:1880; proxy_http_version 1.1; proxy_set_header Host $http_host;
  proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
  location /plant/ { auth_basic "plant"; auth_basic_user_file /etc/htpasswd; proxy_pass http://127.0.0.1:1880; }
}"""


@pytest.mark.parametrize(("guard", "outcome"), [("", "non-compliant"), (GUARDED, "could-not-look")])
def test_a_node_root_that_the_account_is_told_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guard: str, outcome: str
) -> None:
    (tmp_path / "plant").mkdir()
    (tmp_path / "plant" / "settings.js").write_text(PLANT.replace("httpNodeAuth", "httpNodeAuth" if not guard else "_"))
    (tmp_path / "plant" / "flows.json").write_text(MOVED)
    if guard:
        need_nginx()
        (tmp_path / "plant" / "nginx.conf").write_text(guard)
    monkeypatch.setenv("NODERED_USERNAME", "eng")
    monkeypatch.setenv("NODERED_PASSWORD", "eng-pass-1")
    with lab.start([str(tmp_path / "plant")], say=lambda line: None) as running:
        [deployment] = running.deployments
        args = (*options(deployment), "--nodered-editor=protected", "--nodered-mode=calm", "--nodered-control=roots-01")
        [controls] = run(tmp_path, *args).values()
        told = (tmp_path / "out.xml").read_text()
        [declared] = run(tmp_path, *args, "--nodered-node-root=/plant", "--nodered-dashboard=/hmi").values()
    assert outcome in controls["roots-01"]
    if guard:
        assert "tells httpNodeRoot /plant, and /plant/" in told
        assert "add `--nodered-node-root=/plant`" in told
    else:  # httpNodeAuth guards no live channel of Dashboard 1
        assert "GET below /plant/hmi, which GET /settings as eng (httpNodeRoot /plant) names" in told
    assert not declared["roots-01"] & {"non-compliant", "could-not-look"}


def test_a_gate_before_nothing_does_not_hide_the_root_that_the_account_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_nginx()
    (tmp_path / "plant").mkdir()
    (tmp_path / "plant" / "settings.js").write_text(PLANT.replace("httpNodeAuth", "_"))
    (tmp_path / "plant" / "flows.json").write_text(MOVED)
    gate = "location ~* ^/(ui|dashboard)(/|$) { return 401; }"
    (tmp_path / "plant" / "nginx.conf").write_text(f"{gate} {GUARDED.replace('/plant/ {', '/nobody/ {')}")
    monkeypatch.setenv("NODERED_USERNAME", "eng")
    monkeypatch.setenv("NODERED_PASSWORD", "eng-pass-1")
    with lab.start([str(tmp_path / "plant") + "+nginx"], say=lambda line: None) as running:
        [deployment] = running.deployments
        args = (*options(deployment), "--nodered-editor=protected", "--nodered-control=roots-01")
        [controls] = run(tmp_path, *args).values()
        told = (tmp_path / "out.xml").read_text()
    assert "non-compliant" in controls["roots-01"]
    assert "GET below /plant/hmi, which GET /settings as eng (httpNodeRoot /plant) names" in told


def test_one_case_tells_that_the_dashboard_stands_below_another_root(tmp_path: Path) -> None:
    (tmp_path / "plant").mkdir()
    (tmp_path / "plant" / "settings.js").write_text(PLANT)
    (tmp_path / "plant" / "flows.json").write_text(MOVED)
    with lab.start([str(tmp_path / "plant")], say=lambda line: None) as running:
        [deployment] = running.deployments
        run(tmp_path, *options(deployment), "--nodered-editor=protected")
    errors = Counter(re.findall(r'<error message="[^"]*could not look: ([^"]*)', (tmp_path / "out.xml").read_text()))
    [told] = [reason for reason in errors if "see dash-01, /ui" not in reason]
    assert errors[told] == 1
    assert told.startswith("GET /ui without credentials answered 404")
    assert "(--nodered-node-root=/PATH)" in told
    assert errors.total() > 20  # all others name it
