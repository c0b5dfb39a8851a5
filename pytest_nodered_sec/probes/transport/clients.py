"""The HTTP clients of a station, one for each of its origins, and the pace of each."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pytest_nodered_sec.probes.transport.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.probes.transport.http import Client


class Clients:
    """The clients of one station, each made when it is needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Client, Pace]] = {}
        self._interval = 0.0  # seconds between two requests, where a front was seen to limit them

    def get(self, key: str, make: Callable[[], Client], pace: Pace | None) -> tuple[Client, Pace]:
        """Return a client and its pace.

        Args:
            key: what it is for.
            make: makes it.
            pace: what it shares with others; None for one of its own.
        """
        with self._lock:
            if key not in self._known:
                own = Pace()
                own.keep(self._interval)
                self._known[key] = make(), pace or own
            return self._known[key]

    def calm_down(self, pace: Pace) -> None:
        """Let all keep this pace from now on."""
        with self._lock:
            self._known = {key: (client, pace) for key, (client, _) in self._known.items()}

    def keep(self, interval: float) -> None:
        """Let each send no two requests within so many seconds from now on, those that are yet to be made as well."""
        with self._lock:
            self._interval = max(self._interval, interval)
            for _, pace in self._known.values():
                pace.keep(interval)

    def rest(self) -> None:
        """Close the connections that are kept; who asks again makes new ones."""
        for client in self._all():
            client.rest()

    def close(self) -> None:
        """Close every kept connection, and keep none from now on."""
        for client in self._all():
            client.close()

    def clear(self) -> None:
        """Let go of all clients."""
        with self._lock:
            self._known.clear()

    def _all(self) -> list[Client]:
        with self._lock:
            return [client for client, _ in self._known.values()]
