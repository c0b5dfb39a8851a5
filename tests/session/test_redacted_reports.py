"""Other plugins that read a test's exception and report see no secret, whichever wrapper of pytest's hooks they use."""

from __future__ import annotations

import json
import tomllib
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

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


EVERYWHERE = """
import gc, logging, os, threading, warnings
import pytest

SECRET = os.environ["NODERED_PASSWORD"]
warnings.warn(f"at import {SECRET}")

class Lost:
    def __del__(self):
        raise ValueError(f"lost {SECRET}")

def boom():
    raise ValueError(f"in a thread {SECRET}")

def test_warnings():
    warnings.warn(f"in a test {SECRET}")
    thread = threading.Thread(target=boom)
    thread.start()
    thread.join()
    Lost()
    gc.collect()

@pytest.mark.parametrize("password", [SECRET, SECRET.encode()])
def test_id(password):
    pass

@pytest.fixture(params=[SECRET])
def account(request):
    return request.param

def test_fixture(account):
    pass

def test_parts(subtests):
    with subtests.test(msg=f"with {SECRET}", password=SECRET):
        assert False

def test_properties(record_property, record_testsuite_property):
    record_property("account", SECRET)
    record_testsuite_property("suite's account", SECRET)

def test_fails():
    logging.getLogger("plant").handle(logging.makeLogRecord({"msg": f"made {SECRET}", "levelno": 40}))
    raise ValueError(SECRET)
"""
BROKEN = """
import os
raise RuntimeError("import " + os.environ["NODERED_PASSWORD"])
"""
CONFTEST = """
import os

def pytest_runtest_logreport(report):
    if "test_fails" in report.nodeid and report.when == "teardown":
        raise ValueError("internal " + os.environ["NODERED_PASSWORD"])
"""
CRASHES = """
import os
import pytest

@pytest.mark.parametrize("password", [os.environ["NODERED_PASSWORD"]], ids=[os.environ["NODERED_PASSWORD"]])
def test_that_ends(password):
    os._exit(3)
"""


def _leaks(site: Site, result: pytest.RunResult) -> list[str]:
    """Return where the secret stands; the site's own files do not count, they read it from the environment."""
    texts = {"stdout": result.stdout.str(), "stderr": result.stderr.str()}
    written = (path for path in site.path.rglob("*") if path.is_file())
    texts |= {path.name: path.read_text(encoding="utf-8", errors="replace") for path in written}
    return [f"{name}: {line}" for name, text in texts.items() for line in text.splitlines() if SECRET in line]


SECRET = "hunter2-of-the-line"


