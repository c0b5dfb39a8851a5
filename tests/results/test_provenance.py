"""Where results come from: a command line without secrets, the wheel's digest, dates, machine and clock."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from datetime import date
from importlib.metadata import Distribution
from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec.results import provenance

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        (["-n2", "-q", "--nodered-url=https://plant.example", "tests"], None),
        (["-k", "tls", "--junitxml", "x.xml", "--nodered-policy=a.toml"], None),
        (["--vault-token=hunter2", "-n", "2"], ["--vault-token=…", "-n", "2"]),
        (["--vault-token", "hunter2", "tests"], ["--vault-token", "…", "tests"]),
        (["-o", "vault=hunter2"], ["-o", "…"]),
        (["-Xhunter2"], ["-X…"]),
        (["https://user:hunter2@plant.example/x"], ["https://…@plant.example/x"]),
        (["--nodered-seal=minisign -W hunter2 -Sm"], ["--nodered-seal=minisign …"]),
        (["--nodered-seal=sign"], None),
        (["--nodered-seal", "minisign -W hunter2"], ["--nodered-seal", "…"]),
        (["--nodered-seal='"], ["--nodered-seal=…"]),
    ],
)
def test_the_command_is_shown_without_secrets(args: list[str], shown: list[str] | None) -> None:
    assert provenance.command(args) == (args if shown is None else shown)


def installed(place: Path, line_end: str = "\n", more: str = "") -> Distribution:
    package, info = place / "pytest_nodered_sec", place / "pytest_nodered_sec-1.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (package / "b.py").write_text("b")
    (package / "a.py").write_text("a")
    digests = {name: urlsafe_b64encode(hashlib.sha256(name.encode()).digest()).decode().rstrip("=") for name in "ab"}
    rows = [f"pytest_nodered_sec/{name}.py,sha256={digest},1" for name, digest in sorted(digests.items(), reverse=True)]
    (info / "RECORD").write_bytes(line_end.join([*rows, "pytest_nodered_sec-1.dist-info/RECORD,,", more]).encode())
    return Distribution.at(info)


def test_every_installation_of_a_wheel_has_the_same_digest(tmp_path: Path) -> None:
    code = provenance.code_of(installed(tmp_path / "pip"))
    other = provenance.code_of(installed(tmp_path / "uv", "\r\n", "pytest_nodered_sec/__pycache__/a.pyc,,"))
    assert code == other
    assert (len(code["record_sha256"]), code["changed"]) == (64, [])


def test_code_that_was_changed_after_it_was_installed_is_named(tmp_path: Path) -> None:
    distribution = installed(tmp_path)
    (tmp_path / "pytest_nodered_sec/a.py").write_text("evil")
    (tmp_path / "pytest_nodered_sec/b.py").unlink()
    assert provenance.code_of(distribution)["changed"] == ["pytest_nodered_sec/a.py", "pytest_nodered_sec/b.py"]


def test_an_editable_installation_has_no_digest(tmp_path: Path) -> None:
    distribution = installed(tmp_path)
    info = tmp_path / "pytest_nodered_sec-1.dist-info"
    (info / "RECORD").write_text("_pytest_nodered_sec.pth,sha256=x,1\n")
    (info / "direct_url.json").write_text('{"url": "file:///src", "dir_info": {"editable": true}}')
    assert provenance.code_of(distribution) == {"record_sha256": "", "changed": [], "editable": True}


def test_dates_machine_and_clock_are_known() -> None:
    assert all(date.fromisoformat(day) for day in provenance.tables().values())
    assert provenance.machine()
    assert provenance.clock().startswith("system clock")
