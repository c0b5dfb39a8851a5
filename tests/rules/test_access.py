"""Who may ask the admin API: the rows of the edge-case table for admin-01, -02 and -04, and users' endpoints."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from seen import (
    AUTH,
    BEARER,
    BROKEN,
    ERROR,
    FAIL,
    FLOWS,
    FORBIDDEN,
    GATE,
    LOGIN,
    NO_ADMIN,
    NO_ADMIN_NODE_AUTH,
    NO_LOGIN,
    NODE_AUTH,
    NODE_BASIC,
    NOT_FOUND,
    OPEN,
    PAGE,
    PASS,
    PROXY_BASIC,
    SETTINGS,
    SKIP,
    STRANGER,
    TO_CLEARTEXT,
    TO_SSO,
    attempt,
    outcome,
    target,
    violations,
)

from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.access import LoginOffer
from pytest_nodered_sec.observations.answers import Answer, Mark
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.remedies.lines import ADMIN_AUTH
from pytest_nodered_sec.rules.access import login_is_configured, refuses_access
from pytest_nodered_sec.verdict import NotApplicable, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.verdict import Verdict


def admin(path: str, answer: Answer, view: RootView, **demands: Any) -> str:
    to = target(**demands)
    return outcome(refuses_access, attempt(Surface.ADMIN, path, answer, view, to), to)


def login(answer: Answer, view: RootView, **demands: Any) -> str:
    to = target(**demands)
    seen = LoginOffer(attempt(Surface.ADMIN, "/auth/login", answer, view, to))
    return outcome(login_is_configured, seen, to)


def only(verdict: Verdict) -> Violation:
    (violation,) = violations(verdict)
    return violation


def test_a_finding_reads_as_the_issue_shows_it() -> None:
    seen = attempt(Surface.ADMIN, "/flows", FLOWS, OPEN, how="without credentials")
    violation = only(refuses_access(seen, Policy()))
    assert violation == Violation(
        "served",
        "GET /flows without credentials answered 200 (application/json, 2913 bytes)",
        "401 or 403",
        ADMIN_AUTH,
    )


def test_a_forged_token_that_is_served_names_the_default_user() -> None:
    seen = attempt(Surface.ADMIN, "/flows", FLOWS, AUTH, how="with a made-up bearer token")
    violation = only(refuses_access(seen, Policy()))
    assert "made-up bearer token" in violation.observed
    assert "`default` user" in violation.remedy


@pytest.mark.parametrize("answer", [BEARER, FORBIDDEN, PROXY_BASIC])
def test_refused_is_compliant(answer: Answer) -> None:
    assert admin("/flows", answer, AUTH) == PASS


@pytest.mark.parametrize(
    ("path", "letter"), [("/settings", FAIL), ("/flows", SKIP), ("/icons", SKIP)], ids=["landmark", "flows", "icons"]
)
def test_admin_api_off_policy_protected(path: str, letter: str) -> None:
    assert admin(path, NOT_FOUND, NO_ADMIN) == letter


def test_admin_api_off_policy_protected_and_nothing_shows_node_red() -> None:
    assert admin("/settings", NOT_FOUND, STRANGER) == ERROR  # a gate may answer strangers with 404
    assert admin("/flows", NOT_FOUND, STRANGER) == ERROR


def test_admin_api_off_policy_protected_says_what_to_set() -> None:
    violation = only(refuses_access(attempt(Surface.ADMIN, "/settings", NOT_FOUND, NO_ADMIN), Policy()))
    assert violation.code == "no-admin-api"
    assert "--nodered-admin-root" in violation.remedy
    assert "--nodered-admin-api=disabled" in violation.remedy


def test_admin_api_off_policy_disabled_and_a_node_red_shown() -> None:
    assert admin("/flows", NOT_FOUND, NO_ADMIN, admin_api="disabled") == PASS
    assert login(NOT_FOUND, NO_ADMIN, admin_api="disabled") == SKIP


def test_admin_api_off_policy_disabled_and_nothing_shows_node_red() -> None:
    assert admin("/flows", NOT_FOUND, STRANGER, admin_api="disabled") == ERROR
    assert admin("/flows", PAGE, STRANGER, admin_api="disabled") == ERROR
    assert login(NOT_FOUND, STRANGER, admin_api="disabled") == ERROR


def test_admin_api_off_and_http_node_auth_policy_protected() -> None:
    assert admin("/flows", NODE_BASIC, NO_ADMIN_NODE_AUTH) == ERROR
    assert login(NODE_BASIC, NO_ADMIN_NODE_AUTH) == ERROR


@pytest.mark.parametrize("policy", ["proxied", "disabled"])
@pytest.mark.parametrize(
    ("answer", "view"), [(NODE_BASIC, NO_ADMIN_NODE_AUTH), (PROXY_BASIC, GATE)], ids=["httpNodeAuth", "auth_basic"]
)
def test_everything_refused_alike_and_the_policy_says_so(policy: str, answer: Answer, view: RootView) -> None:
    assert admin("/flows", answer, view, admin_api=policy) == PASS
    assert login(answer, view, admin_api=policy) == SKIP
    assert attempt(Surface.ADMIN, "/flows", answer, view).evidence().endswith(", as every path here")


def test_auth_basic_on_the_whole_site_policy_protected() -> None:
    assert admin("/flows", PROXY_BASIC, GATE) == ERROR


def test_one_route_404_landmark_refused() -> None:
    assert admin("/flows/state", NOT_FOUND, AUTH) == SKIP
    verdict = refuses_access(attempt(Surface.ADMIN, "/flows/state", NOT_FOUND, AUTH), Policy())
    assert verdict == NotApplicable("this Node-RED has no such route")
    seen = attempt(Surface.ADMIN, "/library/x.json", NOT_FOUND, AUTH)
    told = replace(seen, classified=replace(seen.classified, why="as to every path that ends with .json"))
    assert refuses_access(told, Policy()) == NotApplicable(told.evidence())


@pytest.mark.parametrize(("status", "letter"), [(400, FAIL), (405, FAIL), (500, ERROR)])
def test_one_route_400_405_500_while_landmark_refused(status: int, letter: str) -> None:
    assert admin("/nodes/messages", replace(BROKEN, status=status), AUTH) == letter


def test_landmark_served_every_served_instance_fails_404_instances_do_not_apply() -> None:
    assert admin("/settings", SETTINGS, OPEN) == FAIL
    assert admin("/flows", FLOWS, OPEN) == FAIL
    assert admin("/icons", NOT_FOUND, OPEN) == SKIP


def test_admin_api_behind_a_login_policy_disabled() -> None:
    assert admin("/flows", BEARER, AUTH, admin_api="disabled") == FAIL
    violation = only(
        refuses_access(attempt(Surface.ADMIN, "/flows", BEARER, AUTH), Policy(admin_api="disabled")),
    )
    assert violation.code == "not-disabled"


def test_the_gate_of_a_dashboard_says_nothing_of_an_admin_api_that_is_off() -> None:
    route = "/dashboard/api/v1/NOPE/flows"
    assert admin(route, PROXY_BASIC, NO_ADMIN, admin_api="disabled") == SKIP
    assert admin(route, BEARER, NO_ADMIN, admin_api="disabled") == FAIL
    assert admin("/flows", PROXY_BASIC, NO_ADMIN, admin_api="disabled") == FAIL
    assert admin(route, PROXY_BASIC, NO_ADMIN, admin_api="disabled", dashboards=("/hmi",)) == FAIL


def test_a_refusal_like_the_canarys_satisfies_absence_where_node_red_refuses_the_landmark() -> None:
    assert admin("/icons", NODE_BASIC, NODE_AUTH, admin_api="disabled") == PASS
    assert admin("/icons", NOT_FOUND, NODE_AUTH, admin_api="disabled") == PASS


def test_node_reds_own_refusal_behind_a_blanket_gate_is_not_absence() -> None:
    assert admin("/flows", BEARER, GATE, admin_api="disabled") == FAIL


def test_served_policy_disabled() -> None:
    assert admin("/flows", FLOWS, OPEN, admin_api="disabled") == FAIL


def test_a_refusal_with_the_content_in_it_is_to_end_there() -> None:
    told = Answer(401, "application/json", 2416, marks=frozenset({Mark.NODES}))
    violation = only(refuses_access(attempt(Surface.ADMIN, "/flows", told, AUTH), Policy()))
    assert violation.observed.endswith("bytes): the status refuses, but the content is sent all the same")
    assert violation.expected == "401 or 403, and nothing after it"
    assert "without next()" in violation.remedy


def test_a_redirect_to_plain_http_is_no_answer_here() -> None:
    assert admin("/flows", TO_CLEARTEXT, AUTH) == login(TO_CLEARTEXT, AUTH) == ERROR


def test_redirect_to_an_undeclared_login_is_an_error_and_to_a_declared_one_a_pass() -> None:
    assert admin("/flows", TO_SSO, AUTH) == ERROR
    assert admin("/flows", TO_SSO, AUTH, login_urls=("https://sso.example/login",)) == PASS


@pytest.mark.parametrize(
    ("answer", "letter"),
    [(NO_LOGIN, FAIL), (LOGIN, PASS), (NOT_FOUND, SKIP), (FORBIDDEN, SKIP), (PAGE, FAIL), (BROKEN, ERROR)],
    ids=["open", "configured", "absent", "a gate in front", "something else", "500"],
)
def test_login_offer(answer: Answer, letter: str) -> None:
    assert login(answer, AUTH) == letter


def test_login_offer_in_words() -> None:
    offer = LoginOffer(attempt(Surface.ADMIN, "/auth/login", NO_LOGIN, OPEN))
    assert only(login_is_configured(offer, Policy())).remedy == ADMIN_AUTH
    offer = LoginOffer(attempt(Surface.ADMIN, "/auth/login", PAGE, OPEN))
    assert "not Node-RED's login description" in only(login_is_configured(offer, Policy())).observed
    offer = LoginOffer(attempt(Surface.ADMIN, "/auth/login", FORBIDDEN, OPEN))
    verdict = login_is_configured(offer, Policy())
    assert isinstance(verdict, NotApplicable)
    assert "host-03" in verdict.reason


@pytest.mark.parametrize(
    ("answer", "letter"),
    [(FLOWS, FAIL), (NODE_BASIC, PASS), (NOT_FOUND, SKIP), (Answer(400, "text/html", 9), FAIL), (BROKEN, ERROR)],
    ids=["served", "refused", "absent", "400", "500"],
)
def test_a_users_own_endpoint(answer: Answer, letter: str) -> None:
    for policy in ("protected", "disabled"):  # the admin API's policy is not the endpoint's
        to = target(admin_api=policy)
        assert outcome(refuses_access, attempt(Surface.NODE, "/api/orders", answer, OPEN, to), to) == letter


def test_a_users_own_endpoint_gets_a_remedy_of_its_own() -> None:
    seen = attempt(Surface.NODE, "/api/orders", FLOWS, OPEN)
    assert "httpNodeAuth" in only(refuses_access(seen, Policy())).remedy
