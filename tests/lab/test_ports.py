"""Ports at which nobody is to answer stay so while the lab runs, whatever else starts on the machine."""

from __future__ import annotations

import socket

import pytest

from pytest_nodered_sec.lab.ports import accepts, free_ports, held


def test_a_port_that_is_held_refuses_and_cannot_be_taken() -> None:
    (port,) = free_ports(1)
    with held(port), socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Node.js and the fronts do
        assert not accepts(port)
        with pytest.raises(OSError, match="in use"):
            server.bind(("127.0.0.1", port))
        with pytest.raises(OSError, match="in use"):
            held(port)
    held(port).close()
