"""The queues of looks, one for each host, and the worker threads that take from all of them: concurrency and pace."""

from __future__ import annotations

import bisect
import threading
from collections import deque
from importlib import import_module
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec import threads
from pytest_nodered_sec.probes.transport.net import AT_ONCE
from pytest_nodered_sec.probes.transport.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MOST: Final = 128  # threads that look, of one process, for all hosts together: most of them wait for an answer
_OPEN_EACH: Final = 4  # files and connections that are open for each at most; measured: less than three


def _threads() -> int:
    """Return how many may look at once where the system bounds a process's open files: macOS at 256, Linux at 1024."""
    try:
        resource = import_module("resource")
    except ImportError:  # Windows bounds nothing
        return _MOST
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if limit == resource.RLIM_INFINITY else max(AT_ONCE, min(_MOST, limit // _OPEN_EACH))


THREADS: Final = _threads()


class HostQueue:
    """The looks at all targets of one host that have not begun; belongs to `Workers`, which alone changes it.

    Attributes:
        pace: the pace that the host's targets share if one of them is quiet; None while each has its own.
        number: how many hosts were known before it.
        calm_downs: called when the pace becomes quiet, one for each target of the host.
        guessing: held while a password is tried at one of them, by the probe that does.
        most: how many look at once, each with one connection; one at a quiet host.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.pace: Pace | None = None
        self.calm_downs: dict[Callable[[Pace], None], None] = {}  # in order, each once
        self.guessing = {name: threading.Lock() for name in ("guess_login", "guess_basic")}
        self.waiting: deque[Callable[[], object]] = deque()
        self.busy = 0
        self.most = AT_ONCE
        self.merged: HostQueue | None = None  # with which other queue, if both are of one machine

    @property
    def runnable(self) -> bool:
        """Whether a look may begin."""
        return bool(self.waiting) and self.busy < (self.most if self.pace is None else 1)


class Workers:
    """The worker threads of a run. Daemon threads: an executor's would hold Ctrl-C until the last deadline.

    Looks at the hosts that were asked first come first, so that the targets are done in the order of their cases: also
    those of a later stage, before which a host's queue was empty for a while.
    """

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._queues: list[HostQueue] = []  # those in which something waits, by their numbers
        self._hosts = 0
        self._by_key: dict[str, HostQueue] = {}
        self._threads = 0
        self._idle = 0
        self._closed = False

    def queue(self, keys: Iterable[str], calm_down: Callable[[Pace], None], *, quiet: bool) -> HostQueue:
        """Return the queue of the host that these are names or addresses of; the host of several queues becomes one.

        Args:
            keys: what the host is called, and where it is.
            calm_down: called with the pace to keep from now on if the host is or becomes quiet.
            quiet: whether it has to be.
        """
        with self._wake:
            keys = list(keys)
            known = list(dict.fromkeys(_final(self._by_key[key]) for key in keys if key in self._by_key))
            queue = known[0] if known else HostQueue(self._hosts)
            self._hosts += not known
            queue.calm_downs[calm_down] = None
            for other in known[1:]:
                self._merge(other, queue)
            for key in keys:
                self._by_key[key] = queue
            if quiet and queue.pace is None:
                queue.pace = Pace(quiet=True)
            pace, affected = queue.pace, list(queue.calm_downs)
        if pace is not None:
            for slow_down in affected:
                slow_down(pace)
        return queue

    def narrow(self, queue: HostQueue, most: int) -> None:
        """Let no more than so many look at a host at once from now on."""
        with self._wake:
            queue = _final(queue)
            queue.most = min(queue.most, most)

    def leave(self, queue: HostQueue, calm_down: Callable[[Pace], None]) -> None:
        """Forget a target of a host: it is asked nothing more."""
        with self._wake:
            _final(queue).calm_downs.pop(calm_down, None)

    def _merge(self, other: HostQueue, queue: HostQueue) -> None:
        other.merged = queue
        queue.pace = queue.pace or other.pace
        queue.busy += other.busy
        queue.most = min(queue.most, other.most)
        queue.waiting += other.waiting
        queue.calm_downs |= other.calm_downs
        self._queues = [waiting for waiting in self._queues if waiting not in (queue, other)]
        queue.number = min(queue.number, other.number)
        if queue.waiting:
            self._line_up(queue)

    def put(self, queue: HostQueue, job: Callable[[], object], *, next_one: bool = False) -> None:
        """Queue a job, at the end or as the next one."""
        with self._wake:
            if self._closed:
                return
            queue = _final(queue)
            if next_one:
                queue.waiting.appendleft(job)
            else:
                queue.waiting.append(job)
            self._line_up(queue)
            self._call_one()

    def _line_up(self, queue: HostQueue) -> None:
        if queue not in self._queues:
            bisect.insort(self._queues, queue, key=lambda host: host.number)

    def close(self) -> None:
        """Empty the queues and let the threads end; no look begins any more."""
        with self._wake:
            self._closed = True
            self._queues.clear()
            self._wake.notify_all()

    def _call_one(self) -> None:
        """Wake or start a thread if there is something to do."""
        if not any(queue.runnable for queue in self._queues):
            return
        if self._idle:
            self._wake.notify()
        elif self._threads < THREADS:
            self._threads += 1
            threads.start(self._work)

    def _work(self) -> None:
        while (taken := self._next()) is not None:
            queue, job = taken
            try:
                job()
            finally:
                with self._wake:
                    _final(queue).busy -= 1
            del queue, job, taken  # what a thread that waits holds would not be let go

    def _next(self) -> tuple[HostQueue, Callable[[], object]] | None:
        with self._wake:
            while True:
                if self._closed:
                    return None
                queue = next((queue for queue in self._queues if queue.runnable), None)
                if queue is not None:
                    break
                self._idle += 1
                self._wake.wait()
                self._idle -= 1
            job = queue.waiting.popleft()
            queue.busy += 1
            if not queue.waiting:
                self._queues.remove(queue)
            self._call_one()
            return queue, job


def _final(queue: HostQueue) -> HostQueue:
    """Return the queue itself, or the one that it has become a part of."""
    while queue.merged is not None:
        queue = queue.merged
    return queue
