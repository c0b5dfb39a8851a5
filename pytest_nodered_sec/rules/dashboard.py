"""Whether strangers get a dashboard's page, or its live data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.model import NotApplicable, Violation
from pytest_nodered_sec.model_access import Channel
from pytest_nodered_sec.model_answers import Kind, Mark
from pytest_nodered_sec.rules.access import served

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Verdict
    from pytest_nodered_sec.model_access import AccessAttempt, SocketAttempt
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
        return absent_dashboard(seen, policy)
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
    dashboard, socket, detour = seen.attempt.path.partition("/socket.io")
    reason = policy.public_reason(dashboard)
    if reason:
        return NotApplicable(f"declared public: {reason}")
    if seen.channel is Channel.REFUSED_BY_MIDDLEWARE:
        return ()
    if seen.channel is Channel.NO_CHANNEL and seen.attempt.kind is Kind.REFUSED:
        return ()
    if seen.channel is Channel.NO_CHANNEL and seen.attempt.kind is Kind.ABSENT:
        return absent_dashboard(seen.attempt, policy)
    key = _KEYS.get(dashboard, "ui (Dashboard 1) or dashboard (Dashboard 2)")
    gate = f"location ^~ {_absolute(seen.attempt, dashboard + socket)}/ {{ auth_basic ...; }}"
    if ".." in detour:  # the gate is there: what it lets pass is a path that is tidied for it, and not for Node-RED
        code, gate = "gate-passed", 'if ($request_uri ~* "(/|%2f)(\\.|%2e)+(/|%2f)") { return 404; }'
    elif detour:
        code = "gate-passed"
        gate = f"before what lets names of files pass (location ~* \\.(js|css)$): {gate.replace('^~', '~*')}"
    else:
        code = "channel-open" if seen.channel is Channel.OPEN else "channel-answers"
    return (
        Violation(
            code,
            seen.evidence(),
            "a refusal of the connect packet, or 401 or 403",
            f"settings.js: {key}: {{ioMiddleware: (socket, next) => ...}}, or nginx: {gate}",
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


def absent_dashboard(seen: AccessAttempt, policy: Policy) -> Verdict:
    """Return what an absent dashboard comes to: a guessed one does not apply, a declared one is missed."""
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
