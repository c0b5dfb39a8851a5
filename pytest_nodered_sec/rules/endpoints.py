"""Whether strangers get at what the site's own flows offer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.model import Violation
from pytest_nodered_sec.model_answers import Kind
from pytest_nodered_sec.rules.access import refuses_access

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Verdict
    from pytest_nodered_sec.model_access import AccessAttempt, ChannelAttempt
    from pytest_nodered_sec.policy import Policy


def endpoint_refuses(seen: AccessAttempt, policy: Policy) -> Verdict:
    """A declared endpoint is there, and refuses anonymous requests."""
    return absent(seen, "endpoint") if seen.kind is Kind.ABSENT else refuses_access(seen, policy)


def absent(seen: AccessAttempt | ChannelAttempt, what: str) -> Verdict:
    """Return the violation of something declared that is not there: protected nowhere is not protected."""
    return (
        Violation(
            "declared-but-absent",
            f"{seen.evidence()}, though this {what} is declared",
            f"the declared {what}, behind a login",
            "correct the path where it is declared, or --nodered-node-root",
        ),
    )
