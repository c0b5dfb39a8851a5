"""The process that ends the lab: it starts the servers, and stops them when its standard input closes.

Run as a script, with the standard library only. Its parent holds the other end of the pipe, which closes however
the parent dies; nothing is left behind, neither processes nor the directory.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    """Read one line of JSON (commands and the directory to remove), start them, and wait for the end of input."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # Ctrl-C goes to the whole terminal: our parent decides
    order = json.loads(sys.stdin.readline())
    children = []
    for command in order["commands"]:
        with Path(command["log"]).open("ab") as log:
            children.append(
                subprocess.Popen(
                    command["argv"],
                    cwd=command["cwd"],
                    env={**os.environ, **command["env"]},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    preexec_fn=_default_signals,
                )
            )
    sys.stdin.read()
    for child in children:
        child.terminate()
    deadline = time.monotonic() + 2
    for child in children:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(max(0.0, deadline - time.monotonic()))
        if child.poll() is None:
            child.kill()
            child.wait()
    shutil.rmtree(order["directory"], ignore_errors=True)


def _default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    main()
