"""The process that outlives its parent just long enough to leave nothing behind, and the handle on it.

Run as a program (by path, standard library only) it owns a private temporary directory and starts the lab's
servers, each in a process group of its own. When its standard input ends, however the parent died, it ends all
groups and deletes the directory. It talks in lines of JSON: one request, one reply.
"""

from __future__ import annotations

import contextlib
import ctypes
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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

GRACE_SECONDS = 4.0  # between asking a server to end and killing it
LONGEST_DIRECTORY = 60  # characters; a unix socket's whole path must stay below 104 on macOS, 108 on Linux
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Guardian:
    """A handle on a running guardian. Not for use by several threads at once.

    Raises:
        OSError: the process could not be started.
    """

    def __init__(self) -> None:
        # Its own session: Ctrl-C goes to the foreground group, and the guardian must survive to tidy up.
        # No standard error: a guardian that holds the terminal's pipe would keep `pytest | tee` from ending.
        self._process = subprocess.Popen(
            [sys.executable, "-I", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )
        self.directory = Path(self._read()["directory"])

    @property
    def pid(self) -> int:
        """The guardian's process id."""
        return self._process.pid

    def launch(self, name: str, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path) -> int:
        """Start a server under `name` with exactly this environment, its output going to `log`.

        Returns:
            Its process id, which is also the id of its process group.

        Raises:
            OSError: it could not be started, or the guardian is gone.
        """
        request = {"do": "launch", "name": name, "argv": list(argv), "env": dict(env), "cwd": str(cwd), "log": str(log)}
        return int(self._ask(request)["pid"])

    def exit_code(self, name: str) -> int | None:
        """Return how the server ended, or None while it runs."""
        code = self._ask({"do": "poll", "name": name})["code"]
        return None if code is None else int(code)

    def end(self, name: str) -> None:
        """End one server and wait until it has ended."""
        self._ask({"do": "end", "name": name})

    def close(self) -> None:
        """End all servers, delete the directory, end the guardian. Can be called again."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdin.closed:
            return
        with contextlib.suppress(OSError):
            stdin.close()
        try:
            self._process.wait(timeout=3 * GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if stdout is not None:
            stdout.close()
        shutil.rmtree(self.directory, ignore_errors=True)  # only there if somebody killed the guardian

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._process.stdin is None or self._process.stdin.closed:
            raise OSError("the lab has been stopped")
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise OSError("the lab's guardian process has ended")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise OSError(reply["error"])
        return reply


class _Ended(Exception):  # noqa: N818 - not an error: somebody asked the guardian to end
    """A signal asked the guardian to end."""


def _die_with_guardian() -> None:
    """Have Linux end this child should the guardian itself be killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _launch(request: dict[str, Any]) -> subprocess.Popen[bytes]:
    with Path(request["log"]).open("ab") as log:
        return subprocess.Popen(  # the guardian has one thread, so preexec_fn is safe
            request["argv"],
            env=request["env"],
            cwd=request["cwd"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=_die_with_guardian,
        )


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """End the groups of these children: ask all, wait, kill what is left."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for child in children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, sign)
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline:
            for child in children:
                child.poll()  # reaps it, so that its group can vanish
            if not any(_group_lives(child.pid) for child in children):
                return
            time.sleep(0.02)


def _requests(parent: int) -> Iterator[dict[str, Any]]:
    """Yield requests until standard input ends or the parent is another one.

    The second matters where a process forked off the parent still holds the other end of the pipe.
    """
    buffer = b""
    while os.getppid() == parent:
        if not select.select([0], [], [], 1.0)[0]:
            continue
        chunk = os.read(0, 65536)
        if not chunk:
            return
        *lines, buffer = (buffer + chunk).split(b"\n")
        for line in lines:
            yield json.loads(line)


def _answer(request: dict[str, Any], children: dict[str, subprocess.Popen[bytes]]) -> dict[str, Any]:
    name = request["name"]
    if request["do"] == "launch":
        try:
            children[name] = _launch(request)
        except (OSError, subprocess.SubprocessError) as problem:
            return {"error": f"cannot start {request['argv'][0]}: {problem}"}
        return {"pid": children[name].pid}
    if request["do"] == "poll":
        return {"code": children[name].poll()}
    _end([children.pop(name)])
    return {}


def _say(reply: dict[str, Any]) -> None:
    os.write(1, json.dumps(reply).encode() + b"\n")


def _end_on_signal(_number: int, _frame: object) -> None:
    raise _Ended


def main() -> None:
    """Serve the parent until it is gone, then leave nothing behind."""
    parent = os.getppid()
    os.umask(0o077)
    children: dict[str, subprocess.Popen[bytes]] = {}
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end_on_signal)
    short = len(tempfile.gettempdir()) < LONGEST_DIRECTORY
    directory = tempfile.mkdtemp(prefix="nodered-lab-", dir=None if short else "/tmp")  # noqa: S108 - 0700, random
    try:
        _say({"directory": directory})
        for request in _requests(parent):
            _say(_answer(request, children))
    except (_Ended, BrokenPipeError):
        pass  # told to end, or nobody listens any more: tidy up as always
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        _end(list(children.values()))
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
