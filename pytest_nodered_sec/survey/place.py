"""One target of a survey: its landmarks, its questions, and the answers that await confirmation by the landmarks."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.errors import Cause, ProbeError, see_reach
from pytest_nodered_sec.observations.addresses import BY_TURNS
from pytest_nodered_sec.observations.settling import asked_again
from pytest_nodered_sec.probes.transport.net import AT_ONCE
from pytest_nodered_sec.probes.transport.once import Memo, Once
from pytest_nodered_sec.registry import PROBES
from pytest_nodered_sec.survey.landmarks import Landmarks
from pytest_nodered_sec.survey.pending import Pending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_nodered_sec.model import Ask, Observation, Target
    from pytest_nodered_sec.probes.transport.contexts import Contexts
    from pytest_nodered_sec.probes.transport.logins import Logins
    from pytest_nodered_sec.probes.transport.station import Station
    from pytest_nodered_sec.survey.hosts import Hosts

CANARY_EVERY: Final = 25  # looks between two signs of life; about every third shares the request of another
_ONE_BY_ONE: Final = 2  # the stage of log-ins that are guesses
_COMPARING: Final = 4  # the stage in which all answers are compared
_IN_CLEAR: Final = 2  # connections to the plain HTTP port at once
_SILENT: Final = (Cause.UNREACHABLE, Cause.TIMEOUT, Cause.CLOSED)


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
        self._queue = hosts.queue_of(target, (), self._station.calm_down)
        self._lock = threading.Lock()
        self._answers: dict[Ask, Pending] = {}
        self._later: list[Ask] = []  # questions of a later stage, not queued yet
        self._open = Counter[str]()  # questions queued or in progress, by what confirms them
        self._unconfirmed: dict[str, list[tuple[Ask, Observation]]] = {}  # by what confirms them
        self._confirming: set[str] = set()
        self._ready_to_guess = False
        self._failed = 0  # looks in a row that got no answer
        self._good = 0  # looks confirmed so far
        self._lost: ProbeError | None = None
        self._node_red = ""
        self._begun = False  # whether anything was asked
        self._entered = False  # whether it is known that the target can be reached, or cannot
        self._waiting: list[Ask] = []  # questions that wait for that
        self._resolution = Once(self._resolve)
        self._arrival = Once(self._arrive)
        self._landmarks = Landmarks(self._station)

    def add(self, asks: Iterable[Ask]) -> None:
        """Queue the questions that are new."""
        with self._lock:
            fresh = [ask for ask in dict.fromkeys(asks) if ask not in self._answers]
            for ask in fresh:
                self._answers[ask] = Pending()
            now = [ask for ask in fresh if not self._stage(ask)]
            self._later += [ask for ask in fresh if self._stage(ask)]
            self._open.update(PROBES[ask.probe].confirmed_by for ask in now)
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
        self._resolution.settle()
        self._put_job(self._enter)

    def _enter(self) -> None:
        """Reach the target, and queue what waited for that: one thread waits where nobody answers, not eight."""
        self._arrival.settle()
        with self._lock:
            now, self._waiting, self._entered = self._waiting, [], True
        self._queue_up(now)

    def _queue_up(self, now: list[Ask]) -> None:
        """Queue questions of the first stage, and those of later ones where there are no others."""
        now.sort(key=lambda ask: -PROBES[ask.probe].trips)
        clear = [ask for ask in now if "plain" in PROBES[ask.probe].landmarks]
        tls = [ask for ask in now if "tls" in PROBES[ask.probe].given]  # one looks: others would only wait for it
        apart = {*clear, *tls}
        rest = [ask for ask in now if ask not in apart]
        # Too many at once on the plain port would take the connections of the others, which would have to reconnect.
        for lane in filter(None, (clear[number::_IN_CLEAR] for number in range(_IN_CLEAR))):
            self._put(*lane)
        if tls:
            self._put(*tls)
        for ask in rest:
            self._put(ask)
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
        self._resolution.settle()
        self._arrival.get()
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
        self._station.forget()
        return answers

    # --- looking

    def _look(self, ask: Ask) -> None:
        kind = PROBES[ask.probe].confirmed_by
        alone = self._queue.guessing if PROBES[ask.probe].stage == _ONE_BY_ONE else contextlib.nullcontext()
        try:
            with alone:
                seen = self._observe(ask)
        except ProbeError as error:
            self._hand_out(ask, error)
            self._note_failure(error)
        except BaseException as bug:  # noqa: BLE001  handed to the test that asked, where it is raised as it is
            self._answers[ask].settle(None, bug)
        else:
            self._failed = 0
            if kind:
                with self._lock:
                    self._unconfirmed.setdefault(kind, []).append((ask, seen))
            else:
                self._hand_out(ask, seen)
        with self._lock:
            self._open[kind] -= 1

    def _note_failure(self, error: ProbeError) -> None:
        """Ask a landmark after several looks without an answer: if the target has banned us, send nothing more."""
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
        if self._all_answered():
            self._station.rest()

    def _all_answered(self) -> bool:
        with self._lock:
            return not (self._open.total() or self._later or self._waiting or self._unconfirmed or self._confirming)

    def _get_ready_to_guess(self) -> None:
        """Connect for the password guesses while the last looks before them are still running."""
        from pytest_nodered_sec.probes.transport.look import Look

        with self._lock:
            due = 0 < self._open.total() < 2 * AT_ONCE and any(self._stage(ask) == _ONE_BY_ONE for ask in self._later)
            if not due or self._ready_to_guess or self._lost is not None or not self._target.policy.guess:
                return
            self._ready_to_guess = True
        with contextlib.suppress(ProbeError):  # who guesses is told
            self._station.check_channel(Look(self._station).deadline)

    def _observe(self, ask: Ask) -> Observation:
        from pytest_nodered_sec.probes.transport.look import Look

        probe = PROBES[ask.probe]
        if self._lost is not None and not (probe.by_turns and self._station.repeats.turns()):
            raise self._lost.again()
        try:
            self._arrival.get()
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
        seen = probe.load()(Look(self._station), *marks, *ask.args)
        with self._lock:
            self._station.looks += 1
        return seen

    def _hand_out(self, ask: Ask, outcome: Observation | ProbeError) -> None:
        self._node_red = self._node_red or getattr(outcome, "node_red", "")  # of those that know the release
        self._answers[ask].settle(outcome)

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
        for lane in [next_ones] if stage == _ONE_BY_ONE else [[ask] for ask in next_ones]:
            self._put(*lane)

    # --- landmarks

    def _resolve(self) -> bool:
        """Find the target's addresses, by which the laws of a host are shared with others that are there."""
        from pytest_nodered_sec.probes.transport.look import Look

        addresses = self._station.resolve(Look(self._station).deadline)
        self._queue = self._hosts.queue_of(self._target, addresses, self._station.calm_down)
        return True

    def _arrive(self) -> bool:
        from pytest_nodered_sec.probes.transport.look import Look

        look = Look(self._station)
        self._resolution.get()
        self._station.arrive(look.deadline)
        return True

    def _due(self) -> list[tuple[Ask, Observation]]:
        """Take the answers to confirm now: every 25 looks, and when no more of their kind are open.

        Answers from other ports are confirmed at the end only, because that takes new connections.
        """
        with self._lock:
            for kind, waiting in self._unconfirmed.items():
                enough = kind != "doors" and len(waiting) >= CANARY_EVERY and self._open[kind] >= AT_ONCE
                if kind not in self._confirming and (enough or not self._open[kind]):
                    self._confirming.add(kind)
                    return self._unconfirmed.pop(kind)
        return []

    def _confirm(self, batch: list[tuple[Ask, Observation]]) -> None:
        """Release the waiting answers, all of one kind, if the canaries still answer as at the start."""
        kind = PROBES[batch[0][0].probe].confirmed_by
        try:
            self._ask_again(batch)
            names = {name for ask, _ in batch for name in PROBES[ask.probe].landmarks}
            trouble = self._changed(names, anew=kind == "doors")
        except BaseException as bug:  # noqa: BLE001  handed to the tests that wait, or they would wait forever
            for ask, _ in batch:
                self._answers[ask].settle(None, bug)
            batch, trouble = [], None
        for ask, seen in batch:
            self._hand_out(ask, trouble or seen)
        with self._lock:
            self._confirming.remove(kind)
            self._good += len(batch) if trouble is None else 0
            self._lost = self._lost or trouble

    def _ask_again(self, batch: list[tuple[Ask, Observation]]) -> None:
        """Repeat the requests for the dashboards' pages and channels that were refused twice.

        Behind a load balancer the next server may serve them; the station compares the answers.
        """
        from pytest_nodered_sec.probes.http.addresses import ask_again

        paths = [path for path in (asked_again(seen, self._station.target) for _, seen in batch) if path]
        with contextlib.suppress(ProbeError):  # the landmarks show the target's state
            ask_again(self._station, [path for path in paths for _ in range(2)])  # two in a row: two servers

    def _changed(self, names: set[str], *, anew: bool) -> ProbeError | None:
        """Ask the landmarks again; return an error message if one no longer answers as at the start.

        Args:
            names: the landmarks.
            anew: whether a new connection must be accepted as well: a firewall may refuse new ones only.
        """
        known: list[Any] = []  # Any: landmarks are of several types
        for name in sorted(names):
            before = self._landmarks.get(name)
            if not any(before is landmark for landmark in known):  # both roots may be the same
                known.append(before)
        now = (self._refused() if anew else "") or next(filter(None, map(self._otherwise, known)), "")
        turns = self._station.repeats.turns()
        if turns and (not now or any(self._as_before(landmark) for landmark in known)):
            return ProbeError(
                f"{BY_TURNS}: {turns[0].line()}; several servers behind one address?",
                Cause.CHANGED,
            )
        if not now:
            return None
        return ProbeError(
            f"{self._target.name} no longer answers as before since look {self._good}, "
            f"{datetime.now(UTC):%H:%M:%SZ}: now {now}; banned, challenged, or down?",
            Cause.CHANGED,
        )

    def _as_before(self, before: Any) -> bool:  # Any: as above
        """Whether a landmark whose answer has changed answers as at the start in two more requests."""
        return any(not self._otherwise(before) for _ in range(2))

    def _refused(self) -> str:
        """Return why the URL's port accepts no new connection, "" if it does."""
        from pytest_nodered_sec.probes.transport.look import Look

        try:
            self._station.connect_anew(Look(self._station).deadline)
        except ProbeError as error:
            return error.message
        return ""

    def _otherwise(self, before: Any) -> str:  # Any: as above
        """Return a landmark's current answer, "" if it is the same as before."""
        from pytest_nodered_sec.probes.http import landmarks
        from pytest_nodered_sec.probes.transport.look import Look

        look = Look(self._station)
        try:
            if isinstance(before, landmarks.PlainView):
                again = landmarks.view_plain(look, before)
                return "" if before.same_as(again) else "something else on the plain HTTP port"
            seen = landmarks.see_again(look, before)
            return "" if before.sign.same_as(seen) else seen.answer.line()
        except ProbeError as error:
            return error.message
