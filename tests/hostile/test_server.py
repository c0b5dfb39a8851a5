"""The hostile server itself: what it hands on, counts, raises and leaves behind."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography import x509

import hostile
from hostile import CA, FakeNodeRED, Raw, Reply, Request, serving
from hostile.client import ask, dial, request_over, threads, tls


def test_a_ca_issues_certificates_of_ordinary_length(ca: CA) -> None:
    leaf = x509.load_pem_x509_certificate(ca.issue("localhost").cert_chain_pems[0].bytes())
    now = datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(hours=23) < now - leaf.not_valid_before_utc
    assert now - leaf.not_valid_before_utc < datetime.timedelta(hours=25)
    assert datetime.timedelta(days=89) < leaf.not_valid_after_utc - now
    assert "BEGIN CERTIFICATE" in ca.pem_path.read_text()


def test_a_handler_gets_requests_over_a_kept_connection(ca: CA) -> None:
    got: list[Request] = []

    def answer(request: Request) -> Reply:
        got.append(request)
        return Reply(201, {"X-One": "1"}, request.body.upper())

    context = ssl.create_default_context(cafile=str(ca.pem_path))
    with serving(answer, ca=ca) as server:
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context)
        with contextlib.closing(connection):
            for body in (b"abc", iter([b"de", b"f"])):
                connection.request("POST", "/y?z=1", body=body, headers={"X-A": "b"})
                answered = connection.getresponse()
                assert answered.status == 201
                assert answered.getheader("X-One") == "1"
                answered.read()
            connection.request("HEAD", "/h")
            connection.getresponse().read()
        assert [request.body for request in got] == [b"abc", b"def", b""]
        assert [request.number for request in got] == [1, 2, 3]
        assert got[0].headers["x-a"] == "b"
        assert server.requests[0] == "POST /y?z=1 HTTP/1.1"
        assert (server.connections, server.peak) == (1, 1)
        server.reset()
        assert (server.requests, server.connections, server.peak) == ([], 0, 0)


def test_plain_http_and_both_families() -> None:
    with serving(hostile.everything_404, tls=False) as server:
        assert server.url == f"http://localhost:{server.port}"
        addresses = ["127.0.0.1"]
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            addresses.append("::1")
        for address in addresses:
            connection = http.client.HTTPConnection(address, server.port, timeout=3)
            with contextlib.closing(connection):
                connection.request("GET", "/")
                assert connection.getresponse().status == 404


def test_the_peak_counts_what_is_open_at_once(ca: CA) -> None:
    with serving(FakeNodeRED(), ca=ca) as server:
        for _ in range(20):
            ask(server, ca)
        assert (server.connections, server.peak) == (20, 1)
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                request_over(sock := stack.enter_context(tls(server, ca)))
                sock.recv(1)
        assert server.peak == 3


def test_a_server_stops_quickly_with_connections_open(ca: CA) -> None:
    for behaviour in (FakeNodeRED(delay=30), hostile.hangs, hostile.drips, hostile.endless_body):
        with contextlib.ExitStack() as stack:
            with serving(behaviour, ca=ca) as server:
                for _ in range(5):
                    sock = stack.enter_context(dial(server))
                    if not isinstance(behaviour, Raw):
                        context = ssl.create_default_context(cafile=str(ca.pem_path))
                        wrapped = context.wrap_socket(sock, server_hostname="localhost")
                        request_over(stack.enter_context(wrapped))
                time.sleep(0.05)
                begun = time.monotonic()
            assert time.monotonic() - begun < 0.5
            assert threads() == []


def test_nothing_is_printed_when_clients_abort(capfd: pytest.CaptureFixture[str], ca: CA) -> None:
    for behaviour in (FakeNodeRED(), hostile.endless_body, hostile.drips, hostile.hangs):
        with serving(behaviour, ca=ca) as server:
            for _ in range(5):
                with dial(server) as sock:
                    sock.sendall(b"\x16\x03\x01")
            if not isinstance(behaviour, Raw):
                with tls(server, ca) as wrapped:
                    request_over(wrapped)
            with dial(server) as sock:
                hostile.resets.run(sock)  # the client resets
            time.sleep(0.02)
    assert capfd.readouterr() == ("", "")


def test_a_mistake_in_a_handler_is_raised_at_the_end(ca: CA) -> None:
    def wrong(_request: Request) -> Reply:
        raise KeyError("mistake")

    with (
        pytest.raises(KeyError, match="mistake"),
        serving(wrong, ca=ca) as server,
        contextlib.suppress(OSError),  # the connection is closed without an answer
    ):
        ask(server, ca)


def test_nothing_is_left_when_the_interpreter_ends() -> None:
    program = (
        "import hostile, socket\n"
        "hostile.closed_port()\n"
        "with hostile.serving(hostile.hangs) as server:\n"
        "    socket.create_connection(('127.0.0.1', server.port)).close()\n"
        "print(hostile.default_ca().pem_path)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", program],
        cwd=Path(hostile.__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert done.stderr == ""
    assert not Path(done.stdout.strip()).exists()
