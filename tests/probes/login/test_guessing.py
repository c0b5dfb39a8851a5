"""Known passwords against logins that count, lock out, lie, break, or stand still."""

from __future__ import annotations

import base64
import json
import shutil
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import hostile
import pytest
from seen import violations

from pytest_nodered_sec import questions, redaction
from pytest_nodered_sec.data.known_credentials import known_pairs
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.learnt import INSTEAD
from pytest_nodered_sec.model import Credentials, Observation, Target
from pytest_nodered_sec.policy.model import Endpoint, Policy
from pytest_nodered_sec.rules.credentials import known_password_cannot_log_in, known_password_opens_nothing
from pytest_nodered_sec.survey.survey import Survey
from pytest_nodered_sec.verdict import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pytest_nodered_sec.model import Ask

KNOWN = {pair.username: 1 for pair in known_pairs("login")}  # attempts of one run
TOKEN = "POST /auth/token HTTP/1.1"
SETTINGS = hostile.json_reply({"httpNodeRoot": "/", "version": "5.0.7"})


class NodeRED:
    """The look of a Node-RED with accounts: it counts and locks out, and knows which sessions are open."""

    def __init__(self, *accounts: tuple[str, str]) -> None:
        self.accounts = set(accounts)
        self.attempts: Counter[str] = Counter()
        self.sessions: set[str] = set()
        self.begun = 0
        self.replies: dict[str, Callable[[hostile.Request], hostile.Reply | None]] = {}
        self._lock = threading.Lock()

    def __call__(self, request: hostile.Request) -> hostile.Reply | None:
        if request.path in self.replies:
            return self.replies[request.path](request)
        return self.answer(request)

    def answer(self, request: hostile.Request) -> hostile.Reply | None:
        with self._lock:
            if request.path == "/auth/token" and request.method == "POST":
                return self.log_in(parse_qs(request.body.decode()))
            if request.path == "/auth/revoke":
                self.sessions.discard(json.loads(request.body)["token"])
                return hostile.Reply(200)
        return hostile.FakeNodeRED()(request)

    def log_in(self, form: dict[str, list[str]]) -> hostile.Reply:
        username, password = form["username"][0], form["password"][0]
        self.attempts[username] += 1
        if self.attempts[username] > 5:
            return hostile.page("<pre>Error: Too many login attempts. Wait 10 minutes and try again</pre>", 500)
        if (username, password) not in self.accounts and ("*", "*") not in self.accounts:
            return hostile.WRONG_PASSWORD
        self.begun += 1
        self.sessions.add(f"token-{self.begun}-of-a-s3ss10n5")
        return hostile.json_reply({"access_token": f"token-{self.begun}-of-a-s3ss10n5", "expires_in": 604800})


def target_of(server: hostile.Hostile, **demands: Any) -> Target:
    name = demands.pop("name", "plant")
    own: Credentials | None = demands.pop("own", None)
    credentials = (lambda: own) if own else None
    url = demands.pop("url", server.url)
    ca_file = demands.pop("ca_file", str(hostile.default_ca().pem_path))
    return Target(name, url, Policy(**demands), ca_file=ca_file, timeout=2.0, credentials=credentials)


def ask(target: Target, folder: Path, asks: Iterable[Ask] = questions.LOGIN_GUESSES) -> list[Observation | ProbeError]:
    survey = Survey(folder)
    seen: list[Observation | ProbeError] = []
    try:
        survey.ask_ahead(target, asks)
        for question in asks:
            try:
                seen.append(survey.answer(target, question))
            except ProbeError as error:
                seen.append(error)
    finally:
        survey.close()
    return seen


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
    assert "some of them not of this run; nothing more was tried" in seen.message
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


# --- Basic logins


class Basic:
    """A Basic login before some paths; notes the passwords that come."""

    def __init__(self, *accounts: tuple[str, str], realm: str = "Operators", paths: tuple[str, ...] = ("/ui",)) -> None:
        self.accounts = accounts
        self.realm = realm
        self.paths = paths
        self.tried: list[tuple[str, str]] = []
        self.seconds = 0.0  # for any answer
        self.hashing: dict[str, float] = {}  # seconds by user name

    def __call__(self, request: hostile.Request) -> hostile.Reply | None:
        if not request.path.startswith(self.paths):
            return hostile.FakeNodeRED()(request)
        given = request.headers.get("authorization", "")
        hostile.pause(self.seconds)
        if given:
            username, _, password = base64.b64decode(given.removeprefix("Basic ")).decode().partition(":")
            self.tried.append((username, password))
            hostile.pause(self.hashing.get(username, 0.0))
            if not {(username, password), (username, "*"), ("*", "*")}.isdisjoint(self.accounts):
                return hostile.page("<h1>Line 7</h1>")
        others = "" if self.realm == "Authorization Required" else 'Negotiate, Bearer realm="x", '
        return hostile.page("no", 401, www_authenticate=f'{others}Basic realm="{self.realm}"')


