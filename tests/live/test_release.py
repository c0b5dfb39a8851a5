"""The wheel, installed as users install it: with the oldest and the newest of everything, and beside other plugins;
and what is published with it.

Python 3.12 gets the oldest versions and 3.13 the newest, where this machine has them; the other tests run on the Python
that runs them, and test_python_314.py on 3.14.
"""

from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import pytest
from packaging.utils import canonicalize_name
from wheels import ROOT, build, install, interpreter, lowest, needs

from pytest_nodered_sec import __version__, lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live

# what needs no network, and leans on what we depend on
UNIT = (
    "rules",
    "observations",
    "policy",
    "test_credentials.py",
    "test_questions.py",
    "probes/tls/test_faulty_chains.py",
    "probes/tls/test_handshake.py",
)
REPORTERS = ("allure-pytest", "pytest-github-actions-annotate-failures", "pytest-json-report", "pytest-reportlog")
OTHERS = (
    "pytest-cov",
    "pytest-html",
    "pytest-json-ctrf",
    "pytest-randomly",
    "pytest-rerunfailures",
    "pytest-sugar",
    "pytest-timeout",
    "pytest-xdist",
    *REPORTERS,
)
ALONE = tuple(f"-pno:{name}" for name in ("randomly", "xdist", "html", "rerunfailures", "sugar", "pytest_cov"))
SLOW = '''
import time
from dataclasses import dataclass
from pytest_nodered_sec import Severity, control, question, require

@dataclass(frozen=True)
class Seen:
    def evidence(self):
        return "looked for two seconds"

def look_long(look):
    time.sleep(2)
    return Seen()

@control("site-01", severity=Severity.LOW, asks=[question(look_long)])
def test_a_slow_look(nodered_seen):
    """A look may take its time."""
    require(())

def test_a_slow_body(nodered_target):
    time.sleep(2)
'''


class Environments(NamedTuple):
    """Folders of programs: with the lowest versions, with the newest and other plugins."""

    lowest: Path
    newest: Path


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Environments:
    folder = tmp_path_factory.mktemp("release")
    wheel = build("wheel", folder)
    with ThreadPoolExecutor(2) as pool:
        oldest, newest = interpreter("3.12"), interpreter("3.13")
        old = pool.submit(install, folder / "lowest", str(wheel), *lowest(), *lowest("host"), python=oldest)
        new = pool.submit(install, folder / "newest", "--upgrade", f"{wheel}[host]", *OTHERS, python=newest)
        return Environments(old.result(), new.result())


@pytest.fixture(scope="module")
def running() -> Iterator[dict[str, lab.RunningDeployment]]:
    with lab.start(["fresh", "hardened"], say=lambda line: None) as started:
        yield {deployment.name: deployment for deployment in started.deployments}


