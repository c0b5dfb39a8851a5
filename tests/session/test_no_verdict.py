"""What ends without a verdict: no answer, a control that forgot it or broke, and runs that were answered nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from session.conftest import WORKERS
from session.junit_cases import junit, properties

if TYPE_CHECKING:
    from session.conftest import Site


@WORKERS
def test_what_could_not_be_judged_is_no_verdict(site: Site, workers: tuple[str, ...]) -> None:
    site.write(
        test_x="""
from pytest_nodered_sec import Ask, Severity, control, require
from pytest_nodered_sec import NotJudged

@control("site-01", severity=Severity.HIGH, asks=[Ask("stub", ("good",), "good")])
def test_unknown(nodered_seen):
    '''Nobody gave what it needs.'''
    require(NotJudged("not judged without an account"))
"""
    )
    result = site.run("--nodered-suite=off", "--junitxml=junit.xml", "-rs", *workers)
    result.assert_outcomes(skipped=1)
    assert [properties(case)["outcome"] for case in junit(site).values()] == ["not-judged"]
    result.stdout.fnmatch_lines(["SKIPPED [[]1] test_x.py:5: not judged without an account"])
    (skipped,) = (element for case in junit(site).values() for element in case.iter("skipped"))
    assert skipped.text == "test_x.py:5: not judged without an account"
    result.stdout.no_fnmatch_line("*Skipped: *")
    result.stdout.fnmatch_lines(["nodered-sec: 1 target * 0 not applicable * 1 not judged"])


def test_a_run_without_answers_is_not_green(site: Site) -> None:
    site.write(
        test_x="""
import pytest
from pytest_nodered_sec import Ask, NotApplicable, Severity, control, require

def test_own():
    pass

@control("site-01", severity=Severity.HIGH, asks=[Ask("stub", ("good",), "good")])
def test_absent(nodered_seen):
    '''Absent.'''
    require(NotApplicable("not here"))
"""
    )
    said = "nodered-sec: no question was answered, so nothing is proven"
    for args, why in (
        (["-k", "test_own"], ": -k leaves all controls out"),
        (["-m", "nodered_critcal"], ": -m leaves all controls out"),
        (["-k", "test_absent"], ""),
        (["-k", "test_absent", "-n1"], ""),
    ):
        result = site.run(*args)
        assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
        assert f"{said}{why}" in result.outlines
    site.pytester.makeini("[pytest]\nnodered_url = https://plant.example")
    assert site.run("-k", "test_own", url=None).ret == 0
    assert site.run("-k", "test_absent", url=None).ret == 0
    assert site.run("-k", "chain_is_trusted", url=None).ret == pytest.ExitCode.TESTS_FAILED


def test_a_run_that_ends_at_a_failure_of_the_sites_own_says_why_nothing_was_answered(site: Site) -> None:
    site.write(test_own="def test_fails():\n    raise AssertionError\n")
    result = site.run("-x", "--tb=no")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    said = "no question was answered, so nothing is proven: the run ended before the suite's turn"
    result.stdout.fnmatch_lines([f"nodered-sec: {said} (stopping after 1 failures; -x or --maxfail)"])


HALF_DEAD = """
import pytest_nodered_sec.survey.survey

class HalfDead(Survey):
    def outcome(self, target, ask):
        if ask.probe == "reach":
            return ProbeError(f"connecting to {target.name} port 443: connection refused", Cause.UNREACHABLE)
        if target.name == "plant.example" and ask.probe == "stub":
            return super().outcome(target, ask)
        return ProbeError(f"{target.name} cannot be looked at: see reach-01", Cause.SEE_REACH)

pytest_nodered_sec.survey.survey.Survey = HalfDead
"""


@WORKERS
def test_the_last_lines_name_the_cause_where_nothing_was_answered(site: Site, workers: tuple[str, ...]) -> None:
    site.write(conftest=(site.path / "conftest.py").read_text() + HALF_DEAD)
    second = "--nodered-url=https://hall.example"
    said = "nodered-sec: no question was answered, so nothing is proven"
    cause = "{0}.example: connecting to {0}.example port 443: connection refused"
    result = site.run("--tb=no", second, *workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    lines = [line for line in result.outlines if line.startswith("nodered-sec: ")]
    assert lines[-4:-2] == [f"{said}: {cause.format('plant')}", f"{said}: {cause.format('hall')}"]
    site.write(
        test_x="""
from pytest_nodered_sec import Ask, Severity, control

@control("site-01", severity=Severity.HIGH, asks=[Ask("stub", ("good",), "good")])
def test_own(nodered_seen):
    '''Answered.'''
    assert nodered_seen
"""
    )
    result = site.run("--tb=no", second, *workers)
    lines = [line for line in result.outlines if line.startswith("nodered-sec: ")]
    assert lines[-3] == f"{said} of {cause.format('hall')}"
    assert not any("proven" in line for line in lines[:-3])
    result = site.run("--nodered-suite=off", second, "test_x.py", *workers)
    lines = [line for line in result.outlines if line.startswith("nodered-sec: ")]
    assert lines[-3] == f"{said} of {cause.format('hall')}"  # without reach-01 they say it themselves


FORGOTTEN = """
import functools, pytest
from pytest_nodered_sec import Ask, NonCompliant, Severity, Violation, control, require

