"""What a person and a machine read of each outcome: terminal, JUnit, header and the last lines."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from session.conftest import WORKERS
from session.junit_cases import junit, properties

if TYPE_CHECKING:
    from session.conftest import Site


ANSWER = "GET /api/orders without credentials answered 200 (application/json, 2913 bytes)"
FINDING = f"""\
site-01 critical served · {ANSWER}
  expected  401 or 403
  remedy    settings.js: adminAuth: {{type: "credentials", users: require("./users.json")}}, without a `default` user"""
SECOND = """\
site-01 critical cors · any origin may read it
  expected  no Access-Control-Allow-Origin
  remedy    settings.js: httpNodeCors"""
ERROR = "site-01 critical · could not look: GET / got no answer within 10 s"
SUMMARY = "nodered-sec: 1 target · 1 compliant · 2 non-compliant (2 critical) · 0 waived · 1 error · 1 not applicable"


@WORKERS
def test_every_outcome(site_with_control: Site, workers: tuple[str, ...]) -> None:
    site = site_with_control
    result = site.run("--nodered-suite=off", "--junitxml=junit.xml", "-ra", "-W", "error", "--showlocals", *workers)
    result.assert_outcomes(passed=1, failed=2, errors=1, skipped=1)
    text = result.stdout.str()
    assert f"\n{FINDING}\n" in text
    assert f"\n{FINDING}\n{SECOND}\n" in text
    assert f"\n{ERROR}\n" in text
    assert f"test_orders[plant.example-bad] - site-01 critical served · {ANSWER}\n" in text
    assert f"test_orders[plant.example-error] - {ERROR}\n" in text
    assert "hunter2" not in text
    assert "Traceback" not in text
    assert ".py:" not in text.split("short test summary")[0]
    assert result.outlines[-3:-1] == [SUMMARY, "nodered-sec: judged 1 of 1 controls"]

    cases = junit(site)
    good, bad, worse, absent, error = (
        cases[f"test_orders[plant.example-{how}]"] for how in ("good", "bad", "worse", "absent", "error")
    )
    (policy,) = (element for case in cases.values() for element in case.iterfind(".//*[@name='nodered_sec.policy']"))
    assert 'name = "plant.example"' in str(policy.get("value"))
    common = {"control": "site-01", "severity": "critical", "target": "plant.example"}
    seen = "GET /{} without credentials answered 401"
    assert properties(good) == {**common, "observed": seen.format("good"), "outcome": "compliant"}
    assert properties(bad) == {**common, "observed": ANSWER, "outcome": "non-compliant", "findings": "served"}
    assert properties(worse)["observed"] == f"{ANSWER}; any origin may read it"
    assert properties(worse)["findings"] == "served cors"
    assert properties(absent) == {
        **common,
        "observed": seen.format("absent") + ": no orders here",
        "outcome": "not-applicable",
    }
    assert properties(error) == {
        **common,
        "observed": "GET / got no answer within 10 s",
        "outcome": "could-not-look",
    }
    failure = bad.find("failure")
    assert failure is not None
    assert failure.get("message") == FINDING
    assert failure.text == FINDING
    trouble = error.find("error")
    assert trouble is not None
    assert trouble.get("message") == f'failed on setup with "{ERROR}"'


@WORKERS
def test_users_tests_without_a_control(site: Site, workers: tuple[str, ...]) -> None:
    site.write(
        test_x="""
import pytest
from pytest_nodered_sec import NonCompliant, ProbeError, Violation
from pytest_nodered_sec.errors import Cause

@pytest.fixture
def look():
    raise ProbeError("nobody answers", Cause.TIMEOUT)

def test_error(look):
    pass

def test_finding():
    raise NonCompliant([Violation("x", "it is open", "closed", "close it")])

def test_in_its_body():
    raise ProbeError("it stopped answering", Cause.TIMEOUT)

def test_nothing_of_ours():
    assert 1 == 2
