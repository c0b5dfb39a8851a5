"""A WebSocket's handshake and frames (RFC 6455), over the station's own connection: proxy and pace as everywhere.

An answer that is no handshake is judged like any other HTTP answer.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import math
import secrets
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec import threads
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.transport.broken import certificate_required, explained, told
from pytest_nodered_sec.probes.transport.deadlines import ended_where_tls
from pytest_nodered_sec.probes.transport.http import (
    BODY_LIMIT,
    CERTIFICATE_REQUIRED,
    USER_AGENT,
    CertificateWantedError,
    Exchange,
    request_bytes,
)
from pytest_nodered_sec.probes.transport.look import RETRIES, Look
from pytest_nodered_sec.probes.transport.response import SWITCHING, Malformed, Stream, Unreadable, read_body, read_head

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_nodered_sec.observations.answers import Answer
    from pytest_nodered_sec.observations.channels import Channel
    from pytest_nodered_sec.probes.http.side_ports import Entrance
    from pytest_nodered_sec.probes.transport.net import Timed
    from pytest_nodered_sec.probes.transport.station import Station

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
AT_ONCE: Final = 0.8  # seconds; engine.io closes an upgrade that nobody takes after 1.00 s, Node.js after 5.0 s
_HEARD_WITHIN: Final = 2  # seconds within which the far system says that it has no such connection
_DROPPED: Final = (
    "the front let go of the connection without a word (HAProxy: silent-drop), as limits do with what comes too often: "
    "let it refuse with a status (http-request deny), or let the machine that runs the tests pass"
)
_SENT_WITHIN: Final = 2.0  # seconds that the others wait for the first request at most
_AHEAD: Final = 0.05  # seconds by which it is ahead of them at least
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10  # opcodes, RFC 6455, 5.2


class Wire:
    """An open WebSocket: frames out and in."""

    def __init__(self, sock: Timed, stream: Stream) -> None:
        self._sock = sock
        self._stream = stream

    def send(self, opcode: int, payload: bytes) -> None:
        """Send one frame of less than 65536 bytes; a client's are masked."""
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2)
        mask = secrets.token_bytes(4)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        self._sock.sendall(bytes([0x80 | opcode]) + length + mask + masked)

    def hurry(self, seconds: float) -> None:
        """Set the time limit, counted from now."""
        self._sock.until(min(self._sock.deadline, time.monotonic() + seconds))

    def receive(self) -> tuple[int, bytes]:
        """Return the next frame's opcode and payload.

        Raises:
            ConnectionError: closed, or a frame of more than 65536 bytes, which is as good.
        """
        try:
            head = self._stream.exactly(2)
            size = head[1] & 0x7F
            if size > 125:
                size = int.from_bytes(self._stream.exactly(2 if size == 126 else 8))
            if head[0] & 0x0F == CLOSE or size > BODY_LIMIT:
                raise ConnectionResetError
            return head[0] & 0x0F, self._stream.exactly(size)
        except Malformed:  # cut off
            raise ConnectionResetError from None


class SilenceError(ProbeError):
    """Not a byte came in answer to a WebSocket handshake until the time limit."""

    def again(self) -> SilenceError:
        """Return a fresh exception of the same content."""
        return SilenceError(self.message, self.cause)


def first(look: Look, path: str, ask: Callable[[], tuple[Answer, Channel | None]]) -> tuple[Answer, Channel | None]:
    """Return what the first upgrade of a path came to, which may be the first request of all (`begin`).

    Args:
        look: the look.
        path: absolute path.
        ask: asks, if nobody has.

    Raises:
        ProbeError: as `ask`.
    """
    return look.shared(f"first upgrade of {path}", ask)


def begin(station: Station, path: str, talk: Callable[[Wire], Channel], meanwhile: Callable[[], object] = str) -> None:
    """Begin a run with this upgrade; return when it is on its way, and a little later.

    Args:
        station: the target's, which has been asked nothing.
        path: absolute path.
        talk: as for `upgrade`.
        meanwhile: begins to connect for what comes next, once this has been sent: a connection is made by three
            messages, and so no limit counts it before it gets this.
    """
    sent, begun = threading.Event(), time.monotonic()

    def ask() -> tuple[Answer, Channel | None]:
        answer, channel = upgrade(Look(station), path, {}, talk, sent=sent.set)
        station.drops = answer.at_once
        return answer, channel

    def settle() -> None:
        with contextlib.suppress(ProbeError):  # who needs it is told
            first(Look(station), path, ask)
        sent.set()

    asking = threads.start(settle)
    if station.pace.quiet:
        asking.join()
    sent.wait(_SENT_WITHIN)
    taken = time.monotonic() - begun
    asking.join(_AHEAD)
    meanwhile()
    asking.join(max(0.0, taken - _AHEAD))


