"""Each hostile behaviour does what it says; a test that trusts one should not have to wonder."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import sys
import time

import pytest

import hostile
from hostile import CA, FakeNodeRED, Hostile, serving
from hostile.client import ask, dial, request_over, tls


def hello(server: Hostile, ca: CA, timeout: float = 3) -> None:
    with tls(server, ca, timeout):
        pass


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
