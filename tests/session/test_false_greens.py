"""What other plugins, conftest files and habits might make of a run, and that none of it is a pass."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from session.conftest import DUMP, WORKERS
from session.evidence_site import SEES, controls, said

if TYPE_CHECKING:
    from session.conftest import Site

OWN = ("--nodered-suite=off", "test_site.py")


@pytest.fixture
def own(site: Site) -> Site:
    """A site with a control of its own that comes to everything, whose ledger can be read afterwards."""
    site.write(conftest=(site.path / "conftest.py").read_text() + SEES, dump=DUMP)
    site.write(test_site=controls("good", "bad", "error"))
    return site


def outcomes(site: Site, control: str = "site-01") -> list[str]:
    records = json.loads((site.path / "book.json").read_text())["records"]
    return sorted(record["outcome"] for record in records if record["control"] == control)


TURNED = """
import pytest
@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call" and report.failed:
        report.outcome, report.longrepr = "passed", None
    return report
"""


@WORKERS
def test_a_failure_that_a_plugin_turns_into_a_pass_stays_one(own: Site, workers: tuple[str, ...]) -> None:
    own.write(turn=TURNED)
    own.write(test_site=controls("good", "bad"))
    result = own.run(*OWN, "-p", "turn", "-p", "dump", "--junitxml=junit.xml", *workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=2, failed=1)
    assert outcomes(own) == ["compliant", "non-compliant"]
    assert any("something other than a waiver made a pass" in line for line in said(result))
    suite = ET.parse(own.path / "junit.xml").getroot()[0]  # noqa: S314  our own file
    assert (suite.get("failures"), len(suite.findall("testcase"))) == ("1", 3)


@WORKERS
def test_a_mark_makes_no_pass_of_what_could_not_be_looked_at(own: Site, workers: tuple[str, ...]) -> None:
    own.write(test_site="import pytest\npytestmark = pytest.mark.xfail\n" + controls("good", "error"))
    result = own.run(*OWN, *workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert any(line.startswith("1 case failed or could not be looked at, and something") for line in said(result))


MARKS = """
import pytest
def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.%s(reason="known"))
"""


@WORKERS
def test_the_suite_takes_no_mark_for_a_waiver(site: Site, workers: tuple[str, ...]) -> None:
    site.write(marks=MARKS % "xfail", dump=DUMP)
    result = site.run("--nodered-suite=only", "-p", "marks", "-p", "dump", "nodered-sec/test_reach.py", *workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(errors=1)


def test_a_case_of_the_suite_that_somebody_skips_is_no_audit(own: Site) -> None:
    own.write(
        marks=MARKS.replace("%s", "skip").replace(
            "in items:", "in [one for one in items if 'test_reach' in one.nodeid]:"
        )
    )
    own.audited()
    result = own.run("--nodered-audit", "-p", "marks")
    assert "no audit: 1 case skipped by a mark or a fixture that is not the suite's" in said(result)


WAIVES_ALL = """
[[waiver]]
control = "site-01"
finding = "served"
reason = "until spring"
expires = 2999-12-31
[[target]]
url = "https://plant.example"
"""
EXPECTED = """
import pytest
from pytest_nodered_sec import Ask, Severity, Violation, control, require

BAD = Violation("served", "it is open", "closed", "close it")

def own(number):
    mark = control(f"site-0{number}", severity=Severity.HIGH, asks=[Ask("stub", ("good",), "good")])
    return lambda test: pytest.mark.xfail(reason=f"known-{number}")(mark(test))

@own(1)
def test_finding(nodered_seen):
    '''A finding.'''
    require((BAD,))

@own(2)
def test_plain(nodered_seen):
    '''A plain assert.'''
    assert nodered_seen is None, "there is something"

@own(3)
def test_passes(nodered_seen):
    '''Mended.'''
    require(())
"""


@WORKERS
def test_what_a_mark_expects_of_an_own_control_is_a_finding_and_no_waiver(site: Site, workers: tuple[str, ...]) -> None:
    site.write(test_site=EXPECTED, dump=DUMP)
    args = ("-p", "dump", "--junitxml=junit.xml", *workers)
    result = site.run("--nodered-suite=off", *args)
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(xfailed=2, xpassed=1)
    assert (outcomes(site, "site-01"), outcomes(site, "site-02")) == (["non-compliant"], ["non-compliant"])
    expected = "2 non-compliant (2 high; 2 expected by a mark of the test, which is no waiver) · 0 waived · 0 errors"
    assert expected in said(result)[-2]
    shown = (site.path / "junit.xml").read_text()
    for text in (
        "site-01 high served · it is open",
        "close it",
        "by a mark of the test: known-1",
        "there is something",
    ):
        assert text in shown
    (site.path / "nodered-sec.toml").write_text(WAIVES_ALL)
    result = site.run("--nodered-suite=off", *args, url=None)  # a waiver counts before a mark does
    assert (outcomes(site, "site-01"), outcomes(site, "site-02")) == (["waived"], ["non-compliant"])
    site.audited()
    result = site.run("--nodered-audit", *args)
    lines = [line for line in result.outlines if line.startswith("FAILED test_site")]
    assert len(lines) == 2
    assert "site-01 high served · it is open" in result.stdout.str()


FIRST = """
import pytest
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    items[:] = [one for one in items if "test_site" in one.nodeid or "test_reach" in one.nodeid]
"""
HIDES = """
def pytest_pycollect_makeitem(name):
    return [] if name == "test_chain_is_trusted" else None
