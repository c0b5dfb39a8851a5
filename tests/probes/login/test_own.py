"""The session for a site's own tests that is logged in: by token, at a Basic login, at Node-RED's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import hostile
import pytest
from hostile import FakeNodeRED, Reply, Request, json_reply

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Credentials, Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.login.account import own_attempt
from pytest_nodered_sec.probes.login.own import account_session
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.survey.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PASSWORD = "hunter2-plant"
BY_PASSWORD = Credentials("operator", PASSWORD)


class Plant:
    """A Node-RED that writes down the Authorization headers of its requests, below its own login or a Basic one."""

    def __init__(self, *, basic: bool = False, login: Reply | None = None) -> None:
        self.basic = basic
        self.login = login or json_reply({"access_token": "issued-token", "expires_in": 60, "token_type": "Bearer"})
        self.asked: list[tuple[str, str]] = []

    def __call__(self, request: Request) -> Reply | None:
        self.asked.append((request.path, request.headers.get("authorization", "")))
        if request.path == "/auth/token":
            return self.login
        if request.path == "/auth/revoke":
            return Reply(200)
        if self.basic and "authorization" not in request.headers:
            return Reply(401, {"WWW-Authenticate": 'Basic realm="plant"'})
        if request.headers.get("authorization"):
            return json_reply([])
        return FakeNodeRED()(request)


def flows(plant: Plant, credentials: Credentials | None, attempts: Path) -> int:
    """Ask for /flows with a logged-in session; return the status."""
    give: Callable[[], Credentials] | None = (lambda: credentials) if credentials else None
    with hostile.serving(plant) as server:
        survey = Survey(attempts)
        try:
            ca_file = str(hostile.default_ca().pem_path)
            target = Target("plant", server.url, Policy(), ca_file=ca_file, credentials=give, timeout=5.0)
            station = survey.station(target)
            with account_session(station) as session:
                return session.get("/flows").status_code
        finally:
            survey.close()


def test_a_password_is_sent_once_and_the_session_ends(tmp_path: Path) -> None:
    plant = Plant()
    assert flows(plant, BY_PASSWORD, tmp_path / "run") == 200
    paths = [path for path, _ in plant.asked]
    assert paths.count("/auth/token") == 1
    assert plant.asked[-2:] == [("/flows", "Bearer issued-token"), ("/auth/revoke", "Bearer issued-token")]


def test_a_token_is_used_as_it_is(tmp_path: Path) -> None:
    plant = Plant()
    assert flows(plant, Credentials(token="given-token"), tmp_path / "run") == 200
    assert plant.asked[-1] == ("/flows", "Bearer given-token")
    assert not {"/auth/token", "/auth/revoke"} & {path for path, _ in plant.asked}


def test_a_basic_login_gets_the_password(tmp_path: Path) -> None:
    plant = Plant(basic=True)
    assert flows(plant, BY_PASSWORD, tmp_path / "run") == 200
    assert plant.asked[-1][0] == "/flows"
    assert plant.asked[-1][1].startswith("Basic ")
    assert "/auth/token" not in {path for path, _ in plant.asked}


@pytest.mark.parametrize(
    ("credentials", "login", "sentence"),
    [
        (None, None, "nodered_account_http needs an account at plant"),
        (BY_PASSWORD, json_reply({"error": "invalid_grant"}, 403), r"for operator answered 403 \(invalid_grant\)"),
        (BY_PASSWORD, Reply(404), "no login by password is offered there"),
        (
            BY_PASSWORD,
            Reply(401, {"WWW-Authenticate": 'Digest realm="x"'}),
            "a Digest login, which no account of the tests passes",
        ),
        (BY_PASSWORD, Reply(429), "too many login attempts"),
    ],
)
def test_what_cannot_be_used_is_said(
    credentials: Credentials | None, login: Reply | None, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ProbeError, match=sentence) as caught:
        flows(Plant(login=login), credentials, tmp_path / "run")
    assert PASSWORD not in str(caught.value)


def log_ins(plant: Plant, attempts: Path, *names: str) -> list[str]:
    """Log in twice at targets of these names at one address; return what came of it."""
    said: list[str] = []
    with hostile.serving(plant) as server:
        for name in names * 2:
            survey = Survey(attempts)  # of another worker, each time
            ca_file = str(hostile.default_ca().pem_path)
            target = Target(name, server.url, Policy(), ca_file=ca_file, credentials=lambda: BY_PASSWORD, timeout=1.0)
            try:
                with account_session(survey.station(target)):
                    said.append("in")
            except ProbeError as error:
                said.append(error.message)
            finally:
                survey.close()
    return said


def sent(plant: Plant) -> int:
    return [path for path, _ in plant.asked].count("/auth/token")


def test_a_password_that_was_refused_is_not_sent_again_in_the_run(tmp_path: Path) -> None:
    plant = Plant(login=json_reply({"error": "invalid_grant"}, 403))
    here, there = log_ins(plant, tmp_path / "run", "line-7", "line-8")[2:]
    assert here == "POST /auth/token for operator answered 403 (invalid_grant)"
    assert there.startswith("the same password was refused for operator at line-7, at the same address; it is not sent")
    assert sent(plant) == 1


def test_a_right_password_is_sent_whenever_it_is_needed(tmp_path: Path) -> None:
    plant = Plant()
    assert log_ins(plant, tmp_path / "run", "line-7", "line-8") == ["in"] * 4
    assert sent(plant) == 4


@pytest.mark.parametrize(("status", "number"), [(502, 4), (429, 1)])
def test_a_password_that_nobody_looked_at_is_sent_again_and_none_after_a_lock_out(
    status: int, number: int, tmp_path: Path
) -> None:
    plant = Plant(login=Reply(status, {"Retry-After": "3600"}))
    assert len(set(log_ins(plant, tmp_path / "run", "line-7", "line-8"))) == 1
    assert sent(plant) == number


def test_a_password_whose_answer_never_came_is_not_sent_again(tmp_path: Path) -> None:
    class Silent(Plant):
        def __call__(self, request: Request) -> Reply | None:
            return (
                hostile.hangs_after_handshake(request) if request.path == "/auth/token" else super().__call__(request)
            )

    said = log_ins(Silent(), tmp_path / "run", "line-7")
    assert said[0] == said[1]
    assert "in" not in said


def test_who_waits_for_another_workers_log_in_that_never_ends_sends_nothing(tmp_path: Path) -> None:
    plant = Plant()
    with hostile.serving(plant) as server:
        survey = Survey(tmp_path / "run")
        ca_file = str(hostile.default_ca().pem_path)
        target = Target("x", server.url, Policy(), ca_file=ca_file, credentials=lambda: BY_PASSWORD, timeout=0.5)
        station = survey.station(target)
        own = own_attempt(Look(station), BY_PASSWORD)
        assert own.known() == ""
        assert own.claim() == ""
        with pytest.raises(ProbeError, match="another worker sent the account's password"), account_session(station):
            pass
        survey.close()
    assert sent(plant) == 0
