"""Servers whose answers would break or fill a careless reader: nothing breaks, is asked again, or is kept whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hostile
import pytest
from test_hostile_verdicts import judge

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

HERE = Path(__file__).parent
MEMORY = 300  # MB of a whole run
BROKEN: Mapping[str, hostile.Reply] = {
    "no URL": hostile.Reply(302, {"Location": "https://[::1"}),
    "no port": hostile.Reply(302, {"Location": "https://localhost:99999/"}),
    "long length": hostile.Reply(200, {"Content-Length": "9" * 5000}),
    "odd retry": hostile.Reply(429, {"Retry-After": "²"}),
    "odd date": hostile.Reply(401, {"Retry-After": "Mon, 99 Foo 0000", "Date": "Mon, 1 Jan 1 00:00:00 +9999"}),
    "long age": hostile.Reply(401, {"Set-Cookie": "a=b; Max-Age=" + "9" * 5000}),
    "long challenge": hostile.Reply(401, {"WWW-Authenticate": f"Basic a{' ' * 60_000}=x"}),
    "no status": hostile.Reply(999),
    "other addresses": hostile.Reply(302, {"Location": "https:///x\x1b[2J\x00"}),
    "engine.io": hostile.Reply(200, {"Content-Type": "text/plain"}, b"9" * 5000 + b":0{}"),
    "json": hostile.Reply(200, {"Content-Type": "application/json"}, b'{"sid":' + b"9" * 5000 + b"}"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_no_answer_breaks_the_reader_or_is_asked_for_again(name: str) -> None:
    limit = 310  # what a look-alike of a hardened Node-RED is asked, roughly
    with hostile.serving(lambda request: BROKEN[name]) as server:
        letters, sentences = judge(server.url)  # raises what is no ProbeError
    assert "P" not in letters["reach-01"] | letters["admin-01"]
    assert sentences
    assert len(server.requests) < limit


def hinting(request: hostile.Request) -> hostile.Reply:
    """Send an interim response before every answer, as some servers do for pages."""
    reply = hostile.FakeNodeRED()(request)

    def write(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x.css>; rel=preload\r\n\r\n")
        hostile.send(sock, reply, keep=False, with_body=request.method != "HEAD")

    return hostile.Reply(stream=write)


def test_an_interim_response_is_not_the_answer() -> None:
    with hostile.serving(hinting) as server:
        letters, sentences = judge(server.url)
    assert not sentences
    assert "F" not in letters["dash-01"] | letters["admin-01"]


def noisy(request: hostile.Request) -> hostile.Reply:
    """Add a realm of 60 kB to every refusal."""
    reply = hostile.FakeNodeRED()(request)
    return hostile.Reply(401, {"WWW-Authenticate": f'Basic realm="{"x" * 60_000}"'}, reply.body)


def baking(request: hostile.Request) -> hostile.Reply:
    """Set 90 cookies with every answer, each time others."""
    reply = hostile.FakeNodeRED()(request)

    def write(sock: socket.socket) -> None:
        cookies = "".join(f"Set-Cookie: {request.number}x{number}{'n' * 500}=1\r\n" for number in range(90))
        head = f"HTTP/1.1 {reply.status} x\r\nContent-Length: {len(reply.body)}\r\nConnection: close\r\n{cookies}\r\n"
        sock.sendall(head.encode() + reply.body)

    return hostile.Reply(stream=write)


def swollen(request: hostile.Request) -> hostile.Reply:
    """Answer the admin API with 7 MB of empty objects."""
    if request.path == "/settings":
        return hostile.json_reply({"httpNodeRoot": "/", "version": "5.0.0"})
    if request.path in ("/flows", "/nodes", "/diagnostics"):
        return hostile.Reply(200, {"Content-Type": "application/json"}, b"[" + b"{}," * 2_400_000 + b"{}]")
    return hostile.FakeNodeRED()(request)


def bombing(request: hostile.Request) -> hostile.Reply:
    """Answer with what inflates to 500 MB."""
    return hostile.Reply(200, {"Content-Encoding": "gzip", "Content-Type": "text/html"}, BOMB)


BOMB = hostile.gzip_of_zeros(500_000_000)


@pytest.mark.parametrize("behaviour", [noisy, baking, swollen, bombing])
def test_a_run_stays_small_whatever_the_target_sends(behaviour: Callable[[hostile.Request], hostile.Reply]) -> None:
    code = (
        "import json, pathlib, re, sys; from test_hostile_verdicts import judge; "
        "letters, sentences = judge(sys.argv[1]); "
        # Not ru_maxrss: it starts at what the process that started this one had in memory.
        "status = pathlib.Path('/proc/self/status').read_text(); "
        "memory = int(re.search(r'VmHWM:\\s*(\\d+) kB', status)[1]) // 1024; "
        "print(json.dumps([memory, max(map(len, sentences or ['']))]))"
    )
    with hostile.serving(behaviour, tls=False) as server:
        run = subprocess.run(
            [sys.executable, "-c", code, server.url], cwd=HERE, capture_output=True, text=True, check=True
        )
    memory, longest = json.loads(run.stdout)
    assert memory < MEMORY
    assert longest < 4000