def look(
    programs: Path, folder: Path, deployment: lab.RunningDeployment, *args: str
) -> subprocess.CompletedProcess[str]:
    """Run the installed pytest in an empty folder at a deployment of the lab."""
    command = [str(programs / "pytest"), "--nodered-suite=only", f"--nodered-url={deployment.url}"]
    command += [
        f"--nodered-ca-file={deployment.ca_file}",
        f"--nodered-http-port={deployment.http_port}",
        "--junitxml=out.xml",
    ]
    command += [f"--nodered-direct-port={deployment.direct_port}", "-W", "error", *args]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_unit_tests_pass_with_the_lowest_versions(environments: Environments) -> None:
    where = "import pytest_nodered_sec; print(pytest_nodered_sec.__file__)"
    python = str(environments.lowest / "python")
    place = subprocess.run([python, "-I", "-c", where], capture_output=True, text=True, check=True).stdout
    assert "site-packages" in place
    command = [
        str(environments.lowest / "pytest"),
        "-q",
        "-p",
        "no:cacheprovider",
        *(f"tests/{folder}" for folder in UNIT),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


@pytest.mark.parametrize("which", ["lowest", "newest"])
def test_a_real_node_red_is_looked_at(
    environments: Environments, running: dict[str, lab.RunningDeployment], which: str, tmp_path: Path
) -> None:
    programs: Path = getattr(environments, which)
    # sugar is not forced where tests run again in workers: its bar breaks there, with or without us
    more = ("--force-sugar", "-p", "no:randomly") if which == "newest" else ()
    done = look(programs, tmp_path, running["hardened"], *more)
    assert done.returncode == 0, done.stdout
    assert "0 non-compliant · 0 waived · 0 errors" in done.stdout


def test_a_release_is_published_with_its_bill_of_materials(tmp_path: Path) -> None:
    done = subprocess.run([ROOT / ".ci" / "release", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".gz", ".json", ".whl"]
    [file] = tmp_path.glob(f"pytest_nodered_sec-{__version__}.cdx.json")
    bill = json.loads(file.read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    root = bill["metadata"]["component"]
    assert (root["name"], root["version"]) == ("pytest-nodered-sec", __version__)
    known = {canonicalize_name(component["name"]): component for component in bill["components"]}
    for name in (
        canonicalize_name(re.split("[>=]", need)[0]) for extra in ("", "host", "lab") for need in needs(extra)
    ):
        assert known[name]["purl"] == f"pkg:pypi/{name}@{known[name]['version']}"
    assert not {"pip", "setuptools", "cyclonedx-bom"} & set(known)
    edges = {dependency["ref"]: dependency.get("dependsOn", []) for dependency in bill["dependencies"]}
    assert any(ref.startswith("requests==") for ref in edges[root["bom-ref"]])


def test_beside_other_plugins(
    environments: Environments, running: dict[str, lab.RunningDeployment], tmp_path: Path
) -> None:
    """All of them at work in one run: the verdicts, their order in JUnit aside, are those of a run without them.

    What pytest-rerunfailures tries again stands in JUnit once for each attempt, with or without us; the last counts.
    """
    (tmp_path / "alone").mkdir()
    alone = look(environments.newest, tmp_path / "alone", running["fresh"], *ALONE)
    (tmp_path / "beside").mkdir()
    others = [
        *("-n2", "--reruns=1", "--html=out.html", "--self-contained-html", "--ctrf=out.json", "-p", "randomly"),
        *("--timeout=60", "--cov=.", "--json-report", "--report-log=log.jsonl", "--alluredir=allure"),
    ]
    # coverage: nothing of this run's own is there to be measured
    others += ["-W", "ignore::coverage.exceptions.CoverageWarning", "-W", "ignore::pytest_cov.CovReportWarning"]
    done = look(environments.newest, tmp_path / "beside", running["fresh"], *others)
    assert done.returncode == 1, done.stdout
    assert "Using --randomly-seed" in done.stdout
    plugins = done.stdout.split("plugins: ")[1].split("\n")[0]
    names = ("html", "json-ctrf", "randomly", "rerunfailures", "xdist", "sugar", "timeout", "cov", "json-report")
    for name in (*names, "reportlog", "allure-pytest"):
        assert f"{name}-" in plugins
    before, after = (cases(tmp_path / name / "out.xml") for name in ("alone", "beside"))
    assert before == after
    assert counts(done) == counts(alone)
    failing = sum(outcome == "failure" for outcome, _ in after.values())
    ctrf = json.loads((tmp_path / "beside" / "out.json").read_text())["results"]
    assert ctrf["summary"]["failed"] == failing > 0
    page = (tmp_path / "beside" / "out.html").read_text()
    assert "test_editor_is_off_or_protected" in page


def counts(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the last lines, which count cases by outcome and controls."""
    return [line for line in done.stdout.splitlines() if line.startswith("nodered-sec: ") and "judged " in line] + [
        line for line in done.stdout.splitlines() if line.startswith("nodered-sec: ") and " compliant " in line
    ]


def test_a_looks_limit_is_its_own(
    environments: Environments, running: dict[str, lab.RunningDeployment], tmp_path: Path
) -> None:
    """pytest-timeout, whose thread ends the whole process, counts a control's body, and no look."""
    (tmp_path / "test_site.py").write_text(SLOW)
    deployment = running["fresh"]
    command = [str(environments.newest / "pytest"), "--nodered-suite=off", f"--nodered-url={deployment.url}"]
    command += ["--timeout=1", "--strict-markers", *ALONE]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert "FAILED test_site.py::test_a_slow_body" in done.stdout


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["plain", "xdist"])
def test_reporters_show_findings_and_errors_as_any_failure(
    environments: Environments,
    running: dict[str, lab.RunningDeployment],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    workers: tuple[str, ...],
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    reports = ("--json-report", "--report-log=log.jsonl", "--alluredir=allure", "--html=out.html")
    some = ("-k", "admin-01", "-p", "no:randomly", "-W", "default")
    done = look(environments.newest, tmp_path, running["fresh"], *some, *reports, *workers)
    assert done.returncode == 1, done.stdout
    assert "INTERNALERROR" not in done.stdout + done.stderr
    failed = {name for name, (outcome, _) in cases(tmp_path / "out.xml").items() if outcome == "failure"}
    said = "admin-01 critical served · "
    assert failed

    tests = [
        record
        for record in json.loads((tmp_path / ".report.json").read_text())["tests"]
        if record["outcome"] == "failed"
    ]
    assert len(tests) == len(failed)
    for test in tests:
        crash = test["call"]["crash"]
        assert crash["path"] == "nodered-sec/test_admin_api.py"
        assert crash["lineno"] > 1
        assert crash["message"].startswith(said)
        assert said in test["call"]["longrepr"]
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    crashes = [report["longrepr"]["reprcrash"] for report in logged if report.get("outcome") == "failed"]
    assert len(crashes) == len(failed)
    assert all(crash["message"].startswith(said) for crash in crashes)
    shown = [json.loads(file.read_text()) for file in (tmp_path / "allure").glob("*-result.json")]
    traces = [result["statusDetails"]["trace"] for result in shown if result["status"] == "failed"]
    assert len(traces) == len(failed)
    assert all(said in trace for trace in traces)
    for result in shown:
        assert {"name": "severity", "value": "blocker"} in result["labels"]  # allure's name of what is worst
        assert result["parameters"] == [{"name": "_nodered_case", "value": result["name"].partition("[")[2][:-1]}]
    assert "admin-01 critical served" in (tmp_path / "out.html").read_text()  # JSON in it: the dot is written out
    assert (done.stdout + done.stderr).count("::error file=") == len(failed)


def cases(report: Path) -> dict[str, tuple[str, str]]:
    """Return outcome and verdict of each case of a JUnit file; each case has one of each."""
    ended: dict[str, tuple[str, str]] = {}
    root = ElementTree.parse(report).getroot()  # noqa: S314  our own file
    for case in root.iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        outcomes = [element.tag for element in case if element.tag in ("failure", "error", "skipped")]
        verdicts = [
            element.get("value") for element in case.iter("property") if element.get("name") == "nodered_sec.outcome"
        ]
        assert len(outcomes) <= 1, name
        [verdict] = verdicts
        if name in ended:  # an attempt before
            assert ended[name] == ("passed", verdict), name
        ended[name] = (outcomes[0] if outcomes else "passed", str(verdict))
    [suite] = root.iter("testsuite")
    assert int(suite.get("failures", "0")) == sum(outcome == "failure" for outcome, _ in ended.values())
    return ended
