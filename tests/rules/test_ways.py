"""Surfaces asked by another way: what passes a gate, what only looks like it, and what could not be looked at."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from seen import (
    BROKEN,
    ERROR,
    FAIL,
    FORBIDDEN,
    GATE,
    NOT_FOUND,
    PAGE,
    PASS,
    PROXY_BASIC,
    SKIP,
    attempt,
    outcome,
    target,
    view,
    violations,
)

from pytest_nodered_sec.data.cells import CELLS, COLUMNS, SURFACES
from pytest_nodered_sec.data.ways import PROXY_05, WAYS
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.access import VariantAttempt
from pytest_nodered_sec.observations.answers import Answer
from pytest_nodered_sec.observations.side_ports import Http3Offer
from pytest_nodered_sec.policy.model import Policy, PublicPath
from pytest_nodered_sec.rules.variants import _REMEDIES, _REMEDIES_ALIKE, way_opens_nothing
from pytest_nodered_sec.verdict import NotApplicable, NotJudged

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.access import AccessAttempt

NODE = view(None)
BAD_REQUEST = Answer(400, "text/html", 150)
STOPPED = Answer(500, "text/plain", 20)


def page(answer: Answer, how: str = "anonymously") -> AccessAttempt:
    return attempt(Surface.DASHBOARD, "/ui", answer, NODE, how=how)


def asked(answer: Answer, plain: Answer | None, *ways: str) -> VariantAttempt:
    seen = page(answer, "with a bare Upgrade")
    return VariantAttempt("/ui", seen, page(plain) if plain else None, ways or ("upgrade",))


@pytest.mark.parametrize(
    ("answer", "plain", "letter"),
    [
        (PROXY_BASIC, PROXY_BASIC, PASS),
        (FORBIDDEN, PROXY_BASIC, PASS),
        (NOT_FOUND, PROXY_BASIC, PASS),
        (BAD_REQUEST, PROXY_BASIC, PASS),
        (PAGE, PROXY_BASIC, FAIL),
        (PAGE, NOT_FOUND, FAIL),
        (PAGE, PAGE, SKIP),
        (NOT_FOUND, NOT_FOUND, SKIP),
        (BROKEN, PROXY_BASIC, ERROR),
        (PROXY_BASIC, BROKEN, ERROR),
        (PROXY_BASIC, None, PASS),
        (NOT_FOUND, None, SKIP),
    ],
    ids=lambda value: f"{value.status}" if isinstance(value, Answer) else str(value),
)
def test_a_way(answer: Answer, plain: Answer | None, letter: str) -> None:
    assert outcome(way_opens_nothing, asked(answer, plain), target()) == letter


def test_an_endpoint_that_was_reached_answers_500() -> None:
    reached = attempt(Surface.NODE, "/api/orders", STOPPED, NODE)
    reached = replace(reached, classified=page(PAGE).classified)  # what the open answer makes of it
    seen = VariantAttempt("/api/orders", reached, page(PROXY_BASIC), ("bearer",))
    assert outcome(way_opens_nothing, seen, target()) == FAIL


def test_http3_that_is_offered_is_not_judged() -> None:
    nothing = way_opens_nothing(Http3Offer(200, ""), Policy())
    assert type(nothing) is NotApplicable
    assert "none of 200 answers offered HTTP/3" in nothing.reason
    offered = way_opens_nothing(Http3Offer(200, 'h3=":443"'), Policy())
    assert isinstance(offered, NotJudged)
    assert offered.reason.startswith('not judged: answers offer HTTP/3 (Alt-Svc: h3=":443"), in which nothing is asked')


def test_what_is_public_may_be_had_by_any_way() -> None:
    public = target(public_paths=(PublicPath("/ui", "lobby"),))
    assert outcome(way_opens_nothing, asked(PAGE, PROXY_BASIC), public) == SKIP


def test_a_rare_way_that_another_dashboard_is_asked_by_does_not_apply_here() -> None:
    seen = replace(asked(PROXY_BASIC, PROXY_BASIC), elsewhere="/ui")
    verdict = way_opens_nothing(seen, Policy())
    assert isinstance(verdict, NotApplicable)
    assert verdict.reason == "asked at /ui: a rare way, for which one place that refuses is enough"


def test_behind_a_blanket_gate_absence_opens_nothing() -> None:
    gated = target(admin_api="proxied")
    away = attempt(Surface.ADMIN, "/random", NOT_FOUND, GATE)
    plain = attempt(Surface.ADMIN, "/settings", PROXY_BASIC, GATE)
    assert outcome(way_opens_nothing, VariantAttempt("/settings", away, plain, ("rerouted",)), gated) == PASS
    assert outcome(way_opens_nothing, VariantAttempt("/settings", away, plain, ("rerouted",)), target()) == ERROR


def test_the_finding_names_the_way_and_both_answers() -> None:
    (finding,) = violations(way_opens_nothing(asked(PAGE, PROXY_BASIC, "forwarded", "browser"), Policy()))
    assert finding.code == "forwarded"
    assert "/ui with a bare Upgrade answered 200" in finding.observed
    assert 'while GET /ui anonymously answered 401 (Basic realm="plant")' in finding.observed
    assert "set_real_ip_from" in finding.remedy


@pytest.mark.parametrize(
    ("way", "change"),
    [
        ("upgrade", "http-request auth"),
        ("browser", "auth_basic"),
        ("bearer", "adminAuth.tokens"),
        ("basic", "auth_basic"),
        ("connection", "$http_connection"),
        ("handshake", "$http_sec_websocket_key"),
        ("transport", "$arg_transport"),
        ("absolute", "path_beg in place of url_beg"),
        ("program", "$http_accept"),
        ("query", "$arg_token"),
        ("monitor", "$http_user_agent"),
        ("returned", "auth_request"),
        ("credential-shaped", "auth_request"),
        ("rewritten", "X-Original-URL"),
        ("rerouted", "X-Original-URL"),
        ("spelling", "location ~* ^PATH(/|$)"),
        ("slashes", "$request_uri"),
        ("encoded", "$request_uri"),
        ("address", "default_server"),
        ("older", "$server_protocol"),
        ("newer", "ssl_fc_alpn"),
        ("nameless", "$http_user_agent"),
        ("carrying", "$content_length"),
        ("chunked", "$http_transfer_encoding"),
        ("preflight", "OPTIONS"),
        ("head", "<LimitExcept>"),
        ("behind", "return (pipe)"),
        ("sni", "ssl_fc_sni"),
        ("host", "hdr(host)"),
        ("navigation", "$http_sec_fetch_mode"),
        ("ending", "$request_uri"),
        ("embedded", "$http_referer"),
        ("proxy-protocol", "trustedIPs"),
        ("local-name", "under every name"),
        ("tool", "$http_user_agent"),
        ("hook", "auth_request"),
        ("jwt", "adminAuth.tokens"),
    ],
)
def test_each_way_has_a_remedy_of_its_own(way: str, change: str) -> None:
    (finding,) = violations(way_opens_nothing(asked(PAGE, PROXY_BASIC, way), Policy()))
    assert (finding.code, change in finding.remedy) == (way, True)


def test_the_table_is_whole() -> None:
    assert set(CELLS) == set(SURFACES)
    for surface, cells in CELLS.items():
        assert set(cells) == set(COLUMNS), surface
        for cell in cells.values():
            assert cell.startswith("-: ") or "-0" in cell or "-1" in cell, cell


def test_every_way_has_a_source_and_a_remedy() -> None:
    parts = {part.name: part for way in WAYS.values() for part in way.parts}
    assert all(part.source for part in parts.values())
    assert {
        _REMEDIES_ALIKE.get(name, name)
        for name in (*parts, "spelling", "address", "sni", "localhost", "local-name", "proxy-protocol")
    } == set(_REMEDIES)
    assert {name for names in PROXY_05.values() for name in names} | {"identity"} == set(WAYS)
    assert set(PROXY_05) <= set(SURFACES)
