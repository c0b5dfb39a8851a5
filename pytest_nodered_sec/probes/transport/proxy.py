"""A connection to a host through an HTTP proxy (CONNECT, RFC 9110, 9.3.6), over TLS if its URL says so."""

from __future__ import annotations

import base64
import contextlib
import selectors
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import unquote, urlsplit

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.transport.contexts import trust
from pytest_nodered_sec.probes.transport.deadlines import ended_by
from pytest_nodered_sec.probes.transport.net import Timed, TimedTLS, dial, resolve
from pytest_nodered_sec.probes.transport.response import Malformed, Stream, read_head

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_PORTS: Final = {"http": 3128, "https": 443}
_PIECE: Final = 64 * 1024
_STALL: Final = 60.0  # seconds in which a side must take what is carried to it


def dial_through(proxy: str, host: str, port: int, deadline: float, ca_file: str | None = None) -> Timed:
    """Connect to a host through a proxy.

    Args:
        proxy: http or https URL of the proxy, with userinfo where it wants a login; with https its certificate must
            verify before anything is said.
        host: name or address; the proxy resolves it.
        port: TCP port.
        deadline: absolute `time.monotonic()` seconds.
        ca_file: PEM file with additional trust anchors for the proxy's certificate.

    Raises:
        ProbeError: the proxy cannot be reached, or did not connect; which says nothing about the host.
    """
    parts = urlsplit(proxy)
    if parts.scheme not in _PORTS:
        raise ProbeError("the proxy's URL must begin with http:// or https://", Cause.UNAVAILABLE)
    proxy_port = parts.port or _PORTS[parts.scheme]
    shown = f"the proxy {parts.hostname}:{proxy_port}"
    try:
        sock = dial(resolve(parts.hostname or "", deadline)[0], proxy_port, deadline)
    except ProbeError as error:
        raise ProbeError(f"{shown}: {error.message}", Cause.UNAVAILABLE) from None
    if parts.scheme == "https":
        sock = _wrapped(sock, parts.hostname or "", shown, ca_file)
    named = f"[{host}]" if ":" in host else host
    what = f"{shown} answered CONNECT {named}:{port} with"
    try:
        sock.until(deadline)
        sock.sendall(f"CONNECT {named}:{port} HTTP/1.1\r\nHost: {named}:{port}\r\n{_login(parts)}\r\n".encode())
        stream = Stream(sock)
        head = read_head(stream)
    except OSError as error:
        sock.close()
        raise ProbeError(f"{shown} did not answer CONNECT {named}:{port} ({error})", Cause.UNAVAILABLE) from None
    except Malformed as error:
        sock.close()
        answer = "something other than HTTP" if error.began else "a closed connection"
        raise ProbeError(f"{what} {answer}", Cause.UNAVAILABLE) from None
    if not 200 <= head.status < 300 or stream.pending:
        sock.close()
        raise ProbeError(f"{what} {head.status}", Cause.UNAVAILABLE)
    return sock if parts.scheme == "http" else _relayed(sock, deadline)


def _login(parts: SplitResult) -> str:
    if not parts.username:
        return ""
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}\r\n"


def _wrapped(sock: Timed, hostname: str, shown: str, ca_file: str | None) -> Timed:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = TimedTLS
    trust(context, ca_file)
    try:
        with ended_by(sock, sock.deadline):
            return cast("TimedTLS", context.wrap_socket(sock, server_hostname=hostname))
    except ssl.SSLCertVerificationError as error:
        why = f"its certificate does not verify ({error.verify_message})"
    except (OSError, ValueError) as error:
        why = f"no TLS ({error})"
    sock.close()
    raise ProbeError(f"nothing is sent to {shown}: {why}", Cause.UNAVAILABLE)


def _relayed(sock: Timed, deadline: float) -> Timed:
    """Return one end of a local pair whose other end is the connection in TLS: OpenSSL wraps plain sockets only."""
    ours, theirs = socket.socketpair()
    near = Timed(fileno=ours.detach())
    near.until(deadline)
    threading.Thread(target=_relay, args=(sock, theirs), daemon=True, name="nodered-sec-proxy").start()
    return near


def _relay(wrapped: Timed, local: socket.socket) -> None:
    """Carry bytes both ways until one side ends."""
    with contextlib.suppress(OSError), wrapped, local, selectors.DefaultSelector() as ready:
        others: dict[socket.socket, socket.socket] = {wrapped: local, local: wrapped}
        for sock in others:
            ready.register(sock, selectors.EVENT_READ)
        carrying = True
        while carrying:
            sources = [cast("socket.socket", key.fileobj) for key, _ in ready.select()]
            carrying = all([_carried(source, others[source]) for source in sources])


def _carried(source: socket.socket, sink: socket.socket) -> bool:
    """Carry what has come; return whether more may come."""
    while True:
        source.settimeout(0)
        try:
            piece = source.recv(_PIECE)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        if not piece:
            return False
        sink.settimeout(_STALL)
        sink.sendall(piece)
