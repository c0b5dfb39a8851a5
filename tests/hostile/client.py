"""A client of the hostile servers, byte by byte."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from typing import TYPE_CHECKING

from hostile import THREAD_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostile import CA, Hostile


Answer = tuple[int, dict[str, str], bytes]


def dial(server: Hostile, timeout: float = 3) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=timeout)


@contextlib.contextmanager
def tls(server: Hostile, ca: CA, timeout: float = 3) -> Iterator[ssl.SSLSocket]:
    context = ssl.create_default_context(cafile=str(ca.pem_path))
    with (
        dial(server, timeout) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as wrapped,
    ):
        yield wrapped


def ask(server: Hostile, ca: CA, path: str = "/x", method: str = "GET", **headers: str) -> Answer:
    context = ssl.create_default_context(cafile=str(ca.pem_path))
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=3, context=context)
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers)
        got = connection.getresponse()
        fields = {name.lower(): value for name, value in got.getheaders()}
        return got.status, fields, got.read()


def request_over(sock: socket.socket, path: str = "/x") -> None:
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


def threads() -> list[str]:
    """Return the names of threads that a hostile server has started."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith(THREAD_PREFIX)]
