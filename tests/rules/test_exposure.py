"""Other doors, versions and cookies: what is judged how."""

from __future__ import annotations

from dataclasses import replace

import pytest
from seen import (
    AUTH,
    BEARER,
    BROKEN,
    EDITOR,
    ERROR,
    FAIL,
    FORBIDDEN,
    GATE,
    LOGIN,
    NODE_BASIC,
    NOT_FOUND,
    OPEN,
    PAGE,
    PASS,
    PROXY_BASIC,
    SKIP,
    STRANGER,
    TO_CLEARTEXT,
    TO_SSO,
    outcome,
    target,
    view,
    violations,
)

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.observations.answers import Answer, Mark, RootView, classify
from pytest_nodered_sec.observations.cleartext import PortState
from pytest_nodered_sec.observations.side_ports import (
    Announcements,
    ClosedPort,
    Cookie,
    DirectDoors,
    Door,
    SeenCookies,
    StrangeName,
    Visit,
)
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.rules.exposure import (
    cookies_are_guarded,
    own_port_is_shut,
    port_is_closed,
    strange_name_is_turned_away,
    tells_no_version,
)
from pytest_nodered_sec.verdict import Severity

NOBODY = Answer(404, "text/html", 153)  # a web server's own 404, not that of Express
SOCKET = Answer(200, "text/plain", 96)
HOME = Answer(301, location="https://plant.example/")
ONWARD = Answer(301, location="https://abc.invalid/ui/")
CHALLENGE = Answer(403, "text/html", 9, block="cf-mitigated")


def visit(answer: Answer, path: str = "/settings", **more: bool) -> Visit:
    return Visit(path, answer, classify(answer, target()), **more)


def met(state: PortState) -> Door:
    return Door("192.0.2.1", state)


def opened(*visits: Visit, address: str = "192.0.2.1", tls: bool = False) -> Door:
    return Door(address, PortState.ANSWERED, tls, visits)


# --- proxy-01


def direct(*doors: Door, root: RootView = AUTH) -> DirectDoors:
    return DirectDoors(1880, "", root, doors)


@pytest.mark.parametrize("state", [PortState.REFUSED, PortState.FILTERED, PortState.CLOSED])
def test_own_port_where_nothing_answers(state: PortState) -> None:
    assert outcome(own_port_is_shut, direct(met(state)), target()) == PASS
    assert direct(met(state)).evidence() == f"port 1880: 192.0.2.1: {state.value}"


@pytest.mark.parametrize(
    ("seen", "letter"),
    [
        (visit(LOGIN), FAIL),
        (visit(EDITOR), FAIL),
        (visit(PAGE), FAIL),
        (visit(SOCKET, socket=True), FAIL),
        (visit(NOT_FOUND), FAIL),
        (visit(Answer(400, "text/html", 9)), FAIL),
        (visit(TO_CLEARTEXT), FAIL),
        (visit(BEARER), FAIL),
        (visit(NODE_BASIC), FAIL),
        (visit(BEARER, as_home=True), PASS),
        (visit(NODE_BASIC, as_home=True), PASS),
        (visit(PROXY_BASIC), PASS),
        (visit(FORBIDDEN), PASS),
        (visit(NOBODY), PASS),
        (visit(HOME, homeward=True), PASS),
        (visit(ONWARD, onward=True), FAIL),
        (visit(TO_SSO), ERROR),
        (visit(BROKEN), ERROR),
        (visit(Answer(429)), ERROR),
        (visit(CHALLENGE), ERROR),
    ],
    ids=[
        "login page",
        "editor",
        "some page",
        "live channel",
        "404 of Express",
        "400",
        "redirect in clear",
        "Node-RED's login, and another at home",
        "Node-RED's Basic login, and another at home",
        "Node-RED's login, as at home",
        "Node-RED's Basic login, as at home",
        "the gate's login",
        "403",
        "404 of another server",
        "to the URL",
        "to another path there",
        "to an undeclared login",
        "500",
        "429",
        "challenge",
    ],
)
def test_own_port_that_answers(seen: Visit, letter: str) -> None:
    assert outcome(own_port_is_shut, direct(opened(seen)), target()) == letter


def test_what_is_served_counts_though_something_else_gave_no_answer() -> None:
    assert outcome(own_port_is_shut, direct(opened(visit(BROKEN), visit(LOGIN))), target()) == FAIL


def test_a_refusal_proves_nothing_where_no_node_red_was_seen() -> None:
    assert outcome(own_port_is_shut, direct(opened(visit(NOBODY)), root=STRANGER), target()) == ERROR
    assert outcome(own_port_is_shut, direct(opened(visit(PROXY_BASIC)), root=GATE), target()) == ERROR
    proxied = target(admin_api="proxied")
    assert outcome(own_port_is_shut, direct(opened(visit(PROXY_BASIC)), root=GATE), proxied) == PASS
    assert outcome(own_port_is_shut, direct(met(PortState.REFUSED), root=STRANGER), target()) == PASS


