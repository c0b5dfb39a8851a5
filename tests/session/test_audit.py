"""How much of what there is was judged: the last line, the run's facts, and runs that are no audit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from session.conftest import ASSESSMENT, AUDIT_WITHOUT, DUMP, WORKERS

from pytest_nodered_sec.data.releases import advisories_checked
from pytest_nodered_sec.session.audit import check_audit

if TYPE_CHECKING:
    from session.conftest import Site

CONTROLS = '''
from pytest_nodered_sec import Ask, Severity, Violation, control, require

def asks(*labels):
    return [Ask("stub", (label,), label) for label in labels]

@control("site-01", severity=Severity.HIGH, asks=asks("good"))
def test_a(nodered_seen):
    """A."""
    assert nodered_seen

@control("site-02", severity=Severity.HIGH, asks=asks("good", "error"))
def test_b(nodered_seen):
    """B."""
    assert nodered_seen

@control("site-03", severity=Severity.HIGH, asks=asks("good"))
def test_c(nodered_seen):
    """C."""
    require((Violation("open", "it is open", "closed", "close it"),))
'''


@pytest.fixture
def kept(site: Site) -> Site:
    """A site with three controls whose ledger can be read afterwards."""
    site.write(test_site=CONTROLS, dump=DUMP)
    return site


def book(site: Site) -> dict[str, Any]:  # Any: JSON
    content: dict[str, Any] = json.loads((site.path / "book.json").read_text())
    return content


def outcomes(site: Site) -> dict[str, str]:
    return {record["control"]: record["outcome"] for record in book(site)["accounts"]}


@pytest.mark.parametrize(
    ("args", "line", "narrowed"),
    [
        (["-n2"], "judged 2 of 3 controls; 1 could not be looked at", ""),
        (["-n2", "-k", "good"], "judged 2 of 3 controls; 1 not selected (-k)", "-k"),
        ([], "judged 2 of 3 controls; 1 could not be looked at", ""),
        (["-k", "test_a"], "judged 1 of 3 controls; 2 not selected (-k)", "-k"),
        (["-k", "good"], "judged 2 of 3 controls; 1 not selected (-k)", "-k"),  # a part of site-02 is not site-02
        (
            ["--deselect", "test_site.py::test_c"],
            "judged 1 of 3 controls; 1 could *, 1 not *(--deselect)",
            "--deselect",
        ),
        (["-k", "test_", "-m", "nodered_control"], "judged 2 of 3 controls; 1 could not be looked at", "-k, -m"),
    ],
)
def test_the_last_line_and_the_accounts(kept: Site, args: list[str], line: str, narrowed: str) -> None:
    result = kept.run("--nodered-suite=off", "-p", "dump", *args)
    pytest.LineMatcher([result.outlines[-2]]).fnmatch_lines([f"nodered-sec: {line}"])
    assert book(kept)["facts"]["narrowed"] == narrowed
    assert sorted(outcomes(kept)) == ["site-01", "site-02", "site-03"]


@WORKERS
def test_facts_of_a_run(kept: Site, workers: tuple[str, ...]) -> None:
    (kept.path / "nodered-sec.toml").write_text(
        'guess = {value = false, reason = "a directory"}\n'
        '[[waiver]]\ncontrol = "site-03"\nfinding = "open"\nreason = "later"\nexpires = 2099-12-31\n'
    )
    kept.run("--nodered-suite=off", "-p", "dump", "--nodered-url=https://other.example", *workers)
    kept_book = book(kept)
    facts = kept_book["facts"]
    assert (facts["plugin"], facts["interrupted"], facts["audit"], facts["fail_on"]) == ("0.1.0", False, False, "low")
    assert facts["tools"]["pytest"] == pytest.__version__
    assert {"python", "openssl", "requests", "cryptography"} <= set(facts["tools"])
    started, ended = (datetime.fromisoformat(facts[name]) for name in ("started", "ended"))
    assert started.utcoffset() == timedelta(0)
    assert timedelta(0) <= ended - started < timedelta(minutes=5)
    plant, other = facts["targets"]
    assert (plant["name"], plant["url"], plant["profile"]) == ("plant.example", "https://plant.example", "production")
    assert other["name"] == "other.example"
    for target in (plant, other):
        assert target["identity"]["addresses"] == ["192.0.2.7", "2001:db8::7"]
        assert target["identity"]["node_red"] == "4.1.0"
        assert f'name = "{target["name"]}"' in target["policy"]
        assert "[[target.waiver]]" in target["policy"]
    assert plant["deviations"] == [{"key": "guess", "value": "false", "demanded": "true", "reason": "a directory"}]
    assert plant["waivers"] == [
        {
            "control": "site-03", "instance": "", "finding": "open", "reason": "later", "expires": "2099-12-31",
            "approver": "", "ticket": "", "measure": "", "in_force": True,
        }
    ]  # fmt: skip
    waived = [record for record in kept_book["records"] if record["control"] == "site-03"]
    assert [record["waiver"] for record in waived] == [
        {"reason": "later", "expires": "2099-12-31", "approver": "", "ticket": "", "measure": "", "findings": ["open"]}
    ] * 2
    assert {record["outcome"] for record in waived} == {"waived"}
    assert {target["policy_sha256"] for target in kept_book["records"]} == {
        target["policy_sha256"] for target in facts["targets"]
    }


def test_with_xdist_the_book_is_the_same(kept: Site) -> None:
    def told() -> dict[str, Any]:
        kept_book = book(kept)
        for record in kept_book["records"]:
            record["started"] = record["seconds"] = None
        kept_book["records"].sort(key=lambda record: record["nodeid"])
        kept_book["accounts"].sort(key=lambda record: (record["target"], record["control"]))
        for key in ("started", "ended", "command", "clock"):
            del kept_book["facts"][key]
        return kept_book

    kept.run("-p", "dump")
    plain = told()
    kept.run("-p", "dump", "-n2")
    assert told() == plain


def test_an_interrupted_run_says_so(kept: Site) -> None:
    first = """
