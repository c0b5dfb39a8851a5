"""A front that lets nobody connect ends connections in one form or another, by chance: that is one cause."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Final

import pytest
from test_hostile_verdicts import judge

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.tls.handshake import present_chain
from pytest_nodered_sec.probes.transport import net
from pytest_nodered_sec.probes.transport import station as stations
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.probes.transport.station import Station

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.probes.transport.net import Timed


def end(sock: socket.socket, form: str) -> None:
    """End a connection in one form: at once, later, or after the first word; in order, or by a reset."""
    with contextlib.suppress(OSError), sock:
        if "hello" in form:
            sock.recv(65536)
        if "later" in form:
            time.sleep(0.05)
        if "reset" in form:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


FORMS: Final = (
    "reset",
    "closed",
    "reset later",
    "reset after the hello",
    "closed after the hello",
    "connecting is reset",
)


@contextlib.contextmanager
def ending(forms: Iterator[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Accept connections and end each in the next form until the block ends; yield the port."""
    dial_really, lock = net.dial, threading.Lock()

    def dial(address: str, port: int, deadline: float) -> Timed:
        with lock:
            form = next(forms)
            if "connecting" in form:  # by chance the reset comes so soon
                raise ProbeError(f"connecting to {address} port {port}: connection reset by peer", Cause.CLOSED)
            made = dial_really(address, port, deadline)
            try:
                accepted, _ = listener.accept()
            except OSError:  # the test is over
                raise ProbeError("nobody listens any more", Cause.CLOSED) from None
        if "before" in form:
            end(accepted, form)
            while made.has_peer():
                time.sleep(0.001)
            return made
        threading.Thread(target=end, args=(accepted, form), daemon=True).start()
        return made

    monkeypatch.setattr(stations, "dial", dial)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("first", FORMS)
@pytest.mark.parametrize(
    "others", [("closed",), ("reset after the hello",), FORMS[::-1]], ids=["closed", "reset", "all"]
)
def test_who_may_not_connect_is_told_so_once(
    first: str, others: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ending(itertools.chain([first], itertools.cycle(others)), monkeypatch) as port:
        letters, sentences = judge(f"https://127.0.0.1:{port}")
    assert set().union(*letters.values()) == {"E"}
    [told] = [sentence for sentence in sentences if "see reach-01" not in sentence]
    assert "reset" in told or "ended the connection" in told


def test_a_connection_that_was_reset_before_anything_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with ending(itertools.repeat("reset before all"), monkeypatch) as port:
        station = Station(Target("t", f"https://127.0.0.1:{port}", Policy(), timeout=3.0))
        station.address = "127.0.0.1"
        with pytest.raises(ProbeError) as caught:
            present_chain(Look(station))
    assert caught.value.cause is Cause.CLOSED
