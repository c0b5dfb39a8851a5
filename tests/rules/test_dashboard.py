"""Dashboards: the rows of the edge-case table for dash-01 and -02."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from seen import (
    BROKEN,
    ERROR,
    FAIL,
    FORBIDDEN,
    NO_ADMIN_NODE_AUTH,
    NODE_BASIC,
    NOT_FOUND,
    OPEN,
    PAGE,
    PASS,
    PROXY_BASIC,
    SKIP,
    TO_CLEARTEXT,
    TO_SSO,
    attempt,
    outcome,
    target,
    view,
    violations,
)

from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.answers import Answer, Mark
from pytest_nodered_sec.observations.channels import Channel, SocketAttempt
from pytest_nodered_sec.observations.dashboards import DashboardVisit
from pytest_nodered_sec.policy.model import Policy, PublicPath
from pytest_nodered_sec.rules.dashboard import account_opens, channel_refuses, page_refuses, support_data_is_refused
from pytest_nodered_sec.verdict import NotApplicable

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.observations.answers import RootView

HANDSHAKE = Answer(200, "text/plain", 118, likeness=(20,))
BAD_REQUEST = Answer(400, "application/json", 41)


def page(answer: Answer, root: RootView = OPEN, hint: str = "", **demands: Any) -> str:
    to = target(**demands)
    return outcome(page_refuses, replace(attempt(Surface.DASHBOARD, "/ui", answer, root, to), hint=hint), to)


def socket(
    answer: Answer,
    channel: Channel = Channel.NO_CHANNEL,
    root: RootView = OPEN,
    path: str = "/ui",
    to: Target | None = None,
) -> SocketAttempt:
    return SocketAttempt(attempt(Surface.DASHBOARD, f"{path}/socket.io", answer, root, to), channel)


def channel(answer: Answer, met: Channel = Channel.NO_CHANNEL, root: RootView = OPEN, **demands: Any) -> str:
    to = target(**demands)
    return outcome(channel_refuses, socket(answer, met, root, to=to), to)


def remedy(path: str, root: RootView = OPEN) -> str:
    (violation,) = violations(channel_refuses(socket(HANDSHAKE, Channel.OPEN, root, path), Policy()))
    return violation.remedy


def test_dashboards_absent_default_guesses() -> None:
    assert page(NOT_FOUND) == SKIP
    assert channel(NOT_FOUND) == SKIP
    verdict = page_refuses(attempt(Surface.DASHBOARD, "/ui", NOT_FOUND, OPEN), Policy())
    assert isinstance(verdict, NotApplicable)
    assert "GET /ui" in verdict.reason


def test_dashboards_absent_default_guesses_but_shown_elsewhere() -> None:
    assert page(NOT_FOUND, hint="/uisettings shows that its dashboard is installed") == ERROR
    assert page(PAGE, hint="/uisettings shows that its dashboard is installed") == FAIL


def test_dashboard_named_and_absent() -> None:
    assert page(NOT_FOUND, dashboards=("/ui",)) == FAIL
    assert channel(NOT_FOUND, dashboards=("/ui",)) == FAIL


def test_dashboard_page_404_socket_answers() -> None:
    assert page(NOT_FOUND) == SKIP
    assert channel(HANDSHAKE, Channel.OPEN) == FAIL


def test_dashboard_page_served() -> None:
    assert page(PAGE) == FAIL
    (violation,) = violations(page_refuses(attempt(Surface.DASHBOARD, "/ui", PAGE, view(None, root="/nr/")), Policy()))
    assert 'location ~* "^/nr/ui(/|$)" {' in violation.remedy


def test_http_node_auth_refuses_the_page_and_leaves_the_socket_open() -> None:
    assert page(NODE_BASIC, NO_ADMIN_NODE_AUTH) == PASS
    assert channel(HANDSHAKE, Channel.OPEN, NO_ADMIN_NODE_AUTH) == FAIL


def test_auth_basic_on_the_whole_site() -> None:
    gate = view(PROXY_BASIC, PROXY_BASIC, ())
    assert page(PROXY_BASIC, gate) == PASS
    assert channel(PROXY_BASIC, root=gate) == PASS


def test_redirect_to_a_declared_login_url_also_for_socket_io() -> None:
    assert page(TO_SSO, login_urls=("https://sso.example/login",)) == PASS
    assert channel(TO_SSO, login_urls=("https://sso.example/login",)) == PASS


def test_redirect_to_an_undeclared_https_host() -> None:
    assert page(TO_SSO) == ERROR
    assert channel(TO_SSO) == ERROR


def test_redirect_to_http() -> None:
    assert page(TO_CLEARTEXT) == channel(TO_CLEARTEXT) == ERROR


def test_refused_by_io_middleware_though_the_handshake_answers_200() -> None:
    assert channel(HANDSHAKE, Channel.REFUSED_BY_MIDDLEWARE) == PASS


@pytest.mark.parametrize("answer", [FORBIDDEN, NOT_FOUND])
def test_an_open_channel_is_open_whatever_the_handshake_said(answer: Answer) -> None:
    assert channel(answer, Channel.OPEN) == FAIL
    (violation,) = violations(channel_refuses(socket(answer, Channel.OPEN), Policy()))
    assert violation.code == "channel-open"


@pytest.mark.parametrize("answer", [PAGE, BAD_REQUEST])
def test_served_but_not_socket_io_is_no_pass(answer: Answer) -> None:
    assert channel(answer) == FAIL


@pytest.mark.parametrize("answer", [BROKEN, replace(PAGE, block="cf-mitigated")])
def test_no_answer(answer: Answer) -> None:
    assert page(answer) == ERROR
    assert channel(answer) == ERROR


def test_every_path_answers_the_same_page() -> None:
    everywhere = view(PAGE, PAGE)
    assert page(PAGE, everywhere) == ERROR
    assert channel(PAGE, root=everywhere) == ERROR


def test_remedy_for_dashboard_1() -> None:
    assert "ioMiddleware of ui can" in remedy("/ui")
    assert 'location ~* "^/ui(/|$)" { auth_basic' in remedy("/ui")


def test_remedy_for_dashboard_2() -> None:
    assert "ioMiddleware of dashboard can" in remedy("/dashboard")


def test_remedy_for_a_dashboard_that_may_be_either_below_a_moved_node_root() -> None:
    text = remedy("/hall", view(None, root="/nr/"))
    assert "ui (Dashboard 1) or dashboard (Dashboard 2)" in text
    assert 'location ~* "^/nr/hall(/|$)" {' in text


def test_a_gate_that_dot_segments_pass() -> None:
    seen = socket(HANDSHAKE, Channel.OPEN, OPEN, "/ui")
    by_detour = replace(seen, attempt=replace(seen.attempt, path="/ui/socket.io/../../x"))
    (violation,) = violations(channel_refuses(by_detour, Policy()))
    assert violation.code == "gate-passed"
    assert "ioMiddleware of ui" in violation.remedy
    assert "if ($request_uri ~*" in violation.remedy
    by_name = replace(seen, attempt=replace(seen.attempt, path="/ui/socket.io/x.js"))
    (violation,) = violations(channel_refuses(by_name, Policy()))
    assert (violation.code, 'location ~* "^/ui(/|$)" {' in violation.remedy) == ("gate-passed", True)


def test_a_dashboard_declared_public_is_not_judged() -> None:
    policy = Policy(dashboards=("/ui",), public_paths=(PublicPath("/ui", "andon board"),))
    for verdict in (
        page_refuses(attempt(Surface.DASHBOARD, "/ui", PAGE, OPEN), policy),
        channel_refuses(socket(HANDSHAKE, Channel.OPEN, OPEN, "/ui"), policy),
    ):
        assert verdict == NotApplicable("declared public: andon board")


SETUP = Answer(200, "application/json", 91, likeness=(30,))


@pytest.mark.parametrize(
    ("path", "answer", "letter"),
    [
        ("/dashboard/_setup", SETUP, FAIL),
        ("/dashboard/_setup", TO_CLEARTEXT, ERROR),
        ("/dashboard/_setup", NODE_BASIC, PASS),
        ("/dashboard/_setup", NOT_FOUND, SKIP),
        ("/dashboard/_setup", PAGE, SKIP),
        ("/dashboard/_setup", BROKEN, ERROR),
        ("/hall/_setup", SETUP, SKIP),
        ("/hall/_debug/datastore/NOPE", SETUP, FAIL),
        ("/ui/_setup", SETUP, FAIL),
    ],
)
def test_support_data(path: str, answer: Answer, letter: str) -> None:
    to = target(public_paths=(PublicPath("/hall", "entrance"),))
    assert outcome(support_data_is_refused, attempt(Surface.DASHBOARD, path, answer, OPEN, to), to) == letter


SHOWS = Answer(200, "text/html", 1600, marks=frozenset({Mark.DASHBOARD}), likeness=(31,))
SCRIPT = Answer(200, "text/javascript", 9, likeness=(32,))
JOINED = Answer(200, "text/plain", 118, likeness=(20,))


def visit(
    page: Answer = SHOWS,
    by: str = "Basic",
    assets: tuple[Answer, ...] = (SCRIPT,),
    channel: tuple[Answer, Channel] = (JOINED, Channel.OPEN),
    root: RootView = OPEN,
    to: Target | None = None,
) -> DashboardVisit:
    seen = attempt(Surface.DASHBOARD, "/ui/", page, root, to)
    if Mark.DASHBOARD not in page.marks:
        return DashboardVisit("/ui", seen, by)
    beside = tuple(attempt(Surface.DASHBOARD, "/ui/app.js", answer, root, to) for answer in assets)
    return DashboardVisit("/ui", seen, by, beside, socket(*channel, root, to=to))


@pytest.mark.parametrize(
    ("seen", "letter", "words"),
    [
        (visit(), PASS, "1 of its scripts and styles were asked; Socket.IO connect"),
        (visit(assets=()), PASS, "anonymously answered 200"),
        (visit(PROXY_BASIC), FAIL, "401"),
        (visit(FORBIDDEN), FAIL, "403"),
        (visit(assets=(SCRIPT, PROXY_BASIC)), FAIL, "app.js anonymously answered 401"),
        (visit(assets=(NOT_FOUND,)), FAIL, "404"),
        (visit(assets=(BROKEN,)), ERROR, "500"),
        (visit(channel=(PROXY_BASIC, Channel.NO_CHANNEL)), FAIL, "socket.io anonymously answered 401"),
        (visit(channel=(NOT_FOUND, Channel.NO_CHANNEL)), FAIL, "404"),
        (visit(channel=(BROKEN, Channel.NO_CHANNEL)), ERROR, "500"),
        (visit(channel=(JOINED, Channel.REFUSED_BY_MIDDLEWARE)), FAIL, "refused by ioMiddleware"),
        (visit(PROXY_BASIC, by=""), ERROR, "401"),  # a form that answers so: a browser would ask
        (visit(FORBIDDEN, by=""), ERROR, "403"),
        (visit(TO_SSO, by=""), ERROR, "302"),
        (visit(TO_SSO, by="cookie"), ERROR, "302"),  # to a login of which the policy does not know
        (visit(PAGE), ERROR, "200"),
        (visit(BROKEN), ERROR, "500"),
        (visit(NOT_FOUND), SKIP, "404"),
    ],
)
def test_the_account_opens_the_dashboard(seen: DashboardVisit, letter: str, words: str) -> None:
    assert outcome(account_opens, seen, target()) == letter
    assert words in seen.evidence()


def test_the_account_and_what_the_policy_says_of_dashboards() -> None:
    declared = target(dashboards=("/ui",))
    assert outcome(account_opens, visit(NOT_FOUND, to=declared), declared) == FAIL
    public = target(public_paths=(PublicPath("/ui", "andon board"),))
    assert outcome(account_opens, visit(to=public), public) == SKIP
    sso = target(login_urls=("https://sso.example/login",))
    assert outcome(account_opens, visit(TO_SSO, by="cookie", to=sso), sso) == FAIL
    assert outcome(account_opens, visit(TO_SSO, by="", to=sso), sso) == ERROR


def test_a_gate_that_refuses_the_channel_only_is_told_with_one_for_both() -> None:
    (violation,) = violations(account_opens(visit(channel=(FORBIDDEN, Channel.NO_CHANNEL)), Policy()))
    assert (violation.code, "though the page was served" in violation.observed) == ("channel-refused", True)
    assert 'location ~* "^/ui(/|$)" { auth_basic' in violation.remedy
