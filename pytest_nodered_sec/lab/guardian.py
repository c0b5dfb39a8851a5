"""The process that ends the lab: it starts the servers, and stops them when its standard input closes.

Run as a script, with the standard library only. Its parent holds the other end of the pipe, which closes however
the parent dies; nothing is left behind, neither processes nor the directory, which is why the directory is made here.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

ENDED: Final = "(the lab: this process has ended)"  # written into the log of a server that ended by itself
_WATCH: Final = 0.2  # seconds between two looks at the servers
_GRACE: Final = 2.0  # seconds that the servers have to end


def main() -> None:
    """Make a directory and tell it, read one line of JSON (commands), start them, and wait for the end of input."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # Ctrl-C goes to the whole terminal: our parent decides
    directory = tempfile.mkdtemp(prefix="nodered-lab-")
    servers: list[tuple[subprocess.Popen[bytes], Path]] = []
    try:
        with contextlib.suppress(BrokenPipeError):  # our parent is gone already
            os.write(sys.stdout.fileno(), f"{directory}\n".encode())
        line = sys.stdin.readline()
        for command in json.loads(line) if line else []:
            log = Path(command["log"])
            try:
                servers.append((_launch(command), log))
            except OSError as error:
                _note(log, f"{error}\n{ENDED}")
        _watch(servers)
    finally:
        _end([server for server, _ in servers])
        shutil.rmtree(directory, ignore_errors=True)


def _launch(command: dict[str, Any]) -> subprocess.Popen[bytes]:
    with Path(command["log"]).open("ab") as log:
        return subprocess.Popen(
            command["argv"],
            cwd=command["cwd"],
            env={**os.environ, **command["env"]},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,  # so that what a server starts can be ended with it
            preexec_fn=_default_signals,
        )


def _watch(servers: list[tuple[subprocess.Popen[bytes], Path]]) -> None:
    """Return at the end of input; until then note in its log when a server ends."""
    while not select.select([sys.stdin], [], [], _WATCH)[0]:
        for server in [server for server in servers if server[0].poll() is not None]:
            servers.remove(server)
            _note(server[1], ENDED)


def _note(log: Path, line: str) -> None:
    with log.open("a") as file:
        file.write(f"{line}\n")


def _end(servers: list[subprocess.Popen[bytes]]) -> None:
    for server in servers:
        _signal(server, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE
    for server in servers:
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(max(0.0, deadline - time.monotonic()))
        _signal(server, signal.SIGKILL)  # also what the server itself left behind
        server.wait()


def _signal(server: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        os.killpg(server.pid, number)


def _default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    main()
