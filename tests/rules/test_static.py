"""Files of the user directory: recognised or not, and whether anybody was there to serve them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from seen import (
    AUTH,
    BROKEN,
    ERROR,
    FAIL,
    FORBIDDEN,
    GATE,
    NO_ADMIN,
    NOT_FOUND,
    OPEN,
    PAGE,
    PASS,
    PROXY_BASIC,
    SKIP,
    STRANGER,
    attempt,
    outcome,
    target,
    violations,
)

from pytest_nodered_sec.data.known_holes import KNOWN_HOLES
from pytest_nodered_sec.data.user_files import USER_FILES
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.access import FileAttempt
from pytest_nodered_sec.observations.answers import Answer, RootView
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.rules.static import file_is_not_served, hole_is_shut
from pytest_nodered_sec.verdict import NotJudged

NOBODYS = Answer(404, "text/html", 150)
SCRIPT = Answer(200, "application/javascript", 20000)


@pytest.mark.parametrize(
    ("answer", "is_there", "root", "letter"),
    [
        (SCRIPT, True, OPEN, FAIL),
        (SCRIPT, True, STRANGER, FAIL),
        (PAGE, False, OPEN, PASS),
        (NOT_FOUND, False, OPEN, PASS),
        (NOT_FOUND, False, STRANGER, PASS),  # "Cannot GET /settings.js": Node-RED's own server
        (NOBODYS, False, STRANGER, ERROR),
        (NOBODYS, False, GATE, PASS),
        (NOBODYS, False, OPEN, PASS),
        (FORBIDDEN, False, STRANGER, PASS),
        (PROXY_BASIC, False, GATE, PASS),
        (BROKEN, False, OPEN, ERROR),
    ],
)
def test_a_file(answer: Answer, is_there: bool, root: RootView, letter: str) -> None:
    seen = FileAttempt(attempt(Surface.NODE, "/settings.js", answer, root), is_there)
    assert outcome(file_is_not_served, seen, target()) == letter


def test_what_calm_mode_leaves_out_is_not_judged() -> None:
    seen = FileAttempt(attempt(Surface.NODE, "/files/settings.js", NOT_FOUND, OPEN), False, left_out="/files../x")
    verdict = file_is_not_served(seen, Policy(mode="calm"))
    assert verdict == NotJudged('not judged: mode = "calm" leaves out GET /files../x, which is exploit-shaped')
    assert violations(file_is_not_served(replace(seen, found=True), Policy(mode="calm")))


def test_a_served_file_says_what_to_change() -> None:
    seen = FileAttempt(attempt(Surface.NODE, "/settings.js", SCRIPT, OPEN), found=True)
    (violation,) = violations(file_is_not_served(seen, Policy()))
    assert violation.observed == f"{seen.evidence()}: the file itself"
    assert "Change every secret" in violation.remedy


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


PACKAGE = Answer(200, "application/json", 4061)
BAD_REQUEST = Answer(400, "text/html", 150)


@pytest.mark.parametrize(
    ("answer", "is_there", "root", "demands", "letter"),
    [
        (PACKAGE, True, AUTH, {}, FAIL),
        (PACKAGE, True, STRANGER, {}, FAIL),
        (PACKAGE, False, AUTH, {}, PASS),
        (NOT_FOUND, False, AUTH, {}, PASS),
        (BAD_REQUEST, False, AUTH, {}, PASS),
        (FORBIDDEN, False, AUTH, {}, PASS),
        (NOT_FOUND, False, STRANGER, {}, ERROR),
        (NOT_FOUND, False, NO_ADMIN, {}, SKIP),
        (NOT_FOUND, False, NO_ADMIN, {"admin_api": "disabled"}, PASS),
        (PROXY_BASIC, False, GATE, {}, ERROR),
        (PROXY_BASIC, False, GATE, {"admin_api": "proxied"}, PASS),
        (NOT_FOUND, False, GATE, {"admin_api": "proxied"}, PASS),
        (PACKAGE, False, GATE, {"admin_api": "proxied"}, PASS),
        (NOT_FOUND, False, GATE, {}, ERROR),
        (BROKEN, False, AUTH, {}, ERROR),
    ],
)
def test_a_hole(answer: Answer, is_there: bool, root: RootView, demands: dict[str, str], letter: str) -> None:
    to = target(**demands)
    seen = FileAttempt(
        attempt(Surface.ADMIN, "/ui_base/js/..%2F..%2Fpackage.json", answer, root, to), is_there, "CVE-1"
    )
    assert outcome(hole_is_shut, seen, to) == letter


def test_an_open_hole_names_itself_and_what_closes_it() -> None:
    asked = attempt(Surface.ADMIN, "/ui_base/js/..%2F..%2Fpackage.json", PACKAGE, AUTH)
    (violation,) = violations(hole_is_shut(FileAttempt(asked, True, "CVE-2021-3223", "dashboard 2.26.2"), Policy()))
    assert violation.observed.endswith("a file of the host, through CVE-2021-3223")
    assert violation.remedy.startswith("fix: dashboard 2.26.2. Until then, nginx: if ($request_uri ~* ")


@pytest.mark.parametrize(("advisory", "path", "pattern", "closed_by"), KNOWN_HOLES)
def test_holes_are_asked_for_a_file_that_names_itself(advisory: str, path: str, pattern: str, closed_by: str) -> None:
    package = closed_by.removeprefix("removing ").split()[0].rstrip(",")
    assert re.search(pattern, f'{{"name": "{package}", "version": "1.0.0"}}')
    assert not re.search(pattern, '{"name": "another", "dependencies": {"x": "1"}}')
    assert path.endswith("..%2F..%2Fpackage.json")
    assert advisory.startswith("CVE-")


@pytest.mark.parametrize(
    ("location", "root", "letter"),
    [
        ("https://plant.example:8443/", GATE, PASS),
        ("https://plant.example:8443/elsewhere/settings.js", GATE, ERROR),  # the file may be there
        ("https://login.example/", GATE, ERROR),
        ("https://plant.example:8443/", STRANGER, ERROR),
    ],
)
def test_a_redirect_to_another_page_of_the_host_is_no_file(location: str, root: RootView, letter: str) -> None:
    answer = Answer(302, location=location)
    seen = FileAttempt(attempt(Surface.NODE, "/settings.js", answer, root), found=False)
    assert outcome(file_is_not_served, seen, target(admin_api="proxied")) == letter
