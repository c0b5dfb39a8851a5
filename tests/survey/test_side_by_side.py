"""Several targets at once: each host's laws hold, whatever its targets are called, and the dead ones wait together."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import sys
import threading
import time
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING

import hostile
import pytest

from pytest_nodered_sec import questions
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Ask, Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.transport.pace import Pace
from pytest_nodered_sec.survey import queue
from pytest_nodered_sec.survey.hosts import Hosts
from pytest_nodered_sec.survey.queue import THREADS, Workers
from pytest_nodered_sec.survey.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Iterator


class Counting:
    """Counts what happens at once."""

    def __init__(self) -> None:
        self.now = self.most = self.total = 0
        self._lock = threading.Lock()
        self._done = threading.Condition(self._lock)

    def __call__(self) -> None:
        """Take a moment."""
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.02)
        with self._lock:
            self.now -= 1
            self.total += 1
            self._done.notify_all()

    def wait_for(self, number: int) -> None:
        """Return when so many are over."""
        with self._lock:
            assert self._done.wait_for(lambda: self.total >= number, 10)


def _nothing(pace: Pace) -> None:
    """Take no notice."""


def test_two_names_of_one_address_share_eight_connections() -> None:
    counting = Counting()

    def serve(request: hostile.Request) -> hostile.Reply | None:
        counting()
        return hostile.FakeNodeRED()(request)

    with hostile.serving(serve) as server:
        port = server.url.rpartition(":")[2]
        targets = [
            Target(name, f"https://{name}.example", Policy(), timeout=5, connect=f"{where}:{port}")
            for name, where in [("a", "127.0.0.1"), ("b", "127.0.0.1"), ("c", "localhost")]
        ]
        survey = Survey(None, targets)
        try:
            asks = {target.name: list(questions.guarded_reads(target)) for target in targets}
            for target in targets:
                survey.ask_ahead(target, asks[target.name])
            for target in targets:
                for ask in asks[target.name]:
                    survey.answer(target, ask)
        finally:
            survey.close()
    assert 1 < counting.most <= 8


@contextlib.contextmanager
def _swallowing() -> Iterator[int]:
    """Return a port of loopback that answers no SYN: its queue is full, and nobody accepts."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            filling = stack.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex(server.getsockname())
        yield server.getsockname()[1]


def test_targets_that_swallow_packets_cost_one_time_limit_together() -> None:
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(_swallowing()) for _ in range(10)]
        targets = [Target(f"t{port}", f"https://127.0.0.1:{port}", Policy(), timeout=2) for port in ports]
        survey = Survey(None, targets)
        begun = time.monotonic()
        for target in targets:
            survey.ask_ahead(target, [Ask("reach"), *questions.guarded_reads(target)])
        troubles = [survey.outcome(target, Ask("reach")) for target in targets]
        taken = time.monotonic() - begun
        survey.close()
    assert all(isinstance(observation, ProbeError) and observation.cause is Cause.TIMEOUT for observation in troubles)
    assert taken < 8  # one after the other: 20


def test_one_that_swallows_packets_keeps_one_thread_waiting() -> None:
    before = threading.active_count()
    with _swallowing() as port:
        target = Target("dead", f"https://127.0.0.1:{port}", Policy(), timeout=3)
        survey = Survey(None, [target])
        survey.ask_ahead(target, questions.guarded_reads(target))
        time.sleep(0.5)
        assert threading.active_count() - before <= 2  # one waits, and one that has resolved the name is idle
        survey.close()


def test_after_a_stop_nothing_is_asked_and_nobody_waits() -> None:
    counting = Counting()

    def serve(request: hostile.Request) -> hostile.Reply | None:
        counting()
        return hostile.FakeNodeRED()(request)

    with hostile.serving(serve) as server:
        target = Target("t", server.url, Policy(), timeout=5)
        survey = Survey(None, [target])
        asks = list(questions.guarded_reads(target))
        survey.ask_ahead(target, asks)
        survey.answer(target, questions.LOGIN_OFFER[0])
        survey.stop()
        time.sleep(0.5)  # what was in flight ends
        asked = counting.total
        with pytest.raises(ProbeError, match="the run has ended"):
            survey.outcome(target, asks[-1])
        time.sleep(0.3)
        assert counting.total == asked
        survey.close()


def test_jobs_of_one_host_are_eight_at_once_and_of_several_more() -> None:
    workers, counting = Workers(), Counting()
    first, other = (workers.queue([key], _nothing, quiet=False) for key in "ab")
    for _ in range(24):
        workers.put(first, counting)
    counting.wait_for(24)
    assert counting.most == 8
    for _ in range(24):
        workers.put(first, counting)
        workers.put(other, counting)
    counting.wait_for(72)
    assert 8 < counting.most <= 16
    workers.close()


