"""Building a ClientHello and parsing the answer, without any cryptography.

Nothing here opens a connection. Structures: RFC 8446, 4 and 5; RFC 5246, 6 and 7; RFC 6101 for SSLv3. A reader takes
whatever a stranger sends: it raises `Malformed` and nothing else, and looks at `LIMIT` bytes at most.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.suites import suite_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LIMIT: Final = 65536  # bytes of an answer; a ServerHello is small, the chain of certificates behind it seldom 10 KiB
_ALERT, _HANDSHAKE = 21, 22
_HELLO_REQUEST, _SERVER_HELLO, _SERVER_KEY_EXCHANGE, _SERVER_HELLO_DONE = 0, 2, 12, 14
_LONGEST_HELLO: Final = 16384  # bytes of a ServerHello; real ones have some hundred
CURVE: Final = ("ECDHE_", "ECDH_anon")  # key exchanges with a curve that the server shows
_FIELD: Final = ("DHE_", "DH_anon", "PSK_DHE")
_RENEGOTIATION_INFO: Final = 0xFF01  # the extension (RFC 5746, 3.2)
_RENEGOTIATION: Final = [0x00FF]  # TLS_EMPTY_RENEGOTIATION_INFO_SCSV (RFC 5746, 3.3)
_RECORD: Final = 16384 + 2048  # the longest record (RFC 5246, 6.2.3)
_RETRY: Final = hashlib.sha256(b"HelloRetryRequest").digest()  # the random of one (RFC 8446, 4.1.3)
_SIGNATURES: Final = bytes.fromhex(  # everything that ever was one, so that none is why a server turns us away
    "0403 0503 0603 0807 0808 0804 0805 0806 0809 080a 080b 0401 0501 0601 0402 0303 0301 0302 0203 0201 0202 0101"
    "081a 081b 081c 0904 0905 0906 0708"
)


class Version(enum.IntEnum):
    """A version of the protocol, by its number on the wire."""

    SSLV3 = 0x0300
    TLSV1_0 = 0x0301
    TLSV1_1 = 0x0302
    TLSV1_2 = 0x0303
    TLSV1_3 = 0x0304

    @property
    def label(self) -> str:
        """Return what people call it: "TLSv1.2"."""
        return "SSLv3" if self is Version.SSLV3 else f"TLSv1.{self - 0x0301}"


class Malformed(Exception):
    """What came is not TLS, or no TLS that may come here; the message says what it is instead."""


@dataclass(frozen=True)
class ServerHello:
    """The parameters that a server chose.

    Attributes:
        version: of the protocol, as a number on the wire.
        suite: code point.
        group: code point of the group, where a HelloRetryRequest or a key share names one.
        secure_renegotiation: whether it says that it renegotiates as RFC 5746 has it.
    """

    version: int
    suite: int
    group: int | None = None
    secure_renegotiation: bool = False


@dataclass(frozen=True)
class KeyExchange:
    """The group of a ServerKeyExchange.

    Attributes:
        group: code point of the curve, 0 for one that has none; None where it is a finite field.
        bits: size of the prime, None where it is a curve.
    """

    group: int | None = None
    bits: int | None = None


@dataclass(frozen=True)
class Said:
    """What the server has sent so far.

    Attributes:
        hello: the ServerHello or HelloRetryRequest.
        exchange: the ServerKeyExchange, where the suite has one that tells a group.
        alert: description of the alert that ended it (RFC 8446, 6).
        complete: whether nothing more need be read.
    """

    hello: ServerHello | None = None
    exchange: KeyExchange | None = None
    alert: int | None = None
    complete: bool = False


# --- writing -----------------------------------------------------------------------------------------------------


def client_hello(
    version: Version, suites: Sequence[int], groups: Sequence[int], server_name: bytes, random: bytes
) -> bytes:
    """Return a record with a ClientHello that offers one version, with nothing else to fall back on.

    TLS 1.3 is offered without a key share: the server answers with a HelloRetryRequest, which names suite and group.

    Args:
        version: offered; a server may answer with an older one where it is not TLS 1.3.
        suites: code points.
        groups: code points, none for no such extension.
        server_name: for SNI, b"" for none.
        random: 32 bytes.
    """
    extensions = b"" if version == Version.SSLV3 else _extensions(version, groups, server_name)
    body = min(version, Version.TLSV1_2).to_bytes(2) + random
    body += _vector(1, random if version == Version.TLSV1_3 else b"")  # for middleboxes (RFC 8446, D.4)
    signals = _RENEGOTIATION if version == Version.SSLV3 else []  # elsewhere there is an extension that says so
    body += _vector(2, _numbers([*suites, *signals])) + _vector(1, b"\x00")
    body += _vector(2, extensions) if extensions else b""
    message = b"\x01" + _vector(3, body)
    record_version = min(version, Version.TLSV1_0)  # what old servers know (RFC 5246, E.1)
    return bytes((_HANDSHAKE,)) + record_version.to_bytes(2) + _vector(2, message)


def _extensions(version: Version, groups: Sequence[int], server_name: bytes) -> bytes:
    extensions = [_extension(0, _vector(2, b"\x00" + _vector(2, server_name)))] if server_name else []
    extensions += [
        _extension(23, b""),
        _extension(_RENEGOTIATION_INFO, b"\x00"),
    ]  # what a server may insist on (RFC 7627, RFC 5746)
    if groups:
        extensions += [_extension(10, _vector(2, _numbers(groups))), _extension(11, _vector(1, b"\x00\x01\x02"))]
    if version >= Version.TLSV1_2:
        extensions += [_extension(13, _vector(2, _SIGNATURES))]
    if version == Version.TLSV1_3:
        extensions += [_extension(43, _vector(1, _numbers([version]))), _extension(51, _vector(2, b""))]
    return b"".join(extensions)


def _extension(number: int, content: bytes) -> bytes:
    return number.to_bytes(2) + _vector(2, content)


def _vector(width: int, content: bytes) -> bytes:
    return len(content).to_bytes(width) + content


def _numbers(values: Sequence[int]) -> bytes:
    return b"".join(value.to_bytes(2) for value in values)


# --- reading -----------------------------------------------------------------------------------------------------


def read(data: bytes) -> Said:
    """Return what a server has said in these bytes, the first that it sent.

    Raises:
        Malformed: they are no TLS, or not what may answer a ClientHello.
    """
    messages, alert, trouble = _records(data[:LIMIT])
    hello: ServerHello | None = None
    exchange = ""
    for number, body, length in _messages(messages):
        if hello is None:
            if number not in (_HELLO_REQUEST, _SERVER_HELLO) or length > _LONGEST_HELLO:
                raise Malformed(f"a handshake message of type {number}, {length} bytes, where a ServerHello belongs")
            if body is None or number == _HELLO_REQUEST:  # of which nothing is to be done (RFC 5246, 7.4.1.1)
                continue
            hello = _server_hello(body)
            exchange = exchange_of(hello)
            if not exchange:
                return Said(hello, complete=True)
        elif number == _SERVER_KEY_EXCHANGE and body is not None:
            return Said(hello, _key_exchange(exchange, body), complete=True)
        elif number == _SERVER_HELLO_DONE:
            return Said(hello, complete=True)
    if trouble:
        raise Malformed(trouble)
    if hello is None and alert is None and len(data) >= LIMIT:
        raise Malformed(f"{LIMIT} bytes and no ServerHello among them")
    return Said(hello, alert=alert, complete=alert is not None or len(data) >= LIMIT)


def _records(data: bytes) -> tuple[bytes, int | None, str]:
    """Return the handshake messages, the alert that ended them, and what is no record behind them, "" for nothing."""
    messages = b""
    here = 0
    while here < len(data):
        kind, head = data[here], data[here : here + 5]
        if kind not in (_ALERT, _HANDSHAKE) or head[1:2] not in (b"", b"\x03"):
            return messages, None, f"no TLS record ({data[here : here + 16]!r})"
        if len(head) < 5:
            break
        length = int.from_bytes(head[3:])
        if not 0 < length <= _RECORD:
            return messages, None, f"a TLS record of {length} bytes"
        payload = data[here + 5 : here + 5 + length]
        if kind == _HANDSHAKE:
            messages += payload
        elif len(payload) >= 2 and (payload[0] == 2 or payload[1] == 0):  # fatal, or close_notify
            return messages, payload[1], ""
        here += 5 + length
    return messages, None, ""


def _messages(data: bytes) -> Iterator[tuple[int, bytes | None, int]]:
    """Yield type, body and length of each handshake message; no body of the last where it is not there whole."""
    here = 0
    while len(data) - here >= 4:
        length = int.from_bytes(data[here + 1 : here + 4])
        end = here + 4 + length
        yield data[here], data[here + 4 : end] if end <= len(data) else None, length
        here = end


class _Cursor:
    """Takes fields from the front of a structure."""

    def __init__(self, data: bytes, what: str) -> None:
        self.data = data
        self._what = what

    def take(self, count: int) -> bytes:
        if len(self.data) < count:
            raise Malformed(f"a {self._what} that is too short")
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width))

    def vector(self, width: int) -> bytes:
        return self.take(self.number(width))


def _server_hello(body: bytes) -> ServerHello:
    cursor = _Cursor(body, "ServerHello")
    version = cursor.number(2)
    random = cursor.take(32)
    cursor.vector(1)
    suite = cursor.number(2)
    cursor.take(1)
    group = None
    secure_renegotiation = False
    extensions = _Cursor(cursor.vector(2) if cursor.data else b"", "ServerHello")
    while extensions.data:
        number, content = extensions.number(2), _Cursor(extensions.vector(2), "ServerHello")
        if number == 43:  # supported_versions
            version = content.number(2)
        elif number == 51:  # key_share
            group = content.number(2)
        elif number == _RENEGOTIATION_INFO:
            secure_renegotiation = True
    if random == _RETRY and version <= Version.TLSV1_2:
        raise Malformed("a HelloRetryRequest of a version that has none")
    return ServerHello(version, suite, group, secure_renegotiation)


def exchange_of(hello: ServerHello) -> str:
    """Return the key exchange whose group a ServerKeyExchange will tell, "" where none will."""
    if hello.version > Version.TLSV1_2:
        return ""
    exchange = suite_table().suite(hello.suite).key_exchange
    return exchange if exchange.startswith((*CURVE, *_FIELD)) else ""


def _key_exchange(exchange: str, body: bytes) -> KeyExchange:
    """Return the group; a hint stands before it where a key is shared (RFC 4279, 3; RFC 5489, 2)."""
    cursor = _Cursor(body, "ServerKeyExchange")
    if "PSK" in exchange:
        cursor.vector(2)
    if exchange.startswith(CURVE):
        named = cursor.number(1) == 3  # RFC 8422, 5.4
        return KeyExchange(group=cursor.number(2) if named else 0)
    return KeyExchange(bits=int.from_bytes(cursor.vector(2)).bit_length())
