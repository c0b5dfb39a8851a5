"""A program that serves, run for a test: begun, waited for, and ended."""

from __future__ import annotations

import contextlib
import subprocess
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_PATIENCE: Final = 20.0  # seconds
_SHOWN: Final = 3000  # characters of the log


@contextlib.contextmanager
def running(command: Sequence[str], log: Path, ready: Callable[[], bool]) -> Iterator[None]:
    """Run a program of one process until the block ends; it must not end before.

    Args:
        command: program and arguments.
        log: file for what it prints.
        ready: whether it serves.
    """
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        until = time.monotonic() + _PATIENCE
        while not ready():
            assert process.poll() is None, log.read_text()[-_SHOWN:]
            assert time.monotonic() < until, log.read_text()[-_SHOWN:]
            time.sleep(0.05)
        yield
    finally:
        process.kill()  # some wait for their connections otherwise
        process.wait(10)