def test_each_address_is_named_with_what_answers_there() -> None:
    many = [visit(LOGIN, f"/{number}?EIO=4") for number in range(6)]
    seen = direct(opened(visit(LOGIN, "/auth/login"), visit(FORBIDDEN)), opened(*many, address="2001:db8::1", tls=True))
    first, second = violations(own_port_is_shut(seen, Policy()))
    assert first.observed == (
        "port 1880 at 192.0.2.1 answers plain HTTP past the proxy: GET /auth/login 200 (application/json, 120 bytes)"
    )
    assert second.observed.startswith("port 1880 at 2001:db8::1 answers HTTPS past the proxy: GET /0 200 (")
    assert second.observed.endswith("GET /3 200 (application/json, 120 bytes) and 2 more")
    assert 'uiHost: "127.0.0.1"' in first.remedy
    assert seen.evidence() == (
        "port 1880: 192.0.2.1: 200 (application/json, 120 bytes), 403 (text/html, 153 bytes); "
        "2001:db8::1: 200 (application/json, 120 bytes)"
    )


@pytest.mark.parametrize(
    ("address", "here"), [("127.0.0.1", True), ("::1", True), ("192.0.2.1", False), ("plant.example", False)]
)
def test_who_asks_from_the_same_machine_is_told_how_not_to(address: str, here: bool) -> None:
    (violation,) = violations(own_port_is_shut(direct(opened(visit(LOGIN), address=address)), Policy()))
    told = "; you are asking from the same machine: set `connect` to its network address"
    assert (told in violation.remedy) is here


def test_own_port_that_is_the_urls() -> None:
    seen = DirectDoors(443, "the URL's own", AUTH)
    assert outcome(own_port_is_shut, seen, target()) == SKIP
    assert seen.evidence() == "port 443 is the URL's own"


# --- proxy-02


def said(
    server: str = "", asked: str = "GET /", answer: Answer = NOT_FOUND, name: str = "server"
) -> tuple[str, Answer]:
    return asked, replace(answer, headers=((name, server),) if server else ())


@pytest.mark.parametrize(
    ("value", "letter"),
    [
        ("", PASS),
        ("nginx", PASS),
        ("Caddy", PASS),
        ("AmazonS3", PASS),
        ("Express", PASS),
        ("nginx/1.22.1", FAIL),
        ("Apache/2.4.57 (Debian)", FAIL),
        ("Jetty(9.4.51)", FAIL),
        ("Varnish/v7", FAIL),
        ("PHP/8.2", FAIL),
    ],
)
@pytest.mark.parametrize("name", ["server", "x-powered-by"])
def test_versions_in_headers(name: str, value: str, letter: str) -> None:
    assert outcome(tells_no_version, Announcements((said(value, name=name),)), target()) == letter


def test_each_version_is_one_finding() -> None:
    page = replace(FORBIDDEN, marks=frozenset({Mark.VERSION}))
    seen = Announcements((said("nginx/1.22.1", "GET /a"), said("nginx/1.22.1", "GET /b", page)))
    first, second = violations(tells_no_version(seen, Policy()))
    assert first.observed == "GET /a answered 404 (text/html, 150 bytes), Server: nginx/1.22.1"
    assert second.observed == "GET /b answered 403 (text/html, 153 bytes), a server's version in its body"
    assert seen.evidence() == "2 answers disclosed Server: nginx/1.22.1, a server's version in its body"
    assert Announcements((said(), said())).evidence() == "2 answers disclosed nothing about the server"


@pytest.mark.parametrize(("server", "letter"), [("nginx", ERROR), ("nginx/1.22.1", FAIL)])
def test_silence_hides_no_version_that_another_answer_tells(server: str, letter: str) -> None:
    assert outcome(tells_no_version, Announcements((said(server),), ("GET /ui: silent",)), target()) == letter
    broken = Announcements((said(server), said("", "GET /ui", BROKEN)))
    assert outcome(tells_no_version, broken, target()) == letter


# --- proxy-03


def strange(*visits: Visit, root: RootView = AUTH) -> StrangeName:
    return StrangeName("abc.invalid", True, root, opened(*visits))


def test_a_strange_name_where_everything_is_one_page_is_told_by_reach_01() -> None:
    with pytest.raises(ProbeError, match="see reach-01"):
        strange(visit(PAGE), root=view(PAGE, PAGE, ())).settle(target())


@pytest.mark.parametrize("state", [PortState.REJECTED, PortState.CLOSED])
def test_a_strange_name_is_not_even_answered(state: PortState) -> None:
    seen = StrangeName("abc.invalid", True, AUTH, met(state))
    assert outcome(strange_name_is_turned_away, seen, target()) == PASS
    assert seen.evidence() == f"the host name abc.invalid at 192.0.2.1: {state.value}"


