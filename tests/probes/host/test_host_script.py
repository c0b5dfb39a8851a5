"""The script that asks the host: it runs in every POSIX shell, and opens nothing for writing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from importlib import resources
from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec.probes.host.parse import me, sections

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = str(resources.files("pytest_nodered_sec.probes.host") / "host.sh")
MARK = "==0123456789abcdef"
SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"]]
CHANGES = (
    "openat,open,creat,mkdir,mkdirat,unlink,unlinkat,rename,renameat,renameat2,chown,fchown,fchownat,chmod,fchmod,"
)
CHANGES += "fchmodat,truncate,ftruncate,link,linkat,symlink,symlinkat,utimensat,execve"


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_every_posix_shell_runs_it(shell: list[str]) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]} here")
    done = subprocess.run([*shell, SCRIPT, MARK, "", "1F90"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    parts = sections(done.stdout, MARK)
    assert me(parts["me"]).uptime > 0
    assert {"me", "self", "os", "connection", "cron", "end"} <= set(parts)


def test_nothing_is_opened_for_writing(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("no strace here")
    log = tmp_path / "strace"
    subprocess.run(
        [strace, "-f", "-qq", "-e", f"trace={CHANGES}", "-o", str(log), "sh", SCRIPT, MARK, "", "1F90"],
        capture_output=True,
        timeout=120,
        check=True,
    )
    lines = [line.split(maxsplit=1) for line in log.read_text().splitlines()]
    nginx = {
        pid for pid, call in lines if call.startswith("execve(") and '"-T"' in call
    }  # tests/machine/test_host_nginx.py
    calls = [call for pid, call in lines if pid not in nginx and not call.startswith(("execve", "<...", "+++", "---"))]
    assert len(calls) > 100
    changing = [call for call in calls if not call.startswith("open") or re.search("O_WRONLY|O_RDWR|O_CREAT", call)]
    assert [line for line in changing if '"/dev/null"' not in line] == []


def test_the_logins_own_variables_change_nothing() -> None:
    environment = {"PATH": "/tmp", "IFS": "x", "POSIXLY_CORRECT": "1", "SYSTEMD_LOG_LEVEL": "debug", "mark": "x"}  # noqa: S108  not used
    for shell in SHELLS:
        if program := shutil.which(shell[0]):
            argv = [program, *shell[1:], SCRIPT, MARK, "", "1F90"]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True, env=environment)
            assert me(sections(done.stdout, MARK)["me"]).user, shell


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_script_that_waits_for_node_red_still_has_what_it_was_given(shell: list[str], tmp_path: Path) -> None:
    """As the entrypoint.sh of Node-RED's own images; here the process only calls itself so."""
    sleep, started = shutil.which("sleep"), ": /usr/local/bin/node $NODE_OPTIONS red.js --userDir /data"
    if sleep is None or shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]} here")
    shutil.copy(sleep, tmp_path / "node-red")
    (tmp_path / "entrypoint.sh").write_text(f"#!/bin/sh\n{started}\n./node-red 60 &\necho $!\nwait $!\n")
    argv = ["sh", "./entrypoint.sh", "--settings", "/etc/nodered/settings.js", "-D", "a=secret"]
    with subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = process.stdout.readline().strip()
        try:
            asked = [*shell, SCRIPT, MARK, "", "1F90"]
            done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
        finally:
            os.kill(int(pid), signal.SIGKILL)
    told = sections(done.stdout, MARK)[f"process {pid}"].text.split("\n")
    assert f"starter {started}" in told
    given = [line.split() for line in told if line.startswith("given")]
    assert given[-1] == ["given", *argv[:4], "-D", "(hidden)"]


def test_no_file_of_the_kernels_is_read_as_a_script(tmp_path: Path) -> None:
    """Anybody's shell may say that it runs /proc/kmsg: who reads that as root takes it from others, and never ends."""
    sleep, cat = shutil.which("sleep"), shutil.which("cat")
    assert sleep is not None
    shutil.copy(sleep, tmp_path / "node-red")
    words = "./node-red 60 & echo $!; wait $! # red.js\n"
    with subprocess.Popen([words], executable=cat, stdin=subprocess.PIPE) as holder:
        argv = ["sh", f"/proc/{holder.pid}/cmdline"]
        process = subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        pid = process.stdout.readline().strip()
        try:
            asked = ["sh", SCRIPT, MARK, "", "1F90"]
            done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
        finally:
            os.kill(int(pid), signal.SIGKILL)
            process.communicate()
            holder.kill()
    assert "starter " not in sections(done.stdout, MARK)[f"process {pid}"].text


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_neither_a_name_of_two_lines_nor_megabytes_of_arguments_hide_a_process(shell: list[str]) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]} here")
    code = r"open('/proc/self/comm', 'w').write('node-red\n) S 1 '); print(flush=True); __import__('time').sleep(60)"
    argv = [sys.executable, "-c", code, *["node-red " + "x" * 120_000] * 8]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            asked = [*shell, SCRIPT, MARK, "", "1F90"]
            done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
        finally:
            process.kill()
    told = sections(done.stdout, MARK)[f"process {process.pid}"].text
    facts = {key: value for key, _, value in (line.partition(" ") for line in told.split("\n"))}
    assert (facts["ticks"].isdigit(), facts["PPid"], facts["same"]) == (True, str(os.getpid()), str(os.getuid()))
    assert len(told) < 80_000
