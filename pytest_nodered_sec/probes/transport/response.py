"""One HTTP/1.1 response, read from a connection (RFC 9112): every length in it is bounded, whatever the server sends.

No connection is opened here, and nothing is interpreted beyond framing: 1xx responses are skipped, bodies are cut at
the limit that the caller names, and what breaks the syntax raises `Malformed`.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

HEAD_LIMIT: Final = 64 * 1024  # bytes of a status line and all fields; also of a chunked body's trailers
_INFORMATIONAL: Final = 10  # 1xx responses before the final one (RFC 9110, 15.2)
_FIELDS: Final = 1000
_CHUNK_LINE: Final = 4096  # bytes of a chunk's size with its extensions
_PIECE: Final = 64 * 1024
_STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n]*)?")
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;.*)?")
_LENGTH: Final = re.compile(r"([0-9]{1,15})(?:\s*,\s*\1)*")  # repeated, but equal (RFC 9110, 8.6)
_READABLE: Final = ("gzip", "x-gzip", "deflate")
SWITCHING: Final = 101


class Malformed(Exception):
    """What came is not HTTP, is cut off, or exceeds a bound.

    Attributes:
        began: whether any byte of a response had come.
    """

    def __init__(self, why: str, *, began: bool = True) -> None:
        super().__init__(why)
        self.began = began


class Stream:
    """What a connection sends, read in pieces; `pending` is what came beyond what was asked for."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.pending = bytearray()
        self.began = False

    def _more(self) -> bool:
        """Receive once; return whether anything came."""
        piece = bytearray(_PIECE)
        size = self._sock.recv_into(piece)
        self.pending += memoryview(piece)[:size]
        self.began = self.began or size > 0
        return size > 0

    def _take(self, size: int) -> bytes:
        taken = bytes(self.pending[:size])
        del self.pending[:size]
        return taken

    def line(self, limit: int) -> bytes:
        """Return the next line without its end.

        Raises:
            Malformed: it is longer than the limit, or the connection ended before its end.
        """
        searched = 0
        while (end := self.pending.find(b"\n", searched)) < 0:
            searched = len(self.pending)
            if searched > limit:
                raise Malformed("a line is too long")
            if not self._more():
                raise Malformed("it is cut off", began=self.began)
        if end > limit:
            raise Malformed("a line is too long")
        return self._take(end + 1)[:-1].removesuffix(b"\r")

    def some(self, size: int) -> bytes:
        """Return up to so many bytes, at least one; nothing at the end of the connection."""
        if not self.pending:
            self._more()
        return self._take(size)

    def exactly(self, size: int) -> bytes:
        """Return so many bytes.

        Raises:
            Malformed: the connection ended before.
        """
        while len(self.pending) < size:
            if not self._more():
                raise Malformed("it is cut off", began=self.began)
        return self._take(size)


@dataclass(frozen=True)
class Head:
    """Status and fields of a response.

    Attributes:
        status: the status code.
        fields: names in lower case and values, in order.
        old: whether it is HTTP/1.0.
    """

    status: int
    fields: tuple[tuple[str, str], ...]
    old: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """The fields by name; values of a repeated one joined by ", "."""
        joined: dict[str, str] = {}
        for name, value in self.fields:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
        return joined

    @property
    def cookies(self) -> tuple[str, ...]:
        """The value of each Set-Cookie field."""
        return tuple(value for name, value in self.fields if name == "set-cookie")


def read_head(stream: Stream) -> Head:
    """Return the head of the final response; those of 1xx before it are skipped, 101 aside.

    Raises:
        Malformed: it is none.
    """
    for _ in range(_INFORMATIONAL + 1):
        matched = _STATUS.fullmatch(stream.line(HEAD_LIMIT))
        if matched is None:
            raise Malformed("it does not begin with a status line of HTTP/1.x")
        status = int(matched[2])
        head = Head(status, tuple(_fields(stream)), matched[1] == b"0")
        if status >= 200 or status == SWITCHING:
            return head
    raise Malformed("it begins with too many 1xx responses")


def _fields(stream: Stream) -> Iterator[tuple[str, str]]:
    """Read fields up to the empty line; a line that is none is left out, as browsers do."""
    left = HEAD_LIMIT
    name, value = "", ""
    for _ in range(_FIELDS):
        line = stream.line(left)
        left -= len(line) + 2
        if left < 0:
            raise Malformed("its head is too long")
        if name and line[:1] in (b" ", b"\t"):  # obsolete line folding (RFC 9112, 5.2)
            value += " " + line.strip().decode("latin-1")
            continue
        if name:
            yield name, value
        if not line:
            return
        said, colon, rest = line.partition(b":")
        usable = colon and _NAME.fullmatch(said)
        name = said.decode("ascii").lower() if usable else ""
        value = rest.strip(b" \t\r\n\0").decode("latin-1")
    raise Malformed("it has too many fields")


