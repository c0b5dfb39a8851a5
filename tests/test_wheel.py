"""What pip installs: everything the plugin needs, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pytest_nodered_sec"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [built] = folder.glob("*.whl")
    return zipfile.Path(built)


def test_every_file_of_the_package_is_there_and_nothing_else(wheel: zipfile.Path) -> None:
    packed = {name for name in wheel.root.namelist() if ".dist-info/" not in name and not name.endswith("/")}
    files = [one for one in PACKAGE.rglob("*") if one.is_file() and "__pycache__" not in one.parts]
    assert packed == {one.relative_to(ROOT).as_posix() for one in files}


@pytest.mark.parametrize(
    "name",
    [
        "py.typed",
        "suite/test_tls.py",
        "data/guarded_routes.toml",
        "data/frameworks.toml",
        "evidence/report.html.j2",
        "lab/guardian.py",
    ]
    + [f"lab/npm/{major}/{file}" for major in (1, 4, 5, "contrib") for file in ("package.json", "package-lock.json")],
)
def test_what_no_import_would_miss_is_there(name: str, wheel: zipfile.Path) -> None:
    assert (wheel / "pytest_nodered_sec" / name).is_file()


def test_pytest_finds_the_plugin_and_its_reader_the_licence(wheel: zipfile.Path) -> None:
    [info] = [one for one in wheel.iterdir() if one.name.endswith(".dist-info")]
    assert "[pytest11]\nnodered_sec = pytest_nodered_sec.plugin" in (info / "entry_points.txt").read_text()
    assert (info / "licenses" / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
