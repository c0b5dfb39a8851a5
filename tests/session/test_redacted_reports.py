"""Other plugins that read a test's exception and report see no secret, whichever wrapper of pytest's hooks they use."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from session.conftest import Site

# Reads as allure-pytest does: behind `yield`, before the wrappers of plugins that are registered later.
READER = """
import pathlib, pytest

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if call.excinfo:
        with pathlib.Path(__file__).with_name("read.txt").open("a") as file:
            file.write(f"{item.name} {call.excinfo.exconly()} | {report.longreprtext}\\n")
"""

TESTS = '''
import pytest
from pytest_nodered_sec import Ask, Credentials, NonCompliant, Severity, Violation, control, require

ACCOUNT = Credentials("operator", "hunter2-plant")

@control("site-01", severity=Severity.HIGH, asks=[Ask("stub", ("a",), "a")])
def test_finding(nodered_seen):
    """Orders are refused."""
    require((Violation("served", "hunter2-plant", "401", "refuse it"),))

def test_own():
    text = ACCOUNT.password
    raise ValueError("sign-in failed", {"password": text})

def test_chain():
    try:
        raise KeyError(ACCOUNT.password)
    except KeyError as error:
        raise OSError(2, ACCOUNT.password, "/x") from error

def test_skip():
    pytest.skip(ACCOUNT.password)
'''


def test_the_text_and_report_of_an_exception_hold_no_secret(site: Site) -> None:
    site.write(reader=READER, test_site=TESTS)
    result = site.run("-preader", "--nodered-suite=off", "--showlocals", "-rA")
    result.assert_outcomes(failed=3, skipped=1)
    read = (site.path / "read.txt").read_text(encoding="utf-8")
    assert all(
        f"{name} " in read or f"{name}[" in read for name in ("test_finding", "test_own", "test_chain", "test_skip")
    )
    assert "hunter2-plant" not in read
    assert read.count("[redacted]") >= 4
    sections = result.stdout.str().split("=== FAILURES")[1]
    assert "hunter2-plant" not in sections.replace('Credentials("operator", "hunter2-plant")', "")
