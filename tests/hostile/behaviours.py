"""Ready-made behaviours: from bytes that are no TLS to servers that turn into others."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import html
import re
import secrets
import socket
import ssl
import struct
import threading
import time
import zlib
from typing import TYPE_CHECKING

from hostile.certificates import default_ca
from hostile.connections import bound, close_orderly, drip, listen, pause, silence
from hostile.messages import (
    Behaviour,
    ChangesCertificate,
    Handler,
    Raw,
    Refuse,
    Reply,
    Request,
    TurnsAfter,
    head_of,
    page,
    send,
)
from hostile.nodered import FakeNodeRED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@Raw
def hangs(sock: socket.socket) -> None:
    """Accept the connection and never say anything."""
    silence(sock)


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
    drip(sock, outgoing.read())
    silence(sock)


@Raw
def tls_garbage(sock: socket.socket) -> None:
    """Answer the ClientHello with bytes that are no TLS (the same each time)."""
    if sock.recv(65536):
        sock.sendall(hashlib.shake_256(b"garbage").digest(512))
        close_orderly(sock)


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
    silence(sock)


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
        send(sock, page(f"<p>{text}</p>", 200 if understood else 400), keep=False)
        close_orderly(sock)


@Raw
def closes_at_once(sock: socket.socket) -> None:
    """Accept and close in order, without a byte."""
    close_orderly(sock)


@Raw
def resets(sock: socket.socket) -> None:
    """Accept, and reset the connection at the client's first word or after 0.1 s."""
    sock.settimeout(0.1)  # at once would make connecting itself fail now and then
    with contextlib.suppress(TimeoutError):
        sock.recv(65536)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST on close


def hangs_after_handshake(_request: Request) -> Reply:
    """Read the request and never answer."""
    return Reply(stream=silence)


def drips(_request: Request) -> Reply:
    """Answer with a header that never ends, a byte per 0.3 s."""

    def write(sock: socket.socket) -> None:
        drip(sock, b"HTTP/1.1 200 OK\r\nX-Drip: ")
        while True:
            drip(sock, b"drip")

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
    head = head_of(200, {"Content-Type": "text/html", "Transfer-Encoding": "chunked"})
    return Reply(stream=_pour(head, b"2000\r\n" + b"endless " * 1024 + b"\r\n"))


def endless_body_without_length(_request: Request) -> Reply:
    """Answer 200 with a body of no declared length that never ends."""
    head = head_of(200, {"Content-Type": "text/html", "Connection": "close"})
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


def closed_port() -> int:
    """Return a port that refuses connections on both families, for the rest of the process."""
    sockets = bound()
    for sock in sockets:  # bound, not listening, and kept so that nobody else gets the port
        atexit.register(sock.close)
    return int(sockets[0].getsockname()[1])


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """Yield a port on which connecting gets no answer: its backlog is full (needs Linux)."""
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(listen(sock, backlog=0)) for sock in bound()]
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
