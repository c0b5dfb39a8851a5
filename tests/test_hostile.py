"""Each hostile behaviour does what it says; a test that trusts one should not have to wonder."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import hostile
import pytest
from cryptography import x509
from hostile import CA, FakeNodeRED, Hostile, Raw, Reply, Request, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture(scope="module")
def ca() -> CA:
    return CA.new()


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    until = time.monotonic() + 0.2
    while time.monotonic() < until and _threads():
        time.sleep(0.01)
    assert _threads() == []


def _threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith(hostile.THREAD_PREFIX)]


def dial(server: Hostile, timeout: float = 3) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=timeout)


@contextlib.contextmanager
def tls(server: Hostile, ca: CA, timeout: float = 3) -> Iterator[ssl.SSLSocket]:
    context = ssl.create_default_context(cafile=str(ca.pem_path))
    with (
        dial(server, timeout) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as wrapped,
    ):
        yield wrapped


def ask(server: Hostile, ca: CA, path: str = "/x", method: str = "GET", **headers: str) -> Answer:
    context = ssl.create_default_context(cafile=str(ca.pem_path))
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=3, context=context)
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers)
        got = connection.getresponse()
        fields = {name.lower(): value for name, value in got.getheaders()}
        return got.status, fields, got.read()


def hello(server: Hostile, ca: CA, timeout: float = 3) -> None:
    with tls(server, ca, timeout):
        pass


def request_over(sock: socket.socket, path: str = "/x") -> None:
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


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
            assert _threads() == []


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


def test_hangs(ca: CA) -> None:
    with serving(hostile.hangs, ca=ca) as server, pytest.raises(TimeoutError):
        hello(server, ca, timeout=0.2)


def test_hangs_after_handshake(ca: CA) -> None:
    with serving(hostile.hangs_after_handshake, ca=ca) as server:
        with tls(server, ca, timeout=0.2) as sock:
            request_over(sock)
            with pytest.raises(TimeoutError):
                sock.recv(1)
        assert server.requests == ["GET /x HTTP/1.1"]


def test_drips(ca: CA) -> None:
    with serving(hostile.drips, ca=ca) as server, tls(server, ca) as sock:
        request_over(sock)
        begun = time.monotonic()
        assert [sock.recv(100) for _ in range(3)] == [b"H", b"T", b"T"]
        assert 0.5 < time.monotonic() - begun < 2


def test_drips_raw(ca: CA) -> None:
    with serving(hostile.drips_raw, ca=ca) as server:
        with dial(server) as sock:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            context = ssl.create_default_context()
            client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
            with pytest.raises(ssl.SSLWantReadError):
                client.do_handshake()
            sock.sendall(outgoing.read())
            assert [sock.recv(100) for _ in range(3)] == [b"\x16", b"\x03", b"\x03"]
        with pytest.raises(TimeoutError):
            hello(server, ca, timeout=0.7)


def test_tls_garbage(ca: CA) -> None:
    with (
        serving(hostile.tls_garbage, ca=ca) as server,
        pytest.raises(ssl.SSLError, match=r"(?i)wrong.version|record"),
    ):
        hello(server, ca)


def test_ssh_banner(ca: CA) -> None:
    with serving(hostile.ssh_banner, ca=ca) as server:
        with dial(server) as sock:
            assert sock.recv(100).startswith(b"SSH-2.0-")
        with pytest.raises(ssl.SSLError, match=r"(?i)wrong.version|record"):
            hello(server, ca)


def test_plain_http_on_the_tls_port(ca: CA) -> None:
    with serving(hostile.plain_http, ca=ca) as server:
        assert server.url.startswith("https:")
        with pytest.raises(ssl.SSLError, match=r"(?i)wrong.version|record|http"):
            hello(server, ca)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=3)
        with contextlib.closing(connection):
            connection.request("GET", "/")
            assert connection.getresponse().status == 200


def test_closes_at_once(ca: CA) -> None:
    with serving(hostile.closes_at_once, ca=ca) as server:
        with dial(server) as sock:
            assert sock.recv(1) == b""
        with pytest.raises((ssl.SSLEOFError, ssl.SSLZeroReturnError)):  # the second one with Python 3.11.2
            hello(server, ca)


def test_resets(ca: CA) -> None:
    with serving(hostile.resets, ca=ca) as server:
        with dial(server) as sock, pytest.raises(ConnectionResetError):
            sock.recv(1)
        with pytest.raises(OSError, match=r"reset|pipe"):
            hello(server, ca)


def test_closes_without_answer(ca: CA) -> None:
    with serving(hostile.closes_without_answer, ca=ca) as server:
        with pytest.raises(http.client.RemoteDisconnected):
            ask(server, ca)
        assert server.requests == ["GET /x HTTP/1.1"]


def test_everything_404(ca: CA) -> None:
    with serving(hostile.everything_404, ca=ca) as server:
        status, _, body = ask(server, ca)
        assert status == 404
        assert b"Cannot" not in body


def test_catch_all_page(ca: CA) -> None:
    with serving(hostile.catch_all_page, ca=ca) as server:
        first, second = ask(server, ca, "/one"), ask(server, ca, "/one")
        assert first[0] == second[0] == 200
        assert first[2] != second[2]
        assert first[2].count(b"/one") == 2


def test_catch_all_exact(ca: CA) -> None:
    with serving(hostile.catch_all_exact, ca=ca) as server:
        assert ask(server, ca, "/one") == ask(server, ca, "/two")


def test_catch_all_login(ca: CA) -> None:
    with serving(hostile.catch_all_login, ca=ca) as server:
        status, _, body = ask(server, ca)
        assert status == 200
        assert b'type="password"' in body


def test_always(ca: CA) -> None:
    with serving(hostile.always(503, {"Retry-After": "7"}), ca=ca) as server:
        status, headers, _ = ask(server, ca)
        assert (status, headers["retry-after"]) == (503, "7")


@pytest.mark.parametrize("behaviour", [hostile.endless_body, hostile.endless_body_without_length])
def test_endless_bodies(ca: CA, behaviour: hostile.Handler) -> None:
    context = ssl.create_default_context(cafile=str(ca.pem_path))
    with serving(behaviour, ca=ca) as server:
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context)
        with contextlib.closing(connection):
            connection.request("GET", "/")
            with contextlib.closing(connection.getresponse()) as got:
                assert got.status == 200
                assert got.length is None
                assert len(got.read(200_000)) == 200_000


def test_redirect_loop(ca: CA) -> None:
    with serving(hostile.redirect_loop, ca=ca) as server:
        ways = {path: ask(server, ca, path) for path in ("/x", "/a", "/b")}
        assert {status for status, _, _ in ways.values()} == {302}
        goals = {path: headers["location"] for path, (_, headers, _) in ways.items()}
        assert goals == {"/x": "/a", "/a": "/b", "/b": "/a"}


def test_basic_everything(ca: CA) -> None:
    with serving(hostile.basic_everything, ca=ca) as server:
        status, headers, _ = ask(server, ca)
        assert status == 401
        assert headers["www-authenticate"] == 'Basic realm="Authorization Required"'


def test_challenge_everything(ca: CA) -> None:
    with serving(hostile.challenge_everything, ca=ca) as server:
        status, headers, _ = ask(server, ca)
        assert (status, headers["cf-mitigated"]) == (403, "challenge")


def test_fake_node_red(ca: CA) -> None:
    with serving(FakeNodeRED(), ca=ca) as server:
        status, headers, body = ask(server, ca, "/auth/login")
        assert (status, json.loads(body)) == (200, {"type": "credentials", "prompts": []})
        assert headers["content-type"].startswith("application/json")
        for path in ("/settings", "/flows", "/nodes/node-red/inject", "/context/global?x=1"):
            status, headers, body = ask(server, ca, path)
            assert (status, body) == (401, b"Unauthorized")
            assert headers["www-authenticate"] == 'Bearer realm="Users"'
        status, headers, _ = ask(server, ca, "/flows", Authorization="Bearer x")
        assert headers["www-authenticate"] == 'Bearer realm="Users", error="invalid_token"'
        assert ask(server, ca, "/flows", "POST")[0] == 401
        for path in ("/", "/red/red.min.js", "/<b>"):
            assert ask(server, ca, path)[0] == 404
        assert b"<pre>Cannot POST /settings</pre>" in ask(server, ca, "/settings", "POST")[2]
        assert b"&lt;b&gt;" in ask(server, ca, "/<b>")[2]


def test_fake_node_red_below_a_root_with_a_hole(ca: CA) -> None:
    fake = FakeNodeRED(root="/admin", replies={"/admin/flows": hostile.json_reply([])}, login={})
    with serving(fake, ca=ca) as server:
        assert ask(server, ca, "/admin/flows?x")[2] == b"[]"
        assert ask(server, ca, "/admin/auth/login")[2] == b"{}"
        assert ask(server, ca, "/admin/settings")[0] == 401
        assert ask(server, ca, "/settings")[0] == 404
        assert ask(server, ca, "/adminsettings")[0] == 404


def test_turns_into_another_handler(ca: CA) -> None:
    behaviour = hostile.turns_after(FakeNodeRED(), 1, hostile.turns_after(hostile.always(503), 2, hostile.always(429)))
    with serving(behaviour, ca=ca) as server:
        statuses = [ask(server, ca, "/settings")[0] for _ in range(5)]
        assert statuses == [401, 503, 503, 429, 429]


def test_turns_into_a_raw_behaviour_and_back(ca: CA) -> None:
    back = hostile.turns_after(hostile.resets, 1, FakeNodeRED())
    with serving(hostile.turns_after(FakeNodeRED(), 1, back), ca=ca) as server:
        assert ask(server, ca)[0] == 404
        with pytest.raises(OSError, match=r"reset|pipe"):
            hello(server, ca)
        assert ask(server, ca)[0] == 404


def test_turns_into_refusing_connections(ca: CA) -> None:
    behaviour = hostile.turns_after(FakeNodeRED(), 2, "refuse connections")
    with serving(behaviour, ca=ca) as server, tls(server, ca) as idle:
        request_over(idle)
        idle.recv(65536)
        assert ask(server, ca)[0] == 404
        with pytest.raises(ConnectionRefusedError):
            dial(server)
        with contextlib.suppress(ssl.SSLEOFError):
            assert idle.recv(65536) == b""


def test_refuses_from_the_start(ca: CA) -> None:
    behaviour = hostile.turns_after(FakeNodeRED(), 0, "refuse connections")
    with serving(behaviour, ca=ca) as server, pytest.raises(ConnectionRefusedError):
        dial(server)


def test_rate_limited(ca: CA) -> None:
    behaviour = hostile.rate_limited(FakeNodeRED(), per_second=5, burst=2, retry_after=1)
    with serving(behaviour, ca=ca) as server:
        answers = [ask(server, ca) for _ in range(3)]
        assert [status for status, _, _ in answers] == [404, 404, 429]
        assert answers[2][1]["retry-after"] == "1"
        time.sleep(0.25)
        assert ask(server, ca)[0] == 404


def test_a_token_bucket_never_holds_more_than_its_burst() -> None:
    take = hostile.token_bucket(1000, 3)
    time.sleep(0.05)
    slow = hostile.token_bucket(0.001, 3)
    assert take()
    assert [slow() for _ in range(4)] == [True, True, True, False]


def test_changes_certificate_after(ca: CA) -> None:
    def leaf() -> bytes | None:
        with tls(server, ca) as sock:
            return sock.getpeercert(binary_form=True)

    with serving(hostile.changes_certificate_after(2), ca=ca) as server:
        dial(server).close()  # says nothing, does not count
        leaves = [leaf() for _ in range(4)]
        assert leaves[0] == leaves[1] != leaves[2] == leaves[3]
        assert ask(server, ca, "/settings")[0] == 401


def test_closed_port() -> None:
    port = hostile.closed_port()
    for address in ("127.0.0.1", "::1"):
        with pytest.raises(OSError, match=r"refused|assign|unreachable|not supported"):
            socket.create_connection((address, port), timeout=1)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse or accept")
def test_black_hole() -> None:
    with hostile.black_hole() as port:
        for _ in range(3):
            begun = time.monotonic()
            with pytest.raises(TimeoutError):
                socket.create_connection(("127.0.0.1", port), timeout=0.3)
            assert time.monotonic() - begun >= 0.29


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
