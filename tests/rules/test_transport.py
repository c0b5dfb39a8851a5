"""Plain HTTP: the rows of the edge-case table for http-01."""

from __future__ import annotations

import pytest
from seen import EDITOR, ERROR, FAIL, NODE_BASIC, NOT_FOUND, PASS, outcome, target, violations

from pytest_nodered_sec.model import Answer, PlainAnswer, PlainAttempt, PortState
from pytest_nodered_sec.policy import Policy
from pytest_nodered_sec.rules.transport import nothing_in_clear


def plain(*answers: PlainAnswer, default_port: bool = False) -> PlainAttempt:
    return PlainAttempt("editor", "/", 80, default_port, answers)


def met(state: PortState) -> PlainAnswer:
    return PlainAnswer("192.0.2.1", state)


def answered(answer: Answer, address: str = "192.0.2.1", *, indistinct: bool = False) -> PlainAnswer:
    return PlainAnswer(address, PortState.ANSWERED, answer, indistinct)


def judged(*answers: PlainAnswer) -> str:
    return outcome(nothing_in_clear, plain(*answers), target())


@pytest.mark.parametrize("state", [PortState.REFUSED, PortState.FILTERED])
def test_https_fine_plain_port_refused_or_filtered(state: PortState) -> None:
    assert judged(met(state)) == PASS
    assert plain(met(state)).evidence() == f"nothing can be reached on port 80: {state.value}"


@pytest.mark.parametrize(
    "one",
    [
        answered(Answer(301, location="https://plant.example/")),
        answered(Answer(403, "text/html", 153)),
        answered(Answer(404, "text/html", 153)),
        answered(Answer(426, "text/html", 0)),
        met(PortState.CLOSED),
    ],
    ids=["301 https", "403", "404 while HTTPS differs", "426", "close"],
)
def test_plain_port_redirects_to_https_or_refuses(one: PlainAnswer) -> None:
    assert judged(one) == PASS


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
    (found,) = violations(nothing_in_clear(plain(answered(answer)), Policy()))
    assert found.code == code
    assert "return 301 https://$host$request_uri;" in found.remedy


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_plain_port_gives_no_answer(status: int) -> None:
    assert judged(answered(Answer(status, "text/html", 9))) == ERROR


def test_plain_port_answers_with_a_challenge_page() -> None:
    assert judged(answered(Answer(403, "text/html", 9, block="cf-mitigated"))) == ERROR


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
    (found,) = violations(nothing_in_clear(plain(answered(EDITOR), default_port=True), Policy()))
    assert hint in found.remedy
    (found,) = violations(nothing_in_clear(plain(answered(EDITOR)), Policy()))
    assert hint not in found.remedy
