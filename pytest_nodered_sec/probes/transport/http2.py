"""One HTTP/2 connection, which carries one request at a time: for gates that treat it otherwise than HTTP/1.1.

Framing and header compression are h2's; what is bounded here is how much a server may send.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from pytest_nodered_sec.probes.transport.broken import explained, told, unreadable
from pytest_nodered_sec.probes.transport.deadlines import ended_by
from pytest_nodered_sec.probes.transport.http import Exchange
from pytest_nodered_sec.probes.transport.response import HEAD_LIMIT, Malformed, Unreadable, decoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from h2.connection import H2Connection
    from h2.events import Event

    from pytest_nodered_sec.probes.transport.net import TimedTLS

_PIECE: Final = 64 * 1024
_HEAD: Final = 9  # bytes of a frame before its content (RFC 9113, 4.1)
_LONGEST: Final = 16 * 1024  # bytes of its content, because no more was offered
_BESIDE: Final = 256 * 1024  # bytes that may come besides a body: fields, settings, pings
_UNSENDABLE: Final = {"\0", "\r", "\n"}
_OF_CONNECTION: Final = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "host"}


class Http2:
    """A connection on which both sides have agreed on HTTP/2.

    Args:
        sock: the connection, after its handshake.
        host: what is asked for, with port where it is not the scheme's default.
    """

    def __init__(self, sock: TimedTLS, host: str) -> None:
        from h2.config import H2Configuration  # 80 ms, which only a server that speaks it costs
        from h2.connection import H2Connection
        from h2.settings import SettingCodes, Settings

        self.sock = sock
        self.usable = True  # whether another request may follow
        self._host = host
        self._unread = bytearray()
        # nginx sends an Upgrade or Keep-Alive of what is behind it (against RFC 9113, 8.2.2): still an answer.
        lenient = H2Configuration(client_side=True, header_encoding=None, validate_inbound_headers=False)
        self._connection: H2Connection = H2Connection(lenient)
        told = {SettingCodes.ENABLE_PUSH: 0, SettingCodes.MAX_HEADER_LIST_SIZE: HEAD_LIMIT}
        self._connection.local_settings = Settings(client=True, initial_values=told)
        self._connection.initiate_connection()

    def ask(
        self, method: str, path: str, deadline: float, headers: Mapping[str, str], body: bytes, limit: int
    ) -> Exchange:
        """Send one request and return its answer.

        Args:
            method: HTTP method.
            path: absolute path with query; what no request line can hold is percent-encoded.
            deadline: absolute `time.monotonic()` seconds.
            headers: all of them; those that HTTP/2 has no place for are left out.
            body: request body.
            limit: bytes of the answer's body that are read.

        Raises:
            ProbeError: no answer.
        """
        from h2.exceptions import H2Error

        what = f"{method} {path}"
        begun = time.monotonic()
        answer = _Answer(limit)
        self.usable = False
        self.sock.until(deadline)
        try:
            with ended_by(self.sock, deadline):
                stream = self._send(method, path, headers, body)
                while not answer.whole:
                    self._receive(stream, answer)
            content = decoded(iter(answer.pieces), answer.told.get("content-encoding", "").lower().strip(), limit)
        except Unreadable as error:
            raise unreadable(what, error) from None
        except (OSError, Malformed) as error:
            raise explained(what, error, deadline, began=answer.began) from None
        except (H2Error, ValueError) as error:  # ValueError: of hpack, where fields are no text
            wrong = Malformed(f"HTTP/2: {type(error).__name__}")
            raise explained(what, wrong, deadline, began=True) from None
        self.usable = answer.ended and not answer.last
        taken = time.monotonic() - begun
        return Exchange(answer.status, told(answer.told), content, tuple(answer.cookies), taken, self.sock.number)

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> int:
        stream = self._connection.get_next_available_stream_id()
        sent = "".join(letter if "!" <= letter <= "~" else quote(letter, safe="") for letter in path)
        fields = [(":method", method), (":scheme", "https"), (":authority", self._host), (":path", sent)]
        fields += [
            (name.lower(), value.strip()) for name, value in headers.items() if name.lower() not in _OF_CONNECTION
        ]
        self._connection.send_headers(stream, fields, end_stream=not body)
        if body:
            self._connection.send_data(stream, body, end_stream=True)
        self.sock.sendall(self._connection.data_to_send())
        return stream

    def _receive(self, stream: int, answer: _Answer) -> None:
        piece = bytearray(_PIECE)
        size = self.sock.recv_into(piece)
        if not size:
            raise Malformed("it is cut off", began=answer.began)
        answer.count(size)
        self._unread += memoryview(piece)[:size]
        while frame := self._frame():  # one after the other: few bytes may stand for many fields, which take h2 long
            for event in self._connection.receive_data(frame):
                taken = answer.take(event, stream)
                if taken:
                    self._connection.acknowledge_received_data(taken, stream)
            if answer.last:  # h2 takes nothing more then, and the answer may be yet to come
                self._go_on()
        if reply := self._connection.data_to_send():
            self.sock.sendall(reply)

    def _frame(self) -> bytes:
        """Take a whole frame from what was received; nothing where none is there.

        Raises:
            Malformed: it is none.
        """
        length = int.from_bytes(self._unread[:3], "big") if len(self._unread) >= _HEAD else 0
        if length > _LONGEST:
            raise Malformed("HTTP/2: it is no frame")
        if len(self._unread) < _HEAD + length:
            return b""
        frame = bytes(self._unread[: _HEAD + length])
        del self._unread[: _HEAD + length]
        return frame

    def _go_on(self) -> None:
        from h2.connection import ConnectionState

        self._connection.state_machine.state = ConnectionState.CLIENT_OPEN


class _Answer:
    """What came of one answer so far.

    Attributes:
        whole: whether no more of it is read.
        ended: whether the server has ended it.
        began: whether any part of it had come.
        last: whether the server has said that it is the last one on this connection.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = limit + _BESIDE
        self._body = 0
        self.status = 0
        self.told: dict[str, str] = {}
        self.cookies: list[str] = []
        self.pieces: list[bytes] = []
        self.whole = self.ended = self.began = self.last = False

    def count(self, size: int) -> None:
        """Note what was received, and what it stands for besides the answer's own fields.

        Raises:
            Malformed: it is more than an answer takes.
        """
        self._left -= size
        if self._left < 0:
            self.began = True
            raise Malformed("HTTP/2: it sends too much besides an answer")

    def take(self, event: Event, stream: int) -> int:
        """Take what an event says of this stream; return how many bytes of a body it counts for.

        Raises:
            Malformed: the stream or the connection was ended without an answer.
        """
        from h2 import events

        if isinstance(event, events.ConnectionTerminated):
            self.last = self.whole or (not event.error_code and (event.last_stream_id or 0) >= stream)
            if self.last:
                return 0
            raise Malformed("HTTP/2: the connection was ended", began=self.began)
        if getattr(event, "stream_id", None) != stream:
            return 0
        if isinstance(event, events.StreamReset):
            raise Malformed("HTTP/2: the request was turned down", began=self.began)
        if isinstance(event, events.InformationalResponseReceived):  # of which there may be any number
            self.count(sum(len(name) + len(value) for name, value in event.headers or ()))
        if isinstance(event, events.ResponseReceived):
            self._head(event.headers or ())
        if isinstance(event, events.DataReceived):
            data = bytes(event.data or b"")
            self.pieces.append(data[: self._limit - self._body])
            self._body += len(data)
            self.whole = self.whole or self._body >= self._limit
            return event.flow_controlled_length or 0
        if isinstance(event, events.StreamEnded):
            self.whole = self.ended = True
        return 0

    def _head(self, fields: Iterable[tuple[bytes | str, bytes | str]]) -> None:
        self.began = True
        for raw_name, raw_value in fields:
            name, value = (
                part.decode("latin-1") if isinstance(part, bytes) else part for part in (raw_name, raw_value)
            )
            if _UNSENDABLE & {*name, *value}:
                raise Malformed("HTTP/2: a field has a line break", began=True)
            name, value = name.lower(), value.strip()
            if name == ":status":
                self.status = int(value) if value.isascii() and value.isdigit() and len(value) == 3 else 0
            elif not name.startswith(":"):
                self.told[name] = f"{self.told[name]}, {value}" if name in self.told else value
                self.cookies += [value] if name == "set-cookie" else []
        if self.status < 200:
            raise Malformed("HTTP/2: it has no status", began=True)
