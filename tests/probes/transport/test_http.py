"""What the HTTP client puts on the wire, read at the server: the path as written, and nothing beside it."""

from __future__ import annotations

import contextlib
import gzip
import re
import socket
import threading
import time
import zlib
from typing import TYPE_CHECKING

import hostile
import pytest

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.transport.contexts import shake_hands, tls_context
from pytest_nodered_sec.probes.transport.form import Form
from pytest_nodered_sec.probes.transport.http import BODY_LIMIT, Client
from pytest_nodered_sec.probes.transport.net import dial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.probes.transport.net import Timed


class Listener:
    """Answers every request with 404, and keeps what was sent."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.accepted = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                taken, _ = self._socket.accept()
            except OSError:
                return
            self.accepted += 1
            with taken:
                while head := self._request(taken):
                    self.heard.append(head)
                    taken.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")

    def _request(self, taken: socket.socket) -> bytes:
        """Read one request, body included; nothing where the client has gone."""
        head = b""
        while b"\r\n\r\n" not in head:
            piece = taken.recv(65536)
            if not piece:
                return b""
            head += piece
        length = re.search(rb"(?i)content-length: (\d+)", head)
        while length and len(head.partition(b"\r\n\r\n")[2]) < int(length[1]):
            head += taken.recv(65536)
        return head

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.thread.join(5)


def opened(port: int, deadline: float, *, tls: bool) -> Timed:
    """Return a connection, with TLS or without."""
    sock = dial("127.0.0.1", port, deadline)
    if not tls:
        return sock
    context = tls_context(Target("t", f"https://localhost:{port}", Policy()), verified=False)
    return shake_hands(sock, context, ("localhost", "t"), deadline)[0]


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    yield server
    server.close()


@pytest.fixture
def client(listener: Listener) -> Iterator[Client]:
    first = Client("plant.example", lambda deadline: dial("127.0.0.1", listener.port, deadline))
    yield first
    first.close()


@pytest.mark.parametrize(
    "path",
    [
        "/FLOWS",
        "//flows",
        "/./flows",
        "/ui/socket.io/../../x?EIO=4",
        "/ui_base/js/..%2f..%2fpackage.json",
        "/a%2F%2e%2E",
        "/a;b|c'd(e)*~[f]",
        "/?x=%7e&y=a+b",
    ],
)
def test_the_path_is_sent_as_written(path: str, client: Client, listener: Listener) -> None:
    assert client.ask("GET", path, time.monotonic() + 5).status == 404
    assert listener.heard[0].split(b"\r\n")[0].decode() == f"GET {path} HTTP/1.1"


@pytest.mark.parametrize(("path", "sent"), [("/größe", "/gr%C3%B6%C3%9Fe"), ("/a b\r\nX: y", "/a%20b%0D%0AX:%20y")])
def test_what_no_request_line_can_hold_is_escaped(path: str, sent: str, client: Client, listener: Listener) -> None:
    assert client.ask("GET", path, time.monotonic() + 5).status == 404
    assert listener.heard[0].split(b"\r\n")[0].decode() == f"GET {sent} HTTP/1.1"


def test_what_follows_an_upgrade_comes_by_its_connection_though_connecting_took_long(listener: Listener) -> None:
    """The second that the upgrade is given does not include that: on a slow line it was never asked."""

    def slowly(deadline: float) -> Timed:
        time.sleep(1.1)
        return dial("127.0.0.1", listener.port, deadline)

    client = Client("plant.example", slowly)
    assert client.ask("GET", "/ui", time.monotonic() + 5, form=Form(behind="/nobody")).status == 404
    client.close()
    assert [head.split()[1] for head in listener.heard] == [b"/nobody", b"/ui"]
    assert listener.accepted == 1


def test_what_broke_is_not_asked_again() -> None:
    asked: list[str] = []

    def breaks(request: hostile.Request) -> hostile.Reply:
        asked.append(request.path)
        if request.path == "/broken":
            return hostile.Reply(stream=lambda sock: sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"))
        return hostile.page("ok")

    with hostile.serving(breaks, tls=False) as server:
        client = Client("plant.example", lambda deadline: dial("127.0.0.1", server.port, deadline))
        client.ask("GET", "/", time.monotonic() + 5)
        with pytest.raises(ProbeError, match="cut off"):
            client.ask("GET", "/broken", time.monotonic() + 5)
        client.close()
    assert asked == ["/", "/broken"]


def test_a_kept_connection_that_was_closed_meanwhile_is_replaced() -> None:
    with hostile.serving(lambda request: hostile.page("ok"), tls=False) as server:
        client = Client("plant.example", lambda deadline: dial("127.0.0.1", server.port, deadline))
        client.ask("GET", "/", time.monotonic() + 5)
        with client._lock:
            socket.socket.shutdown(client._kept[0], socket.SHUT_RDWR)
        assert client.ask("GET", "/", time.monotonic() + 5).status == 200
        assert server.connections == 2
        client.close()


def test_nothing_else_is_sent(client: Client, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    client.ask("GET", "/x", time.monotonic() + 5)
    client.ask("POST", "/x", time.monotonic() + 5)
    client.ask("POST", "/x", time.monotonic() + 5, {"Content-Type": "text/plain"}, b"40")
    names = [
        {line.split(b":")[0].decode().lower() for line in head.split(b"\r\n")[1:] if b":" in line}
        for head in listener.heard
    ]
    always = {"host", "user-agent", "accept", "accept-encoding"}
    assert names == [always, always | {"content-length"}, always | {"content-length", "content-type"}]
    assert listener.heard[2].endswith(b"\r\n\r\n40")
    assert listener.accepted == 1


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("late", [b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", b""])
def test_what_comes_before_it_is_asked_for_is_no_answer(late: bytes, tls: bool) -> None:
    said = threading.Event()

    def impatient(request: hostile.Request) -> hostile.Reply:
        def write(sock: socket.socket) -> None:
            hostile.send(sock, hostile.Reply(200, {"X-Path": request.path}), keep=True)
            time.sleep(0.05)  # the client has its answer, and keeps the connection
            sock.sendall(late)
            if not late:
                socket.socket.shutdown(sock, socket.SHUT_WR)
            said.set()
            hostile.silence(sock)

        return hostile.Reply(stream=write)

    with hostile.serving(impatient, tls=tls) as server:
        client = Client("plant.example", lambda deadline: opened(server.port, deadline, tls=tls))
        for path in ("/a", "/b"):
            got = client.ask("GET", path, time.monotonic() + 5, once=True)  # which is not sent a second time
            assert (got.status, got.headers["x-path"]) == (200, path)
            assert said.wait(5)
            said.clear()
        client.close()


@pytest.mark.parametrize(
    ("encoding", "body", "expected"),
    [
        ("gzip", gzip.compress(b"adminAuth", mtime=0), "adminAuth"),
        ("GZIP", gzip.compress(b"x" * 10_000_000), "x" * BODY_LIMIT),  # a bomb is cut
        ("deflate", zlib.compress(b"adminAuth"), "adminAuth"),
        ("identity", b"adminAuth", "adminAuth"),
        ("br", b"", ""),
        ("br", b"\x0b", "the answer is encoded (br), which was not asked for, and cannot be read"),
        ("gzip", b"no gzip at all", "the answer is cut off or not HTTP (its encoding is broken)"),
    ],
)
def test_an_answer_that_is_encoded_without_being_asked_is_read_or_an_error(
    encoding: str, body: bytes, expected: str
) -> None:
    def encoded(_request: hostile.Request) -> hostile.Reply:
        return hostile.Reply(200, {"Content-Encoding": encoding}, body)

    with hostile.serving(encoded, tls=False) as server:
        client = Client("plant.example", lambda deadline: dial("127.0.0.1", server.port, deadline))
        try:
            got = client.ask("GET", "/settings.js", time.monotonic() + 5).body.decode()
        except ProbeError as error:
            got = error.message.removeprefix("GET /settings.js: ")
        client.close()
    assert got == expected


def test_a_byte_now_and_then_does_not_move_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            taken, _ = server.accept()
            with taken:
                taken.recv(1000)
                with contextlib.suppress(OSError):  # the client has gone
                    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + b"x" * 900:
                        taken.sendall(bytes([byte]))
                        time.sleep(0.02)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        client = Client("plant.example", lambda deadline: dial("127.0.0.1", port, deadline))
        begun = time.monotonic()
        with pytest.raises(ProbeError, match="within the time limit"):
            client.ask("GET", "/x", begun + 0.4)
        assert time.monotonic() - begun < 1
        client.close()
        thread.join(5)