def upgrade(
    look: Look,
    path: str,
    headers: Mapping[str, str],
    talk: Callable[[Wire], Channel],
    plain_address: str = "",
    entrance: Entrance | None = None,
    sent: Callable[[], object] | None = None,
    *,
    refused: bool = False,
) -> tuple[Answer, Channel | None]:
    """Shake hands, talk and close; return the answer to the handshake, status 0 for a close without any.

    Args:
        look: the look.
        path: absolute path, sent as written.
        headers: additional headers.
        talk: what is said on the open channel.
        plain_address: ask over plain HTTP at this address instead of the URL's origin.
        entrance: ask there instead.
        sent: called when it has been sent, where it is the first request of all, to which no limit objects yet.
        refused: whether it is refused as a rule: then a connection will do by which another one was (`by_refused`).

    Raises:
        SilenceError: nothing came in time.
        ProbeError: nothing came, and the front no longer has the connection, while it answered the run's first request
            or kept that; no answer in time, or none of a WebSocket.
    """
    station, plain = look.station, bool(plain_address)
    host = entrance.host if entrance else station.host_header(station.plain_port if plain else look.target.port)
    own = {} if plain or entrance else look.target.http.headers  # never in clear
    heard: list[Channel] = []
    usual = not (entrance or plain)
    client, pace = station.client(plain_address or None, verified=bool(own))
    pace = entrance.pace if entrance else pace
    fields = {"Host": host, **own, **headers}

    def by_kept(sock: Timed, deadline: float) -> tuple[Exchange, bool]:
        sock.until(deadline)
        with ended_where_tls(sock, deadline):
            return _converse(sock, Stream(sock), path, fields, lambda wire: None, str)  # what opens does not count here

    def send() -> Exchange:
        heard.clear()
        got = client.by_refused(look.deadline, by_kept) if refused and usual else None
        if got is not None:
            return got
        if entrance:
            sock = entrance.connect(look.deadline)
        elif plain:
            sock = station.dial(plain_address, station.plain_port, look.deadline)
        else:
            try:
                sock = look.open(verified=bool(own))
            except CertificateWantedError:
                return Exchange(CERTIFICATE_REQUIRED, {}, b"")
        sock.until(look.deadline)
        begun = time.monotonic()
        patience = max(1, int(look.deadline - begun) - _HEARD_WITHIN)
        sock.probe_after(patience)
        stream = Stream(sock)
        again = False
        try:
            with ended_where_tls(sock, look.deadline):
                got, again = _converse(sock, stream, path, fields, lambda wire: heard.append(talk(wire)), sent or str)
        except Unreadable:
            raise ProbeError(f"WebSocket {path}: the answer's encoding cannot be read", Cause.PROTOCOL) from None
        except (OSError, Malformed) as error:
            if certificate_required(error):
                return Exchange(CERTIFICATE_REQUIRED, {}, b"")
            if not (isinstance(error, TimeoutError) or stream.began or sock.has_peer()) and _since(begun) >= patience:
                if not (sent or station.drops):
                    raise ProbeError(f"WebSocket {path}: {_DROPPED}", Cause.UNAVAILABLE) from None
                station.drops = True
                raise SilenceError(f"WebSocket {path}: the connection was dropped", Cause.TIMEOUT) from None
            trouble = explained(f"WebSocket {path}", error, look.deadline, began=stream.began)
            if isinstance(error, ConnectionError) or trouble.cause is Cause.CLOSED:
                return Exchange(0, {}, b"", seconds=math.inf if stream.began else _since(begun))
            if trouble.cause is Cause.TIMEOUT and not stream.began:
                raise SilenceError(trouble.message, Cause.TIMEOUT) from None
            raise trouble from None
        finally:
            if not (again and usual):
                sock.close()
        if again and usual:
            client.keep_refused(sock, got, again=True)
        return got

    retries = 0 if sent else RETRIES
    got = look.politely("GET", path, pace, send, retries, usual=usual)
    station.noticed.note("WebSocket", path, got, secret=True)
    at_once = not got.status and got.seconds < AT_ONCE
    return replace(look.reduce(got, path, plain=plain), at_once=at_once), heard[0] if heard else None


def _since(begun: float) -> float:
    return time.monotonic() - begun


def _converse(
    sock: Timed,
    stream: Stream,
    path: str,
    headers: Mapping[str, str],
    talk: Callable[[Wire], None],
    sent: Callable[[], object],
) -> tuple[Exchange, bool]:
    """Shake hands and talk; return the answer, and whether the connection can be used again."""
    key = base64.b64encode(secrets.token_bytes(16))
    fields = {
        "User-Agent": USER_AGENT,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key.decode(),
        **headers,
    }
    sock.sendall(request_bytes("GET", path, fields))
    sent()
    head = read_head(stream)
    if head.status != SWITCHING:
        body, again = read_body(stream, head, "GET", BODY_LIMIT)
        return Exchange(head.status, told(head.headers), body, head.cookies), again
    expected = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()  # noqa: S324  the RFC's, no secret
    if head.headers.get("sec-websocket-accept") != expected:
        raise ProbeError(f"WebSocket {path}: 101, but not the handshake of a WebSocket", Cause.PROTOCOL)
    wire = Wire(sock, stream)
    talk(wire)
    with contextlib.suppress(OSError):  # it has closed already
        wire.send(CLOSE, (1000).to_bytes(2))
    return Exchange(SWITCHING, told(head.headers), b"", head.cookies), False
