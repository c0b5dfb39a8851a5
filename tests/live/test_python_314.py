"""Rules, observations and policy on a real Python 3.14: CPython compiled to WebAssembly, which npm brings."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_nodered_sec.lab import toolchain

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
PURE = ("pytest", "packaging", "idna", "certifi", "jinja2", "crossplane")  # without extension modules
JUDGING = ("tests/rules", "tests/observations", "tests/policy", "tests/results", "tests/test_model.py")


def test_rules_observations_and_policy_hold_on_python_3_14(tmp_path: Path) -> None:
    for file in (Path(__file__).parent / "pyodide").iterdir():
        shutil.copy(file, tmp_path)
    done = toolchain.npm(tmp_path, "ci")
    assert done.returncode == 0, done.stderr
    site = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-compile", "--target", str(site), *PURE]
    subprocess.run(command, check=True, capture_output=True)
    plugin = ["-q", "-p", "no:cacheprovider", "-p", "no:faulthandler", "-p", "pytest_nodered_sec.plugin"]
    command = [str(toolchain.node()), "run.mjs", str(site), str(ROOT), *plugin, "--rootdir=/repository", *JUDGING]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("3.14."), done.stdout + done.stderr
    assert done.returncode == 0, done.stdout[-4000:]
