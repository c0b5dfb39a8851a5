"""The wheel, installed as users install it: with the oldest and the newest of everything, and beside other plugins."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import pytest
from wheels import ROOT, build, install, lowest

from pytest_nodered_sec import lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live

# what needs no network, and leans on what we depend on
UNIT = (
    "rules",
    "test_model.py",
    "test_policyfile.py",
    "test_credentials.py",
    "test_questions.py",
    "probes/test_tls.py",
)
OTHERS = ("pytest-html", "pytest-json-ctrf", "pytest-randomly", "pytest-rerunfailures", "pytest-xdist")


class Environments(NamedTuple):
    """Folders of programs: with the lowest versions, with the newest and other plugins."""

    lowest: Path
    newest: Path


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Environments:
    folder = tmp_path_factory.mktemp("release")
    wheel = build("wheel", folder)
    with ThreadPoolExecutor(2) as pool:
        old = pool.submit(install, folder / "lowest", str(wheel), *lowest(), *lowest("host"))
        new = pool.submit(install, folder / "newest", "--upgrade", f"{wheel}[host]", *OTHERS)
        return Environments(old.result(), new.result())


@pytest.fixture(scope="module")
def running() -> Iterator[dict[str, lab.RunningDeployment]]:
    with lab.start(["fresh", "hardened"], say=lambda line: None) as started:
        yield {one.name: one for one in started.deployments}


def look(programs: Path, folder: Path, one: lab.RunningDeployment, *args: str) -> subprocess.CompletedProcess[str]:
    """Run the installed pytest in an empty folder at a deployment of the lab."""
    command = [str(programs / "pytest"), "--nodered-suite=only", f"--nodered-url={one.url}"]
    command += [f"--nodered-ca-file={one.ca_file}", f"--nodered-http-port={one.http_port}", "--junitxml=out.xml"]
    command += [f"--nodered-direct-port={one.direct_port}", "-W", "error", *args]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_unit_tests_pass_with_the_lowest_versions(environments: Environments) -> None:
    where = "import pytest_nodered_sec; print(pytest_nodered_sec.__file__)"
    python = str(environments.lowest / "python")
    found = subprocess.run([python, "-I", "-c", where], capture_output=True, text=True, check=True).stdout
    assert "site-packages" in found
    command = [str(environments.lowest / "pytest"), "-q", "-p", "no:cacheprovider", *(f"tests/{one}" for one in UNIT)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


@pytest.mark.parametrize("which", ["lowest", "newest"])
def test_a_real_node_red_is_looked_at(
    environments: Environments, running: dict[str, lab.RunningDeployment], which: str, tmp_path: Path
) -> None:
    programs: Path = getattr(environments, which)
    done = look(programs, tmp_path, running["hardened"])
    assert done.returncode == 0, done.stdout
    assert "0 non-compliant · 0 waived · 0 errors" in done.stdout


def test_beside_other_plugins(
    environments: Environments, running: dict[str, lab.RunningDeployment], tmp_path: Path
) -> None:
    """All of them at work in one run: the verdicts, their order in JUnit aside, are those of a run without them.

    What pytest-rerunfailures tries again stands in JUnit once for each attempt, with or without us; the last counts.
    """
    some = ("-k", "test_editor or test_transport or test_dashboard")
    alone = (*some, "-p", "no:randomly", "-p", "no:xdist", "-p", "no:html", "-p", "no:rerunfailures")
    (tmp_path / "alone").mkdir()
    look(environments.newest, tmp_path / "alone", running["fresh"], *alone)
    (tmp_path / "beside").mkdir()
    others = (
        *some,
        "-n2",
        "--reruns=1",
        "--html=out.html",
        "--self-contained-html",
        "--ctrf=out.json",
        "-p",
        "randomly",
    )
    done = look(environments.newest, tmp_path / "beside", running["fresh"], *others)
    assert done.returncode == 1, done.stdout
    assert "Using --randomly-seed" in done.stdout
    for name in ("html", "json-ctrf", "randomly", "rerunfailures", "xdist"):
        assert f"{name}-" in done.stdout.split("plugins: ")[1].split("\n")[0]
    before, after = (cases(tmp_path / name / "out.xml") for name in ("alone", "beside"))
    assert before == after
    failing = sum(outcome == "failure" for outcome, _ in after.values())
    ctrf = json.loads((tmp_path / "beside" / "out.json").read_text())["results"]
    assert ctrf["summary"]["failed"] == failing > 0
    page = (tmp_path / "beside" / "out.html").read_text()
    assert "test_editor_is_off_or_protected" in page


def cases(report: Path) -> dict[str, tuple[str, str]]:
    """Return outcome and verdict of each case of a JUnit file; each case has one of each."""
    found: dict[str, tuple[str, str]] = {}
    root = ElementTree.parse(report).getroot()  # noqa: S314  our own file
    for case in root.iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        outcomes = [one.tag for one in case if one.tag in ("failure", "error", "skipped")]
        verdicts = [one.get("value") for one in case.iter("property") if one.get("name") == "nodered_sec.outcome"]
        assert len(outcomes) <= 1, name
        [verdict] = verdicts
        if name in found:  # an attempt before
            assert found[name] == ("passed", verdict), name
        found[name] = (outcomes[0] if outcomes else "passed", str(verdict))
    [suite] = root.iter("testsuite")
    assert int(suite.get("failures", "0")) == sum(outcome == "failure" for outcome, _ in found.values())
    return found
