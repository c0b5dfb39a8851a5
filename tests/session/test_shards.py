"""Shards of a fleet, and their folders judged as one run: over a survey that asks nobody, and real pytest processes."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest
from session.conftest import WORKERS, Site
from session.evidence_site import OWN, SEES, controls, lines, said
from warm import ALONE

from pytest_nodered_sec.evidence import stored

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("plant", "hall", "Yard", "line-10", "line-9", "office")  # by name: Yard, hall, line-10, line-9, office, plant
ASSESSMENT = '[assessment]\nassessor = "J. Doe"\nscope = "{}"\n'


@pytest.fixture
def fleet(site: Site) -> Site:
    """Six targets, and controls that come to everything; one target is waived, one has nothing but errors."""
    (site.path / "conftest.py").write_text((site.path / "conftest.py").read_text() + SEES)
    site.write(test_site=controls("good", "bad", "absent", "error"))
    policy = "".join(f'[[target]]\nname = "{name}"\nurl = "https://{name.lower()}.example"\n' for name in NAMES)
    waiver = (
        '[[waiver]]\ncontrol = "site-01"\nfinding = "served"\nreason = "later"\nexpires = 2999-12-31\ntarget = "hall"\n'
    )
    (site.path / "nodered-sec.toml").write_text(policy + waiver)
    return site


def targets(site: Site, *args: str) -> list[str]:
    return list(dict.fromkeys(re.findall(r"test_again\[(\S*)-good\]", " ".join(site.ids(*OWN, *args, url=None)))))


def test_every_shard_takes_other_targets_by_name_and_together_they_are_all(fleet: Site) -> None:
    parts = [targets(fleet, f"--nodered-shard={part}/4") for part in (1, 2, 3, 4)]
    assert parts == [["Yard", "office"], ["plant", "hall"], ["line-10"], ["line-9"]]
    # what the policy file says first comes first, and another order in it changes no shard
    text = (fleet.path / "nodered-sec.toml").read_text()
    tables = re.split(r"(?=^\[\[)", text, flags=re.MULTILINE)
    (fleet.path / "nodered-sec.toml").write_text("".join(reversed(tables)))
    assert targets(fleet, "--nodered-shard=2/4") == ["hall", "plant"]


@pytest.mark.parametrize(
    ("shard", "sentence"),
    [
        ("5/4", "--nodered-shard=5/4: must be I/N with I from 1 to N, e.g. 1/4"),
        ("0/4", "must be I/N"),
        ("3", "must be I/N"),
        ("1/0", "must be I/N"),
        ("-1/4", "must be I/N"),
        ("1/7", "--nodered-shard=1/7: there are only 6 targets, so some shards would test nothing; use fewer"),
    ],
)
def test_wrong_use_is_one_sentence(fleet: Site, shard: str, sentence: str) -> None:
    result = fleet.pytester.runpytest_inprocess(*ALONE, *OWN, "--collect-only", f"--nodered-shard={shard}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    [line] = [line for line in result.errlines if line.startswith("ERROR: ")]
    assert sentence in line


def test_a_shard_is_one_and_says_why_a_test_is_not_there(fleet: Site) -> None:
    result = fleet.pytester.runpytest_inprocess(*ALONE, "--nodered-shard=1/4", "--nodered-shard=2/4")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: --nodered-shard is given 2 times (1/4, 2/4): a run accepts one;" in result.stderr.str()
    away = "nodered-sec/test_reach.py::test_target_answers_throughout[hall]"
    result = fleet.pytester.runpytest_inprocess("-p", "no:cacheprovider", "--nodered-shard=1/4", away)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: not found: {away} (add --collect-only -q to list the ids; shard 1/4 leaves out 4 of 6 targets)" in (
        result.stderr.str()
    )


def test_a_shard_needs_targets_and_looks_itself(site: Site) -> None:
    result = site.run("--nodered-shard=1/2", url=None)
    assert "ERROR: --nodered-shard needs a target" in result.stderr.str()


def test_a_shard_says_what_it_leaves_out(fleet: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(fleet.path / "summary.md"))
    monkeypatch.setenv("NODERED_SHARD", "3/4")
    result = fleet.run(*OWN, "--nodered-evidence=ev", "--nodered-job-summary", "--nodered-sarif=run.sarif", url=None)
    told = "shard 3/4 leaves out 5 of 6 targets"
    assert said(result)[1] == told
    assert said(result)[-1].endswith(f"; {told}")
    for file in ("ev/report.html", "ev/README.txt", "summary.md", "run.sarif", "ev/hdf.json"):
        assert told in (fleet.path / file).read_text(), file
    suite = ET.parse(fleet.path / "ev/junit.xml").getroot()[0]  # noqa: S314  our own file
    assert suite.find(f"properties/property[@name='nodered_sec.shard'][@value='{told}']") is not None
    again = fleet.run(*OWN, "--nodered-replay=ev", url=None)
    assert said(again)[-1] == said(result)[-1], "a shard that is judged again is still one"
    assert again.ret == result.ret


def numbers(folder: Path) -> dict[str, Any]:
    """Return everything that counts in a folder, in its order, without times and how the run was started."""
    suite = ET.parse(folder / "junit.xml").getroot()[0]  # noqa: S314  our own file
    hdf = json.loads((folder / "hdf.json").read_text())
    page = (folder / "report.html").read_text()
    return {
        "records": [{**line, "started": "", "seconds": 0} for line in lines(folder / "results.jsonl")],
        "observations": lines(folder / "observations.jsonl"),
        "policy": (folder / "policy.toml").read_text(),
        "junit": [suite.get(name) for name in ("tests", "failures", "errors", "skipped")],
        "cases": sorted(f"{element.get('classname')}::{element.get('name')}" for element in suite.iter("testcase")),
        "hdf": [
            (profile["name"], control["id"], [result["status"] for result in control["results"]])
            for profile in hdf["profiles"]
            for control in profile["controls"]
        ],
        "cards": re.findall(r'data-outcome="([a-z-]+)"><b>(\d+)</b>', page),
        "headline": re.findall(r"<h1.*?</h1>.*?</p>", page, re.DOTALL)[:1],
    }


def ending(result: pytest.RunResult) -> list[str]:
    """Return the end of the terminal, without what a replay says of itself."""
    return [line for line in said(result)[-2:] if not line.startswith("judged again")]


@WORKERS
def test_shards_judged_as_one_run_are_that_run(fleet: Site, workers: tuple[str, ...]) -> None:
    sarif = ("--nodered-sarif={}.sarif", "--nodered-exit=split")
    whole = fleet.run(*OWN, "--nodered-evidence=whole", *(option.format("whole") for option in sarif), url=None)
    for part in (1, 2, 3, 4):
        fleet.run(*OWN, f"--nodered-evidence=s{part}", f"--nodered-shard={part}/4", url=None)
    folders = [f"--nodered-replay=s{part}" for part in (3, 1, 4, 2)]
    (fleet.path / "nodered-sec.toml").rename(fleet.path / "elsewhere.toml")
    merged = fleet.run(
        *OWN, *folders, "--nodered-evidence=merged", *(option.format("merged") for option in sarif), *workers, url=None
    )
    assert merged.ret == whole.ret == 7
    assert ending(merged) == ending(whole)
    assert numbers(fleet.path / "merged") == numbers(fleet.path / "whole")
    results = [
        json.loads((fleet.path / f"{name}.sarif").read_text())["runs"][0]["results"] for name in ("whole", "merged")
    ]
    assert [[result["message"], result["occurrenceCount"]] for result in results[0]] == [
        [result["message"], result["occurrenceCount"]] for result in results[1]
    ]
    [line] = [line for line in said(merged) if "cases again" in line]
    assert line.startswith("judged 30 cases again (4 folders (s3, s1, s4, s2), looked at from ")
    assert line.endswith("): none differs")
    third = fleet.run(*OWN, "--nodered-replay=merged", "--nodered-exit=split", url=None)
    assert ending(third) == ending(whole)


def test_what_is_judged_again_was_looked_at_then(fleet: Site) -> None:
    fleet.run(*OWN, "--nodered-evidence=then", url=None)
    fleet.run(*OWN, "--nodered-replay=then", "--nodered-evidence=now", url=None)
    then, now = (
        [(record["nodeid"], record["started"]) for record in map(json.loads, text.splitlines())]
        for text in ((fleet.path / name / "results.jsonl").read_text() for name in ("then", "now"))
    )
    assert now == then


def test_a_shard_that_is_missing_is_never_green(fleet: Site) -> None:
    fleet.write(test_site=controls("good"))
    for part in (1, 2, 4):
        assert fleet.run(*OWN, f"--nodered-evidence=s{part}", f"--nodered-shard={part}/4", url=None).ret == 0
    folders = [f"--nodered-replay=s{part}" for part in (1, 2, 4)]
    told = "1 of 6 targets are in none of the folders: line-10"
    for split, code in (("pytest", 1), ("split", 6)):
        merged = fleet.run(*OWN, *folders, f"--nodered-evidence={split}", f"--nodered-exit={split}", url=None)
        assert merged.ret == code
        assert told in said(merged)
    assert "No findings so far: the run is incomplete." in (fleet.path / "split/report.html").read_text()
    assert json.loads((fleet.path / "split/run.json").read_text())["unfinished"] == told
    assert fleet.run(*OWN, "--nodered-replay=split", url=None).ret == pytest.ExitCode.TESTS_FAILED
    fleet.run(*OWN, "--nodered-evidence=late", "--nodered-target=line-10", url=None)
    whole = fleet.run(*OWN, "--nodered-replay=split", "--nodered-replay=late", url=None)
    assert whole.ret == 0
    assert said(whole)[-1] == "judged 12 of 12 controls at 6 targets"


def earlier(folder: Path, day: str) -> None:
    """Put a folder's look on another day."""
    run = folder / "run.json"
    run.write_text(re.sub(r'"started": "[^T]*T', f'"started": "{day}T', run.read_text(), count=1))
    sums = (folder / "SHA256SUMS").read_text().splitlines()
    import hashlib

    digest = hashlib.sha256(run.read_bytes()).hexdigest()
    (folder / "SHA256SUMS").write_text(
        "\n".join(f"{digest}  run.json" if line.endswith("  run.json") else line for line in sums) + "\n"
    )


