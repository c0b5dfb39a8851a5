"""What an answer is taken for: refused, absent or served, by `classify`, `alike`, `is_login` and the landmarks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from seen import (
    AUTH,
    BEARER,
    BROKEN,
    EDITOR,
    FLOWS,
    FORBIDDEN,
    GATE,
    NO_ADMIN,
    NO_ADMIN_NODE_AUTH,
    NODE_AUTH,
    NODE_BASIC,
    NOT_FOUND,
    OPEN,
    PAGE,
    PROXY_BASIC,
    TO_CLEARTEXT,
    TO_SSO,
    attempt,
    target,
    view,
)

from pytest_nodered_sec.errors import Cause
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.answers import (
    Answer,
    Kind,
    Mark,
    Refuser,
    RootView,
    Seen,
    alike,
    answers_for_itself,
    classify,
    refuser_of,
    steadied,
)
from pytest_nodered_sec.observations.login_urls import is_login

# --- who refused


@pytest.mark.parametrize(
    ("challenge", "refuser"),
    [
        ('Bearer realm="Users"', Refuser.NODE_RED),
        ('Basic realm="Authorization Required"', Refuser.NODE_RED_BASIC),
        ('Basic realm="plant"', Refuser.PROXY),
        ('Bearer realm="users"', Refuser.PROXY),
        ("", Refuser.UNNAMED),
    ],
)
def test_the_realm_tells_who_refused(challenge: str, refuser: Refuser) -> None:
    assert refuser_of(challenge) is refuser


# --- alike


def words(*numbers: int) -> Answer:
    return Answer(200, "text/html", 99, likeness=tuple(numbers))


@pytest.mark.parametrize(
    ("answer", "other", "same"),
    [
        (words(*range(10)), words(*range(10)), True),
        (words(*range(10)), words(*range(9)), True),
        (words(*range(10)), words(*range(8)), False),
        (words(), words(), True),
        (words(1), words(), False),
        (words(1), replace(words(1), status=201), False),
        (words(1), replace(words(1), content_type="text/plain"), False),
        (TO_SSO, replace(TO_SSO, location="https://sso.example/other"), False),
        (words(1), replace(words(1), length=3), True),
    ],
    ids=["equal", "nine tenths", "less", "both empty", "answer empty", "status", "type", "redirect", "length"],
)
def test_alike(answer: Answer, other: Answer, same: bool) -> None:
    assert alike(answer, other) is alike(other, answer) is same


def test_alike_leaves_out_what_either_page_echoes() -> None:
    form = tuple(range(10))
    answer = replace(words(*form, 21, 22), aside=(21, 22, 3))  # 3: a word of the path that stands in the form, too
    other = replace(words(*form, 31), aside=(31,))
    assert alike(answer, other) is alike(other, answer) is True
    assert not alike(replace(answer, aside=()), other)


def test_alike_tells_products_apart_whatever_else_they_share() -> None:
    assert not alike(replace(PAGE, marks=frozenset({Mark.DASHBOARD})), PAGE)
    assert alike(replace(PAGE, marks=frozenset({Mark.VERSION})), PAGE)


def test_what_changes_from_one_random_path_to_the_next_does_not_count() -> None:
    form = tuple(range(10))
    canary = steadied(replace(words(*form, 91, 92, 71), aside=(71,)), replace(words(*form, 93, 94, 72), aside=(72,)))
    assert (canary.aside, canary.varying) == ((71, 91, 92, 93, 94), 2)
    asked = replace(words(*form, 95, 96, 73), aside=(73,))
    assert alike(asked, canary) is alike(canary, asked) is True
    assert not alike(words(*form, 95, 96, 97, 98), canary)  # more than a token
    assert not alike(words(*form[:8], 95, 96), canary)  # not the form
    assert steadied(canary, replace(canary, status=201)) is canary  # nothing to learn from that


@pytest.mark.parametrize(
    ("answer", "strange"), [(PAGE, True), (EDITOR, False), (FLOWS, False), (TO_SSO, False), (FORBIDDEN, False)]
)
def test_a_strange_page(answer: Answer, strange: bool) -> None:
    assert answer.strange_page is strange


# --- is_login


@pytest.mark.parametrize(
    ("declared", "location", "is_one"),
    [
        ("https://sso.example/login", "https://sso.example/login", True),
        ("https://sso.example/login", "https://sso.example/login/step", True),
        ("https://sso.example/login/", "https://sso.example/login", True),
        ("https://sso.example/login", "https://sso.example:443/login", True),
        ("https://sso.example/login", "https://SSO.example/login", True),
        ("https://sso.example", "https://sso.example/anything", True),
        ("https://sso.example/login", "https://sso.example/login-of-others", False),
        ("https://sso.example/login", "https://sso.example/", False),
        ("https://sso.example/login", "https://sso.example.evil/login", False),
        ("https://sso.example/login", "https://sso.example:444/login", False),
        ("https://sso.example/login", "http://sso.example/login", False),
        ("http://sso.example/login", "http://sso.example/login", False),
        ("/sso", "https://plant.example/sso", True),
        ("/sso", "https://other.example/sso", False),
        ("/", "https://plant.example/", True),
        ("/", "https://plant.example/ui/", False),
        ("https://plant.example", "https://plant.example/ui/", False),
        ("https://plant.example:8443", "https://plant.example:8443/ui/", True),
    ],
)
def test_is_login(declared: str, location: str, is_one: bool) -> None:
    assert is_login(location, target(login_urls=(declared,))) is is_one


def test_is_login_tries_every_declared_url() -> None:
    declared = ("https://one.example/", "https://two.example/")
    assert is_login("https://two.example/x", target(login_urls=declared))
    assert not is_login("https://three.example/x", target(login_urls=declared))
    assert not is_login("https://one.example/", target())


# --- classify

SSO = "https://sso.example/login"


@pytest.mark.parametrize(
    ("answer", "kind", "refuser", "cause"),
    [
        (replace(PAGE, block="cf-mitigated"), Kind.NO_ANSWER, None, Cause.UNAVAILABLE),
        (BROKEN, Kind.NO_ANSWER, None, Cause.UNAVAILABLE),
        (replace(BROKEN, status=503), Kind.NO_ANSWER, None, Cause.UNAVAILABLE),
        (replace(BROKEN, status=429), Kind.NO_ANSWER, None, Cause.UNAVAILABLE),
        (replace(BROKEN, status=408), Kind.NO_ANSWER, None, Cause.UNAVAILABLE),
        (BEARER, Kind.REFUSED, Refuser.NODE_RED, None),
        (FORBIDDEN, Kind.REFUSED, Refuser.UNNAMED, None),
        (NOT_FOUND, Kind.ABSENT, None, None),
        (replace(NOT_FOUND, status=410), Kind.ABSENT, None, None),
        (TO_SSO, Kind.NO_ANSWER, None, Cause.UNDECLARED_LOGIN),
        (TO_CLEARTEXT, Kind.NO_ANSWER, None, Cause.UNDECLARED_LOGIN),
        (FLOWS, Kind.SERVED, None, None),
        (Answer(400, "application/json", 9), Kind.SERVED, None, None),
        (Answer(405, "text/html", 9), Kind.SERVED, None, None),
        (Answer(304), Kind.SERVED, None, None),
    ],
)
def test_classify(answer: Answer, kind: Kind, refuser: Refuser | None, cause: Cause | None) -> None:
    classified = classify(answer, target(), NOT_FOUND)
    assert (classified.kind, classified.refuser, classified.cause) == (kind, refuser, cause)


def test_classify_a_redirect_to_a_declared_login() -> None:
    classified = classify(TO_SSO, target(login_urls=("https://sso.example/login",)))
    assert (classified.kind, classified.refuser) == (Kind.REFUSED, Refuser.LOGIN)


def test_classify_a_demand_for_a_client_certificate_by_what_the_site_means() -> None:
    demand = Answer(400, "text/html", 230, marks=frozenset({Mark.CERTIFICATE_DEMAND}))
    for canary in (None, demand):
        meant = classify(demand, target(mutual_tls=True), canary)
        assert (meant.kind, meant.refuser) == (Kind.REFUSED, Refuser.CERTIFICATE)
        other = classify(demand, target(), canary)
        assert (other.kind, other.cause) == (Kind.NO_ANSWER, Cause.REJECTED)
        assert "HttpSettings.client_certificate" in other.why


def test_classify_an_undeclared_login_says_what_to_declare() -> None:
    assert "`--nodered-login-url=https://sso.example/login`" in classify(TO_SSO, target()).why


def test_a_redirect_of_a_clear_target_to_its_own_https_is_no_login() -> None:
    to_itself = Answer(301, location="https://plant.example:8443/flows")
    assert classify(to_itself, target("http://plant.example")).why.endswith("--nodered-url=https://plant.example:8443`")


@pytest.mark.parametrize("answer", [PAGE, Answer(400, "text/html", 9), Answer(302, location="http://a.example/")])
def test_classify_what_every_path_gets(answer: Answer) -> None:
    assert classify(answer, target(), answer).kind is Kind.INDISTINCT
    assert classify(answer, target()).kind is Kind.SERVED  # the canary itself


@pytest.mark.parametrize(
    ("canary", "kind"), [(NOT_FOUND, Kind.SERVED), (None, Kind.SERVED), (Answer(404, "text/plain", 9), Kind.INDISTINCT)]
)
def test_classify_the_answer_of_an_open_route_though_it_be_404(canary: Answer | None, kind: Kind) -> None:
    refused_for_its_content = Answer(404, "text/plain", 20)
    assert classify(refused_for_its_content, target(), canary, "404 text/plain").kind is kind
    assert classify(refused_for_its_content, target(), canary, "404 application/json").kind is Kind.ABSENT
    assert classify(BEARER, target(), canary, "404 text/plain").kind is Kind.REFUSED


def test_a_redirect_to_plain_http_is_a_refusal_where_the_login_is_declared() -> None:
    assert classify(TO_CLEARTEXT, target(), TO_CLEARTEXT).why.endswith("see http-06")
    classified = classify(replace(TO_CLEARTEXT, location="http://sso.example/login"), target(login_urls=(SSO,)))
    assert (classified.kind, classified.refuser) == (Kind.REFUSED, Refuser.LOGIN)


@pytest.mark.parametrize("mark", [Mark.EDITOR, Mark.SETTINGS, Mark.DASHBOARD, Mark.NODES])
@pytest.mark.parametrize("refusal", [FORBIDDEN, NODE_BASIC])
def test_a_refusal_with_the_content_in_it_is_served(mark: Mark, refusal: Answer) -> None:
    told = replace(refusal, marks=frozenset({mark}))
    for canary in (NOT_FOUND, refusal, None):
        classified = classify(told, target(), canary)
        assert (classified.kind, classified.why) == (
            Kind.SERVED,
            "the status refuses, but the content is sent all the same",
        )
    assert classify(told, target(), told).kind is Kind.REFUSED  # a gate's own page, whatever it shows


def test_where_the_landmark_leaks_the_same_refusal_with_json_is_served() -> None:
    leak = Answer(401, "application/json", 900, marks=frozenset({Mark.SETTINGS}))
    context = Answer(401, "application/json", 13)
    assert attempt(Surface.ADMIN, "/context/global", context, view(leak)).kind is Kind.SERVED
    for surface, answer, root in (
        (Surface.NODE, context, view(leak)),
        (Surface.ADMIN, replace(context, status=403), view(leak)),
        (Surface.ADMIN, BEARER, view(leak)),
        (Surface.ADMIN, context, AUTH),
    ):
        assert attempt(surface, "/context/global", answer, root).kind is Kind.REFUSED


def test_the_page_of_a_dashboard_on_every_path_is_no_answer_of_a_route() -> None:
    spa = replace(PAGE, marks=frozenset({Mark.DASHBOARD}))
    classified = classify(spa, target(), spa)
    assert (classified.kind, classified.why) == (Kind.ABSENT, "the page of a dashboard, as every path here")
    assert classify(spa, target(), NOT_FOUND).kind is classify(spa, target()).kind is Kind.SERVED
    tried = attempt(Surface.ADMIN, "/flows", spa, view(spa, spa))
    assert tried.evidence().endswith("bytes): the page of a dashboard, as every path here")


@pytest.mark.parametrize("answer", [BEARER, NOT_FOUND])
def test_classify_refusals_and_absences_like_the_canarys_keep_their_kind(answer: Answer) -> None:
    assert classify(answer, target(), answer).kind is not Kind.INDISTINCT


# --- landmarks


def seen(answer: Answer) -> Seen:
    return Seen("/x", answer, classify(answer, target()))


def test_a_landmark_seen_again_may_differ_in_words_only() -> None:
    assert seen(PAGE).same_as(seen(replace(PAGE, likeness=(1,), length=7)))
    assert not seen(PAGE).same_as(seen(replace(PAGE, status=201)))
    assert not seen(BEARER).same_as(seen(NODE_BASIC))
    assert not seen(TO_SSO).same_as(seen(replace(TO_SSO, location="https://elsewhere.example/")))
    assert seen(BEARER).refuser is Refuser.NODE_RED


@pytest.mark.parametrize(
    ("root", "blanket", "absent"),
    [
        (AUTH, False, False),
        (OPEN, False, False),
        (NODE_AUTH, False, False),
        (NO_ADMIN, False, True),
        (NO_ADMIN_NODE_AUTH, True, False),
        (GATE, True, False),
        (view(None), False, False),
    ],
    ids=["auth", "open", "nodeauth", "noadmin", "noadmin+nodeauth", "gate", "node root"],
)
def test_a_root_is_blanket_or_without_api(root: RootView, blanket: bool, absent: bool) -> None:
    assert (root.blanket, root.api_absent) == (blanket, absent)


def test_two_gates_are_told_apart_by_who_refuses_and_how() -> None:
    ours, theirs = (attempt(Surface.ADMIN, "/flows", answer, AUTH) for answer in (BEARER, PROXY_BASIC))
    assert ours.gate == attempt(Surface.ADMIN, "/nodes", BEARER, AUTH).gate
    assert ours.gate != theirs.gate


@pytest.mark.parametrize(
    ("answer", "canary", "own"),
    [
        (NOT_FOUND, NOT_FOUND, False),
        (PROXY_BASIC, NOT_FOUND, True),
        (replace(NOT_FOUND, marks=frozenset()), NOT_FOUND, True),
    ],
    ids=["as everywhere", "a login", "the front's own page"],
)
def test_a_place_that_answers_for_itself(answer: Answer, canary: Answer, own: bool) -> None:
    assert answers_for_itself(answer, canary) is own
