"""Waivers in a run: what they accept, what they do not hide, and whether they are still right."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from session.conftest import DUMP

if TYPE_CHECKING:
    from session.conftest import Site

WORKERS = pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["plain", "xdist"])
TODAY = datetime.now(UTC).date()
ANSWER = "GET /api/orders without credentials answered 200 (application/json, 2913 bytes)"
ASSERTS = '''
from pytest_nodered_sec import Ask, Severity, control

@control("site-02", severity=Severity.LOW, asks=[Ask("stub", ("good",), "good")])
def test_asserts(nodered_seen):
    """A plain assertion is a verdict too."""
    assert nodered_seen.how == "bad"
'''


def waiver(control: str, finding: str = "served", days: int = 40, **more: str) -> str:
    lines = {"control": control, "finding": finding, "reason": f"why {control}"} | more
    said = "\n".join(f"{key} = {json.dumps(value)}" for key, value in lines.items() if value)
    return f"[[waiver]]\n{said}\nexpires = {TODAY + timedelta(days)}\n"


def write(site: Site, *texts: str) -> None:
    (site.path / "nodered-sec.toml").write_text("\n".join(texts), encoding="utf-8")


def seen(site: Site) -> dict[str, tuple[str, str]]:
    """Return what JUnit has of the site's own cases and of the waivers: the element and the outcome."""
    outcomes: dict[str, tuple[str, str]] = {}
    for case in ET.parse(site.path / "junit.xml").iter("testcase"):  # noqa: S314  our own run wrote it
        of = {
            str(element.get("name")).removeprefix("nodered_sec."): str(element.get("value"))
            for element in case.iter("property")
        }
        name = str(case.get("name"))
        if of["control"].startswith("site-") or of["control"] == "waiver-01":
            tags = {child.tag for child in case} - {"properties", "system-out", "system-err"}
            shown = name.partition("[plant.example-")[2].rstrip("]")
            outcomes[shown] = (" ".join(sorted(tags)), of["outcome"])
    return outcomes


@WORKERS
def test_what_a_waiver_accepts_and_what_it_does_not_hide(site_with_control: Site, workers: tuple[str, ...]) -> None:
    site = site_with_control
    write(site, waiver("site-01", ticket="OT-1", measure="a fence"))  # for every instance
    result = site.run("--nodered-suite=off", "--junitxml=junit.xml", "-rx", *workers)
    assert seen(site) == {
        "good": ("", "compliant"),
        "bad": ("skipped", "waived"),
        "worse": ("failure", "non-compliant"),  # its second finding is not waived
        "absent": ("skipped", "not-applicable"),
        "error": ("error", "could-not-look"),  # nothing was looked at, so nothing is accepted
    }
    line = f"site-01 served, until {TODAY + timedelta(40)}: why site-01; ticket: OT-1; measure: a fence"
    result.stdout.fnmatch_lines(
        [
            f"nodered-sec:   waiver: {line}",
            "nodered-sec: 1 waiver, next to expire: site-01 served of plant.example after * (40 days left)",
            "site-01 critical cors · any origin may read it",
            "  expected  no Access-Control-Allow-Origin",
            "  remedy    settings.js: httpNodeCors",
            f"  waiver    {line}",
            f"XFAIL *bad* - site-01 critical served · {ANSWER}",
            "nodered-sec: 1 target · 1 compliant · 1 non-compliant (1 critical) · 1 waived · 1 error · 1 not app*",
            "nodered-sec: judged 1 of 1 controls",
        ],
        consecutive=False,
    )
    failures = result.stdout.str().partition("= FAILURES =")[2].partition("====")[0]
    assert ANSWER not in failures  # what is waived is not shown as what failed


@WORKERS
def test_a_waived_cases_entry_carries_the_finding(site_with_control: Site, workers: tuple[str, ...]) -> None:
    write(site_with_control, waiver("site-01", instance="bad", approver="J. Doe"))
    site_with_control.run("--nodered-suite=off", "--junitxml=junit.xml", *workers)
    (skipped,) = ET.parse(site_with_control.path / "junit.xml").iterfind(".//skipped[@type='pytest.xfail']")  # noqa: S314  pytest wrote it
    for said in (skipped.text, skipped.get("message")):
        assert str(said).startswith(
            f"site-01 critical served · {ANSWER}\n  expected  401 or 403\n  remedy    settings.js: adm"
        )
        assert str(said).endswith(f"\n  waiver    site-01 bad served, until {TODAY + timedelta(40)}: why site-01; "
                                  "approver: J. Doe")  # fmt: skip


