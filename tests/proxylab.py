"""A real forward proxy on loopback that wants a login."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from servers import running
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
    with running([program, "-d", "-c", str(folder / "conf")], folder / "out", partial(accepts, port)):
        yield port, folder / "log"