def guess_basic(behaviour: hostile.Behaviour, folder: Path, **demands: Any) -> tuple[str, list[Any]]:
    """Return the letters of the verdicts, and what was seen at each place."""
    with hostile.serving(behaviour) as server:
        target = target_of(server, **demands)
        seen = ask(target, folder, questions.basic_logins(target))
    letters = ""
    for observation in seen:
        if isinstance(observation, ProbeError):
            letters += "E"
            continue
        verdict = known_password_opens_nothing(observation, target.policy)  # type: ignore[arg-type]  # by its question
        letters += "-" if isinstance(verdict, NotApplicable) else "F" if verdict else "P"
    return letters, seen


def test_a_basic_login_gets_three_passwords_wherever_it_stands(tmp_path: Path) -> None:
    gate = Basic(paths=("/ui", "/dashboard", "/api"))
    letters, seen = guess_basic(gate, tmp_path / "run", protected_paths=(Endpoint("/api/orders", effect="none"),))
    assert letters == "--P--"
    assert gate.tried == [("admin", "admin"), ("admin", "password"), ("admin", "")]
    assert seen[3].same_as == "GET /ui"
    assert 'Basic realm="Operators": `admin` with the password' in seen[2].evidence()


@pytest.mark.parametrize(
    ("account", "number"), [(("admin", "admin"), 3), (("admin", "password"), 4), (("admin", ""), 4)]
)
def test_a_known_password_of_a_basic_login_is_found(account: tuple[str, str], number: int, tmp_path: Path) -> None:
    gate = Basic(account)
    letters, seen = guess_basic(gate, tmp_path / "run")
    assert letters == "--F-"
    assert [violation.code for violation in violations(known_password_opens_nothing(seen[2], Policy()))] == [
        "known-password"
    ]
    assert len(gate.tried) == number  # made-up ones included
    assert Counter(username for username, _ in gate.tried)["admin"] <= 3


@pytest.mark.parametrize(
    ("account", "told", "number"),
    [(("*", "*"), "a made-up user name and password", 2), (("admin", "*"), "a made-up password for `admin`", 3)],
)
def test_a_gate_that_compares_no_password_is_told_from_a_known_one(
    account: tuple[str, str], told: str, number: int, tmp_path: Path
) -> None:
    gate = Basic(account)
    _, seen = guess_basic(gate, tmp_path / "run")
    (violation,) = violations(known_password_opens_nothing(seen[2], Policy()))
    assert violation.code == "any-password"
    assert violation.observed.endswith(f"was accepted; so was {told}")
    assert len(gate.tried) == number
    assert gate.tried[1][0] not in violation.observed


def test_no_second_password_is_tried_for_an_account_of_a_directory(tmp_path: Path) -> None:
    gate = Basic(("admin", "*"))
    letters, _ = guess_basic(gate, tmp_path / "run", login_realm="corp")
    assert letters == "--F-"
    assert Counter(username for username, _ in gate.tried)["admin"] == 1


def test_a_made_up_login_that_is_not_answered_takes_no_finding_away(tmp_path: Path) -> None:
    gate = Basic(("admin", "admin"))

    def serve(request: hostile.Request) -> hostile.Reply | None:
        return None if "authorization" in request.headers and gate.tried else gate(request)  # closes

    assert guess_basic(serve, tmp_path / "run")[0] == "--F-"


def test_the_sites_own_pairs_come_first_and_count(tmp_path: Path) -> None:
    gate = Basic(("admin", "line7"))
    letters, seen = guess_basic(gate, tmp_path / "run", known_credentials=(("admin", "plant7"), ("admin", "line7")))
    assert letters == "--F-"
    assert gate.tried[:2] == [("admin", "plant7"), ("admin", "line7")]
    assert "line7" not in seen[2].evidence()


def test_other_realms_are_other_logins(tmp_path: Path) -> None:
    basic, other = Basic(realm="One"), Basic(("admin", ""), realm="Other", paths=("/dashboard",))
    letters, _ = guess_basic(lambda request: (other if "dash" in request.path else basic)(request), tmp_path / "run")
    assert letters == "--PF"


def test_a_proxy_that_takes_long_to_hash_gets_every_password(tmp_path: Path) -> None:
    gate = Basic(("admin", ""))
    gate.hashing = {"admin": 0.3}  # Caddy: bcrypt of cost 14, beside everything else
    assert guess_basic(gate, tmp_path / "run")[0] == "--F-"
    assert len(gate.tried) == 4  # with a made-up one


def test_where_node_red_takes_long_to_hash_the_user_name_is_left_alone_which_is_no_pass(tmp_path: Path) -> None:
    gate = Basic(("admin", "admin"), realm="Authorization Required")
    gate.hashing = {"admin": 1.0}  # far more than a request without a password takes on a busy machine
    letters, seen = guess_basic(gate, tmp_path / "run")
    assert letters == "--E-"
    assert gate.tried == [("user", "password"), ("admin", "password")]
    assert (
        "not tried: `admin` with the password published by several images of Node-RED, because an attempt for that "
        "user name kept Node-RED from everything else for "
    ) in seen[2].message
    assert "a look inside the host judges the hash (host-03" in seen[2].message