"""
    )
    result = site.run("--nodered-suite=off", "--junitxml=junit.xml", *workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(errors=2, failed=2)
    result.stdout.fnmatch_lines_random(["could not look: nobody answers", "E*assert 1 == 2"])
    result.stdout.fnmatch_lines(["ERROR test_x.py::test_in_its_body - could not look: it stopped answering"])
    (error,) = junit(site)["test_in_its_body"].findall("error")
    assert error.get("message") == "could not look: it stopped answering"
    (suite,) = ET.parse(site.path / "junit.xml").iter("testsuite")  # noqa: S314  our own run wrote it
    assert [suite.get(name) for name in ("tests", "failures", "errors")] == ["4", "2", "2"]
    result.stdout.fnmatch_lines(["it is open", "  expected  closed", "  remedy    close it"])
    result.stdout.no_fnmatch_line("nodered-sec: *compliant*")


MARKED = """
import pytest
from pytest_nodered_sec import Ask, NonCompliant, NotApplicable, Severity, Violation, control, require

WAIVED = pytest.mark.xfail(strict=True, raises=NonCompliant, reason="WAIVED until 2030-01-01: new gateway")
VERDICTS = {"bad": (Violation("served", "it is open", "closed", "close it"),), "good": (),
            "absent": NotApplicable("none here")}

def asks(*labels):
    return [Ask("stub", (label,), label) for label in labels]

@WAIVED
@control("site-01", severity=Severity.HIGH, asks=asks("bad", "good", "absent", "error"))
def test_waived(nodered_seen):
    '''Waived.'''
    require(VERDICTS[nodered_seen.how])

@pytest.mark.xfail(reason="everything")
@control("site-02", severity=Severity.HIGH, asks=[Ask("stub", ("error",), "error")])
def test_masked(nodered_seen):
    '''Masked by a mark that is too broad.'''
    assert nodered_seen

@pytest.mark.skip(reason="not today")
@control("site-03", severity=Severity.HIGH, asks=[Ask("stub", ("good",), "good")])
def test_skipped(nodered_seen):
    '''Skipped.'''
    assert nodered_seen

@control("site-04", severity=Severity.LOW, asks=[Ask("stub", ("good",), "good")])
def test_broken(nodered_seen):
    '''Broken.'''
    raise ValueError("the test itself is broken")

@control("site-05", severity=Severity.LOW, asks=[Ask("stub", ("good",), "good")])
def test_asserts(nodered_seen):
    '''A plain assert is a verdict too.'''
    assert nodered_seen.how == "bad"

@control("site-06", severity=Severity.LOW, asks=[Ask("stub", ("bug",), "bug")])
def test_bug(nodered_seen):
    '''A bug in a probe proves nothing.'''
    assert nodered_seen
"""


@WORKERS
def test_waivers_skips_and_broken_tests(site: Site, workers: tuple[str, ...]) -> None:
    site.write(test_x=MARKED)
    result = site.run("--nodered-suite=off", "--junitxml=junit.xml", *workers)
    result.assert_outcomes(xfailed=2, failed=2, skipped=2, errors=3)  # a test that broke gives no verdict
    assert {name.split("[")[0] + name[-6:-1]: properties(case)["outcome"] for name, case in junit(site).items()} == {
        "test_waivede-bad": "non-compliant",
        "test_waived-good": "compliant",
        "test_waivedbsent": "not-applicable",
        "test_waivederror": "could-not-look",
        "test_maskederror": "could-not-look",
        "test_skipped-good": "not-judged",
        "test_broken-good": "could-not-look",
        "test_asserts-good": "non-compliant",
        "test_buge-bug": "could-not-look",
    }
    assert result.outlines[-3:-1] == [
        "nodered-sec: 1 target · 1 compliant · 2 non-compliant (1 high, 1 low; 1 expected by a mark of the test, which "
        "is no waiver) · 0 waived · 4 errors · 1 not applicable · 1 not judged",
        "nodered-sec: judged 2 of 6 controls; 3 could not be looked at, 1 not judged",
    ]


@WORKERS
def test_a_skip_says_where_by_node_id(site: Site, workers: tuple[str, ...]) -> None:
    result = site.run("--nodered-suite=only", "--junitxml=junit.xml", "-rs", *workers)
    texts = [str(element.text) for case in junit(site).values() for element in case.iter("skipped")]
    assert texts
    assert all(text.startswith("nodered-sec/test_") for text in texts)
    result.stdout.fnmatch_lines(["SKIPPED [[]*] nodered-sec/test_*.py:*: *"])
    assert "pytest_nodered_sec" not in "".join(line for line in result.outlines if line.startswith("SKIPPED"))


CIRCUMSTANCES = """
from pytest_nodered_sec import Ask, Severity, Violation, control, require

