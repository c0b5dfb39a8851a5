"""The session for a site's own tests that is logged in: by token, at a Basic login, at Node-RED's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import hostile
import pytest
from hostile import FakeNodeRED, Reply, Request, json_reply

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Credentials, Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.login.own import account_session
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
        (BY_PASSWORD, Reply(429), "too many login attempts"),
    ],
)
def test_what_cannot_be_used_is_said(
    credentials: Credentials | None, login: Reply | None, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ProbeError, match=sentence) as caught:
        flows(Plant(login=login), credentials, tmp_path / "run")
    assert PASSWORD not in str(caught.value)