"""


@WORKERS
def test_what_is_left_out_before_all_other_hooks_is_counted(own: Site, workers: tuple[str, ...]) -> None:
    own.write(first=FIRST, hides=HIDES, test_site=controls("good"))
    own.audited()
    result = own.run("--nodered-audit", "-p", "first", "-p", "dump", *workers)
    assert "no audit: tests were left out (deselected)" in said(result)
    assert "1 could not be looked at, " in said(result)[-1]
    assert said(result)[-1].endswith(" not selected (deselected)")
    result = own.run("--nodered-audit", "-p", "hides", *workers)
    assert "no audit: not collected: tls-01" in said(result)


STANDS_IN = """
from dataclasses import replace
from datetime import UTC, datetime
from pytest_nodered_sec.observations.reach import Reach

REACH = Reach("192.0.2.1", (), datetime.now(UTC), datetime.now(UTC), 7, ("x",), replace(VIEW, identity=("x",)))

class Reaches(Sees):
    def outcome(self, target, ask):
        return REACH if ask.probe == "reach" else super().outcome(target, ask)

pytest_nodered_sec.survey.survey.Survey = Reaches

import pytest
@pytest.fixture
def %s(%s):
    return %s
"""


@WORKERS
@pytest.mark.parametrize(
    ("name", "value", "outcome"),
    [
        ("nodered_target", "'mine'", "could-not-look"),
        ("nodered_policy", 'replace(nodered_target.policy, profile="baseline")', "could-not-look"),
        ("nodered_seen", "replace(REACH, looks=99)", "could-not-look"),
        ("nodered_mine", "None", "compliant"),
    ],
)
def test_no_fixture_stands_in_for_what_the_suite_judges(
    own: Site, name: str, value: str, outcome: str, workers: tuple[str, ...]
) -> None:
    takes = "nodered_target, nodered_seen" if name != "nodered_target" else ""
    own.write(conftest=(own.path / "conftest.py").read_text() + STANDS_IN % (name, takes, value))
    result = own.run("-p", "dump", "-rA", "nodered-sec/test_reach.py", *workers)
    assert outcomes(own, "reach-01") == [outcome]
    if outcome != "compliant":
        result.stdout.fnmatch_lines([f"*could not look: a fixture of this site is called {name} as well*"])
        result.stdout.no_fnmatch_line("*traceback entries are hidden*")


STALE = """
stale_waivers = "warn"
[[waiver]]
control = "site-01"
instance = "good"
finding = "served"
reason = "until spring"
expires = 2999-12-31
[[target]]
url = "https://plant.example"
"""


@WORKERS
def test_a_stale_waiver_is_a_finding_where_warnings_are_errors(own: Site, workers: tuple[str, ...]) -> None:
    (own.path / "nodered-sec.toml").write_text(STALE)
    own.write(test_site=controls("good"))
    result = own.run("-W", "error", "-p", "dump", "--nodered-show=all", *workers, url=None)
    assert outcomes(own, "waiver-01") == ["non-compliant"]
    said = "waiver-01 medium not-needed · waiver of site-01 good served, until 2999-12-31: until spring: 1 compliant"
    assert f"\n{said}\n  expected  a finding that it excuses\n  remedy    remove it" in result.stdout.str()
    result = own.run("-W", "error", "-W", "default::pytest.PytestWarning", "-p", "dump", *workers, url=None)
    assert outcomes(own, "waiver-01") == ["compliant"]


def test_an_audit_of_paths_alone_is_none(own: Site) -> None:
    own.audited('[[target]]\nurl = "https://plant.example"\n')
    result = own.run("--nodered-audit", "test_site.py", url=None)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--nodered-audit runs every test*remove the paths, or add nodered-sec to*"])
    assert own.run("--nodered-audit", "test_site.py", "nodered-sec", url=None).ret == pytest.ExitCode.TESTS_FAILED


def test_a_run_that_ends_itself_is_interrupted_whatever_code_it_gives(own: Site) -> None:
    own.write(
        test_site=controls("good"), test_zz="import pytest\ndef test_z():\n    pytest.exit('bye', returncode=0)\n"
    )
    own.write(test_zzz=controls("good").replace("site-0", "late-0"))
    args = ("--nodered-suite=off", "test_site.py", "test_zz.py", "test_zzz.py")
    result = own.run(*args, "-p", "dump", "--nodered-hdf=run.json")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert said(result)[-1].endswith("2 not selected (interrupted)")
    hdf = json.loads((own.path / "run.json").read_text())
    assert hdf["profiles"][0]["status_message"] == "incomplete: the run was interrupted"
    assert json.loads((own.path / "book.json").read_text())["facts"]["interrupted"] is True


def test_of_a_case_that_runs_everywhere_the_gravest_counts(own: Site) -> None:
    pytest.importorskip("xdist")
    own.write(
        test_site="import os\n" + controls("good")
        + "\n@control('site-03', severity=Severity.LOW, asks=asks('good'))\n"
        "def test_worker(nodered_seen):\n    '''Differs.'''\n"
        "    assert os.environ['PYTEST_XDIST_WORKER'] == 'gw0'\n"
    )  # fmt: skip
    result = own.run(*OWN, "-p", "dump", "--dist=each", "--tx=2*popen")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert outcomes(own, "site-03") == ["non-compliant"]
    assert outcomes(own) == ["compliant"]


def test_a_control_of_a_site_bears_no_id_of_the_suite(own: Site) -> None:
    own.write(test_site=controls("good").replace("site-01", "tls-01"))
    result = own.run(*OWN)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert (
        "control 'tls-01' at test_site.py::test_orders has the id of a control in the bundled suite"
        in result.stdout.str()
    )
