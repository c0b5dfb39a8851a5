"""What pip installs: everything the plugin needs, and nothing else."""

from __future__ import annotations

import email
import re
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
from wheels import ROOT, build

from pytest_nodered_sec import __version__

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = ROOT / "pytest_nodered_sec"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    return zipfile.Path(build("wheel", tmp_path_factory.mktemp("wheel")))


def test_every_file_of_the_package_is_there_and_nothing_else(wheel: zipfile.Path) -> None:
    packed = {name for name in wheel.root.namelist() if ".dist-info/" not in name and not name.endswith("/")}
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert packed == {path.relative_to(ROOT).as_posix() for path in files}


@pytest.mark.parametrize(
    "name",
    [
        "py.typed",
        "suite/test_tls.py",
        "data/guarded_routes.toml",
        "data/frameworks.toml",
        "data/hardening.md",
        "evidence/report.html.j2",
        "evidence/report.css",
        "probes/host/trust.sh",
        "lab/guardian.py",
    ]
    + [f"lab/npm/{major}/{file}" for major in (1, 4, 5, "contrib") for file in ("package.json", "package-lock.json")],
)
def test_what_no_import_would_miss_is_there(name: str, wheel: zipfile.Path) -> None:
    assert (wheel / "pytest_nodered_sec" / name).is_file()


def test_pytest_finds_the_plugin_and_its_reader_the_licence(wheel: zipfile.Path) -> None:
    [info] = [path for path in wheel.iterdir() if path.name.endswith(".dist-info")]
    assert "[pytest11]\nnodered_sec = pytest_nodered_sec.plugin" in (info / "entry_points.txt").read_text()
    assert (info / "licenses" / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(build("sdist", folder)) as packed:
        if hasattr(tarfile, "data_filter"):  # since Python 3.11.4
            packed.extractall(folder, filter="data")
        else:
            packed.extractall(folder)  # noqa: S202  our own archive
    return folder / f"pytest_nodered_sec-{__version__}"


def test_the_source_distribution_holds_what_a_packager_needs(sdist: Path) -> None:
    for name in ("LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "tests/install", "docs/hardening.md"):
        assert (sdist / name).read_bytes() == (ROOT / name).read_bytes()
    for folder in ("conftest_examples", "tests", "docs"):
        files = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
        wanted = {path.relative_to(ROOT) for path in files if not {"__pycache__", ".pytest_cache"} & set(path.parts)}
        assert {path for path in wanted if not (sdist / path).is_file()} == set()
    assert {path.name for path in sdist.iterdir()} <= {
        "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "PKG-INFO", "README.md", "conftest_examples", "docs",
        "pyproject.toml", "pytest_nodered_sec", "tests", ".gitignore",
    }  # fmt: skip


def test_the_same_wheel_comes_of_the_source_distribution(sdist: Path, wheel: zipfile.Path, tmp_path: Path) -> None:
    again = zipfile.Path(build("wheel", tmp_path, sdist))
    ours, theirs = (
        {name: path.root.read(name) for name in path.root.namelist() if not name.endswith("/")}
        for path in (wheel, again)
    )
    assert ours == theirs


def test_the_metadata_say_what_it_is(wheel: zipfile.Path) -> None:
    [info] = [path for path in wheel.iterdir() if path.name.endswith(".dist-info")]
    told = email.message_from_string((info / "METADATA").read_text())
    assert told["Version"] == __version__
    classifiers = told.get_all("Classifier") or []
    assert "Framework :: Pytest" in classifiers
    assert "Typing :: Typed" in classifiers
    assert told["Requires-Python"] == ">=3.11"
    assert told.get_all("Project-URL")


def test_there_is_one_version() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert next(name for name in headings if name != "Unreleased") == __version__
    sources = [path for path in ROOT.rglob("*.py") if path.is_relative_to(PACKAGE)]
    assert [path.name for path in sources if f'"{__version__}"' in path.read_text()] == ["_version.py"]
