"""Runs that are compared with an earlier one: over a survey that asks nobody, and real pytest processes."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from session.conftest import WORKERS, Site
from session.evidence_site import OWN, SEES, controls, said
from warm import ALONE

if TYPE_CHECKING:
    from pathlib import Path

NEW = ("--nodered-baseline=night", "--nodered-fail-on=new")
POLICY = '[[target]]\nname = "plant"\nurl = "https://plant.example"\n[[target]]\nname = "hall"\nurl = "https://hall.example"\n'
WAIVER = (
    '[[waiver]]\ncontrol = "site-01"\nfinding = "served"\ninstance = "bad"\nreason = "later"\nexpires = 2999-12-31\n'
)


@pytest.fixture
def debts(site: Site) -> Site:
    """Two targets and a folder of a run in which each has a finding."""
    (site.path / "conftest.py").write_text((site.path / "conftest.py").read_text() + SEES)
    (site.path / "nodered-sec.toml").write_text(POLICY)
    site.write(test_site=controls("good", "bad", "absent"))
    assert site.run(*OWN, "--nodered-evidence=night", url=None).ret == pytest.ExitCode.TESTS_FAILED
    return site


def properties(path: Path) -> dict[str, list[str]]:
    """Return the properties of a JUnit file's test suite by name."""
    suite = ET.parse(path).getroot()[0]  # noqa: S314  our own file
    values: dict[str, list[str]] = {}
    for prop in suite.iterfind("properties/property"):
        values.setdefault(str(prop.get("name")).removeprefix("nodered_sec."), []).append(str(prop.get("value")))
    return values


@WORKERS
def test_what_the_baseline_has_fails_nothing_and_what_is_new_does(debts: Site, workers: tuple[str, ...]) -> None:
    result = debts.run(*OWN, *NEW, *workers, "--nodered-exit=split", "-rx", url=None)
    assert result.ret == 0
    result.assert_outcomes(passed=4, xfailed=2, skipped=2)
    assert "known     --nodered-fail-on=new, and the baseline has it" in result.stdout.str()
    assert any("2 non-compliant (2 critical; only new findings fail the run)" in line for line in said(result))
    debts.write(test_site=controls("good", "bad", "worse"))
    worse = debts.run(*OWN, *NEW, *workers, "--nodered-exit=split", "--junitxml=junit.xml", url=None)
    assert worse.ret == pytest.ExitCode.TESTS_FAILED
    worse.assert_outcomes(passed=4, xfailed=2, failed=2)
    [line] = [line for line in said(worse) if line.startswith("findings since night (20")]
    assert line.endswith("): 2 new, 0 fixed, 2 still open")
    assert any(line.startswith("new: site-01 critical served at plant, hall · GET /worse ") for line in said(worse))
    told = properties(debts.path / "junit.xml")
    assert told["since"] == [line]
    assert told["only_new"] == ["true"]
    assert told["target.hall.new"] == ["site-01 critical served worse"]
    cases = ET.parse(debts.path / "junit.xml").iter("testcase")  # noqa: S314  our own file
    states = {str(case.get("name")): case.find("properties/property[@name='nodered_sec.baseline']") for case in cases}
    assert {name: state.get("value") for name, state in states.items() if state is not None} == {
        f"test_orders[{target}-{how}]": state
        for target in ("plant", "hall")
        for how, state in (("bad", "open"), ("worse", "new"))
    }


@WORKERS
def test_what_could_not_be_looked_at_fails_as_ever(debts: Site, workers: tuple[str, ...]) -> None:
    conftest = debts.path / "conftest.py"
    conftest.write_text(
        conftest.read_text().replace("how = ask.args[0] if", 'how = ask.args[0] if target.name == "hall" and')
    )
    result = debts.run(*OWN, *NEW, *workers, "--nodered-exit=split", url=None)
    assert result.ret == 6
    told = said(result)
    assert any(
        line.endswith("0 new, 0 fixed, 1 still open, 1 not looked at again; 1 target newly unreachable")
        for line in told
    )
    assert "unreachable: plant: GET /orders got no answer within 10 s" in told
    assert not any(line.startswith("fixed: ") for line in told), "what is not seen is not fixed"


