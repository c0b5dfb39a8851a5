"""The values, and what counts as an answer: `classify`, `alike`, `is_login`, landmarks and `settle`."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

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
    STRANGER,
    TO_CLEARTEXT,
    TO_SSO,
    attempt,
    target,
    view,
)

from pytest_nodered_sec.errors import Cause, NonCompliant, ProbeError
from pytest_nodered_sec.model import Observation, Surface, Violation
from pytest_nodered_sec.model_access import Channel, LoginOffer, SocketAttempt, answered, settle
from pytest_nodered_sec.model_answers import Answer, Kind, Mark, Refuser, Seen, alike, classify, is_login, refuser_of
from pytest_nodered_sec.model_chain import PresentedChain

if TYPE_CHECKING:
    from pytest_nodered_sec.model_answers import RootView

# --- Target


def test_a_target_on_default_ports() -> None:
    one = target()
    assert (one.tls, one.hostname, one.port, str(one)) == (True, "plant.example", 443, "plant")


def test_a_target_in_clear() -> None:
    one = target("http://[2001:DB8::1]")
    assert (one.tls, one.hostname, one.port) == (False, "2001:db8::1", 80)


def test_a_url_with_a_path_prefixes_all_roots() -> None:
    one = replace(target("https://plant.example:8443/line7"), admin_root="/admin", node_root="/nr/")
    assert one.port == 8443
    assert one.admin("/settings") == "/line7/admin/settings"
    assert one.node("/ui") == "/line7/nr/ui"


def test_roots_at_the_top_add_nothing() -> None:
    assert target().admin("/settings") == "/settings"


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
    one, two = (Violation(code, f"saw {code}", "nothing", "do") for code in ("a", "b"))
    assert str(NonCompliant([one, two])) == "saw a\nsaw b"


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
    ("one", "other", "same"),
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
    ids=["equal", "nine tenths", "less", "both empty", "one empty", "status", "type", "redirect", "length"],
)
def test_alike(one: Answer, other: Answer, same: bool) -> None:
    assert alike(one, other) is alike(other, one) is same


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
        (TO_CLEARTEXT, Kind.SERVED, None, None),
        (FLOWS, Kind.SERVED, None, None),
        (Answer(400, "application/json", 9), Kind.SERVED, None, None),
        (Answer(405, "text/html", 9), Kind.SERVED, None, None),
        (Answer(304), Kind.SERVED, None, None),
    ],
)
def test_classify(answer: Answer, kind: Kind, refuser: Refuser | None, cause: Cause | None) -> None:
    found = classify(answer, target(), NOT_FOUND)
    assert (found.kind, found.refuser, found.cause) == (kind, refuser, cause)


def test_classify_a_redirect_to_a_declared_login() -> None:
    found = classify(TO_SSO, target(login_urls=("https://sso.example/login",)))
    assert (found.kind, found.refuser) == (Kind.REFUSED, Refuser.LOGIN)


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


def test_classify_a_redirect_to_cleartext_on_every_path_is_still_seen() -> None:
    assert classify(TO_CLEARTEXT, target(), TO_CLEARTEXT).kind is Kind.SERVED


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
    one = attempt(Surface.ADMIN, "/flows", replace(FLOWS, hops=1), OPEN, how="without credentials")
    said = "GET /flows without credentials answered 200 (application/json, 2913 bytes) after a same-origin redirect"
    assert one.evidence() == said
    assert LoginOffer(one).evidence() == said


@pytest.mark.parametrize(
    ("surface", "path", "answer", "root", "remark"),
    [
        (Surface.ADMIN, "/flows", NODE_BASIC, NO_ADMIN_NODE_AUTH, ", as every path here"),
        (Surface.ADMIN, "/flows", BEARER, AUTH, ""),
        (Surface.ADMIN, "/flows", FORBIDDEN, AUTH, ""),
        (Surface.EDITOR, "/", FORBIDDEN, AUTH, ": refused, not gone; host-05 tells whether it is disabled"),
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
    one = attempt(Surface.DASHBOARD, "/ui/socket.io", FORBIDDEN, OPEN)
    where = "Socket.IO connect to /ui/socket.io anonymously"
    assert SocketAttempt(one, Channel.OPEN, 3).evidence() == f"{where} was accepted, and 3 more packets came with it"
    assert SocketAttempt(one, Channel.REFUSED_BY_MIDDLEWARE).evidence() == f"{where} was refused by ioMiddleware"
    assert SocketAttempt(one, Channel.NO_CHANNEL).evidence() == f"{where} answered 403 (text/html, 153 bytes)"


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


def test_settle_a_gate_in_front_of_everything_says_what_may_be_declared() -> None:
    with pytest.raises(ProbeError, match="nobody has been seen behind the gate at /,") as caught:
        settled(Surface.ADMIN, "/flows", PROXY_BASIC, GATE)
    assert caught.value.message.count("as every path here") == 1
    assert "`--nodered-admin-api=proxied` or `--nodered-admin-api=disabled`" in caught.value.message
    with pytest.raises(ProbeError, match="nobody has been seen") as caught:
        settled(Surface.EDITOR, "/", PROXY_BASIC, GATE)
    assert "disabled" not in caught.value.message


@pytest.mark.parametrize("answer", [NODE_BASIC, PROXY_BASIC])
def test_settle_a_secret_admin_root_behind_http_node_auth_is_not_protected_looking(answer: Answer) -> None:
    everywhere = view(answer, answer, ())  # httpAdminRoot: '/secret': a wrong root looks perfectly protected
    with pytest.raises(ProbeError, match="wrong admin root"):
        settled(Surface.ADMIN, "/flows", answer, everywhere)


@pytest.mark.parametrize("root", [view(FORBIDDEN, identity=()), view(BROKEN, identity=()), GATE])
@pytest.mark.parametrize("surface", [Surface.ADMIN, Surface.EDITOR])
@pytest.mark.parametrize("policy", ["protected", "proxied", "disabled"])
def test_settle_absence_is_evidence_only_where_node_red_was_shown(
    surface: Surface, root: RootView, policy: str
) -> None:
    with pytest.raises(ProbeError, match=r"nothing at https://plant\.example shows a Node-RED"):
        settled(surface, "/icons", NOT_FOUND, root, admin_api=policy)


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
    one = replace(attempt(Surface.DASHBOARD, "/ui", NOT_FOUND, OPEN), hint="/uisettings shows one")
    with pytest.raises(ProbeError, match="yet /uisettings shows one: name your dashboards with --nodered-dashboard"):
        settle(one, target())


def test_settle_a_channel_that_answered_whatever_the_handshake_looked_like() -> None:
    one = attempt(Surface.DASHBOARD, "/ui/socket.io", PAGE, view(PAGE, PAGE))
    settle(SocketAttempt(one, Channel.OPEN), target())
    with pytest.raises(ProbeError, match="every path answers the same page"):
        settle(SocketAttempt(one, Channel.NO_CHANNEL), target())


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
