"""Whether strangers get a dashboard's page, or its live data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.model import Channel, Kind, Mark, NotApplicable, Violation
from pytest_nodered_sec.rules.access import served

if TYPE_CHECKING:
    from pytest_nodered_sec.model import AccessAttempt, SocketAttempt, Verdict
    from pytest_nodered_sec.policy import Policy

_KEYS: Final = {"/ui": "ui", "/dashboard": "dashboard"}  # the products' defaults: Dashboard 1, Dashboard 2


def page_refuses(seen: AccessAttempt, policy: Policy) -> Verdict:
    """A dashboard's page refuses anonymous visitors."""
    reason = policy.public_reason(seen.path)
    if reason:
        return NotApplicable(f"declared public: {reason}")
    if seen.kind is Kind.REFUSED:
        return ()
    if seen.kind is Kind.ABSENT:
        return _absent(seen, policy)
    return (
        served(
            seen,
            f"nginx: location ~* ^{_absolute(seen, seen.path)}(/|$) {{ auth_basic ...; }}, "
            "or settings.js: httpNodeAuth (pages only)",
        ),
    )


def channel_refuses(seen: SocketAttempt, policy: Policy) -> Verdict:
    """A dashboard's live channel refuses anonymous clients.

    httpNodeAuth and `middleware` guard pages only: Socket.IO hangs on the raw HTTP server, outside Express.
    """
    reason = policy.public_reason(seen.attempt.path.removesuffix("/socket.io"))
    if reason:
        return NotApplicable(f"declared public: {reason}")
    if seen.channel is Channel.REFUSED_BY_MIDDLEWARE:
        return ()
    if seen.channel is Channel.NO_CHANNEL and seen.attempt.kind is Kind.REFUSED:
        return ()
    if seen.channel is Channel.NO_CHANNEL and seen.attempt.kind is Kind.ABSENT:
        return _absent(seen.attempt, policy)
    key = _KEYS.get(seen.attempt.path.removesuffix("/socket.io"), "ui (Dashboard 1) or dashboard (Dashboard 2)")
    return (
        Violation(
            "channel-open" if seen.channel is Channel.OPEN else "channel-answers",
            seen.evidence(),
            "a refusal of the connect packet, or 401 or 403",
            f"settings.js: {key}: {{ioMiddleware: (socket, next) => ...}}, "
            f"or nginx: location ^~ {_absolute(seen.attempt, seen.attempt.path)}/ {{ auth_basic ...; }}",
        ),
    )


def support_data_is_refused(seen: AccessAttempt, policy: Policy) -> Verdict:
    """What a dashboard keeps beside its page is refused; a public page needs its `_setup`, and no more."""
    base, _, _ = seen.path.partition("/_")
    reason = policy.public_reason(base) if seen.path.endswith("/_setup") else ""
    if reason:
        return NotApplicable(f"declared public: {reason}")
    if seen.kind is Kind.REFUSED:
        return ()
    if seen.kind is Kind.ABSENT:
        return NotApplicable(f"{seen.evidence()}: no such support data")
    if Mark.CLEARTEXT_REDIRECT not in seen.answer.marks and seen.answer.content_type != "application/json":
        return NotApplicable(f"{seen.evidence()}: a page, not support data; see dash-01")
    return (
        served(
            seen,
            f"nginx: location ~* ^{_absolute(seen, base)}(/|$) {{ auth_basic ...; }}, "
            "or settings.js: httpNodeAuth, or dashboard: {middleware: (req, res, next) => ...}",
        ),
    )


def _absolute(seen: AccessAttempt, path: str) -> str:
    """Return the path as the proxy sees it: below the URL's path and the node root."""
    return seen.view.root.rstrip("/") + path


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
