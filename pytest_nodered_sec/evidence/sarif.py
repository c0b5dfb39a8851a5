"""A run as SARIF 2.1.0: one result for each finding of a target, written so that GitHub's code scanning takes it.

GitHub refuses a file in which one result has no place in a file, or a URL for one; see `folded`. What could not be
looked at is a notification of the invocation, never a result: nothing is known there.
"""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from pytest_nodered_sec.data.frameworks import frameworks
from pytest_nodered_sec.evidence.folded import Anchors, Fold, fold
from pytest_nodered_sec.texts import as_json

if TYPE_CHECKING:
    from pytest_nodered_sec.evidence.report import Judged, Report

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_MOST: Final = 25_000  # results that GitHub takes of one run
_LONG: Final = 1024  # characters of a description
_LEVELS: Final = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
_SCORES: Final = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.0"}  # in GitHub's bands


def sarif(report: Report, anchors: Anchors) -> str:
    """Return a run as SARIF; without results where nothing was found, so that old alerts close."""
    rules = {control.id: number for number, control in enumerate(report.judged)}
    urls = {target["name"]: target["url"] for target in report.facts["targets"]}
    driver = {
        "name": "pytest-nodered-sec",
        "version": report.facts["plugin"],
        "informationUri": "https://pypi.org/project/pytest-nodered-sec/",
        "rules": [_rule(control) for control in report.judged],
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": "nodered-sec/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(report)],
        "results": [_result(each, rules, urls) for each in fold(report, anchors)[:_MOST]],
    }
    return as_json({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1)


def _rule(control: Judged) -> dict[str, Any]:  # Any, here and below: JSON
    title = control.title or control.id
    named = frameworks()
    bears = "; ".join(f"{named[key]}: {', '.join(ids)}" for key, ids in control.requirements.items())
    return {
        "id": control.id,
        "shortDescription": {"text": title[:_LONG]},
        "fullDescription": {"text": " ".join(filter(None, (title, control.why)))[:_LONG]},
        "help": {"text": "\n".join(filter(None, (title, control.why, bears and f"Bears on {bears}.")))},
        "defaultConfiguration": {"level": _LEVELS[control.severity]},
        "properties": {"security-severity": _SCORES[control.severity], "tags": ["security", control.family]},
    }


def _result(each: Fold, rules: dict[str, int], urls: dict[str, str]) -> dict[str, Any]:
    place = {"uri": quote(each.path), "uriBaseId": "%SRCROOT%"}
    region = {"startLine": each.line, "startColumn": 1, "endLine": each.line, "endColumn": 2}
    shown = {"target": each.target, "url": urls.get(each.target, ""), "code": each.code, "severity": each.severity}
    result = {
        "ruleId": each.control,
        "ruleIndex": rules[each.control],
        "level": _LEVELS[each.severity],
        "kind": "fail",
        "message": {"text": each.text},
        "locations": [{"physicalLocation": {"artifactLocation": place, "region": region}}],
        "partialFingerprints": {"primaryLocationLineHash": f"{each.fingerprint[:32]}:1"},
        "occurrenceCount": each.more + 1,
        "properties": {key: value for key, value in shown.items() if value},
    }
    if each.waiver is not None:
        until = f"waived until {each.waiver['expires']}: {each.waiver['reason']}"
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": until}]
    return result


def _invocation(report: Report) -> dict[str, Any]:
    unseen = Counter(
        (record["target"], record["reason"] or record["observed"]) for record in report.with_outcome("could-not-look")
    )
    said = [
        {
            "level": "error",
            "message": {"text": f"could not look · {target or 'no target'}: {why} ({number} test cases)"},
        }
        for (target, why), number in unseen.items()
    ]
    said += [{"level": "error", "message": {"text": f"incomplete: {report.unfinished}"}}] if report.unfinished else []
    said += [
        {"level": "note", "message": {"text": f"{account['control']} at {account['target']}: {account['reason']}"}}
        for account in report.accounts
        if account["outcome"] == "attested"
    ]
    said += [{"level": "note", "message": {"text": report.judgement}}]
    return {
        "commandLine": shlex.join(["pytest", *report.facts["command"]]),
        "machine": report.facts["machine"] or "not known",
        "properties": {key: value for key, value in report.facts["assessment"].items() if value},
        "executionSuccessful": not report.unfinished,
        "startTimeUtc": _utc(report.facts["started"]),
        "endTimeUtc": _utc(report.facts["ended"]),
        "toolExecutionNotifications": said,
    }


def _utc(when: str) -> str:
    return when.replace("+00:00", "Z")
