"""Ports at which nobody is to answer stay so while the lab runs, whatever else starts on the machine."""

from __future__ import annotations

import socket

import pytest
from servers import reserved_ports

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


def test_a_port_that_is_reserved_is_given_to_a_server_alone() -> None:
    with reserved_ports(3) as ports, socket.socket() as other, socket.socket() as server:
        assert not any(map(accepts, ports))
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", ports[0]))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", ports[0]))
        server.listen()
        assert accepts(ports[0])
