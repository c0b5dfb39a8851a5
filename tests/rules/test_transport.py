"""Plain HTTP and HSTS: the rows of the edge-case table for http-01, http-03, http-05 and http-06."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from rules.in_clear import answered, met, plain
from seen import EDITOR, ERROR, FAIL, NODE_BASIC, NOT_FOUND, PASS, TO_CLEARTEXT, outcome, target, violations

from pytest_nodered_sec.observations.answers import Answer, Mark
from pytest_nodered_sec.observations.cleartext import PlainAnswer, PlainAttempt, PortState
from pytest_nodered_sec.observations.side_ports import PageAnswers
from pytest_nodered_sec.policy.model import PROFILES, Deviation, Policy
from pytest_nodered_sec.rules.transport import channel_stays_out, insists_on_https, login_stays_out, nothing_in_clear
from pytest_nodered_sec.verdict import NotApplicable, NotJudged

if TYPE_CHECKING:
    from pytest_nodered_sec.verdict import Verdict


def judged(*answers: PlainAnswer) -> str:
    return outcome(nothing_in_clear, plain(*answers), target())


@pytest.mark.parametrize("state", [PortState.REFUSED, PortState.FILTERED])
def test_https_fine_plain_port_refused_or_filtered(state: PortState) -> None:
    assert judged(met(state)) == PASS
    assert plain(met(state)).evidence() == f"nothing can be reached on port 80: {state.value}"


@pytest.mark.parametrize(
    "answer",
    [
        answered(Answer(301, location="https://plant.example/")),
        answered(Answer(403, "text/html", 153)),
        answered(Answer(404, "text/html", 153)),
        answered(Answer(426, "text/html", 0)),
        met(PortState.CLOSED),
    ],
    ids=["301 https", "403", "404 while HTTPS differs", "426", "close"],
)
def test_plain_port_redirects_to_https_or_refuses(answer: PlainAnswer) -> None:
    assert judged(answer) == PASS


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (NODE_BASIC, "password-in-clear"),
        (EDITOR, "served"),
        (Answer(302, location="http://other.example/"), "stays-in-clear"),
        (NOT_FOUND, "node-red-answers"),
    ],
    ids=["401 Basic", "200", "redirect to http", "Express itself says 404"],
)
def test_plain_port_401_200_redirect_to_http_or_node_red_itself(answer: Answer, code: str) -> None:
    assert judged(answered(answer)) == FAIL
    (violation,) = violations(nothing_in_clear(plain(answered(answer)), Policy()))
    assert violation.code == code
    assert "return 301 https://$server_name$request_uri;" in violation.remedy


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_plain_port_gives_no_answer(status: int) -> None:
    assert judged(answered(Answer(status, "text/html", 9))) == ERROR


def test_plain_port_answers_with_a_challenge_page() -> None:
    assert judged(answered(Answer(403, "text/html", 9, block="cf-mitigated"))) == ERROR


def test_a_5xx_that_is_the_flows_own_answer_is_served() -> None:
    flow = PlainAnswer("192.0.2.1", PortState.ANSWERED, Answer(500, "text/html", 10), reached=True)
    (violation,) = violations(nothing_in_clear(plain(flow), target().policy))
    assert violation.code == "served"


def test_another_site_under_the_address_serves_what_it_likes() -> None:
    elsewhere = PlainAnswer("192.0.2.1", PortState.ANSWERED, Answer(200, "text/html", 10), elsewhere=True)
    assert judged(elsewhere) == PASS


def test_plain_port_answers_every_path_alike() -> None:
    assert judged(answered(EDITOR, indistinct=True)) == ERROR


def test_every_address_of_the_name_is_judged_and_named() -> None:
    seen = plain(met(PortState.REFUSED), answered(EDITOR, "2001:db8::1"), answered(NODE_BASIC, "192.0.2.2"))
    first, second = violations(nothing_in_clear(seen, Policy()))
    assert "at 2001:db8::1" in first.observed
    assert "at 192.0.2.2" in second.observed
    assert seen.evidence() == (
        "GET / over plain HTTP, port 80: 192.0.2.1: refused; 2001:db8::1: 200 (text/html, 1700 bytes); "
        '192.0.2.2: 401 (Basic realm="Authorization Required")'
    )


def test_one_address_is_not_repeated_in_the_evidence() -> None:
    assert plain(answered(EDITOR)).evidence() == "GET / over plain HTTP, port 80: 200 (text/html, 1700 bytes)"


def test_url_port_is_not_443_and_no_http_port_set() -> None:
    hint = "if port 80 belongs to something else, set --nodered-http-port"
    (violation,) = violations(nothing_in_clear(plain(answered(EDITOR), default_port=True), Policy()))
    assert hint in violation.remedy
    (violation,) = violations(nothing_in_clear(plain(answered(EDITOR)), Policy()))
    assert hint not in violation.remedy


# --- http-03


def log_in(*answers: PlainAnswer) -> PlainAttempt:
    return PlainAttempt("token", "/auth/token", 80, False, answers, "POST")


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        (answered(Answer(200, "application/json", 150)), FAIL),
        (answered(Answer(401, "text/plain", 12)), FAIL),
        (answered(NOT_FOUND), FAIL),
        (answered(Answer(400, "application/json", 40)), FAIL),
        (PlainAnswer("192.0.2.1", PortState.ANSWERED, Answer(400, "text/html", 150), like_canary=True), PASS),
        (answered(Answer(301, location="https://plant.example/auth/token")), PASS),
        (met(PortState.REFUSED), PASS),
        (met(PortState.CLOSED), PASS),
    ],
    ids=["200", "401", "Express 404", "400 of Node-RED", "400 to every path", "https", "refused", "closed"],
)
def test_login_in_clear(answer: PlainAnswer, letter: str) -> None:
    assert outcome(login_stays_out, log_in(answer), target()) == letter


def test_a_login_that_is_read_in_clear_is_named() -> None:
    (violation,) = violations(login_stays_out(log_in(answered(Answer(400, "application/json", 40))), Policy()))
    assert violation.observed == (
        "POST /auth/token over plain HTTP, port 80, answered 400 (application/json, 40 bytes): "
        "the login is accepted in clear text"
    )


# --- http-05


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        (answered(Answer(101)), FAIL),
        (answered(NODE_BASIC), FAIL),
        (answered(NOT_FOUND), PASS),
        (met(PortState.NO_CHANNEL), PASS),
        (answered(Answer(502, "text/html", 9)), ERROR),
    ],
    ids=["101", "401", "404", "as a random path", "502"],
)
def test_live_channel_in_clear(answer: PlainAnswer, letter: str) -> None:
    seen = PlainAttempt("/comms", "/comms", 80, False, (answer,), "WebSocket")
    assert outcome(channel_stays_out, seen, target()) == letter


# --- http-06


def page(*headers: str, answer: Answer = EDITOR) -> PageAnswers:
    told = [replace(answer, headers=(("strict-transport-security", header),) if header else ()) for header in headers]
    return PageAnswers("/", True, True, tuple((f"/{number}", answer) for number, answer in enumerate(told)))


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("max-age=15768000", ""),
        ("max-age=63072000; includeSubDomains; preload", ""),
        ("MAX-AGE = 63072000", ""),
        ('max-age="63072000"', ""),
        ("includeSubDomains;; max-age=63072000;", ""),
        ("max-age=63072000, max-age=0", ""),
        ("max-age=0, max-age=63072000", "forgotten"),
        ("includeSubDomains, max-age=63072000", "unusable"),
        ('x="a, b"; max-age=63072000, max-age=0', ""),
        ("max-age=0", "forgotten"),
        ("max-age=63072000, includeSubDomains", "unusable"),  # a comma in place of the semicolon
        ("max-age=15767999", "short"),
        ("", "missing"),
        ("includeSubDomains", "unusable"),
        ("max-age", "unusable"),
        ("max-age=1 year", "unusable"),
        ("max-age=-1", "unusable"),
        ("max-age=63072000; max-age=63072000", "unusable"),
    ],
)
def test_https_only(header: str, code: str) -> None:
    faults = violations(insists_on_https(page(header), Policy()))
    assert [violation.code for violation in faults] == ([code] if code else [])
    assert not any("includeSubDomains" in violation.remedy for violation in faults)
    assert all("every port of the name" in violation.remedy for violation in faults)


@pytest.mark.parametrize("answer", [EDITOR, NODE_BASIC, NOT_FOUND, Answer(302, location="https://plant.example/ui/")])
def test_https_only_on_every_answer(answer: Answer) -> None:
    assert outcome(insists_on_https, page("", answer=answer), target()) == FAIL
    assert outcome(insists_on_https, page("max-age=63072000", answer=answer), target()) == PASS


def test_https_only_names_the_step_and_the_profile() -> None:
    seen = page("max-age=63072000", "max-age=300", "max-age=200")
    (violation,) = violations(insists_on_https(seen, Policy("strict")))
    assert violation.observed == (
        "GET /1 answered 200 (text/html, 1700 bytes), Strict-Transport-Security: max-age=300: 300 seconds"
    )
    assert violation.expected == (
        "Strict-Transport-Security: max-age=63072000 or more, on every answer, as profile strict requires"
    )
    assert page("").evidence() == "GET /0 answered 200 (text/html, 1700 bytes), without Strict-Transport-Security"


@pytest.mark.parametrize(("profile", "letter"), [("baseline", PASS), ("production", FAIL)])
def test_https_only_as_the_profile_demands(profile: Any, letter: str) -> None:
    assert outcome(insists_on_https, page("max-age=86400"), target(profile=profile)) == letter


def test_https_only_where_tls_turns_away_who_has_no_certificate() -> None:
    alert = page("", answer=Answer(496, marks=frozenset({Mark.CERTIFICATE_DEMAND})))
    verdict = insists_on_https(alert, Policy(mutual_tls=True))
    assert isinstance(verdict, NotJudged)
    assert verdict.reason.startswith("GET /0: a TLS alert, no answer, without a client certificate; HSTS comes with")
    assert alert.evidence() == "GET /0: a TLS alert, no answer, without a client certificate"


def test_https_only_where_a_page_gives_no_answer() -> None:
    assert outcome(insists_on_https, page("max-age=63072000", answer=Answer(502, "text/html", 9)), target()) == ERROR


@pytest.mark.parametrize(
    ("seen", "line"),
    [
        (PageAnswers("/", False, True), "the target is served without TLS (tls-01 judges that)"),
        (
            PageAnswers("/", True, False),
            "the URL has an IP address, not a name: browsers keep HSTS for names only (RFC 6797, 8.1.1)",
        ),
    ],
)
def test_https_only_does_not_apply(seen: PageAnswers, line: str) -> None:
    assert insists_on_https(seen, Policy()) == NotApplicable(line)


def test_https_only_is_not_demanded() -> None:
    none = replace(PROFILES["production"], hsts_max_age=0)
    why = (Deviation("thresholds.hsts_max_age", "0", "15768000", "other services share the name"),)
    told = insists_on_https(page(""), Policy(own_thresholds=none, deviations=why))
    assert told == NotApplicable("not required: other services share the name")
    assert insists_on_https(page(""), Policy(own_thresholds=none)) == NotApplicable("not required: hsts_max_age is 0")


@pytest.mark.parametrize("header", ["", "max-age=63072000"])
def test_a_page_that_leads_to_plain_http_is_told_once(header: str) -> None:
    to_clear = page(header, answer=TO_CLEARTEXT)
    also = [] if header else ["missing"]
    assert page_codes(insists_on_https(to_clear, Policy())) == ["leads-to-clear", *also]
    assert page_codes(insists_on_https(replace(to_clear, as_everywhere=True), Policy())) == also
    (violation,) = violations(insists_on_https(replace(to_clear, named=False), Policy()))
    assert violation.observed.startswith(
        "GET /0 answered 302 (redirect to http://plant.example/): whatever is typed there"
    )
    assert "https://plant.example/ instead of http://plant.example/" in violation.remedy


def page_codes(verdict: Verdict) -> list[str]:
    return [violation.code for violation in violations(verdict)]
