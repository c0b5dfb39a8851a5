"""HTTP/2: what a real server answers, and what comes of whatever a server sends."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import nginxlab
import pytest
from certlab import issue
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    ExtensionFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from suite_runs import need_nginx

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.transport.form import Form
from pytest_nodered_sec.probes.transport.http2 import Http2
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.probes.transport.net import Timed
from pytest_nodered_sec.probes.transport.station import Station

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_nodered_sec.probes.transport.http import Exchange

ROOT = issue("Newer", ca=True)
LEAF = issue("localhost", ROOT, dns=["localhost"])
NEWER = Form(version="HTTP/2")
LONG = "x" * 200_000
LINES = """location /told { add_header Set-Cookie "a=1; Path=/" always; add_header Set-Cookie "b=2" always;
  default_type text/plain; return 401 "$server_protocol $host $request_method $http_accept $content_length"; }
location ~ ^/(long|file)$ { root @FILES@; }
location /gone { return 444; } location /kept { add_header Upgrade h2; add_header Keep-Alive "timeout=5"; return 204; }
location / { return 204; }"""


@pytest.fixture(scope="module", params=["newer", "older"])
def look(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Look]:
    """A look at a real nginx that speaks HTTP/2, or does not."""
    need_nginx()
    folder: Path = tmp_path_factory.mktemp("newer")
    (folder / "file").write_text(LONG)
    (folder / "long").write_text(LONG[:60_000])
    newer = f"""server {{ listen 127.0.0.1:@PORT@ ssl http2; server_name other; return 444;
    ssl_certificate {folder}/chain0.pem; ssl_certificate_key {folder}/chain0.key; }}"""
    http = newer if request.param == "newer" else ""
    lines = f"server_name localhost; {LINES.replace('@FILES@', str(folder))}"
    with nginxlab.serving(folder, [LEAF], server=lines, http=http) as nginx:
        station = Station(Target("plant", f"https://localhost:{nginx.port}", Policy()))
        try:
            station.arrive(time.monotonic() + 5)
            yield Look(station)
        finally:
            station.close()


def test_it_is_asked_whether_it_is_spoken(look: Look, request: pytest.FixtureRequest) -> None:
    speaks = "newer" in request.node.name
    assert look.speaks_http2() is speaks
    look.extend()
    if not speaks:
        with look.formed(NEWER), pytest.raises(ProbeError) as caught:
            look.ask("GET", "/told")
        assert caught.value.cause is Cause.PROTOCOL
        return
    with look.formed(NEWER):
        got = look.ask("GET", "/told", headers={"Accept": "a/b", "Connection": "keep-alive", "Host": "localhost"})
        posted = look.ask("POST", "/told", body=b"xy")
        long, file = look.ask("GET", "/long"), look.ask("GET", "/file", limit=1000)
        after = look.ask("GET", "/größe")
        kept = look.ask("GET", "/kept")  # against RFC 9113, 8.2.2; an answer all the same
        with pytest.raises(ProbeError) as caught:
            look.ask("GET", "/gone")
    assert kept.status == 204
    assert (got.status, got.body) == (401, b"HTTP/2.0 localhost GET a/b ")
    assert got.cookies == ("a=1; Path=/", "b=2")
    assert posted.body == b"HTTP/2.0 localhost POST */* 2"
    assert len(long.body) == 60_000
    assert (file.status, file.body) == (200, LONG[:1000].encode())
    assert after.status == 204
    assert caught.value.cause is Cause.CLOSED


def test_a_server_that_ends_each_connection_is_asked_over_a_new_one(tmp_path: Path) -> None:
    need_nginx()
    lines = "server_name localhost; keepalive_requests 1; location / { return 204; }"
    newer = f"""server {{ listen 127.0.0.1:@PORT@ ssl http2; server_name other; return 444;
    ssl_certificate {tmp_path}/chain0.pem; ssl_certificate_key {tmp_path}/chain0.key; }}"""
    with nginxlab.serving(tmp_path, [LEAF], server=lines, http=newer) as nginx:
        station = Station(Target("plant", f"https://localhost:{nginx.port}", Policy()))
        try:
            station.arrive(time.monotonic() + 5)
            look = Look(station)
            assert look.speaks_http2()
            with look.formed(NEWER):
                assert [look.ask("GET", f"/{number}").status for number in range(4)] == [204] * 4
        finally:
            station.close()


def answered(sent: bytes, seconds: float = 2.0) -> Exchange:
    """Ask a server that sends these bytes, whatever it is asked."""
    ours, theirs = socket.socketpair()
    feeder = threading.Thread(target=_send, args=(theirs, sent))
    with Timed(fileno=ours.detach()) as sock:
        feeder.start()
        try:
            return Http2(sock, "plant.example").ask("GET", "/", time.monotonic() + seconds, {}, b"", 1000)  # type: ignore[arg-type]  # without TLS
        finally:
            sock.close()
            feeder.join()


def _send(sock: socket.socket, sent: bytes) -> None:
    with sock:
        try:
            sock.sendall(sent)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass
        except OSError:
            return


def frames(*some: Frame) -> bytes:
    return b"".join(frame.serialize() for frame in (SettingsFrame(0), *some))


HEAD = bytes([0x88])  # :status 200, of the static table
bodies = st.binary(max_size=60)
streams = st.sampled_from([0, 1, 2, 3])
some_frames = st.one_of(
    st.builds(lambda of, data, flags: HeadersFrame(of or 1, data, flags=flags), streams,
              st.one_of(st.just(HEAD), bodies), st.sampled_from([["END_HEADERS"], ["END_HEADERS", "END_STREAM"], []])),
    st.builds(lambda of, data: DataFrame(of or 1, data), streams, bodies),
    st.builds(lambda of, code: RstStreamFrame(of or 1, code), streams, st.integers(0, 20)),
    st.builds(lambda data: PingFrame(0, data[:8].ljust(8)), bodies),
    st.builds(lambda code: GoAwayFrame(0, 1, code), st.integers(0, 20)),
    st.builds(lambda key, value: SettingsFrame(0, {key: value}), st.integers(0, 9), st.integers(0, 2**31 - 1)),
    st.builds(lambda of, data, flags: ContinuationFrame(of or 1, data, flags=flags), streams,
              st.one_of(st.just(HEAD), bodies), st.sampled_from([["END_HEADERS"], []])),
    st.builds(lambda of, by: WindowUpdateFrame(of, window_increment=by), streams, st.integers(1, 2**31 - 1)),
    st.builds(lambda of, new, data: PushPromiseFrame(of or 1, new, data, flags=["END_HEADERS"]), streams,
              st.integers(0, 4), bodies),
    st.builds(lambda kind, data: ExtensionFrame(kind, 1, 0, body=data), st.integers(10, 255), bodies),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.one_of(bodies, st.lists(some_frames, max_size=5).map(lambda some: frames(*some))))
def test_whatever_a_server_sends_is_an_answer_or_an_error_of_ours(sent: bytes) -> None:
    try:
        got = answered(sent)
    except ProbeError:
        return
    assert 200 <= got.status < 1000


def test_who_sends_no_end_of_it_is_cut_off() -> None:
    idle = frames(*[PriorityFrame(5, depends_on=3)] * 30_000)
    with pytest.raises(ProbeError, match="too much besides an answer"):
        answered(idle, 20)


def test_few_bytes_that_stand_for_many_fields_are_no_work_without_end() -> None:
    early = b"\x08\x03103"  # :status 103
    long = bytes([0x40, 1]) + b"x" + bytes([0x7F, 0xBD, 0x1D]) + b"a" * 3900  # kept by both sides from now on
    told = [HeadersFrame(1, early + long, flags=["END_HEADERS"])]
    told += [HeadersFrame(1, early + b"\xbe" * 16, flags=["END_HEADERS"])] * 9000
    begun = time.process_time()
    with pytest.raises(ProbeError, match="too much besides an answer"):
        answered(frames(*told), 20)
    assert time.process_time() - begun < 2  # it took ten seconds, and the deadline does not end what h2 works on
