"""What counts as an answer and what becomes of the rest: `settle`, its sentences and their ways out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
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

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Observation, Surface
from pytest_nodered_sec.observations.access import VariantAttempt
from pytest_nodered_sec.observations.answers import OWN_APP, Answer, Classified, Kind, Mark, RootView, Seen, classify
from pytest_nodered_sec.observations.chain import PresentedChain
from pytest_nodered_sec.observations.channels import Channel, SocketAttempt
from pytest_nodered_sec.observations.reach import Reach, unidentified
from pytest_nodered_sec.observations.settling import answered, asked_again, may_be_a_limit, may_come_again, settle
from pytest_nodered_sec.observations.way_out import way_out
from pytest_nodered_sec.policy.model import PublicPath

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
