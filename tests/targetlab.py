"""Policy files for deployments of the lab, and a listener that is none of them."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import TYPE_CHECKING

from pytest_nodered_sec.policy.toml import toml

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec import lab


def table(deployment: lab.RunningDeployment, **more: object) -> str:
    """Return the [[target]] of a deployment."""
    values: dict[str, object] = {
        "name": deployment.name,
        "url": deployment.url,
        "ca_file": deployment.ca_file,
        "http_port": deployment.http_port,
        "direct_port": deployment.direct_port,
        **more,
    }
    return "\n".join(["[[target]]", *(f"{key} = {toml(value)}" for key, value in values.items())]) + "\n"


def policy(folder: Path, *tables: str) -> None:
    (folder / "nodered-sec.toml").write_text("\n".join(tables), encoding="utf-8")


class Listener(threading.Thread):
    """Notes every byte that reaches it, in clear and after TLS, and answers 404."""

    def __init__(self, certificate: Path) -> None:
        super().__init__(daemon=True)
        self.heard = b""
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.start()

    def run(self) -> None:
        while True:
            raw, _ = self._server.accept()
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        try:
            with self._context.wrap_socket(raw, server_side=True) as sock:
                while data := sock.recv(65536):
                    self.heard += data
                    sock.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        except OSError:
            return