def test_findings_that_were_fixed_waived_or_left_out_are_told_apart(debts: Site) -> None:
    conftest = debts.path / "conftest.py"
    seen = conftest.read_text()
    conftest.write_text(seen.replace('how == "good" else Kind', 'how == "good" or target.name == "plant" else Kind'))
    (debts.path / "nodered-sec.toml").write_text(POLICY + WAIVER + 'target = "hall"\n')
    result = debts.run(*OWN, *NEW, "--nodered-evidence=day", url=None)
    assert result.ret == 0
    [dropped] = properties(debts.path / "day/junit.xml")["target.hall.dropped"]
    assert dropped.startswith("site-01 critical served bad waived until 2999-12-31: later")
    told = said(result)
    assert any(
        line.endswith("0 new, 1 fixed, 0 still open, 1 waived or not applicable now; 1 target changed") for line in told
    )
    assert any(line.startswith("fixed: site-01 critical served at plant · GET /bad ") for line in told)
    assert any(
        line.startswith("waived or not applicable now: site-01 critical served at hall · waived until 2999")
        for line in told
    )
    assert any(re.fullmatch(r"changed: hall: policy [0-9a-f]{12} → [0-9a-f]{12}", line) for line in told)
    # a waiver that has ended uncovers a finding: a baseline is no waiver without an end
    conftest.write_text(seen)
    (debts.path / "nodered-sec.toml").write_text(POLICY)
    ended = debts.run(*OWN, "--nodered-baseline=day", "--nodered-fail-on=new", url=None)
    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    assert any("): 2 new, 0 fixed, 0 still open; 1 target changed" in line for line in said(ended))
    part = debts.run(*OWN, "--nodered-baseline=night", "-k", "again", "--nodered-target=plant", url=None)
    assert any(
        "0 fixed, 0 still open, 1 not looked at again; 1 target of the baseline not in this run" in line
        for line in said(part)
    )


def test_targets_that_came_went_or_got_another_name_are_named(debts: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(debts.path / "summary.md"))
    renamed = POLICY.replace('name = "hall"', 'name = "hall-2"').replace("plant", "yard")
    (debts.path / "nodered-sec.toml").write_text(renamed)
    reports = ("--nodered-report=page.html", "--nodered-job-summary", "--junitxml=junit.xml")
    result = debts.run(*OWN, *NEW, *reports, url=None)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    told = said(result)
    assert any(
        line.endswith(
            "2 new, 0 fixed, 0 still open; 2 targets not in the baseline, 2 targets of the baseline not in this run"
        )
        for line in told
    )
    as_hall = "not in the baseline, which calls this URL hall: its findings are new"
    assert f"changed: hall-2: {as_hall}" in told
    assert "changed: yard: not in the baseline" in told
    assert "not in this run: plant, hall" in told
    page = (debts.path / "page.html").read_text()
    assert f"<strong>hall-2</strong>: {as_hall}" in page
    assert "<strong>plant</strong>: not in this run" in page
    assert as_hall in (debts.path / "summary.md").read_text()
    junit = properties(debts.path / "junit.xml")
    assert junit["target.hall-2.added"] == [as_hall]
    assert junit["target.yard.added"] == ["not in the baseline"]
    absent = {name: values for name, values in junit.items() if name.endswith(".absent")}
    gone = ["in the baseline, and not in this run"]
    assert absent == {"target.plant.absent": gone, "target.hall.absent": gone}


