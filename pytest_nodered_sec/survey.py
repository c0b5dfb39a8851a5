"""Asks what the collected tests will need: side by side, politely, each question once.

One `_Host` per host name (a queue and at most eight threads), one `_Place` per target (landmarks, answers that
wait for the next sign of life). Nothing here judges: an answer is handed out as it was seen, or the reason why
there is none.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter, deque
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import NamesRelease, Observation
from pytest_nodered_sec.model_access import answered
from pytest_nodered_sec.probes import PROBES
from pytest_nodered_sec.probes.logins import Logins
from pytest_nodered_sec.probes.net import AT_ONCE
from pytest_nodered_sec.probes.once import Memo, Once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pytest_nodered_sec.model import Ask, Target

CANARY_EVERY: Final = 20  # looks between two signs of life
_FOUND_ONCE: Final = ("admin", "node", "plain", "host", "account", "told", "tls")
_ONE_BY_ONE: Final = 1  # the stage of log-ins that are guesses
_IN_CLEAR: Final = 2  # how many ask the plain port at once
_SILENT: Final = (Cause.UNREACHABLE, Cause.TIMEOUT, Cause.CLOSED)


class Survey:
    """The questions of one run and their answers; thread-safe.

    Args:
        attempts: directory in which the run counts log-in attempts; None where no password may be tried.
    """

    def __init__(self, attempts: Path | None = None) -> None:
        self._logins = Logins(attempts)
        self._logins.hold_signals()
        self._lists: Memo[Any] = Memo()  # Any: what a probe makes of it
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}
        self._places: dict[str, _Place] = {}
        self._closed = False

    def ask_ahead(self, target: Target, asks: Iterable[Ask]) -> None:
        """Queue questions that will be needed; those already known are not asked again."""
        asks = list(asks)
        for ask in asks:  # here, not in a thread: pytest may rewrite what is imported, and Python 3.11 fails
            PROBES[ask.probe].load()  # ("AST constructor recursion depth mismatch") where two threads do such
        with self._lock:
            place = self._place(target)
        place.add(asks)

    def outcome(self, target: Target, ask: Ask) -> Observation | ProbeError:
        """Wait until a question was asked; return what was seen, an answer or not, or why nothing was."""
        __tracebackhide__ = True
        self.ask_ahead(target, [ask])
        return self._places[target.name].future(ask).result()

    def answer(self, target: Target, ask: Ask) -> Observation:
        """Wait for the answer to one question.

        Raises:
            ProbeError: it could not be looked at; a fresh exception for every caller, without our frames.
        """
        __tracebackhide__ = True
        return answered(self.outcome(target, ask), target)

    def identity(self, target: Target) -> dict[str, Any] | None:
        """Return who answered for a target so far, as `facts.Identity` has it; None where nobody was asked."""
        place = self._places.get(target.name)
        return place.identity() if place else None

    def close(self) -> None:
        """Drop what is queued, let sessions be ended, close all connections; looks under way end by their deadline."""
        with self._lock:
            self._closed = True
            for host in self._hosts.values():
                host.close()
        self._logins.end()
        for place in self._places.values():
            place.close()
        self._logins.release_signals()

    def _place(self, target: Target) -> _Place:
        if self._closed:
            raise ProbeError("the run has ended", Cause.UNAVAILABLE)
        if target.name not in self._places:
            host = self._hosts.setdefault(target.hostname, _Host())
            if target.policy.pace == "quiet":
                host.at_once = 1
            self._places[target.name] = _Place(target, host, self._logins, self._lists)
        return self._places[target.name]


class _Host:
    """A queue and its threads. Daemon threads: an executor's would hold Ctrl-C until the last deadline."""

    def __init__(self) -> None:
        self.at_once = AT_ONCE  # each with one connection
        self._wake = threading.Condition()
        self._queue: deque[Callable[[], None]] = deque()
        self._threads = 0
        self._idle = 0
        self._closed = False

    def put(self, job: Callable[[], None], *, next_one: bool = False) -> None:
        with self._wake:
            if next_one:
                self._queue.appendleft(job)
            else:
                self._queue.append(job)
            if self._idle:
                self._wake.notify()
            elif self._threads < self.at_once:
                self._threads += 1
                threading.Thread(target=self._work, daemon=True, name="nodered-sec-look").start()

    def _work(self) -> None:
        while True:
            with self._wake:
                while not self._queue:
                    if self._closed:
                        return
                    self._idle += 1
                    self._wake.wait()
                    self._idle -= 1
                job = self._queue.popleft()
            job()

    def close(self) -> None:
        with self._wake:
            self._closed = True
            self._queue.clear()
            self._wake.notify_all()


