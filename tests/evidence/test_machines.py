"""What code scanning and code quality read: one entry for each finding of a target, at a place in a file."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath
from typing import Any

from reported import record, report

from pytest_nodered_sec.evidence.codequality import codequality
from pytest_nodered_sec.evidence.folded import Anchors, anchors, fold
from pytest_nodered_sec.evidence.sarif import sarif

POLICY = """editor = "disabled"

[[target]]
name = "plant"
url = "https://plant.example"

 [[ target ]]  # the other
url = "https://hall.example"
"""
WAIVER = {
    "reason": "old CA",
    "expires": "2027-01-31",
    "approver": "",
    "ticket": "",
    "measure": "",
    "findings": ["served"],
}
PLACES = Anchors("plant/nodered sec.toml", {"plant": 3})


def run(*records: Any) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(sarif(report(*records), PLACES))
    assert whole["version"] == "2.1.0"
    [logged] = whole["runs"]
    return dict(logged)


def test_a_finding_stands_at_its_targets_table() -> None:
    names = ["plant", "hall.example"]
    root = PurePosixPath("/repo")
    assert anchors(root / "a" / "p.toml", POLICY, names, root) == Anchors("a/p.toml", {"plant": 3, "hall.example": 7})
    assert anchors(root / "p.toml", POLICY, [], root) == Anchors("p.toml", {})
    assert anchors(PurePosixPath("/etc/p.toml"), POLICY, names, root) == anchors(None, "", [], root) == Anchors()
    [folded] = fold(report(record("non-compliant")), Anchors())
    assert (folded.path, folded.line) == ("nodered-sec/test_x.py", 1)


def test_cases_of_one_finding_are_one_and_the_worst_comes_first() -> None:
    cases = [record("non-compliant", number=n) for n in range(3)]
    low = record("non-compliant", control="admin-02")
    low["findings"][0] |= {"severity": "low"}
    folds = fold(report(low, *cases, record("non-compliant", target="hall"), record("compliant")), PLACES)
    assert [(folded.control, folded.target, folded.more, folded.line) for folded in folds] == [
        ("admin-01", "plant", 2, 3),
        ("admin-01", "hall", 0, 1),
        ("admin-02", "plant", 0, 3),
    ]
    assert len({folded.fingerprint for folded in folds}) == 3
    assert folds[0].text == (
        "plant: GET /flows 0 answered 200 (and 2 more)\nExpected: 401\nRemedy: settings.js: adminAuth"
    )


def test_a_waiver_closes_the_alert_and_no_other() -> None:
    [seen] = fold(report(record("non-compliant")), PLACES)
    waived = record("waived", waiver=WAIVER, findings=record("non-compliant")["findings"])
    [accepted] = run(waived)["results"]
    assert accepted["partialFingerprints"]["primaryLocationLineHash"] == f"{seen.fingerprint[:32]}:1"
    [suppression] = accepted["suppressions"]
    assert suppression["justification"] == "waived until 2027-01-31: old CA"
    both = run(waived, record("non-compliant", number=7))["results"]
    assert len({result["partialFingerprints"]["primaryLocationLineHash"] for result in both}) == 2
    assert ["suppressions" in result for result in both] == [True, False]
    assert json.loads(codequality(report(waived), PLACES)) == []


def test_sarif_has_what_github_demands() -> None:
    whole = run(
        record("non-compliant"),
        record("non-compliant", control="site-01", title="", findings=[], observed=""),
        record("could-not-look", "tls-01", reason="no answer"),
    )
    rules = whole["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["tls-01", "admin-01", "site-01"]
    for rule in rules:
        for key in ("shortDescription", "fullDescription", "help"):
            assert 0 < len(rule[key]["text"]) <= (10_000 if key == "help" else 1024)
        assert 0 < float(rule["properties"]["security-severity"]) < 10
        assert "security" in rule["properties"]["tags"]
    assert len(whole["results"]) == 2
    for result in whole["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        [place] = result["locations"]
        assert place["physicalLocation"]["artifactLocation"]["uri"] == "plant/nodered%20sec.toml"
        assert set(place["physicalLocation"]["region"]) == {"startLine", "startColumn", "endLine", "endColumn"}
        assert result["message"]["text"]
        assert all(result["properties"].values())
        assert re.fullmatch(r"[0-9a-f]{32}:1", result["partialFingerprints"]["primaryLocationLineHash"])
    [invocation] = whole["invocations"]
    said = [each["message"]["text"] for each in invocation["toolExecutionNotifications"]]
    assert said[0] == "could not look · plant: no answer (1 test cases)"
    assert invocation["startTimeUtc"] == "2026-11-25T00:00:00Z"


def test_a_clean_run_leaves_files_too() -> None:
    assert run(record("compliant"))["results"] == []
    assert codequality(report(record("compliant")), PLACES) == "[]"


def test_gitlab_gets_a_list_of_places() -> None:
    both = json.loads(codequality(report(record("non-compliant"), record("non-compliant", target="hall")), PLACES))
    assert len({issue["fingerprint"] for issue in both}) == 2
    for issue in both:
        assert issue["severity"] == "blocker"
        assert issue["check_name"] == "admin-01 served"
        assert issue["location"]["path"] == "plant/nodered sec.toml"
    assert [issue["location"]["lines"]["begin"] for issue in both] == [3, 1]


def test_a_run_that_broke_off_says_so() -> None:
    whole = json.loads(sarif(report(record("compliant"), unfinished="the run was interrupted"), PLACES))
    [invocation] = whole["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "incomplete: the run was interrupted"
