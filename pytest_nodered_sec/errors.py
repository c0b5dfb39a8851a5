"""The two ways a control can end badly, kept apart for ever.

Only exceptions live here. `ProbeError`: we could not look (an error). `NonCompliant`: we looked, and it is
bad (a failure). Neither is ever turned into the other.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nodered_sec.model import Violation


class Cause(enum.Enum):
    """Why a look gave no answer."""

    UNREACHABLE = "unreachable"  # nothing accepts the connection, or the name does not resolve
    TIMEOUT = "timeout"  # the deadline of the whole look passed
    PROTOCOL = "protocol"  # something answered, but not what was asked for (no TLS, no HTTP, a cut-off answer)
    CLOSED = "closed"  # the connection ended without an answer
    REJECTED = "rejected"  # a TLS alert turned us away
    UNAVAILABLE = "unavailable"  # 5xx, 429, 408, a challenge or block page
    INDISTINCT = "indistinct"  # every path answers alike
    UNIDENTIFIED = "unidentified"  # nothing there shows a Node-RED, or nobody was seen behind the gate
    UNDECLARED_LOGIN = "undeclared-login"  # a redirect to a host nobody told us about
    UNVERIFIED = "unverified"  # a secret would have to be sent, and the certificate does not verify
    CHANGED = "changed"  # the target stopped answering as it did at the start
    FORBIDDEN = "forbidden"  # a right or a tool is missing on the host
    NOT_ASKED = "not-asked"  # the question itself might do harm; the message says what to declare
    SEE_REACH = "see-reach"  # the target is dead; reach-01 carries the cause


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


class NonCompliant(AssertionError):
    """We looked, and what we saw breaks the control.

    Args:
        violations: all of them, never empty.
    """

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__("\n".join(violation.observed for violation in violations))
        self.violations = tuple(violations)
