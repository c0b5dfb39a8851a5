"""Connections by which an upgrade was refused: the next upgrade comes by them, and only a refusal counts there."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec.model import Target
from pytest_nodered_sec.observations.answers import RootView
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.channels.handshake import upgrade
from pytest_nodered_sec.probes.channels.origin import attempt_foreign
from pytest_nodered_sec.probes.channels.websocket import accept
from pytest_nodered_sec.probes.http.landmarks import see
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.probes.transport.station import Station

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"
SERVED = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NEVER = b""


class Front:
    """Refuses the first request of each connection, and answers those that follow by it in another way."""

    def __init__(self, later: bytes) -> None:
        self.later = later
        self.heard: list[tuple[int, str]] = []  # number of the connection, path
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            for number in range(100):
                taken, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(number, taken), daemon=True).start()

    def _serve(self, number: int, taken: socket.socket) -> None:
        answer = REFUSED
        with taken, contextlib.suppress(OSError):
            while request := taken.recv(65536):
                self.heard.append((number, request.split()[1].decode()))
                taken.sendall(answer)
                answer = self.later

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def front(request: pytest.FixtureRequest) -> Iterator[Front]:
    server = Front(request.param)
    yield server
    server.close()


def station_of(front: Front) -> Station:
    station = Station(Target("t", f"http://127.0.0.1:{front.port}", Policy(), timeout=4))
    station.address = "127.0.0.1"
    return station


@pytest.mark.parametrize("front", [REFUSED], indirect=True)
def test_a_refused_upgrade_leaves_its_connection_to_the_next_one_alone(front: Front) -> None:
    station = station_of(front)
    for path in ("/a", "/b"):
        assert upgrade(Look(station), path, {}, accept, refused=True)[0].status == 401
    assert Look(station).ask("GET", "/c").status == 401
    assert Look(station).ask("GET", "/d", headers={"Upgrade": "websocket"}).status == 401
    assert upgrade(Look(station), "/e", {}, accept)[0].status == 401
    station.close()
    assert front.heard == [(0, "/a"), (0, "/b"), (1, "/c"), (0, "/d"), (2, "/e")]


@pytest.mark.parametrize("front", [REFUSED], indirect=True)
def test_a_page_of_another_origin_comes_by_it_where_strangers_are_refused(front: Front) -> None:
    """And nobody asks for a random path beside it: who refuses at once is not silent."""
    station = station_of(front)
    canary = see(Look(station), "/x", None)
    view = RootView("/", canary)
    assert attempt_foreign(Look(station), view, view, "comms", "/comms").login_first
    station.close()
    assert front.heard == [(0, "/x"), (1, "/comms"), (1, "/comms")]


@pytest.mark.parametrize(
    "front", [SERVED, NEVER, b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"], indirect=True
)
def test_who_judges_nothing_after_an_upgrade_is_asked_by_a_new_connection(front: Front) -> None:
    station = station_of(front)
    for path in ("/a", "/b"):
        assert upgrade(Look(station), path, {}, accept, refused=True)[0].status == 401
    assert Look(station).ask("GET", "/c", headers={"Upgrade": "websocket"}).status == 401
    station.close()
    assert front.heard == [(0, "/a"), (0, "/b"), (1, "/b"), (1, "/c"), (2, "/c")]