import time
from pytest_nodered_sec import Ask, Severity, control

@control("site-00", severity=Severity.LOW, asks=[Ask("stub", ("good",))])
def test_first(nodered_seen):
    '''First.'''
    assert nodered_seen

def test_sleeps():
    open("here", "w").close()
    time.sleep(60)
"""
    kept.write(test_a=first)
    args = [sys.executable, "-m", "pytest", "-p", "dump", "-p", "no:randomly", "--nodered-suite=off"]
    args.append("--nodered-url=https://plant.example")
    run = subprocess.Popen(args, cwd=kept.path, stdout=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 60
        while not (kept.path / "here").exists() and time.monotonic() < until:
            time.sleep(0.05)
        os.kill(run.pid, signal.SIGINT)
        said, _ = run.communicate(timeout=60)
    finally:
        run.kill()
    assert "judged 1 of 4 controls; 3 not selected (interrupted)" in said
    assert book(kept)["facts"]["interrupted"] is True
    assert outcomes(kept) == {"site-00": "compliant"} | {f"site-0{number}": "not-selected" for number in (1, 2, 3)}


# --- audits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["-k", "tls"], "-k"),
        (["-m", "x", "--deselect", "y"], "-m, --deselect"),
        (["--setup-only"], "--setup-only"),
        (["--setup-plan"], "--setup-plan"),
        (["-x"], "-x"),
        (["--maxfail=1"], "--maxfail"),
        (["--maxfail=3"], "--maxfail"),
        (["--lf"], "--lf"),
        (["--sw"], "--sw"),
        (["--reruns=2"], "--reruns"),
        (["nodered-sec/test_tls.py"], "nodered-sec/test_tls.py"),
        (["--nodered-suite=off"], "--nodered-suite=off"),
        (["-k", "a", "--reruns=2", "-n1"], "-k, --reruns"),
    ],
)
def test_a_narrowed_run_is_no_audit(site: Site, args: list[str], said: str) -> None:
    if any("reruns" in arg for arg in args):
        pytest.importorskip("pytest_rerunfailures")
    result = site.run("--nodered-audit", *args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == [
        f"ERROR: --nodered-audit runs every test exactly once: remove {said}"
    ]
    assert site.asked() == []


@WORKERS
def test_findings_of_every_severity_fail_an_audit(site: Site, workers: tuple[str, ...]) -> None:
    low = CONTROLS.replace("Severity.HIGH", "Severity.LOW").replace('asks("good", "error")', 'asks("good")')
    few = "items[:] = [one for one in items if one.nodeid.startswith('test_x')]"
    site.write(test_x=low, few=f"def pytest_collection_modifyitems(items):\n    {few}\n")
    site.audited('fail_on = "critical"\n')
    args = ("-p", "few", "--nodered-fail-on=critical", *workers)
    assert site.run(*args).ret == 0
    result = site.run("--nodered-audit", *args)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*audit: findings of every severity fail the run, whatever fail-on says"])
    result.stdout.fnmatch_lines(["nodered-sec: * 1 non-compliant (1 low) *"])


@pytest.mark.parametrize("where", ["option", "file"])
def test_an_audit_in_calm_mode_is_refused(site: Site, where: str) -> None:
    if where == "file":
        (site.path / "nodered-sec.toml").write_text('mode = "calm"\n')
    result = site.run("--nodered-audit", *(["--nodered-mode=calm"] if where == "option" else []))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    [line] = [line for line in result.errlines if line]
    assert line.startswith('ERROR: --nodered-audit runs every test: remove mode = "calm" of plant.example, or ')
    assert site.asked() == []


def test_an_audit_needs_a_target(site: Site) -> None:
    result = site.run("--nodered-audit", url=None)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --nodered-audit needs a target: *"])


REFUSED = {
    "nobody": ("", "needs a name, a permission and a scope: add assessor, organisation, authorisation, scope to *"),
    "no scope": (ASSESSMENT.replace("scope = ", "vantage = "), "*: add scope to the [[]assessment] table of *"),
    "outside only": (
        ASSESSMENT,
        "looks from inside as well, and there is no account for plant.example; no host for plant.example: add "
        'credentials and host to the [[][[]target]], or say why not: audit_without = [[]{part = "account", *',
    ),
    "no host": (
        'audit_without = [{part = "account", reason = "none"}]' + ASSESSMENT,
        "looks from inside as well, and there is no host for plant.example: add host to *",
    ),
    "nobody approved": (
        f"{AUDIT_WITHOUT}{ASSESSMENT}[[waiver]]\ncontrol = 'admin-01'\nfinding = 'served'\nreason = 'x'\n"
        "expires = 2999-12-31\n",
        "--nodered-audit: the waiver of admin-01 served at plant.example accepts a critical finding, and nobody *",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_audit_needs_coverage_and_names(site: Site, name: str) -> None:
    policy, said = REFUSED[name]
    (site.path / "nodered-sec.toml").write_text(policy)
    result = site.run("--nodered-audit")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert len([line for line in result.errlines if line]) == 1
    result.stderr.fnmatch_lines([f"ERROR: --nodered-audit*{said.removeprefix('--nodered-audit')}"])
    assert site.asked() == []


def test_an_audit_is_about_deployments(site: Site) -> None:
    (site.path / "flows.json").write_text("[]")
    site.audited()
    result = site.run("--nodered-audit", "--nodered-flows=flows.json", url=None)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    [line] = [line for line in result.errlines if line]
    assert line.startswith("ERROR: --nodered-audit needs deployments, not flow files")
    assert line.endswith(": remove --nodered-flows (flows.json)")


def test_an_audit_with_an_old_table_is_refused_before_anything_is_asked(site: Site) -> None:
    text = (site.path / "conftest.py").read_text()
    site.write(conftest=f"{text}\npytest_nodered_sec.session.audit._OLDEST_TABLE = -1\n")
    site.audited()
    result = site.run("--nodered-audit")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    [line] = [line for line in result.errlines if line]
    assert line.startswith("ERROR: --nodered-audit: the table of advisories was last reviewed on ")
    assert site.asked() == []


def test_what_an_audit_of_some_targets_leaves_out_is_named(kept: Site) -> None:
    tables = "".join(f"[[target]]\nname = '{name}'\nurl = 'https://{name}.example'\n" for name in ("hall", "yard"))
    (kept.path / "nodered-sec.toml").write_text(tables)
    kept.run("--nodered-suite=off", "-p", "dump", "--nodered-target=hall", "--nodered-evidence=ev", url=None)
    assert book(kept)["facts"]["omitted"] == ["yard"]
    assert "targets of the policy file that this run leaves out: yard" in (kept.path / "ev/report.html").read_text()
    kept.run("--nodered-suite=off", "-p", "dump", "--nodered-replay=ev", url=None)
    assert book(kept)["facts"]["omitted"] == ["yard"]


@WORKERS
def test_a_critical_finding_of_ones_own_control_needs_an_approver(site: Site, workers: tuple[str, ...]) -> None:
    waiver = "[[waiver]]\ncontrol = 'site-03'\nfinding = 'open'\nreason = 'x'\nexpires = 2999-12-31\n"
    few = "items[:] = [one for one in items if one.nodeid.startswith('test_x')]"
    site.write(
        test_x=CONTROLS.replace("Severity.HIGH", "Severity.CRITICAL").replace('asks("good", "error")', 'asks("good")'),
        few=f"def pytest_collection_modifyitems(items):\n    {few}\n",
    )
    said = "nodered-sec: no audit: site-03 open at plant.example is critical, and its waiver names no approver"
    site.audited(waiver)
    assert said in site.run("--nodered-audit", "-p", "no:randomly", *workers).outlines
    site.audited(waiver + "approver = 'K. Roe'\n")
    assert said not in site.run("--nodered-audit", *workers).outlines


def test_an_audit_needs_a_table_of_advisories_that_was_reviewed(pytestconfig: pytest.Config) -> None:
    last = advisories_checked() + timedelta(days=90)
    check_audit(pytestconfig, "", "with", last)
    with pytest.raises(pytest.UsageError, match=r"reviewed on \d{4}-\d\d-\d\d, 91 days ago \(limit 90\)"):
        check_audit(pytestconfig, "", "with", last + timedelta(days=1))
    check_audit(pytestconfig, "", "only", date(2000, 1, 1))


@WORKERS
def test_a_whole_run_is_an_audit(site: Site, workers: tuple[str, ...]) -> None:
    site.write(
        test_x="from pytest_nodered_sec import Ask, Severity, control\n"
        '@control("site-01", severity=Severity.LOW, asks=[Ask("stub", ("good",))])\n'
        'def test_a(nodered_seen):\n    """A."""\n    assert nodered_seen\n',
        dump=DUMP,
        few="def pytest_collection_modifyitems(items):\n"
        "    items[:] = [one for one in items if 'test_x' in one.nodeid]\n",
    )
    site.audited()
    result = site.run("--nodered-audit", "-p", "dump", *workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED  # nobody answers there
    result.stdout.no_fnmatch_line("*no audit*")
    assert book(site)["facts"]["audit"] is True
    result = site.run("--nodered-audit", "-p", "few", *workers)  # something other than an option leaves tests out
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "nodered-sec: no audit: tests were left out (deselected)",
            "nodered-sec: judged 1 of * not selected (deselected)",
        ]
    )


def test_what_was_run_again_is_no_audit(site: Site) -> None:
    pytest.importorskip("pytest_rerunfailures")
    site.write(
        test_x="import pytest\nfrom pytest_nodered_sec import Ask, Severity, control\n"
        "@pytest.mark.flaky(reruns=1)\n"
        '@control("site-01", severity=Severity.LOW, asks=[Ask("stub", ("good",))])\n'
        'def test_a(nodered_seen, runs=[]):\n    """A."""\n    runs.append(1)\n    assert len(runs) > 1\n',
    )
    site.audited()
    result = site.run("--nodered-audit")
    result.stdout.fnmatch_lines(["nodered-sec: no audit: tests were run again"])


def test_the_junit_file_knows_the_run(kept: Site) -> None:
    kept.run("--nodered-suite=off", "--junitxml=junit.xml", "-n2", "-k", "test_a")
    (suite,) = ET.parse(kept.path / "junit.xml").iter("testsuite")  # noqa: S314  our own run wrote it
    values = {str(prop.get("name")): prop.get("value") for prop in suite.iterfind("properties/property")}
    assert values["nodered_sec.narrowed"] == "-k"
    assert values["nodered_sec.target.plant.example.addresses"] == "192.0.2.7 2001:db8::7"
    assert values["nodered_sec.target.plant.example.clock_offset"] == "2"
