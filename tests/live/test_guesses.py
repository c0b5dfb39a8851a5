"""Known passwords at real logins: found where they open something, and nobody is locked out by the looking."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from suite_runs import need_nginx, run, with_outcome

from pytest_nodered_sec import lab
from pytest_nodered_sec.data.known_credentials import known_pairs
from pytest_nodered_sec.policy.toml import toml

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live

KNOWN = {pair.username: 1 for pair in known_pairs("login")}  # attempts of one run
BOTH = "known_password"
WEAK = {
    "hardened": set(),
    "sample-login": {"cred-01"},
    "sample-gate": {"cred-02"},
    "common-gate": {"cred-02"},
    "blank-gate": {"cred-02"},
    "sample-nodeauth": {"cred-02"},
    "sample-legacy-auth": {"cred-02"},
}
COST_14 = "$2b$14$hUrLShXnKpVsM8gkNphkBeTDbwY6jSkqEhsygrq3YT2EpT0wZc3Km"
STRONG = """module.exports = {uiHost: "127.0.0.1", disableEditor: true,
    httpNodeAuth: {user: "USER", pass: "HASH"}};
"""


@pytest.mark.parametrize("release", ["4+nginx", "5"])
def test_known_passwords_are_found_where_they_open_something(release: str, tmp_path: Path) -> None:
    if "nginx" in release:
        need_nginx()
    seen = run(tmp_path, "-k", BOTH, *(f"--nodered-lab={name}@{release}" for name in WEAK))
    outcomes = {target.split("@")[0].removeprefix("lab-"): controls for target, controls in seen.items()}
    assert {name: with_outcome(controls, "non-compliant") for name, controls in outcomes.items()} == WEAK
    assert {name for name, controls in outcomes.items() if with_outcome(controls, "could-not-look")} == set()
    assert with_outcome(outcomes["hardened"], "compliant") == {"cred-01", "cred-02"}


def test_over_plain_http_no_password_is_tried(tmp_path: Path) -> None:
    (controls,) = run(tmp_path, "-k", "known_password_cannot_log_in", "--nodered-lab=article").values()
    assert controls == {"cred-01": {"could-not-look"}}


@pytest.mark.parametrize(("user", "outcome"), [("admin", "could-not-look"), ("line-7", "compliant")])
def test_a_hash_that_stalls_node_red_is_tried_once_and_that_is_no_pass(user: str, outcome: str, tmp_path: Path) -> None:
    (tmp_path / "settings.js").write_text(STRONG.replace("USER", user).replace("HASH", COST_14))
    (tmp_path / "flows.json").write_text("[]")
    (controls,) = run(tmp_path, "-k", "known_password_opens_nothing", f"--nodered-lab={tmp_path}@5").values()
    assert controls["cred-02"] == {outcome, "not-applicable"}


LETS_IN = """const account = (name) => Promise.resolve(KNOWS ? {username: name, permissions: "*"} : null);
module.exports = {uiHost: "127.0.0.1", disableEditor: true, adminAuth: {type: "credentials", users: account,
    authenticate: (name) => Promise.resolve({username: name, permissions: "*"})}};
"""


@pytest.mark.parametrize("knows", ["true", "name === 'admin'"], ids=["anybody", "one name"])
def test_a_log_in_that_compares_no_password_is_told_from_a_known_one(knows: str, tmp_path: Path) -> None:
    (tmp_path / "settings.js").write_text(LETS_IN.replace("KNOWS", knows))
    (tmp_path / "flows.json").write_text("[]")
    (controls,) = run(tmp_path, "-k", "known_password_cannot_log_in", f"--nodered-lab={tmp_path}@5").values()
    assert controls == {"cred-01": {"non-compliant"}}
    assert "any-password" in (tmp_path / "out.xml").read_text()


# --- nobody is locked out, nothing stays


@pytest.fixture(scope="module")
def plants() -> Iterator[dict[str, lab.RunningDeployment]]:
    """Deployments whose logins remember what came before; each for one test."""
    with lab.start(["hardened@5", "hardened@4", "fresh@5", "sample-login@5", "sample-gate@5"], say=print) as running:
        yield {f"{deployment.name}@{deployment.major}": deployment for deployment in running.deployments}


def policy(folder: Path, deployment: lab.RunningDeployment, *urls: str, **more: object) -> None:
    values = {
        "ca_file": deployment.ca_file,
        "http_port": deployment.http_port,
        "direct_port": deployment.direct_port,
        **more,
    }
    lines = [f"{key} = {toml(value)}" for key, value in values.items()]
    tables = [f"[[target]]\nurl = {toml(url)}\ncredentials = {{env = 'PLANT'}}" for url in urls or (deployment.url,)]
    (folder / "nodered-sec.toml").write_text("\n".join([*lines, *tables]) + "\n")


def account(monkeypatch: pytest.MonkeyPatch, deployment: lab.RunningDeployment) -> None:
    username, password = deployment.credentials()
    monkeypatch.setenv("PLANT_USERNAME", username)
    monkeypatch.setenv("PLANT_PASSWORD", password)


def log_in(deployment: lab.RunningDeployment, password: str) -> requests.Response:
    form = {"client_id": "node-red-admin", "grant_type": "password", "scope": "", "username": "admin"}
    return requests.post(
        f"{deployment.url}/auth/token", {**form, "password": password}, verify=deployment.ca_file, timeout=10
    )


def audit(deployment: lab.RunningDeployment, event: str) -> Counter[str]:
    """Count the lines of Node-RED's own audit log, by user name."""
    log = (Path(deployment.user_dir).parent / "node-red.log").read_text()
    entries: list[dict[str, Any]] = [json.loads(line) for line in re.findall(r"\[audit\] (\{.*\})", log)]  # Any: JSON
    return Counter(entry["username"] for entry in entries if entry["event"] == event)


