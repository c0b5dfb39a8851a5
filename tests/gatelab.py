"""Gates as sites write them in nginx, before a real Node-RED of the lab, and the bundled suite run against them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import nginxlab
from certlab import issue
from suite_runs import run

from pytest_nodered_sec.lab.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ROOT = issue("Gates", ca=True)
ELSEWHERE = "gate.plant.example"  # a name that only the policy file leads to this machine
_LEAF = issue("localhost", _ROOT, dns=["localhost", ELSEWHERE])
_UPSTREAM = """map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
upstream nodered {{ server 127.0.0.1:{upstream}; }}
server {{ listen 127.0.0.1:{plain}; {in_clear} }}
server_tokens off;"""
PASS = """proxy_http_version 1.1; proxy_set_header Host $http_host;
proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;"""


@dataclass(frozen=True)
class Gate:
    """A running gate.

    Attributes:
        folder: an empty directory for a run.
        args: the options that name it.
    """

    folder: Path
    args: tuple[str, ...]

    def judged(self, *more: str) -> dict[str, set[str]]:
        """Run the bundled suite; return the outcomes of each control."""
        (controls,) = run(self.folder, *self.args, *more).values()
        return controls

    def report(self) -> str:
        """Return the JUnit file of the last run."""
        return (self.folder / "out.xml").read_text(encoding="utf-8")


@contextlib.contextmanager
def standing(
    folder: Path,
    upstream: int,
    server: str,
    url_path: str = "/",
    http: str = "",
    name: str = "localhost",
    in_clear: str = "return 301 https://@NAME@:@PORT@$request_uri;",
) -> Iterator[Gate]:
    """Run nginx with these lines of the server block in front of a Node-RED until the block ends.

    Args:
        folder: an existing, empty directory.
        upstream: TCP port of the Node-RED.
        server: lines of the HTTPS server; `@FILES@` stands for a directory of its own files.
        url_path: what follows the host in the target's URL.
        http: lines of the http block.
        name: the host of the target's URL.
        in_clear: lines of the server of plain HTTP; `@NAME@` stands for that host, `@PLAIN@` for its own port.
    """
    files, started = folder / "files", folder / "run"
    for path in (files, started, folder / "nginx"):
        path.mkdir()
    plain, direct = free_ports(2)
    (folder / "ca.pem").write_bytes(_ROOT.pem)
    lines = server.replace("@FILES@", str(files))
    in_clear = in_clear.replace("@NAME@", name).replace("@PLAIN@", str(plain))
    above = _UPSTREAM.format(upstream=upstream, plain=plain, in_clear=in_clear) + http
    with nginxlab.serving(folder / "nginx", [_LEAF], server=lines, http=above) as nginx:
        if name != "localhost":
            there = f'url = "https://{name}:{nginx.port}{url_path}"\nconnect = "127.0.0.1:{nginx.port}"'
            (started / "nodered-sec.toml").write_text(f'[[target]]\nname = "gate"\n{there}\n')
        yield Gate(
            started,
            (
                f"--nodered-url=https://{name}:{nginx.port}{url_path}",
                f"--nodered-ca-file={folder / 'ca.pem'}",
                f"--nodered-http-port={plain}",
                f"--nodered-direct-port={direct}",
            ),
        )