class Unreadable(Exception):
    """The body has an encoding that was not asked for and is not undone here; the argument names it."""


def read_body(stream: Stream, head: Head, method: str, limit: int) -> tuple[bytes, bool]:
    """Return a body as it was before encoding, cut at a limit, and whether the connection can be used again.

    Args:
        stream: where the head was read.
        head: the response's head.
        method: of the request.
        limit: bytes of the body that are returned, and as many that are read at most.

    Raises:
        Malformed: it is cut off, wrongly framed, or its encoding is broken.
        Unreadable: it is encoded in a way that was not asked for and cannot be undone.
    """
    headers = head.headers
    wish = headers.get("connection", "").lower()
    again = "close" not in wish and (not head.old or "keep-alive" in wish)
    if method == "HEAD" or head.status in (204, 304):
        return b"", again and not stream.pending
    framed = _Framed(stream, limit)
    coding = headers.get("transfer-encoding", "").lower().strip()
    length = _LENGTH.fullmatch(headers.get("content-length", ""))
    if coding.endswith("chunked"):
        pieces = framed.chunked()
    elif length and not coding:
        pieces = framed.counted(int(length[1]))
    else:
        pieces, again = framed.until_end(), False
    body = decoded(pieces, headers.get("content-encoding", "").lower().strip(), limit)
    return body, again and framed.whole and not stream.pending


class _Framed:
    """The pieces of a body, up to a limit.

    Attributes:
        whole: whether the end was reached.
    """

    def __init__(self, stream: Stream, limit: int) -> None:
        self._stream = stream
        self._left = limit  # bytes that may still be read
        self.whole = False

    def counted(self, length: int) -> Iterator[bytes]:
        """Return the pieces of a body of known length."""
        yield from self._run(length)
        self.whole = self._left > 0 or not length

    def chunked(self) -> Iterator[bytes]:
        """Return the pieces of a body in chunks.

        Raises:
            Malformed: what came are no chunks, or little but their sizes, which would take a minute to read.
        """
        spare = HEAD_LIMIT
        while self._left:
            line = self._stream.line(_CHUNK_LINE)
            matched = _CHUNK.fullmatch(line)
            if matched is None:
                raise Malformed("a chunk has no size")
            size = int(matched[1], 16)
            spare += min(size, _PIECE) - len(line) - 4  # two line ends
            if spare < 0:
                raise Malformed("its chunks are smaller than their sizes take to write")
            if not size:
                for _ in _fields(self._stream):  # trailers, in which nothing is looked for
                    pass
                self.whole = True
                return
            yield from self._run(size)
            if self._left and self._stream.line(_CHUNK_LINE):
                raise Malformed("a chunk is longer than its size")

    def until_end(self) -> Iterator[bytes]:
        """Return the pieces of a body that ends with the connection."""
        while self._left and (piece := self._stream.some(self._left)):
            self._left -= len(piece)
            yield piece

    def _run(self, length: int) -> Iterator[bytes]:
        while length and self._left:
            piece = self._stream.some(min(length, self._left))
            if not piece:
                raise Malformed("it is cut off")
            length -= len(piece)
            self._left -= len(piece)
            yield piece


def decoded(pieces: Iterator[bytes], encoding: str, limit: int) -> bytes:
    """Join the pieces up to the limit, undoing an encoding that a server uses though none was asked for."""
    if encoding in ("", "identity"):
        return b"".join(pieces)
    body = bytearray()
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)
    for number, piece in enumerate(pieces):
        if encoding not in _READABLE:
            raise Unreadable(encoding[:40])
        try:
            body += unpack.decompress(piece, limit - len(body))
        except zlib.error:
            if number or encoding != "deflate":
                raise Malformed("its encoding is broken") from None
            unpack = zlib.decompressobj(-zlib.MAX_WBITS)  # without the wrapper that RFC 9110, 8.4.1.2, demands
            try:
                body += unpack.decompress(piece, limit)
            except zlib.error:
                raise Malformed("its encoding is broken") from None
        if len(body) >= limit:
            break
    return bytes(body)