class _Place:
    """One target: its station, its landmarks, its questions."""

    def __init__(self, target: Target, host: _Host, logins: Logins, lists: Memo[Any]) -> None:
        from pytest_nodered_sec.probes import account, roots, told  # noqa: F401  before the threads need it: see above
        from pytest_nodered_sec.probes.look import Station  # imports requests: only when something is asked

        self._target = target
        self._host = host
        self._station = Station(target, logins, lists)
        self._lock = threading.Lock()
        self._futures: dict[Ask, Future[Observation | ProbeError]] = {}
        self._later: list[Ask] = []  # questions of a later stage, not queued yet
        self._open = Counter[str]()  # questions queued or being looked at, by what confirms them
        self._unconfirmed: list[tuple[Ask, Observation]] = []
        self._confirming: set[str] = set()
        self._ready_to_guess = False
        self._failed = 0  # looks in a row that got no answer
        self._good = 0  # looks confirmed so far
        self._lost: ProbeError | None = None
        self._node_red = ""
        self._arrival = Once(self._arrive)
        self._landmarks = {name: Once(self._finder(name)) for name in _FOUND_ONCE}

    def add(self, asks: Iterable[Ask]) -> None:
        """Queue the questions that are new."""
        with self._lock:
            fresh = [ask for ask in dict.fromkeys(asks) if ask not in self._futures]
            for ask in fresh:
                self._futures[ask] = Future()
            now = [ask for ask in fresh if not self._stage(ask)]
            self._later += [ask for ask in fresh if self._stage(ask)]
            self._open.update(map(_confirmed_by, now))
        now.sort(key=lambda ask: -PROBES[ask.probe].trips)
        clear = [ask for ask in now if _in_clear(ask)]
        tls = [ask for ask in now if _of_tls(ask)]  # one looks: others would only wait for it
        rest = [ask for ask in now if not _in_clear(ask) and not _of_tls(ask)]
        # All at once, those on the plain port would take the others' connections, which then had to be made again.
        for lane in filter(None, (clear[number::_IN_CLEAR] for number in range(_IN_CLEAR))):
            self._put(*lane)
        if tls:
            self._put(*tls)
        for ask in rest:
            self._put(ask)
        self._turn_to_later()

    def _stage(self, ask: Ask) -> int:
        """Return a question's stage; nobody need wait for an account that is not there."""
        probe = PROBES[ask.probe]
        return 0 if "account" in probe.given and self._target.credentials is None else probe.stage

    def _put(self, *asks: Ask, next_one: bool = False) -> None:
        """Have these looked at, one after the other."""
        first, *rest = asks

        def job() -> None:
            if not self._futures[first].cancelled():  # the run has ended meanwhile
                self._look(first)
            if rest:
                self._put(*rest, next_one=True)  # before confirming, for which another thread need not wait
            self._go_on()

        self._host.put(job, next_one=next_one)

    def future(self, ask: Ask) -> Future[Observation | ProbeError]:
        """Return the future of a question that was added."""
        return self._futures[ask]

    def identity(self) -> dict[str, Any]:
        """Return who answered so far."""
        return self._station.identity() | {"node_red": self._node_red}

    def close(self) -> None:
        with self._lock:
            pending = [future for future in self._futures.values() if not future.done()]
        for future in pending:
            future.cancel()
        self._station.close()

    # --- looking

    def _look(self, ask: Ask) -> None:
        try:
            seen = self._observe(ask)
        except ProbeError as error:
            self._hand_out(ask, error)
            self._note_failure(error)
        except BaseException as bug:  # noqa: BLE001  handed to the test that asked, where it is raised as it is
            self._futures[ask].set_exception(bug)
        else:
            self._failed = 0
            if _confirmed_by(ask):
                with self._lock:
                    self._unconfirmed.append((ask, seen))
            else:
                self._hand_out(ask, seen)
        with self._lock:
            self._open[_confirmed_by(ask)] -= 1

    def _note_failure(self, error: ProbeError) -> None:
        """Ask for a sign of life where look after look gets no answer: nothing more is asked of whoever bans us."""
        with self._lock:
            self._failed += error.cause in _SILENT and self._lost is None
            if self._failed < AT_ONCE:
                return
            self._failed = 0
        with contextlib.suppress(ProbeError):  # no landmark was ever seen
            trouble = self._changed({"admin"}, anew=True)
            with self._lock:
                self._lost = self._lost or trouble

    def _go_on(self) -> None:
        self._get_ready_to_guess()
        self._turn_to_later()
        while batch := self._due():
            self._confirm(batch)
        self._turn_to_later()

    def _get_ready_to_guess(self) -> None:
        """While the last looks of all are under way, connect for the guesses that come after them."""
        from pytest_nodered_sec.probes.look import Look

        with self._lock:
            due = 0 < self._open.total() < 2 * AT_ONCE and any(self._stage(ask) == _ONE_BY_ONE for ask in self._later)
            if not due or self._ready_to_guess or self._lost is not None or not self._target.policy.guess:
                return
            self._ready_to_guess = True
        with contextlib.suppress(ProbeError):  # who guesses is told
            self._station.check_channel(Look(self._station).deadline)

    def _observe(self, ask: Ask) -> Observation:
        from pytest_nodered_sec.probes.look import Look

        probe = PROBES[ask.probe]
        if self._lost is not None:
            raise self._lost.again()
        try:
            self._arrival.get()
        except ProbeError as error:
            if ask.probe == "reach":
                raise  # it carries the cause
            raise ProbeError(f"{self._target.name} cannot be looked at: see reach-01", Cause.SEE_REACH) from error
        marks = [self._landmarks[name].get() for name in (*probe.given, *probe.landmarks)]
        seen = probe.load()(Look(self._station), *marks, *ask.args)
        with self._lock:
            self._station.looks += 1
        return seen

    def _hand_out(self, ask: Ask, outcome: Observation | ProbeError) -> None:
        future = self._futures[ask]
        if isinstance(outcome, NamesRelease):
            self._node_red = self._node_red or outcome.node_red
        if future.set_running_or_notify_cancel():
            future.set_result(outcome)

    def _turn_to_later(self) -> None:
        """Queue the questions of the next stage when everything before them is seen; before guesses also confirmed."""
        with self._lock:
            if self._open.total() or not self._later:
                return
            stage = min(map(self._stage, self._later))
            if stage == _ONE_BY_ONE and (self._unconfirmed or self._confirming):
                return
            next_ones = [ask for ask in self._later if self._stage(ask) == stage]
            self._later = [ask for ask in self._later if ask not in next_ones]
            self._open.update(map(_confirmed_by, next_ones))
        for lane in [next_ones] if stage == _ONE_BY_ONE else [[ask] for ask in next_ones]:
            self._put(*lane)

    # --- landmarks

    def _arrive(self) -> bool:
        from pytest_nodered_sec.probes.look import Look

        look = Look(self._station)
        self._station.arrive(look.deadline)
        return True

    def _finder(self, name: str) -> Callable[[], Any]:
        def find() -> Any:
            from pytest_nodered_sec.probes import account, landmarks, roots, suites, told
            from pytest_nodered_sec.probes.look import Look

            if name == "host":
                from pytest_nodered_sec.probes import host  # imports testinfra: only where a host is asked

                return host.gather(Look(self._station))
            if name == "tls":
                return suites.see_offers(Look(self._station))
            if name == "admin":
                return roots.find_roots(self._station)
            admin = self._landmarks["admin"].get()  # first: it settles where the roots are
            if name == "node" and self._station.target.node("/") == admin.root:
                return admin
            finders: dict[str, Callable[[Look], Any]] = {
                "node": landmarks.view_node,
                "plain": landmarks.view_plain,
                "account": lambda look: account.visit(look, admin),
                "told": lambda look: told.hear(look, admin),
            }
            return finders[name](Look(self._station))

        return find

    def _due(self) -> list[tuple[Ask, Observation]]:
        """Take what waits and must be confirmed now: where none of its kind are left, and every twenty looks before.

        What was asked of other doors at its end only: what confirms it has a price, connections.
        """
        with self._lock:
            waiting = Counter(_confirmed_by(ask) for ask, _ in self._unconfirmed)
            for kind, number in waiting.items():
                enough = kind != "doors" and number >= CANARY_EVERY and self._open[kind] >= AT_ONCE
                if kind not in self._confirming and (enough or not self._open[kind]):
                    self._confirming.add(kind)
                    batch = [one for one in self._unconfirmed if _confirmed_by(one[0]) == kind]
                    self._unconfirmed = [one for one in self._unconfirmed if _confirmed_by(one[0]) != kind]
                    return batch
        return []

    def _confirm(self, batch: list[tuple[Ask, Observation]]) -> None:
        """Hand out what waited, all of one kind, if the canaries asked now answer as at the start."""
        kind = _confirmed_by(batch[0][0])
        try:
            names = {name for ask, _ in batch for name in PROBES[ask.probe].landmarks}
            trouble = self._changed(names, anew=kind == "doors")
        except BaseException as bug:  # noqa: BLE001  handed to the tests that wait, or they would wait for ever
            for ask, _ in batch:
                self._futures[ask].set_exception(bug)
            batch, trouble = [], None
        for ask, seen in batch:
            self._hand_out(ask, trouble or seen)
        with self._lock:
            self._confirming.remove(kind)
            self._good += len(batch) if trouble is None else 0
            self._lost = self._lost or trouble

    def _changed(self, names: set[str], *, anew: bool) -> ProbeError | None:
        """Ask for signs of life; return the sentence of what was lost where one answers otherwise.

        Args:
            names: the landmarks.
            anew: whether a new connection must be accepted as well: firewalls may refuse those, and none they know.
        """
        known: list[Any] = []  # Any: landmarks are of several types
        for name in sorted(names):
            before = self._landmarks[name].get()
            if not any(before is one for one in known):  # both roots may be one place
                known.append(before)
        now = (self._refused() if anew else "") or next(filter(None, map(self._otherwise, known)), "")
        if not now:
            return None
        return ProbeError(
            f"{self._target.name} stopped answering us as before after look {self._good}, "
            f"{datetime.now(UTC):%H:%M:%SZ}: now {now}; banned, challenged, or down?",
            Cause.CHANGED,
        )

    def _refused(self) -> str:
        """Return why no new connection to the URL's port can be made, "" where one can."""
        from pytest_nodered_sec.probes.look import Look

        try:
            self._station.connect_anew(Look(self._station).deadline)
        except ProbeError as error:
            return error.message
        return ""

    def _otherwise(self, before: Any) -> str:  # Any: as above
        """Return what a landmark's sign of life gets now, "" where that is the same as before."""
        from pytest_nodered_sec.probes import landmarks
        from pytest_nodered_sec.probes.look import Look

        look = Look(self._station)
        try:
            if isinstance(before, landmarks.PlainView):
                again = landmarks.view_plain(look, before)
                return "" if before.same_as(again) else "something else on the plain HTTP port"
            seen = landmarks.see_again(look, before)
            return "" if before.sign.same_as(seen) else seen.answer.line()
        except ProbeError as error:
            return error.message


def _in_clear(ask: Ask) -> bool:
    return "plain" in PROBES[ask.probe].landmarks


def _confirmed_by(ask: Ask) -> str:
    """Return what confirms what was seen: "doors", a new connection and the landmarks; "roots", those; "", nothing."""
    probe = PROBES[ask.probe]
    return "doors" if probe.doors else "roots" if probe.landmarks else ""


def _of_tls(ask: Ask) -> bool:
    return "tls" in PROBES[ask.probe].given
