"""Counting attempts across processes, and holding up the end of a process until its sessions are ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.probes.transport.logins import Logins

if TYPE_CHECKING:
    from pathlib import Path

KEY = [("127.0.0.1", "443", "admin")]


def test_processes_that_try_at_once_share_the_count(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib\nfrom pytest_nodered_sec.probes.transport.logins import Logins\n"
        "logins = Logins(pathlib.Path(sys.argv[1]))\nsys.stdin.read()\n"
        "print(sum(not logins.take([('a', 'admin'), ('b', 'admin')], 'x') for _ in range(5)))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "run")]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in running:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    assert sum(int(process.communicate(timeout=30)[0]) for process in running) == 1


def test_what_is_counted_apart_and_what_together(tmp_path: Path) -> None:
    logins = Logins(tmp_path / "run")
    both = [("10.0.0.1", "443", "admin"), ("10.0.0.2", "443", "admin")]
    assert logins.take(both, "first") == ""
    assert logins.take([("10.0.0.3", "443", "admin")], "x") == ""
    assert (
        logins.take(reversed(both), "x") == logins.take(both[1:], "x") == "first"
    )  # another name of one of the addresses
    assert logins.take([("10.0.0.2", "443", "user")], "x") == ""
    assert logins.take([("10.0.0.2", "8443", "admin")], "x") == ""
    assert Logins(tmp_path / "another").take(both, "x") == ""


def test_later_runs_remember_four_attempts_for_ten_minutes(tmp_path: Path) -> None:
    for number in range(4):
        assert Logins(tmp_path / f"run{number}").note(KEY) == 0
    last = Logins(tmp_path / "last")
    assert 590 < last.note(KEY) <= 600
    assert last.note([("127.0.0.1", "443", "user")]) == 0
    (recent,) = tmp_path.glob("nodered-sec-recent-*")
    assert recent.stat().st_mode & 0o777 == 0o700
    for file in recent.glob("*-1"):
        os.utime(file, (0, time.time() - 601))
    assert last.note(KEY) == 0
    assert last.note(KEY) > 0
    assert last.note(KEY, reserve=True) > 0
    last.forget(KEY)
    assert [last.note(KEY, reserve=True) for _ in range(4)][:3] == [0, 0, 0]
    assert last.note(KEY, reserve=True) > 0
    assert last.note(KEY) == 0  # the site's own password has a place that published ones leave free
    assert last.note(KEY) > 0
    last.forget(KEY)
    Logins(None).forget(KEY)


def test_whoever_has_not_said_who_he_is_yet_is_another_look(tmp_path: Path) -> None:
    logins = Logins(tmp_path)
    tmp_path.chmod(0o700)
    assert logins.take(KEY, "") == ""
    assert logins.take(KEY, "") == "another look"


def test_without_a_directory_or_with_somebody_elses_nothing_may_be_tried(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "run").mkdir(mode=0o770)
    (tmp_path / "run").chmod(0o770)
    for folder in (None, tmp_path / "link", tmp_path / "run", tmp_path / "no" / "such"):
        with pytest.raises(ProbeError, match="no password is tried"):
            Logins(folder).take(KEY, "x")


def test_the_end_waits_for_sessions_and_lets_none_begin() -> None:
    logins = Logins(None)
    begun, go = threading.Event(), threading.Event()

    def hold() -> None:
        with logins.session():
            begun.set()
            go.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert begun.wait(10)
    ending = threading.Thread(target=logins.end)
    ending.start()
    time.sleep(0.1)
    assert ending.is_alive()
    with pytest.raises(ProbeError, match="the run has ended"), logins.session():
        pass
    go.set()
    ending.join(10)
    assert not ending.is_alive()
    holder.join(10)


HOLDING = """
import sys, threading, time
from pytest_nodered_sec.probes.transport.logins import Logins
logins = Logins(None)
logins.hold_signals()
def hold():
    with logins.session():
        print("begun", flush=True)
        time.sleep(0.5)
        print("ended", flush=True)
thread = threading.Thread(target=hold, daemon=True)
thread.start()
if "released" in sys.argv:
    logins.release_signals()
threading.Event().wait(20)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(("more", "said"), [([], "ended\n"), (["released"], "")])
def test_a_signal_that_would_end_python_waits(number: signal.Signals, more: list[str], said: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLDING, *more], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    time.sleep(0.1)
    process.send_signal(number)
    assert process.communicate(timeout=20)[0] == said
    assert process.returncode == -number


def test_signals_that_somebody_handles_are_left_alone() -> None:
    logins = Logins(None)

    def own(number: int, frame: object) -> None: ...

    before = signal.signal(signal.SIGTERM, own), signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        logins.hold_signals()
        assert signal.getsignal(signal.SIGTERM) is own
        elsewhere = threading.Thread(target=logins.release_signals)
        elsewhere.start()
        elsewhere.join()
        assert signal.getsignal(signal.SIGHUP) == logins._die
        logins.release_signals()
        assert signal.getsignal(signal.SIGTERM) is own
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGHUP, before[1])
