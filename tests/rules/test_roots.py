"""Node-RED where nobody declared it: what shows one, what does not, and what could not be looked at."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from seen import (
    BROKEN,
    ERROR,
    FAIL,
    FORBIDDEN,
    GATE,
    LOGIN,
    NOT_FOUND,
    PAGE,
    PASS,
    PROXY_BASIC,
    SETTINGS,
    SKIP,
    outcome,
    target,
    view,
)
from seen import violations as faults

from pytest_nodered_sec.observations.answers import Answer, classify
from pytest_nodered_sec.observations.roots import Glimpse, UndeclaredPlace, UndeclaredPlaces
from pytest_nodered_sec.policy.model import Policy, PublicPath
from pytest_nodered_sec.rules.roots import nothing_answers_undeclared
from pytest_nodered_sec.verdict import Severity

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.answers import RootView

ADMIN = view(NOT_FOUND)


def glimpse(answer: Answer, shows: str = "", *, login: bool = False, canary: Answer = NOT_FOUND) -> Glimpse:
    return Glimpse("/nodered/auth/login", answer, classify(answer, target(), canary), shows, login)


def below(*glimpses: Glimpse, told: str = "") -> UndeclaredPlaces:
    return UndeclaredPlaces((UndeclaredPlace("/nodered", glimpses, ADMIN, told),), (), ADMIN)


@pytest.mark.parametrize(
    ("seen", "letter"),
    [
        (below(glimpse(NOT_FOUND)), PASS),
        (below(glimpse(PROXY_BASIC), glimpse(NOT_FOUND)), PASS),
        (below(glimpse(PAGE)), PASS),  # something else lives there
        (below(glimpse(BROKEN)), ERROR),
        (below(glimpse(BROKEN), glimpse(SETTINGS, "Node-RED's settings")), FAIL),
        (below(glimpse(LOGIN, "a login is configured", login=True)), FAIL),
        (UndeclaredPlaces((), ("GET /uisettings answered 404",), ADMIN), PASS),
    ],
)
def test_a_root(seen: UndeclaredPlaces, letter: str) -> None:
    assert outcome(nothing_answers_undeclared, seen, target()) == letter


@pytest.mark.parametrize(
    ("root", "letter"),
    [
        (view(NOT_FOUND, PAGE), PASS),  # the page that every path gets, beside a Node-RED that was seen
        (view(PAGE, PAGE, ()), ERROR),  # and where none was: see reach-01
        (view(NOT_FOUND, NOT_FOUND, ()), ERROR),  # nothing here shows a Node-RED
        (GATE, PASS),
        (view(FORBIDDEN, FORBIDDEN, ()), ERROR),  # see reach-01: whoever refuses so may be a limit
    ],
)
def test_what_a_random_path_gets_is_nothing_of_its_own(root: RootView, letter: str) -> None:
    answer = root.canary.answer
    seen = UndeclaredPlaces((UndeclaredPlace("/nodered", (glimpse(answer, canary=answer),), root),), (), root)
    assert outcome(nothing_answers_undeclared, seen, target()) == letter


def test_a_root_that_is_told_and_not_declared_is_not_judged_but_what_answers_there_is() -> None:
    undeclared = UndeclaredPlaces((), (), ADMIN, "add `--nodered-node-root=/plant`")
    assert outcome(nothing_answers_undeclared, undeclared, target()) == ERROR
    answers = replace(undeclared, places=below(glimpse(SETTINGS, "Node-RED's settings")).places)
    assert outcome(nothing_answers_undeclared, answers, target()) == FAIL


def test_what_is_declared_public_may_answer() -> None:
    public = target(public_paths=(PublicPath("/nodered", "demo"),))
    assert outcome(nothing_answers_undeclared, below(glimpse(SETTINGS, "Node-RED's settings")), public) == SKIP


def test_a_login_alone_is_milder() -> None:
    (open_one,) = faults(nothing_answers_undeclared(below(glimpse(SETTINGS, "Node-RED's settings")), Policy()))
    (login,) = faults(nothing_answers_undeclared(below(glimpse(LOGIN, "its login", login=True)), Policy()))
    assert (open_one.code, open_one.severity) == ("undeclared", None)
    assert (login.code, login.severity) == ("undeclared-login", Severity.MEDIUM)
    assert "location ~* ^/nodered(/|$) { return 404; }" in login.remedy


@pytest.mark.parametrize(
    ("path", "root", "location"),
    [
        ("/manufacturing-plant", "/manufacturing-plant/line7", "/manufacturing-plant/"),
        ("/manufacturing-plant", "/manufacturing-plants", "~* ^/manufacturing-plant(/|$)"),
        ("/line-v1.2", "/", r"~* ^/line-v1\.2(/|$)"),
    ],
)
def test_a_route_that_is_removed_leaves_the_targets_own(path: str, root: str, location: str) -> None:
    """In nginx a regular expression goes before the prefix below it, which would answer 404, too."""
    place = UndeclaredPlace(path, (glimpse(SETTINGS, "Node-RED's settings"),), replace(ADMIN, root=root))
    (fault,) = faults(nothing_answers_undeclared(UndeclaredPlaces((place,), (), ADMIN), Policy()))
    assert f"(nginx: location {location} {{ return 404; }})" in fault.remedy


def test_a_node_red_above_a_url_at_which_there_is_none_may_be_the_one_that_is_meant() -> None:
    for identity, meant in (((), True), (ADMIN.identity, False)):
        root = replace(ADMIN, root="/manufacturing-plant/line7", identity=identity)
        place = UndeclaredPlace("/manufacturing-plant", (glimpse(LOGIN, "its login", login=True),), root)
        (fault,) = faults(nothing_answers_undeclared(UndeclaredPlaces((place,), (), ADMIN), Policy()))
        assert fault.remedy.startswith("leave the path out of the URL, if the Node-RED above it is the one") is meant


def test_another_spelling_of_a_known_root_is_mended_where_the_root_is_guarded() -> None:
    place = UndeclaredPlace("/NoDeReD", (glimpse(SETTINGS, "Node-RED's settings"),), ADMIN, usual="/nodered")
    (fault,) = faults(nothing_answers_undeclared(UndeclaredPlaces((place,), (), ADMIN), Policy()))
    assert "GET below /NoDeReD, which is /nodered to Node-RED, without credentials: " in fault.observed
    assert "nginx: location ~* ^/nodered(/|$) { return 404; }" in fault.remedy


def test_the_evidence_says_what_was_asked_and_who_named_the_place() -> None:
    seen = below(glimpse(NOT_FOUND), glimpse(SETTINGS, "Node-RED's settings"), told="/uisettings")
    line = seen.evidence()
    assert "below /nodered, which /uisettings names" in line
    assert "404" not in line
    assert "200 (application/json, 900 bytes): Node-RED's settings" in line
    nothing = UndeclaredPlaces((), ("GET /uisettings answered 404", "GET /flows named no dashboard"), ADMIN)
    assert nothing.evidence() == "GET /uisettings answered 404; GET /flows named no dashboard"
