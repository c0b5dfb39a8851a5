"""Secrets that are ordinary words, numbers or parts of a date break nothing that a run writes, and still hide."""

from __future__ import annotations

import json
import tomllib
import xml.etree.ElementTree as ET
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from session import evidence_site
from session.evidence_site import OUTCOMES, OWN, POLICY, SEES, controls, counted, lines, said

from pytest_nodered_sec import own_fields
from pytest_nodered_sec.results import metadata, provenance, records

if TYPE_CHECKING:
    from pathlib import Path

    from session.conftest import Site

REAL = "hunter2-of-the-line"
ORDINARY = (
    *(f"{number:02}" for number in range(100)), *map(str, range(10)), "2026", "2027", "2028",
    "T", "-", ":", "a", "Z", "0.1.0", "https", "1880", "plant", "hall", "127", "node", "report", "sec", "nodered_sec",
    "compliant", "non-compliant", "waived", "critical", "low", "site-01", "site-02", "served", "target", "control",
    "outcome", "call", "setup", "passed", "failed", "skipped", "stdout", "value", "production", "protected", "GET",
    "stub", "good", "error", "plant.example/", "without", "answered", "admin", "REFUSED", "Kind", "AccessAttempt",
    "results.jsonl", "test_site.py", "test_orders", "plant.example", "started", "nodeid", "name", "true", "null",
    "{", "}", '"',
)  # fmt: skip
LEARNS = f"""
from pytest_nodered_sec import redaction
for secret in {(*ORDINARY, REAL)!r}:
    redaction.learn(secret)
"""
REPORTS = ("hdf", "sarif", "codequality", "defectdojo", "oscal", "report")
OUT = (*(f"--nodered-{name}=out-{name}.file" for name in REPORTS), "--nodered-job-summary", "-rA")
FIX = "--nodered-fix=fix"


@pytest.fixture
def learns(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site whose every secret is an ordinary one, but for one, which its target and its policy tell."""
    monkeypatch.setattr(evidence_site, "HOSTILE", f"tells {REAL}")
    sees = SEES.replace('"GET /orders got no answer within 10 s"', f'"no answer but {REAL}"')
    sees = sees.replace('"text/html"', f'"text/{REAL}"')
    (site.path / "conftest.py").write_text((site.path / "conftest.py").read_text() + sees + LEARNS)
    site.write(test_site=controls("good", "bad", "absent", "error"))
    (site.path / "nodered-sec.toml").write_text(POLICY.replace("<b>shut</b>", REAL))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(site.path / "summary.md"))
    return site


def run(site: Site, *args: str) -> pytest.RunResult:
    return site.run(*OWN, *OUT, *args, url=None)


def check_valid(site: Site, folder: Path) -> None:
    """See that everything that a run has written can be read, and means what it should."""
    rows = lines(folder / "results.jsonl")
    assert counted(rows) == OUTCOMES
    assert {row["target"] for row in rows} == {"plant", "hall"}
    assert {row["control"] for row in rows} == {"site-01", "site-02"}
    assert {row["nodeid"].partition("[")[0] for row in rows} == {
        "test_site.py::test_orders",
        "test_site.py::test_again",
    }
    for row in rows:
        datetime.fromisoformat(row["started"])
        assert row.keys() == records.Record.__annotations__.keys()
    run_json = json.loads((folder / "run.json").read_text())
    datetime.fromisoformat(run_json["facts"]["started"])
    assert [target["url"] for target in run_json["facts"]["targets"]] == [
        "https://plant.example",
        "https://hall.example",
    ]
    policy = tomllib.loads((folder / "policy.toml").read_text())
    assert policy["target"][1]["waiver"][0]["expires"].year == 2999
    cases = ET.parse(folder / "junit.xml").findall(".//testcase")  # noqa: S314  our own file
    names = {case.get("name") for case in cases}
    assert {"test_orders[plant-bad]", "test_orders[hall-error]"} <= names
    assert all(case.find("properties/property[@name='nodered_sec.outcome']") is not None for case in cases)
    for name in REPORTS:
        text = (site.path / f"out-{name}.file").read_text()
        assert text.lower().startswith("<!doctype html>") if name == "report" else json.loads(text)


def check_clean(site: Site, result: pytest.RunResult) -> None:
    """See that the secret that is more than a word stands nowhere; the site's own files tell it."""
    own = {site.path / name for name in ("conftest.py", "nodered-sec.toml", "test_site.py")}
    for path in site.path.rglob("*"):
        if path.is_file() and path not in own and path.suffix != ".pyc":
            assert REAL not in path.read_text(encoding="utf-8", errors="replace"), path
    assert REAL not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["plain", "xdist"])
def test_ordinary_secrets_break_nothing(learns: Site, workers: tuple[str, ...]) -> None:
    result = run(learns, "--nodered-evidence=ev", FIX, *workers)
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    check_valid(learns, learns.path / "ev")
    check_clean(learns, result)
    plan = (learns.path / "fix/plant/CHANGES.md").read_text()
    assert "pytest --nodered-suite=only --nodered-url=https://plant.example" in plan
    assert "- `site-01` critical served: " in plan


def test_what_they_leave_is_judged_again_alike(learns: Site) -> None:
    """Also put together from two folders, under the same secrets, and with a baseline."""
    for name in ("plant", "hall"):
        result = run(learns, f"--nodered-evidence=ev-{name}", f"--nodered-target={name}")
        assert result.ret == pytest.ExitCode.TESTS_FAILED, name
    both = ("--nodered-replay=ev-plant", "--nodered-replay=ev-hall", "--nodered-baseline=ev-plant")
    result = learns.run(*OWN, *both, "--nodered-evidence=again", *OUT, url=None)
    check_valid(learns, learns.path / "again")
    check_clean(learns, result)
    (learns.path / "conftest.py").write_text("")
    result = learns.run(*OWN, "--nodered-replay=again", url=None)
    assert any(line.startswith("judged 10 cases again") and line.endswith(": none differs") for line in said(result))
    for folder in ("ev-plant", "ev-hall"):  # each as it was judged, by somebody who has learnt nothing
        result = learns.run(*OWN, f"--nodered-replay={folder}", url=None)
        assert any(line.endswith(": none differs") for line in said(result)), folder


def shapes(kind: Any) -> set[str]:  # Any: a TypedDict
    return set(kind.__annotations__)


def test_no_field_is_ours_that_is_not_there() -> None:
    """A field that was renamed would lose its place in the list, and with it what the list is for."""
    record = shapes(records.Record) | shapes(records.Finding) | shapes(records.Waived)
    assert record >= own_fields.OF_RECORD
    assert record - own_fields.OF_RECORD == {
        "observed", "expected", "remedy", "reason", "approver", "ticket", "measure", "waiver", "seconds"
    }  # fmt: skip
    kinds = (
        metadata.RunFacts, metadata.TargetFacts, metadata.ServerIdentity, metadata.DeviationFacts, metadata.WaiverFacts,
        metadata.AttestationFacts, metadata.AssessmentFacts, metadata.ExcludedFacts, provenance.Code,
    )  # fmt: skip
    run_facts = set.union(*map(shapes, kinds))
    assert run_facts >= own_fields.OF_RUN
    texts = run_facts - own_fields.OF_RUN - own_fields.PROSE_OF_POLICY
    assert texts == {
        "server", "node_red", "narrowed", "command", "settings",  # said by a target, or typed
        "assessment", "excluded", "targets", "deviations", "waivers", "attestations", "identity",  # tables
        "interrupted", "audit", "only_new", "in_force", "clock_offset", "record_sha256", "changed", "editable",
    }  # fmt: skip
