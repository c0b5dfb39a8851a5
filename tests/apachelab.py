"""A real Apache httpd before a Node-RED, with whatever lines a test gives it."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Final

from servers import running
from suite_runs import installed

from pytest_nodered_sec.lab.ports import accepts, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MODULES: Final = ("mpm_event", "authz_core", "proxy", "proxy_http")


@contextlib.contextmanager
def serving(folder: Path, upstream: int, lines: str = "", modules: tuple[str, ...] = ()) -> Iterator[int]:
    """Run an Apache httpd that passes everything on, upgrades too; yield its port on 127.0.0.1.

    Args:
        folder: where its files go.
        upstream: TCP port of Node-RED on 127.0.0.1.
        lines: of its configuration, each ended.
        modules: that these need.
    """
    program = installed("apache2")
    (port,) = free_ports(1)
    loaded = "".join(
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in (*_MODULES, *modules)
    )
    (folder / "httpd.conf").write_text(
        f"ServerRoot {folder}\n{loaded}ServerName localhost\nListen 127.0.0.1:{port}\nPidFile {folder}/pid\n"
        f"DefaultRuntimeDir {folder}\nErrorLog {folder}/error.log\n{lines}"
        f"ProxyPass / http://127.0.0.1:{upstream}/ upgrade=websocket\n"
    )
    command = [program, "-X", "-f", str(folder / "httpd.conf")]  # one process
    with running(command, folder / "httpd.log", partial(accepts, port)):
        yield port
