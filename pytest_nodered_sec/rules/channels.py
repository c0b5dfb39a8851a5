"""Whether anonymous clients can open the WebSockets of Node-RED and of the site's flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.observations.answers import Kind
from pytest_nodered_sec.observations.channels import SHUT, Channel
from pytest_nodered_sec.remedies.lines import ADMIN_AUTH, nginx_gate
from pytest_nodered_sec.rules.endpoints import absent
from pytest_nodered_sec.verdict import NotApplicable, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.channels import ChannelAttempt, ForeignAttempt
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

_REFUSAL: Final = "a refusal: 401 or 403 to the handshake"


def comms_refuses(seen: ChannelAttempt, policy: Policy) -> Verdict:
    """The editor's channel gives an anonymous subscriber nothing; without the editor it is not there."""
    if seen.channel is Channel.REFUSED_INSIDE:
        return ()
    attempt = seen.attempt
    if seen.channel is Channel.NO_CHANNEL and attempt.kind is Kind.REFUSED:
        return ()
    if seen.channel is Channel.NO_CHANNEL and attempt.kind is Kind.ABSENT:
        if attempt.view.api_absent and policy.admin_api != "disabled":
            return NotApplicable(f"no admin API at {attempt.view.root}: see admin-01, the instance GET /settings")
        return ()
    return (
        _open(
            seen,
            f'{_REFUSAL}, or {{"auth":"fail"}} to the subscription',
            f"{ADMIN_AUTH} (httpAdminAuth does not cover /comms). "
            f"Or nginx: {nginx_gate(attempt.view.root.rstrip('/') + '/comms')}",
        ),
    )


def websocket_refuses(seen: ChannelAttempt, policy: Policy) -> Verdict:
    """A declared WebSocket is there, and refuses anonymous clients."""
    del policy  # what it declares is what was asked
    if seen.channel is Channel.NO_CHANNEL and seen.attempt.kind is Kind.REFUSED:
        return ()
    if seen.channel is Channel.NO_CHANNEL and seen.attempt.kind is Kind.ABSENT:
        return absent(seen, "WebSocket")
    path = seen.attempt.absolute
    return (
        _open(
            seen,
            _REFUSAL,
            f"nginx: {nginx_gate(path)}. In Node-RED itself, webSocketNodeVerifyClient can refuse anonymous clients",
        ),
    )


def foreign_origin_is_refused(tried: ForeignAttempt, policy: Policy) -> Verdict:
    """A live channel refuses connections from another site's page."""
    seen = tried.seen
    attempt = seen.attempt
    reason = policy.public_reason(attempt.path.removesuffix("/socket.io") or "/")
    if reason:
        return NotApplicable(f"declared public: {reason}")
    if tried.login_first:
        return NotApplicable(f"{tried.evidence()}: it requires a login; the Origin matters only behind it")
    if seen.channel is Channel.REFUSED_INSIDE:
        return NotApplicable(f"{tried.evidence()}: browsers do not send this login automatically")
    if seen.channel is Channel.NO_CHANNEL and attempt.kind is Kind.ABSENT:
        return NotApplicable(f"{tried.evidence()}: no live channel there")
    refused = attempt.kind is Kind.REFUSED or attempt.answer.status >= 400
    if seen.channel in SHUT or (seen.channel is Channel.NO_CHANNEL and refused):
        return ()
    return (
        Violation(
            "foreign-origin",
            tried.evidence(),
            "no connection for a page of another site",
            "settings.js: compare socket.handshake.headers.origin with the host in ioMiddleware (dashboards), "
            "info.origin in webSocketNodeVerifyClient (WebSocket nodes), or let the proxy refuse foreign Origins",
        ),
    )


def _open(seen: ChannelAttempt, expected: str, remedy: str) -> Violation:
    code = "channel-open" if seen.channel is Channel.OPEN else "channel-answers"
    return Violation(code, seen.evidence(), expected, remedy)
