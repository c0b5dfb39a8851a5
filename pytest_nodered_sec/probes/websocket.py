"""A WebSocket client (RFC 6455) that shakes hands, says one thing, hears the answer and closes; and who asks with it.

Over the station's own connection, so that proxy, client certificate and pace are the same as everywhere. An answer
that is no handshake is judged like any other HTTP answer.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.model_access import Channel, ChannelAttempt
from pytest_nodered_sec.model_answers import Answer, Classified, Kind
from pytest_nodered_sec.probes.access import describe
from pytest_nodered_sec.probes.http import BODY_LIMIT, CERTIFICATE_REQUIRED, USER_AGENT, Exchange, certificate_required
from pytest_nodered_sec.probes.landmarks import random_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_nodered_sec.model_answers import RootView
    from pytest_nodered_sec.probes.look import Look
    from pytest_nodered_sec.probes.net import Timed

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
QUIET: Final = 1.0  # seconds in which a connect packet is answered that is answered at all
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10  # opcodes, RFC 6455, 5.2


class Wire:
    """An open WebSocket: frames out and in."""

    def __init__(self, sock: Timed, lines: BinaryIO) -> None:
        self._sock = sock
        self._lines = lines

    def send(self, opcode: int, payload: bytes) -> None:
        """Send one frame of less than 126 bytes; a client's are masked."""
        mask = secrets.token_bytes(4)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        self._sock.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + masked)

    def hurry(self, seconds: float) -> None:
        """Wait so long from now on, and no longer."""
        self._sock.until(min(self._sock.deadline, time.monotonic() + seconds))

    def receive(self) -> tuple[int, bytes]:
        """Return the next frame's opcode and payload.

        Raises:
            ConnectionError: closed, or a frame of more than 65536 bytes, which is as good.
        """
        head = self._lines.read(2)
        size = head[1] & 0x7F if len(head) == 2 else 0
        if size > 125:
            size = int.from_bytes(self._lines.read(2 if size == 126 else 8))
        if len(head) < 2 or head[0] & 0x0F == _CLOSE or size > BODY_LIMIT:
            raise ConnectionResetError
        return head[0] & 0x0F, self._lines.read(size)


def subscribe(wire: Wire) -> Channel:
    """Ask /comms for everything, then ping: the pong comes after a refusal, so that one without it is an acceptance.

    An open instance with nothing to tell would otherwise be silent (@node-red/editor-api/lib/editor/comms.js).
    """
    wire.send(_TEXT, b'{"subscribe":"#"}')
    wire.send(_PING, b"")
    while True:
        opcode, payload = wire.receive()
        if opcode == _PONG:
            return Channel.OPEN
        if opcode == _TEXT and _is_refusal(payload):
            return Channel.REFUSED_INSIDE


def _is_refusal(payload: bytes) -> bool:
    with contextlib.suppress(ValueError):
        return bool(json.loads(payload) == {"auth": "fail"})
    return False


def join(wire: Wire) -> Channel:
    """Join the main namespace of Socket.IO 3 or 4, and a namespace that nobody has; leave at once.

    The answer for the second comes after a guard that says nothing, so that silence before it is a refusal.
    """
    wire.send(_TEXT, b"40")
    wire.send(_TEXT, b"40/x" + secrets.token_hex(8).encode() + b",")
    passed = False
    while True:
        try:
            opcode, payload = wire.receive()
        except TimeoutError:
            if passed:
                return Channel.UNANSWERED
            raise
        if opcode == _TEXT and payload.startswith(b"40{"):
            wire.send(_TEXT, b"41")
            return Channel.OPEN
        if opcode == _TEXT and payload.startswith(b"44{"):
            return Channel.REFUSED_BY_MIDDLEWARE
        if opcode == _TEXT and payload.startswith(b"44/"):
            passed = True
            wire.hurry(QUIET)  # for a guard that decides later


def accept(wire: Wire) -> Channel:
    """A WebSocket node has accepted who got this far; nothing is said to it."""
    del wire
    return Channel.OPEN


_TALKS: Final[dict[str, Callable[[Wire], Channel]]] = {"subscribe": subscribe, "accept": accept}


