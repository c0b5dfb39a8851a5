"""Loopback ports for what the lab starts: which are free, and which accept connections."""

from __future__ import annotations

import contextlib
import secrets
import socket


def free_ports(count: int) -> list[int]:
    """Return loopback ports that nobody listens on now; all held at once, so that they differ.

    Drawn from below those that systems give to outgoing connections, which would take one before its server does.
    """
    with contextlib.ExitStack() as stack:
        held: list[socket.socket] = []
        while len(held) < count:
            connection = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):  # taken
                connection.bind(("127.0.0.1", 20000 + secrets.randbelow(12000)))
                held.append(connection)
        return [connection.getsockname()[1] for connection in held]


def held(port: int) -> socket.socket:
    """Return a socket that keeps a loopback port without listening: who connects is refused, and nobody can take it.

    Raises:
        OSError: somebody has it.
    """
    connection = socket.socket()
    try:
        connection.bind(("127.0.0.1", port))
    except OSError:
        connection.close()
        raise
    return connection


def accepts(port: int) -> bool:
    """Whether somebody accepts connections on a loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