def test_threads_are_bounded() -> None:
    workers, counting = Workers(), Counting()
    for number in range(40):
        own = workers.queue([str(number)], _nothing, quiet=False)
        for _ in range(8):
            workers.put(own, counting)
    counting.wait_for(320)
    assert counting.most <= THREADS
    workers.close()


@pytest.mark.parametrize(("files", "threads"), [(20, 8), (256, 64), (1024, 128), (-1, 128)])
def test_fewer_threads_where_few_files_may_be_open(monkeypatch: pytest.MonkeyPatch, files: int, threads: int) -> None:
    limits = SimpleNamespace(RLIMIT_NOFILE=7, RLIM_INFINITY=-1, getrlimit=lambda which: (files, files))
    monkeypatch.setitem(sys.modules, "resource", limits)
    spec = importlib.util.find_spec(queue.__name__)
    assert spec
    assert spec.loader
    anew = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(anew)
    assert threads == anew.THREADS


def test_a_host_that_turns_out_to_be_quiet_calms_all_its_targets() -> None:
    workers, counting, paces = Workers(), Counting(), list[Pace]()
    host = workers.queue(["a"], paces.append, quiet=False)
    assert workers.queue(["b", "a"], _nothing, quiet=True) is host
    [pace] = paces
    assert pace.quiet
    for _ in range(8):
        workers.put(host, counting)
    counting.wait_for(8)
    assert counting.most == 1
    workers.close()


def test_two_hosts_that_turn_out_to_be_one_share_its_laws() -> None:
    workers, counting = Workers(), Counting()
    first, other = (workers.queue([key], _nothing, quiet=False) for key in "ab")
    for _ in range(16):
        workers.put(first, counting)
        workers.put(other, counting)
    assert workers.queue(["a", "b"], _nothing, quiet=False) is first
    counting.wait_for(32)
    counting.most = 0
    for _ in range(16):
        workers.put(first, counting)
        workers.put(other, counting)
    counting.wait_for(64)
    assert counting.most == 8
    workers.close()


def test_the_host_that_was_asked_first_is_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "THREADS", 1)
    workers, order = Workers(), list[str]()
    begin, done = threading.Event(), threading.Event()
    queues = {key: workers.queue([key], _nothing, quiet=False) for key in "abc"}
    workers.put(queues["a"], partial(begin.wait, 5))
    for key in "abcabc":
        workers.put(queues[key], partial(order.append, key))
    workers.put(queues["c"], done.set)
    begin.set()
    assert done.wait(5)
    workers.close()
    assert order == ["a", "a", "b", "b", "c", "c"]


def test_a_later_stage_of_the_first_host_does_not_wait_for_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "THREADS", 1)
    workers, order = Workers(), list[str]()
    begin, done = threading.Event(), threading.Event()
    first, other, last = (workers.queue([key], _nothing, quiet=False) for key in "abc")
    assert workers.queue(["c", "b"], _nothing, quiet=False) is last  # both are one host, the second

    def earlier() -> None:
        begin.wait(5)
        workers.put(first, partial(order.append, "later"))  # meanwhile nothing waits for this host

    workers.put(first, earlier)
    for _ in range(3):
        workers.put(last, partial(order.append, "last"))
        workers.put(other, partial(order.append, "other"))
    workers.put(other, done.set)
    begin.set()
    assert done.wait(5)
    workers.close()
    assert order == ["later", *["last", "other"] * 3]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (("https://a.example", None), ("https://a.example:8443", None), True),
        (("https://a.example", None), ("https://b.example", None), False),
        (("https://a.example", None), ("https://b.example", "A.example:444"), True),
        (("https://192.0.2.1", None), ("https://b.example", "192.0.2.1"), True),
        (("https://a.example", "127.0.0.1:1"), ("https://a.example", "127.0.0.1:2"), False),
        (("https://a.example", "127.0.0.1:1"), ("https://b.example", "127.0.0.1:1"), True),
    ],
)
def test_what_is_one_host(first: tuple[str, str | None], second: tuple[str, str | None], same: bool) -> None:
    targets = [Target(url, url, Policy(), connect=connect) for url, connect in (first, second)]
    hosts = Hosts(targets)
    first_queue, second_queue = (hosts.queue_of(target, (), _nothing) for target in targets)
    assert (first_queue is second_queue) is same
