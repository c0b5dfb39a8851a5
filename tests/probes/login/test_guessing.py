"""Known passwords against Node-RED's login: where it counts, locks out, lies, breaks, or stands still."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import hostile
import pytest
from probes.login.guesses import NodeRED, ask, target_of
from seen import violations

from pytest_nodered_sec import redaction
from pytest_nodered_sec.data.known_credentials import known_pairs
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.learnt import INSTEAD
from pytest_nodered_sec.model import Credentials, Observation
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.rules.credentials import known_password_cannot_log_in
from pytest_nodered_sec.verdict import NotApplicable

if TYPE_CHECKING:
    from pathlib import Path


KNOWN = {pair.username: 1 for pair in known_pairs("login")}  # attempts of one run
TOKEN = "POST /auth/token HTTP/1.1"
SETTINGS = hostile.json_reply({"httpNodeRoot": "/", "version": "5.0.7"})


def guess(behaviour: hostile.Behaviour, folder: Path, **demands: Any) -> Any:
    """Return what comes of known passwords at /auth/token of a server."""
    with hostile.serving(behaviour) as server:
        (seen,) = ask(target_of(server, **demands), folder)
    return seen


# --- Node-RED's own log-in


def test_each_user_name_is_tried_once_and_no_password_is_told(tmp_path: Path) -> None:
    plant = NodeRED(("admin", "its-own"))
    own = (("maintenance", "hunter2-a"), ("maintenance", "hunter2-b"), ("maintenance", "hunter2-c"), ("line", ""))
    seen = guess(plant, tmp_path / "run", known_credentials=own)
    assert plant.attempts == {"maintenance": 1, **KNOWN}
    assert known_password_cannot_log_in(seen, Policy()) == ()
    assert "; not tried: further passwords of the policy for `line`, `maintenance`, because" in seen.evidence()
    assert "hunter2" not in repr(seen) + seen.evidence() + repr(Policy(known_credentials=own))
    assert redaction.scrub("hunter2-a password") == "[redacted] password"
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    on_disk = "".join(f"{path.name} {path.read_text()}" for path in (tmp_path / "run").iterdir())
    assert "admin" not in on_disk


def test_a_session_that_was_won_is_ended_and_the_user_name_left(tmp_path: Path) -> None:
    plant = NodeRED(("admin", "password"))
    seen = guess(plant, tmp_path / "run")
    (violation,) = violations(known_password_cannot_log_in(seen, Policy()))
    assert (
        "`admin` with the password published by settings.js of Node-RED (adminAuth) was accepted" in violation.observed
    )
    assert (plant.begun, plant.sessions) == (1, set())
    assert plant.attempts["admin"] == 1
    assert len(plant.attempts) == len(KNOWN) + 1  # the made-up one
    assert "token-1" not in repr(seen)
    assert redaction.scrub("token-1-of-a-s3ss10n5") == INSTEAD


def test_a_session_that_cannot_be_ended_is_told_with_the_finding(tmp_path: Path) -> None:
    plant = NodeRED(("admin", "password"))
    plant.replies["/auth/revoke"] = hostile.always(500)
    seen = guess(plant, tmp_path / "run")
    assert isinstance(seen, ProbeError)
    assert "`admin` with the password published by" in seen.message
    assert "was accepted, but a session of plant could not be ended" in seen.message


def locked(*usernames: str, after: int = 5) -> NodeRED:
    plant = NodeRED()
    plant.attempts.update({username: after for username in usernames})
    return plant


def test_no_password_is_tried_for_an_account_whose_own_one_was_refused(tmp_path: Path) -> None:
    plant = NodeRED(("admin", "its-own"))
    for number in range(3):
        seen = guess(plant, tmp_path / f"run{number}", own=Credentials("admin", "of-last-year"))
        assert isinstance(seen, ProbeError)
        assert "the password in `credentials` was refused, so none was tried for its user name, `admin`" in seen.message
        (recent,) = tmp_path.glob("nodered-sec-recent-*")
        shutil.rmtree(recent)  # as in throw-away containers
    assert plant.attempts == {"admin": 3, **{name: 3 for name in KNOWN if name != "admin"}}


def test_a_known_password_of_another_account_is_found_nonetheless(tmp_path: Path) -> None:
    plant = NodeRED(("admin", "its-own"), ("user", "password"))
    seen = guess(plant, tmp_path / "run", own=Credentials("admin", "of-last-year"))
    assert [violation.code for violation in violations(known_password_cannot_log_in(seen, Policy()))] == [
        "known-password"
    ]
    assert "so none was tried for its user name, `admin`" in seen.evidence()


def test_an_account_whose_own_password_is_right_is_tried_after_it(tmp_path: Path) -> None:
    plant = NodeRED(("admin", "its-own"))
    seen = guess(plant, tmp_path / "run", own=Credentials("admin", "its-own"))
    assert known_password_cannot_log_in(seen, Policy()) == ()
    assert plant.attempts["admin"] == 2
    assert plant.begun == 1
    assert not plant.sessions


def test_a_lock_out_of_the_sites_own_account_is_told(tmp_path: Path) -> None:
    plant = NodeRED(("admin", "its-own"))
    plant.attempts["admin"] = 5
    seen = guess(plant, tmp_path / "run", own=Credentials("admin", "its-own"))
    assert "nothing was tried: POST /auth/token for admin answered 500" in seen.message
    assert "too many login attempts" in seen.message
    assert plant.attempts == {"admin": 6}


@pytest.mark.parametrize("own", [Credentials("operator", "of-last-year"), Credentials(token="a-token-of-1ts-own")])
def test_another_account_or_a_token_of_the_site_changes_nothing(own: Credentials, tmp_path: Path) -> None:
    plant = NodeRED(("admin", "its-own"))
    assert known_password_cannot_log_in(guess(plant, tmp_path / "run", own=own), Policy()) == ()
    assert plant.attempts == KNOWN


def test_a_lock_out_is_an_error_and_nothing_more_is_tried(tmp_path: Path) -> None:
    plant = locked("admin")
    seen = guess(plant, tmp_path / "run")
    assert isinstance(seen, ProbeError)
    assert "`admin` was not answered: 500 (text/html, 72 bytes), too many log-in attempts" in seen.message
    assert "some of them of earlier runs or by others; nothing more was tried" in seen.message
    assert plant.attempts == {"admin": 6}


def test_a_lock_out_does_not_hide_a_finding(tmp_path: Path) -> None:
    plant = locked("user")
    plant.accounts.add(("admin", "password"))
    assert len(violations(known_password_cannot_log_in(guess(plant, tmp_path / "run"), Policy()))) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_password_is_never_sent_a_second_time(status: int, tmp_path: Path) -> None:
    plant = NodeRED()
    plant.replies["/auth/token"] = hostile.always(status, {"Retry-After": "0"})
    with hostile.serving(plant) as server:
        (seen,) = ask(target_of(server), tmp_path / "run")
        assert server.requests.count(TOKEN) == 1
    assert isinstance(seen, ProbeError)


def test_an_answer_that_does_not_come_is_no_refusal_and_ends_the_guessing(tmp_path: Path) -> None:
    for behaviour in (hostile.closes_without_answer, hostile.hangs_after_handshake):
        plant = NodeRED()
        plant.replies["/auth/token"] = behaviour
        with hostile.serving(plant) as server:
            (seen,) = ask(target_of(server), tmp_path / behaviour.__name__)
            assert server.requests.count(TOKEN) == 1
        assert isinstance(seen, ProbeError)
        assert seen.message.endswith("whether a session began is not known")


def test_a_server_that_gives_anybody_a_token_lies_unless_it_opens_something(tmp_path: Path) -> None:
    liar = NodeRED(("*", "*"))
    seen = guess(liar, tmp_path / "liar")
    assert isinstance(seen, ProbeError)
    assert seen.cause is Cause.INDISTINCT
    assert liar.sessions == set()
    plant = NodeRED(("*", "*"))
    plant.replies["/settings"] = lambda request: (
        SETTINGS if request.headers.get("authorization", "").startswith("Bearer token-") else plant.answer(request)
    )
    seen = guess(plant, tmp_path / "plant")
    assert [violation.code for violation in violations(known_password_cannot_log_in(seen, Policy()))] == [
        "any-password"
    ]
    assert plant.sessions == set()


@pytest.mark.parametrize("text", ["", "{}", '{"access_token": 7}', "[1]"])
def test_a_200_without_a_token_is_no_answer(text: str, tmp_path: Path) -> None:
    plant = NodeRED()
    plant.replies["/auth/token"] = lambda _: hostile.Reply(200, {"Content-Type": "application/json"}, text.encode())
    assert isinstance(guess(plant, tmp_path / "run"), ProbeError)


def test_a_gate_before_the_log_in_is_no_verdict_on_passwords(tmp_path: Path) -> None:
    plant = NodeRED()
    plant.replies["/auth/token"] = hostile.basic_everything
    seen = guess(plant, tmp_path / "run")
    verdict = known_password_cannot_log_in(seen, Policy())
    assert isinstance(verdict, NotApplicable)
    assert "a login in front of it refused" in verdict.reason


def test_a_gate_that_closes_between_two_passwords_is_an_error(tmp_path: Path) -> None:
    plant = NodeRED()
    plant.replies["/auth/token"] = lambda request: (
        plant.answer(request) if not plant.attempts else hostile.basic_everything(request)
    )
    seen = guess(plant, tmp_path / "run")
    assert isinstance(seen, ProbeError)
    assert seen.cause is Cause.CHANGED


def test_no_password_goes_where_the_certificate_does_not_verify_or_in_clear(tmp_path: Path) -> None:
    plant = NodeRED()
    assert isinstance(guess(plant, tmp_path / "run", ca_file=None), ProbeError)
    with hostile.serving(plant, tls=False) as server:
        (seen,) = ask(target_of(server), tmp_path / "run")
    assert isinstance(seen, ProbeError)
    assert seen.cause is Cause.UNVERIFIED
    assert not plant.attempts
    assert not (tmp_path / "run").exists()


def test_without_a_login_or_switched_off_nothing_is_tried(tmp_path: Path) -> None:
    for demands, behaviour, reason in (
        ({}, hostile.FakeNodeRED(login={}), "no login is configured (see admin-04)"),
        ({"guess": False}, NodeRED(), "guessing is switched off: by the hook"),
        ({}, hostile.FakeNodeRED(login={"type": "?"}), "not Node-RED's login (see admin-04)"),
    ):
        with hostile.serving(behaviour) as server:
            target = target_of(server, **demands)
            (seen,) = ask(target, tmp_path / "run")
            assert TOKEN not in server.requests
        verdict = known_password_cannot_log_in(seen, target.policy)  # type: ignore[arg-type]  # by its question
        assert isinstance(verdict, NotApplicable)
        assert reason in verdict.reason
    assert not (tmp_path / "run").exists()


def test_two_names_of_one_host_and_two_processes_share_the_count(tmp_path: Path) -> None:
    plant = NodeRED()
    with hostile.serving(plant) as server:
        first = target_of(server)
        second = target_of(server, name="other", url=server.url.replace("localhost", "127.0.0.1"))
        (seen,) = ask(first, tmp_path / "run")
        assert isinstance(seen, Observation)
        for again in (first, second):
            (seen,) = ask(again, tmp_path / "run")  # a survey of its own, as in another process
            assert isinstance(seen, ProbeError)
            assert seen.message == (
                "POST /auth/token: the attempts of this run for `Admin` are used up, by POST /auth/token of plant"
            )
    assert plant.attempts["admin"] == 1


def test_a_fourth_run_within_ten_minutes_leaves_the_last_attempt_to_the_sites_own_password(tmp_path: Path) -> None:
    plant = NodeRED(("admin", "its-own"))
    with hostile.serving(plant) as server:
        for number in range(3):
            assert isinstance(ask(target_of(server), tmp_path / f"run{number}")[0], Observation)
        (seen,) = ask(target_of(server), tmp_path / "fourth")
        assert isinstance(seen, ProbeError)
        assert "`admin` was tried so often from here that one more attempt could lock it" in seen.message
        assert plant.attempts["admin"] == 3
        ask(target_of(server, own=Credentials("admin", "its-own")), tmp_path / "with-the-account")
    assert plant.begun == 1  # with the right one, after which Node-RED counts from the start
    assert plant.attempts["admin"] == 5


def test_where_attempts_cannot_be_counted_nothing_is_tried(tmp_path: Path) -> None:
    plant = NodeRED()
    (tmp_path / "file").touch()
    (tmp_path / "open").mkdir(mode=0o755)
    for folder in (tmp_path / "file", tmp_path / "open", tmp_path / "no" / "such"):
        assert "no password is tried" in guess(plant, folder).message
    assert not plant.attempts


def test_accounts_of_a_directory_are_tried_once_for_all_targets(tmp_path: Path) -> None:
    node_red, other = NodeRED(), NodeRED()
    for plant in (node_red, other):
        seen = guess(plant, tmp_path / "run", login_realm="corp", name="one" if plant is node_red else "other")
    verdict = known_password_cannot_log_in(seen, Policy(login_realm="corp"))
    assert node_red.attempts == KNOWN
    assert other.attempts == {}
    assert isinstance(verdict, NotApplicable)
    assert verdict.reason == "the accounts of login realm corp were tried and judged at POST /auth/token of one"
    seen = guess(other, tmp_path / "run", login_realm="corp", known_credentials=(("line", "x"),))
    assert other.attempts == {"line": 1}
    assert "other user names were tried at POST /auth/token of one" in seen.evidence()
