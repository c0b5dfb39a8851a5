"""The only HTTP client: one request, one answer, one deadline for all of it, nothing borrowed from the environment.

Connections are kept alive and shared between threads. The certificate is not verified here (tls-01 and tls-02
judge it; otherwise one expired certificate would hide everything else), but it may not change during the run.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote

from pytest_nodered_sec._version import __version__
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.transport.broken import certificate_required, explained, told, unreadable
from pytest_nodered_sec.probes.transport.deadlines import ended_where_tls
from pytest_nodered_sec.probes.transport.form import USUAL
from pytest_nodered_sec.probes.transport.net import TimedTLS, is_silent
from pytest_nodered_sec.probes.transport.response import Malformed, Stream, Unreadable, read_body, read_head
from pytest_nodered_sec.texts import readable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_nodered_sec.probes.transport.form import Form
    from pytest_nodered_sec.probes.transport.net import Timed

USER_AGENT: Final = f"pytest-nodered-sec/{__version__}"
CERTIFICATE_REQUIRED: Final = 496  # what nginx calls it where no client certificate came; never sent as a status


class CertificateWantedError(ProbeError):
    """The server ended the TLS handshake because it wants a client certificate."""


_UPGRADE_LIMIT: Final = 1.0  # seconds
BODY_LIMIT: Final = 64 * 1024  # bytes; more is never needed to tell an answer


@dataclass(frozen=True)
class Exchange:
    """One request's answer, as it came; stays inside the probes because bodies may hold secrets.

    Attributes:
        status: HTTP status.
        headers: names in lower case; repeated headers joined by ", ".
        body: at most 65536 bytes, where no more were asked for.
        cookies: each Set-Cookie header.
        seconds: from when there was a connection to the end of the answer.
        connection: number of that among those to the target, 0 where it is not known.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    cookies: tuple[str, ...] = ()
    seconds: float = 0.0
    connection: int = 0

    def __repr__(self) -> str:
        return f"Exchange({self.status}, {len(self.body)} bytes)"


