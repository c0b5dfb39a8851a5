"""A real nginx on loopback that presents chains made by `certlab`, with whatever lines its server block needs.

It logs at level notice, and counts the connections that it accepts: so a test can say what a look leaves behind.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.lab import toolchain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from certlab import Issued

_START: Final = 60.0  # seconds until it must listen; with hundreds of certificates, on a machine that is busy
_TRIES: Final = 3  # a port that was free may be taken when it is used


@dataclass
class Nginx:
    """A running nginx.

    Attributes:
        port: TCP port of HTTPS, on 127.0.0.1 and, where asked for, ::1.
        folder: its files.
    """

    port: int
    folder: Path
    _status_port: int = 0
    _before: int = 0  # connections of which `accepted` does not speak
    _logged: int = 0  # lines of which `logged` does not speak

    def accepted(self) -> int:
        """Return how many connections it has accepted since it listens, those of this question aside."""
        self._before += 1
        with urllib.request.urlopen(f"http://127.0.0.1:{self._status_port}/", timeout=5) as got:
            counted = int(got.read().decode().splitlines()[2].split()[0])
        return counted - self._before

    def logged(self) -> list[str]:
        """Return what it has written to its error log, at level notice and above, since it listens."""
        return self._log().splitlines()[self._logged :]

    def begin(self) -> bool:
        """Leave aside what starting logged and asked; return whether it has begun."""
        try:
            counted = self.accepted()  # which adds its own to those before
        except ConnectionError:
            return False
        self._before += counted
        self._logged = len(self._log().splitlines())
        return True

    def _log(self) -> str:
        return (self.folder / "error.log").read_text(encoding="utf-8", errors="replace")


@contextlib.contextmanager
def serving(
    folder: Path, *chains: Sequence[Issued], server: str = "", http: str = "", ipv6: bool = False
) -> Iterator[Nginx]:
    """Run nginx until the block ends.

    Args:
        folder: an existing directory for its files.
        chains: what it presents, leaf first; several for several kinds of key.
        server: lines of the server block; what they leave open of `location /` is answered 204.
        http: lines beside it, such as further server blocks; `@PORT@` stands for the port of HTTPS.
        ipv6: whether it listens on ::1 as well.
    """
    pairs = "".join(_certificate(folder, number, chain) for number, chain in enumerate(chains))
    for turn in range(_TRIES):
        port, status_port = _free_ports()
        running = Nginx(port, folder, status_port)
        places = "".join(
            f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        rest = "" if "location / {" in server else "location / { return 204; }"
        also = f"listen [::1]:{running.port} ssl;" if ipv6 else ""
        text = f"""daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log notice;
events {{ worker_connections 4096; }}
http {{
  access_log off; {places}
  {http.replace("@PORT@", str(running.port))}
  server {{ listen 127.0.0.1:{running.port} ssl; {also} {pairs} {server} {rest} }}
  server {{ listen 127.0.0.1:{running._status_port}; location / {{ stub_status; }} }}
}}
"""
        (folder / "nginx.conf").write_text(text)
        program = [str(toolchain.nginx()), "-p", str(folder), "-e", str(folder / "start.log")]
        process = subprocess.Popen([*program, "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL)
        try:
            # `begin` asks where `_listens` did: connections to one port are counted in order. Who gets all its ports
            # but one takes connections, and ends.
            if _listens(process, status_port) and running.begin():
                yield running
                return
            logs = (folder / "start.log", folder / "error.log")  # the second one is begun after reading the file
            said = "".join(log.read_text() for log in logs if log.exists())
            assert "Address already in use" in said, said
            assert turn + 1 < _TRIES, said
        finally:
            process.terminate()
            process.wait(_START)


def write_chain(folder: Path, name: str, chain: Sequence[Issued]) -> tuple[Path, Path]:
    """Write a chain and its leaf's key as PEM; return where."""
    certificates, key = folder / f"{name}.pem", folder / f"{name}.key"
    certificates.write_bytes(b"".join(issued.pem for issued in chain))
    key.write_bytes(chain[0].key_pem)
    return certificates, key


def _certificate(folder: Path, number: int, chain: Sequence[Issued]) -> str:
    certificates, key = write_chain(folder, f"chain{number}", chain)
    return f"ssl_certificate {certificates}; ssl_certificate_key {key}; "


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as connection, socket.create_server(("127.0.0.1", 0)) as other:
        return int(connection.getsockname()[1]), int(other.getsockname()[1])


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    until = time.monotonic() + _START
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(0.01)
    return False