@pytest.mark.parametrize(
    ("seen", "letter"),
    [
        (visit(NOBODY), PASS),
        (visit(Answer(421, "text/html", 9)), PASS),
        (visit(FORBIDDEN), PASS),
        (visit(PROXY_BASIC), PASS),
        (visit(PAGE), PASS),
        (visit(HOME, homeward=True), PASS),
        (visit(ONWARD, onward=True), PASS),
        (visit(LOGIN), FAIL),
        (visit(EDITOR), FAIL),
        (visit(BEARER), FAIL),
        (visit(NODE_BASIC), FAIL),
        (visit(NOT_FOUND), FAIL),
        (visit(SOCKET, socket=True), FAIL),
        (visit(PROXY_BASIC, like_landmark=True), FAIL),
        (visit(BROKEN), ERROR),
        (visit(TO_SSO), ERROR),
    ],
    ids=[
        "404",
        "421",
        "403",
        "a gate",
        "another page",
        "to the URL",
        "to another path there",
        "login page",
        "editor",
        "Node-RED's login",
        "Node-RED's Basic login",
        "404 of Express",
        "live channel",
        "as at home",
        "500",
        "undeclared login",
    ],
)
def test_a_strange_name_that_is_answered(seen: Visit, letter: str) -> None:
    assert outcome(strange_name_is_turned_away, strange(seen), target()) == letter


def test_a_strange_name_where_no_node_red_was_seen() -> None:
    assert outcome(strange_name_is_turned_away, strange(visit(NOBODY), root=STRANGER), target()) == ERROR


@pytest.mark.parametrize(("root", "severity"), [(AUTH, Severity.LOW), (OPEN, None)])
def test_a_strange_name_is_worse_without_a_login(root: RootView, severity: Severity | None) -> None:
    (violation,) = violations(
        strange_name_is_turned_away(strange(visit(NOT_FOUND, "/x"), visit(LOGIN, "/y"), root=root), Policy())
    )
    assert violation.severity is severity
    assert violation.observed == "the host name abc.invalid reaches Node-RED: GET /y 200 (application/json, 120 bytes)"


def test_an_address_has_no_other_name() -> None:
    seen = StrangeName("abc.invalid", False, AUTH)
    assert outcome(strange_name_is_turned_away, seen, target()) == SKIP


# --- proxy-04


@pytest.mark.parametrize(
    ("state", "letter"), [(PortState.REFUSED, PASS), (PortState.FILTERED, PASS), (PortState.ACCEPTED, FAIL)]
)
def test_a_port_that_must_be_closed(state: PortState, letter: str) -> None:
    assert outcome(port_is_closed, ClosedPort(9229, (met(PortState.REFUSED), met(state))), target()) == letter


def test_the_inspector_has_its_own_remedy() -> None:
    inspector, other = (
        violations(port_is_closed(ClosedPort(port, (met(PortState.ACCEPTED),)), Policy()))[0] for port in (9229, 502)
    )
    assert inspector.observed == "port 9229 at 192.0.2.1 accepts connections"
    assert "--inspect" in inspector.remedy
    assert "--inspect" not in other.remedy
    assert ClosedPort(502, (met(PortState.ACCEPTED),)).evidence() == "port 502: 192.0.2.1: open"


# --- cookie-01


@pytest.mark.parametrize(
    ("cookie", "lacks"),
    [
        (Cookie("a", True, True, "lax"), ""),
        (Cookie("a", True, True, "strict"), ""),
        (Cookie("a", True, True, "none"), "browsers send it with requests from any site"),
        (Cookie("a", True, True, ""), "no SameSite"),
        (Cookie("a", False, True, "lax"), "no Secure"),
        (Cookie("a", True, False, "lax"), "no HttpOnly"),
        (Cookie("", False, False, ""), "no Secure, no HttpOnly, no SameSite"),
    ],
)
def test_cookies(cookie: Cookie, lacks: str) -> None:
    faults = violations(cookies_are_guarded(SeenCookies(9, (cookie,)), Policy()))
    assert [violation.observed.rpartition(": ")[2] for violation in faults] == ([lacks] if lacks else [])


def test_a_cookie_in_words() -> None:
    cookies = (Cookie("sid", True, True, "lax"), Cookie("", False, False, "", "GET /ui"))
    seen = SeenCookies(9, cookies)
    assert seen.evidence() == "set by 9 answers: sid; Secure; HttpOnly; SameSite=Lax, (no name)"
    (violation,) = violations(cookies_are_guarded(seen, Policy()))
    assert violation.observed == "GET /ui set the cookie (no name): no Secure, no HttpOnly, no SameSite"


def test_no_cookie() -> None:
    seen = SeenCookies(9, ())
    assert outcome(cookies_are_guarded, seen, target()) == SKIP
    assert seen.evidence() == "no cookie was set by 9 answers"
