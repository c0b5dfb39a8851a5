"""A real forward proxy on loopback that wants a login."""

from __future__ import annotations

import contextlib
import subprocess
import time
from typing import TYPE_CHECKING

from suite_runs import installed

from pytest_nodered_sec.lab.ports import accepts, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def forward_proxy(folder: Path) -> Iterator[tuple[int, Path]]:
    """Run tinyproxy for user "plant" with password "hunter2-proxy"; yield its port and its log."""
    program = installed("tinyproxy")
    (port,) = free_ports(1)
    folder.mkdir()
    (folder / "conf").write_text(
        f'Port {port}\nListen 127.0.0.1\nLogFile "{folder}/log"\nLogLevel Connect\nMaxClients 50\n'
        "BasicAuth plant hunter2-proxy\n"
    )
    process = subprocess.Popen([program, "-d", "-c", str(folder / "conf")], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not accepts(port):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield port, folder / "log"
    finally:
        process.terminate()
        process.wait(10)
