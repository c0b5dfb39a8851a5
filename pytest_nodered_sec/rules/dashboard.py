"""Whether a dashboard's page and live data are refused to anonymous clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.observations.answers import Kind
from pytest_nodered_sec.observations.channels import SHUT, Channel
from pytest_nodered_sec.remedies.lines import NO_DOTS, nginx_gate
from pytest_nodered_sec.rules.access import served
from pytest_nodered_sec.verdict import NotApplicable, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.channels import SocketAttempt
    from pytest_nodered_sec.observations.dashboards import DashboardVisit
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

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
            f"nginx: {nginx_gate(_absolute(seen, seen.path))} "
            "(settings.js: httpNodeAuth protects pages only, not the live channel)",
        ),
    )


def channel_refuses(seen: SocketAttempt, policy: Policy) -> Verdict:
    """A dashboard's live channel refuses anonymous clients.

    httpNodeAuth and `middleware` guard pages only: Socket.IO hangs on the raw HTTP server, outside Express.
    """
    dashboard, _, detour = seen.attempt.path.partition("/socket.io")
    dashboard = dashboard or "/"
    reason = policy.public_reason(dashboard)
    if reason:
        return NotApplicable(f"declared public: {reason}")
    if seen.channel in SHUT:
        return ()
    if seen.channel is Channel.NO_CHANNEL and seen.attempt.kind is Kind.REFUSED:
        return ()
    if seen.channel is Channel.NO_CHANNEL and seen.attempt.kind is Kind.ABSENT:
        return absent_dashboard(seen.attempt, policy)
    key = _KEYS.get(dashboard, "ui (Dashboard 1) or dashboard (Dashboard 2)")
    gate = nginx_gate(_absolute(seen.attempt, dashboard))
    if ".." in detour:  # the gate is there: what it lets pass is a path that is tidied for it, and not for Node-RED
        code, gate = "gate-passed", f"{NO_DOTS} in the server block"
    elif detour:
        code = "gate-passed"
        gate = f"before the location that lets such a path pass (location ~* \\.(js|css)$, location ~ /static/): {gate}"
    else:
        code = "channel-open" if seen.channel is Channel.OPEN else "channel-answers"
    return (
        Violation(
            code,
            seen.evidence(),
            "a refusal of the connect packet, or 401 or 403",
            f"nginx: {gate}. In Node-RED itself, ioMiddleware of {key} can refuse anonymous clients",
        ),
    )


def account_opens(seen: DashboardVisit, policy: Policy) -> Verdict:
    """The account that the site gave opens a dashboard: its page, the page's scripts and styles, its live channel."""
    reason = policy.public_reason(seen.path)
    if reason:
        return NotApplicable(f"declared public: {reason}")
    if seen.page.kind is Kind.ABSENT:
        return absent_dashboard(seen.page, policy)
    if not seen.opened:
        return (
            Violation(
                "account-refused",
                seen.page.evidence(),
                "the page, for the account in dashboard_credentials",
                "correct dashboard_credentials, or the account at the login before this path",
            ),
        )
    gate = f"nginx: {nginx_gate(_absolute(seen.page, seen.path))}. One login covers page, assets and live channel"
    violations = [
        Violation("asset-refused", attempt.evidence(), "the page's scripts and styles, for the same account", gate)
        for attempt in seen.assets
        if attempt.kind is not Kind.SERVED
    ]
    if seen.channel is not None and seen.channel.channel is not Channel.OPEN:
        violations.append(
            Violation(
                "channel-refused",
                f"{seen.channel.evidence()}, though the page was served",
                "the connect packet is accepted, for the same account",
                gate,
            )
        )
    return tuple(violations)


def support_data_is_refused(seen: AccessAttempt, policy: Policy) -> Verdict:
    """The files beside a dashboard's page are refused; a public page needs its `_setup` only."""
    base = seen.path.partition("/_")[0] or "/"
    reason = policy.public_reason(base) if seen.path.endswith("/_setup") else ""
    if reason:
        return NotApplicable(f"declared public: {reason}")
    if seen.kind is Kind.REFUSED:
        return ()
    if seen.kind is Kind.ABSENT:
        return NotApplicable(f"{seen.evidence()}: no such support data")
    if seen.answer.content_type != "application/json":
        return NotApplicable(f"{seen.evidence()}: a page, not support data; see dash-01")
    return (
        served(
            seen,
            f"nginx: {nginx_gate(_absolute(seen, base))}. "
            "In Node-RED itself, httpNodeAuth or dashboard.middleware can refuse anonymous clients",
        ),
    )


def _absolute(seen: AccessAttempt, path: str) -> str:
    """Return the path as the proxy sees it: below the URL's path and the node root."""
    return seen.view.root.rstrip("/") + path


def absent_dashboard(seen: AccessAttempt, policy: Policy) -> Verdict:
    """Return the verdict on an absent dashboard: a default path does not apply, a declared one is missing."""
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
