"""Paths asked for in another way: what passes a rule, and what is open anyway."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from seen import (
    AUTH,
    BEARER,
    BROKEN,
    ERROR,
    FAIL,
    FLOWS,
    FORBIDDEN,
    NOT_FOUND,
    PAGE,
    PASS,
    SKIP,
    attempt,
    outcome,
    target,
    violations,
)

from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.access import VariantAttempt
from pytest_nodered_sec.policy.model import Policy, PublicPath
from pytest_nodered_sec.rules.variants import (
    identity_header_opens_nothing,
    page_spelling_opens_nothing,
    spelling_opens_nothing,
    way_opens_nothing,
)

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.answers import Answer


def flows(spelled: Answer, plain: Answer | None = None) -> VariantAttempt:
    seen = attempt(Surface.ADMIN, "/FLOWS", spelled, AUTH)
    return VariantAttempt("/flows", seen, attempt(Surface.ADMIN, "/flows", plain, AUTH) if plain else None)


@pytest.mark.parametrize(
    ("spelled", "plain", "letter"),
    [
        (BEARER, None, PASS),
        (NOT_FOUND, None, SKIP),
        (BROKEN, None, ERROR),
        (FLOWS, FLOWS, SKIP),
        (FLOWS, FORBIDDEN, FAIL),
        (FLOWS, NOT_FOUND, FAIL),
        (FLOWS, BROKEN, ERROR),
    ],
    ids=["refused", "absent", "500", "open anyway", "403 passed", "404 passed", "plain path 500"],
)
def test_a_spelling(spelled: Answer, plain: Answer | None, letter: str) -> None:
    assert outcome(spelling_opens_nothing, flows(spelled, plain), target()) == letter


def test_a_rule_that_was_passed_is_named_with_its_remedy() -> None:
    seen = flows(FLOWS, FORBIDDEN)
    (violation,) = violations(spelling_opens_nothing(seen, Policy()))
    assert violation.observed.endswith("while /flows answered 403 (text/html, 153 bytes)")
    assert "location /flows (Express" in violation.remedy
    assert 'location ~* "^/flows(/|$)" {' in violation.remedy
    assert seen.evidence().startswith("GET /FLOWS anonymously answered 200")


def test_a_page_under_another_spelling() -> None:
    public = target(public_paths=(PublicPath("/ui", "lobby"),))
    page = attempt(Surface.DASHBOARD, "/UI", PAGE, AUTH)
    seen = VariantAttempt("/ui", page, attempt(Surface.DASHBOARD, "/ui", FORBIDDEN, AUTH))
    assert outcome(page_spelling_opens_nothing, seen, target()) == FAIL
    assert outcome(page_spelling_opens_nothing, seen, public) == SKIP


@pytest.mark.parametrize(
    ("claimed", "plain", "letter"),
    [
        (BEARER, None, PASS),
        (NOT_FOUND, None, SKIP),
        (FLOWS, FLOWS, SKIP),
        (FLOWS, FORBIDDEN, FAIL),
        (BROKEN, None, ERROR),
    ],
)
def test_an_identity_header(claimed: Answer, plain: Answer | None, letter: str) -> None:
    assert outcome(identity_header_opens_nothing, flows(claimed, plain), target()) == letter


def test_identity_headers_at_a_dashboard() -> None:
    seen = VariantAttempt(
        "/ui",
        attempt(Surface.DASHBOARD, "/ui", PAGE, AUTH),
        attempt(Surface.DASHBOARD, "/ui", FORBIDDEN, AUTH),
        ("believed",),
    )
    assert outcome(identity_header_opens_nothing, seen, target()) == FAIL
    refused = VariantAttempt("/ui", seen.plain or seen.attempt, seen.plain, ("believed",))
    assert outcome(identity_header_opens_nothing, refused, target()) == PASS


@pytest.mark.parametrize(
    ("enough", "said", "remedy"),
    [
        ((), "403 (text/html, 153 bytes) without it", 'proxy_set_header NAME ""'),
        (("X-User",), "without it; X-User alone is enough", 'proxy_set_header X-User "", and no $http_x_user in map'),
        (("X-User", "X-Role"), "; X-User and X-Role are enough", "let the gate drop X-User, X-Role: nginx"),
    ],
)
def test_the_header_that_opens_is_named(enough: tuple[str, ...], said: str, remedy: str) -> None:
    seen = replace(flows(FLOWS, FORBIDDEN), enough=enough)
    (violation,) = violations(identity_header_opens_nothing(seen, Policy()))
    assert violation.observed.endswith(said)
    assert remedy in violation.remedy
    claimed = replace(seen, attempt=replace(seen.attempt, how="with the header X-User: admin"))
    (violation,) = violations(identity_header_opens_nothing(claimed, Policy()))
    assert "X-User alone" not in violation.observed  # which says so already
    (violation,) = violations(way_opens_nothing(replace(seen, ways=("forwarded",)), Policy()))
    assert violation.remedy.endswith(f" (here: {', '.join(enough)})" if enough else "X-Forwarded-For")


def test_an_identity_header_at_a_public_dashboard() -> None:
    public = target(public_paths=(PublicPath("/ui", "lobby"),))
    seen = VariantAttempt("/ui", attempt(Surface.DASHBOARD, "/ui", PAGE, AUTH))
    assert outcome(identity_header_opens_nothing, seen, public) == SKIP
