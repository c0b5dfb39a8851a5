"""What an answer, and the answers of a root, say of themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from seen import AUTH, GATE, NO_ADMIN, target

from pytest_nodered_sec.observations.answers import Answer, Classified, Kind, Mark, Refuser, Seen, classify
from pytest_nodered_sec.observations.login_urls import is_login
from pytest_nodered_sec.observations.refusals import METHOD_REFUSED, is_no_node_reds, refused_method


@pytest.mark.parametrize(
    ("answer", "strange"),
    [
        (Answer(200, "text/html", 10), True),
        (Answer(200, "text/html", 10, marks=frozenset({Mark.EDITOR})), False),
        (Answer(200, "application/json", 10), False),
        (Answer(401, "text/html", 10), False),
    ],
)
def test_a_strange_page_is_html_without_marks_of_node_red(answer: Answer, strange: bool) -> None:
    assert answer.strange_page is strange


def test_the_basic_realm_is_one_of_several_challenges() -> None:
    assert Answer(401, headers=(("basic-realm", "plant"),)).basic_realm == "plant"
    assert Answer(401).basic_realm is None


@pytest.mark.parametrize("location", ["https://[::1", "https://plant.example:99999/", "https://plant.example:x/"])
def test_what_is_no_url_is_no_login(location: str) -> None:
    assert not is_login(location, target(login_urls=("https://plant.example/login",)))


def test_the_sign_of_life_is_a_landmark_that_differs_from_a_random_path() -> None:
    assert AUTH.settings is not None
    assert AUTH.sign is AUTH.settings
    assert NO_ADMIN.sign is NO_ADMIN.canary
    assert GATE.sign is GATE.canary
    assert replace(GATE, login=AUTH.settings).sign is AUTH.settings


def test_no_answer_is_named() -> None:
    assert Answer(0, silent=True).line() == "nothing within the time limit, as at a random path"
    assert Answer(0).line() == "nothing, the connection was closed"


GATED = Seen("/x", Answer(401), Classified(Kind.REFUSED))
EXPRESS = Seen("/x", Answer(404, marks=frozenset({Mark.EXPRESS})), Classified(Kind.ABSENT))
OTHERS = Seen("/x", Answer(404), Classified(Kind.ABSENT))
FORM = Seen("/x", Answer(200), Classified(Kind.SERVED))


@pytest.mark.parametrize(
    ("answer", "canary", "usual", "refused"),
    [
        (Answer(405), Answer(405), GATED, True),
        (Answer(405), Answer(405), EXPRESS, True),
        (Answer(501), Answer(501), GATED, True),
        (Answer(405), Answer(405), FORM, False),  # of a form that takes no POST
        (Answer(405), Answer(404), GATED, False),
        (Answer(418), Answer(418), GATED, True),
        (Answer(405, marks=frozenset({Mark.VERSION})), Answer(405), GATED, True),  # nginx: server_tokens on
        (Answer(400), Answer(405), GATED, False),
        (Answer(404), Answer(404), GATED, True),  # nginx: if ($request_method = POST) { return 404; }
        (Answer(404), Answer(404), EXPRESS, True),
        (Answer(404), Answer(404), OTHERS, False),  # whose front serves but what it lists
        (Answer(404), Answer(404, marks=frozenset({Mark.EXPRESS})), EXPRESS, False),
        (Answer(404, marks=frozenset({Mark.EXPRESS})), Answer(404), EXPRESS, False),
        (Answer(503), Answer(503), GATED, False),
        (Answer(405, marks=frozenset({Mark.EXPRESS})), Answer(405), GATED, False),
    ],
)
def test_a_method_that_a_front_takes_nowhere_is_refused(
    answer: Answer, canary: Answer, usual: Seen, refused: bool
) -> None:
    seen = refused_method(answer, canary, usual)
    assert (seen is not None) == refused
    assert seen is None or (seen.kind, seen.why) == (Kind.REFUSED, METHOD_REFUSED)


@pytest.mark.parametrize(
    ("answer", "usual", "others"),
    [
        (Answer(405), EXPRESS, True),  # Traefik's own dashboard, at /dashboard beside Node-RED
        (Answer(501, "text/html"), GATED, True),
        (Answer(405, "application/json"), EXPRESS, False),
        (Answer(405), FORM, False),
        (Answer(404), EXPRESS, False),
    ],
)
def test_a_405_is_none_of_node_reds_routes(answer: Answer, usual: Seen, others: bool) -> None:
    assert is_no_node_reds(answer, usual) is others


LOGIN = "https://sso.example/authorize"
VIA = Answer(302, location=LOGIN, hops=1, first="https://plant.example/oauth2/start")


@pytest.mark.parametrize(
    ("location", "canary", "refuser"),
    [
        ("https://plant.example/oauth2/start", VIA, Refuser.LOGIN),
        ("https://192.0.2.7/oauth2/start", VIA, Refuser.LOGIN),  # under the address in place of the name
        ("https://plant.example/elsewhere", VIA, None),
        ("http://plant.example/oauth2/start", VIA, None),
        ("https://plant.example/oauth2/start", replace(VIA, location="https://other.example/"), None),
        ("https://plant.example/oauth2/start", replace(VIA, first=""), None),
        ("https://plant.example/oauth2/start", None, None),
    ],
)
def test_the_first_step_to_a_login_is_a_refusal(location: str, canary: Answer | None, refuser: Refuser | None) -> None:
    seen = classify(Answer(302, location=location), target(login_urls=(LOGIN,)), canary)
    assert seen.refuser is refuser
