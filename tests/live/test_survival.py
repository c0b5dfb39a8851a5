"""Whatever ends a run, nothing of its lab is left: no process, no directory."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab import toolchain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.live

LIMIT = 60.0  # seconds; only a test that fails waits so long
MIDDLE = """
import os, pathlib, pytest, time

started = []

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    started.append(item)
    if len(started) == 20:
        pathlib.Path("pid").write_text(str(os.getpid()))
        pathlib.Path("pid").rename("middle")
        while not pathlib.Path("go").exists():
            time.sleep(0.02)
"""


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def processes() -> dict[int, tuple[int, str]]:
    """Return parent and command of every living process, by its id."""
    run = subprocess.run(["ps", "-wweo", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True)  # noqa: S607  the system's
    rows = [line.split(None, 3) for line in run.stdout.splitlines()]
    return {int(row[0]): (int(row[1]), row[-1]) for row in rows if not row[2].startswith("Z")}


def below(root: int) -> dict[int, str]:
    """Return the commands of all living descendants of a process."""
    known = processes()
    family = {root}
    while more := {pid for pid, (parent, _) in known.items() if parent in family} - family:
        family |= more
    return {pid: known[pid][1] for pid in family - {root} if pid in known}


class Run:
    """A pytest run with a lab, which stops in the middle of the suite until it is told to go on."""

    def __init__(self, folder: Path, *args: str) -> None:
        self.folder = folder
        (folder / "conftest.py").write_text(MIDDLE)
        specs = ["--nodered-lab=fresh"]
        with contextlib.suppress(lab.LabError):
            toolchain.nginx()
            specs += ["--nodered-lab=fresh+nginx"]
        with (folder / "output").open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "--nodered-suite=only", "-pno:randomly", *specs, *args],
                cwd=folder,
                env={**os.environ, "TMPDIR": str(folder)},
                stdout=output,
                stderr=output,
                start_new_session=True,  # a SIGINT is for this run alone
            )

    def directories(self) -> list[Path]:
        return list(self.folder.glob("nodered-lab-*"))

    def assert_nothing_is_left(self, servers: dict[int, str]) -> None:
        wait_for(lambda: not self.directories() and not set(servers) & set(processes()))


@pytest.fixture
def started(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path, *getattr(request, "param", ()))
    try:
        yield run
    finally:
        (tmp_path / "go").touch()
        run.process.kill()
        run.process.wait(LIMIT)


def in_the_middle(run: Run) -> dict[int, str]:
    """Wait until the suite is at work; return what the run has started."""
    wait_for(lambda: (run.folder / "middle").exists() or run.process.poll() is not None)
    servers = below(run.process.pid)
    commands = " ".join(servers.values())
    assert all(name in commands for name in ("guardian", "node-red", "caddy")), (run.folder / "output").read_text()
    return servers


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 2), (signal.SIGTERM, -15), (signal.SIGKILL, -9)])
def test_a_run_that_is_ended_in_the_middle(started: Run, number: signal.Signals, status: int) -> None:
    servers = in_the_middle(started)
    started.process.send_signal(number)
    assert started.process.wait(LIMIT) == status
    started.assert_nothing_is_left(servers)


def test_a_run_that_is_killed_while_it_starts_the_lab(started: Run) -> None:
    wait_for(started.directories)
    servers = below(started.process.pid)
    started.process.kill()
    started.process.wait(LIMIT)
    started.assert_nothing_is_left(servers)


@pytest.mark.parametrize("started", [("-n2",)], indirect=True)
def test_a_worker_that_is_killed(started: Run) -> None:
    servers = in_the_middle(started)
    os.kill(int((started.folder / "middle").read_text()), signal.SIGKILL)
    (started.folder / "go").touch()
    assert started.process.wait(LIMIT) == pytest.ExitCode.TESTS_FAILED
    assert "crashed while running" in (started.folder / "output").read_text()
    started.assert_nothing_is_left(servers)
