"""The editor: the rows of the edge-case table for editor-01 and -02."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    NO_ADMIN,
    NODE_AUTH,
    NODE_BASIC,
    NOT_FOUND,
    OPEN,
    PAGE,
    PASS,
    PROXY_BASIC,
    SKIP,
    STRANGER,
    TO_CLEARTEXT,
    attempt,
    outcome,
    target,
    view,
    violations,
)

from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.answers import RootView, Seen, classify
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.rules.editor import editor_is_gone, editor_is_off_or_protected

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.answers import Answer


def page(answer: Answer, root: RootView, **demands: Any) -> str:
    to = target(**demands)
    return outcome(editor_is_off_or_protected, attempt(Surface.EDITOR, "/", answer, root, to), to)


def part(path: str, answer: Answer, root: RootView, **demands: Any) -> str:
    to = target(**demands)
    return outcome(editor_is_gone, attempt(Surface.EDITOR, path, answer, root, to), to)


def evidence(answer: Answer, root: RootView) -> str:
    return attempt(Surface.EDITOR, "/", answer, root).evidence()


def test_editor_served_though_disabled_expected() -> None:
    assert page(EDITOR, AUTH) == FAIL
    (violation,) = violations(editor_is_off_or_protected(attempt(Surface.EDITOR, "/", EDITOR, AUTH), Policy()))
    assert violation.remedy == "settings.js: disableEditor: true"


def test_editor_disabled_expected_404() -> None:
    assert page(NOT_FOUND, AUTH) == PASS


@pytest.mark.parametrize("answer", [PROXY_BASIC, FORBIDDEN])
def test_editor_disabled_expected_401_or_403_canary_404(answer: Answer) -> None:
    assert page(answer, AUTH) == PASS
    assert evidence(answer, AUTH).endswith("refused, not absent; host-05 checks whether it is disabled")


def test_editor_401_like_the_canary_landmark_refused_by_node_red_itself() -> None:
    assert page(NODE_BASIC, NODE_AUTH) == PASS
    assert evidence(NODE_BASIC, NODE_AUTH).endswith(", as every path here")


@pytest.mark.parametrize(("policy", "letter"), [("protected", ERROR), ("disabled", PASS), ("proxied", PASS)])
def test_editor_canary_and_landmark_401_all_alike(policy: str, letter: str) -> None:
    assert page(PROXY_BASIC, GATE, admin_api=policy) == letter
    assert part("/icons", PROXY_BASIC, GATE, admin_api=policy) == letter


def test_editor_path_serves_a_page_without_its_marks() -> None:
    assert page(PAGE, AUTH) == PASS
    assert evidence(PAGE, AUTH).endswith(": a page, not the editor")


def test_editor_200_equal_to_the_canary() -> None:
    assert page(PAGE, view(BEARER, PAGE)) == ERROR


@pytest.mark.parametrize(("root", "letter"), [(AUTH, PASS), (OPEN, FAIL)], ids=["refused", "served"])
def test_editor_protected_landmark_refused_or_served(root: RootView, letter: str) -> None:
    assert page(EDITOR, root, editor="protected") == letter


def test_editor_protected_and_the_landmark_gave_no_answer() -> None:
    assert page(EDITOR, view(BROKEN), editor="protected") == ERROR
    assert page(PAGE, view(BROKEN), editor="protected") == PASS


def test_editor_protected_and_the_landmark_was_not_asked() -> None:
    bare = RootView("/", Seen("/random", NOT_FOUND, classify(NOT_FOUND, target())))
    assert page(EDITOR, bare, editor="protected") == FAIL


@pytest.mark.parametrize(("answer", "letter"), [(NOT_FOUND, PASS), (FORBIDDEN, PASS)])
def test_editor_protected_and_the_page_is_not_served(answer: Answer, letter: str) -> None:
    assert page(answer, AUTH, editor="protected") == letter


def test_editor_redirects_to_cleartext() -> None:
    assert page(TO_CLEARTEXT, AUTH) == part("/icons", TO_CLEARTEXT, AUTH) == ERROR


@pytest.mark.parametrize("root", [STRANGER, view(FORBIDDEN, identity=())], ids=["no API", "API refused by a gate"])
@pytest.mark.parametrize("answer", [NOT_FOUND, PAGE], ids=["404", "page"])
def test_editor_absent_where_nothing_shows_node_red(answer: Answer, root: RootView) -> None:
    assert page(answer, root) == ERROR


def test_a_part_served_where_there_is_no_api_and_nothing_shows_node_red() -> None:
    assert part("/red/red.min.js", PAGE, STRANGER) == ERROR


def test_editor_served_shows_node_red_by_itself() -> None:
    assert page(EDITOR, STRANGER) == FAIL


@pytest.mark.parametrize(("policy", "letter"), [("protected", ERROR), ("proxied", ERROR), ("disabled", PASS)])
def test_editor_absent_and_no_admin_api_either(policy: str, letter: str) -> None:
    assert page(NOT_FOUND, NO_ADMIN, admin_api=policy) == letter
    assert part("/icons", NOT_FOUND, NO_ADMIN, admin_api=policy) == letter


def test_parts_gone() -> None:
    assert part("/red/red.min.js", NOT_FOUND, AUTH) == PASS


def test_parts_refused_by_a_gate_pass_and_say_so() -> None:
    assert part("/icons", PROXY_BASIC, AUTH) == PASS
    seen = attempt(Surface.EDITOR, "/icons", PROXY_BASIC, AUTH)
    assert "refused, not absent" in seen.evidence()


def test_parts_refused_by_node_red_show_an_enabled_editor() -> None:
    seen = attempt(Surface.EDITOR, "/icons", BEARER, AUTH)
    (violation,) = violations(editor_is_gone(seen, Policy()))
    assert violation.code == "editor-mounted"
    assert violation.observed.endswith(": the editor is enabled")
    assert "not gone" not in violation.observed


@pytest.mark.parametrize("root", [AUTH, GATE], ids=["native login", "gate"])
def test_parts_served(root: RootView) -> None:
    assert part("/red/red.min.js", PAGE, root, admin_api="proxied") == FAIL


def test_parts_are_not_asked_for_of_a_protected_editor() -> None:
    assert part("/icons", BEARER, AUTH, editor="protected") == SKIP
