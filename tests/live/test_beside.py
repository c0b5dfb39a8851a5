"""The wheel beside plugins that run tests in their own way, and under the runners of editors, at a real Node-RED.

Plugins that report, repeat or reorder are in test_release.py. Of PyCharm's runner the reporter is the real one, and its
arguments are replayed; of VS Code's a stand-in does with items and reports what matters: it names each test by the
absolute path of its file, and asks for it by that.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from typing import TYPE_CHECKING

import pytest
from wheels import build, install

from pytest_nodered_sec import lab

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.live

ASYNC = '''
import asyncio
import pytest
from pytest_nodered_sec import Severity, control, endpoint_refuses, http, require

pytestmark = pytest.mark.asyncio

async def test_plain(nodered_http):
    answer = await asyncio.to_thread(nodered_http.get, "/api/orders")
    assert answer.status_code == 200

@control("site-01", severity=Severity.HIGH, asks=[http("/api/orders")])
async def test_orders_are_refused(nodered_attempt, nodered_policy):
    """The list of orders requires a login."""
    await asyncio.sleep(0)
    require(endpoint_refuses(nodered_attempt, nodered_policy))

@control("site-02", severity=Severity.HIGH, asks=[http("/api/orders")])
async def test_orders_are_there(nodered_attempt):
    """There is a list of orders."""
    await asyncio.sleep(0)
    require(())

@control("site-03", severity=Severity.HIGH, asks=[http("/api/orders")])
async def test_nothing_is_said(nodered_attempt):
    """A verdict is given."""
    await asyncio.sleep(0)
'''
FEATURE = """
Feature: Orders
    Scenario: A stranger asks for the orders
        When a stranger asks for /api/orders
        Then the answer is 401

    Scenario: Each plant has a name
        Then it has a name
"""
STEPS = """
from pytest_bdd import parsers, scenario, then, when

@scenario("orders.feature", "A stranger asks for the orders")
def test_orders(): ...

@scenario("orders.feature", "Each plant has a name")
def test_name(nodered_target): ...

@when(parsers.parse("a stranger asks for {path}"), target_fixture="answer")
def ask(nodered_http, path):
    return nodered_http.get(path)

@then(parsers.parse("the answer is {status:d}"))
def check(answer, status):
    assert answer.status_code == status

@then("it has a name")
def named(nodered_target):
    assert nodered_target.name
"""
OWN = """
def test_orders_need_a_login(nodered_http):
    assert nodered_http.get("/api/orders").status_code == 401
"""
RUNNER = """
import os, sys, pytest

os.environ.setdefault("TEAMCITY_VERSION", "LOCAL")

class Plugin:
    @staticmethod
    def pytest_configure(config):
        print("started")

sys.exit(pytest.main([*sys.argv[1:], "--no-header", "--no-summary", "-q"], [Plugin]))
"""
EDITOR = """
import json, os

SEEN = {}

def name(path, nodeid):
    return "::".join([str(path), *nodeid.split("::")[1:]])

def pytest_collection_finish(session):
    SEEN.update({item.nodeid: [name(item.path, item.nodeid), item.location[1], "not run"] for item in session.items})

def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        SEEN[report.nodeid][2] = report.outcome

def pytest_sessionfinish(session):
    with open(os.environ["TEST_RUN_PIPE"], "w") as pipe:
        json.dump(list(SEEN.values()), pipe)
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("beside")
    wheel = build("wheel", folder)
    return install(folder / "env", str(wheel), "pytest-asyncio", "pytest-bdd", "pytest-split", "teamcity-messages")


@pytest.fixture(scope="module")
def fresh() -> Iterator[lab.RunningDeployment]:
    with lab.start(["fresh"], say=lambda line: None) as started:
        yield started.deployments[0]


@pytest.fixture
def project(fresh: lab.RunningDeployment, tmp_path: Path) -> Path:
    """A folder whose ini file names the target, as it is opened in an editor."""
    folder = tmp_path / "project"
    folder.mkdir()
    lines = (f"nodered_{name} = {getattr(fresh, name)}" for name in ("url", "ca_file", "http_port", "direct_port"))
    (folder / "pytest.ini").write_text("\n".join(["[pytest]", *lines, ""]))
    return folder


