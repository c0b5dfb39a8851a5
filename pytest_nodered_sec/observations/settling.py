"""Whether an observation is a usable answer: checked before the test body, because only then pytest reports an error.

Each observation that needs the check has a method `settle`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, cast

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Settling, Surface
from pytest_nodered_sec.observations.access import AccessAttempt
from pytest_nodered_sec.observations.answers import Kind, Refuser
from pytest_nodered_sec.observations.channels import Channel, SocketAttempt

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Observation, Target


def asked_again(seen: Observation | ProbeError, target: Target) -> str:
    """Return the path that is asked once more before a refusal of a dashboard is believed; "" for everything else."""
    page = isinstance(seen, AccessAttempt) and seen.method == "GET" and seen.how == "without credentials"
    channel = isinstance(seen, SocketAttempt) and seen.channel is Channel.NO_CHANNEL
    attempt = seen.attempt if isinstance(seen, SocketAttempt) else seen
    if not (page or channel) or not isinstance(attempt, AccessAttempt) or attempt.surface is not Surface.DASHBOARD:
        return ""
    if attempt.kind is not Kind.REFUSED or (page and attempt.path not in target.dashboards):
        return ""  # of a dashboard only page and channel: the server of its other paths is the same
    return target.node(attempt.path) + ("/?EIO=4&transport=polling" if channel else "")


def may_be_a_limit(seen: Observation | ProbeError) -> bool:
    """Whether an answer may come from a front that limits requests in place of what is asked.

    That is an unnamed refusal, or a 404. Such a front's answers come between others, so the landmarks may be answered
    as ever while there are some.
    """
    attempt = getattr(seen, "attempt", seen)
    if not isinstance(attempt, AccessAttempt) or attempt.like_canary:
        return False
    return attempt.refuser is Refuser.UNNAMED or attempt.kind is Kind.ABSENT


def may_come_again(seen: Observation | ProbeError, target: Target) -> bool:
    """Whether a question that got no answer may get one later: a limit closed it, or answered 429, 503 or so."""
    try:
        answered(seen, target)
    except ProbeError as error:
        return error.cause in (Cause.CLOSED, Cause.UNAVAILABLE)
    return False


def answered(observation: Observation | ProbeError, target: Target) -> Observation:
    """Return the observation, if it answers its question under the target's policy.

    Raises:
        ProbeError: it could not be looked at, or is no answer; a fresh exception for every caller, without our frames.
    """
    __tracebackhide__ = True
    if isinstance(observation, ProbeError):
        raise observation.again()
    try:
        settle(observation, target)
    except ProbeError as error:
        raise error.again() from None
    return observation


def settle(seen: Observation, target: Target) -> None:
    """Raise `ProbeError` unless the observation answers its question under the target's policy.

    Pure, and run before the test body: what it raises is an error, never a failure.
    """
    if _settles(type(seen)):
        cast("Settling", seen).settle(target)


@cache
def _settles(kind: type) -> bool:
    """Whether observations of a type do; once for each type, because Python asks a protocol slowly."""
    return issubclass(kind, Settling)
