"""Names and TCP connections, with a deadline; of TLS only that it has one too, and of HTTP only a proxy's CONNECT."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from pytest_nodered_sec.errors import Cause, ProbeError

if TYPE_CHECKING:
    from collections.abc import Callable

AT_ONCE: Final = 8  # connections to one target
_PAUSE: Final = 0.02  # seconds; who has only just got an answer asks again in less, and would have to connect anew
_GLANCE: Final = 0.005  # seconds between two looks whether a connection is in use still
_PATIENCE: Final = 10.0  # seconds to wait for one; then a look that holds two goes on


class Timed(socket.socket):
    """A connection whose reads all end by one deadline, even where a byte comes now and then."""

    deadline = 0.0  # absolute `time.monotonic()` seconds
    idle_since: float | None = None  # the same, from when on it is kept for a later question
    ended = False  # whether it was ended to make room

    def __del__(self) -> None:
        """Close what a thread dropped when the run ended under it."""
        self.close()

    def until(self, deadline: float) -> None:
        """Set the deadline of what is sent and read from now on."""
        self.deadline = deadline
        self.settimeout(max(0.001, deadline - time.monotonic()))

    def recv_into(self, *args: Any, **kwargs: Any) -> int:  # Any: socket's own signature, passed through
        """Read, as `socket.recv_into`; whatever reads by way of `makefile` comes here.

        Raises:
            TimeoutError: the deadline has passed.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self.settimeout(left)
        return super().recv_into(*args, **kwargs)


class TimedTLS(Timed, ssl.SSLSocket):
    """The same with TLS."""

    def sendall(self, data: Any, flags: int = 0) -> None:  # Any: socket's own signature, passed through
        """Send, as `socket.sendall`; where the peer has gone, the alert by which it said why is raised.

        Raises:
            ssl.SSLError: the alert, or that it has gone.
        """
        try:
            super().sendall(data, flags)
        except ssl.SSLEOFError:
            self.recv(1)
            raise


class Places:
    """The connections to one target, those kept for later included: never more than eight at once.

    As many threads ask, each with one connection, so that room can be made by ending one that nobody uses.
    """

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._open: list[Timed] = []
        self._making = 0
        self._closed = False

    def open(self, make: Callable[[], Timed]) -> Timed:
        """Make room for a connection, and make it.

        Raises:
            ProbeError: as `make`; the run has ended.
        """
        with self._lock:
            until = time.monotonic() + _PATIENCE
            while not self._has_room() and time.monotonic() < until:
                self._lock.wait(_GLANCE)
            self._making += 1
        made: list[Timed] = []
        try:
            made.append(make())
        finally:
            with self._lock:
                self._making -= 1
                self._open += made
                closed = self._closed
        if closed:
            made[0].close()
            raise ProbeError("the run has ended", Cause.UNAVAILABLE)
        return made[0]

    def take_up(self, kept: Timed) -> bool:
        """Whether a connection kept for later is to be had still; then it is in use from now on."""
        with self._lock:
            if not kept.ended:
                kept.idle_since = None
                return True
        kept.close()
        return False

    def close(self) -> None:
        """End every connection; who uses one notices, and closes it."""
        with self._lock:
            self._closed = True
            for one in self._open:
                _end(one)

    def _has_room(self) -> bool:
        """Whether one more may be made; ends one that is not in use where that makes the room."""
        self._open = [one for one in self._open if one.fileno() >= 0]
        if len(self._open) + self._making < AT_ONCE:
            return True
        rested = time.monotonic() - _PAUSE
        idle = [
            (one.idle_since, number)
            for number, one in enumerate(self._open)
            if one.idle_since is not None and one.idle_since <= rested
        ]
        if not idle:
            return False
        _end(self._open.pop(min(idle)[1]))  # the one that was idle longest: another may be taken up at any moment
        return len(self._open) + self._making < AT_ONCE


def _end(sock: Timed) -> None:
    sock.ended = True
    with contextlib.suppress(OSError):  # the target was faster
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # the TCP one: that of TLS would unwrap it first