def test_a_target_that_is_slow_by_itself_gets_every_password(tmp_path: Path) -> None:
    gate = Basic(("admin", "admin"), realm="Authorization Required")
    gate.seconds = 0.3
    assert guess_basic(gate, tmp_path / "run")[0] == "--F-"
    assert len(gate.tried) == 4


def test_a_basic_login_that_breaks_or_changes_is_an_error(tmp_path: Path) -> None:
    for number, reply in enumerate((hostile.always(502), hostile.always(429), hostile.closes_without_answer)):
        gate = Basic()
        letters, _ = guess_basic(
            lambda request, reply=reply, gate=gate: (reply if "authorization" in request.headers else gate)(request),  # type: ignore[misc]  # defaults
            tmp_path / str(number),
        )
        assert letters == "--E-"
    calls: list[str] = []

    def by_turns(request: hostile.Request) -> hostile.Reply | None:
        if request.path == "/ui":
            calls.append(request.path)
            return hostile.page("<h1>Line 7</h1>") if len(calls) > 1 else Basic()(request)
        return hostile.FakeNodeRED()(request)

    letters, seen = guess_basic(by_turns, tmp_path / "turns")
    assert letters == "EEEE"  # the others say as well that answers differ
    assert "answers inconsistently" in seen[2].message


def test_redirects_are_followed_to_the_login_without_a_password(tmp_path: Path) -> None:
    gate = Basic(("admin", "password"), paths=("/ui/",))

    def serve(request: hostile.Request) -> hostile.Reply | None:
        if request.path == "/ui":
            assert "authorization" not in request.headers
            return hostile.Reply(301, {"Location": "/ui/"})
        return hostile.redirect_loop(request) if request.path in ("/dashboard", "/a", "/b") else gate(request)

    letters, seen = guess_basic(serve, tmp_path / "run")
    assert letters == "--FE"
    assert "redirect loop" in seen[3].message


def test_nodereds_own_realm_is_one_login_for_each_root(tmp_path: Path) -> None:
    gate = Basic(("user", "password"), realm="Authorization Required", paths=("/",))

    def serve(request: hostile.Request) -> hostile.Reply | None:
        admin = request.path.startswith("/red/")
        return hostile.FakeNodeRED(root="/red")(request) if admin else gate(request)

    with hostile.serving(serve) as server:
        target = Target("plant", server.url, Policy(), "/red", ca_file=str(hostile.default_ca().pem_path), timeout=2.0)
        seen = ask(target, tmp_path / "run", questions.basic_logins(target))
    verdicts = [known_password_opens_nothing(observation, target.policy) for observation in seen]  # type: ignore[arg-type]  # by its question
    assert [isinstance(verdict, NotApplicable) for verdict in verdicts] == [True, False, True, True]
    assert "httpNodeAuth" in violations(verdicts[1])[0].remedy


def test_a_basic_login_is_left_alone_where_that_is_wanted_or_its_attempts_are_used_up(tmp_path: Path) -> None:
    gate = Basic()
    assert guess_basic(gate, tmp_path / "run", guess=False)[0] == "----"
    assert guess_basic(gate, tmp_path / "run", ca_file=None)[0] == "--E-"
    assert gate.tried == []
    with hostile.serving(gate) as server:
        target = target_of(server)
        place = questions.basic_logins(target)[2:3]
        assert isinstance(ask(target, tmp_path / "run", place)[0], Observation)
        (seen,) = ask(target, tmp_path / "run", place)
    assert isinstance(seen, ProbeError)
    assert seen.message == "GET /ui: the attempts of this run for `admin` are used up, by GET /ui of plant"
    assert len(gate.tried) == 3


def test_a_realm_gets_its_attempts_once_whoever_asks(tmp_path: Path) -> None:
    gate = Basic()
    with hostile.serving(gate) as server:
        for directory in ("one", "other"):
            target = target_of(server, login_realm=directory)
            (seen,) = ask(target, tmp_path / "run", questions.basic_logins(target)[2:3])
    assert isinstance(seen, ProbeError)
    assert 'the attempts of this run for Basic realm="Operators" are used up' in seen.message
    assert gate.tried == [("admin", "admin")]  # accounts of a directory may be locked


def test_accounts_of_a_directory_are_not_tried_again_at_a_basic_login(tmp_path: Path) -> None:
    plant, gate = NodeRED(), Basic()

    def serve(request: hostile.Request) -> hostile.Reply | None:
        return (gate if request.path.startswith("/ui") else plant)(request)

    with hostile.serving(serve) as server:
        target = target_of(server, login_realm="corp")
        place = questions.basic_logins(target)[2:3]
        _, seen = ask(target, tmp_path / "run", (*questions.LOGIN_GUESSES, *place))
        assert isinstance(known_password_opens_nothing(seen, target.policy), NotApplicable)  # type: ignore[arg-type]  # by its question
        assert gate.tried == []
        (seen,) = ask(
            target_of(server, login_realm="corp", known_credentials=(("line", "x"),)), tmp_path / "run", place
        )
    assert "other user names were tried at POST /auth/token of plant" in seen.evidence()  # type: ignore[union-attr]  # by its question
    assert gate.tried == [("line", "x")]
