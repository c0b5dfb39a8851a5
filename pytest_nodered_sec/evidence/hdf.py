"""A run in MITRE's HDF, as Heimdall reads it: one profile for each target, one control each, one result a case.

Format: heimdall2, libs/inspecjs/schemas/exec-json.json. How Heimdall counts (libs/inspecjs,
compat_impl/compat_inspec_1_0.ts): a control with an `error` is a "Profile Error"; with impact 0 "Not Applicable"; else
failed, passed, and "Not Reviewed" where all is skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.data.frameworks import frameworks
from pytest_nodered_sec.texts import as_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nodered_sec.evidence.report import Judged, Report
    from pytest_nodered_sec.results.metadata import TargetFacts
    from pytest_nodered_sec.results.records import Record

# Heimdall's bands: critical from 0.9, high from 0.7, medium from 0.4, low from 0.1
_IMPACT: Final = {"critical": 0.9, "high": 0.7, "medium": 0.5, "low": 0.3}
_STATUS: Final = {
    "compliant": "passed",
    "non-compliant": "failed",
    "could-not-look": "error",
    "waived": "skipped",
    "not-applicable": "skipped",
    "not-judged": "skipped",
}


def hdf(report: Report) -> str:
    """Return a run as HDF."""
    named = {target["name"]: target for target in report.facts["targets"]}
    return as_json(
        {
            "platform": {
                "name": "pytest-nodered-sec",
                "release": report.facts["plugin"],
                "target_id": ", ".join(target["url"] for target in named.values()),
            },
            "version": report.facts["plugin"],
            "statistics": {"duration": sum(record["seconds"] for record in report.records)},
            "profiles": [_profile(report, name, named.get(name)) for name in report.names],
        },
        indent=1,
    )


def _profile(report: Report, name: str, target: TargetFacts | None) -> dict[str, Any]:  # Any, here and below: JSON
    controls = [(control, control.at(name)) for control in report.judged]
    controls = [(control, cases) for control, cases in controls if cases]
    groups: dict[str, list[str]] = {}
    for judged, _ in controls:
        groups.setdefault(judged.family, []).append(judged.id)
    url = target["url"] if target else name or "no target"
    vouched: dict[str, list[str]] = {}
    for each in report.accounts:
        if each["target"] == name and each["outcome"] == "attested":
            vouched.setdefault(each["control"], []).append(each["reason"])
    facts = {key: value for key, value in report.facts.items() if key != "targets"} | {"target": target}
    return {
        "name": f"nodered-sec {name}".rstrip(),
        "title": f"Node-RED security of {url}",
        "version": report.facts["plugin"],
        "sha256": target["policy_sha256"] if target else "0" * 64,  # of the policy: what was demanded of this target
        "supports": [],
        "attributes": [{"name": key, "options": {"value": value}} for key, value in facts.items()],
        "groups": [{"id": key, "title": key, "controls": ids} for key, ids in groups.items()],
        "status": "failed" if report.unfinished else "loaded",
        "status_message": f"incomplete: {report.unfinished}" if report.unfinished else report.replayed,
        "controls": [_control(judged, cases, vouched.get(judged.id, [])) for judged, cases in controls],
    }


def _control(control: Judged, cases: Sequence[Record], vouched: Sequence[str]) -> dict[str, Any]:
    applies = any(record["outcome"] != "not-applicable" for record in cases)
    remedies = dict.fromkeys(finding["remedy"] for record in cases for finding in record["findings"])
    named = frameworks()
    tags: dict[str, Any] = {"severity": control.severity, "family": control.family}
    if "nist_800_53" in control.requirements:
        tags["nist"] = [*control.requirements["nist_800_53"], "Rev_5"]
    tags |= {named[key]: list(ids) for key, ids in control.requirements.items() if key != "nist_800_53"}
    entry = {
        "id": control.id,
        "title": control.title,
        "desc": " ".join(filter(None, (control.title, control.why))),
        "descriptions": [
            *([{"label": "fix", "data": "\n".join(remedies)}] if remedies else []),
            *({"label": "attestation", "data": statement} for statement in vouched),
        ],
        "impact": _IMPACT[control.severity] if applies else 0,
        "refs": [],
        "tags": tags,
        "code": "",
        "source_location": {"ref": cases[0]["nodeid"].partition("[")[0]},
        "results": [_result(record) for record in cases],
    }
    return entry | ({"waiver_data": _waiver(cases)} if any(record["waiver"] for record in cases) else {})


def _waiver(cases: Sequence[Record]) -> dict[str, Any]:
    """Return what the waivers of a control's cases come to: Heimdall knows one for each control.

    `skipped_due_to_waiver` stays false: it would show the whole control as not applicable.
    """
    waivers = [record["waiver"] for record in cases if record["waiver"]]
    approvers = dict.fromkeys(filter(None, (waiver["approver"] for waiver in waivers)))
    tickets = dict.fromkeys(filter(None, (waiver["ticket"] for waiver in waivers)))
    return {
        "expiration_date": min(waiver["expires"] for waiver in waivers),
        "justification": "; ".join(dict.fromkeys(waiver["reason"] for waiver in waivers)),
        "run": True,
        "skipped_due_to_waiver": False,
        "message": "; ".join(
            filter(
                None,
                [
                    f"{len(waivers)} of {len(cases)} cases",
                    f"approved by {', '.join(approvers)}" if approvers else "",
                    ", ".join(tickets),
                    *dict.fromkeys(waiver["measure"] for waiver in waivers),
                ],
            )
        ),
    }


def _result(case: Record) -> dict[str, Any]:
    status = _STATUS[case["outcome"]]
    entry: dict[str, Any] = {
        "status": status,
        "code_desc": f"{case['nodeid']}: {case['observed']}" if case["observed"] else case["nodeid"],
        "start_time": case["started"],
        "run_time": case["seconds"],
    }
    if case["findings"]:
        entry["message"] = "\n\n".join(
            f"{finding['observed']}\nexpected: {finding['expected']}\nremedy: {finding['remedy']}"
            for finding in case["findings"]
        )
    if status == "failed" and case["reason"]:
        entry["message"] += f"\n\nexpected {case['reason']}"
    if status == "error":
        entry["message"] = f"could not look: {case['reason'] or case['observed']}"
    if status == "skipped":
        entry["skip_message"] = f"{case['outcome'].replace('-', ' ')}: {case['reason']}"
    if case["waiver"]:
        until = f"waived until {case['waiver']['expires']}: {case['waiver']['reason']}"
        entry["skip_message" if status == "skipped" else "message"] = (
            until if status == "skipped" else f"{entry['message']}\n\npartly {until}"
        )
    return entry
