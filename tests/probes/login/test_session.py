"""One session in a run: logged in, looked at, logged out, whatever happens in between."""

from __future__ import annotations

import base64
import json
import re
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hostile
import pytest
from hostile import FakeNodeRED, Reply, Request, json_reply

from pytest_nodered_sec import questions
from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Credentials, Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.rules import account, inside, patches
from pytest_nodered_sec.survey.survey import Survey
from pytest_nodered_sec.verdict import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PASSWORD = "hunter2-plant"
TOKEN = "0123456789abcdef-token"
TOLD: dict[str, Any] = {  # Any: JSON
    "/settings": {
        "httpNodeRoot": "/",
        "version": "5.0.7",
        "user": {"username": "viewer", "permissions": "read"},
        "context": {},
        "functionExternalModules": False,
        "externalModules": {"palette": {"allowInstall": False}},
    },
    "/nodes": [{"module": "node-red", "version": "5.0.7"}, {"module": "node-red-dashboard", "version": "3.6.6"}],
    "/diagnostics": {"nodejs": {"version": "v24.22.3"}, "runtime": {"version": "5.0.7"}},
    "/flows": [{"id": "t", "type": "tab", "label": PASSWORD}],
    "/library/local/flows": Reply(403),  # of a front
}
CONTROLS: dict[str, tuple[tuple[Any, ...], Callable[[Any, Policy], Any]]] = {
    "admin-08": (questions.SIGN_IN, account.account_is_honoured),
    "admin-10": (questions.ADMIN_ROUTES, inside.admin_routes_are_guarded),
    "editor-04": (questions.INSTALL_RIGHTS, inside.nothing_installs_from_the_editor),
    "flow-01": (questions.ENTRIES, inside.ways_in_are_declared),
    "patch-01": (questions.NODE_RED_RELEASE, patches.is_free_of_advisories),
    "patch-02": (questions.MODULE_RELEASES, patches.is_free_of_advisories),
    "patch-03": (questions.NODE_RELEASE, patches.node_is_maintained),
}
INSIDE = set(CONTROLS) - {"admin-08"}


def as_reply(told: Any) -> Reply:
    return told if isinstance(told, Reply) else json_reply(told)


class Guarded:
    """A Node-RED with a login, of which answers to somebody logged in can be replaced."""

    def __init__(self, told: Mapping[str, Any] | None = None, *, login: Reply | None = None) -> None:
        self.told = TOLD | dict(told or {})
        self.login = login or json_reply({"access_token": TOKEN, "expires_in": 604800, "token_type": "Bearer"})
        self.asked: list[str] = []
        self._base = FakeNodeRED()
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply | None:
        path = request.path.split("?")[0]
        known = request.headers.get("authorization") == f"Bearer {TOKEN}"
        with self._lock:
            if known or path == "/auth/token":
                self.asked.append(f"{request.method} {path}")
        if path == "/auth/token":
            return self.login
        if not known:
            return self._base(request)
        if path == "/auth/revoke":
            return Reply(200)
        if request.method == "POST":
            return Reply(401)
        reply = self.told[path]
        return as_reply(reply)


def judged(
    server: Any, policy: Policy | None = None, attempts: Path | None = None, **more: Any
) -> tuple[dict[str, str], str]:
    """Ask everything; return a letter by control, and all that was said."""
    if attempts is None:
        with tempfile.TemporaryDirectory() as folder:
            return judged(server, policy, Path(folder, "run"), **more)
    lent: dict[str, Any] = {"credentials": lambda: Credentials("viewer", PASSWORD)} | more
    letters, said = {}, ""
    with hostile.serving(server) as running:
        target = Target(
            "plant",
            running.url,
            policy or Policy(),
            ca_file=str(hostile.default_ca().pem_path),
            timeout=3,
            http_port=hostile.closed_port(),
            **lent,
        )
        survey = Survey(attempts)
        try:
            survey.ask_ahead(target, [ask for asks, _ in CONTROLS.values() for ask in asks])
            for control, ((ask,), rule) in CONTROLS.items():
                try:
                    seen = survey.answer(target, ask)
                except ProbeError as error:
                    letters[control] = "E"
                    said += f"{control}: {error.message}\n"
                else:
                    verdict = rule(seen, target.policy)
                    letters[control] = "-" if isinstance(verdict, NotApplicable) else "F" if verdict else "P"
                    said += f"{control}: {seen.evidence()}\n{seen!r}\n{verdict}\n"
        finally:
            survey.close()
    return letters, said


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


