"""The connections to one target are never more than eight, whatever its looks wait for."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.transport import net
from pytest_nodered_sec.probes.transport.net import AT_ONCE, Places, dial

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def silent() -> Iterator[int]:
    """A server that accepts connections and never answers."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as listener:
        yield listener.getsockname()[1]


def test_who_gets_no_room_gives_up(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net, "_PATIENCE", 0.1)
    places, soon = Places(), time.monotonic() + 5
    held = [places.open(lambda: dial("127.0.0.1", silent, soon), 0) for _ in range(AT_ONCE)]
    made: list[None] = []
    with pytest.raises(ProbeError, match="the 8 connections to one target gave no room in time") as caught:
        places.open(lambda: made.append(None) or dial("127.0.0.1", silent, soon), 0)  # type: ignore[func-returns-value]
    assert caught.value.cause is Cause.TIMEOUT
    assert not made
    places.close()
    for sock in held:
        sock.close()


def test_who_has_time_waits_for_room(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net, "_PATIENCE", 0.0)
    places, soon = Places(), time.monotonic() + 5
    held = [places.open(lambda: dial("127.0.0.1", silent, soon), soon) for _ in range(AT_ONCE)]
    threading.Timer(0.3, held[0].close).start()
    begun = time.monotonic()
    held.append(places.open(lambda: dial("127.0.0.1", silent, soon), soon))
    assert time.monotonic() - begun > 0.2
    places.close()
    for sock in held:
        sock.close()
