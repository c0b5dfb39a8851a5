"""Ports of this machine that lead to others of it by a long way, kept by a process of its own.

`leading` starts it: `python benchmarks/distance.py SECONDS PORT…` prints a port for each that it was given, and ends
with its standard input. Half a round trip is added to each piece of each direction, and a whole one to each
connection, for TCP's handshake. With no seconds it is the same detour, and adds nothing but itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


ROUND_TRIP: Final = 0.050  # seconds


class End(asyncio.Protocol):
    """One end of a connection; what comes in there goes out at the other end, half a round trip later.

    Args:
        round_trip: seconds.
        port: where to connect once this end is there; None for the end that was connected in this way.
        other: the end to which what comes in belongs, if it is there already.
    """

    def __init__(self, round_trip: float, port: int | None, other: End | None = None) -> None:
        self._round_trip = round_trip
        self._port = port
        self._other = other
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._opening: asyncio.Task[None] | None = None  # kept, or it might vanish before it is done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the other end, or begin to carry."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  for the type checker
        self._transport = transport
        if self._port is not None:
            transport.pause_reading()
            self._opening = self._loop.create_task(self._open(self._port, transport))

    async def _open(self, port: int, transport: asyncio.Transport) -> None:
        await asyncio.sleep(self._round_trip)
        try:
            _, self._other = await self._loop.create_connection(
                partial(End, self._round_trip, None, self), "127.0.0.1", port
            )
        except OSError:
            transport.abort()
        else:
            if transport.is_closing():
                self._other.close()
            transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Hand a piece on, without holding up the next."""
        if self._other is not None:
            self._loop.call_later(self._round_trip / 2, self._other.write, data)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the other end as well, when it has got everything."""
        if self._other is not None:
            self._loop.call_later(self._round_trip / 2, self._other.close)

    def write(self, data: bytes) -> None:
        """Send what came in at the other end."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """End, after what is yet to be sent."""
        if self._transport is not None:
            self._transport.close()


async def lead(round_trip: float, ports: Sequence[int]) -> None:
    """Lead to these ports until standard input ends."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(partial(End, round_trip, port), "127.0.0.1", 0, backlog=1024) for port in ports]
    sys.stdout.write(" ".join(str(server.sockets[0].getsockname()[1]) for server in servers) + "\n")
    sys.stdout.flush()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin, ended.set)
    await ended.wait()


@contextlib.contextmanager
def leading(ports: Sequence[int], round_trip: float) -> Iterator[list[int]]:
    """Return ports that lead to these by a way that takes so many seconds there and back, as long as this is open."""
    command = [sys.executable, __file__, str(round_trip), *map(str, ports)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  this file
        assert process.stdout is not None  # noqa: S101  for the type checker
        yield [int(port) for port in process.stdout.readline().split()]


if __name__ == "__main__":
    asyncio.run(lead(float(sys.argv[1]), [int(argument) for argument in sys.argv[2:]]))
