"""Servers on loopback: free ports, waiting until they listen, and requests exactly as written."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

SAID = {"red": "red", "else": "else", "no": "else"}
"""What the servers behind a proxy begin their answers with, before the URI that they were asked for."""


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with ExitStack() as taken:
        sockets = [taken.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [connection.getsockname()[1] for connection in sockets]


def is_open(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def listens(process: subprocess.Popen[bytes], *ports: int) -> bool:
    """Wait until a process listens; whether it does."""
    until = time.monotonic() + 60  # of a machine with more to do
    for port in ports:
        while True:
            if process.poll() is not None or time.monotonic() > until:
                return False
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.01)
    return True


def ask(port: int, host: str, method: str, uri: str, *headers: str) -> tuple[str, str]:
    """Return who answered and what for; of the proxy's own answers the status, and where they redirect to."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        lines = (f"{method} {uri} HTTP/1.1", f"Host: {host}", "Content-Length: 0", "Connection: close", *headers)
        connection.sendall("\r\n".join((*lines, "", "")).encode())
        got = b""
        while piece := connection.recv(65536):
            got += piece
    head, _, body = got.decode("latin-1").partition("\r\n\r\n")
    word, _, rest = body.partition(" ")
    if word in SAID:  # under an error's status, too
        return SAID[word], rest
    places = [line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("location:")]
    return head.split(" ")[1] if head else "closed", places[0] if places else ""


@contextmanager
def echoing(places: dict[int, str]) -> Iterator[None]:
    """Answer at ports with a word and the URI that was asked for."""

    def serve(listener: socket.socket, word: str) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                data = b""
                while b"\r\n\r\n" not in data and (piece := connection.recv(65536)):
                    data += piece
                uri = data.split(b" ")[1] if b" " in data else b""
                body = word.encode() + b" " + uri
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
                )

    listeners = [socket.create_server(("127.0.0.1", port), backlog=64) for port in places]
    threads = [
        threading.Thread(target=serve, args=(listener, word), daemon=True)
        for listener, word in zip(listeners, places.values(), strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for listener in listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for thread in threads:
            thread.join(5)
