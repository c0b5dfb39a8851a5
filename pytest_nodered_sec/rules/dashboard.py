"""Whether strangers get a dashboard's page, or its live data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.model import Channel, Kind, NotApplicable, Violation
from pytest_nodered_sec.rules.access import served

if TYPE_CHECKING:
    from pytest_nodered_sec.model import AccessAttempt, SocketAttempt, Verdict
    from pytest_nodered_sec.policy import Policy


def page_refuses(seen: AccessAttempt, policy: Policy) -> Verdict:
    """A dashboard's page refuses anonymous visitors."""
    if seen.kind is Kind.REFUSED:
        return ()
    if seen.kind is Kind.ABSENT:
        return _absent(seen, policy)
    return (
        served(
            seen,
            f"nginx: location ~* ^{seen.path}(/|$) {{ auth_basic ...; }}, or settings.js: httpNodeAuth (pages only)",
        ),
    )


def channel_refuses(seen: SocketAttempt, policy: Policy) -> Verdict:
    """A dashboard's live channel refuses anonymous clients.

    httpNodeAuth and `middleware` guard pages only: Socket.IO hangs on the raw HTTP server, outside Express.
    """
    if seen.channel is Channel.REFUSED_BY_MIDDLEWARE or seen.attempt.kind is Kind.REFUSED:
        return ()
    if seen.channel is Channel.NO_CHANNEL and seen.attempt.kind is Kind.ABSENT:
        return _absent(seen.attempt, policy)
    base = seen.attempt.path.removesuffix("/socket.io")
    key = "dashboard" if base.startswith("/dashboard") else "ui"
    return (
        Violation(
            "channel-open" if seen.channel is Channel.OPEN else "channel-answers",
            seen.evidence(),
            "a refusal of the connect packet, or 401 or 403",
            f"settings.js: {key}: {{ioMiddleware: (socket, next) => ...}}, "
            f"or nginx: location ^~ {base}/socket.io/ {{ auth_basic ...; }}",
        ),
    )


def _absent(seen: AccessAttempt, policy: Policy) -> Verdict:
    if policy.dashboards is None:
        return NotApplicable(f"no dashboard found: {seen.evidence()}")
    return (
        Violation(
            "declared-but-absent",
            f"{seen.evidence()}, though the policy declares a dashboard there",
            "the declared dashboard, behind a login",
            "correct --nodered-dashboard or --nodered-node-root",
        ),
    )