@pytest.mark.parametrize("trace", [(), ("--debug=trace.log",)])
def test_nothing_that_pytest_shows_holds_a_secret(
    site: Site, trace: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODERED_USERNAME", "operator")
    monkeypatch.setenv("NODERED_PASSWORD", SECRET)
    site.write(test_site=EVERYWHERE, test_broken=BROKEN)
    options = ("-v", "-rA", "--setup-show", "--showlocals", "--durations=0", "--junitxml=out.xml", *trace)
    result = site.run("--nodered-suite=off", "--continue-on-collection-errors", *options)
    assert not _leaks(site, result)
    text = result.stdout.str()
    for words in (
        "at import [red",
        "in a test [red",
        "in a thread [red",
        "lost [red",
        "import [red",
        "with [redacted]",
    ):
        assert words in text, words
    assert "test_id[" in text
    assert "suite's account" in (site.path / "out.xml").read_text(encoding="utf-8")


TELLING = f"""
guess = {{value = false, reason = "not with {SECRET}"}}
dashboards = [{{path = "/ui", public = true, reason = "the login is {SECRET}"}}]
[[waiver]]
control = "tls-16"
reason = "{SECRET}"
ticket = "{SECRET}"
expires = 2999-12-20
"""


@pytest.mark.parametrize("policy", [TELLING, TELLING.replace("[[waiver]]", '[assessment]\nscope = "a"\n[[waiver]]')])
def test_no_policy_is_shown_with_any(site: Site, policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODERED_USERNAME", "operator")
    monkeypatch.setenv("NODERED_PASSWORD", SECRET)
    (site.path / "nodered-sec.toml").write_text(policy)
    result = site.run("--nodered-show-policy")
    assert result.ret == pytest.ExitCode.OK
    assert {leak.partition(":")[0] for leak in _leaks(site, result)} == {"nodered-sec.toml"}
    assert tomllib.loads(result.stdout.str())["fail_on"]


@pytest.mark.parametrize("mistake", ["surprise = 1", "expires = 12"])
def test_a_mistake_beside_a_secret_is_told_without_it(
    site: Site, mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANT_USERNAME", "operator")
    monkeypatch.setenv("PLANT_PASSWORD", SECRET)
    monkeypatch.setenv("OTHER_PASSWORD", "12")
    policy = f'dashboards = [{{path = "/ui", public = true, reason = "{SECRET}", {mistake}}}]\n'
    (site.path / "nodered-sec.toml").write_text(policy)
    result = site.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = result.stderr.str()
    assert 'reason = "[redacted]"' in said
    assert mistake in said, "a short secret leaves the rest of it as it is"
    assert SECRET not in said


def test_the_trace_of_a_run_that_has_learnt_nothing_yet_holds_no_reason(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODERED_USERNAME", "operator")
    monkeypatch.setenv("NODERED_PASSWORD", SECRET)
    (site.path / "nodered-sec.toml").write_text(TELLING)
    site.write(test_site="def test_nothing(): pass")
    result = site.run("--nodered-suite=off", "--nodered-policy=nodered-sec.toml", "--debug=trace.log")
    result.assert_outcomes(passed=1)
    assert {leak.partition(":")[0] for leak in _leaks(site, result)} == {"nodered-sec.toml"}


def test_an_internal_error_holds_none(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODERED_USERNAME", "operator")
    monkeypatch.setenv("NODERED_PASSWORD", SECRET)
    site.write(test_site=EVERYWHERE, reporting=CONFTEST)
    result = site.run("-preporting", "--nodered-suite=off", "--junitxml=out.xml")
    assert not _leaks(site, result)
    assert "internal [redacted]" in result.stdout.str()


def test_the_report_of_a_worker_that_died_holds_none(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODERED_USERNAME", "operator")
    monkeypatch.setenv("NODERED_PASSWORD", SECRET)
    site.write(test_site=CRASHES)
    result = site.run("--nodered-suite=off", "-n1", "-v", "--junitxml=out.xml")
    assert not _leaks(site, result)
    assert "crashed while running" in result.stdout.str()


NAMED = '''
import os
import pytest
from pytest_nodered_sec import Ask, Severity, control, require

SECRET = os.environ["NODERED_PASSWORD"]
SEVERAL = [SECRET, "other", SECRET + "!"]

@control("site-01", severity=Severity.HIGH, asks=[Ask("stub", ("a",), "a")])
@pytest.mark.parametrize("given", SEVERAL, ids=[f"c {value} c" for value in SEVERAL])
def test_control(nodered_seen, given):
    """Orders are refused."""
    require(())

@pytest.mark.parametrize("given", SEVERAL, ids=lambda value: "L" + value)
def test_function(given):
    pass

@pytest.mark.parametrize("given", SEVERAL, ids=(value for value in SEVERAL))
def test_generator(given):
    pass

@pytest.mark.parametrize("given", [pytest.param(1, id=f"as {SECRET}")])
def test_param(given, record_property):
    record_property("nodered_sec.note", SECRET)

@pytest.fixture(params=SEVERAL, ids=SEVERAL)
def account(request):
    return request.param

def test_fixture(account):
    pass
'''


@pytest.mark.parametrize("password", [SECRET, "Kran!7x", "pässwörter-1"])
@pytest.mark.parametrize("workers", [(), ("-n2", "--debug=trace.log")], ids=["plain", "xdist"])
def test_ids_that_a_test_is_given_hold_none_wherever_it_is_known_by_them(
    site: Site, password: str, workers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODERED_USERNAME", "operator")
    monkeypatch.setenv("NODERED_PASSWORD", password)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(site.path / "summary.md"))
    site.write(test_site=NAMED)
    out = ("--nodered-evidence=ev", "--nodered-sarif=r.sarif", "--nodered-hdf=hdf.json", "--nodered-job-summary")
    result = site.run("--nodered-suite=off", "-v", "-rA", "--junitxml=out.xml", *out, *workers)
    result.assert_outcomes(passed=13)
    texts = {path.name: path.read_text() for path in site.path.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    texts |= {"terminal": result.stdout.str() + result.stderr.str()}
    escaped = password.encode("unicode_escape").decode()
    assert not [name for name, text in texts.items() if password in text or escaped in text]
    records = [json.loads(line) for line in texts["results.jsonl"].splitlines()]
    ids = {record["nodeid"].partition("::")[2] for record in records}
    assert len(ids) == 3
    assert "test_control[plant.example-a-c other c]" in ids
    cases = {f"{case.get('name')}" for case in ET.fromstring(texts["junit.xml"]).iter("testcase")}  # noqa: S314  our own file
    assert ids < cases
    assert len(cases) == 13
