"""The connections to one target are never more than eight, and who is alone is alone, whatever its looks wait for."""

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
from pytest_nodered_sec.probes.transport.once import Once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
    with pytest.raises(ProbeError, match="no connection to the target became free in time") as caught:
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


def started(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


def test_of_two_who_want_to_be_alone_the_second_waits() -> None:
    places, log, inside = Places(), list[str](), threading.Barrier(2, timeout=5)

    def alone(name: str) -> None:
        with places.alone():
            log.append(f"{name} comes")
            if name == "first":
                inside.wait()
                time.sleep(0.3)
            log.append(f"{name} goes")

    first = started(lambda: alone("first"))
    inside.wait()
    for thread in (started(lambda: alone("second")), started(lambda: alone("third")), first):
        thread.join(5)
    assert log[:2] == ["first comes", "first goes"]
    assert [line.split()[1] for line in log] == ["comes", "goes"] * 3
    assert [line.split()[0] for line in log[2::2]] == [line.split()[0] for line in log[3::2]]
    assert places.may_ask()


def test_who_is_alone_may_wait_for_what_others_find() -> None:
    """Of three threads one is alone, and waits for the second, which waits for the third, which has yet to ask."""
    places, log = Places(), list[str]()
    begun, gone = [threading.Event() for _ in range(2)], threading.Event()

    def of_third() -> str:
        begun[1].set()
        gone.wait(5)
        places.wait()
        with places.alone():  # as a look at TLS may be
            log.append("third")
        return "found"

    third = Once(of_third, places.waits)

    def of_second() -> str:
        begun[0].set()
        return third.get()

    second = Once(of_second, places.waits)
    threads = [started(third.get)]
    begun[1].wait(5)
    threads.append(started(second.get))
    begun[0].wait(5)

    def stranger() -> None:
        gone.wait(5)
        places.wait()
        log.append("stranger")

    others = started(stranger)
    before = time.monotonic()
    with places.alone():
        assert places.is_ours
        gone.set()
        assert second.get() == "found"
        assert places.is_ours
        log.append("alone")
    others.join(5)
    assert log == ["third", "alone", "stranger"]
    assert time.monotonic() - before < 3


def test_a_request_on_its_way_is_ended_beside_who_is_alone() -> None:
    places, asking, may = Places(), threading.Event(), list[bool]()
    done = threading.Event()

    def request() -> None:
        with places.asking():
            asking.set()
            done.wait(5)
            may.append(places.may_ask())
        may.append(places.may_ask())

    thread = started(request)
    asking.wait(5)
    with places.alone():
        done.set()
        thread.join(5)
    assert may == [True, False]


def test_who_is_alone_for_too_long_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net, "_LONGEST", 0.1)
    places, told = Places(), list[str]()

    def ask() -> None:
        for want in (places.wait, places.alone().__enter__):
            try:
                want()
            except ProbeError as error:
                told.append(error.message)

    with places.alone():
        started(ask).join(5)
    assert told == ["another look had the target to itself for too long"] * 2


def test_the_end_of_the_run_lets_everybody_go() -> None:
    places = Places()
    with places.alone():
        waiting = started(places.wait)
        places.close()
        waiting.join(5)
        assert not waiting.is_alive()
