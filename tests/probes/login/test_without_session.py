"""What is told without a session: by an open Node-RED, by gates of other accounts, by its change log."""

from __future__ import annotations

import base64
import threading
from typing import Any

import hostile
import pytest
from hostile import FakeNodeRED, Reply, Request
from probes.login.guarded import CONTROLS, INSIDE, PASSWORD, TOLD, Guarded, as_reply, judged

from pytest_nodered_sec.policy.model import Policy


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
