"""Servers that do on demand what no real server does: stall, babble, lie, limit, change, disappear.

What belongs in here: small threaded servers on real sockets, made of the standard library and
trustme alone, that know nothing about the plugin under test. What a real Node-RED or a real
reverse proxy can be made to do belongs in the lab instead. Ready-made behaviours are below the
server; `serving` starts one::

    with serving(turns_after(FakeNodeRED(), 5, hangs), ca=ca) as server:
        requests.get(server.url, verify=str(ca.pem_path))
"""

from __future__ import annotations

import atexit
import contextlib
import datetime
import errno
import functools
import hashlib
import html
import json
import os
import re
import secrets
import select
import selectors
import socket
import ssl
import struct
import tempfile
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import trustme

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

THREAD_PREFIX: Final = "hostile-"  # names of all threads that are started here

# --- certificates ------------------------------------------------------------------------------


class CA:
    """A certificate authority that nobody but the test trusts; make one per session."""

    def __init__(self, authority: trustme.CA, pem_path: Path) -> None:
        self._authority = authority
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        self.pem_path = pem_path
        weakref.finalize(self, pem_path.unlink, missing_ok=True)  # also at exit

    @classmethod
    def new(cls) -> CA:
        """Return a new authority with its certificate in a file, at `pem_path`."""
        authority = trustme.CA()
        handle, name = tempfile.mkstemp(prefix="hostile-ca-", suffix=".pem")
        os.close(handle)
        authority.cert_pem.write_to_path(name)
        return cls(authority, Path(name))

    def issue(
        self,
        *identities: str,
        not_before: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
    ) -> trustme.LeafCert:
        """Return a certificate for names and addresses: valid from yesterday, for 90 days more."""
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        return self._authority.issue_cert(
            *(identities or ("localhost", "127.0.0.1", "::1")),
            not_before=not_before or now - datetime.timedelta(days=1),
            not_after=not_after or now + datetime.timedelta(days=90),
        )

    def context(self, which: str = "first") -> ssl.SSLContext:
        """Return a server's context for localhost; each `which` has its own certificate."""
        with self._lock:
            if which not in self._contexts:
                self._contexts[which] = self.new_context()
            return self._contexts[which]

    def new_context(self) -> ssl.SSLContext:
        """Return a server's context for localhost with a certificate of its own."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sslsocket_class = _ServerSocket
        context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")  # Python's own list has CBC
        self.issue().configure_cert(context)
        return context


class _ServerSocket(ssl.SSLSocket):
    """Closes itself where the client was gone before TLS began; Python 3.11 leaves it open."""

    def getpeername(self) -> Any:  # Any: as in typeshed; `wrap_socket` asks it first
        try:
            return super().getpeername()
        except OSError:
            self.close()
            raise ConnectionAbortedError(errno.ECONNABORTED, "the client has gone") from None


@functools.cache
def default_ca() -> CA:
    """Return the authority of servers that were given none."""
    return CA.new()


# --- requests and replies ----------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """One HTTP request; header names in lower case, `number` is 1 for the server's first."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    number: int = 1


@dataclass(frozen=True)
class Reply:
    """One HTTP answer; `stream` writes to the connection itself, instead of all the rest."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    stream: Callable[[socket.socket], None] | None = None


Handler = Callable[[Request], Reply | None]


@dataclass(frozen=True)
class Raw:
    """A behaviour that gets each connection before TLS; usable as a decorator."""

    run: Callable[[socket.socket], None]


@dataclass(frozen=True)
class TurnsAfter:
    """See `turns_after`."""

    base: Behaviour
    after: int
    other: Behaviour | Literal["refuse connections"]


@dataclass(frozen=True)
class ChangesCertificate:
    """See `changes_certificate_after`."""

    after: int
    base: Behaviour


Behaviour = Handler | Raw | TurnsAfter | ChangesCertificate
Refuse = Literal["refuse connections"]
REFUSE: Final = "refuse connections"


def page(text: str, status: int = 200, **headers: str) -> Reply:
    """Return an HTML answer; `x_name="…"` becomes the header X-Name."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return Reply(status, {"Content-Type": "text/html; charset=utf-8", **named}, text.encode())