def request_bytes(
    method: str, path: str, headers: Mapping[str, str], body: bytes = b"", version: str = "HTTP/1.1"
) -> bytes:
    """Return a request as it is sent: the path as written, but for what no request line can hold.

    Args:
        method: HTTP method.
        path: absolute path with query; what is not ASCII, or does not print, is sent percent-encoded as UTF-8.
        headers: all of them.
        body: what follows the headers.
        version: of HTTP, as the request line has it.

    Raises:
        ProbeError: a header cannot be sent.
    """
    sent = "".join(letter if "!" <= letter <= "~" else quote(letter, safe="") for letter in path)
    lines = [f"{method} {sent} {version}", *(f"{name}: {value}" for name, value in headers.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise ProbeError(f"{method} {readable(path)}: a header with a line break cannot be sent", Cause.UNAVAILABLE)
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


class Conversation(Protocol):
    """A connection that speaks HTTP/2.

    Attributes:
        sock: the connection.
        usable: whether another request may follow.
    """

    sock: TimedTLS
    usable: bool

    def ask(
        self, method: str, path: str, deadline: float, headers: Mapping[str, str], body: bytes, limit: int
    ) -> Exchange:
        """Send one request and return its answer; see `Client.ask`."""


class Client:
    """HTTP to one address and port under one name.

    Args:
        host: value of the Host header, with port where it is not the scheme's default.
        open_socket: connects by the deadline given (absolute monotonic seconds), TLS included; with `newer=True`, where
            it is asked whether HTTP/2 is spoken, offering that.
    """

    def __init__(self, host: str, open_socket: Callable[..., Timed]) -> None:
        self._host = host
        self._open_socket = open_socket
        self._lock = threading.Condition()
        self._coming = self._awaited = 0  # connections that are made in advance, and who waits for one
        self._kept: list[Timed] = []  # connections that nobody uses at the moment
        self._refused: list[Timed] = []  # the same, by which an upgrade was refused: for another upgrade alone
        self._newer: list[Conversation] = []  # the same, of HTTP/2
        self._begin: Callable[[TimedTLS, str], Conversation] | None = None
        self._closed = False

    def prepare(self, deadline: float) -> None:
        """Open one more connection in advance.

        Raises:
            ProbeError: it cannot be made.
        """
        with self._lock:
            self._coming += 1
        try:
            self._keep(self._open_socket(deadline))
        finally:
            with self._lock:
                self._coming -= 1
                self._lock.notify_all()

    def _take_free(self, deadline: float) -> Timed | None:
        """Return a connection that is kept, or made in advance and not awaited by others; None for none."""
        kept = self._take_kept(deadline, self._kept)
        with self._lock:
            if kept is not None or self._coming <= self._awaited:
                return kept
            self._awaited += 1
            left = max(0.0, deadline - time.monotonic())
            self._lock.wait_for(lambda: self._kept or not self._coming, left / 2)  # the rest is for connecting
            self._awaited -= 1
        return self._take_kept(deadline, self._kept)

    def speaks_http2(self, deadline: float, begin: Callable[[TimedTLS, str], Conversation]) -> bool:
        """Whether the server agrees on HTTP/2; the connection is kept for the next question in either case.

        Args:
            deadline: absolute `time.monotonic()` seconds.
            begin: begins to speak it on a connection, with a host.

        Raises:
            ProbeError: no connection can be made.
        """
        try:
            sock = self._open_socket(deadline, newer=True)
        except CertificateWantedError:
            return False
        if not isinstance(sock, TimedTLS) or sock.selected_alpn_protocol() != "h2":
            self._keep(sock)
            return False
        self._begin = begin
        self._keep_newer(begin(sock, self._host))
        return True

    def _keep_newer(self, conversation: Conversation) -> None:
        with self._lock:
            if conversation.usable and not self._closed:
                conversation.sock.rest()
                self._newer.append(conversation)
                return
        conversation.sock.close()

    def _ask_newer(
        self, method: str, path: str, deadline: float, fields: Mapping[str, str], body: bytes, limit: int, *, once: bool
    ) -> Exchange:
        with self._lock:
            kept = self._newer.pop() if self._newer else None
        if kept is not None and kept.sock.take_up():
            try:
                return kept.ask(method, path, deadline, fields, body, limit)
            except ProbeError as error:
                if error.cause is not Cause.CLOSED or once:
                    raise
            finally:
                self._keep_newer(kept)
        sock = self._open_socket(deadline, newer=True)
        if not isinstance(sock, TimedTLS) or sock.selected_alpn_protocol() != "h2":
            sock.close()
            raise ProbeError(f"{method} {path}: HTTP/2 is not spoken now", Cause.PROTOCOL)
        assert self._begin is not None, "who asks in HTTP/2 has asked whether it is spoken"  # noqa: S101  as said
        fresh = self._begin(sock, self._host)
        try:
            return fresh.ask(method, path, deadline, fields, body, limit)
        finally:
            self._keep_newer(fresh)

    def _keep(self, sock: Timed, kept: list[Timed] | None = None) -> None:
        with self._lock:
            if not self._closed:
                sock.rest()
                (self._kept if kept is None else kept).append(sock)
                return
        sock.close()

    def by_refused(self, deadline: float, ask: Callable[[Timed, float], tuple[Exchange, bool]]) -> Exchange | None:
        """Ask for an upgrade by a connection by which one was refused; None unless it is refused again.

        Who took it for a WebSocket's may judge nothing more that comes by it, so no other answer counts: it is to be
        asked for on a new connection.

        Args:
            deadline: absolute `time.monotonic()` seconds; half of what is left is given to this.
            ask: asks by a deadline, and returns the answer, and whether the connection can be used again.
        """
        sock = self._take_kept(deadline, self._refused)
        if sock is None:
            return None
        with contextlib.suppress(ProbeError, OSError, Malformed, Unreadable):
            got, again = ask(sock, (time.monotonic() + deadline) / 2)
            if _refuses(got):
                self.keep_refused(sock, got, again=again)
                return got
        sock.close()
        return None

    def keep_refused(self, sock: Timed, got: Exchange, *, again: bool) -> None:
        """Keep a connection for `by_refused` where it can be used again, and this answer refused an upgrade."""
        if again and _refuses(got):
            self._keep(sock, self._refused)
        else:
            sock.close()

    def _take_kept(self, deadline: float, kept: list[Timed]) -> Timed | None:
        """Return the most recently used kept connection that is still open, and on which nothing was said meanwhile."""
        while True:
            with self._lock:
                if not kept:
                    return None
                sock = kept.pop()
            if not sock.take_up():
                continue
            if is_silent(sock, deadline):
                return sock
            sock.close()

    def ask(
        self,
        method: str,
        path: str,
        deadline: float,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limit: int = BODY_LIMIT,
        *,
        once: bool = False,
        form: Form = USUAL,
    ) -> Exchange:
        """Send one request and return its answer, without following redirects.

        It is sent again, over a new connection, only where a kept one had been closed: no byte of an answer came.

        Args:
            method: HTTP method.
            path: absolute path with query, sent as it stands.
            deadline: absolute `time.monotonic()` seconds, for connecting, sending and reading together.
            headers: sent besides Host, User-Agent and Accept.
            body: request body.
            limit: bytes of the answer's body that are read.
            once: whether it must not be sent again, though the connection was kept and may have been closed meanwhile.
            form: how it is written beyond that.

        Returns:
            The answer; CERTIFICATE_REQUIRED where a TLS alert came instead, which says that (RFC 8446, 6.2), or which
            ended the handshake after a client certificate was asked for (before TLS 1.3).

        Raises:
            ProbeError: no answer (unreachable, time-out, closed, not HTTP).
        """
        what = f"{method} {path}"
        own = {"Host": self._host, "User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
        body = form.body if body is None else body
        if body is not None and form.chunked:
            own["Transfer-Encoding"] = "chunked"
        elif body is not None or method not in ("GET", "HEAD"):
            own["Content-Length"] = str(len(body or b""))
        wanted = {name.lower() for name in headers or {}} | form.without
        fields = {name: value for name, value in own.items() if name.lower() not in wanted} | dict(headers or {})
        if form.version == "HTTP/2":
            return self._ask_newer(method, path, deadline, fields, body or b"", limit, once=once)
        request = request_bytes(method, path, fields, form.framed(body or b""), form.version)
        if time.monotonic() >= deadline:
            raise ProbeError(f"{what}: no complete answer within the time limit", Cause.TIMEOUT)
        # Who took the connection for a WebSocket's does not judge any more what comes by it.
        upgrades = "upgrade" in wanted
        keep = not upgrades and not form.behind
        if upgrades and not form.behind:
            refused = self.by_refused(deadline, lambda sock, soon: self._converse(sock, request, what, soon, limit))
            if refused is not None:
                return refused
        kept = self._behind(form, deadline) if form.behind else self._take_free(deadline)
        if kept is not None:
            try:
                return self._asked(kept, request, what, deadline, limit, keep=keep)
            except ProbeError as error:
                if error.cause is not Cause.CLOSED or once:
                    raise
        try:
            sock = self._open_socket(deadline)
        except CertificateWantedError:
            return Exchange(CERTIFICATE_REQUIRED, {}, b"")
        return self._asked(sock, request, what, deadline, limit, keep=keep)

    def _behind(self, form: Form, deadline: float) -> Timed | None:
        """Return a connection by which a path was asked for with `Upgrade`; None where none is left, or no answer came.

        It waits a second: an upgrade that nobody serves is often never answered.
        """
        fields = {"Host": self._host, "User-Agent": USER_AGENT, "Upgrade": "websocket"}
        with contextlib.suppress(ProbeError):
            sock = self._open_socket(deadline)
            soon = min(deadline, time.monotonic() + _UPGRADE_LIMIT)
            path = form.behind
            if self._converse(sock, request_bytes("GET", path, fields), f"GET {path}", soon, BODY_LIMIT)[1]:
                time.sleep(form.apart)
                return sock
            sock.close()
        return None

    def _asked(self, sock: Timed, request: bytes, what: str, deadline: float, limit: int, *, keep: bool) -> Exchange:
        got, again = self._converse(sock, request, what, deadline, limit)
        if again and keep:
            self._keep(sock)
        else:
            self.keep_refused(sock, got, again=again and not keep)
        return got

    def _converse(self, sock: Timed, request: bytes, what: str, deadline: float, limit: int) -> tuple[Exchange, bool]:
        """Return what is answered, and whether the connection can be used again; closed where no answer came."""
        sock.until(deadline)
        begun = time.monotonic()
        stream = Stream(sock)
        answered = False
        try:
            with ended_where_tls(sock, deadline):
                sock.sendall(request)
                head = read_head(stream)
                body, again = read_body(stream, head, what.partition(" ")[0], limit)
                answered = True
        except Unreadable as error:
            raise unreadable(what, error) from None
        except (OSError, Malformed) as error:
            if certificate_required(error):
                return Exchange(CERTIFICATE_REQUIRED, {}, b""), False
            raise explained(what, error, deadline, began=stream.began) from None
        finally:
            if not answered:
                sock.close()
        taken = time.monotonic() - begun
        return Exchange(head.status, told(head.headers), body, head.cookies, taken, sock.number), again

    def rest(self) -> None:
        """Close the connections that are kept; who asks again makes new ones."""
        with self._lock:
            kept = [*self._kept, *self._refused, *(conversation.sock for conversation in self._newer)]
            for pool in (self._kept, self._refused, self._newer):
                pool.clear()
        for sock in kept:
            sock.close()

    def close(self) -> None:
        """Close every kept connection, and keep none from now on."""
        with self._lock:
            self._closed = True
        self.rest()


def _refuses(got: Exchange) -> bool:
    """Whether an answer refuses, and not because of its time or of how much was asked."""
    return 400 <= got.status < 500 and got.status not in (408, 425, 429, CERTIFICATE_REQUIRED)