def sessions(deployment: lab.RunningDeployment) -> str:
    path = Path(deployment.user_dir) / ".sessions.json"
    return path.read_text() if path.exists() else "{}"


def test_workers_and_two_names_share_the_count_and_the_right_password_works_at_once(
    plants: dict[str, lab.RunningDeployment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = plants["hardened@5"]
    account(monkeypatch, deployment)
    policy(tmp_path, deployment, deployment.url, deployment.url.replace("localhost", "127.0.0.1"))
    first, second = run(tmp_path, "-n2").values()
    assert sorted([*first["cred-01"], *second["cred-01"]]) == ["compliant", "could-not-look"]
    failing = with_outcome(first, "non-compliant") | with_outcome(second, "non-compliant")
    # two names with one key, the lab sends 127.0.0.1 to localhost, and nothing is declared
    assert {"fleet-01"} <= failing <= {"fleet-01", "http-02", "flow-01"}
    assert audit(deployment, "auth.login.fail.credentials") == KNOWN
    assert audit(deployment, "auth.login.fail.too-many-attempts") == {}
    assert audit(deployment, "auth.login") == {"admin": 2}  # the site's own account, once for each name
    assert sessions(deployment) in ("{}", "")
    assert log_in(deployment, deployment.credentials()[1]).status_code == 200


@pytest.mark.parametrize("major", ["4", "5"])
def test_after_three_runs_that_know_nothing_of_each_other_the_right_password_works_at_once(
    major: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lab.start([f"hardened@{major}"], say=print) as running:
        [deployment] = running.deployments
        for number in range(3):  # as in throw-away containers
            temporary = tmp_path / f"tmp{number}"
            temporary.mkdir()
            monkeypatch.setenv("TMPDIR", str(temporary))
            (folder := tmp_path / f"run{number}").mkdir()
            url, ca = f"--nodered-url={deployment.url}", f"--nodered-ca-file={deployment.ca_file}"
            (controls,) = run(folder, "-k", "known_password_cannot_log_in", url, ca).values()
            assert controls == {"cred-01": {"compliant"}}
        assert audit(deployment, "auth.login.fail.credentials")["admin"] == 3
        assert log_in(deployment, deployment.credentials()[1]).status_code == 200


@pytest.mark.parametrize("names", [1, 2])
@pytest.mark.parametrize("major", ["4", "5"])
def test_after_three_runs_with_an_old_password_the_right_one_works_at_once(
    major: str, names: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lab.start([f"hardened@{major}"], say=print) as running:
        [deployment] = running.deployments
        account(monkeypatch, deployment)
        monkeypatch.setenv("PLANT_PASSWORD", "of-last-year")
        urls = [deployment.url, deployment.url.replace("localhost", "127.0.0.1")][:names]
        for number in range(3):  # as in throw-away containers
            temporary = tmp_path / f"tmp{number}"
            temporary.mkdir()
            monkeypatch.setenv("TMPDIR", str(temporary))
            (folder := tmp_path / f"run{number}").mkdir()
            policy(folder, deployment, *urls)
            seen = run(folder, "-n2", "-k", f"{BOTH} or account_is_honoured")
            assert {outcome for controls in seen.values() for outcome in controls["cred-01"]} == {"could-not-look"}
            assert "non-compliant" in {outcome for controls in seen.values() for outcome in controls["admin-08"]}
        assert audit(deployment, "auth.login.fail.credentials")["admin"] == 3  # of six or twelve occasions
        assert log_in(deployment, deployment.credentials()[1]).status_code == 200


CRASH = """
import os, signal, pytest

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    if "cannot_log_in" in item.name:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_worker_that_is_killed_does_not_take_the_count_with_it(
    plants: dict[str, lab.RunningDeployment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = plants["hardened@4"]
    account(monkeypatch, deployment)
    policy(tmp_path, deployment)
    (tmp_path / "conftest.py").write_text(CRASH)
    run(tmp_path, "-n2", "--dist=loadfile", "-k", f"{BOTH} or account_is_honoured or login_is_configured")
    assert audit(deployment, "auth.login.fail.credentials") == KNOWN


def test_a_lock_out_is_could_not_look(
    plants: dict[str, lab.RunningDeployment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = plants["hardened@4"]
    account(monkeypatch, deployment)
    answers = {log_in(deployment, "wrong").status_code for _ in range(6)}
    assert answers == {403, 500}
    policy(tmp_path, deployment)
    (controls,) = run(tmp_path, "-k", "known_password_cannot_log_in").values()
    assert controls == {"cred-01": {"could-not-look"}}
    assert "too many login attempts" in (tmp_path / "out.xml").read_text()


def test_switched_off_it_does_not_apply_and_nothing_is_tried(
    plants: dict[str, lab.RunningDeployment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = plants["sample-gate@5"]
    account(monkeypatch, deployment)
    policy(tmp_path, deployment, guess={"value": False, "reason": "company directory"})
    (controls,) = run(tmp_path, "-k", BOTH).values()
    assert controls == {"cred-01": {"not-applicable"}, "cred-02": {"not-applicable"}}
    assert "guessing is switched off: company directory" in (tmp_path / "out.xml").read_text()
    policy(tmp_path, deployment, mode="calm")
    (controls,) = run(tmp_path, "-k", BOTH).values()
    assert controls == {"cred-01": {"not-judged"}, "cred-02": {"not-judged"}}
    assert audit(deployment, "auth.login.fail.credentials") == {}


def test_no_password_is_told_and_no_file_stays(
    plants: dict[str, lab.RunningDeployment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = plants["sample-gate@5"]
    account(monkeypatch, deployment)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    policy(tmp_path, deployment, known_credentials=[{"username": "admin", "password": "hunter2-of-the-line"}])
    (controls,) = run(tmp_path, "-k", BOTH).values()
    assert controls["cred-01"] == {"compliant"}
    assert "non-compliant" in controls["cred-02"]
    assert "hunter2" not in (tmp_path / "out.xml").read_text()
    (recent,) = temporary.glob("nodered-sec-*")  # for the next ten minutes
    assert recent.name == f"nodered-sec-recent-{os.geteuid()}"
    assert not any(file.read_bytes() for file in recent.iterdir())


SLOW = """
import pathlib, time
from pytest_nodered_sec.probes.transport.look import Look

ask = Look.ask

def slow(self, method, path, **more):
    if path.endswith("/auth/revoke"):
        pathlib.Path("begun").touch()
        time.sleep(2)
    return ask(self, method, path, **more)

Look.ask = slow
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["plain", "worker"])
def test_a_signal_during_a_session_leaves_none(
    plants: dict[str, lab.RunningDeployment], tmp_path: Path, number: signal.Signals, workers: tuple[str, ...]
) -> None:
    deployment = plants["sample-login@5"]
    (tmp_path / "conftest.py").write_text(SLOW)
    command = [sys.executable, "-m", "pytest", "--nodered-suite=only", "-k", "known_password_cannot_log_in", *workers]
    command += [f"--nodered-url={deployment.url}", f"--nodered-ca-file={deployment.ca_file}"]
    with (tmp_path / "output").open("w") as output:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=output, stderr=output, start_new_session=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "begun").exists():
        assert process.poll() is None, (tmp_path / "output").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(json.loads(sessions(deployment))) == 1
    os.killpg(process.pid, number)  # as a terminal or a service manager does
    process.wait(60)
    while sessions(deployment) not in ("{}", "") and time.monotonic() < deadline:
        time.sleep(0.05)  # a worker may end after its controller
    assert sessions(deployment) in ("{}", "")
