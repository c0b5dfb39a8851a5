"""Every directory of conftest_examples is executed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from suite_runs import run

pytestmark = pytest.mark.live

EXAMPLES = Path(__file__).parents[2] / "conftest_examples"


@pytest.mark.parametrize(("deployment", "outcome"), [("fresh", "non-compliant"), ("hardened", "compliant")])
def test_own_controls(deployment: str, outcome: str, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "own_controls", tmp_path, dirs_exist_ok=True)
    [controls] = run(tmp_path, f"--nodered-lab={deployment}").values()
    assert controls["site-01"] == {outcome}


def test_every_example_is_here() -> None:
    assert [one.name for one in EXAMPLES.iterdir() if one.is_dir()] == ["own_controls"]
