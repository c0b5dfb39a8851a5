"""The exceptions: "could not look" and "non-compliant", which are never confused.

`ProbeError`: the check could not be made (pytest reports an error). `NonCompliant`: it was made, and the target
violates the control (a failure). Neither is ever turned into the other.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nodered_sec.verdict import Violation


class Cause(enum.Enum):
    """Why a look gave no answer."""

    UNREACHABLE = "unreachable"  # nothing accepts the connection, or the name does not resolve
    OUR_SIDE = "our-side"  # this machine cannot try: no route, no descriptors, a firewall or right of its own
    NO_ROUTE = "no-route"  # no route to host: our own trouble, or a firewall of theirs that says so
    TIMEOUT = "timeout"  # the deadline of the whole look passed
    PROTOCOL = "protocol"  # something answered, but not what was asked for (no TLS, no HTTP, a cut-off answer)
    CLOSED = "closed"  # the connection ended without an answer
    REJECTED = "rejected"  # a TLS alert turned us away
    UNAVAILABLE = "unavailable"  # 5xx, 429, 408, a challenge or block page
    INDISTINCT = "indistinct"  # every path answers alike
    UNIDENTIFIED = "unidentified"  # nothing identifies Node-RED there, or everything is refused before it
    UNDECLARED_LOGIN = "undeclared-login"  # a redirect to a host that is not declared
    UNVERIFIED = "unverified"  # a secret would have to be sent, and the certificate does not verify
    CHANGED = "changed"  # the target stopped answering as it did at the start
    FORBIDDEN = "forbidden"  # a right or a tool is missing on the host
    NOT_ASKED = "not-asked"  # the question itself might do harm; the message says what to declare
    SEE_REACH = "see-reach"  # another case carries the cause: reach-01 where the whole target cannot be looked at


class ProbeError(Exception):
    """We could not look: no verdict may follow from it.

    Args:
        message: one sentence: what was tried, what happened, and where it helps, what to do.
        cause: the kind of obstacle.
    """

    def __init__(self, message: str, cause: Cause) -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause

    def __reduce__(self) -> tuple[type[ProbeError], tuple[str, Cause]]:
        """Pickle by its two arguments, so that it crosses process borders unchanged."""
        return type(self), (self.message, self.cause)

    def again(self) -> ProbeError:
        """Return a fresh exception of the same content, for raising in another thread without our frames."""
        return ProbeError(self.message, self.cause)


def see_reach(target_name: str) -> ProbeError:
    """Return the error of a question that fails because the whole target does; reach-01 names the cause."""
    return ProbeError(f"{target_name} gave no usable answer: see reach-01", Cause.SEE_REACH)


def see_case(target_name: str, case: str) -> ProbeError:
    """Return the error of a question that fails for the reason that another case of the run tells.

    Args:
        target_name: name of the target.
        case: the other case: id of its control, and after a comma its instance, if it has one.
    """
    return ProbeError(f"{target_name} gave no answer, for the same reason as another case: see {case}", Cause.SEE_REACH)


def see_landmark(target_name: str) -> ProbeError:
    """Return the error of a question below a root that refuses everything; admin-01, GET /settings, names the cause."""
    return ProbeError(
        f"{target_name}: everything under the admin root is refused: see admin-01, GET /settings", Cause.SEE_REACH
    )


class NonCompliant(AssertionError):
    """We looked, and what we saw breaks the control.

    Args:
        violations: all of them, never empty.
    """

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__("\n".join(violation.observed for violation in violations))
        self.violations = tuple(violations)