def json_reply(data: object, status: int = 200) -> Reply:
    """Return a JSON answer as Express writes it."""
    body = json.dumps(data, separators=(",", ":")).encode()
    return Reply(status, {"Content-Type": "application/json; charset=utf-8"}, body)


# --- the server --------------------------------------------------------------------------------


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
    server = _Server(behaviour, (ca or default_ca()) if tls else None)
    server.start()
    try:
        yield server.seen
    finally:
        server.stop()
    if server.errors:
        raise server.errors[0]


class _Server:
    """Accepts in one thread, serves each connection in its own."""

    def __init__(self, behaviour: Behaviour, ca: CA | None) -> None:
        self.behaviour = behaviour
        self.errors: list[Exception] = []
        self.lock = threading.Lock()
        self.stopping = False
        self._listeners = _listeners()
        port = self._listeners[0].getsockname()[1]
        self.seen = Hostile(port, f"http{'s' if ca else ''}://localhost:{port}", _lock=self.lock)
        self._turns = 0  # requests, and connections of a Raw behaviour
        self._numbers = 0  # requests
        self._hellos = 0  # TLS handshakes begun
        self._open: set[_Connection] = set()
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

    def hang_up(self, caller: _Connection) -> None:
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

    def part(self, connection: _Connection) -> None:
        with self.lock:  # so that nobody looks at a descriptor that is being closed
            self._open.discard(connection)
            connection.sock.close()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            for listener in (*self._listeners, self._waker):
                selector.register(listener, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._waker in ready:
                    break
                for listener in self._listeners:
                    if listener in ready:
                        self._take(listener)
            for listener in self._listeners:
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
        connection = _Connection(self, sock)
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


class _Connection(threading.Thread):
    """One accepted connection."""

    def __init__(self, server: _Server, sock: socket.socket) -> None:
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
        _close_orderly(self.sock)

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
                self.sock.sendall(_head(400, {"Content-Length": "0", "Connection": "close"}))
                return False
            method, path, version = line.split(" ")
            headers = _read_headers(lines)
            body = _read_body(lines, headers)
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
            return _send(self.sock, reply, keep=keep, with_body=method != "HEAD")
        finally:
            self.busy = False
            if self._server.now() == REFUSE:
                self._server.hang_up(self)


def _read_headers(lines: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    while line := lines.readline(65537).decode("latin-1").strip():
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _read_body(lines: BinaryIO, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        length = headers.get("content-length", "0")
        return lines.read(int(length) if length.isdigit() else 0)
    body = b""
    while size := int(lines.readline(100).split(b";")[0].strip() or b"0", 16):
        body += lines.read(size)
        lines.readline(100)
    _read_headers(lines)  # trailers
    return body


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Unknown"
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {phrase}\r\n{fields}\r\n".encode("latin-1")


def _send(sock: socket.socket, reply: Reply, *, keep: bool, with_body: bool = True) -> bool:
    """Write a reply; return whether the connection stays open."""
    names = {name.lower() for name in reply.headers}
    headers = dict(reply.headers)
    bodiless = reply.status < 200 or reply.status in (204, 304)
    if not bodiless and not names & {"content-length", "transfer-encoding"}:
        headers["Content-Length"] = str(len(reply.body))
    if "connection" not in names:
        headers["Connection"] = "keep-alive" if keep else "close"
    keep = keep and all(value.lower() != "close" for name, value in headers.items() if name.lower() == "connection")
    body = reply.body if with_body and not bodiless else b""
    sock.sendall(_head(reply.status, headers) + body)
    return keep


def _close_orderly(sock: socket.socket) -> None:
    """Say goodbye (TLS, then TCP) and read what still comes: data left unread would be a reset."""
    if isinstance(sock, ssl.SSLSocket):
        sock.settimeout(0)
        with contextlib.suppress(OSError, ValueError):
            sock.unwrap()  # sends close_notify; does not wait for the client's
    socket.socket.shutdown(sock, socket.SHUT_WR)
    sock.settimeout(0.2)
    while socket.socket.recv(sock, 65536):
        pass


def _listeners() -> list[socket.socket]:
    """Listen on one ephemeral port of both families, or of IPv4 where there is no ::1."""
    return [_listen(sock) for sock in _bound()]


def _listen(sock: socket.socket, backlog: int = 128) -> socket.socket:
    sock.listen(backlog)
    sock.setblocking(False)
    return sock


def _bound() -> list[socket.socket]:
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
    if isinstance(thread, _Connection):
        if thread.over.wait(seconds):
            raise ConnectionAbortedError("the server stops")
    else:
        time.sleep(seconds)


def _silence(sock: socket.socket) -> None:
    while sock.recv(65536):
        pass


def _drip(sock: socket.socket, data: bytes, interval: float = 0.3) -> None:
    for byte in data:
        sock.sendall(bytes([byte]))
        pause(interval)


# --- raw behaviours: nothing of TLS or HTTP is right -------------------------------------------


@Raw
def hangs(sock: socket.socket) -> None:
    """Accept the connection and never say anything."""
    _silence(sock)


@Raw
def drips_raw(sock: socket.socket) -> None:
    """Begin a TLS handshake, a byte per 0.3 s."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = default_ca().context().wrap_bio(incoming, outgoing, server_side=True)
    while not outgoing.pending:
        got = sock.recv(65536)
        if not got:
            return
        incoming.write(got)
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
    _drip(sock, outgoing.read())
    _silence(sock)


@Raw
def tls_garbage(sock: socket.socket) -> None:
    """Answer the ClientHello with bytes that are no TLS (the same each time)."""
    if sock.recv(65536):
        sock.sendall(hashlib.shake_256(b"garbage").digest(512))
        _close_orderly(sock)


@Raw
def hello_requests(sock: socket.socket) -> None:
    """Answer the ClientHello with HelloRequest after HelloRequest, which clients skip (RFC 5246, 7.4.1.1)."""
    if sock.recv(65536):
        while True:
            sock.sendall(b"\x16\x03\x03\0\4\0\0\0\0" * 1000)


@Raw
def ssh_banner(sock: socket.socket) -> None:
    """Greet like an SSH server, then wait."""
    sock.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
    _silence(sock)


@Raw
def plain_http(sock: socket.socket) -> None:
    """Speak plain HTTP on the TLS port: 200 to HTTP, 400 to a ClientHello."""
    data = sock.recv(65536)
    while re.match(rb"[A-Z]+ ", data) and b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            return
        data += more
    if data:
        understood = re.match(rb"[A-Z]+ ", data)
        text = "Hello in cleartext" if understood else "Bad Request"
        _send(sock, page(f"<p>{text}</p>", 200 if understood else 400), keep=False)
        _close_orderly(sock)


@Raw
def closes_at_once(sock: socket.socket) -> None:
    """Accept and close in order, without a byte."""
    _close_orderly(sock)


@Raw
def resets(sock: socket.socket) -> None:
    """Accept, and reset the connection at the client's first word or after 0.1 s."""
    sock.settimeout(0.1)  # at once would make connecting itself fail now and then
    with contextlib.suppress(TimeoutError):
        sock.recv(65536)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST on close


# --- HTTP behaviours ---------------------------------------------------------------------------


def hangs_after_handshake(_request: Request) -> Reply:
    """Read the request and never answer."""
    return Reply(stream=_silence)


def drips(_request: Request) -> Reply:
    """Answer with a header that never ends, a byte per 0.3 s."""

    def write(sock: socket.socket) -> None:
        _drip(sock, b"HTTP/1.1 200 OK\r\nX-Drip: ")
        while True:
            _drip(sock, b"drip")

    return Reply(stream=write)


def closes_without_answer(_request: Request) -> None:
    """Read the request and close."""


def everything_404(_request: Request) -> Reply:
    """Answer 404 to everything, as a web server that is no Node-RED."""
    return page("<html><body><center><h1>404 Not Found</h1></center></body></html>", 404)


def catch_all_page(request: Request) -> Reply:
    """Answer 200 with one page for every path, in which path, time and a nonce differ."""
    nonce, path = secrets.token_hex(16), html.escape(request.path)
    return page(
        "<!DOCTYPE html>\n<html><head><title>Our Company</title>"
        f'<link rel="canonical" href="{path}"><script nonce="{nonce}" src="/app.js"></script>'
        f"</head><body><h1>Welcome to our company</h1><p>You asked for {path}.</p>"
        "<p>We make things that people like, and we have made them for a long time.</p>"
        f"<footer>Generated at {time.time():.6f}</footer></body></html>\n"
    )


def catch_all_exact(_request: Request) -> Reply:
    """Answer 200 with the very same page for every path."""
    return page(
        "<!DOCTYPE html>\n<html><head><title>Our App</title></head>"
        '<body><div id="root"></div><p>This application needs JavaScript.</p></body></html>\n'
    )


def catch_all_login(_request: Request) -> Reply:
    """Answer 200 with a single sign-on's login form for every path."""
    return page(
        "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><h1>Sign in</h1>"
        '<form method="post" action="/login"><label>Name <input name="username"></label>'
        '<label>Password <input type="password" name="password"></label>'
        f'<input type="hidden" name="csrf" value="{secrets.token_hex(16)}">'
        "<button>Sign in</button></form></body></html>\n"
    )


def always(status: int, headers: Mapping[str, str] | None = None) -> Handler:
    """Return a behaviour that answers everything with one status, for example 503 or 429."""

    def answer(_request: Request) -> Reply:
        text = f"<html><body><h1>{status}</h1></body></html>"
        return Reply(status, {"Content-Type": "text/html", **(headers or {})}, text.encode())

    return answer


def _pour(head: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    def write(sock: socket.socket) -> None:
        sock.sendall(head)
        while True:
            sock.sendall(piece)
            pause(0.005)

    return write


def endless_body(_request: Request) -> Reply:
    """Answer 200 with a chunked body that never ends (about 1 MB/s)."""
    head = _head(200, {"Content-Type": "text/html", "Transfer-Encoding": "chunked"})
    return Reply(stream=_pour(head, b"2000\r\n" + b"endless " * 1024 + b"\r\n"))


def endless_body_without_length(_request: Request) -> Reply:
    """Answer 200 with a body of no declared length that never ends."""
    head = _head(200, {"Content-Type": "text/html", "Connection": "close"})
    return Reply(stream=_pour(head, b"endless " * 1024))


def gzip_of_zeros(size: int) -> bytes:
    """Return a gzip stream that inflates to so many bytes, without ever holding them."""
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    block = bytes(1 << 20)
    packed = b"".join(packer.compress(block) for _ in range(size >> 20))
    return packed + packer.flush()


def redirect_loop(request: Request) -> Reply:
    """Redirect (302) from /a to /b, from /b to /a, and from everywhere else to /a."""
    return Reply(302, {"Location": "/b" if request.path == "/a" else "/a"})


def basic_everything(_request: Request) -> Reply:
    """Ask for Basic credentials (401) on every path, as a reverse proxy does."""
    text = "<html><body><center><h1>401 Authorization Required</h1></center></body></html>"
    return page(text, 401, www_authenticate='Basic realm="Authorization Required"')


def challenge_everything(_request: Request) -> Reply:
    """Answer 403 with a bot challenge (cf-mitigated) to everything."""
    text = "<html><head><title>Just a moment...</title></head><body></body></html>"
    return page(text, 403, cf_mitigated="challenge", server="cloudflare")


# --- a look-alike, and what changes it ---------------------------------------------------------

_ONE: Final = r"/[^/]+"
GET_ROUTES: Final = (  # patterns of paths; what `disableEditor` leaves of Node-RED's admin API
    "/settings",
    "/diagnostics",
    "/flows(/state)?",
    f"/flow{_ONE}",
    f"/nodes(/messages|{_ONE}|{_ONE}{_ONE}|{_ONE}{_ONE}/messages)?",
    f"/plugins(/messages|{_ONE}|{_ONE}{_ONE})?",
    f"/context/global({_ONE})?",
    f"/context/(flow|node){_ONE}({_ONE})?",
)
POST_ROUTES: Final = ("/flows(/state)?", "/flow", "/nodes", "/auth/revoke")
WRONG_PASSWORD: Final = json_reply(
    {"error": "invalid_grant", "error_description": "Invalid resource owner credentials"}, 403
)


@dataclass(frozen=True)
class FakeNodeRED:
    """The look of a hardened Node-RED 5 without editor; a behaviour to build others on.

    It holds no data and no sessions: every token is made up. Headers and bodies are what a real
    one answered, except that its login has no prompts.

    Attributes:
        root: `httpAdminRoot`.
        login: what /auth/login says; {} is the word of a Node-RED without adminAuth.
        replies: answers by path (with root, without query) that come before all others: holes.
        routes: patterns of guarded paths below the root that answer 401 to GET and HEAD.
        delay: seconds before each answer.
    """

    root: str = "/"
    login: Mapping[str, object] = field(default_factory=lambda: {"type": "credentials", "prompts": []})
    replies: Mapping[str, Reply] = field(default_factory=dict)
    routes: tuple[str, ...] = GET_ROUTES
    delay: float = 0.0

    def __call__(self, request: Request) -> Reply:
        """Answer like Node-RED."""
        if self.delay:
            pause(self.delay)
        path = request.path.split("?")[0]
        if path in self.replies:
            return self.replies[path]
        reading = request.method in ("GET", "HEAD")
        root = self.root.rstrip("/")
        below = path[len(root) :] if path.startswith(f"{root}/") else ""
        if reading and below == "/auth/login":
            return json_reply(self.login)
        if below == "/auth/token" and b"grant_type=password" in request.body:
            return WRONG_PASSWORD
        routes = self.routes if reading else POST_ROUTES if request.method == "POST" else ()
        if any(re.fullmatch(f"{route}/?", below) for route in routes):
            tried = "authorization" in request.headers
            error = ', error="invalid_token"' if tried else ""
            return Reply(401, {"WWW-Authenticate": f'Bearer realm="Users"{error}'}, b"Unauthorized")
        return page(
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            "<title>Error</title>\n</head>\n<body>\n"
            f"<pre>Cannot {request.method} {html.escape(path)}</pre>\n</body>\n</html>\n",
            404,
            content_security_policy="default-src 'none'",
            x_content_type_options="nosniff",
        )


def turns_after(base: Behaviour, n: int, other: Behaviour | Refuse) -> TurnsAfter:
    """Behave as `base` for n requests, then as `other`, a behaviour or "refuse connections".

    A connection that a Raw behaviour gets counts as a request. Kept-alive connections are closed
    without an answer when `other` is Raw, and at once when it is "refuse connections".
    """
    return TurnsAfter(base, n, other)


def changes_certificate_after(n: int, base: Behaviour | None = None) -> ChangesCertificate:
    """Present another certificate (of the same CA) after n TLS connections; else be `base`.

    Connections count on which the client begins a handshake. Without `base`: a FakeNodeRED.
    """
    return ChangesCertificate(n, FakeNodeRED() if base is None else base)


def token_bucket(per_second: float, burst: int) -> Callable[[], bool]:
    """Return a thread-safe function that takes a token and says whether there was one."""
    lock = threading.Lock()
    tokens, filled = float(burst), time.monotonic()

    def take() -> bool:
        nonlocal tokens, filled
        with lock:
            now = time.monotonic()
            tokens, filled = min(burst, tokens + (now - filled) * per_second), now
            if tokens < 1:
                return False
            tokens -= 1
            return True

    return take


def rate_limited(
    base: Handler,
    per_second: float = 10,
    burst: int = 10,
    status: int = 429,
    retry_after: int | None = None,
) -> Handler:
    """Return `base` behind a rate limiter, which answers `status` where a request is too many."""
    take = token_bucket(per_second, burst)
    hint = {} if retry_after is None else {"Retry-After": str(retry_after)}
    refused = always(status, hint)

    def answer(request: Request) -> Reply | None:
        return base(request) if take() else refused(request)

    return answer


# --- ports without a server --------------------------------------------------------------------


def closed_port() -> int:
    """Return a port that refuses connections on both families, for the rest of the process."""
    sockets = _bound()
    for sock in sockets:  # bound, not listening, and kept so that nobody else gets the port
        atexit.register(sock.close)
    return int(sockets[0].getsockname()[1])


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """Yield a port on which connecting gets no answer: its backlog is full (needs Linux)."""
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(_listen(sock, backlog=0)) for sock in _bound()]
        for listener in listeners:
            address = listener.getsockname()
            for _ in range(16):
                filler = stack.enter_context(socket.socket(listener.family))
                filler.settimeout(0.1)
                try:
                    filler.connect(address)
                except TimeoutError:  # it hangs: full
                    break
            else:
                raise OSError("the backlog cannot be filled on this system")
        yield int(listeners[0].getsockname()[1])