def test_several_waivers_of_one_case(site_with_control: Site) -> None:
    site = site_with_control
    write(site, waiver("site-01", instance="worse"), waiver("site-01", "cors", 9, instance="worse"))
    site.run("--nodered-suite=off", "--junitxml=junit.xml")
    assert seen(site)["worse"] == ("skipped", "waived")
    assert seen(site)["bad"] == ("failure", "non-compliant")


def test_a_waived_case_that_passes_fails_strictly(site_with_control: Site) -> None:
    site = site_with_control
    write(site, waiver("site-01", instance="good"))
    result = site.run("--nodered-suite=off", "--junitxml=junit.xml", "-k", "good")
    result.assert_outcomes(failed=1)
    assert seen(site)["good"] == ("failure", "compliant")
    result.stdout.fnmatch_lines(
        [
            "site-01 critical · [[]XPASS(strict)[]] compliant: the waiver is no longer needed",
            "  waiver    site-01 good served, until *: why site-01",
            "  remedy    remove the [[][[]waiver[]][]] of site-01 good served from the policy file",
        ]
    )
    write(site, 'stale_waivers = "warn"', waiver("site-01", instance="good"))
    site.run("--nodered-suite=off", "-k", "good").assert_outcomes(passed=1)


def test_an_expired_waiver_accepts_nothing(site_with_control: Site) -> None:
    site = site_with_control
    write(site, waiver("site-01", days=-1), waiver("site-01", "cors", days=0))
    result = site.run("--nodered-suite=off", "--junitxml=junit.xml")
    assert seen(site)["bad"] == ("failure", "non-compliant")
    result.stdout.fnmatch_lines(
        [
            "nodered-sec:   waiver: site-01 served, expired after *: why site-01",
            "nodered-sec: 2 waivers, 1 expired, next to expire: site-01 cors of plant.example after * (0 days left)",
        ]
    )
    quiet = site.run("-q", "--nodered-suite=off").outlines  # without a header, and without waiver-01
    assert [line for line in quiet if "expired" in line] == [
        f"nodered-sec: 1 waiver has expired: site-01 served of plant.example after {TODAY - timedelta(1)}"
    ]
    judged = site.run("-q").outlines
    assert any("waiver-01" in line and "expired" in line for line in judged)
    assert not any("has expired" in line for line in judged)


def test_a_plain_assertion_can_be_waived(site: Site) -> None:
    site.write(test_site=ASSERTS)
    write(site, waiver("site-02", "assert"))
    result = site.run("--nodered-suite=off", "--junitxml=junit.xml", "-rx")
    assert seen(site) == {"good": ("skipped", "waived")}
    result.stdout.fnmatch_lines(["XFAIL *asserts* - site-02 low · AssertionError: assert 'good' == 'bad'"])


def test_a_body_that_pytest_timeout_ends_is_no_finding(site: Site) -> None:
    ends = "import pytest; pytest.fail('Timeout (>0.3s) from pytest-timeout.')"  # as pytest-timeout 2.4 ends a test
    site.write(test_site=ASSERTS.replace('assert nodered_seen.how == "bad"', ends))
    write(site, waiver("site-02", "assert"))
    result = site.run("--nodered-suite=off", "--junitxml=junit.xml")
    result.assert_outcomes(errors=1)
    assert [outcome for _, outcome in seen(site).values()] == ["could-not-look"]
    result.stdout.fnmatch_lines(["*judged 0 of *1 could not be looked at"])


def test_what_is_left_is_judged_by_its_own_severity(site: Site) -> None:
    site.write(
        test_site='''
from pytest_nodered_sec import Ask, Severity, Violation, control, require

MILD = Violation("mild", "it is half open", "closed", "close it", Severity.LOW)
PLAIN = Violation("plain", "it is open", "closed", "close it")

@control("site-01", severity=Severity.HIGH, asks=[Ask("stub", ("good",))])
def test_both(nodered_seen):
    """Both."""
    require((MILD, PLAIN))
'''
    )
    write(site, 'fail_on = "medium"', waiver("site-01", "plain"))
    result = site.run("--nodered-suite=off", "--junitxml=junit.xml")
    result.assert_outcomes(xfailed=1)
    result.stdout.fnmatch_lines(["*1 non-compliant (1 low; failing from medium) · 0 waived*"])


# --- whether they are still right --------------------------------------------------------------------------------

