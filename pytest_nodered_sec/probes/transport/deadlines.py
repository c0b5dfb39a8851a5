"""Deadlines that Python itself does not come to see: one thread ends whatever connection has outlived its own."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_GRACE: Final = 0.5  # seconds in which Python notices a deadline by itself


class _Watch:
    """The connections that are to end by a deadline, and the thread that ends them; it lives while there are any.

    A thread for each exchange would take longer than the exchange.
    """

    def __init__(self) -> None:
        self._wake = threading.Condition(threading.Lock())
        self._ends: dict[int, tuple[float, socket.socket]] = {}  # by number: when, and what
        self._number = 0
        self._looks = 0.0  # when the thread looks again; 0 while there is none

    def add(self, at: float, sock: socket.socket) -> int:
        """Have a connection ended at a time; return the number by which it is taken back."""
        with self._wake:
            self._number += 1
            self._ends[self._number] = at, sock
            if not self._looks:
                self._looks = at
                threading.Thread(target=self._work, daemon=True, name="nodered-sec-deadlines").start()
            elif at < self._looks:
                self._wake.notify()
            return self._number

    def remove(self, number: int) -> None:
        """Take it back; from now on the connection is not touched."""
        with self._wake:
            self._ends.pop(number, None)

    def _work(self) -> None:
        with self._wake:
            while self._ends:
                self._looks = min(at for at, _ in self._ends.values())
                self._wake.wait(max(0.0, self._looks - time.monotonic()))
                now = time.monotonic()
                for number in [number for number, (at, _) in self._ends.items() if at <= now]:
                    _, sock = self._ends.pop(number)
                    with contextlib.suppress(OSError):  # it is over
                        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # the TCP one: TLS's would talk first
            self._looks = 0.0


_watch: Final = _Watch()  # of the process: it holds a connection for as long as somebody talks, in whatever run


@contextlib.contextmanager
def ended_by(sock: socket.socket, deadline: float) -> Iterator[None]:
    """End a connection with TLS at a deadline that Python does not come to see.

    Within one call OpenSSL reads on for as long as messages arrive that it skips, such as HelloRequest before a
    ServerHello and NewSessionTicket after the handshake; no time limit of the socket counts there.

    Args:
        sock: with TLS, or about to be wrapped in it.
        deadline: absolute `time.monotonic()` seconds.

    Raises:
        TimeoutError: the deadline has passed, in place of whatever was raised then.
    """
    wrapped = isinstance(sock, ssl.SSLSocket)  # else `wrap_socket` will take the connection from its object
    handle = sock if wrapped else socket.fromfd(sock.fileno(), sock.family, sock.type)
    number = _watch.add(deadline + _GRACE, handle)
    try:
        yield
    except OSError:
        if time.monotonic() >= deadline:
            raise TimeoutError("timed out") from None
        raise
    finally:
        _watch.remove(number)
        if not wrapped:
            handle.close()


def ended_where_tls(sock: socket.socket, deadline: float) -> contextlib.AbstractContextManager[None]:
    """Do as `ended_by` where a connection has TLS; without, a time limit of the socket does."""
    return ended_by(sock, deadline) if isinstance(sock, ssl.SSLSocket) else contextlib.nullcontext()
