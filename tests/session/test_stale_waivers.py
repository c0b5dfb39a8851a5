"""Whether waivers are still right, as waiver-01 judges at the end of a run."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from session.conftest import WORKERS
from session.waivers import seen, today, waiver, write

if TYPE_CHECKING:
    from session.conftest import Site


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


@WORKERS
def test_without_the_suite_the_last_lines_tell_of_a_waiver_that_accepts_nothing(
    site_with_control: Site, workers: tuple[str, ...]
) -> None:
    site = site_with_control
    site.write(test_other="def test_a():\n    pass\n")
    write(
        site,
        waiver("site-01"),
        waiver("site-01", "servd", instance="bad"),
        waiver("site-01", instance="bda"),
        waiver("site-1"),
        waiver("admin-01"),
        waiver("site-01", "typo", days=-1),
    )
    begin = "nodered-sec: plant.example: waiver of site-"
    result = site.run("--nodered-suite=off", *workers)
    assert [line.partition(": why ")[0] for line in result.outlines if line.startswith(begin)] == [
        f"{begin}01 bad servd, until {today() + timedelta(40)}",
        f"{begin}01 bda served, until {today() + timedelta(40)}",
        f"{begin}1 served, until {today() + timedelta(40)}",
    ]
    result.stdout.fnmatch_lines(
        [
            "*bad servd, until *: 1 waived; expected the finding servd, which no case has; they show served",
            "*bda served, until *: no matching test case; expected a control and an instance of this target",
        ]
    )
    named = site.run("--nodered-suite=off", "test_site.py", *workers).outlines  # test_other.py may have site-1
    assert [line[len(begin) :][:8] for line in named if line.startswith(begin)] == ["01 bad s", "01 bda s"]
    assert not [line for line in site.run("-k", "bad", "--nodered-suite=off").outlines if line.startswith(begin)]


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