def resolve(hostname: str, deadline: float) -> tuple[str, ...]:
    """Return all addresses of a name, IPv4 first, each once.

    The system's resolver has no time limit of its own, so it runs in a thread that is abandoned at the deadline.

    Args:
        hostname: name or address literal.
        deadline: absolute `time.monotonic()` seconds.

    Raises:
        ProbeError: the name does not resolve, or not in time.
    """
    found: list[str] = []
    trouble: list[str] = []

    def look_up() -> None:
        try:
            infos = socket.getaddrinfo(hostname, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            trouble.append(getattr(error, "strerror", None) or str(error))
            return
        ordered = sorted(infos, key=lambda info: info[0] != socket.AF_INET)
        found.extend(dict.fromkeys(str(info[4][0]) for info in ordered))

    thread = threading.Thread(target=look_up, daemon=True, name="nodered-sec-resolve")
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    if trouble:
        raise ProbeError(f"the name {hostname} does not resolve: {trouble[0]}", Cause.UNREACHABLE)
    if not found:
        raise ProbeError(f"the name {hostname} did not resolve in time", Cause.TIMEOUT)
    return tuple(found)


def dial(address: str, port: int, deadline: float) -> Timed:
    """Connect to one address.

    Raises:
        ProbeError: UNREACHABLE if refused or unroutable, TIMEOUT if nothing answered by the deadline.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise ProbeError(f"no time left to connect to {address} port {port}", Cause.TIMEOUT)
    try:
        sock = socket.create_connection((address, port), timeout=left)
    except TimeoutError:
        raise ProbeError(f"connecting to {address} port {port} got no answer", Cause.TIMEOUT) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ProbeError(f"connecting to {address} port {port}: {reason}", Cause.UNREACHABLE) from None
    timed = Timed(fileno=sock.detach())
    timed.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    timed.until(deadline)
    return timed


def dial_through(proxy: str, host: str, port: int, deadline: float) -> Timed:
    """Connect to a host by way of an HTTP proxy (RFC 9110, 9.3.6).

    Args:
        proxy: http URL of the proxy, with userinfo where it wants a login.
        host: name or address; the proxy resolves it.
        port: TCP port.
        deadline: absolute `time.monotonic()` seconds.

    Raises:
        ProbeError: the proxy cannot be reached, or did not connect; which says nothing about the host.
    """
    parts = urlsplit(proxy)
    shown = f"the proxy {parts.hostname}:{parts.port or 3128}"
    try:
        address = resolve(parts.hostname or "", deadline)[0]
        sock = dial(address, parts.port or 3128, deadline)
    except ProbeError as error:
        raise ProbeError(f"{shown}: {error.message}", Cause.UNAVAILABLE) from None
    named = f"[{host}]" if ":" in host else host
    login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}" if parts.username else ""
    authorization = f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}\r\n" if login else ""
    try:
        sock.settimeout(max(0.01, deadline - time.monotonic()))
        sock.sendall(f"CONNECT {named}:{port} HTTP/1.1\r\nHost: {named}:{port}\r\n{authorization}\r\n".encode())
        head = _head(sock, deadline)
    except OSError as error:
        sock.close()
        raise ProbeError(f"{shown} did not answer CONNECT {named}:{port} ({error})", Cause.UNAVAILABLE) from None
    status = head.split(" ")[1:2]
    if status != ["200"]:
        sock.close()
        answer = head.splitlines()[0][:80] if head else "a closed connection"
        raise ProbeError(f"{shown} answered CONNECT {named}:{port} with {answer}", Cause.UNAVAILABLE)
    return sock


def _head(sock: socket.socket, deadline: float) -> str:
    """Read an answer's head byte by byte: what follows belongs to the host."""
    head = b""
    while not head.endswith(b"\r\n\r\n") and len(head) < 8192:
        sock.settimeout(max(0.01, deadline - time.monotonic()))
        byte = sock.recv(1)
        if not byte:
            break
        head += byte
    return head.decode("latin-1")