REORDERED = """
import pytest
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    items.reverse()
"""
ALL = (
    waiver("site-01"),
    waiver("site-01", instance="absent"),
    waiver("site-01", instance="good"),
    waiver("site-01", instance="error"),
    waiver("site-01", "cors", days=-3),
    waiver("site-01", "typo"),
    waiver("site-09", instance="x"),
    waiver("admin-01", instance="GET /nothing"),
)
JUDGED = {
    "site-01 served": ("", "compliant"),
    "site-01 absent served": ("failure", "non-compliant"),
    "site-01 good served": ("failure", "non-compliant"),
    "site-01 error served": ("skipped", "not-judged"),
    "site-01 cors": ("failure", "non-compliant"),
    "site-01 typo": ("skipped", "not-judged"),  # the case that erred might show it
    "site-09 x served": ("failure", "non-compliant"),
    "admin-01 GET /nothing served": ("failure", "non-compliant"),
}


@WORKERS
@pytest.mark.parametrize("order", ["reversed", "failed first"])
def test_each_waiver_is_judged_when_its_cases_have_run(
    site_with_control: Site, workers: tuple[str, ...], order: str
) -> None:
    site = site_with_control
    write(site, *ALL)
    args = ["--junitxml=junit.xml", "--nodered-show=all", *workers]
    if order == "reversed":
        (site.path / "below").mkdir()
        site.write(reorder=REORDERED)
        args += ["-p", "reorder"]
    if order == "failed first":
        site.run("-q")
        args.append("--ff")
    result = site.run(*args)
    own = {name: what for name, what in seen(site).items() if name.startswith(("site-", "admin-"))}
    assert own == JUDGED
    result.stdout.fnmatch_lines(
        [
            "waiver-01 medium not-needed · waiver of site-01 absent served, *: why site-01: 1 not-applicable",
            "  expected  the finding served, which no case has",
            "  remedy    [[][[]waiver[]][]] of site-01 absent served in the policy file: remove it; *",
        ]
    )
    result.stdout.fnmatch_lines(["waiver-01 medium expired · waiver of site-01 cors, expired after *"])
    result.stdout.fnmatch_lines(
        ["waiver-01 medium unmatched · waiver of site-09 x served, *: why *: no matching test case"]
    )


@WORKERS
def test_with_several_targets_each_has_its_own(site_with_control: Site, workers: tuple[str, ...]) -> None:
    site = site_with_control
    write(site, waiver("site-01", target="b.*"), waiver("site-01", instance="bad", target="plant.example"))
    result = site.run("--nodered-url=https://b.example", "-rA", "--nodered-suite=with", *workers)
    judged = sorted(line.split(" - ")[0] for line in result.outlines if " nodered-sec/test_waivers.py" in line)
    assert [line.partition("::")[2] or line for line in judged] == [
        "test_waiver_is_needed[b.example-site-01 served]",
        "test_waiver_is_needed[plant.example-site-01 bad served]",
    ]
    assert all(line.startswith("PASSED") for line in judged)


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["-k", "waiver or orders"], "the run leaves tests out (-k)"),
        (["-k", "waiver or orders", "-n2"], "the run leaves tests out (-k)"),
        (["nodered-sec/test_waivers.py"], "the run leaves tests out (nodered-sec/test_waivers.py)"),
        (["--nodered-suite=only"], "not all of the site's own tests are in this run (--nodered-suite=only)"),
        (["below"], "not all of the site's own tests are in this run (paths were named)"),
        (["nodered-sec"], "not all of the site's own tests are in this run (paths were named)"),
        (["--ignore=test_site.py"], "not all of the site's own tests are in this run (--ignore)"),
    ],
)
def test_a_narrowed_run_judges_none(site_with_control: Site, args: list[str], why: str) -> None:
    site = site_with_control
    (site.path / "below").mkdir()
    write(site, waiver("site-01", "typo", instance="good"))
    result = site.run("-rs", *args)
    result.stdout.fnmatch_lines([f"SKIPPED [[]1[]] * {why}"])


def test_a_case_that_somebody_else_leaves_out_may_still_need_it(site_with_control: Site) -> None:
    site = site_with_control
    site.write(
        drop="def pytest_collection_modifyitems(items):\n"
        "    items[:] = [one for one in items if not one.name.endswith('-good]')]\n"
    )
    write(site, waiver("site-01", instance="good"))
    result = site.run("-rs", "-p", "drop")
    result.stdout.fnmatch_lines(["SKIPPED * not judged: waiver of site-01 good served, *: why site-01: 1 did not run"])
    result.stdout.fnmatch_lines(["nodered-sec: judged * of * controls*"])


def test_a_warning_is_enough_where_the_policy_says_so(site_with_control: Site) -> None:
    site = site_with_control
    write(site, 'stale_waivers = "warn"', waiver("site-01", instance="good"))
    result = site.run("--junitxml=junit.xml", "-n1")
    assert seen(site)["site-01 good served"] == ("", "compliant")
    result.stdout.fnmatch_lines(
        ["*PytestWarning: nodered-sec: no longer needed: waiver of site-01 good served, until *: 1 compliant"]
    )


