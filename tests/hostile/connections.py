"""Connections: one thread for each, the sockets on which they arrive, and how they wait and end."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Final

from hostile.messages import REFUSE, Raw, Request, head_of, read_body, read_headers, send

if TYPE_CHECKING:
    from typing import BinaryIO

    from hostile.server import Server


THREAD_PREFIX: Final = "hostile-"  # names of all threads that are started here


class Connection(threading.Thread):
    """One accepted connection."""

    def __init__(self, server: Server, sock: socket.socket) -> None:
        super().__init__(name=f"{THREAD_PREFIX}connection", daemon=True)
        self.sock = sock
        self.busy = False  # a request has come and its answer has not gone
        self.over = threading.Event()  # cut; `pause` ends
        self._server = server

    def cut(self) -> None:
        """End the connection from another thread; whatever this one waits for returns."""
        self.over.set()
        with self._server.lock, contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)  # not TLS's

    def left(self) -> bool:
        """Whether the client has closed its side."""
        if not hasattr(select, "poll") or self.sock.fileno() < 0:
            return self.sock.fileno() < 0
        poll = select.poll()
        poll.register(self.sock.fileno(), getattr(select, "POLLRDHUP", 0))
        return bool(poll.poll(0))

    def run(self) -> None:
        try:
            self._serve()
        except OSError:  # whatever the client did; SSLError is one too
            pass
        except Exception as error:  # noqa: BLE001  for the test, at the end of `serving`
            self._server.errors.append(error)
        finally:
            self._server.part(self)

    def _serve(self) -> None:
        behaviour = self._server.now()
        if isinstance(behaviour, Raw):
            self._server.turn()
            behaviour.run(self.sock)
            return
        if behaviour == REFUSE:
            return
        if self._server.context:
            with self._server.lock:  # where `cut` sees either the old or the new object
                if self._server.stopping:
                    return
                self.sock = self._server.context.wrap_socket(self.sock, server_side=True, do_handshake_on_connect=False)
            self.sock.do_handshake()
        with self.sock.makefile("rb") as lines:
            # Asked again once this one is idle: whoever makes it refuse meanwhile spares a busy connection.
            while self._answer(lines) and self._server.now() != REFUSE:
                pass
        close_orderly(self.sock)

    def _answer(self, lines: BinaryIO) -> bool:
        """Answer one request; return whether the connection stays open."""
        line = lines.readline(65537).decode("latin-1").rstrip("\r\n")
        if not line:
            return False
        self.busy = True
        try:
            behaviour = self._server.turn()
            if behaviour == REFUSE or isinstance(behaviour, Raw):
                return False
            if not re.fullmatch(r"[A-Z]+ \S+ HTTP/1\.[01]", line):
                self.sock.sendall(head_of(400, {"Content-Length": "0", "Connection": "close"}))
                return False
            method, path, version = line.split(" ")
            headers = read_headers(lines)
            body = read_body(lines, headers)
            number = self._server.note(line)
            reply = behaviour(Request(method, path, headers, body, number))
            last = self._server.now() == REFUSE
            if last:
                self._server.refuse()  # before the answer: who has it finds the port closed
            if reply is None:
                return False
            if reply.stream is not None:
                reply.stream(self.sock)
                return False
            wish = headers.get("connection", "").lower()
            keep = not last and (version == "HTTP/1.1" or wish == "keep-alive") and wish != "close"
            return send(self.sock, reply, keep=keep, with_body=method != "HEAD")
        finally:
            self.busy = False
            if self._server.now() == REFUSE:
                self._server.hang_up(self)


def close_orderly(sock: socket.socket) -> None:
    """Say goodbye (TLS, then TCP) and read what still comes: data left unread would be a reset."""
    if isinstance(sock, ssl.SSLSocket):
        sock.settimeout(0)
        with contextlib.suppress(OSError, ValueError):
            sock.unwrap()  # sends close_notify; does not wait for the client's
    socket.socket.shutdown(sock, socket.SHUT_WR)
    sock.settimeout(0.2)
    while socket.socket.recv(sock, 65536):
        pass


def listeners() -> list[socket.socket]:
    """Listen on one ephemeral port of both families, or of IPv4 where there is no ::1."""
    return [listen(sock) for sock in bound()]


def listen(sock: socket.socket, backlog: int = 128) -> socket.socket:
    sock.listen(backlog)
    sock.setblocking(False)
    return sock


def bound() -> list[socket.socket]:
    """Return sockets bound to one ephemeral port of 127.0.0.1 and ::1."""
    for _ in range(50):
        four = socket.socket(socket.AF_INET)
        four.bind(("127.0.0.1", 0))
        try:
            six = socket.socket(socket.AF_INET6)
        except OSError:
            return [four]
        try:
            six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            six.bind(("::1", 0))  # is there one at all?
            six.close()
        except OSError:
            six.close()
            return [four]
        six = socket.socket(socket.AF_INET6)
        six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            six.bind(("::1", four.getsockname()[1]))
        except OSError:  # that port is taken there
            six.close()
            four.close()
        else:
            return [four, six]
    raise OSError("no port is free on both 127.0.0.1 and ::1")


def pause(seconds: float) -> None:
    """Sleep in a behaviour; ends at once when the server stops."""
    thread = threading.current_thread()
    if isinstance(thread, Connection):
        if thread.over.wait(seconds):
            raise ConnectionAbortedError("the server stops")
    else:
        time.sleep(seconds)


def silence(sock: socket.socket) -> None:
    while sock.recv(65536):
        pass


def drip(sock: socket.socket, data: bytes, interval: float = 0.3) -> None:
    for byte in data:
        sock.sendall(bytes([byte]))
        pause(interval)
