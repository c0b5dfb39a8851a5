"""Whether strangers can join the WebSockets of Node-RED and of the site's flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.model import NotApplicable, Violation
from pytest_nodered_sec.model_access import Channel
from pytest_nodered_sec.model_answers import Kind
from pytest_nodered_sec.rules.endpoints import absent

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Verdict
    from pytest_nodered_sec.model_access import ChannelAttempt, ForeignAttempt
    from pytest_nodered_sec.policy import Policy

_SHUT: Final = (Channel.REFUSED_BY_MIDDLEWARE, Channel.UNANSWERED)
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
            "settings.js: adminAuth without a `default` user (httpAdminAuth does not cover it), "
            "or nginx: location ~* ^/comms$ { auth_basic ...; }",
        ),
    )


def websocket_refuses(seen: ChannelAttempt, policy: Policy) -> Verdict:
    """A declared WebSocket is there, and refuses anonymous clients."""
    del policy  # what it declares is what was asked
    if seen.channel is Channel.NO_CHANNEL and seen.attempt.kind is Kind.REFUSED:
        return ()
    if seen.channel is Channel.NO_CHANNEL and seen.attempt.kind is Kind.ABSENT:
        return absent(seen, "WebSocket")
    path = seen.attempt.view.root.rstrip("/") + seen.attempt.path
    return (
        _open(
            seen,
            _REFUSAL,
            f"settings.js: webSocketNodeVerifyClient: (info) => ..., or nginx: location = {path} {{ auth_basic ...; }}",
        ),
    )


def foreign_origin_is_refused(found: ForeignAttempt, policy: Policy) -> Verdict:
    """A live channel refuses who comes from another site's page."""
    seen = found.seen
    attempt = seen.attempt
    reason = policy.public_reason(attempt.path.removesuffix("/socket.io"))
    if reason:
        return NotApplicable(f"declared public: {reason}")
    if found.login_first:
        return NotApplicable(f"{found.evidence()}: a login stands before it; the Origin counts only behind it")
    if seen.channel is Channel.REFUSED_INSIDE:
        return NotApplicable(f"{found.evidence()}: a browser does not send this login by itself")
    if seen.channel is Channel.NO_CHANNEL and attempt.kind is Kind.ABSENT:
        return NotApplicable(f"{found.evidence()}: no live channel there")
    refused = attempt.kind is Kind.REFUSED or attempt.answer.status >= 400
    if seen.channel in _SHUT or (seen.channel is Channel.NO_CHANNEL and refused):
        return ()
    return (
        Violation(
            "foreign-origin",
            found.evidence(),
            "no connection for a page of another site",
            "settings.js: compare socket.handshake.headers.origin with the host in ioMiddleware (dashboards), "
            "info.origin in webSocketNodeVerifyClient (WebSocket nodes), or let the proxy refuse foreign Origins",
        ),
    )


def _open(seen: ChannelAttempt, expected: str, remedy: str) -> Violation:
    code = "channel-open" if seen.channel is Channel.OPEN else "channel-answers"
    return Violation(code, seen.evidence(), expected, remedy)
