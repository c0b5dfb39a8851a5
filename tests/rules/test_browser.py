"""What other sites may do in the browser of somebody who is logged in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from seen import (
    AUTH,
    BEARER,
    BROKEN,
    EDITOR,
    ERROR,
    FAIL,
    FLOWS,
    FORBIDDEN,
    GATE,
    NODE_AUTH,
    NODE_BASIC,
    NOT_FOUND,
    OPEN,
    PASS,
    PROXY_BASIC,
    SKIP,
    attempt,
    outcome,
    target,
    view,
    violations,
)

from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.access import WITH_ACCOUNT, VariantAttempt
from pytest_nodered_sec.observations.answers import Answer, RootView
from pytest_nodered_sec.observations.refusals import METHOD_REFUSED
from pytest_nodered_sec.policy.model import Policy, PublicPath
from pytest_nodered_sec.rules.browser import (
    allows_no_foreign_origin,
    cannot_be_framed,
    cross_site_post_is_refused,
    no_foreign_origin_reads,
)
from pytest_nodered_sec.verdict import NotJudged, Severity

REACHED = Answer(400, "application/json", 60)
CREDENTIALS = {"access_control_allow_credentials": "true"}


def told(answer: Answer, **headers: str) -> Answer:
    return replace(answer, headers=tuple((name.replace("_", "-"), value) for name, value in headers.items()))


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        (BEARER, PASS),
        (told(BEARER, access_control_allow_origin="*"), FAIL),
        (told(NOT_FOUND, access_control_allow_origin="https://stranger.invalid"), FAIL),
        (told(BEARER, access_control_allow_origin="null"), FAIL),
        (told(BEARER, access_control_allow_origin="https://app.plant.example"), PASS),  # always, whoever asks
        (NOT_FOUND, SKIP),
        (BROKEN, ERROR),
    ],
)
def test_cors(answer: Answer, letter: str) -> None:
    assert outcome(allows_no_foreign_origin, attempt(Surface.ADMIN, "/settings", answer, AUTH), target()) == letter


@pytest.mark.parametrize(
    ("answer", "how", "letter"),
    [
        (PROXY_BASIC, "with a foreign Origin", SKIP),  # not judged
        (FLOWS, f"with a foreign Origin {WITH_ACCOUNT}", PASS),
        (told(FLOWS, access_control_allow_origin="*"), f"with a foreign Origin {WITH_ACCOUNT}", PASS),
        (told(FLOWS, access_control_allow_origin="*", **CREDENTIALS), f"with a foreign Origin {WITH_ACCOUNT}", PASS),
        (told(FLOWS, access_control_allow_origin="null"), f"with the Origin null {WITH_ACCOUNT},", PASS),
        (told(FLOWS, access_control_allow_origin="null", **CREDENTIALS), f"with the Origin null {WITH_ACCOUNT},", FAIL),
    ],
)
def test_cors_behind_a_login_that_browsers_send(answer: Answer, how: str, letter: str) -> None:
    to = target(admin_api="proxied")
    seen = attempt(Surface.ADMIN, "/settings", answer, GATE, to, how=how)
    assert outcome(allows_no_foreign_origin, seen, to) == letter


@pytest.mark.parametrize(
    ("method", "answer", "how", "verdict"),
    [
        ("OPTIONS", PROXY_BASIC, "with a foreign Origin", NotJudged),
        ("OPTIONS", PROXY_BASIC, f"with the Origin null {WITH_ACCOUNT},", tuple),
        ("GET", PROXY_BASIC, "with a foreign Origin", tuple),  # of which OPTIONS tells
        ("GET", FLOWS, f"with a foreign Origin {WITH_ACCOUNT}", tuple),
    ],
)
def test_what_is_read_with_a_login_is_not_known_from_refusals(
    method: str, answer: Answer, how: str, verdict: type
) -> None:
    seen = replace(attempt(Surface.NODE, "/api/orders", answer, GATE, how=how), method=method)
    plain = attempt(Surface.NODE, "/api/orders", PROXY_BASIC, GATE)
    assert isinstance(no_foreign_origin_reads(VariantAttempt("/api/orders", seen, plain), Policy()), verdict)


LOW = Severity.LOW


@pytest.mark.parametrize(("root", "severity"), [(AUTH, LOW), (OPEN, None), (GATE, None)])
def test_cors_is_worse_where_the_browser_adds_the_login(root: RootView, severity: Severity | None) -> None:
    seen = attempt(Surface.ADMIN, "/settings", told(BEARER, access_control_allow_origin="*"), root)
    assert [violation.severity for violation in violations(allows_no_foreign_origin(seen, Policy()))] == [severity]


def form(answer: Answer, own: Answer | None = None) -> VariantAttempt:
    view = GATE if answer is PROXY_BASIC else AUTH
    seen = attempt(Surface.ADMIN, "/flow", answer, view)
    return VariantAttempt("/flow", seen, attempt(Surface.ADMIN, "/flow", own, view) if own else None)


@pytest.mark.parametrize(
    ("answer", "own", "letter"),
    [
        (REACHED, None, FAIL),
        (FORBIDDEN, REACHED, PASS),
        (FORBIDDEN, PROXY_BASIC, PASS),
        (BEARER, BEARER, SKIP),
        (PROXY_BASIC, PROXY_BASIC, SKIP),
        (NOT_FOUND, None, SKIP),
        (BROKEN, None, ERROR),
    ],
    ids=[
        "reached",
        "told apart",
        "told apart before the login",
        "Node-RED's login",
        "the proxy's login",
        "absent",
        "500",
    ],
)
def test_a_form_of_another_site(answer: Answer, own: Answer | None, letter: str) -> None:
    to = target(admin_api="proxied")
    assert outcome(cross_site_post_is_refused, form(answer, own), to) == letter


def test_a_login_that_browsers_may_send_is_not_judged_without_an_account() -> None:
    verdict = cross_site_post_is_refused(form(PROXY_BASIC, PROXY_BASIC), Policy())
    assert isinstance(verdict, NotJudged)
    assert "give an account" in verdict.reason


def test_a_post_that_nobody_may_send_is_refused_for_what_it_is() -> None:
    seen = form(FORBIDDEN, FORBIDDEN)
    why = replace(seen.attempt.classified, why=METHOD_REFUSED)
    assert cross_site_post_is_refused(replace(seen, attempt=replace(seen.attempt, classified=why)), Policy()) == ()


@pytest.mark.parametrize(
    ("headers", "codes"),
    [
        ({}, ["framed", "sniffed"]),
        ({"x_frame_options": "SAMEORIGIN", "x_content_type_options": "nosniff"}, []),
        ({"x_frame_options": "ALLOWALL", "x_content_type_options": "nosniff"}, ["framed"]),
        ({"content_security_policy": "frame-ancestors 'self'", "x_content_type_options": "nosniff"}, []),
        ({"content_security_policy": "frame-ancestors 'self' https://a.example"}, ["sniffed"]),
        ({"content_security_policy": "frame-ancestors *", "x_frame_options": "DENY"}, ["framed", "sniffed"]),
        ({"content_security_policy": "frame-ancestors https:"}, ["framed", "sniffed"]),
        ({"content_security_policy": "frame-ancestors *, frame-ancestors 'self'"}, ["sniffed"]),
        ({"content_security_policy": "frame-ancestors *, frame-ancestors https:"}, ["framed", "sniffed"]),
        ({"x_frame_options": "SAMEORIGIN, SAMEORIGIN", "x_content_type_options": "nosniff, nosniff"}, []),
        ({"x_frame_options": "SAMEORIGIN, DENY", "x_content_type_options": "NoSniff"}, []),
        (
            {"x_frame_options": "DENY, ALLOW-FROM https://a.example", "x_content_type_options": "x, nosniff"},
            ["sniffed"],
        ),
        ({"x_frame_options": "ALLOW-FROM https://a.example", "x_content_type_options": "nosniff"}, ["framed"]),
    ],
)
def test_a_page_that_is_served(headers: dict[str, Any], codes: list[str]) -> None:
    seen = attempt(Surface.DASHBOARD, "/ui", told(EDITOR, **headers), OPEN)
    assert [violation.code for violation in violations(cannot_be_framed(seen, Policy()))] == codes


def test_a_page_of_somebody_elses_at_the_root_is_not_judged() -> None:
    portal = replace(EDITOR, marks=frozenset())
    assert outcome(cannot_be_framed, attempt(Surface.EDITOR, "/", portal, AUTH), target()) == SKIP


@pytest.mark.parametrize(
    ("surface", "root", "severity"),
    [
        (Surface.EDITOR, AUTH, LOW),
        (Surface.EDITOR, OPEN, None),
        (Surface.DASHBOARD, AUTH, None),
        (Surface.DASHBOARD, view(None), None),
    ],
    ids=["editor, own login", "open editor", "a dashboard has no such login", "another node root"],
)
def test_a_framed_page_is_worse_without_a_login_of_its_own(
    surface: Surface, root: RootView, severity: Severity | None
) -> None:
    faults = violations(cannot_be_framed(attempt(surface, "/", EDITOR, root), Policy()))
    assert [violation.severity for violation in faults] == [severity, severity]


@pytest.mark.parametrize("answer", [BEARER, NOT_FOUND, REACHED, Answer(200, "application/json", 2)])
def test_what_is_no_page_cannot_be_framed(answer: Answer) -> None:
    assert outcome(cannot_be_framed, attempt(Surface.DASHBOARD, "/ui", answer, OPEN), target()) == SKIP


@pytest.mark.parametrize(
    ("headers", "letter"),
    [
        ((), PASS),
        ((("access-control-allow-origin", "*"), ("access-control-allow-credentials", "true")), PASS),
        ((("access-control-allow-origin", "https://stranger.invalid"),), PASS),
        (
            (
                ("access-control-allow-origin", "https://stranger.invalid"),
                ("access-control-allow-credentials", "true"),
            ),
            FAIL,
        ),
        ((("access-control-allow-origin", "null"), ("access-control-allow-credentials", "true")), FAIL),
        (
            (  # always, whoever asks: no other site's page may read
                ("access-control-allow-origin", "https://app.plant.example"),
                ("access-control-allow-credentials", "true"),
            ),
            PASS,
        ),
    ],
)
def test_other_origins_that_read_with_credentials(headers: tuple[tuple[str, str], ...], letter: str) -> None:
    allowed = Answer(204, headers=headers)
    seen = attempt(Surface.NODE, "/api/orders", allowed, NODE_AUTH)
    refused = attempt(Surface.NODE, "/api/orders", NODE_BASIC, NODE_AUTH)
    served = attempt(Surface.NODE, "/api/orders", FLOWS, NODE_AUTH)
    assert outcome(no_foreign_origin_reads, VariantAttempt("/api/orders", seen, refused), target()) == letter
    assert outcome(no_foreign_origin_reads, VariantAttempt("/api/orders", seen, served), target()) == SKIP
    public = target(public_paths=(PublicPath("/api/orders", "shop"),))
    assert outcome(no_foreign_origin_reads, VariantAttempt("/api/orders", seen, refused), public) == SKIP
