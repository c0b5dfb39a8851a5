"""The values, and what counts as an answer: `classify`, `alike`, `is_login`, landmarks and `settle`."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

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
    SHOWN,
    STRANGER,
    TO_CLEARTEXT,
    TO_SSO,
    attempt,
    target,
    view,
)

from pytest_nodered_sec.errors import Cause, NonCompliant, ProbeError
from pytest_nodered_sec.model import Observation, Surface
from pytest_nodered_sec.observations.access import LoginOffer, VariantAttempt
from pytest_nodered_sec.observations.answers import (
    OWN_APP,
    Answer,
    Classified,
    Kind,
    Mark,
    Refuser,
    RootView,
    Seen,
    alike,
    classify,
    refuser_of,
    steadied,
)
from pytest_nodered_sec.observations.chain import PresentedChain
from pytest_nodered_sec.observations.channels import Channel, SocketAttempt
from pytest_nodered_sec.observations.login_urls import is_login
from pytest_nodered_sec.observations.reach import Reach, unidentified
from pytest_nodered_sec.observations.settling import answered, asked_again, may_be_a_limit, may_come_again, settle
from pytest_nodered_sec.observations.way_out import way_out
from pytest_nodered_sec.policy.model import PublicPath
from pytest_nodered_sec.probes.http.access import describe
from pytest_nodered_sec.verdict import Violation

# --- Target


def test_a_target_on_default_ports() -> None:
    plant = target()
    assert (plant.tls, plant.hostname, plant.port, str(plant)) == (True, "plant.example", 443, "plant")


def test_a_target_in_clear() -> None:
    plant = target("http://[2001:DB8::1]")
    assert (plant.tls, plant.hostname, plant.port) == (False, "2001:db8::1", 80)


def test_a_url_with_a_path_prefixes_all_roots() -> None:
    plant = replace(target("https://plant.example:8443/line7"), admin_root="/admin", node_root="/nr/")
    assert plant.port == 8443
    assert plant.admin("/settings") == "/line7/admin/settings"
    assert plant.node("/ui") == "/line7/nr/ui"


def test_roots_at_the_top_add_nothing() -> None:
    assert target().admin("/settings") == "/settings"


def test_a_path_is_sent_as_utf_8_and_otherwise_as_written() -> None:
    assert target().node("/größe/a b?x=%2F^") == "/gr%C3%B6%C3%9Fe/a%20b?x=%2F^"
    plant = replace(target("https://plant.example/halle-ü"), node_root="/né")
    assert plant.node("/..%2f/x") == "/halle-%C3%BC/n%C3%A9/..%2f/x"


def test_a_target_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        target().name = "other"  # type: ignore[misc]  # what is being tested


# --- errors


def test_probe_errors_cross_process_borders_and_are_raised_afresh() -> None:
    error = ProbeError("no answer", Cause.TIMEOUT)
    for copy in (pickle.loads(pickle.dumps(error)), error.again()):  # noqa: S301  our own pickle
        assert copy is not error
        assert (copy.message, copy.cause, str(copy)) == ("no answer", Cause.TIMEOUT, "no answer")


def test_non_compliant_says_all_that_was_observed() -> None:
    violation, two = (Violation(code, f"saw {code}", "nothing", "do") for code in ("a", "b"))
    assert str(NonCompliant([violation, two])) == "saw a\nsaw b"


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


# --- settle: what the rows leave to it beyond the rules' own tables


def settled(surface: Surface, path: str, answer: Answer, root: RootView, **demands: Any) -> None:
    to = target(**demands)
    return settle(attempt(surface, path, answer, root, to), to)


def test_settle_says_what_was_asked_and_why_it_is_no_answer() -> None:
    with pytest.raises(ProbeError, match=r"GET /flows anonymously answered 500 \(text/html, 170 bytes\)$") as caught:
        settled(Surface.ADMIN, "/flows", BROKEN, AUTH)
    assert caught.value.cause is Cause.UNAVAILABLE
    with pytest.raises(ProbeError, match=r"bytes\): a challenge or block page \(cf-mitigated\)$"):
        settled(Surface.ADMIN, "/flows", replace(PAGE, block="cf-mitigated"), AUTH)


def test_a_gate_in_front_of_everything_is_told_once_at_reach_01() -> None:
    for surface, path in ((Surface.ADMIN, "/settings"), (Surface.ADMIN, "/flows"), (Surface.EDITOR, "/")):
        with pytest.raises(ProbeError, match=r"^plant gave no usable answer: see reach-01$"):
            settled(surface, path, PROXY_BASIC, GATE)
    with pytest.raises(ProbeError, match=r"is refused before Node-RED; .*--nodered-admin-api=proxied"):
        settle(Reach("127.0.0.1", ("127.0.0.1",), NOW, NOW, 7, (), GATE), target())
    for choice in ("proxied", "disabled"):
        settled(Surface.EDITOR, "/", PROXY_BASIC, GATE, admin_api=choice)


def test_where_reach_01_passes_the_landmark_tells_of_such_a_gate() -> None:
    root = NO_ADMIN_NODE_AUTH  # a dashboard's socket answers
    settle(Reach("127.0.0.1", ("127.0.0.1",), NOW, NOW, 7, root.identity, root), target())
    landmark = replace(attempt(Surface.ADMIN, "/settings", NODE_BASIC, root, target()), how="without credentials")
    with pytest.raises(ProbeError, match="everything under / is refused before Node-RED") as caught:
        settle(landmark, target())
    assert caught.value.cause is Cause.UNIDENTIFIED
    assert caught.value.message.count("as every path here") == 1
    assert caught.value.message.endswith("or --nodered-admin-api=disabled if httpAdminRoot is false")
    flows = attempt(Surface.ADMIN, "/flows", NODE_BASIC, root, target())
    for other in (flows, VariantAttempt("/settings", landmark, landmark, ("upgrade",))):
        with pytest.raises(ProbeError, match=r"see admin-01, GET /settings$") as caught:
            settle(other, target())
        assert caught.value.cause is Cause.SEE_REACH


@pytest.mark.parametrize("answer", [NODE_BASIC, PROXY_BASIC])
def test_settle_a_secret_admin_root_behind_http_node_auth_is_not_protected_looking(answer: Answer) -> None:
    everywhere = view(answer, answer, ())  # httpAdminRoot: '/secret': a wrong root looks perfectly protected
    with pytest.raises(ProbeError, match="see reach-01"):
        settled(Surface.ADMIN, "/flows", answer, everywhere)
    with pytest.raises(ProbeError, match="the admin root may be wrong"):
        settle(Reach("127.0.0.1", ("127.0.0.1",), NOW, NOW, 7, (), everywhere), target())


def test_of_another_root_than_the_admin_api_s_the_question_itself_says_what_is_missing() -> None:
    assert "nothing at https://plant.example identifies" in unidentified(view(None), target(), "x").message


@pytest.mark.parametrize("root", [view(FORBIDDEN, identity=()), view(BROKEN, identity=()), GATE])
@pytest.mark.parametrize("surface", [Surface.ADMIN, Surface.EDITOR])
@pytest.mark.parametrize("policy", ["protected", "proxied", "disabled"])
def test_settle_absence_is_evidence_only_where_node_red_was_shown(
    surface: Surface, root: RootView, policy: str
) -> None:
    reach = Reach("127.0.0.1", ("127.0.0.1",), NOW, NOW, 7, (), root)
    if root is GATE and policy == "proxied":  # nobody sees more than the declared gate lets them, and that is nothing
        settle(reach, target(admin_api=policy))
        settled(surface, "/icons", NOT_FOUND, root, admin_api=policy)
        return
    with pytest.raises(ProbeError, match="see reach-01"):
        settled(surface, "/icons", NOT_FOUND, root, admin_api=policy)
    with pytest.raises(ProbeError, match="nothing identifies Node-RED there"):
        settle(reach, target(admin_api=policy))


@pytest.mark.parametrize(("declared", "offered"), [(None, True), ((), False), (("/hmi",), False)])
def test_where_all_answers_404_naming_a_dashboard_is_a_way_out_unless_that_was_said(
    declared: tuple[str, ...] | None, offered: bool
) -> None:
    nothing = Reach("127.0.0.1", ("127.0.0.1",), NOW, NOW, 7, (), view(NOT_FOUND, NOT_FOUND, ()))
    with pytest.raises(ProbeError) as caught:
        settle(nothing, target(dashboards=declared))
    assert ("--nodered-dashboard=/ui" in str(caught.value)) is offered


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(421, "text/html", 9), "421 (text/html, 9 bytes); the server does not serve this name"),
        (Answer(451, "text/html", 9), "451 (text/html, 9 bytes); the front refuses the country or network"),
        (Answer(400, "text/html", 9), "400 (text/html, 9 bytes); the front takes none of these requests"),
        (Answer(200, "text/html"), "200 (text/html, 0 bytes); an empty page, which fronts answer to names"),
        (
            Answer(401, "text/html", 9, 'Digest realm="x"'),
            "if a gate covers everything; a Digest login, which no account",
        ),
        (Answer(401, "text/html", 9, "Negotiate"), "set --nodered-admin-api=proxied if a gate covers everything"),
        (Answer(418, "text/html", 9), "418 (text/html, 9 bytes); if that is a login page"),
        (Answer(301, location="https://www.plant.example/nothing"), "redirected to https://www.plant.example: if that"),
        (Answer(301, location="https://sso.example/login"), "add `--nodered-login-url=https://sso.example/login`"),
    ],
)
def test_what_every_path_answers_has_a_way_out_of_its_own(answer: Answer, words: str) -> None:
    root = view(answer, answer, ())
    moved = replace(root, canary=replace(root.canary, path="/nothing"))
    with pytest.raises(ProbeError) as caught:
        settle(Reach("127.0.0.1", ("127.0.0.1",), NOW, NOW, 7, (), moved), target())
    assert words in caught.value.message


def test_a_way_out_is_told_where_the_answer_tells_what_is_wrong() -> None:
    assert way_out(Answer(429)).startswith("a rate limit")
    assert way_out(Answer(403, block="cf-mitigated")).startswith("let the front pass")
    assert way_out(Answer(404)) == ""
    both = Answer(401, challenge='Digest realm="x", Basic realm="x"', headers=(("basic-realm", "x"),))
    assert way_out(both) == ""


NOW = datetime(2026, 1, 1, tzinfo=UTC)
FORM = replace(PAGE, likeness=(8, 9))
FORM_EVERYWHERE = view(FORM, FORM, ())
SSO_EVERYWHERE = view(TO_SSO, TO_SSO, ())
IN_CLEAR_EVERYWHERE = view(TO_CLEARTEXT, TO_CLEARTEXT, ())


@pytest.mark.parametrize("surface", [Surface.ADMIN, Surface.EDITOR, Surface.DASHBOARD])
@pytest.mark.parametrize(
    ("answer", "root"), [(FORM, FORM_EVERYWHERE), (TO_SSO, SSO_EVERYWHERE), (TO_CLEARTEXT, IN_CLEAR_EVERYWHERE)]
)
def test_what_every_path_gets_is_told_once_at_reach_01(surface: Surface, answer: Answer, root: RootView) -> None:
    assert root.opaque
    with pytest.raises(ProbeError, match=r"^plant gave no usable answer: see reach-01$") as raised:
        settled(surface, "/flows", answer, root)
    assert raised.value.cause is Cause.SEE_REACH
    with pytest.raises(ProbeError, match=r"answer 401|--nodered-login-url=https://sso\.example/login|see http-06"):
        settle(Reach("127.0.0.1", ("127.0.0.1",), NOW, NOW, 7, (), root), target())


@pytest.mark.parametrize(
    ("canary", "said"),
    [
        (
            Answer(301, location="https://www.plant.example/random"),
            "to https://www.plant.example: if that is its name, use `--nodered-url=https://www.plant.example`",
        ),
        (
            replace(FORM, hops=1, first="https://plant.example/sign-in"),
            "to /sign-in: if that is your login page, add `--nodered-login-url=/sign-in`",
        ),
        (replace(FORM, hops=1, first="https://plant.example/random/"), "every path answers the same page, 200"),
        (
            Answer(400, "text/html", 230, marks=frozenset({Mark.CERTIFICATE_DEMAND})),
            "every path answers 400 (text/html, 230 bytes): a client certificate is demanded",
        ),
    ],
    ids=["another name", "a form of this site", "a slash", "a certificate"],
)
def test_where_every_path_leads_is_said_once_with_the_way_out(canary: Answer, said: str) -> None:
    root = view(canary, canary, ())
    assert root.opaque
    with pytest.raises(ProbeError) as raised:
        settle(Reach("127.0.0.1", ("127.0.0.1",), NOW, NOW, 7, (), root), target())
    assert said in raised.value.message
    with pytest.raises(ProbeError, match="see reach-01"):
        settled(Surface.ADMIN, "/flows", canary, root)


def test_plain_http_that_is_answered_400_everywhere_may_be_meant_for_https() -> None:
    canary = Answer(400, "text/html", 255, likeness=(1, 2))  # nginx: The plain HTTP request was sent to HTTPS port
    plain = replace(target(), url="http://plant.example:8443")
    with pytest.raises(ProbeError, match=r"use `--nodered-url=https://plant\.example:8443`"):
        settle(Reach("127.0.0.1", ("127.0.0.1",), NOW, NOW, 7, (), view(canary, canary, ())), plain)


def test_what_only_one_path_gets_is_told_there() -> None:
    with pytest.raises(ProbeError, match="if that is your login page, add"):
        settled(Surface.DASHBOARD, "/ui", TO_SSO, AUTH)
    assert not AUTH.opaque
    with pytest.raises(ProbeError, match="every path answers the same page; if that is a login page, make the proxy"):
        settled(Surface.DASHBOARD, "/ui", FORM, replace(FORM_EVERYWHERE, identity=SHOWN))  # reach-01 passes then


def test_settle_what_is_served_needs_no_identity() -> None:
    settled(Surface.ADMIN, "/flows", FLOWS, STRANGER)
    settled(Surface.EDITOR, "/red/red.min.js", PAGE, view(FORBIDDEN, identity=()))
    settled(Surface.EDITOR, "/", EDITOR, STRANGER)


def test_settle_the_editor_where_there_is_no_admin_api() -> None:
    with pytest.raises(ProbeError, match="no admin API at / either"):
        settled(Surface.EDITOR, "/", NOT_FOUND, NO_ADMIN)


def test_settle_a_protected_editor_whose_landmark_gave_no_answer() -> None:
    with pytest.raises(ProbeError, match="whether a login stands behind it is not known"):
        settled(Surface.EDITOR, "/", EDITOR, view(BROKEN), editor="protected")
    settled(Surface.EDITOR, "/", EDITOR, view(BROKEN))  # a disabled editor is not to be served anyhow


def test_settle_a_dashboard_elsewhere_says_how_to_name_it() -> None:
    tried = replace(attempt(Surface.DASHBOARD, "/ui", NOT_FOUND, OPEN), hint="/uisettings shows one")
    with pytest.raises(ProbeError, match="yet /uisettings shows one: name your dashboards \\(--nodered-dashboard"):
        settle(tried, target())


def test_settle_a_channel_that_answered_whatever_the_handshake_looked_like() -> None:
    tried = attempt(Surface.DASHBOARD, "/ui/socket.io", PAGE, view(PAGE, PAGE))
    settle(SocketAttempt(tried, Channel.OPEN), target())
    with pytest.raises(ProbeError, match="every path answers the same page"):
        settle(SocketAttempt(tried, Channel.NO_CHANNEL), target())


def test_settle_leaves_a_chain_to_its_rules() -> None:
    chain = PresentedChain("plant.example", "", (), (), "the system's store", datetime(2026, 1, 1, tzinfo=UTC))
    settle(chain, target())
    assert isinstance(chain, Observation)


def test_what_is_handed_out_is_an_answer_or_a_fresh_error() -> None:
    seen = attempt(Surface.ADMIN, "/flows", BEARER, AUTH)
    assert answered(seen, target()) is seen
    stored = ProbeError("nothing came back", Cause.TIMEOUT)
    with pytest.raises(ProbeError, match="nothing came back") as raised:
        answered(stored, target())
    assert raised.value is not stored
    assert raised.value.cause is Cause.TIMEOUT
    with pytest.raises(ProbeError) as raised:
        answered(attempt(Surface.ADMIN, "/flows", BROKEN, AUTH), target())
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    ("surface", "answer", "path"),
    [(Surface.DASHBOARD, FORBIDDEN, "/ui"), (Surface.DASHBOARD, PAGE, ""), (Surface.ADMIN, FORBIDDEN, "")],
)
def test_only_the_refusal_of_a_dashboard_is_asked_for_again(surface: Surface, answer: Answer, path: str) -> None:
    tried = attempt(surface, "/ui", answer, OPEN, how="without credentials")
    assert asked_again(tried, target()) == path
    assert asked_again(replace(tried, how="with the header X: y"), target()) == ""
    assert asked_again(replace(tried, path="/dashboard/_setup"), target()) == ""  # the page is asked


def test_settle_a_declared_app_of_the_sites_own_beside_a_gate() -> None:
    declared = (PublicPath("/", "the plant's own app"),)
    to = target(admin_api="proxied", public_paths=declared)
    landmark = Seen("/random", PAGE, Classified(Kind.ABSENT, why=OWN_APP))
    refusing = Seen("/settings", PROXY_BASIC, classify(PROXY_BASIC, to, PAGE))
    root = RootView("/", landmark, refusing)
    assert root.beside_app
    assert root.gated
    assert not root.blanket
    assert not replace(root, settings=None).gated
    seen = attempt(Surface.EDITOR, "/", PAGE, root, to)
    assert (seen.kind, seen.classified.why) == (Kind.ABSENT, OWN_APP)
    settle(seen, to)
    settle(Reach("127.0.0.1", ("127.0.0.1",), NOW, NOW, 7, (), root), to)
    with pytest.raises(ProbeError):
        settle(seen, target(public_paths=declared))
    undeclared = target(admin_api="proxied")
    served = RootView("/", Seen("/random", PAGE, classify(PAGE, undeclared)), refusing)
    with pytest.raises(ProbeError, match=r'declare it: public_paths = \[{path = "/"'):
        settle(Reach("127.0.0.1", ("127.0.0.1",), NOW, NOW, 7, (), served), undeclared)


@pytest.mark.parametrize("location", ["https://sso.example/login", "https://sso.example/flows"])
def test_an_undeclared_login_of_some_paths_is_the_same_sentence_for_all(location: str) -> None:
    root = view(FORBIDDEN, FORBIDDEN, ())
    login = location.removesuffix("/flows")
    with pytest.raises(ProbeError) as caught:
        attempt(Surface.DASHBOARD, "/flows", Answer(302, location=location), root).settle(target())
    advice = f"if that is your login page, add `--nodered-login-url={login}`"
    assert caught.value.message == f"the target redirects strangers to {login}: {advice}"


def test_an_alert_for_want_of_a_certificate_has_no_status() -> None:
    alert = Answer(496, marks=frozenset({Mark.CERTIFICATE_DEMAND}))
    assert alert.line() == "a TLS alert"


# --- a limit's refusals


@pytest.mark.parametrize(
    ("answer", "root", "doubtful"),
    [
        (FORBIDDEN, OPEN, True),
        (FORBIDDEN, view(FORBIDDEN, FORBIDDEN, ()), False),  # the gate refuses everything like that
        (PROXY_BASIC, OPEN, False),
        (PAGE, OPEN, False),
    ],
)
def test_an_unnamed_refusal_among_other_answers_may_be_a_limits(answer: Answer, root: RootView, doubtful: bool) -> None:
    seen = attempt(Surface.ADMIN, "/flows", answer, root)
    assert may_be_a_limit(seen) is doubtful
    assert may_be_a_limit(VariantAttempt("/flows", seen)) is doubtful


def test_an_error_is_no_limits_refusal() -> None:
    assert not may_be_a_limit(ProbeError("closed", Cause.CLOSED))


@pytest.mark.parametrize(
    ("seen", "again"),
    [
        (ProbeError("closed", Cause.CLOSED), True),
        (ProbeError("silent", Cause.TIMEOUT), False),
        (attempt(Surface.ADMIN, "/flows", Answer(503), OPEN), True),
        (attempt(Surface.ADMIN, "/flows", BEARER, AUTH), False),
    ],
)
def test_what_a_limit_closed_or_put_off_may_be_answered_later(seen: Observation | ProbeError, again: bool) -> None:
    assert may_come_again(seen, target()) is again