def test_of_two_looks_at_a_target_the_later_counts_and_it_is_said(fleet: Site) -> None:
    fleet.run(*OWN, "--nodered-evidence=night", "--nodered-target=plant", "--nodered-target=office", url=None)
    fleet.write(test_site=controls("good", "bad", "absent"))
    fleet.run(*OWN, "--nodered-evidence=day", "--nodered-target=plant", url=None)
    fleet.write(test_site=controls("good", "bad", "absent", "error"))
    earlier(fleet.path / "night", "2026-02-03")
    earlier(fleet.path / "day", "2026-02-04")
    for order in (("day", "night"), ("night", "day")):
        result = fleet.run(
            *OWN, *(f"--nodered-replay={folder}" for folder in order), f"--nodered-evidence=both-{order[0]}", url=None
        )
        [line] = [line for line in said(result) if "cases again" in line]
        assert "of targets in several folders the later look counts: plant (day at 2026-02-04T" in line
        assert "office" not in line
        cases = {record["nodeid"]: record for record in lines(fleet.path / f"both-{order[0]}" / "results.jsonl")}
        assert "was not asked of plant" in cases["test_site.py::test_orders[plant-error]"]["reason"]
        assert "was not asked" not in cases["test_site.py::test_orders[office-error]"]["reason"]
    both = stored.read(fleet.path / "both-day")
    assert {name: look["at"][:10] for name, look in both.looks.items()} == {
        "plant": "2026-02-04",
        "office": "2026-02-03",
    }
    assert both.day.isoformat() == "2026-02-04", "waivers must have held on the last day"