MILD = Violation("x", "it is open behind a login", "closed", "close it", Severity.LOW)
PLAIN = Violation("y", "it is open", "closed", "close it")

@control("site-01", severity=Severity.HIGH, asks=[Ask("stub", ("good",), "good")])
def test_mild(nodered_seen):
    '''Mild.'''
    require((MILD,))

@control("site-02", severity=Severity.HIGH, asks=[Ask("stub", ("good",), "good")])
def test_both(nodered_seen):
    '''Both.'''
    require((MILD, PLAIN))
"""


@WORKERS
def test_circumstances_make_a_finding_milder(site: Site, workers: tuple[str, ...]) -> None:
    site.write(test_x=CIRCUMSTANCES)
    args = ("--nodered-suite=off", "--nodered-fail-on=medium", "--junitxml=junit.xml", "-ra", *workers)
    result = site.run(*args)
    result.assert_outcomes(xfailed=1, failed=1)
    text = result.stdout.str()
    assert "site-01 low x · it is open behind a login\n" in text
    assert "test_both[plant.example-good] - site-02 high y · it is open\n" in text
    assert "\nsite-02 low x · it is open behind a login\n" in text
    seen = {name.partition("[")[0]: properties(case)["severity"] for name, case in junit(site).items()}
    assert seen == {"test_mild": "low", "test_both": "high"}
    assert "2 non-compliant (1 high, 1 low; failing from medium)" in text


def test_the_header_names_targets_and_sources(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODERED_PROFILE", "strict")
    monkeypatch.setenv("NODERED_USERNAME", "operator")
    monkeypatch.setenv("NODERED_PASSWORD", "hunter2")
    site.pytester.makeini("[pytest]\nnodered_timeout = 3\nnodered_profile = baseline")
    result = site.run("--collect-only", "--nodered-editor=protected")
    result.stdout.fnmatch_lines(
        [
            "nodered-sec: 0.1.0, settings: url=https://plant.example (option), timeout=3 (ini), "
            "profile=strict (environment), editor=protected (option)",
            "nodered-sec: target plant.example: https://plant.example, profile strict, editor protected, "
            "admin API protected, policy ????????????",
        ]
    )
    assert "hunter2" not in result.stdout.str()


def test_a_rerun_is_judged_by_its_last_look(site: Site) -> None:
    pytest.importorskip("pytest_rerunfailures")
    site.write(
        test_x="""
from pytest_nodered_sec import Ask, Severity, Violation, control, require

@control("site-01", severity=Severity.HIGH, asks=[Ask("stub", ("good",), "good")])
def test_flaky(nodered_seen, runs=[]):
    '''Flaky.'''
    runs.append(1)
    require((Violation("x", "it is open", "closed", "close it"),) if len(runs) == 1 else ())
"""
    )
    result = site.run("--nodered-suite=off", "--reruns=1", "--junitxml=junit.xml")
    result.stdout.fnmatch_lines(["nodered-sec: 1 target · 1 compliant · 0 non-compliant*"])
    assert [properties(case)["outcome"] for case in junit(site).values()] == ["compliant"]


def test_a_line_of_traceback_is_the_finding(site_with_control: Site) -> None:
    result = site_with_control.run("--nodered-suite=off", "--tb=line")
    result.assert_outcomes(passed=1, failed=2, errors=1, skipped=1)
    finding = FINDING.partition("\n")[0]
    assert [line for line in result.outlines if line.startswith("test_site.py:") and line.endswith(finding)]


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["plain", "xdist"])
def test_other_plugins_read_a_finding_as_any_failure(site_with_control: Site, workers: tuple[str, ...]) -> None:
    """As pytest-json-report, pytest-reportlog and others do, in the process that writes the report."""
    site_with_control.write(
        reader="""
