"""A front that stops reading a connection once it was asked for an upgrade there, as Varnish's own recipe does (pipe).

Varnish is no dependency of the tests; what was seen of 7.1 is done here by a few lines before a real Node-RED.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from typing import TYPE_CHECKING, Final

import pytest
from suite_runs import run, with_outcome

from pytest_nodered_sec import lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live
_SITE: Final = re.compile(rb"\S+ (?:http://[^/ ]+)?/(ui|dashboard|api|ws)([/? ])", re.IGNORECASE)
_UPGRADED: Final = re.compile(rb"\r\nupgrade: websocket\r\n", re.IGNORECASE)
_LOGIN: Final = b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="Plant"\r\nContent-Length: 0\r\n\r\n'


class Piping:
    """Asks for a login below /ui, /dashboard, /api and /ws; passes the rest on, and upgrades as they are."""

    def __init__(self, upstream: int, *, everywhere: bool) -> None:
        """Begin to serve; `everywhere` is whether an upgrade ends the reading, at whatever path."""
        self._upstream = upstream
        self._everywhere = everywhere
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                taken, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(taken,), daemon=True).start()

    def _serve(self, taken: socket.socket) -> None:
        # Whoever breaks off ends the thread alone.
        with taken, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._upstream)) as red:
            threading.Thread(target=self._answers, args=(red, taken), daemon=True).start()
            held = b""
            while piece := taken.recv(65536):
                held += piece
                head, end, _ = held.partition(b"\r\n\r\n")
                if not end:
                    continue
                if _SITE.match(head) and b"authorization: basic b3B" not in head.lower():
                    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
                    while len(held) < len(head) + 4 + int(length[1] if length else 0):
                        held += taken.recv(65536)
                    taken.sendall(_LOGIN)
                    held = b""
                    continue
                red.sendall(held)
                held = b""
                if _UPGRADED.search(head + b"\r\n") and self._everywhere:
                    while piece := taken.recv(65536):  # unread
                        red.sendall(piece)

    @staticmethod
    def _answers(red: socket.socket, taken: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := red.recv(65536):
                taken.sendall(piece)
            taken.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture(scope="module")
def node_red() -> Iterator[lab.RunningDeployment]:
    """A hardened Node-RED whose dashboards rely on the front."""
    with lab.start(["direct-open"], say=lambda line: None) as running:
        yield running.deployments[0]


@pytest.mark.parametrize("everywhere", [True, False], ids=["piped", "judged"])
def test_what_follows_a_refused_upgrade_on_its_connection_is_judged_too(
    node_red: lab.RunningDeployment, tmp_path: Path, *, everywhere: bool
) -> None:
    front = Piping(node_red.direct_port, everywhere=everywhere)
    try:
        (seen,) = run(tmp_path, f"--nodered-url=http://127.0.0.1:{front.port}").values()
    finally:
        front.close()
    report = (tmp_path / "out.xml").read_text(encoding="utf-8")
    assert ("proxy-05" in with_outcome(seen, "non-compliant")) is everywhere
    assert ("proxy-05 critical behind" in report) is everywhere
    assert not {"dash-01", "dash-02", "proxy-05"} & with_outcome(seen, "could-not-look")
    assert not {"dash-01", "dash-02"} & with_outcome(seen, "non-compliant")