def test_folders_that_do_not_fit_are_refused_in_one_sentence(fleet: Site) -> None:
    policy = (fleet.path / "nodered-sec.toml").read_text()
    for name, scope in (("north", "north"), ("south", "south")):
        (fleet.path / "nodered-sec.toml").write_text(policy + ASSESSMENT.format(scope))
        fleet.run(*OWN, f"--nodered-evidence={name}", "--nodered-target=plant", url=None)
    both = ("--nodered-replay=north", "--nodered-replay=south")
    for args, sentence in (
        (
            ("--nodered-replay=north", "--nodered-replay=./north"),
            "--nodered-replay=north is given twice; name each folder once",
        ),
        (both, "north and south differ in the [assessment] (scope), and one run has one: give --nodered-policy=FILE"),
        ((both[0], "--nodered-shard=1/2"), "--nodered-replay sends no requests: remove --nodered-shard"),
    ):
        result = fleet.run(*OWN, *args, url=None)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert sentence in result.stderr.str()
    assert fleet.run(*OWN, *both, "--nodered-policy=nodered-sec.toml", url=None).ret == pytest.ExitCode.TESTS_FAILED


def test_a_shard_alone_is_no_audit_and_all_of_them_are(fleet: Site) -> None:
    fleet.write(test_site=controls("good"))
    keys = 'audit_without = [{part = "account", reason = "none"}, {part = "host", reason = "vendor"}]\n'
    who = '[assessment]\nassessor = "J"\norganisation = "E"\nauthorisation = "A"\nscope = "S"\n'
    two = "".join(
        f'[[target]]\nurl = "https://{name}.example"\n' for name in ("north", "south")
    )  # the whole suite runs
    (fleet.path / "nodered-sec.toml").write_text(keys + two + who)
    told = (
        "a shard alone is no audit: judge all of them as one, --nodered-audit with --nodered-replay=DIR for each folder"
    )
    for part in (1, 2):
        result = fleet.run("--nodered-audit", f"--nodered-evidence=s{part}", f"--nodered-shard={part}/2", url=None)
        assert told in said(result)
        assert json.loads((fleet.path / f"s{part}/run.json").read_text())["facts"]["audit"] is False
    for folders, audit in ((("s1", "s2"), True), (("s1",), False)):
        args = [f"--nodered-replay={folder}" for folder in folders]
        result = fleet.run("--nodered-audit", *args, f"--nodered-evidence={len(folders)}", url=None)
        assert (told in said(result)) == (not audit)
        assert not [line for line in said(result) if line.startswith("no audit")]
        assert json.loads((fleet.path / f"{len(folders)}/run.json").read_text())["facts"]["audit"] is audit
