"""A way through a proxy, in clear and in TLS; its password goes out only where its certificate verified."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

import hostile
import pytest

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import HttpSettings, Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.probes.transport.station import Station

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def proxy(port: int, answer: bytes, *, tls: bool) -> Iterator[tuple[int, list[bytes]]]:
    """Serve CONNECT to one port of loopback; yield the proxy's port and what it was sent."""
    heard: list[bytes] = []
    context = hostile.default_ca().context() if tls else None

    def carry(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
            socket.socket.shutdown(sink, socket.SHUT_RDWR)

    def serve(taken: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            sock = stack.enter_context(context.wrap_socket(taken, server_side=True) if context else taken)
            heard.append(sock.recv(65536))
            sock.sendall(answer)
            if b" 200 " not in answer:
                return
            there = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            back = threading.Thread(target=carry, args=(there, sock), daemon=True)
            back.start()
            carry(sock, there)
            back.join(5)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1], heard
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def station(url: str, proxy_url: str, *, trusted: bool = True) -> Station:
    ca_file = str(hostile.default_ca().pem_path) if trusted else None
    return Station(Target("x", url, Policy(), timeout=5, http=HttpSettings(proxy=proxy_url), ca_file=ca_file))


@pytest.mark.parametrize("tls", [False, True])
def test_a_target_is_reached_through_it(tls: bool) -> None:
    with (
        hostile.serving(hostile.FakeNodeRED()) as server,
        proxy(server.port, b"HTTP/1.1 200 Connected\r\n\r\n", tls=tls) as (port, heard),
    ):
        way = station(server.url, f"{'https' if tls else 'http'}://me:hunter%322@localhost:{port}")
        way.arrive(time.monotonic() + 5)
        look = Look(way)
        assert look.ask("GET", "/settings", secret=True).status == 401
        assert look.ask("GET", "/x").status == 404
        way.close()
    assert b"Proxy-Authorization: Basic bWU6aHVudGVyMjI=\r\n" in heard[0]


def test_its_password_is_not_sent_where_its_certificate_does_not_verify() -> None:
    with proxy(9, b"", tls=True) as (port, heard):
        way = station("https://localhost:9", f"https://me:hunter2@localhost:{port}", trusted=False)
        with pytest.raises(ProbeError, match=r"nothing is sent to the proxy localhost:.*certificate does not verify"):
            way.arrive(time.monotonic() + 5)
        way.close()
    assert heard == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [(b"HTTP/1.1 407 No\r\n\r\n", "with 407"), (b"SSH-2.0-x\r\n", "other than HTTP"), (b"", "closed connection")],
)
def test_what_it_answers_instead_is_said(answer: bytes, said: str) -> None:
    with proxy(9, answer, tls=False) as (port, _):
        way = station("https://localhost:9", f"http://localhost:{port}")
        with pytest.raises(ProbeError, match=said):
            way.arrive(time.monotonic() + 5)
        way.close()


def test_another_scheme_is_said() -> None:
    way = station("https://localhost:9", "socks5://localhost:1")
    with pytest.raises(ProbeError, match="must begin with http"):
        way.arrive(time.monotonic() + 5)
    way.close()


def test_the_environment_does_not_say_whom_to_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(hostile.default_ca().pem_path))
    monkeypatch.setenv("SSL_CERT_DIR", str(hostile.default_ca().pem_path.parent))
    with hostile.serving(hostile.FakeNodeRED()) as server:
        way = Station(Target("x", server.url, Policy(), timeout=5))
        way.arrive(time.monotonic() + 5)
        with pytest.raises(ProbeError, match="certificate does not verify"):
            Look(way).ask("GET", "/", secret=True)
        way.close()
    assert ssl.get_default_verify_paths().cafile  # the environment would have said so