def test_severities_waivers_and_audits_beside_a_baseline(debts: Site) -> None:
    debts.write(
        test_site=controls("good", "bad", "worse").replace(
            '"site-01", severity=Severity.CRITICAL', '"site-01", severity=Severity.MEDIUM'
        )
    )
    lower = ("--nodered-fail-on=high", "--nodered-exit=split")
    result = debts.run(*OWN, *NEW, *lower, "-rx", url=None)
    assert result.ret == 0, "new, and below"
    assert "below     --nodered-fail-on=high" in result.stdout.str()
    (debts.path / "nodered-sec.toml").write_text('fail_on = "high"\n' + POLICY)
    assert debts.run(*OWN, *NEW, url=None).ret == 0, "the policy file says from which severity on"
    (debts.path / "nodered-sec.toml").write_text(POLICY)
    assert debts.run(*OWN, *NEW, url=None).ret == pytest.ExitCode.TESTS_FAILED
    debts.write(test_site=controls("good", "bad"))
    milder = (debts.path / "night/results.jsonl").read_text()
    assert '"severity":"critical"' in milder
    debts.audited(POLICY)
    audit = debts.run("--nodered-audit", *NEW, "--nodered-suite=with", url=None)
    assert "audit: findings of every severity fail the run, whatever fail-on says" in audit.stdout.str()
    assert "test_site.py::test_orders[plant-bad]" not in [line for line in audit.outlines if line.startswith("XFAIL")]
    assert not any("only new findings fail" in line for line in said(audit))
    assert audit.ret == pytest.ExitCode.TESTS_FAILED


def test_wrong_use_is_one_sentence(debts: Site) -> None:
    broken = debts.path / "night/results.jsonl"
    for args, sentence in (
        (
            ("--nodered-fail-on=new",),
            "--nodered-fail-on=new needs an earlier run to compare with: add --nodered-baseline=DIR",
        ),
        (("--nodered-baseline=none",), "--nodered-baseline=none: there is no such folder"),
        (("--nodered-baseline=night", "--nodered-baseline=day"), "--nodered-baseline is given 2 times"),
    ):
        result = debts.pytester.runpytest_inprocess(*ALONE, *OWN, *args)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert sentence in result.stderr.str()
    broken.write_text(broken.read_text().replace("non-compliant", "compliant"))
    result = debts.run(*OWN, *NEW, url=None)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "night/results.jsonl was changed after it was written" in result.stderr.str()


def test_page_summary_and_folder_show_what_changed(debts: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(debts.path / "summary.md"))
    debts.write(test_site=controls("good", "bad", "worse"))
    conftest = debts.path / "conftest.py"
    conftest.write_text(conftest.read_text().replace('"ab" * 32', '"ef" * 32').replace('"4.1.0"', '"4.1.2"'))
    debts.run(*OWN, *NEW, "--nodered-evidence=day", "--nodered-job-summary", url=None)
    page, summary = (debts.path / "day/report.html").read_text(), (debts.path / "summary.md").read_text()
    line = "2 new, 0 fixed, 2 still open; 2 targets changed"
    for text in (page, summary):
        assert line in text
        assert "certificate abababababab → efefefefefef, the same key" in text
        assert "Node-RED 4.1.0 → 4.1.2" in text
    assert "New findings alone fail the run" in page
    assert "### New findings (2)" in summary
    assert "<script" not in page
    facts = json.loads((debts.path / "day/run.json").read_text())["facts"]
    assert facts["only_new"]
    assert facts["baseline"].startswith("night (20")


@WORKERS
def test_a_replay_can_be_compared_as_well(debts: Site, workers: tuple[str, ...]) -> None:
    debts.write(test_site=controls("good", "bad", "worse"))
    for part in (1, 2):
        debts.run(*OWN, f"--nodered-shard={part}/2", f"--nodered-evidence=s{part}", url=None)
    replays = ("--nodered-replay=s1", "--nodered-replay=s2")
    result = debts.run(*OWN, *replays, *NEW, *workers, url=None)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=4, xfailed=2, failed=2)
    shard = debts.run(*OWN, *NEW, "--nodered-shard=1/2", url=None)
    assert any("): 1 new, 0 fixed, 1 still open" in line and "not in this run" not in line for line in said(shard))
