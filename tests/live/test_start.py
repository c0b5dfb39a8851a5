"""How the lab starts: on loopback alone, and mending itself where Node-RED is damaged or its ports are taken."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
import requests
from suite_runs import need_nginx

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab import parts, toolchain
from pytest_nodered_sec.lab.ports import accepts, free_ports

pytestmark = pytest.mark.live


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache of its own, which npm fills with hard links to the files of the real one."""
    real = {"node-red-5": toolchain.node_red(5, print), "node-red-node": toolchain.patched_node(print).parents[2]}

    def npm(folder: Path, *_: str, lock: int | None) -> subprocess.CompletedProcess[str]:
        [modules] = [place for name, place in real.items() if folder.parent.name.startswith(name)]
        shutil.copytree(modules, folder / "node_modules", symlinks=True, copy_function=_link)
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
    assert sum("what is there is damaged" in line for line in said) == 1


def test_taken_ports_are_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    free = free_ports
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        choices = [[taken, *free(3)], [*free(3), taken]]  # Node-RED's, and its proxy's
        monkeypatch.setattr(lab, "free_ports", lambda count: choices.pop(0) if choices else free(count))
        with lab.start(["fresh@5"], say=said.append) as running:
            assert _answers(running)
    assert sum("took one of the lab's ports" in line for line in said) == 2


def test_what_cannot_start_is_told_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(parts, "settings_js", lambda *_: "throw new Error('no such tank')")
    began = time.monotonic()
    with pytest.raises(lab.LabError, match=r"^lab-fresh@5 did not start: [\s\S]*no such tank"):
        lab.start(["fresh@5"], say=lambda line: None)
    assert time.monotonic() - began < lab._START_LIMIT / 2
    assert list(tmp_path.glob("nodered-lab-*")) == []


def test_a_program_that_is_not_there_is_told_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(toolchain, "patched_node", lambda say: tmp_path / "node")
    began = time.monotonic()
    with pytest.raises(lab.LabError, match=r"^lab-fresh@5 did not start: [\s\S]*No such file or directory: .*/node"):
        lab.start(["fresh@5"], say=lambda line: None)
    assert time.monotonic() - began < lab._START_LIMIT / 2


@pytest.mark.parametrize("proxy", ["caddy", "nginx"])
def test_it_listens_on_loopback_alone_and_keeps_its_secrets(proxy: str) -> None:
    if proxy == "nginx":
        need_nginx()
    with lab.start([f"fresh+{proxy}"], say=lambda line: None) as running:
        [deployment] = running.deployments
        for port in (int(deployment.url.rsplit(":", 1)[1]), deployment.http_port, deployment.direct_port):
            assert accepts(port)
            with socket.socket() as elsewhere:
                elsewhere.settimeout(1)
                assert elsewhere.connect_ex(("127.0.0.2", port))  # who listens on all addresses answers here, too
        assert running.folder.stat().st_mode & 0o777 == 0o700
        secrets = [Path(deployment.credentials_file), *running.folder.glob("*/htpasswd")]
        assert {file.stat().st_mode & 0o777 for file in secrets} == {0o600}
    assert not running.folder.exists()


def test_deployments_that_differ_in_the_proxy_alone_share_a_node_red() -> None:
    with lab.start(["hardened", "ungated", "hardened@4", "noeditor-open"], say=lambda line: None) as running:
        directories = [deployment.user_dir for deployment in running.deployments]
        assert [deployment.name for deployment in running.deployments] == [
            "hardened",
            "ungated",
            "hardened",
            "noeditor-open",
        ]
        assert directories[0] == directories[1]
        assert len(set(directories)) == 3
        assert len({deployment.url for deployment in running.deployments}) == 4


def _answers(running: lab.Lab) -> bool:
    [deployment] = running.deployments
    return requests.get(f"{deployment.url}/settings", verify=deployment.ca_file, timeout=10).status_code == 200