def asked(number):
    return control(f"site-0{number}", severity=Severity.HIGH, asks=[Ask("stub", ("good",), "good")])

def judge(seen):
    require(())

def wrapped(test):
    return functools.wraps(test)(lambda **given: test(**given))

@asked(1)
def test_forgotten(nodered_seen):
    '''Its rule is called, and what it says is dropped.'''
    judged = ()

class TestSite:
    @asked(2)
    def test_empty(self, nodered_seen):
        '''Nothing.'''

@asked(3)
def test_helper(nodered_seen):
    '''Another function gives the verdict.'''
    judge(nodered_seen)

@asked(4)
@wrapped
def test_asserts(nodered_seen):
    '''An assert is one.'''
    assert nodered_seen.how == "good"

@asked(5)
def test_fails(nodered_seen):
    '''pytest's own way.'''
    if nodered_seen.how != "good":
        pytest.fail("bad")

@asked(6)
def test_raises(nodered_seen):
    '''Without require.'''
    if nodered_seen.how != "good":
        raise NonCompliant([Violation("x", "seen", "good", "mend it")])
"""


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [("True", "bool"), ("None", "NoneType"), ("False", "bool"), ("('x',)", "tuple"), ("[]", "list")],
)
def test_what_is_no_verdict_is_not_green(site: Site, verdict: str, kind: str) -> None:
    site.write(
        test_x=f"""
from pytest_nodered_sec import Ask, Severity, control, require

@control("site-01", severity=Severity.HIGH, asks=[Ask("stub", ("good",), "good")])
def test_truth(nodered_seen):
    '''Its rule returns something else.'''
    require({verdict})
"""
    )
    result = site.run("--nodered-suite=off")
    result.assert_outcomes(errors=1)
    said = f"require was given no verdict but {kind}: a rule returns () for compliant, "
    assert f"\n{said}" in result.stdout.str()
    assert ".py:" not in result.stdout.str().split("short test summary")[0]


@pytest.mark.parametrize("asserts", ["rewrite", "plain"])
def test_a_control_that_forgot_its_verdict_is_not_green(site: Site, asserts: str) -> None:
    site.write(test_x=FORGOTTEN)
    result = site.run("--nodered-suite=off", f"--assert={asserts}", "--junitxml=junit.xml")
    result.assert_outcomes(passed=4, errors=2)
    result.stdout.fnmatch_lines(
        [
            "control 'site-01': test_forgotten passed without a verdict: end it with require(...), as in *",
            "control 'site-02': test_empty passed without a verdict: *",
            "nodered-sec: 1 target · 4 compliant · 0 non-compliant · 0 waived · 2 errors · 0 not applicable",
        ]
    )
    assert properties(junit(site)["test_forgotten[plant.example-good]"])["outcome"] == "could-not-look"
    assert "Traceback" not in result.stdout.str()
    assert ".py:" not in result.stdout.str().split("short test summary")[0]


BROKEN = """
import pytest
from pytest_nodered_sec import Ask, Severity, control, require

def asked(number):
    return control(f"site-0{number}", severity=Severity.HIGH, asks=[Ask("stub", ("good",), "good")])

@pytest.fixture
def broken():
    raise LookupError("no such file")

@asked(1)
def test_breaks(nodered_seen):
    '''Its rule has a bug.'''
    require(1 / 0)

@asked(2)
def test_forgets(nodered_seen):
    '''It has no verdict.'''

@asked(3)
def test_fixture(nodered_seen, broken):
    '''Its fixture has a bug.'''
    require(())

@pytest.mark.xfail(reason="known")
@asked(4)
def test_expected(nodered_seen):
    '''A mark expects its bug.'''
    raise ValueError
"""


@WORKERS
def test_a_broken_control_is_seen_in_every_report(site: Site, workers: tuple[str, ...]) -> None:
    site.write(test_x=BROKEN)
    args = ("--nodered-suite=off", "--junitxml=junit.xml", "--nodered-report=page.html", "--nodered-hdf=hdf.json")
    result = site.run(*args, *workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(errors=3, xfailed=1)
    assert result.outlines[-3:-1] == [
        "nodered-sec: 1 target · 0 compliant · 0 non-compliant · 0 waived · 4 errors · 0 not applicable",
        "nodered-sec: judged 0 of 4 controls; 4 could not be looked at",
    ]
    reasons = {
        "test_breaks": "the test broke: ZeroDivisionError: division by zero",
        "test_forgets": "control 'site-02': test_forgets passed without a verdict",
        "test_fixture": "a fixture broke: LookupError: no such file",
        "test_expected": "the test broke: ValueError",
    }
    page = (site.path / "page.html").read_text().partition('<h2 id="unseen">')[2].partition("</section>")[0]
    hdf = json.loads((site.path / "hdf.json").read_text())
    results = [result for control in hdf["profiles"][0]["controls"] for result in control["results"]]
    assert {result["status"] for result in results} == {"error"}
    messages = "\n".join(result["message"] for result in results)
    cases = {name.partition("[")[0]: case for name, case in junit(site).items()}
    for name, reason in reasons.items():
        case = cases[name]
        assert reason in page.replace("&#39;", "'")
        assert f"could not look: {reason}" in messages
        assert properties(case)["outcome"] == "could-not-look"
        assert reason in properties(case)["observed"]
