"""A program that serves, run for a test: begun, waited for, and ended."""

from __future__ import annotations

import contextlib
import secrets
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_PATIENCE: Final = 60.0  # seconds; with hundreds of ports and certificates, on a machine that is busy
_SHOWN: Final = 3000  # characters of the log


@contextlib.contextmanager
def reserved_ports(count: int) -> Iterator[list[int]]:
    """Keep loopback ports until the block ends: who reserves others gets none of them, and a server may listen there.

    They lie below those of `lab.ports.free_ports`: of hundreds from there, one would often be the port of a server that
    is about to listen. Linux lets two sockets have a port where both may share it and neither listens yet. The option
    is set afterwards, so that two who reserve do not get the same; servers set it themselves.
    """
    with contextlib.ExitStack() as stack:
        ports: list[int] = []
        while len(ports) < count:
            holder = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):  # taken
                holder.bind(("127.0.0.1", 10000 + secrets.randbelow(10000)))
                holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                ports.append(holder.getsockname()[1])
        yield ports


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
