"""Responses of any kind, well-formed or not: they are read within bounds, or raise what the client expects."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_nodered_sec.probes.transport.response import Malformed, Stream, Unreadable, read_body, read_head


class Wire:
    """Stands for a connection: sends what it was given, in pieces of a size."""

    def __init__(self, data: bytes, size: int = 65536) -> None:
        self._data = memoryview(data)
        self._size = size

    def recv_into(self, buffer: Any) -> int:  # Any: as socket has it
        piece = self._data[: min(self._size, len(buffer))]
        self._data = self._data[len(piece) :]
        buffer[: len(piece)] = piece
        return len(piece)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def read(data: bytes, method: str = "GET", limit: int = 1000, size: int = 65536) -> tuple[int, bytes, bool]:
    stream = Stream(Wire(data, size))  # type: ignore[arg-type]  # all that it uses of a socket
    head = read_head(stream)
    body, again = read_body(stream, head, method, limit)
    return head.status, body, again


@pytest.mark.parametrize("size", [1, 7, 65536])
@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", (200, b"ok", True)),
        (b"HTTP/1.1 200\nContent-Length: 2\n\nok", (200, b"ok", True)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", (200, b"ok", False)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\nConnection: close\r\n\r\nok", (200, b"ok", False)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000, (200, b"x" * 1000, False)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nok", (200, b"ok", False)),
        (b"HTTP/1.1 200 OK\r\n\r\nok", (200, b"ok", False)),
        (b"HTTP/1.1 204 No\r\n\r\n", (204, b"", True)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nT: t\r\n\r\n", (200, b"ok", True)),
        (
            b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
            (401, b"", True),
        ),
        (b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nno field\r\n: x\r\nContent-Length: 0\r\n\r\n", (200, b"", True)),
    ],
)
def test_well_known_forms_are_read(data: bytes, seen: tuple[int, bytes, bool], size: int) -> None:
    assert read(data, size=size) == seen


@pytest.mark.parametrize("chunk", [b"1;" + b"x" * 4000 + b"\r\na\r\n", b"1\r\na\r\n"])
def test_chunks_that_are_little_but_their_sizes_are_not_read_on(chunk: bytes) -> None:
    with pytest.raises(Malformed, match="smaller than their sizes"):
        read(CHUNKED + chunk * 30_000, limit=1 << 20)


def test_small_chunks_are_read() -> None:
    assert read(CHUNKED + b"8\r\n12345678\r\n" * 60_000 + b"0\r\n\r\n", limit=1 << 20)[1] == b"12345678" * 60_000


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "cut off"),
        (b"SSH-2.0-x\r\n", "status line"),
        (b"HTTP/1.1 99 No\r\n\r\n", "status line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", "cut off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nok", "no size"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 5000, "too long"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nokay\r\n", "longer than its size"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000, "too long"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 2000 + b"\r\n", "too many fields"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 50, "too many 1xx"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", "encoding is broken"),
    ],
)
def test_what_is_no_response_says_why(data: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        read(data)


@pytest.mark.parametrize("wrapper", [zlib.MAX_WBITS, -zlib.MAX_WBITS, zlib.MAX_WBITS | 16])
def test_a_body_is_inflated_up_to_the_limit(wrapper: int) -> None:
    packer = zlib.compressobj(wbits=wrapper)
    packed = packer.compress(b"x" * 50_000_000) + packer.flush()
    encoding = b"gzip" if wrapper > zlib.MAX_WBITS else b"deflate"
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: " + encoding + b"\r\nContent-Length: %d\r\n\r\n" % len(packed)
    _, body, again = read(head + packed, limit=65536)
    assert body == b"x" * 65536
    assert not again


STATUS = st.one_of(
    st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.0 401 x", b"HTTP/1.1 103 Early"]), st.binary(max_size=40)
)
VALUE = st.one_of(st.binary(max_size=60), st.integers(min_value=-5).map(lambda n: str(n).encode()))
FIELD = st.tuples(
    st.sampled_from([b"Content-Length", b"Transfer-Encoding", b"Content-Encoding", b"Connection", b"X", b" X", b""]),
    st.one_of(VALUE, st.sampled_from([b"chunked", b"gzip", b"deflate", b"br", b"close", b"keep-alive"])),
)
CHUNK = st.tuples(st.one_of(st.integers(0, 99).map(lambda n: f"{n:x}".encode()), VALUE), st.binary(max_size=99))


@given(
    STATUS,
    st.lists(FIELD, max_size=6),
    st.one_of(
        st.binary(max_size=3000), st.lists(CHUNK, max_size=9).map(lambda c: b"".join(b"%s\r\n%s\r\n" % x for x in c))
    ),
    st.sampled_from(["GET", "HEAD", "POST"]),
    st.integers(1, 500),
)
@example(b"HTTP/1.1 200 OK", [(b"Content-Length", b"9" * 5000)], b"x" * 3000, "GET", 100)
def test_whatever_comes_is_read_within_the_limit_or_malformed(
    status: bytes, fields: list[tuple[bytes, bytes]], body: bytes, method: str, limit: int
) -> None:
    head = b"".join([status, b"\r\n", *(b"%s: %s\r\n" % field for field in fields), b"\r\n"])
    try:
        _, got, _ = read(head + body, method, limit)
    except (Malformed, Unreadable):
        return
    assert len(got) <= limit
