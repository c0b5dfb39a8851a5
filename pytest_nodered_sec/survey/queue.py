"""A queue of looks at one machine, and the worker threads that take them from it: concurrency and pace."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from pytest_nodered_sec.probes.transport.net import AT_ONCE
from pytest_nodered_sec.probes.transport.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable


class WorkerPool:
    """Looks at the targets of one host name. Daemon threads: an executor's would hold Ctrl-C until the last deadline.

    Args:
        quiet: whether a target on the host has pace = "quiet": then all of them get one request at a time.

    Attributes:
        pace: the pace that the targets share on a quiet host; None otherwise, when each has its own.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.pace = Pace(quiet=True) if quiet else None
        self._at_once = 1 if quiet else AT_ONCE  # each with one connection
        self._wake = threading.Condition()
        self._queue: deque[Callable[[], None]] = deque()
        self._threads = 0
        self._idle = 0
        self._busy = 0
        self._closed = False

    def calm_down(self) -> None:
        """Slow down from now on, for a quiet target that was added later."""
        with self._wake:
            self._at_once = 1
            self.pace = self.pace or Pace(quiet=True)

    def put(self, job: Callable[[], None], *, next_one: bool = False) -> None:
        """Queue a job, at the end or as the next one."""
        with self._wake:
            if next_one:
                self._queue.appendleft(job)
            else:
                self._queue.append(job)
            if self._idle:
                self._wake.notify()
            elif self._threads < self._at_once:
                self._threads += 1
                threading.Thread(target=self._work, daemon=True, name="nodered-sec-look").start()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                job()
            finally:
                with self._wake:
                    self._busy -= 1
                    self._wake.notify()

    def _next(self) -> Callable[[], None] | None:
        with self._wake:
            while not self._queue or self._busy >= self._at_once:
                if self._closed:
                    return None
                self._idle += 1
                self._wake.wait()
                self._idle -= 1
            self._busy += 1
            return self._queue.popleft()

    def close(self) -> None:
        """Empty the queue and let the threads end."""
        with self._wake:
            self._closed = True
            self._queue.clear()
            self._wake.notify_all()
