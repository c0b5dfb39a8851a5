"""The bundled suite against real deployments of the lab: exactly which controls fail, err, or do not apply."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec import lab

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live

# deployment: controls with a failure, controls with an error; everything else passes or does not apply
EXPECTED: dict[str, tuple[set[str], set[str]]] = {
    "fresh": ({"admin-01", "admin-02", "admin-04", "editor-01", "editor-02", "dash-01", "dash-02"}, set()),
    "hardened": (set(), set()),
    # GET /dashboard never answers there: its page is an error, in clear too
    "article": ({"tls-01", "http-01", "editor-01", "editor-02", "dash-01", "dash-02"}, {"dash-01", "http-01"}),
    "httpnodeauth": ({"dash-02"}, set()),
    "moved": ({"dash-01", "dash-02"}, set()),
    "adminoff": ({"dash-01", "dash-02"}, set()),
    "adminoff-nodeauth": ({"dash-02"}, {"editor-01", "editor-02"}),
    "gate": (set(), set()),
    "sso": (
        set(),
        {"reach-01", "admin-01", "admin-02", "admin-04", "editor-01", "editor-02", "dash-01", "dash-02"},
    ),
    "noeditor-open": ({"admin-01", "admin-02", "admin-04", "dash-01", "dash-02"}, set()),
    "secret-root": ({"dash-02"}, {"admin-01", "admin-02", "admin-04", "editor-01", "editor-02"}),
    "anonread": ({"admin-01", "admin-02", "dash-01", "dash-02"}, set()),
    "middleware-only": ({"dash-02"}, set()),
    "plain-leak": ({"http-01"}, set()),
    "editor-protected": (set(), set()),
}


def run(folder: Path, *args: str) -> dict[str, dict[str, set[str]]]:
    """Run pytest in a directory of its own; return the outcomes by target and control."""
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "--no-summary", "--junitxml=out.xml", *args]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=540, check=False)
    report = folder / "out.xml"
    assert report.is_file(), done.stdout + done.stderr
    seen: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314  our own file
        of = {one.get("name"): one.get("value") or "" for one in case.iter("property")}
        seen[of["nodered_sec.target"]][of["nodered_sec.control"]].add(of["nodered_sec.outcome"])
    return seen


def with_outcome(controls: dict[str, set[str]], outcome: str) -> set[str]:
    return {control for control, outcomes in controls.items() if outcome in outcomes}


@pytest.fixture(scope="module", params=[4, 5])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, set[str]]]:
    """One run over all deployments of one major."""
    specs = [f"--nodered-lab={name}@{request.param}" for name in EXPECTED]
    found = run(tmp_path_factory.mktemp("run"), "--nodered-timeout=3", *specs)
    return {target.split("@")[0].removeprefix("lab-"): controls for target, controls in found.items()}


def test_every_deployment_is_expected() -> None:
    assert set(EXPECTED) == set(lab.names())


@pytest.mark.parametrize("name", EXPECTED)
def test_exactly_these_controls_fail_and_err(name: str, seen: dict[str, dict[str, set[str]]]) -> None:
    failing, erring = EXPECTED[name]
    assert with_outcome(seen[name], "non-compliant") == failing
    assert with_outcome(seen[name], "could-not-look") == erring


def test_under_xdist_the_verdicts_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    specs = ["--nodered-lab=fresh", "--nodered-lab=hardened"]
    assert run(tmp_path / "one", *specs) == run(tmp_path / "two", "-n2", *specs)


def test_a_declared_login_is_a_refusal(tmp_path: Path) -> None:
    [controls] = run(
        tmp_path, "--nodered-lab=sso", "--nodered-admin-api=proxied", "--nodered-login-url=https://login.example/auth"
    ).values()
    assert with_outcome(controls, "could-not-look") == set()
    assert with_outcome(controls, "non-compliant") == set()
    assert {"dash-01", "dash-02", "admin-01"} <= with_outcome(controls, "compliant")
