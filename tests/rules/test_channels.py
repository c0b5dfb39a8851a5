"""WebSockets: who is refused, who gets in, and what is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from seen import (
    AUTH,
    BROKEN,
    ERROR,
    FAIL,
    FORBIDDEN,
    GATE,
    NO_ADMIN,
    NODE_BASIC,
    NOT_FOUND,
    OPEN,
    PAGE,
    PASS,
    PROXY_BASIC,
    SKIP,
    STRANGER,
    attempt,
    outcome,
    target,
    violations,
)

from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.answers import Answer
from pytest_nodered_sec.observations.channels import Channel, ChannelAttempt, ForeignAttempt, SocketAttempt
from pytest_nodered_sec.policy.model import Policy, PublicPath
from pytest_nodered_sec.rules.channels import comms_refuses, foreign_origin_is_refused, websocket_refuses

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.answers import RootView

SWITCHED = Answer(101)


def comms(answer: Answer, channel: Channel, root: RootView, **demands: Any) -> str:
    to = target(**demands)
    return outcome(comms_refuses, ChannelAttempt(attempt(Surface.ADMIN, "/comms", answer, root, to), channel), to)


def line(answer: Answer, channel: Channel = Channel.NO_CHANNEL) -> str:
    return outcome(
        websocket_refuses, ChannelAttempt(attempt(Surface.NODE, "/ws/line", answer, OPEN), channel), target()
    )


@pytest.mark.parametrize("root", [OPEN, AUTH, GATE, STRANGER])
def test_a_subscription_that_is_answered_settles_it(root: RootView) -> None:
    assert comms(SWITCHED, Channel.OPEN, root) == FAIL
    assert comms(SWITCHED, Channel.REFUSED_INSIDE, root) == PASS


@pytest.mark.parametrize(
    ("answer", "root", "policy", "letter"),
    [
        (FORBIDDEN, AUTH, "protected", PASS),
        (NOT_FOUND, AUTH, "protected", PASS),
        (NOT_FOUND, NO_ADMIN, "protected", SKIP),
        (NOT_FOUND, NO_ADMIN, "disabled", PASS),
        (NOT_FOUND, STRANGER, "disabled", ERROR),
        (PROXY_BASIC, GATE, "protected", ERROR),
        (NOT_FOUND, GATE, "protected", ERROR),
        (PROXY_BASIC, GATE, "proxied", PASS),
        (PAGE, AUTH, "protected", FAIL),
        (BROKEN, AUTH, "protected", ERROR),
    ],
)
def test_comms_without_a_channel(answer: Answer, root: RootView, policy: str, letter: str) -> None:
    assert comms(answer, Channel.NO_CHANNEL, root, admin_api=policy) == letter


@pytest.mark.parametrize(
    ("answer", "letter"), [(NODE_BASIC, PASS), (FORBIDDEN, PASS), (NOT_FOUND, FAIL), (PAGE, FAIL), (BROKEN, ERROR)]
)
def test_a_declared_websocket_without_a_channel(answer: Answer, letter: str) -> None:
    assert line(answer) == letter


def test_a_declared_websocket_that_opens() -> None:
    assert line(SWITCHED, Channel.OPEN) == FAIL
    seen = ChannelAttempt(attempt(Surface.NODE, "/ws/line", SWITCHED, OPEN, how="without credentials"), Channel.OPEN)
    (violation,) = violations(websocket_refuses(seen, Policy()))
    assert violation.observed == "WebSocket /ws/line without credentials was accepted"
    assert 'location ~* "^/ws/line(/|$)" {' in violation.remedy


def test_in_one_line() -> None:
    def said(answer: Answer, channel: Channel) -> str:
        return ChannelAttempt(attempt(Surface.ADMIN, "/comms", answer, GATE), channel).evidence()

    assert said(SWITCHED, Channel.REFUSED_INSIDE) == "WebSocket /comms anonymously was refused after the handshake"
    assert said(Answer(0), Channel.NO_CHANNEL).endswith(
        "the connection was closed: twice, while other requests are answered"
    )
    assert said(PROXY_BASIC, Channel.NO_CHANNEL).endswith('realm="plant"), as every path here')


def foreign(seen: Any, *, login_first: bool = False, **demands: Any) -> str:
    return outcome(foreign_origin_is_refused, ForeignAttempt(seen, login_first), target(**demands))


def socket(answer: Answer, channel: Channel, path: str = "/ui/socket.io") -> SocketAttempt:
    return SocketAttempt(attempt(Surface.DASHBOARD, path, answer, OPEN), channel)


@pytest.mark.parametrize(
    ("answer", "channel", "letter"),
    [
        (PAGE, Channel.OPEN, FAIL),
        (PAGE, Channel.REFUSED_BY_MIDDLEWARE, PASS),
        (PAGE, Channel.UNANSWERED, PASS),
        (FORBIDDEN, Channel.NO_CHANNEL, PASS),
        (Answer(400, "application/json", 30), Channel.NO_CHANNEL, PASS),
        (NOT_FOUND, Channel.NO_CHANNEL, SKIP),
        (Answer(200, "text/html", 7), Channel.NO_CHANNEL, FAIL),
        (BROKEN, Channel.NO_CHANNEL, ERROR),
    ],
)
def test_a_foreign_origin_at_a_dashboard(answer: Answer, channel: Channel, letter: str) -> None:
    assert foreign(socket(answer, channel)) == letter


def test_a_foreign_origin_that_a_login_refuses_first_is_not_judged() -> None:
    assert foreign(socket(PROXY_BASIC, Channel.NO_CHANNEL), login_first=True) == SKIP
    seen = ForeignAttempt(socket(PROXY_BASIC, Channel.NO_CHANNEL), login_first=True)
    assert seen.evidence().endswith("as without an Origin")


def test_a_foreign_origin_at_a_public_dashboard_and_at_comms() -> None:
    public = (PublicPath("/ui", "lobby"),)
    assert foreign(socket(PAGE, Channel.OPEN), public_paths=public) == SKIP
    refused = ChannelAttempt(attempt(Surface.ADMIN, "/comms", SWITCHED, AUTH), Channel.REFUSED_INSIDE)
    assert foreign(refused) == SKIP
    opened = ChannelAttempt(attempt(Surface.ADMIN, "/comms", SWITCHED, OPEN), Channel.OPEN)
    assert foreign(opened) == FAIL


def test_a_connect_packet_that_is_never_answered_in_one_line() -> None:
    assert socket(PAGE, Channel.UNANSWERED).evidence().endswith("was never answered")
