"""Known passwords against Basic logins, Node-RED's and a proxy's."""

from __future__ import annotations

import base64
from collections import Counter
from typing import TYPE_CHECKING, Any

import hostile
import pytest
from probes.login.guesses import NodeRED, ask, target_of
from seen import violations

from pytest_nodered_sec import questions
from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Observation, Target
from pytest_nodered_sec.policy.model import Endpoint, Policy
from pytest_nodered_sec.rules.credentials import known_password_opens_nothing
from pytest_nodered_sec.verdict import NotApplicable

if TYPE_CHECKING:
    from pathlib import Path


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
