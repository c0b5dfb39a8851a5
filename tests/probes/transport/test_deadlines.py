"""Connections that are ended from outside, because within one call OpenSSL sees no deadline."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from pytest_nodered_sec.probes.transport.deadlines import ended_by


def _watching() -> int:
    return sum(thread.name == "nodered-sec-deadlines" for thread in threading.enumerate())


def _read_to_the_end(sock: socket.socket) -> None:
    while sock.recv(1):
        pass
    raise ConnectionResetError


def test_a_connection_that_outlives_its_deadline_is_ended() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        begun = time.monotonic()
        with pytest.raises(TimeoutError), ended_by(ours, begun + 0.1):
            _read_to_the_end(ours)  # though the other side has not closed
        assert 0.5 < time.monotonic() - begun < 5


def test_what_ends_in_time_is_left_alone_and_other_errors_are_what_they_were() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with pytest.raises(ConnectionResetError), ended_by(ours, time.monotonic() + 0.1):
            raise ConnectionResetError
        time.sleep(0.8)
        theirs.sendall(b"a")
        assert ours.recv(1) == b"a"


def test_one_thread_watches_many_and_the_earliest_deadline_counts() -> None:
    pairs = [socket.socketpair() for _ in range(20)]
    begun = time.monotonic()
    watches = [ended_by(ours, begun + 30 - number) for number, (ours, _) in enumerate(pairs)]
    for watch in watches:
        watch.__enter__()
    assert _watching() == 1
    ours, theirs = socket.socketpair()
    with ours, theirs, ended_by(ours, begun + 0.1):
        assert ours.recv(1) == b""
    assert time.monotonic() - begun < 5
    for watch in watches:
        watch.__exit__(None, None, None)
    for pair in pairs:
        for end in pair:
            end.close()
