"""What looks from outside runs wherever pytest runs: nothing that only POSIX has, the lab aside."""

from __future__ import annotations

import ast
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import tlslab
from certlab import issue
from test_architecture import FILES, NAMES, ROOT, imports, room

if TYPE_CHECKING:
    from pathlib import Path

OUTSIDE = [path for path in FILES if room(NAMES[path]) != "lab"]
# Modules and names that Windows does not have (the availability notes of Python's library reference), and some that
# macOS does not have either.
MODULES = {"fcntl", "resource", "pwd", "grp", "posix", "termios", "tty", "pty", "syslog", "spwd", "crypt", "readline"}
_NAMES = {
    "os": "getuid geteuid getgid getegid getgroups setuid setgid fork forkpty killpg setsid getpgid getpgrp setpgid "
    "uname chown fchown lchown fchmod mkfifo mknod nice getloadavg sysconf sched_getaffinity pipe2 wait3 wait4 "
    "ttyname memfd_create O_NONBLOCK O_CLOEXEC O_NOFOLLOW O_DIRECTORY WNOHANG",
    "select": "poll epoll kqueue POLLIN POLLOUT EPOLLIN",
    "signal": "SIGHUP SIGKILL SIGQUIT SIGUSR1 SIGUSR2 SIGALRM SIGCHLD SIGPIPE alarm setitimer pthread_kill "
    "pthread_sigmask sigwait siginterrupt",
    "socket": "AF_UNIX SO_REUSEPORT MSG_DONTWAIT MSG_NOSIGNAL sendmsg recvmsg send_fds TCP_USER_TIMEOUT TCP_QUICKACK "
    "SO_BINDTODEVICE",
    "time": "tzset clock_gettime CLOCK_MONOTONIC",
    "asyncio": "open_unix_connection start_unix_server",
}
ELSEWHERE = {module: set(names.split()) for module, names in _NAMES.items()}
FROM_INSIDE = {"pytest_nodered_sec.probes.host.way"}  # ends the shells by which testinfra reaches a host


def uses(path: Path) -> set[str]:
    """Return which of those a file uses by name; not what it asks for first (hasattr, getattr)."""
    names = {name for name in imports(path) if name.partition(".")[0] in MODULES}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in ELSEWHERE.get(node.value.id, ()):
                names.add(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.ImportFrom) and node.module in ELSEWHERE:
            names |= {f"{node.module}.{alias.name}" for alias in node.names if alias.name in ELSEWHERE[node.module]}
    return names


@pytest.mark.parametrize("path", OUTSIDE, ids=NAMES.get)
def test_nothing_outside_the_lab_needs_posix(path: Path) -> None:
    assert (uses(path) == set()) is (NAMES[path] not in FROM_INSIDE), uses(path)


def test_such_uses_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    NAMES[path] = "pytest_nodered_sec.probes.x"
    path.write_text("import fcntl, os\nfrom select import poll\nif os.name: os.getuid()\ngetattr(os, 'fork')\n")
    try:
        assert uses(path) == {"fcntl", "select.poll", "os.getuid"}
    finally:
        del NAMES[path]


# Takes away what Windows does not have, from a process that has loaded pytest; then runs pytest in it.
_WITHOUT = """
import asyncio, os, select, signal, socket, subprocess, sys, tempfile, time
import coverage, pytest, xdist, _pytest.pytester, OpenSSL.SSL, cryptography.x509, requests, certifi, idna, ssl
missing, names = {missing!r}, {names!r}
for name in missing:
    sys.modules[name] = None
for module, found in names.items():
    for name in found:
        if hasattr(sys.modules[module], name) and name != "O_CLOEXEC":  # of the standard library's own
            delattr(sys.modules[module], name)
loaded = [name for name in sys.modules if name.startswith("pytest_nodered_sec")]
assert not loaded, loaded
{then}
"""


def without_posix(then: str, *, cwd: Path) -> subprocess.CompletedProcess[str]:
    names = {module: sorted(names) for module, names in ELSEWHERE.items()}
    code = _WITHOUT.format(missing=sorted(MODULES), names=names, then=then)
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def test_everything_outside_the_lab_can_be_imported_without_posix(tmp_path: Path) -> None:
    names = [NAMES[path] for path in OUTSIDE]
    done = without_posix(f"import importlib\nfor name in {names!r}: importlib.import_module(name)", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert ROOT.name == "pytest_nodered_sec"


def test_the_bundled_suite_runs_without_posix(tmp_path: Path) -> None:
    root = issue("Root", ca=True)
    (tmp_path / "ca.pem").write_bytes(root.pem)
    reply = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with tlslab.serving_tls(tmp_path, [issue("localhost", root, dns=["localhost"])], reply=reply) as server:
        args = [
            *(f"--nodered-url=https://localhost:{server.port}", "--nodered-ca-file=ca.pem", "--nodered-http-port=1"),
            *("--nodered-suite=only", "-k", "test_tls or test_reach", "-p", "no:cacheprovider", "-q"),
        ]
        done = without_posix(f"sys.exit(pytest.main({args!r}))", cwd=tmp_path)
    assert "1 error" in done.stdout.splitlines()[-1], done.stdout + done.stderr  # reach-01: it answers 503
    assert "17 compliant" in done.stdout, done.stdout
