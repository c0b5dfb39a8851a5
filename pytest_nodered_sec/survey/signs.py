"""Whether a target still answers as at its start, and whether it does so again after a rest."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.errors import Cause, ProbeError, see_reach
from pytest_nodered_sec.observations.addresses import BY_TURNS
from pytest_nodered_sec.observations.settling import asked_again
from pytest_nodered_sec.survey.landmarks import may_be_a_limit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_nodered_sec.model import Observation
    from pytest_nodered_sec.probes.transport.station import Station
    from pytest_nodered_sec.survey.landmarks import Landmarks

_RESTS: Final = (2.0, 4.0, 6.0, 9.0)  # seconds; HAProxy's window of ten is forgotten after twenty, a ban is not
_FORGOTTEN: Final = 3.0  # seconds that limits of new connections look back, as guides to HAProxy have it
_WAY_OUT: Final = "pass the machine that runs the tests"
_INTERVALS: Final = (0.5, 1.1)  # seconds between requests from then on
_OTHERS: Final = 8  # new connections; slowly asked, one would do for all, and lead to one of several servers


class Signs:
    """The signs of life of one target.

    Args:
        station: the target's.
        landmarks: how it answered at the start.
    """

    def __init__(self, station: Station, landmarks: Landmarks) -> None:
        self._station = station
        self._landmarks = landmarks
        self._slowed = 0  # how often a rest helped

    def ask_again(self, seen: Sequence[Observation | ProbeError]) -> None:
        """Repeat the requests for the dashboards' pages and channels that were refused twice.

        Behind a load balancer the next server may serve them; the station compares the answers. What was refused as
        often in other forms meanwhile was refused by every server.
        """
        from pytest_nodered_sec.probes.http.addresses import ask_again

        answers = [answer for answer in seen if not isinstance(answer, ProbeError)]
        paths = [path for path in (asked_again(answer, self._station.target) for answer in answers) if path]
        paths = [path for path in paths if not self._station.repeats.refused_often(path.partition("?")[0])]
        if not paths:
            return
        with contextlib.suppress(ProbeError):  # the landmarks show the target's state
            ask_again(self._station, [path for path in paths for _ in range(2)])  # two in a row: two servers

    def changed(self, names: Iterable[str], good: int, *, anew: bool) -> ProbeError | None:
        """Ask the landmarks again; return an error message if one no longer answers as at the start.

        Args:
            names: the landmarks.
            good: how many looks were confirmed so far.
            anew: whether a new connection must be accepted as well: a firewall may refuse new ones only.
        """
        known = self._known(names)
        if self._slowed:
            self._station.rest()  # see `_OTHERS`
        now = self._now(known, anew=anew)
        turns = self._station.repeats.turns()
        if turns and (not now or any(self._as_before(landmark) for landmark in known)):
            return ProbeError(
                f"{BY_TURNS}: {turns[0].line()}; several servers behind one address, or a rate limit?", Cause.CHANGED
            )
        if not now:
            return None
        todo = (
            "" if _WAY_OUT in now else f"? If it is up, let its front {_WAY_OUT}, or slow down (--nodered-pace=quiet)"
        )
        return ProbeError(
            f"{self._station.target.name} no longer answers as before since look {good}, "
            f"{datetime.now(UTC):%H:%M:%SZ}: now {now}; banned, limited, challenged, or down{todo}",
            Cause.CHANGED,
        )

    def limited(self, names: Iterable[str], good: int) -> bool:
        """Whether the target answers as at its start after a rest: then ask slowly from now on, and all anew.

        So do fronts that limit requests with a status which does not say so (HAProxy's deny, nginx's
        `limit_req_status 444`). Not asked at the quiet pace, nor after the second time. Several servers behind one
        address answer by turns after a rest, too; where one of them serves what another refuses, nothing is forgotten.

        Args:
            names: the landmarks.
            good: how many looks were confirmed so far; where none was, the landmarks are looked at anew if it was a
                limit that answered them.
        """
        with contextlib.suppress(ProbeError):  # a landmark was never seen, or is not answered now
            return self._limited(names, good)
        return False

    def _limited(self, names: Iterable[str], good: int) -> bool:
        turns = self._station.repeats.turns()
        if self._station.pace.quiet or self._slowed == len(_INTERVALS) or any(turn.open for turn in turns):
            return False
        known = self._known(names)
        self._station.narrow()
        interval = _INTERVALS[self._slowed]
        with self._station.places.alone():
            for seconds in _RESTS:
                time.sleep(seconds)
                if self._unreached() is not None:
                    return False
                if not self._now(known, anew=False):
                    begun_limited = False
                    break
            else:
                begun_limited = any(map(may_be_a_limit, known))
                if not begun_limited:
                    return False
            self._station.pace.keep(interval)
            begun_limited = begun_limited or any(map(self._begun_limited, known))
            if (begun_limited and good) or (turns and self._others_answer_otherwise(known)):
                return False
        self._station.begin_again(interval)
        self._slowed += 1
        self._landmarks.forget("told", *(() if self._landmarks.knows("tls") else ("tls",)))
        if begun_limited:
            self._station.closes = False
            self._landmarks.forget("admin", "node", "plain")
        return True

    def as_all(self, error: ProbeError) -> ProbeError:
        """Return the error of a look at TLS that was closed; reach-01 says so where the landmarks are closed, too."""
        try:
            self._landmarks.get("admin")
        except ProbeError as other:
            return see_reach(self._station.target.name) if other.cause is Cause.CLOSED else error
        return error

    def pause(self) -> bool:
        """Wait until a limit of new connections has forgotten them; what is known of TLS is looked at again."""
        from pytest_nodered_sec.probes.tls.handshake import SHARED

        time.sleep(_FORGOTTEN)
        self._landmarks.forget("tls")
        self._station.found.drop(SHARED)
        return True

    def _unreached(self) -> ProbeError | None:
        """Return why nothing comes of connecting: what is down, or drops packets, is no limit of requests."""
        trouble = self._refused()
        return trouble if trouble is not None and trouble.cause in (Cause.UNREACHABLE, Cause.TIMEOUT) else None

    def _begun_limited(self, before: Any) -> bool:
        """Whether another landmark than the sign of life answers otherwise: the first answers were the limit's."""
        from pytest_nodered_sec.probes.http.landmarks import see
        from pytest_nodered_sec.probes.transport.look import Look

        seen = [getattr(before, name, None) for name in ("settings", "login")]
        canary = before.canary.answer if any(seen) else None
        return any(not each.same_as(see(Look(self._station), each.path, canary)) for each in seen if each is not None)

    def _known(self, names: Iterable[str]) -> list[Any]:  # Any, here and below: landmarks are of several types
        known: list[Any] = []
        for name in sorted(names):
            before = self._landmarks.get(name)
            if not any(before is landmark for landmark in known):  # both roots may be the same
                known.append(before)
        return known

    def _others_answer_otherwise(self, known: list[Any]) -> bool:
        """Whether a landmark is answered otherwise on one of several new connections."""
        for _ in range(_OTHERS):
            self._station.rest()
            if self._now(known, anew=False):
                return True
        return False

    def _now(self, known: list[Any], *, anew: bool) -> str:
        refused = self._refused() if anew else None
        return refused.message if refused else next(filter(None, map(self._otherwise, known)), "")

    def _as_before(self, before: Any) -> bool:
        """Whether a landmark whose answer has changed answers as at the start in two more requests."""
        return any(not self._otherwise(before) for _ in range(2))

    def _refused(self) -> ProbeError | None:
        """Return why the URL's port accepts no new connection, None if it does."""
        from pytest_nodered_sec.probes.transport.look import Look

        try:
            self._station.connect_anew(Look(self._station).deadline)
        except ProbeError as error:
            return error
        return None

    def _otherwise(self, before: Any) -> str:
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
