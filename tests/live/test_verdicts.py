"""The bundled suite against real deployments of the lab: exactly which controls fail, err, or do not apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from suite_runs import ALSO_ON_4, EXPECTED, run, with_outcome

from pytest_nodered_sec import lab

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live


@pytest.fixture(scope="module", params=[4, 5])
def major(request: pytest.FixtureRequest) -> int:
    found: int = request.param
    return found


@pytest.fixture(scope="module")
def seen(major: int, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, set[str]]]:
    """One run over all deployments of one major."""
    specs = [f"--nodered-lab={name}@{major}" for name in EXPECTED]
    found = run(tmp_path_factory.mktemp("run"), "--nodered-timeout=3", *specs)
    return {target.split("@")[0].removeprefix("lab-"): controls for target, controls in found.items()}


def test_every_deployment_is_expected() -> None:
    assert set(EXPECTED) == set(lab.names())


@pytest.mark.parametrize("name", EXPECTED)
def test_exactly_these_controls_fail_and_err(name: str, major: int, seen: dict[str, dict[str, set[str]]]) -> None:
    failing, erring = EXPECTED[name]
    failing = failing | (ALSO_ON_4.get(name, set()) if major == 4 else set())
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
