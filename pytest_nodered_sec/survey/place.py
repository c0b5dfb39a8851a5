"""One target of a survey: its landmarks, its questions, and the answers that await confirmation by the landmarks."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.errors import Cause, ProbeError, see_reach
from pytest_nodered_sec.observations.settling import may_come_again
from pytest_nodered_sec.probes.transport.net import AT_ONCE
from pytest_nodered_sec.probes.transport.once import Memo, Once
from pytest_nodered_sec.registry import PROBES
from pytest_nodered_sec.survey.landmarks import Landmarks
from pytest_nodered_sec.survey.lanes import lanes, one_by_one
from pytest_nodered_sec.survey.pending import Pending
from pytest_nodered_sec.survey.signs import Signs
from pytest_nodered_sec.survey.unconfirmed import Unconfirmed
from pytest_nodered_sec.survey.way import Way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_nodered_sec.model import Ask, Observation, Target
    from pytest_nodered_sec.probes.transport.contexts import Contexts
    from pytest_nodered_sec.probes.transport.logins import Logins
    from pytest_nodered_sec.probes.transport.station import Station
    from pytest_nodered_sec.survey.hosts import Hosts
    from pytest_nodered_sec.survey.unconfirmed import Waiting

_ONE_BY_ONE: Final = 2  # the stage of log-ins that are guesses
_COMPARING: Final = 4  # the stage in which all answers are compared
_ENDED: Final = (Cause.CLOSED, Cause.CHANGED)
_NO_TLS: Final = (*_ENDED, Cause.TIMEOUT, Cause.PROTOCOL)
_SILENT: Final = (Cause.UNREACHABLE, Cause.TIMEOUT, Cause.CLOSED)
_MAY_PASS: Final = (*_SILENT, Cause.UNAVAILABLE)


class Place:
    """One target: its connections, its landmarks, its questions."""

    def __init__(self, target: Target, hosts: Hosts, logins: Logins, lists: Memo[Any], contexts: Contexts) -> None:
        from pytest_nodered_sec.probes.tls.client_certificate import turns_away
        from pytest_nodered_sec.probes.transport.look import Look
        from pytest_nodered_sec.probes.transport.station import Station

        self._target = target
        self._hosts = hosts
        self._station = Station(target, logins, lists, contexts=contexts)
        if target.http.client_certificate is None:
            self._station.wants_certificate = lambda: turns_away(Look(self._station))
        self._station.beside = partial(self._put_job, next_one=True)
        self._station.look_less = lambda most: hosts.workers.narrow(self._queue, most)
        self._queue = hosts.queue_of(target, (), self._station.calm_down)
        self._lock = threading.Lock()
        self._answers: dict[Ask, Pending] = {}
        self._later: list[Ask] = []  # questions of a later stage, not queued yet
        self._open = Counter[str]()  # questions queued or in progress, by what confirms them
        self._unconfirmed = Unconfirmed(self._target)
        self._confirming: set[str] = set()
        self._ready_to_guess = False
        self._failed = 0  # looks in a row that got no answer
        self._good = 0  # looks confirmed so far
        self._lost: ProbeError | None = None
        self._reach: Ask | None = None  # the question that says what is wrong with all of the target
        self._node_red = ""
        self._begun = False  # whether anything was asked
        self._entered = False  # whether it is known that the target can be reached, or cannot
        self._waiting: list[Ask] = []  # questions that wait for that
        self._way = Way(self._station, self._take_queue)
        self._landmarks = Landmarks(self._station)
        self._signs = Signs(self._station, self._landmarks)
        self._resting, self._rests = False, 0  # whether nothing is asked because of a limit, and how often so far
        self._parked: list[Ask] = []  # questions that wait for the end of that
        self._twice: set[Ask] = set()  # questions that are asked a second time
        self._pause = Once(self._signs.pause)

    def add(self, asks: Iterable[Ask]) -> None:
        """Queue the questions that are new."""
        with self._lock:
            fresh = [ask for ask in dict.fromkeys(asks) if ask not in self._answers]
            for ask in fresh:
                self._answers[ask] = Pending()
            now = [ask for ask in fresh if not self._stage(ask)]
            self._later += [ask for ask in fresh if self._stage(ask)]
            self._open.update(PROBES[ask.probe].confirmed_by for ask in now)
            self._station.channels.add(ask.args[0] for ask in fresh if ask.probe in ("socket", "undeclared"))
            self._reach = next((ask for ask in fresh if ask.probe == "reach"), self._reach)
            begins = bool(fresh) and not self._begun
            self._begun = self._begun or begins
            entered = self._entered
            if not entered:
                self._waiting += now
        if begins:
            self._put_job(self._come)
        if entered:
            self._queue_up(now)

    def _come(self) -> None:
        """Find out where the target is, and wait for its host's turn."""
        self._way.resolved.settle()
        self._put_job(self._enter)

    def _take_queue(self, addresses: tuple[str, ...]) -> None:
        """Take the queue of the target's host, by whose addresses its laws are shared with others that are there."""
        self._queue = self._hosts.queue_of(self._target, addresses, self._station.calm_down)
        self._station.guessing = self._queue.guessing["guess_login"]

    def _enter(self) -> None:
        """Reach the target, and queue what waited for that: one thread waits where nobody answers, not eight."""
        self._way.enter(self._waiting, self._look_at_tls)
        with self._lock:
            now, self._waiting, self._entered = self._waiting, [], True
        self._queue_up(now)

    def _look_at_tls(self) -> None:
        """Queue what sends no request, and so takes nothing from the first of all that a limit could count."""
        with self._lock:
            now = [ask for ask in self._waiting if PROBES[ask.probe].module.startswith("tls.")]
            self._waiting = [ask for ask in self._waiting if ask not in now]
        self._queue_up(now)

    def _queue_up(self, now: list[Ask]) -> None:
        """Queue questions of the first stage, and those of later ones where there are no others."""
        for lane in lanes(now):
            self._put(*lane)
        self._turn_to_later()

    def _stage(self, ask: Ask) -> int:
        """Return a question's stage; without an account there is nothing to wait for."""
        probe = PROBES[ask.probe]
        return 0 if "account" in probe.given and self._target.credentials is None else probe.stage

    def _put(self, *asks: Ask, next_one: bool = False) -> None:
        """Answer these questions, one after the other."""
        first, *rest = asks

        def job() -> None:
            if not self._answers[first].dropped:  # the run has ended meanwhile
                self._look(first)
            if rest:
                self._put(*rest, next_one=True)  # before confirming, for which another thread need not wait
            self._go_on()

        self._put_job(job, next_one=next_one)

    def _put_job(self, job: Callable[[], None], *, next_one: bool = False) -> None:
        self._hosts.workers.put(self._queue, job, next_one=next_one)

    def pending(self, ask: Ask) -> Pending | None:
        """Return the answer to a question, which may be yet to come; None where it was not added."""
        return self._answers.get(ask)

    def arrived(self) -> Station:
        """Return the target's station, after reaching the target.

        Raises:
            ProbeError: the target cannot be reached.
        """
        self._way.resolved.settle()
        self._way.arrived.get()
        return self._station

    def identity(self) -> dict[str, Any]:
        """Return what identifies the server so far."""
        return self._station.identity() | {"node_red": self._node_red}

    def drop(self) -> None:
        """Drop the questions not asked yet."""
        with self._lock:
            pending = list(self._answers.values())
        for answer in pending:
            answer.drop()

    def close(self) -> None:
        """Close all connections."""
        self._station.close()

    def leave(self, kept: Iterable[Ask]) -> dict[Ask, Pending]:
        """Ask nothing more and let go of what was seen; return the answers that are kept."""
        self.drop()
        self.close()
        self._hosts.workers.leave(self._queue, self._station.calm_down)
        with self._lock:
            answers = {ask: self._answers[ask] for ask in kept if ask in self._answers}
            gone = Pending()  # for what is queued or in progress
            gone.drop()
            self._answers = dict.fromkeys(self._answers, gone)
        self._landmarks = Landmarks(self._station)
        self._signs = Signs(self._station, self._landmarks)
        self._station.forget()
        return answers

    # --- looking

    def _look(self, ask: Ask) -> None:
        probe = PROBES[ask.probe]
        guesses = probe.stage == _ONE_BY_ONE
        with self._lock:
            rests = self._rests
            if self._resting:
                self._parked.append(ask)
                return
        if ask in self._twice:
            self._station.try_again()
        try:
            with self._queue.guessing[ask.probe] if guesses else contextlib.nullcontext():
                seen: Observation | ProbeError = self._observe(ask)
        except ProbeError as error:
            seen = error
        except BaseException as bug:  # noqa: BLE001  handed to the test that asked, where it is raised as it is
            self._answers[ask].settle(None, bug)
            with self._lock:
                self._open[probe.confirmed_by] -= 1
            return
        trouble = seen if isinstance(seen, ProbeError) else None
        if trouble and trouble.cause in _NO_TLS and not (probe.landmarks or {"admin", "host"} & {*probe.given}):
            seen = trouble = self._signs.as_all(trouble)
            if trouble.cause in _ENDED and self._once_more(ask, open_still=True):
                return
        silent = trouble is not None and trouble.cause in _SILENT
        with self._lock:
            if rests != self._rests and not guesses:  # it may be the limit's answer; passwords are tried once
                return self._put(ask)
            late = trouble is None or (trouble.cause in _MAY_PASS and ask != self._reach)
            waits = late and bool(probe.confirmed_by)
            if waits:
                self._unconfirmed.add(ask, seen)
            self._open[probe.confirmed_by] -= 1
            self._failed = self._failed + (self._lost is None) if silent else 0
            self._lost = self._lost or self._station.pace.given_up
        if not waits:
            self._hand_out(ask, seen)
        if silent:
            self._note_silence()

    def _note_silence(self) -> None:
        """Ask a landmark after several looks without an answer: if the target has banned us, send nothing more."""
        with self._lock:
            if self._failed < AT_ONCE:
                return
            self._failed = 0
        with contextlib.suppress(ProbeError):  # no landmark was ever seen
            if trouble := self._signs.changed({"admin"}, self._good, anew=True):
                self._rest(trouble, {"admin"})

    def _go_on(self) -> None:
        self._get_ready_to_guess()
        self._turn_to_later()
        while batch := self._due():
            self._confirm(batch)
        self._turn_to_later()
        with self._lock:
            left = self._open.total() or self._later or self._waiting or self._unconfirmed or self._confirming
        if not left:
            self._station.rest()

    def _get_ready_to_guess(self) -> None:
        """Connect for the password guesses while the last looks before them are still running."""
        with self._lock:
            due = 0 < self._open.total() < 2 * AT_ONCE and any(self._stage(ask) == _ONE_BY_ONE for ask in self._later)
            if not due or self._ready_to_guess or self._lost is not None or not self._target.policy.guess:
                return
            self._ready_to_guess = True
        self._way.get_ready_to_guess()

    def _observe(self, ask: Ask) -> Observation:
        from pytest_nodered_sec.probes.transport.look import Look

        probe = PROBES[ask.probe]
        if self._lost is not None and not (probe.by_turns and self._station.repeats.turns()):
            raise self._told(ask, self._lost)
        try:
            self._way.arrived.get()
        except ProbeError as error:
            if ask.probe == "reach":
                raise  # it carries the cause
            raise see_reach(self._target.name) from error
        names = (*probe.given, *probe.landmarks)
        if ask.probe != "reach" and not {"admin", "node"}.isdisjoint(names):  # the node root is found by way of it
            try:
                self._landmarks.get("admin")
            except ProbeError as error:
                raise see_reach(self._target.name) from error
        marks = [self._landmarks.get(name) for name in names]
        look = Look(self._station)
        seen = probe.load()(look, *marks, *ask.args)
        with self._lock:
            self._station.looks += 1
            if not look.sent:
                self._unconfirmed.note_shared(ask)
        return seen

    def _hand_out(self, ask: Ask, outcome: Observation | ProbeError) -> None:
        self._node_red = self._node_red or getattr(outcome, "node_red", "")  # of those that know the release
        self._answers[ask].settle(self._station.down.told(ask.args, outcome))

    def _told(self, ask: Ask, trouble: ProbeError) -> ProbeError:
        """Return what a question is told of trouble with all of the target: the sentence only where reach-01 asks."""
        reach = None if self._reach in (None, ask) else self._answers.get(self._reach)
        carried = reach is not None and (reach.failed or not reach.done)
        return see_reach(self._target.name) if carried else trouble.again()

    def _turn_to_later(self) -> None:
        """Queue the next stage's questions when all earlier ones are answered; before guesses also confirmed."""
        with self._lock:
            if self._open.total() or not self._later:
                return
            stage = min(map(self._stage, self._later))
            if stage in (_ONE_BY_ONE, _COMPARING) and (self._unconfirmed or self._confirming):
                return
            next_ones = [ask for ask in self._later if self._stage(ask) == stage]
            self._later = [ask for ask in self._later if ask not in next_ones]
            self._open.update(PROBES[ask.probe].confirmed_by for ask in next_ones)
        for lane in one_by_one(next_ones, self._target) if stage == _ONE_BY_ONE else [[ask] for ask in next_ones]:
            self._put(*lane)

    # --- landmarks

    def _due(self) -> list[Waiting]:
        with self._lock:
            return self._unconfirmed.due(self._open, self._confirming)

    def _confirm(self, batch: list[Waiting]) -> None:
        """Release the waiting answers, all of one kind, if the canaries still answer as at the start."""
        kind = PROBES[batch[0][0].probe].confirmed_by
        try:
            self._signs.ask_again([seen for _, seen in batch])
            names = {name for ask, _ in batch for name in PROBES[ask.probe].landmarks}
            trouble = self._signs.changed(names, self._good, anew=kind == "doors")
            if trouble and self._rest(trouble, names, batch):
                batch, trouble = [], None
        except BaseException as bug:  # noqa: BLE001  handed to the tests that wait, or they would wait forever
            for ask, _ in batch:
                self._answers[ask].settle(None, bug)
            batch, trouble = [], None
        for ask, seen in batch:
            unsure = trouble is None and may_come_again(seen, self._target)
            unsure = unsure and not self._station.down.explains(ask.args, seen)
            if not (unsure and self._once_more(ask)):
                why = self._lost if unsure else trouble
                self._hand_out(ask, seen if why is None else self._told(ask, why))
        with self._lock:
            self._confirming.remove(kind)
            self._good += len(batch) if trouble is None else 0

    # --- limits that do not say so

    def _once_more(self, ask: Ask, *, open_still: bool = False) -> bool:
        """Ask again, once and over fewer connections, what a limit may have answered.

        Where it counts as open still, it is a look at TLS: limits of new connections forget them after a pause.
        """
        with self._lock:
            if ask in self._twice or PROBES[ask.probe].stage == _ONE_BY_ONE:
                return False
            self._twice.add(ask)
            self._open[PROBES[ask.probe].confirmed_by] += not open_still
        if open_still:
            self._pause.settle()
        self._put(ask)
        return True

    def _rest(self, trouble: ProbeError, names: set[str], batch: Iterable[Waiting] = ()) -> bool:
        """Ask nothing for some seconds; return whether that helped, and these answers' questions are asked again.

        Where it did not, nothing more is asked: the target has banned us (`trouble`, of one of these landmarks).
        """
        with self._lock:
            again = [ask for ask, _ in batch]
            once = any(PROBES[ask.probe].stage == _ONE_BY_ONE for ask in (*again, *self._unconfirmed.asks()))
            if self._lost is not None or once:
                self._lost = self._lost or trouble
                return False
            self._open.update(PROBES[ask.probe].confirmed_by for ask in again)
            if self._resting:
                self._parked += again
                return True
            self._resting, self._rests = True, self._rests + 1
        helped = False
        try:
            helped = self._signs.limited(names, self._good)
        finally:
            with self._lock:
                self._resting = False
                if helped:
                    waited = self._unconfirmed.asks()
                    self._unconfirmed = Unconfirmed(self._target)
                    self._open.update(PROBES[ask.probe].confirmed_by for ask in waited)
                    again += waited
                else:
                    self._lost = trouble
                    self._open.subtract(PROBES[ask.probe].confirmed_by for ask in again)
                    again = []
                parked, self._parked = self._parked, []
                for ask in (*again, *parked):
                    self._put(ask)
        return helped
