"""One session in a run: logged in, looked at, logged out, whatever happens in between."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hostile import FakeNodeRED, Reply, Request, json_reply
from probes.login.guarded import CONTROLS, INSIDE, PASSWORD, TOKEN, TOLD, Guarded, judged

from pytest_nodered_sec import questions
from pytest_nodered_sec.model import Credentials
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.rules import account

if TYPE_CHECKING:
    from pathlib import Path


def test_one_session_answers_all_and_leaks_nothing() -> None:
    server = Guarded()
    letters, said = judged(server)
    assert letters == dict.fromkeys(CONTROLS, "P")
    assert sorted(server.asked) == sorted(
        [
            "POST /auth/token",
            "GET /settings",
            "GET /nodes",
            "GET /diagnostics",
            "GET /flows",
            "GET /library/local/flows",
            "POST /flows",
            "POST /auth/revoke",
        ]
    )
    assert server.asked[-1] == "POST /auth/revoke"
    assert "Node-RED 5.0.7, seen in GET /settings as viewer" in said
    assert not any(secret in said for secret in (PASSWORD, TOKEN))


@pytest.mark.parametrize(
    ("path", "reply", "erring"),
    [
        ("/flows", Reply(stream=lambda sock: sock.close()), {"flow-01"}),
        ("/nodes", Reply(500), {"admin-10", "patch-02"}),
        ("/nodes", Reply(200, {}, b"<html>"), {"admin-10", "patch-02"}),
        ("/diagnostics", Reply(200, {}, b"[" * 50_000), {"patch-03"}),
    ],
    ids=["cut off", "500", "a page", "deep"],
)
def test_what_gives_no_answer_costs_only_what_needs_it(path: str, reply: Reply, erring: set[str]) -> None:
    server = Guarded({path: reply})
    letters, _ = judged(server)
    assert {name for name, letter in letters.items() if letter == "E"} == erring
    assert {letters[control] for control in set(CONTROLS) - erring} == {"P"}
    assert server.asked[-1] == "POST /auth/revoke"


@pytest.mark.parametrize(
    ("told", "letter"),
    [("3600", "P"), ("9" * 4000, "F"), ("-" + "9" * 4000, "-"), ("0", "-"), ("NaN", "-"), ("1e999", "-"), ('"a"', "-")],
)
def test_a_life_that_no_session_has_is_not_taken_for_a_short_one(
    told: str, letter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CONTROLS, "admin-09", (questions.SIGN_IN, account.sessions_are_short))
    scopes = ["read", "x\x1b[2J", *map(str, range(3000))]
    settings = TOLD["/settings"] | {"user": {"username": "viewer", "permissions": scopes}}
    login = Reply(200, {}, f'{{"access_token": "{TOKEN}", "expires_in": {told}}}'.encode())
    letters, said = judged(Guarded({"/settings": settings}, login=login))
    assert letters["admin-09"] == letter
    assert max(map(len, re.findall("admin-09: .*", said))) < 500
    assert "\x1b" not in said


def test_what_the_account_may_not_read_is_not_judged() -> None:
    letters, said = judged(Guarded({"/flows": Reply(403), "/nodes": Reply(401), "/diagnostics": Reply(403)}))
    assert {name for name, letter in letters.items() if letter == "-"} == {
        "admin-10",
        "flow-01",
        "patch-02",
        "patch-03",
    }
    assert "GET /flows as viewer answered 403" in said
    assert "give an account that may read it" in said


def test_a_lock_out_is_no_answer() -> None:
    server = Guarded(login=Reply(500, {}, b"Too many login attempts"))
    letters, said = judged(server)
    assert letters == dict.fromkeys(CONTROLS, "E")
    assert "too many login attempts" in said
    assert server.asked == ["POST /auth/token"]  # once, for seven questions


def test_a_refused_account_fails_once() -> None:
    server = Guarded(login=json_reply({"error": "invalid_grant"}, 403))
    letters, said = judged(server)
    assert letters == {"admin-08": "F", **dict.fromkeys(INSIDE, "-")}
    assert "viewer was refused: POST /auth/token answered 403 (invalid_grant) (see admin-08)" in said
    assert server.asked == ["POST /auth/token"]


def test_a_wrong_password_of_our_own_locks_nobody_out(tmp_path: Path) -> None:
    server = Guarded(login=json_reply({"error": "invalid_grant"}, 403))
    shared = Policy(login_realm="plant directory")  # counted for all targets together, whatever their ports
    for number in range(5):
        letters, said = judged(server, shared, tmp_path / f"run-{number}")
    assert server.asked == ["POST /auth/token"] * 4  # Node-RED locks out after five
    assert letters["admin-08"] == "E"
    assert "`viewer` was refused or tried so often from here" in said


def test_a_right_password_is_taken_again_and_again(tmp_path: Path) -> None:
    for number in range(6):
        assert judged(Guarded(), Policy(login_realm="d"), tmp_path / f"run-{number}")[0]["admin-08"] == "P"


def test_a_session_that_cannot_be_ended_is_said() -> None:
    class Sticky(Guarded):
        def __call__(self, request: Request) -> Reply | None:
            return Reply(500) if request.path == "/auth/revoke" else super().__call__(request)

    letters, said = judged(Sticky())
    assert letters == dict.fromkeys(CONTROLS, "E")
    assert "could not be ended" in said


def test_a_token_is_used_and_not_revoked() -> None:
    server = Guarded()
    letters, said = judged(server, credentials=lambda: Credentials(token=TOKEN))
    assert letters == dict.fromkeys(CONTROLS, "P")
    assert not {"POST /auth/token", "POST /auth/revoke"} & set(server.asked)
    assert TOKEN not in said


def test_without_an_account_what_is_refused_is_not_judged() -> None:
    letters, said = judged(Guarded(), credentials=None)
    assert letters == {"admin-08": "E", **dict.fromkeys(INSIDE, "-")}
    assert "not judged without an account that has read permission" in said


ON = TOLD["/settings"]
OFF = {key: value for key, value in ON.items() if key != "context"}
PROJECTS = ON | {"git": {"globalUser": None}}


@pytest.mark.parametrize(
    ("told", "letter", "words"),
    [
        ({"/settings": OFF}, "P", "CVE-2026-71269, which no release fixes, closed: the editor is disabled, seen in"),
        ({}, "P", "refused before Node-RED; node-red#5868, which no release fixes, closed: Projects"),
        (
            {"/library/local/flows": []},
            "F",
            "open: the editor is enabled, seen in GET /settings as viewer; GET /library",
        ),
        ({"/library/local/flows": Reply(401)}, "F", "GET /library/local/flows as viewer answered 401"),
        ({"/library/local/flows": Reply(502)}, "E", "it answered 502"),
        ({"/library/local/flows": Reply(302, {"Location": "/login"})}, "E", "it answered 302"),
        (
            {"/settings": PROJECTS, "/Settings/User/Keys": Reply(401)},
            "F",
            "node-red#5868, which no release fixes, open",
        ),
        (
            {"/settings": PROJECTS, "/Settings/User/Keys": Reply(404)},
            "P",
            "GET /Settings/User/Keys as viewer answered 404",
        ),
    ],
)
def test_what_no_release_fixes_is_looked_at_with_the_account(told: dict[str, Any], letter: str, words: str) -> None:
    letters, said = judged(Guarded(told))
    assert letters["patch-01"] == letter, said
    assert words in said


ABOUT = Reply(200, {"Content-Type": "application/octet-stream"}, b"#### 5.0.7: Maintenance Release\n\n - x")


@pytest.mark.parametrize(
    ("library", "letter", "words"),
    [
        (
            Reply(401, {"WWW-Authenticate": 'Bearer realm="Users"'}),
            "F",
            "open: the editor is enabled, seen in GET /red/about, which anyone can read; GET /library/local/flows",
        ),
        (Reply(403), "-", "closed: GET /library/local/flows without credentials answered 403"),
        (Reply(502), "E", "502"),
        (Reply(404), "-", "whether the editor is enabled is not known: give an account"),
    ],
    ids=["Node-RED's login", "refused", "broken", "as every path"],
)
def test_without_an_account_the_library_is_looked_at_as_anybody(library: Reply, letter: str, words: str) -> None:
    server = FakeNodeRED(replies={"/red/about": ABOUT, "/library/local/flows": library})
    letters, said = judged(server, credentials=None)
    assert letters["patch-01"] == letter, said
    assert words in said
    assert letter != "-" or "whether Projects are enabled is not known: give an account" in said


def test_unguarded_packages_and_old_modules_are_found() -> None:
    nodes = [
        {"module": "node-red-contrib-uibuilder", "version": "7.7.4"},
        {"module": "node-red-dashboard", "version": "2.26.1"},
    ]
    flows = [{"id": "u", "type": "uibuilder", "z": "t", "url": "panel"}, {"id": "t", "type": "tab"}]
    letters, said = judged(
        Guarded({"/nodes": nodes, "/flows": flows, "/diagnostics": {"nodejs": {"version": "v20.1.0"}}})
    )
    assert {name for name, letter in letters.items() if letter == "F"} == {
        "admin-10",
        "flow-01",
        "patch-02",
        "patch-03",
    }
    assert json.dumps("/panel") in said