def test_a_judged_waiver_is_no_answer(site: Site) -> None:
    site.write(
        test_site="""
from pytest_nodered_sec import Ask, NotApplicable, Severity, control, require

@control("site-01", severity=Severity.LOW, asks=[Ask("stub", ("good",))])
def test_a(nodered_seen):
    '''A.'''
    require(NotApplicable("none here"))
""",
        few="def pytest_collection_modifyitems(items):\n"
        "    items[:] = [one for one in items if 'test_site' in one.nodeid or 'waiver' in one.nodeid]\n",
    )
    write(site, 'stale_waivers = "warn"', waiver("site-01"))
    result = site.run("-p", "few")
    result.assert_outcomes(passed=1, skipped=1, warnings=1)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["nodered-sec: no question was answered, so nothing is proven"])


def test_a_worker_that_died_took_what_it_saw_with_it(site: Site) -> None:
    site.write(
        test_site="""
from pytest_nodered_sec import Ask, Severity, Violation, control, require

HOW = ["good", "crash"]
VERDICT = (Violation("served", "it is open", "closed", "close it"),)

@control("site-01", severity=Severity.LOW, asks=[Ask("stub", (how,), how) for how in HOW])
def test_a(nodered_seen):
    '''A.'''
    require(VERDICT)
"""
    )
    write(site, waiver("site-01"))
    result = site.run("-n1", "-rs")
    result.stdout.fnmatch_lines(["SKIPPED * not judged: waiver of site-01 served, *: why site-01: 2 did not run"])


def test_a_rerun_is_judged_by_its_last_look(site: Site) -> None:
    pytest.importorskip("pytest_rerunfailures")
    site.write(
        test_site="""
from pytest_nodered_sec import Ask, Severity, Violation, control, require

VERDICT = (Violation("other", "it is open", "closed", "close it"),)

@control("site-01", severity=Severity.HIGH, asks=[Ask("stub", ("good",), "good")])
def test_flaky(nodered_seen, runs=[]):
    '''Flaky.'''
    runs.append(1)
    require(VERDICT if len(runs) == 1 else (Violation("served", "it is open", "closed", "close it"),))
"""
    )
    write(site, waiver("site-01"))
    site.run("--reruns=1", "--junitxml=junit.xml")
    assert seen(site) == {"good": ("skipped", "waived"), "site-01 served": ("", "compliant")}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '[[waiver]]\ncontrol = "tls-01"\nfinding = "x"\nreason = "y"',
            "[[]waiver[]][]] tls-01: add expires = 2030-12-31",
        ),
        (waiver("tls-01", target="x") + '[[target]]\nurl = "https://plant.example"', "* target = x: no target has *"),
        (waiver("site-01") * 2, "target plant.example: two waivers are for site-01 served; remove one"),
    ],
)
def test_wrong_use_is_one_sentence(site: Site, text: str, sentence: str) -> None:
    write(site, text)
    result = site.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (said,) = [line for line in result.errlines if line]
    pytest.LineMatcher([said]).fnmatch_lines([f"ERROR: *{sentence}"])


LEAKY = '''
from pytest_nodered_sec import Ask, Severity, control

@control("site-01", severity=Severity.HIGH, asks=[Ask("stub", ("good",), how) for how in ("waived", "failed")])
def test_leaks(nodered_target, nodered_seen, request):
    """It tells everybody."""
    password = nodered_target.credentials().password
    print("printed", password)
    assert False, f"raised {password}"
'''


@WORKERS
def test_no_secret_leaves_by_what_is_waived(
    site: Site, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    monkeypatch.setenv("NODERED_USERNAME", "operator")
    monkeypatch.setenv("NODERED_PASSWORD", "hunter2-plant")
    site.write(test_site=LEAKY, dump=DUMP)
    write(site, waiver("site-01", "assert", instance="waived"))
    args = ("-o", "junit_logging=all", "--nodered-junit=strict", "--junitxml=junit.xml", "-p", "dump", *workers)
    result = site.run("--nodered-suite=off", "-vv", "-l", "--tb=long", "-rA", *args)
    result.assert_outcomes(xfailed=1, failed=1)
    written = [(site.path / name).read_text() for name in ("junit.xml", "book.json")]
    for text in (result.stdout.str(), result.stderr.str(), *written):
        assert "hunter2" not in text
    assert all("raised [redacted]" in text for text in written)
