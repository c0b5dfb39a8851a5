"""The server: starts a behaviour, counts what comes, and stops it."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hostile.certificates import CA, default_ca
from hostile.connections import THREAD_PREFIX, Connection, listeners
from hostile.messages import REFUSE, Behaviour, ChangesCertificate, Handler, Raw, Refuse, TurnsAfter

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator


@dataclass
class Hostile:
    """A running server and what it has seen.

    `requests` holds the request lines of behaviours that read HTTP. `connections` and `peak` (most
    open at once) count TCP connections, those on which nothing was said too; one that the client
    has closed no longer counts as open, even if the server has not noticed yet.
    """

    port: int
    url: str
    host: str = "localhost"
    requests: list[str] = field(default_factory=list)
    connections: int = 0
    peak: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def reset(self) -> None:
        """Forget what was seen; the behaviour goes on where it is (`number`, `turns_after`, …)."""
        with self._lock:
            self.requests.clear()
            self.connections = self.peak = 0


@contextlib.contextmanager
def serving(behaviour: Behaviour, *, tls: bool = True, ca: CA | None = None) -> Iterator[Hostile]:
    """Serve a behaviour on an ephemeral port of 127.0.0.1 and, where there is one, of ::1.

    An exception in a handler (other than one of the connection) is raised at the end.
    """
    server = Server(behaviour, (ca or default_ca()) if tls else None)
    server.start()
    try:
        yield server.seen
    finally:
        server.stop()
    if server.errors:
        raise server.errors[0]


class Server:
    """Accepts in one thread, serves each connection in its own."""

    def __init__(self, behaviour: Behaviour, ca: CA | None) -> None:
        self.behaviour = behaviour
        self.errors: list[Exception] = []
        self.lock = threading.Lock()
        self.stopping = False
        self.listeners = listeners()
        port = self.listeners[0].getsockname()[1]
        self.seen = Hostile(port, f"http{'s' if ca else ''}://localhost:{port}", _lock=self.lock)
        self._turns = 0  # requests, and connections of a Raw behaviour
        self._numbers = 0  # requests
        self._hellos = 0  # TLS handshakes begun
        self._open: set[Connection] = set()
        self._deaf = threading.Event()  # the listeners are closed
        self._waker, self._wake = socket.socketpair()
        self._acceptor = threading.Thread(target=self._accept, name=f"{THREAD_PREFIX}accept-{port}", daemon=True)
        self.context = self._own_context(ca) if ca else None

    def _own_context(self, ca: CA) -> ssl.SSLContext:
        behaviour = self.behaviour
        while isinstance(behaviour, TurnsAfter):
            behaviour = behaviour.base
        if not isinstance(behaviour, ChangesCertificate):
            return ca.context()
        after, second = behaviour.after, ca.context("second")
        context = ca.new_context()

        def choose(sock: ssl.SSLSocket | ssl.SSLObject, _name: str, _context: Any) -> None:
            with self.lock:
                self._hellos += 1
                changed = self._hellos > after
            if changed:
                sock.context = second

        context.sni_callback = choose  # called without a server name too
        return context

    def start(self) -> None:
        self._acceptor.start()
        if self.now() == REFUSE:
            self.refuse()

    def stop(self) -> None:
        until = time.monotonic() + 0.45
        with self.lock:
            self.stopping = True
        self._wake.send(b"x")
        self._acceptor.join(0.2)
        with self.lock:
            left = list(self._open)
        for connection in left:
            connection.cut()
        for connection in left:
            connection.join(max(0.0, until - time.monotonic()))
        if not self._acceptor.is_alive():
            self._waker.close()
        self._wake.close()

    def refuse(self) -> None:
        """Close the listeners, and return when they are closed."""
        self._wake.send(b"r")
        self._deaf.wait(0.4)

    def hang_up(self, caller: Connection) -> None:
        """Cut the other connections that are not being answered."""
        with self.lock:
            idle = [connection for connection in self._open if not connection.busy and connection is not caller]
        for connection in idle:
            connection.cut()

    def now(self) -> Handler | Raw | Refuse:
        """Return what the next turn gets, without taking it."""
        with self.lock:
            return _at(self.behaviour, self._turns)

    def turn(self) -> Handler | Raw | Refuse:
        """Take a turn and return what it gets."""
        with self.lock:
            self._turns += 1
            return _at(self.behaviour, self._turns - 1)

    def note(self, line: str) -> int:
        """Note a request line and return its number."""
        with self.lock:
            self._numbers += 1
            self.seen.requests.append(line)
            return self._numbers

    def part(self, connection: Connection) -> None:
        with self.lock:  # so that nobody looks at a descriptor that is being closed
            self._open.discard(connection)
            connection.sock.close()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            for listener in (*self.listeners, self._waker):
                selector.register(listener, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._waker in ready:
                    break
                for listener in self.listeners:
                    if listener in ready:
                        self._take(listener)
            for listener in self.listeners:
                selector.unregister(listener)
                listener.close()
            self._deaf.set()

    def _take(self, listener: socket.socket) -> None:
        try:
            sock, _ = listener.accept()
        except OSError:  # the client has gone already
            return
        sock.setblocking(True)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(self, sock)
        with self.lock:
            self._open.add(connection)
            self.seen.connections += 1
            others = sum(not other.left() for other in self._open if other is not connection)
            self.seen.peak = max(self.seen.peak, 1 + others)
        connection.start()


def _at(behaviour: Behaviour | Refuse, turn: int) -> Handler | Raw | Refuse:
    """Return what applies at a turn, counted from 0."""
    while isinstance(behaviour, (TurnsAfter, ChangesCertificate)):
        if isinstance(behaviour, ChangesCertificate) or turn < behaviour.after:
            behaviour = behaviour.base
        else:
            turn -= behaviour.after
            behaviour = behaviour.other
    return behaviour