def run(programs: Path, folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a project."""
    return subprocess.run(
        [str(programs / "python"), "-W", "ignore", *command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def cases(report: Path) -> dict[str, str]:
    """Return the outcome of each case of a JUnit file, as our properties have it."""
    outcomes = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):  # noqa: S314  our own file
        properties = {element.get("name"): element.get("value") for element in case.iter("property")}
        outcomes[f"{case.get('classname')}::{case.get('name')}"] = str(properties.get("nodered_sec.outcome"))
    return outcomes


def test_async_tests_and_controls(programs: Path, project: Path) -> None:
    (project / "test_async.py").write_text(ASYNC)
    done = run(programs, project, "-m", "pytest", "--nodered-suite=off", "--junitxml=out.xml")
    assert "1 failed, 2 passed, 1 error" in done.stdout, done.stdout
    outcomes = {re.sub(r"\[.*", "", name): outcome for name, outcome in cases(project / "out.xml").items()}
    assert outcomes == {
        "test_async::test_plain": "None",
        "test_async::test_orders_are_refused": "non-compliant",
        "test_async::test_orders_are_there": "compliant",
        "test_async::test_nothing_is_said": "could-not-look",
    }


def test_steps_of_scenarios(programs: Path, project: Path) -> None:
    (project / "orders.feature").write_text(FEATURE)
    (project / "test_orders.py").write_text(STEPS)
    done = run(programs, project, "-m", "pytest", "--nodered-suite=off")
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert "assert 200 == 401" in done.stdout
    two = [f"--nodered-url=https://{name}.example" for name in ("a", "b")]
    done = run(programs, project, "-m", "pytest", "--nodered-suite=off", *two)
    assert "1 failed, 2 passed" in done.stdout, done.stdout
    assert "give the test itself the argument nodered_target" in done.stdout


def test_groups_judge_together_what_one_run_judges(programs: Path, project: Path) -> None:
    judged = []
    for group in ((), ("--splits=2", "--group=1"), ("--splits=2", "--group=2")):
        some = ("--nodered-suite=only", "--nodered-control=admin-0*", "--junitxml=out.xml", *group)
        run(programs, project, "-m", "pytest", *some)
        judged.append(cases(project / "out.xml"))
    whole, first, second = judged
    assert not set(first) & set(second)
    assert {**first, **second} == whole
    assert first
    assert second


def test_pycharm(programs: Path, project: Path, tmp_path: Path) -> None:
    """Its runner hands over paths or ids, a plugin of its own, and shows what the reporter prints."""
    (project / "test_own.py").write_text(OWN)
    (tmp_path / "runner.py").write_text(RUNNER)
    some = ("test_own.py::test_orders_need_a_login", "nodered-sec/test_admin_api.py::test_login_is_configured")
    done = run(programs, project, str(tmp_path / "runner.py"), *some)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "##teamcity[testCount" in done.stdout
    for name in ("test_own.test_orders_need_a_login", "nodered-sec.test_admin_api.test_login_is_configured"):
        for event in ("testStarted", "testFailed", "testFinished"):
            assert re.search(rf"##teamcity\[{event} .*name='{re.escape(name)}\(", done.stdout), done.stdout
    assert "details='admin-04 critical no-login · GET /auth/login" in done.stdout


def test_vs_code(programs: Path, project: Path, tmp_path: Path) -> None:
    """Its plugin names tests by the files that they are in, the suite's too, and runs by that what is clicked."""
    (project / "test_own.py").write_text(OWN)
    (tmp_path / "vscode_pytest.py").write_text(EDITOR)
    pipe = tmp_path / "pipe.json"
    environment = {"PYTHONPATH": str(tmp_path), "TEST_RUN_PIPE": str(pipe)}
    always = ("-m", "pytest", "-p", "vscode_pytest", f"--rootdir={project}", "-c", "pytest.ini")

    def seen(args: Sequence[str]) -> dict[str, tuple[int, str]]:
        pipe.unlink(missing_ok=True)
        done = run(programs, project, *always, *args, **environment)
        assert pipe.exists(), done.stdout + done.stderr
        return {name: (line, outcome) for name, line, outcome in json.loads(pipe.read_text())}

    collected = seen(["--collect-only"])
    assert len(collected) > 100
    assert all(line > 0 and (project / name.partition("::")[0]).is_file() for name, (line, _) in collected.items())
    wanted = [
        next(name for name in collected if part in name)
        for part in ("test_own.py::test_orders", "test_admin_api.py::test_login_is", "test_tls.py::test_chain_is_tr")
    ]
    ran = seen(["--capture=no", *wanted])
    assert {name: outcome for name, (_, outcome) in ran.items()} == dict(
        zip(wanted, ("failed", "failed", "passed"), strict=True)
    )
