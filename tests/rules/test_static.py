"""Files of the user directory: recognised or not, and whether anybody was there to serve them."""

from __future__ import annotations

import re

import pytest
from seen import (
    BROKEN,
    ERROR,
    FAIL,
    FORBIDDEN,
    GATE,
    NOT_FOUND,
    OPEN,
    PAGE,
    PASS,
    PROXY_BASIC,
    STRANGER,
    attempt,
    outcome,
    target,
    violations,
)

from pytest_nodered_sec.data.user_files import USER_FILES
from pytest_nodered_sec.model import Answer, FileAttempt, RootView, Surface
from pytest_nodered_sec.policy import Policy
from pytest_nodered_sec.rules.static import file_is_not_served

SCRIPT = Answer(200, "application/javascript", 20000)


@pytest.mark.parametrize(
    ("answer", "found", "root", "letter"),
    [
        (SCRIPT, True, OPEN, FAIL),
        (SCRIPT, True, STRANGER, FAIL),
        (PAGE, False, OPEN, PASS),
        (NOT_FOUND, False, OPEN, PASS),
        (NOT_FOUND, False, STRANGER, ERROR),
        (FORBIDDEN, False, STRANGER, PASS),
        (PROXY_BASIC, False, GATE, PASS),
        (BROKEN, False, OPEN, ERROR),
    ],
)
def test_a_file(answer: Answer, found: bool, root: RootView, letter: str) -> None:
    seen = FileAttempt(attempt(Surface.NODE, "/settings.js", answer, root), found)
    assert outcome(file_is_not_served, seen, target()) == letter


def test_a_served_file_says_what_to_change() -> None:
    seen = FileAttempt(attempt(Surface.NODE, "/settings.js", SCRIPT, OPEN), found=True)
    (found,) = violations(file_is_not_served(seen, Policy()))
    assert found.observed == f"{seen.evidence()}: the file itself"
    assert "Change every secret" in found.remedy


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/settings.js", "module.exports = {uiPort: 1880}"),
        ("/flows.json", '[{"id":"tab","type":"tab"}]'),
        ("/flows_cred.json", '{"$":"abc"}'),
        ("/package.json", '{"name": "node-red-project"}'),
        ("/.sessions.json", '{"x":{"user":"admin","accessToken":"y"}}'),
        ("/.env", "export TOKEN=1"),
        ("/.git/config", "[core]\n\tbare = false"),
    ],
)
def test_files_are_recognised_and_pages_are_not(path: str, text: str) -> None:
    pattern = dict(USER_FILES)[path]
    assert re.search(pattern, text)
    assert not re.search(pattern, "<!DOCTYPE html>\n<html><head><title>Line 7</title></head></html>")
