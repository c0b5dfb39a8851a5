"""Waivers in a run: what they accept, and what they do not hide."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from session.conftest import DUMP, WORKERS
from session.waivers import seen, today, waiver, write

if TYPE_CHECKING:
    from session.conftest import Site


ANSWER = "GET /api/orders without credentials answered 200 (application/json, 2913 bytes)"
ASSERTS = '''
from pytest_nodered_sec import Ask, Severity, control

@control("site-02", severity=Severity.LOW, asks=[Ask("stub", ("good",), "good")])
def test_asserts(nodered_seen):
    """A plain assertion is a verdict too."""
    assert nodered_seen.how == "bad"
'''


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
    line = f"site-01 served, until {today() + timedelta(40)}: why site-01; ticket: OT-1; measure: a fence"
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
        assert str(said).endswith(f"\n  waiver    site-01 bad served, until {today() + timedelta(40)}: why site-01; "
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
        f"nodered-sec: 1 waiver has expired: site-01 served of plant.example after {today() - timedelta(1)}"
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
