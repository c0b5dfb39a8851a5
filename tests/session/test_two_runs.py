"""Two runs in one process, one after the other and one inside the other: nothing of one is seen in the other."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

import pytest_nodered_sec.session.hooks  # in this process, so that both runs share its modules
import pytest_nodered_sec.survey.survey
from pytest_nodered_sec import redaction
from pytest_nodered_sec.controls import NoVerdict, judging, require
from pytest_nodered_sec.learnt import Runs

if TYPE_CHECKING:
    from session.conftest import Site

FIRST = '''
from pytest_nodered_sec import Ask, Credentials, Severity, Violation, control, require

ACCOUNT = Credentials("operator", "hunter2-first")

@control("site-01", severity=Severity.HIGH, asks=[Ask("stub", ("a",), "a")])
def test_orders(nodered_seen):
    """Orders are refused."""
    print("first says hunter2-first")
    require((Violation("served", "hunter2-first", "401", "refuse it"),))
'''

SECOND = '''
from pytest_nodered_sec import Ask, Severity, control, require

@control("site-02", severity=Severity.LOW, asks=[Ask("stub", ("a",), "a")])
def test_silent(nodered_seen):
    """Gives no verdict."""

@control("site-03", severity=Severity.LOW, asks=[Ask("stub", ("a",), "a")])
def test_good(nodered_seen):
    """Is compliant."""
    require(())

def test_own():
    raise AssertionError("second says hunter2-first")
'''


@pytest.fixture(autouse=True)
def _untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    survey = pytest_nodered_sec.survey.survey
    monkeypatch.setattr(survey, "Survey", survey.Survey)  # the site's conftest.py replaces it in this process
    monkeypatch.setattr(redaction, "_runs", Runs(redaction._watch_logging))


def _run(site: Site, name: str) -> str:
    alone = ("-pno:randomly", "-pno:hypothesispytest", "-pno:pytest11.testinfra", "-pno:cacheprovider")
    args = ("--nodered-suite=off", "--nodered-url=https://plant.example", f"{name}.py")
    result: pytest.RunResult = site.pytester.runpytest_inprocess(*alone, *args)
    return str(result.stdout)


def test_nothing_of_a_run_is_seen_in_the_next_one(site: Site) -> None:
    factory, method = logging.getLogRecordFactory(), logging.Logger.handle
    site.write(test_first=FIRST, test_second=SECOND)
    first = _run(site, "test_first")
    assert "hunter2-first" not in first
    assert "[redacted]" in first
    assert "1 target · 0 compliant · 1 non-compliant (1 high)" in first
    assert (logging.getLogRecordFactory(), logging.Logger.handle) == (factory, method)
    second = _run(site, "test_second")
    assert "second says hunter2-first" in second  # a secret of the first alone
    assert "site-01" not in second
    assert "1 target · 1 compliant · 0 non-compliant" in second
    assert "test_silent passed without a verdict" in second


SHORT = """
from pytest_nodered_sec import Credentials

ACCOUNT = Credentials("operator", "t")

def test_own():
    print("as t is")
    raise AssertionError("a t in short")
"""

PLAIN = """
import pytest

@pytest.mark.parametrize("letter", ["t"])
def test_own(letter, nodered_targets):
    raise AssertionError("a t in short")
"""


def test_a_short_secret_of_a_run_or_of_the_process_is_none_of_the_next_run(site: Site) -> None:
    redaction.learn("short")  # by a unit test of this process, which is no run
    site.write(test_first=SHORT, test_second=PLAIN)
    assert "a [redacted] in short" in _run(site, "test_first")
    assert "a t in short" in _run(site, "test_second")


def test_runs_that_follow_each_other_inside_another_run_share_nothing(site: Site) -> None:
    end = redaction.begin()
    site.write(test_first=SHORT, test_second=PLAIN)
    assert "a [redacted] in short" in _run(site, "test_first")
    assert "a t in short" in _run(site, "test_second")
    assert redaction.scrub("a t in short") == "a [redacted] in short"  # what the first said may be in its report
    end()


def test_the_verdict_of_a_control_in_an_inner_run_is_none_of_the_outer_one() -> None:
    def silent() -> None:
        """Pass, whatever the run inside it does."""

    outer, inner = judging("site-01", silent), judging("site-02", silent)
    next(outer)
    next(inner)
    require(())
    with pytest.raises(StopIteration):
        inner.send(None)
    with pytest.raises(NoVerdict, match="site-01"):
        outer.send(None)


def test_a_run_inside_a_test_of_another_leaves_that_ones_secrets_hidden(site: Site) -> None:
    end = redaction.begin()
    redaction.learn("hunter2-outer")
    site.write(test_first=FIRST.replace('"refuse it"', '"hunter2-outer"'))
    assert "hunter2-outer" not in _run(site, "test_first")
    assert redaction.scrub("hunter2-outer hunter2-first") == "[redacted] [redacted]"
    end()
