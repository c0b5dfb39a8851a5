"""Redirects from plain HTTP, and what steers them: http-02 and http-04."""

from __future__ import annotations

from typing import Any

import pytest
from rules.in_clear import answered, met, plain
from seen import EDITOR, ERROR, FAIL, NODE_BASIC, PASS, SKIP, outcome, target, violations

from pytest_nodered_sec.observations.answers import Answer, Mark
from pytest_nodered_sec.observations.cleartext import Hop, PlainAnswer, PortState, RedirectTrails, SpoofedAttempt, Trail
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.rules.transport import headers_do_not_steer, redirects_well

# --- http-02

ASKED = "/ui?keep=1"
STRAIGHT = Hop(301, "https://plant.example/ui", keeps_path=True)


def trails(*sent: Trail, method: str = "GET", tls: bool = True) -> RedirectTrails:
    return RedirectTrails(method, ASKED, 80, "plant.example", tls, sent)


def led(*hops: Hop, end: Answer | None = None) -> Trail:
    return Trail("192.0.2.1", PortState.ANSWERED, hops, end)


def codes(seen: RedirectTrails, policy: Policy | None = None) -> list[str]:
    return [violation.code for violation in violations(redirects_well(seen, policy or Policy()))]


@pytest.mark.parametrize(
    ("hops", "expected"),
    [
        ((STRAIGHT,), []),
        ((STRAIGHT, Hop(301, "https://plant.example/ui/", keeps_path=False)), []),
        ((Hop(302, "https://plant.example/ui", keeps_path=True),), ["status"]),
        ((Hop(301, "http://plant.example/ui/", keeps_path=False), STRAIGHT), ["detour"]),
        ((Hop(301, "http://plant.example/ui/", keeps_path=False),), ["detour"]),
        ((STRAIGHT, Hop(301, "http://plant.example/ui/", keeps_path=False)), []),  # HTTPS does that: http-06
        ((Hop(301, "https://other.example/ui", keeps_path=True),), ["elsewhere"]),
        ((STRAIGHT, Hop(302, "https://sso.example/login", keeps_path=False)), []),
        ((Hop(301, "https://plant.example/", keeps_path=False),), ["loses-path"]),
        ((Hop(301, "https://plant.example:80/ui", keeps_path=True),), ["plain-port"]),
        ((Hop(301, "https://plant.example:8443/ui", keeps_path=True),), []),
        ((Hop(301, "https://sso.example/login", keeps_path=False, login=True),), []),
        ((Hop(302, "https://other.example/", keeps_path=False),), ["status", "elsewhere", "loses-path"]),
    ],
)
def test_redirects(hops: tuple[Hop, ...], expected: list[str]) -> None:
    assert codes(trails(led(*hops))) == expected


@pytest.mark.parametrize(
    ("profile", "method", "status", "expected"),
    [
        ("baseline", "GET", 302, []),
        ("baseline", "POST", 302, []),
        ("production", "POST", 301, []),
        ("strict", "GET", 301, []),
        ("strict", "POST", 301, ["status"]),
        ("strict", "POST", 308, []),
    ],
)
def test_redirect_status_by_profile(profile: Any, method: str, status: int, expected: list[str]) -> None:
    seen = trails(led(Hop(status, "https://plant.example/ui", keeps_path=True)), method=method)
    assert codes(seen, Policy(profile=profile)) == expected


def test_the_finding_says_where_it_leads_and_what_to_write() -> None:
    seen = trails(
        led(STRAIGHT), Trail("2001:db8::1", PortState.ANSWERED, (Hop(302, "https://plant.example/", keeps_path=False),))
    )
    first, second = violations(redirects_well(seen, Policy()))
    assert first.observed == (
        "GET /ui?keep=1 over plain HTTP, port 80 at 2001:db8::1, was answered 302 to https://plant.example/: status 302"
    )
    assert first.expected == "one of 301, 307, 308, as profile production demands"
    assert first.remedy == "nginx, server on port 80: return 301 https://plant.example$request_uri;"
    assert second.expected == "a redirect to https://plant.example/ui?keep=1"
    strict = trails(led(STRAIGHT), method="POST")
    (violation,) = violations(redirects_well(strict, Policy(profile="strict")))
    assert "return 307 " in violation.remedy


