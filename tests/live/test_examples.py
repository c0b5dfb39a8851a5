"""Directories of conftest_examples against the lab: copied, their host names replaced by its own, and run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from examplelab import EXAMPLES, ONE, PIPELINES, Broker, example, reach
from sshlab import SSHD, SshLab
from suite_runs import installed, run, with_outcome

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec import RunningDeployment


pytestmark = pytest.mark.live


NAMES = ("fresh", "hardened", "admin-elsewhere", "no-hsts", "sso")


@pytest.fixture(scope="module")
def running() -> Iterator[dict[str, RunningDeployment]]:
    with lab.start(NAMES, say=lambda line: None) as started:
        yield {deployment.name: deployment for deployment in started.deployments}


CERTIFICATE = ("site-04", "site-05", "site-06")  # the controls of its certificate


def broker_run(folder: Path, port: int, *args: str) -> dict[str, set[str]]:
    copy = example("own_controls", folder)
    file = copy / "test_broker.py"
    file.write_text(file.read_text().replace("PORT = 8883", f"PORT = {port}"))
    [controls] = run(copy, "--nodered-suite=off", "test_broker.py", *args).values()
    return controls


@pytest.mark.parametrize(("anonymous", "outcome"), [(True, "non-compliant"), (False, "compliant")])
def test_a_broker_that_is_not_http(
    running: dict[str, RunningDeployment],
    anonymous: bool,
    outcome: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reach(running["hardened"], monkeypatch)
    with Broker(tmp_path, Path(running["hardened"].ca_file).parent, anonymous=anonymous) as broker:
        certificate = {name: {"compliant"} for name in CERTIFICATE}
        assert broker_run(tmp_path, broker.port) == {"site-03": {outcome}, **certificate}
        report = (tmp_path / "own_controls" / "out.xml").read_text()
        said = "accepted" if anonymous else "not authorized"
        assert f"MQTT connect to port {broker.port} without a user name: {said}" in report
        monkeypatch.delenv("NODERED_CA_FILE")
        (tmp_path / "untrusted").mkdir()
        assert broker_run(tmp_path / "untrusted", broker.port)["site-04"] == {"non-compliant"}


def test_a_broker_that_is_not_there_or_no_broker_is_an_error(
    running: dict[str, RunningDeployment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = running["hardened"]
    reach(deployment, monkeypatch)
    monkeypatch.setenv("NODERED_TIMEOUT", "2")
    (closed,) = free_ports(1)
    all_of_it = {name: {"could-not-look"} for name in ("site-03", *CERTIFICATE)}
    assert broker_run(tmp_path, closed, "-n2") == all_of_it
    (tmp_path / "plain").mkdir()
    assert broker_run(tmp_path / "plain", deployment.http_port) == all_of_it
    (tmp_path / "https").mkdir()
    https = int(deployment.url.rsplit(":", 1)[1])
    assert broker_run(tmp_path / "https", https)["site-03"] == {"could-not-look"}
    for folder, sentence in ((".", "connection refused"), ("plain", "plain HTTP answered"), ("https", "got no answer")):
        assert sentence in (tmp_path / folder / "own_controls" / "out.xml").read_text()


def test_what_they_ask_is_in_the_plan(tmp_path: Path) -> None:
    copy = example("own_controls", tmp_path)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nodered-plan",
        "--nodered-suite=off",
        "--nodered-url=https://p.example",
    ]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=True)
    assert "the site's own  CALL    test_broker:connect_as_nobody(8883)  [site-03]" in done.stdout
    assert "TLS     port 8883  [site-04, site-05, site-06]" in done.stdout
    assert "write-shaped    POST    /api/orders  [site-01]" in done.stdout


# --- CI


SUMMARY = " --nodered-job-summary"  # GitHub's alone


def commands() -> set[str]:
    """Return the pytest commands of the three pipelines."""
    matches = [
        re.findall(r"(?<![\w-])pytest (--nodered[^'\n]+)", (EXAMPLES / "ci" / pipeline).read_text())
        for pipeline in PIPELINES
    ]
    assert [len(each) for each in matches] == [1, 1, 1]
    assert matches[0][0].endswith(SUMMARY)
    return {command.removesuffix(SUMMARY) for each in matches for command in each}


def test_the_pipelines_do_the_same_and_it_works(
    running: dict[str, RunningDeployment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [command] = commands()
    args = [*command.split(), SUMMARY.strip()]
    published = {"evidence/junit.xml", "evidence/report.html"}
    wholes = ("path: evidence/\n", "- evidence/\n", "artifacts: 'evidence/*'")
    for pipeline, whole in zip(PIPELINES, wholes, strict=True):
        assert whole in (EXAMPLES / "ci" / pipeline).read_text()
    for pipeline in PIPELINES[1:]:  # GitHub itself reads no JUnit
        assert re.search("junit:? '?evidence/junit.xml", (EXAMPLES / "ci" / pipeline).read_text())
    for name, status in (("hardened", 0), ("fresh", 1)):
        reach(running[name], monkeypatch)
        monkeypatch.setenv("NODERED_USERNAME", "")  # as CI does with secrets that are not set
        monkeypatch.setenv("NODERED_PASSWORD", "")
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
        folder = tmp_path / name
        folder.mkdir()
        if name == "hardened":
            (folder / "nodered-sec.toml").write_text(HARDENED)
        else:
            args += ["-k", "login_is_configured"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *args], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stdout
        assert published <= {file.relative_to(folder).as_posix() for file in folder.rglob("*")}
        assert "judged" in (tmp_path / "summary.md").read_text()


HARDENED = 'dashboards = ["/ui", "/dashboard"]\nwebsockets = ["/ws/line"]\n'


# --- accounts, plants, inventory


def test_accounts(running: dict[str, RunningDeployment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seven, eight = running["hardened"], running["admin-elsewhere"]
    copy = example("accounts", tmp_path, line_7=seven, line_8=eight)
    username, password = seven.credentials()
    monkeypatch.setenv("LINE_7_USERNAME", username)
    monkeypatch.setenv("LINE_7_PASSWORD", password)
    account = json.dumps(dict(zip(("username", "password"), eight.credentials(), strict=True)))
    (tmp_path / "bin").mkdir()
    vault = tmp_path / "bin" / "vault"
    vault.write_text(
        f"#!/bin/sh\n[ \"$*\" = 'kv get -format=json -field=data secret/line-8' ] && cat <<'E'\n{account}\nE\n"
    )
    vault.chmod(0o755)
    monkeypatch.setenv("PATH", f"{vault.parent}:{os.environ['PATH']}")
    seen = run(copy, "-k", "account_is_honoured")
    assert seen == {"line-7": {"admin-08": {"compliant"}}, "line-8": {"admin-08": {"compliant"}}}
    assert password not in (copy / "out.xml").read_text()


def test_several_plants(running: dict[str, RunningDeployment], tmp_path: Path) -> None:
    copy = example(
        "several_plants",
        tmp_path,
        line_7=running["hardened"],
        line_8=running["admin-elsewhere"],
        line_9=running["no-hsts"],
    )
    wanted = ("--nodered-suite=only", "-k", "answers_throughout or browsers_are_told")
    seen = run(copy, *wanted)
    assert list(seen) == ["line-7", "line-8", "line-9"]
    assert all(controls["reach-01"] == {"compliant"} for controls in seen.values())
    assert [name for name, controls in seen.items() if "http-06" in with_outcome(controls, "non-compliant")] == [
        "line-8",
        "line-9",
    ]
    assert set(run(copy, *wanted, "--nodered-target=site=north")) == {"line-7", "line-8"}
    command = [sys.executable, "-m", "pytest", "--nodered-show-policy"]
    shown = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=True).stdout
    assert len(re.findall(r'^profile = "strict" .*group', shown, re.MULTILINE)) == 1


def test_an_ansible_inventory(
    running: dict[str, RunningDeployment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ansible = installed("ansible-inventory")
    copy = example("ansible_inventory", tmp_path, line_7=running["hardened"], line_8=running["admin-elsewhere"])
    monkeypatch.setenv("NODERED_CA_FILE", running["hardened"].ca_file)
    seen = run(copy, "-k", "login_is_configured", "-n2")
    assert seen == {"line-7": {"admin-04": {"compliant"}}, "line-8": {"admin-04": {"compliant"}}}
    assert profiles(copy) == {"line-7": "strict", "line-8": "production"}
    listed = subprocess.run([ansible, "-i", "inventory.ini", "--list"], cwd=copy, capture_output=True, check=True)
    (copy / "inventory.json").write_bytes(listed.stdout)
    policy = copy / "nodered-sec.toml"
    policy.write_text(re.sub("^command = .*", 'file = "inventory.json"', policy.read_text(), flags=re.MULTILINE))
    assert profiles(copy) == {"line-7": "strict", "line-8": "production"}


def test_a_table_of_gateways(
    running: dict[str, RunningDeployment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = example("csv_inventory", tmp_path, line_7=running["hardened"], line_8=running["admin-elsewhere"])
    monkeypatch.setenv("NODERED_CA_FILE", running["hardened"].ca_file)
    wanted = ("-k", "login_is_configured", "-n2")
    both = {"line-7": {"admin-04": {"compliant"}}, "line-8": {"admin-04": {"compliant"}}}
    assert run(copy, *wanted) == both
    assert list(run(copy, *wanted, "--nodered-target=site=north")) == ["line-7"]
    policy = copy / "nodered-sec.toml"
    policy.write_text(policy.read_text().replace('file = "gateways.csv"', 'command = ["python3", "gateways.py"]'))
    assert "command =" in policy.read_text()
    assert run(copy, *wanted) == both
    assert profiles(copy) == {"line-7": "production", "line-8": "strict"}


def profiles(copy: Path) -> dict[str, str]:
    """Return which profile holds for which target."""
    command = [sys.executable, "-m", "pytest", "--nodered-show-policy"]
    shown = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=True).stdout
    return dict(re.findall(r'^name = "(.+?)".*?^profile = "(.+?)"', shown, re.MULTILINE | re.DOTALL))


# --- other ways there


def test_a_host_over_ssh(running: dict[str, RunningDeployment], tmp_path: Path) -> None:
    if SSHD is None:
        installed("sshd")
    (tmp_path / "ssh").mkdir()
    with SshLab(tmp_path / "ssh") as ssh:
        copy = example("host_over_ssh", tmp_path, line_7=running["hardened"])
        file = copy / "nodered-sec.toml"
        file.write_text(file.read_text().replace("ssh://ops@line-7.example", ssh.spec()))
        [controls] = run(copy, "--nodered-suite=with", "-k", "clock or not_root or anonymous_write").values()
        assert controls["site-10"] == {"compliant"}
        assert controls["host-02"] <= {"compliant", "non-compliant"}  # looked at, whoever runs the tests
        assert ssh.connections() >= 1
        file.write_text(file.read_text().replace('host = "', '# host = "'))
        [controls] = run(copy, "-k", "clock").values()
        assert controls["site-10"] == {"not-judged"}


def test_a_single_sign_on(running: dict[str, RunningDeployment], tmp_path: Path) -> None:
    copy = example("single_sign_on", tmp_path, plant=running["sso"])
    wanted = (
        "-k",
        "anonymous_read or page_refuses_strangers or live_channel_refuses or editor_is_off or answers_throughout",
    )
    [controls] = run(copy, *wanted).values()
    assert set(controls) == {"admin-01", "dash-01", "dash-02", "editor-01", "reach-01"}
    assert with_outcome(controls, "compliant") == set(controls)
    file = copy / "nodered-sec.toml"
    file.write_text(file.read_text().replace("login_urls", "# login_urls"))
    [controls] = run(copy, *wanted).values()
    assert with_outcome(controls, "could-not-look") == set(controls)


def test_fail_on_severity(
    running: dict[str, RunningDeployment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = example("fail_on_severity", tmp_path)
    for name, deployment, status in (("medium", "no-hsts", 0), ("critical", "fresh", 1)):
        reach(running[deployment], monkeypatch)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-k",
            "browsers_are_told or login_is_configured",
            f"--junitxml={name}",
        ]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stdout
        assert "medium; failing from high)" in done.stdout
        assert 'value="non-compliant"' in (copy / name).read_text()


# --- what a run accepts, and what it leaves


def outcomes(folder: Path) -> dict[str, str]:
    """Return the outcome of each case of the last run, by control and what follows in brackets."""
    ended = {}
    for case in ElementTree.parse(folder / "out.xml").iter("testcase"):  # noqa: S314  our own file
        of = {element.get("name"): element.get("value") or "" for element in case.iter("property")}
        ended[f"{of['nodered_sec.control']} {str(case.get('name')).partition('[')[2][:-1]}"] = of["nodered_sec.outcome"]
    return ended


def test_waivers(running: dict[str, RunningDeployment], tmp_path: Path) -> None:
    copy = example("waivers", tmp_path, line_7=running["fresh"])
    file = copy / "nodered-sec.toml"
    year = datetime.now(UTC).year
    text = re.sub(r"(?m)^expires = \d{4}", f"expires = {year + 1}", file.read_text())
    file.write_text(text)
    assert set(run(copy, "--nodered-suite=only")) == {"line-7"}
    seen = outcomes(copy)
    assert {case for case, outcome in seen.items() if outcome == "waived"} == {
        "dash-02 line-7-/ui",
        *(case for case in seen if case.startswith("http-06 ")),
    }
    assert seen["dash-02 line-7-/dashboard"] == "non-compliant"
    assert [seen[f"waiver-01 line-7-{waiver}"] for waiver in ("dash-02 /ui channel-open", "http-06 missing")] == [
        "compliant"
    ] * 2
    file.write_text(text.replace(f"expires = {year + 1}-06", f"expires = {year - 1}-06"))
    run(copy, "--nodered-suite=only")
    seen = outcomes(copy)
    assert {outcome for case, outcome in seen.items() if case.startswith("http-06 ")} == {"non-compliant"}
    assert seen["waiver-01 line-7-http-06 missing"] == "non-compliant"


def test_evidence(running: dict[str, RunningDeployment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keygen = installed("ssh-keygen")
    copy = example("evidence", tmp_path, plant=running["no-hsts"])
    key = tmp_path / "key"
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (copy / "allowed_signers").write_text(f"ops@plant.example {key.with_suffix('.pub').read_text()}")
    monkeypatch.setenv("SIGNING_KEY", str(key))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")

    def sh(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["/bin/sh", *args], cwd=copy, capture_output=True, text=True, check=False)

    assert sh("keep.sh").returncode == pytest.ExitCode.TESTS_FAILED
    [folder] = (copy / "evidence").iterdir()
    done = sh("verify.sh", f"evidence/{folder.name}")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert 'Good "nodered-sec" signature for ops@plant.example' in done.stdout
    assert re.search(r"judged \d+ cases again .*: none differs", done.stdout)
    again = sh("keep.sh")
    assert again.returncode == pytest.ExitCode.USAGE_ERROR, "the same day: evidence is never overwritten"
    report = folder / "report.html"
    report.write_text(report.read_text().replace("non-compliant", "compliant"))
    done = sh("verify.sh", f"evidence/{folder.name}")
    assert "report.html: FAILED" in done.stdout
    assert "judged" not in done.stdout


def test_the_containers_command_writes_where_it_may(
    running: dict[str, RunningDeployment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image's entry point with the arguments of the CronJob: nothing is written beside evidence and /tmp."""
    text = (EXAMPLES / "container" / "Containerfile").read_text()
    entry = json.loads(text.partition("ENTRYPOINT ")[2])
    args = json.loads(re.findall(r"args: (\[.*\])", (EXAMPLES / "container" / "cronjob.yaml").read_text())[0])
    assert args == ["--nodered-evidence=/evidence/$(POD_NAME)"]
    for name in ("site", "tmp", "evidence"):
        (tmp_path / name).mkdir()
    reach(running["hardened"], monkeypatch)
    for name, value in re.findall(r"(\w+)=(\S+)", text.partition("ENV ")[2].partition("\n")[0]):
        monkeypatch.setenv(name, value.replace("/tmp", str(tmp_path / "tmp")))  # noqa: S108  the container's
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    command = [sys.executable, "-m", *entry, f"--nodered-evidence={tmp_path / 'evidence' / 'pod'}", *ONE]
    done = subprocess.run(command, cwd=tmp_path / "site", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "evidence" / "pod" / "report.html").is_file()
    assert not list((tmp_path / "site").iterdir())
