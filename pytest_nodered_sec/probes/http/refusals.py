"""Requests that a front turns away without a status that says so: closed, dropped in silence, or of a method not taken.

Each is compared with requests that differ in nothing else, so that trouble on the way is not taken for a refusal.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.answers import Answer
from pytest_nodered_sec.observations.refusals import UNSUPPORTED, may_refuse_method, refused_method
from pytest_nodered_sec.probes.http.landmarks import see_again
from pytest_nodered_sec.probes.transport.deadlines import ended_where_tls
from pytest_nodered_sec.probes.transport.form import USUAL
from pytest_nodered_sec.probes.transport.http import USER_AGENT, Exchange, request_bytes
from pytest_nodered_sec.probes.transport.names import random_path
from pytest_nodered_sec.probes.transport.response import Malformed, Stream, Unreadable, read_head

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.observations.answers import Classified, RootView
    from pytest_nodered_sec.probes.transport.look import Look


_SILENCE: Final = 4.0  # seconds without an answer that tell something; HAProxy says after 3 that a server is gone
_SUSPECTED: Final = 1.5  # the same, of several things together, each of which is asked for afterwards
_KNOWN: Final = 1.0  # the same, of what is dropped elsewhere
_TIMES: Final = 4  # the slowest answer's
_BEHIND: Final = 2  # times that besides, where an upgrade goes before, always on a new connection
_UNREACHED: Final = (502, 503, 504)  # a front says so of what is behind it, which may be there tomorrow
_GONE: Final = (Cause.TIMEOUT, Cause.CLOSED)  # HAProxy's silent-drop may end connections that were idle before


def dropped_parts(look: Look) -> set[str]:
    """Return what is known to be dropped in silence at this target: names of parts, and words of evidence; it grows."""
    return look.shared("dropped", set[str])


def turns_away(status: int) -> bool:
    """Whether a front may turn requests away with this status: it takes no such thing (501, 505), or breaks on it."""
    return status >= 500 and status not in _UNREACHED


def unless_dropped(
    look: Look, view: RootView, said: str, ask: Callable[[], Answer], nowhere: Callable[[], Answer]
) -> Answer:
    """Ask with something made up; return an answer with status 0 where nothing comes, and not elsewhere either.

    So do HAProxy's silent-drop, reject and tarpit. Silence is told from trouble by the sign of life, which is answered
    in between, and by its length, many times that of any answer; and what takes its time, such as a flow that asks a
    machine, by a path that nobody serves: that gets its answer at once.

    Args:
        look: the look.
        view: landmarks of the root.
        said: what is made up, as the evidence calls it; proven once for all surfaces.
        ask: sends the request.
        nowhere: sends the same to a path that nobody serves.

    Raises:
        ProbeError: no answer for another reason.
    """
    known = said in dropped_parts(look)
    least = _KNOWN if known else _SUSPECTED if look.suspecting else _SILENCE
    times = _TIMES + _BEHIND * bool(look.form.behind)
    patience = max(least, times * look.station.pace.slowest)
    if patience >= look.target.timeout:
        return ask()
    try:
        with look.within(patience):
            return ask()
    except ProbeError as error:
        if error.cause not in _GONE:
            raise
        silent = error.cause is Cause.TIMEOUT
        look.extend()
        with look.formed(USUAL):
            if not see_again(look, view).same_as(view.sign):
                raise error.again() from None
    if not (silent and (known or look.suspecting)):
        try:
            with look.within(patience):
                nowhere()
        except ProbeError as error:
            if error.cause not in _GONE:
                raise
            silent = silent or error.cause is Cause.TIMEOUT
        else:
            look.extend()
            return ask()
        look.extend()
    if silent and not look.suspecting:
        dropped_parts(look).add(said)
    return Answer(0, dropped=silent)


def closed_twice(look: Look, error: ProbeError, view: RootView, what: str, again: Callable[[], Answer]) -> Answer:
    """Ask once more where the connection was closed; return an answer with status 0 where it is closed again.

    Args:
        look: the look.
        error: what became of the first request.
        view: landmarks of the root; in between, its sign of life must be answered as at the start.
        what: method, path and headers; what differs in none of them is asked once.
        again: sends the request again.

    Raises:
        ProbeError: another error than a close, or the sign of life was not answered as at the start.
    """
    if error.cause is not Cause.CLOSED:
        raise error.again()

    def find() -> Answer:
        with look.formed(USUAL):
            if not see_again(look, view).same_as(view.sign):
                raise error.again()
        try:
            return again()
        except ProbeError as second:
            if second.cause is not Cause.CLOSED:
                raise
            return Answer(0)

    return look.shared(f"closed: {what} {look.form}", find)


def answers_anew(look: Look, view: RootView, seconds: float) -> bool:
    """Whether an ordinary request is answered on a new connection, as an upgrade needs one: a limit may drop these."""
    station, own = look.station, look.target.http.headers
    fields = {"Host": station.host_header(look.target.port), "User-Agent": USER_AGENT, **own}

    def send() -> Exchange:
        with look.open(verified=bool(own)) as sock, ended_where_tls(sock, look.deadline):
            sock.until(look.deadline)
            sock.sendall(request_bytes("GET", view.sign.path, fields))
            return Exchange(read_head(Stream(sock)).status, {}, b"")

    look.extend()
    with contextlib.suppress(OSError, Malformed, Unreadable, ProbeError), look.within(seconds):
        look.politely("GET", view.sign.path, station.client(None, verified=bool(own))[1], send, 0)
        return True
    return False


def method_refused(look: Look, answer: Answer, method: str, view: RootView, canary: Answer) -> Classified | None:
    """Return what an answer is where the front refuses the method; None where it does not, or that is not known.

    A 400 or 415 may be about a header or the body, so a random path is asked without either.

    Args:
        look: the look.
        answer: what came.
        method: HTTP method.
        view: landmarks of the root.
        canary: what a random path got, by the same method and with the same headers.

    Raises:
        ProbeError: no answer.
    """
    if not may_refuse_method(answer, view.canary) or answer.status != canary.status:
        return None
    if answer.status not in UNSUPPORTED:
        root = view.root.rstrip("/")
        canary = look.shared(f"bare {method} below {root}", lambda: look.answer(method, root + random_path()))
    return refused_method(answer, canary, view.canary)