def test_no_redirect_or_no_https_is_not_judged_here() -> None:
    assert outcome(redirects_well, trails(tls=False), target()) == SKIP
    assert trails(tls=False).evidence() == "plant.example is served without TLS"
    assert outcome(redirects_well, trails(led(end=EDITOR)), target()) == SKIP
    assert outcome(redirects_well, trails(Trail("192.0.2.1", PortState.REFUSED)), target()) == SKIP
    assert outcome(redirects_well, trails(led(end=Answer(503, "text/html", 9))), target()) == ERROR
    assert outcome(redirects_well, trails(led(STRAIGHT, end=Answer(503, "text/html", 9))), target()) == PASS


def test_evidence_of_trails() -> None:
    seen = trails(led(STRAIGHT), Trail("2001:db8::1", PortState.FILTERED), led(end=NODE_BASIC))
    assert seen.evidence() == (
        "GET /ui?keep=1 over plain HTTP, port 80: 192.0.2.1: 301 to https://plant.example/ui; "
        '2001:db8::1: filtered; 192.0.2.1: 401 (Basic realm="Authorization Required")'
    )
    assert trails(led(STRAIGHT)).evidence().endswith("port 80: 301 to https://plant.example/ui")


# --- http-04

TO_HTTPS = Answer(301, location="https://plant.example/")


def spoofed(header: str, after: PlainAnswer, before: PlainAnswer | None = None) -> SpoofedAttempt:
    return SpoofedAttempt(header, plain(before or answered(TO_HTTPS)), plain(after))


PROTO, HOST, FORWARDED_HOST = (
    "X-Forwarded-Proto: https",
    "Host: stranger.invalid",
    "X-Forwarded-Host: stranger.invalid",
)
TO_STRANGER = Answer(301, location="https://stranger.invalid/")
OF_EXPRESS = Answer(404, "text/html", 139, marks=frozenset({Mark.EXPRESS}))
WELCOME = Answer(200, "text/html", 615)  # of whichever site is nginx's first


@pytest.mark.parametrize(
    ("seen", "letter"),
    [
        (spoofed(PROTO, answered(TO_HTTPS)), PASS),
        (spoofed(PROTO, answered(EDITOR)), FAIL),
        (spoofed(HOST, answered(TO_HTTPS)), PASS),
        (spoofed(HOST, answered(TO_STRANGER)), FAIL),
        (spoofed(HOST, met(PortState.CLOSED)), PASS),
        (spoofed(HOST, answered(WELCOME)), PASS),
        (spoofed(HOST, answered(OF_EXPRESS)), FAIL),
        (spoofed(HOST, answered(EDITOR)), FAIL),
        (spoofed(FORWARDED_HOST, answered(TO_STRANGER)), FAIL),
        (spoofed(PROTO, answered(EDITOR), answered(EDITOR)), SKIP),
        (spoofed(PROTO, met(PortState.REFUSED), met(PortState.REFUSED)), SKIP),
        (spoofed(PROTO, answered(Answer(503, "text/html", 9))), ERROR),
        (spoofed(PROTO, answered(TO_HTTPS), answered(Answer(503, "text/html", 9))), ERROR),
    ],
)
def test_headers_that_anybody_can_send(seen: SpoofedAttempt, letter: str) -> None:
    assert outcome(headers_do_not_steer, seen, target()) == letter


def test_only_an_address_that_redirected_to_https_is_judged() -> None:
    to_http = answered(Answer(301, location="http://other.example/"), "192.0.2.2")
    before = plain(answered(TO_HTTPS), to_http)
    after = plain(answered(TO_HTTPS), answered(EDITOR, "192.0.2.2"))
    assert headers_do_not_steer(SpoofedAttempt(PROTO, before, after), Policy()) == ()


def test_what_a_steered_redirect_says() -> None:
    seen = spoofed(HOST, answered(TO_STRANGER))
    (violation,) = violations(headers_do_not_steer(seen, Policy()))
    assert violation.observed.endswith("Host: stranger.invalid became the redirect's target")
    assert "$host" in violation.remedy
    (violation,) = violations(headers_do_not_steer(spoofed(FORWARDED_HOST, answered(TO_STRANGER)), Policy()))
    assert "X-Forwarded-Host $server_name" in violation.remedy
    (violation,) = violations(headers_do_not_steer(spoofed(PROTO, answered(EDITOR)), Policy()))
    assert "though without X-Forwarded-Proto: https it redirects" in violation.observed
    (violation,) = violations(headers_do_not_steer(spoofed(HOST, answered(OF_EXPRESS)), Policy()))
    assert (violation.code, "default_server" in violation.remedy) == ("served-by-name", True)
    assert seen.evidence() == (
        "GET / over plain HTTP, port 80: 301 (redirect to https://stranger.invalid/) with Host: stranger.invalid"
    )
