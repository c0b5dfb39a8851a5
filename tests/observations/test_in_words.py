"""What observations say of themselves, in one line each."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from seen import (
    AUTH,
    BEARER,
    EDITOR,
    FLOWS,
    FORBIDDEN,
    NO_ADMIN_NODE_AUTH,
    NODE_BASIC,
    NOT_FOUND,
    OPEN,
    PAGE,
    TO_CLEARTEXT,
    TO_SSO,
    attempt,
    target,
    view,
)

from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.access import LoginOffer
from pytest_nodered_sec.observations.answers import Answer, RootView
from pytest_nodered_sec.observations.channels import Channel, SocketAttempt
from pytest_nodered_sec.probes.http.access import describe

# --- evidence


def test_an_answer_in_one_phrase() -> None:
    assert TO_SSO.line() == "302 (redirect to https://sso.example/login)"
    assert BEARER.line() == '401 (Bearer realm="Users")'
    assert FLOWS.line() == "200 (application/json, 2913 bytes)"
    assert Answer(200).line() == "200 (no content type, 0 bytes)"


def test_an_attempt_in_one_line() -> None:
    tried = attempt(Surface.ADMIN, "/flows", replace(FLOWS, hops=1), OPEN, how="without credentials")
    said = "GET /flows without credentials answered 200 (application/json, 2913 bytes) after a same-origin redirect"
    assert tried.evidence() == said
    assert LoginOffer(tried).evidence() == said
    below = replace(tried, view=replace(OPEN, root="/line7/admin"))
    assert below.question() == "GET /line7/admin/flows without credentials"
    assert replace(below, asked="/line7/flows").question() == "GET /line7/flows without credentials"


def test_the_answer_of_an_open_route_though_it_be_404_says_what_it_is() -> None:
    missing = Answer(404, "application/json", 40)
    look: Any = SimpleNamespace(target=target())
    tried = describe(look, Surface.ADMIN, "DELETE", "/flow/NOPE", "anonymously", missing, AUTH, "404 application/json")
    assert tried.evidence() == (
        "DELETE /flow/NOPE anonymously answered 404 (application/json, 40 bytes): the route's own answer, given "
        "without a login"
    )


@pytest.mark.parametrize(
    ("surface", "path", "answer", "root", "remark"),
    [
        (Surface.ADMIN, "/flows", NODE_BASIC, NO_ADMIN_NODE_AUTH, ", as every path here"),
        (Surface.ADMIN, "/flows", BEARER, AUTH, ""),
        (Surface.ADMIN, "/flows", FORBIDDEN, AUTH, ""),
        (Surface.EDITOR, "/", FORBIDDEN, AUTH, ": refused, not absent; host-05 checks whether it is disabled"),
        (Surface.EDITOR, "/icons", BEARER, AUTH, ""),
        (Surface.EDITOR, "/", PAGE, AUTH, ": a page, not the editor"),
        (Surface.EDITOR, "/", EDITOR, AUTH, ""),
        (Surface.EDITOR, "/", NOT_FOUND, AUTH, ""),
        (Surface.EDITOR, "/", PAGE, view(BEARER, PAGE), ""),
        (Surface.EDITOR, "/", TO_CLEARTEXT, AUTH, ""),
        (Surface.EDITOR, "/red/red.min.js", PAGE, AUTH, ""),
        (Surface.DASHBOARD, "/ui", PAGE, OPEN, ""),
    ],
)
def test_an_attempts_remark(surface: Surface, path: str, answer: Answer, root: RootView, remark: str) -> None:
    assert attempt(surface, path, answer, root).evidence() == f"GET {path} anonymously answered {answer.line()}{remark}"


def test_a_socket_attempt_in_one_line() -> None:
    tried = attempt(Surface.DASHBOARD, "/ui/socket.io", FORBIDDEN, OPEN)
    where = "Socket.IO connect to /ui/socket.io anonymously"
    assert (
        SocketAttempt(tried, Channel.OPEN, 3).evidence() == f"{where} was accepted; 3 more packets came with the answer"
    )
    assert (
        SocketAttempt(tried, Channel.OPEN, 1).evidence() == f"{where} was accepted; 1 more packet came with the answer"
    )
    assert SocketAttempt(tried, Channel.OPEN).evidence() == f"{where} was accepted"
    assert SocketAttempt(tried, Channel.REFUSED_BY_MIDDLEWARE).evidence() == f"{where} was refused by ioMiddleware"
    assert SocketAttempt(tried, Channel.NO_CHANNEL).evidence() == f"{where} answered 403 (text/html, 153 bytes)"