import json, pathlib, pytest

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report):
    if report.failed:
        crash, [entry] = report.longrepr.reprcrash, report.longrepr.reprtraceback.reprentries
        text = report._to_json()["longrepr"]["reprcrash"]["message"]
        assert text == crash.message and report.longreprtext.endswith(text) and entry.reprfileloc is None
        with open("read.jsonl", "a") as file:
            file.write(json.dumps([report.when, crash.path, crash.lineno, text]) + "\\n")
"""
    )
    result = site_with_control.run("--nodered-suite=off", "-p", "reader", *workers)
    result.assert_outcomes(passed=1, failed=2, errors=1, skipped=1)
    read = [json.loads(line) for line in (site_with_control.path / "read.jsonl").read_text().splitlines()]
    assert len({text for *_, text in read}) == 3  # with xdist read by the workers, too
    assert {when for when, *_ in read} == {"call", "setup"}
    assert {path for _, path, _, _ in read} == {"test_site.py"}
    assert {line for _, _, line, _ in read} == {14}
    assert all(text.startswith("site-01 critical ") for *_, text in read)


STATS = """
def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"errors for others: {len(terminalreporter.stats['error'])}")
"""


def test_who_reads_the_terminals_statistics_finds_the_folded_cases(site: Site) -> None:
    (site.path / "conftest.py").write_text((site.path / "conftest.py").read_text() + STATS)
    result = site.run("--nodered-suite=only", "-ktest_chain")
    [line] = [line for line in result.outlines if line.startswith("errors for others")]
    assert line == f"errors for others: {result.parseoutcomes()['errors']}" != "errors for others: 0"
    assert not any(line.startswith("ERROR ") for line in result.outlines)
    typed = site.run("--nodered-suite=only", "-ktest_chain", "--tb=short")
    typed.stdout.fnmatch_lines(["*ERRORS*", "tls-01 critical · could not look: GET / got no answer within 10 s"])
    assert not any(line.startswith("ERROR ") for line in typed.outlines)


NGINX = """
from pytest_nodered_sec import Ask, Severity, Violation, control, require

@control("site-01", severity=Severity.HIGH, asks=[Ask("stub", ("good",), "/ui")])
def test_limit(nodered_seen):
    "Log-ins are limited."
    require((Violation("no-limit", "200 attempts", "429", "nginx: limit_req zone=login"),))
"""


@WORKERS
def test_a_remedy_is_for_the_front_that_stands_there(site: Site, workers: tuple[str, ...]) -> None:
    site.write(test_x=NGINX)
    (site.path / "nodered-sec.toml").write_text('front = "caddy"\n')
    result = site.run("--nodered-suite=off", "-v", "--junitxml=junit.xml", *workers)
    remedy = "  remedy    Caddy: the same as this does in nginx: nginx: limit_req zone=login"
    result.stdout.fnmatch_lines([remedy])
    (failure,) = junit(site)["test_limit[plant.example-/ui]"].findall("failure")
    assert remedy in str(failure.text)


@WORKERS
def test_what_a_pass_has_seen_is_shown_at_the_second_v(site_with_control: Site, workers: tuple[str, ...]) -> None:
    ran = site_with_control.run("--nodered-suite=off", "-vv", "--junitxml=junit.xml", *workers)
    observed = properties(junit(site_with_control)["test_orders[plant.example-good]"])["observed"]
    assert f"PASSED ({observed})" in ran.stdout.str()
    assert "PASSED (" not in site_with_control.run("--nodered-suite=off", "-v", *workers).stdout.str()
