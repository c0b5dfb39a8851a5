"""Names and TCP connections, each with a deadline; of TLS only that it has one too."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.transport.deadlines import ended_where_tls
from pytest_nodered_sec.probes.transport.once import Waits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ADVICE: Final = {  # by why no connection was made
    Cause.UNREACHABLE: ". Start the server, or correct the port of the URL",
    Cause.NO_ROUTE: ". See whether this machine is in the right network (VPN)",
    Cause.TIMEOUT: ". See whether it is switched on, and whether a firewall or a VPN lets this machine reach it",
}
AT_ONCE: Final = 8  # connections to one target
_PAUSE: Final = 0.02  # seconds; who has only just got an answer asks again in less, and would have to connect anew
_FATE: Final = threading.Lock()  # held while it is decided whether a kept connection is used or ended
_PATIENCE: Final = 10.0  # seconds to wait for one at least; then a look gives up, which may hold another
_LONGEST: Final = 120.0  # seconds to wait for who wants to be alone: he may rest for twenty, and ask a slow target
_GLANCE: Final = 0.2  # seconds after which is looked whether he waits for us meanwhile, which nobody tells


class Timed(socket.socket):
    """A connection whose reads all end by one deadline, even if single bytes keep arriving."""

    deadline = 0.0  # absolute `time.monotonic()` seconds
    idle_since: float | None = None  # the same, from when on it is kept for a later question
    ended = False  # whether it was ended to make room
    places: Places | None = None  # where it counts, and somebody may wait for its place
    number = 0  # which one of these it is, counted from 1

    def __del__(self) -> None:
        """Close what a thread dropped when the run ended under it."""
        self.close()

    def close(self) -> None:
        """Close it, and wake a thread that waits for room."""
        super().close()
        if self.places is not None:
            self.places.notify()

    def rest(self) -> None:
        """Keep it for a later question; until then it may be ended to make room."""
        self.idle_since = time.monotonic()
        if self.places is not None:
            self.places.note_rest()

    def take_up(self) -> bool:
        """Whether it is still open; if so it is in use from now on, else it is closed."""
        with _FATE:
            if not self.ended:
                self.idle_since = None
                return True
        self.close()
        return False

    def until(self, deadline: float) -> None:
        """Set the deadline of what is sent and read from now on."""
        self.deadline = deadline
        self.settimeout(max(0.001, deadline - time.monotonic()))

    def probe_after(self, seconds: int) -> None:
        """Have the system ask after so much silence whether the peer still has this connection.

        Where it has not, because a front let go of it without a word, that is answered with a reset (RFC 9293, 3.8.4
        and 3.10.7.1), after which `has_peer` is false.
        """
        idle = getattr(socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None))  # the second is macOS's name
        self.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if idle is not None:
            self.setsockopt(socket.IPPROTO_TCP, idle, seconds)

    def has_peer(self) -> bool:
        """Whether it was not reset: one that the peer has closed in order still has its peer."""
        with contextlib.suppress(OSError):
            self.getpeername()
            return True
        return False

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
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            self.recv(1)
            raise


class Places:
    """The connections to one target, those kept for later included: never more than eight at once.

    As many threads ask, each with one connection, so that room can be made by ending one that nobody uses.

    Attributes:
        waits: which of these threads wait for others.
    """

    def __init__(self) -> None:
        self.waits = Waits()
        self._changed = threading.Condition()  # of a reentrant lock: collecting garbage may close a connection anywhere
        self._open: list[Timed] = []
        self._making = self._made = 0
        self._closed = False
        self._most = AT_ONCE
        self._alone: list[int] = []  # threads that want to be alone; each but the first finds what the one before wants
        self._asking: list[int] = []  # threads in the midst of a request

    def narrow(self, most: int) -> None:
        """Open no more than so many at once from now on, and end what nobody uses beyond that."""
        with self._changed:
            self._most = min(self._most, most)
            self._trim()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other thread ask anything until the block ends, and end what nobody uses; of two the second waits.

        What is on its way is answered all the same. A thread that finds what this one waits for may ask, too, or even
        be alone for that, or both would wait for ever.

        Raises:
            ProbeError: another thread was alone for too long.
        """
        me = threading.get_ident()
        with self._changed:
            self.wait()
            self._alone.append(me)
            self._trim()
        try:
            yield
        finally:
            with self._changed:
                self._alone.remove(me)
                self._changed.notify_all()

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Note that this thread is in the midst of a request, which it ends although another one wants to be alone."""
        me = threading.get_ident()
        with self._changed:
            self._asking.append(me)
        try:
            yield
        finally:
            with self._changed:
                self._asking.remove(me)

    def wait(self) -> None:
        """Wait until no other thread wants to be alone.

        Raises:
            ProbeError: it was for too long.
        """
        until = time.monotonic() + _LONGEST
        with self._changed:
            while not self.may_ask():
                if time.monotonic() >= until:
                    raise ProbeError("another look had the target to itself for too long", Cause.TIMEOUT)
                self._changed.wait(_GLANCE)

    @property
    def is_ours(self) -> bool:
        """Whether this thread is alone."""
        return self._alone[-1:] == [threading.get_ident()]

    def may_ask(self) -> bool:
        """Whether no other thread wants to be alone, or it needs this one."""
        with self._changed:
            if not self._alone or self._closed:
                return True
            me, alone = threading.get_ident(), self._alone[-1]
            return me == alone or me in self._asking or self.waits.is_waited_for(me, alone)

    def _trim(self) -> None:
        """End what nobody uses, as far as there is too much of it."""
        most = 0 if self._alone else self._most
        self._open = [sock for sock in self._open if sock.fileno() >= 0]
        with _FATE:
            idle = sorted((sock for sock in self._open if sock.idle_since is not None), key=_rested)
            surplus = idle[: max(0, len(self._open) + self._making - most)]
            for sock in surplus:
                _end(sock)
        self._open = [sock for sock in self._open if sock not in surplus]

    def open(self, make: Callable[[], Timed], deadline: float) -> Timed:
        """Make room for a connection, and make it.

        Args:
            make: makes it.
            deadline: until when it is waited for, absolute `time.monotonic()` seconds; for some seconds in any case.

        Raises:
            ProbeError: as `make`; no room in time; the run has ended.
        """
        with self._changed:
            until = max(deadline, time.monotonic() + _PATIENCE)
            while not self._has_room():
                left = until - time.monotonic()
                if left <= 0:
                    raise ProbeError(
                        f"no connection to the target became free in time (at most {self._most} at once)", Cause.TIMEOUT
                    )
                self._changed.wait(min(left, self._rests_in()))
            self._making += 1
        made: list[Timed] = []
        try:
            made.append(make())
        finally:
            with self._changed:
                self._making -= 1
                self._open += made
                self._made += 1
                number = self._made
                closed = self._closed
                self._changed.notify()  # where none was made, there is room
        made[0].places, made[0].number = self, number
        if closed:
            made[0].close()
            raise ProbeError("the run has ended", Cause.UNAVAILABLE)
        return made[0]

    def notify(self) -> None:
        """Wake a thread that waits for room."""
        with self._changed:
            self._changed.notify()

    def note_rest(self) -> None:
        """Note that nobody uses a connection for now: it makes room, and may be one too many."""
        with self._changed:
            if self._most < AT_ONCE or self._alone:
                self._trim()
            self._changed.notify()

    def close(self) -> None:
        """End every connection; who uses one notices, and closes it."""
        with self._changed:
            self._closed = True
            for sock in self._open:
                _end(sock)
            self._changed.notify_all()

    def _has_room(self) -> bool:
        """Whether one more may be made; ends one that is not in use where that makes the room."""
        self._open = [sock for sock in self._open if sock.fileno() >= 0]
        if len(self._open) + self._making < self._most:
            return True
        with _FATE:
            rested = time.monotonic() - _PAUSE
            idle = [sock for sock in self._open if sock.idle_since is not None and sock.idle_since <= rested]
            if not idle:
                return False
            oldest = min(idle, key=_rested)  # another may be taken up at any moment
            _end(oldest)
        self._open.remove(oldest)
        return len(self._open) + self._making < self._most

    def _rests_in(self) -> float:
        """Return in how many seconds a kept connection has rested long enough to be ended; a long time for none."""
        idle = [sock.idle_since for sock in self._open if sock.idle_since is not None]
        return max(0.001, min(idle) + _PAUSE - time.monotonic()) if idle else _PATIENCE


def _rested(sock: Timed) -> float:
    """Return since when a connection is kept, absolute monotonic seconds."""
    return sock.idle_since or 0.0


def is_silent(sock: Timed, deadline: float) -> bool:
    """Whether a kept connection is open, and nothing came by it that would be taken for the next answer.

    Load balancers say 408 before they close one that was idle.
    """
    sock.settimeout(0.0)
    try:
        with ended_where_tls(sock, deadline):
            sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False


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
    addresses: list[str] = []
    trouble: list[str] = []

    def look_up() -> None:
        try:
            infos = socket.getaddrinfo(hostname, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            trouble.append(getattr(error, "strerror", None) or str(error))
            return
        ordered = sorted(infos, key=lambda info: info[0] != socket.AF_INET)
        addresses.extend(dict.fromkeys(str(info[4][0]) for info in ordered))

    thread = threading.Thread(target=look_up, daemon=True, name="nodered-sec-resolve")
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    if trouble:
        raise ProbeError(
            f"the name {hostname} does not resolve: {trouble[0]}. Correct the URL, or give the address by `connect` in "
            "the policy file",
            Cause.UNREACHABLE,
        )
    if not addresses:
        raise ProbeError(f"the name {hostname} did not resolve in time", Cause.TIMEOUT)
    return tuple(addresses)


def advice(cause: Cause) -> str:
    """Return what to do where no connection was made, as a sentence that follows another; "" where nothing helps."""
    return _ADVICE.get(cause, "")


def dial(address: str, port: int, deadline: float) -> Timed:
    """Connect to one address.

    Raises:
        ProbeError: UNREACHABLE if refused by the address, CLOSED if reset, TIMEOUT if nothing answered by the
            deadline, NO_ROUTE for no route to host or network, OUR_SIDE for what tells nothing about the port: no
            descriptors, no right.
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
        cause = Cause.CLOSED if isinstance(error, ConnectionError) else Cause.OUR_SIDE
        cause = Cause.NO_ROUTE if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH) else cause
        cause = Cause.UNREACHABLE if isinstance(error, ConnectionRefusedError) else cause
        raise ProbeError(f"connecting to {address} port {port}: {reason}", cause) from None
    timed = Timed(fileno=sock.detach())
    timed.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    timed.until(deadline)
    return timed