def attempt_channel(
    look: Look, admin: RootView, node: RootView, surface: str, path: str, talk: str, origin: str = ""
) -> ChannelAttempt:
    """Try to open a WebSocket without credentials.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        node: landmarks of the node root.
        surface: name of a `Surface`; decides the root.
        path: path below that root.
        talk: "accept", or "subscribe" for /comms.
        origin: value of the Origin header, "" for none.

    Raises:
        ProbeError: no answer.
    """
    which = Surface[surface]
    view, root = (admin, look.target.admin) if which is Surface.ADMIN else (node, look.target.node)
    headers = {"Origin": origin} if origin else {}
    how = f"with the Origin {origin}" if origin else "without credentials"
    answer, channel = upgrade(look, root(path), headers, _TALKS[talk])
    attempt = describe(look, which, "GET", path, how, answer, view)
    if channel is not None:
        return ChannelAttempt(attempt, channel)
    if not answer.status or answer.status >= 500:
        look.extend()
        nowhere, _ = upgrade(look, root(random_path()), headers, accept)
        if nowhere.status != answer.status:
            if answer.status:
                return ChannelAttempt(attempt, Channel.NO_CHANNEL)  # settled as no answer
            raise ProbeError(f"WebSocket {path} {how}: the connection was closed without an answer", Cause.CLOSED)
        # Node-RED closes an upgrade that nobody takes without a word, and a proxy makes a 502 of it: after 1.00 s where
        # a dashboard's Socket.IO hears it too (engine.io, destroyUpgradeTimeout), after 5.0 s without (measured).
        attempt = replace(attempt, classified=Classified(Kind.ABSENT), like_canary=view.canary.kind is Kind.ABSENT)
    return ChannelAttempt(attempt, Channel.NO_CHANNEL)


def upgrade(
    look: Look, path: str, headers: Mapping[str, str], talk: Callable[[Wire], Channel], plain_address: str = ""
) -> tuple[Answer, Channel | None]:
    """Shake hands, talk and close; return the answer to the handshake, status 0 for a close without any.

    Args:
        look: the look.
        path: absolute path, sent as written.
        headers: additional headers.
        talk: what is said on the open channel.
        plain_address: ask over plain HTTP at this address instead of the URL's origin.

    Raises:
        ProbeError: no answer in time, or none of a WebSocket.
    """
    station, plain = look.station, bool(plain_address)
    host = station.host_header(station.plain_port if plain else look.target.port)
    own = {} if plain else look.target.http.headers  # never in clear
    heard: list[Channel] = []

    def send() -> Exchange:
        heard.clear()
        if plain:
            sock = station.dial(plain_address, station.plain_port, look.deadline)
        else:
            sock = look.open(verified=bool(own))
        sock.until(look.deadline)
        try:
            return _converse(sock, path, {"Host": host, **own, **headers}, lambda wire: heard.append(talk(wire)))
        except (OSError, ValueError, http.client.HTTPException) as error:
            if certificate_required(error):
                return Exchange(CERTIFICATE_REQUIRED, {}, b"")
            if time.monotonic() >= look.deadline - 0.005 or isinstance(error, TimeoutError):
                raise ProbeError(f"WebSocket {path}: no answer within the time limit", Cause.TIMEOUT) from None
            if isinstance(error, ConnectionError):
                return Exchange(0, {}, b"")
            raise ProbeError(f"WebSocket {path}: the answer is cut off or not HTTP", Cause.PROTOCOL) from None
        finally:
            sock.close()

    pace = station.client(plain_address or None, verified=bool(own))[1]
    got = look.politely("GET", pace, send)
    station.notice("WebSocket", path, got)
    return look.reduce(got, path, plain=plain), heard[0] if heard else None


def _converse(sock: Timed, path: str, headers: Mapping[str, str], talk: Callable[[Wire], None]) -> Exchange:
    key = base64.b64encode(secrets.token_bytes(16))
    fields = {
        "User-Agent": USER_AGENT,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key.decode(),
        **headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    sock.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
    with http.client.HTTPResponse(sock, method="GET") as response:
        response.begin()
        got = {name.lower(): value for name, value in response.headers.items()}
        cookies = tuple(response.headers.get_all("set-cookie", []))
        if response.status != 101:
            return Exchange(response.status, got, response.read(BODY_LIMIT), cookies)
        expected = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()  # noqa: S324  the RFC's, no secret
        if got.get("sec-websocket-accept") != expected:
            raise ProbeError(f"WebSocket {path}: 101, but not the handshake of a WebSocket", Cause.PROTOCOL)
        wire = Wire(sock, response.fp)
        talk(wire)
        with contextlib.suppress(OSError):  # it has closed already
            wire.send(_CLOSE, (1000).to_bytes(2))
    return Exchange(101, got, b"", cookies)
