"""Whether the endpoints of the site's flows refuse anonymous requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.observations.answers import Kind
from pytest_nodered_sec.rules.access import refuses_access
from pytest_nodered_sec.verdict import Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.channels import ChannelAttempt
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict


def endpoint_refuses(seen: AccessAttempt, policy: Policy) -> Verdict:
    """A declared endpoint is there, and refuses anonymous requests."""
    return absent(seen, "endpoint") if seen.kind is Kind.ABSENT else refuses_access(seen, policy)


def absent(seen: AccessAttempt | ChannelAttempt, what: str) -> Verdict:
    """Return the violation for a declared path that is absent, and so was not shown to be protected."""
    return (
        Violation(
            "declared-but-absent",
            f"{seen.evidence()}, though this {what} is declared",
            f"the declared {what}, behind a login",
            "correct the path where it is declared, or --nodered-node-root",
        ),
    )
