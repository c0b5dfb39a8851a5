"""Requests that a front turns away without a status that says so: it closes the connection, or takes no such method.

Each is compared with requests that differ in nothing else, so that trouble on the way is not taken for a refusal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.answers import Answer
from pytest_nodered_sec.observations.refusals import UNSUPPORTED, may_refuse_method, refused_method
from pytest_nodered_sec.probes.http.landmarks import see_again
from pytest_nodered_sec.probes.transport.names import random_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.observations.answers import Classified, RootView
    from pytest_nodered_sec.probes.transport.look import Look


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
        if not see_again(look, view).same_as(view.sign):
            raise error.again()
        try:
            return again()
        except ProbeError as second:
            if second.cause is not Cause.CLOSED:
                raise
            return Answer(0)

    return look.shared(f"closed: {what}", find)


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
