"""A lab whose Node-RED is damaged, or whose ports are taken, mends itself and starts."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
import requests

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab import toolchain

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache of its own, which npm fills with hard links to the files of the real one."""
    real = toolchain.node_red(5, lambda line: None)

    def npm(folder: Path, *_: str, lock: int | None) -> subprocess.CompletedProcess[str]:
        shutil.copytree(real, folder / "node_modules", symlinks=True, copy_function=_link)
        return subprocess.CompletedProcess([], 0, "", "")

    monkeypatch.setattr(toolchain, "npm", npm)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return toolchain.node_red(5, lambda line: None)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system
        shutil.copy2(source, target, follow_symlinks=False)


@pytest.mark.parametrize(
    ("file", "damage"),
    [("express/lib/express.js", "gone"), ("express/package.json", "zeros"), ("bcryptjs/package.json", "zeros")],
)
def test_a_damaged_node_red_is_installed_again(cache: Path, file: str, damage: str) -> None:
    place = cache / file
    size = place.stat().st_size
    place.unlink()  # unlinked, the real one stays as it is
    if damage == "zeros":
        place.write_text("\0" * size)
    said: list[str] = []
    with lab.start(["fresh@5"], say=said.append) as running:
        assert _answers(running)
    assert sum("installing" in line and "damaged" in line for line in said) == 1


def test_taken_ports_are_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    free = lab._free_ports
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as other:
        choices = [[*free(2), other.getsockname()[1]], [other.getsockname()[1], *free(2)]]
        monkeypatch.setattr(lab, "_free_ports", lambda count: choices.pop() if choices else free(count))
        with lab.start(["fresh@5"], say=said.append) as running:
            assert _answers(running)
    assert sum("took one of the lab's ports" in line for line in said) == 2


def _answers(running: lab.Lab) -> bool:
    [one] = running.deployments
    return requests.get(f"{one.url}/settings", verify=one.ca_file, timeout=10).status_code == 200