def open_server(request: Request) -> Reply | None:
    path = request.path.split("?")[0]
    if path not in TOLD or request.method != "GET":
        return FakeNodeRED(login={})(request)
    return as_reply(TOLD[path])


def test_an_open_instance_tells_anybody() -> None:
    letters, said = judged(open_server, credentials=None)
    assert letters == {"admin-08": "E", **dict.fromkeys(INSIDE, "P")}
    assert "seen in GET /flows, which anyone can read" in said


def test_the_change_log_tells_the_release_where_nothing_else_does() -> None:
    about = Reply(200, {"Content-Type": "application/octet-stream"}, b"#### 4.1.11: Maintenance Release\n\n - x")
    letters, said = judged(FakeNodeRED(replies={"/red/about": about}), credentials=None)
    assert letters == {"admin-08": "E", **dict.fromkeys(INSIDE, "-"), "patch-01": "F"}
    assert "Node-RED 4.1.11, seen in GET /red/about, which anyone can read" in said
    refused = Guarded(login=Reply(500, {}, b"Too many login attempts"))
    refused._base = FakeNodeRED(replies={"/red/about": about})
    letters, _ = judged(refused)
    assert letters == {**dict.fromkeys(CONTROLS, "E"), "patch-01": "F"}  # it can do without the account


@pytest.mark.parametrize("name", ["catch_all_page", "catch_all_login", "challenge_everything", "redirect_loop"])
def test_a_page_that_answers_everything_tells_nothing(name: str) -> None:
    letters, _ = judged(getattr(hostile, name), credentials=None)
    assert letters == dict.fromkeys(CONTROLS, "E")


def test_a_change_log_that_breaks_is_no_answer() -> None:
    letters, _ = judged(FakeNodeRED(replies={"/red/about": Reply(502)}), credentials=None)
    assert letters == {"admin-08": "E", **dict.fromkeys(INSIDE, "-"), "patch-01": "E"}


def test_a_gate_before_everything() -> None:
    letters, _ = judged(hostile.basic_everything, Policy(admin_api="proxied"), credentials=None)
    assert letters == {"admin-08": "E", **dict.fromkeys(INSIDE, "-"), "admin-10": "P"}
    letters, _ = judged(hostile.basic_everything, credentials=None)
    assert letters["admin-10"] == "E"  # nobody has been seen behind it


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


class Gated:
    """A Basic login before everything, which takes one account, and what stands behind it."""

    def __init__(self, behind: Any, password: str = PASSWORD) -> None:
        self.logins: list[str] = []
        self._behind = behind
        self._login = "Basic " + base64.b64encode(f"viewer:{password}".encode()).decode()
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply | None:
        given = request.headers.get("authorization", "")
        with self._lock:
            self.logins += [given] if given else []
        if given != self._login:
            return Reply(401, headers={"WWW-Authenticate": 'Basic realm="Operators"'})
        reply: Reply | None = self._behind(request)
        return reply


def told_everything(request: Request) -> Reply:
    return as_reply(TOLD.get(request.path.split("?")[0], {})) if request.method == "GET" else Reply(401)


PROXIED = Policy(admin_api="proxied")


def test_an_account_of_the_gate_is_used_at_the_gate() -> None:
    gate = Gated(told_everything)
    letters, said = judged(gate, PROXIED)
    assert letters["admin-08"] == "P", said
    assert set(letters.values()) <= {"P", "-"}
    assert "seen in GET /flows as viewer" in said or letters["flow-01"] == "P"
    assert PASSWORD not in said


def test_a_wrong_account_of_the_gate_is_tried_once() -> None:
    gate = Gated(told_everything, "another")
    letters, said = judged(gate, PROXIED)
    assert letters["admin-08"] == "F", said
    assert "viewer was refused: GET /settings answered 401" in said
    assert len(gate.logins) == 1


def test_two_logins_behind_each_other_want_two_accounts() -> None:
    letters, said = judged(
        Gated(lambda request: Reply(401, headers={"WWW-Authenticate": 'Bearer realm="Users"'})), PROXIED
    )
    assert letters["admin-08"] == "E"
    assert "one account cannot be used at both" in said
