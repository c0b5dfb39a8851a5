"""A run as OSCAL assessment results: one result for each target, with observations, risks and findings.

Each control of ours is an objective (`local-definitions`) of the first NIST control that it bears on, and a finding
says whether the objective is satisfied: a pass is evidence for the NIST control, never its fulfilment. What was not
judged is an observation without a finding. Format: NIST's JSON schema of OSCAL 1.1.2.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.evidence.folded import Anchors, Fold, fold
from pytest_nodered_sec.texts import as_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_nodered_sec.evidence.report import Judged, Report
    from pytest_nodered_sec.results.metadata import RunFacts, TargetFacts
    from pytest_nodered_sec.results.records import Account, Record

VERSION: Final = "1.1.2"
_NS: Final = "https://pypi.org/project/pytest-nodered-sec/"
_STATES: Final = {"compliant": "satisfied", "non-compliant": "not-satisfied", "waived": "not-satisfied"}
_CALLED: Final = {"assessor": "person", "organisation": "organization"}  # key of the assessment, kind of party


def oscal(report: Report, anchors: Anchors) -> str:
    """Return a run as OSCAL assessment results."""
    facts = report.facts
    new = _Ids(facts["started"], *report.names)
    controls = {control.id: control for control in report.judged}
    folds = fold(report, anchors)
    targets = {target["name"]: target for target in facts["targets"]}
    results = [
        _result(report, name, targets.get(name), controls, [each for each in folds if each.target == name], new)
        for name in report.names
    ]
    policy = new("policy")
    document: dict[str, Any] = {  # Any, here and below: JSON
        "uuid": new("results"),
        "metadata": _metadata(report, facts, new),
        "import-ap": {"href": f"#{policy}", "remarks": "No assessment plan: the policy in force says what to test."},
        "local-definitions": {"objectives-and-methods": _objectives(controls.values())},
        "results": results,
        "back-matter": {
            "resources": [
                {"uuid": policy, "title": "policy in force", "rlinks": [{"href": "policy.toml"}]},
            ]
        },
    }
    if not document["local-definitions"]["objectives-and-methods"]:
        del document["local-definitions"]
    return as_json({"assessment-results": document}, indent=1)


class _Ids:
    """Makes ids: the same for the same thing of the same run."""

    def __init__(self, *run: str) -> None:
        self._run = uuid.uuid5(uuid.NAMESPACE_URL, "\0".join((_NS, *run)))

    def __call__(self, *thing: str) -> str:
        return str(uuid.uuid5(self._run, "\0".join(thing)))


def _metadata(report: Report, facts: RunFacts, new: _Ids) -> dict[str, Any]:
    stated = facts["assessment"]
    parties = [
        {"uuid": new("party", key), "type": kind, "name": value}
        for key, kind in _CALLED.items()
        if (value := str(dict(stated)[key]))
    ]
    remarks = [report.headline, f"{report.judgement}.", report.unfinished, report.replayed]
    plan: dict[str, Any] = {
        "title": f"Node-RED security of {_line(', '.join(filter(None, report.names)) or 'no target')}",
        "last-modified": facts["ended"],
        "version": facts["started"],
        "oscal-version": VERSION,
        "props": [
            _prop("tool", f"pytest-nodered-sec {facts['plugin']}"),
            *(_prop(key, str(dict(stated)[key])) for key in ("authorisation", "scope", "vantage") if dict(stated)[key]),
            *(
                _prop("excluded", f"{excluded_facts['system']}: {excluded_facts['reason']}")
                for excluded_facts in stated["excluded"]
            ),
        ],
        "remarks": "\n".join(filter(None, remarks)),
    }
    if parties:
        plan["roles"] = [{"id": "assessor", "title": "Assessor"}]
        plan["parties"] = parties
        plan["responsible-parties"] = [{"role-id": "assessor", "party-uuids": [party["uuid"] for party in parties]}]
    return plan


def _objectives(controls: Iterable[Judged]) -> list[dict[str, Any]]:
    """Return our controls as objectives of the first NIST control that each bears on."""
    parts: dict[str, list[dict[str, Any]]] = {}
    for control in controls:
        for number in nist(control)[:1]:
            prose = " ".join(filter(None, (control.title, control.why)))
            part = {"id": token(control.id), "name": "assessment-objective", "prose": prose}
            parts.setdefault(number, []).append(part)
    return [{"control-id": number, "parts": ours} for number, ours in parts.items()]


def _result(
    report: Report,
    name: str,
    target: TargetFacts | None,
    controls: Mapping[str, Judged],
    folds: list[Fold],
    new: _Ids,
) -> dict[str, Any]:
    accounts = [account for account in report.accounts if account["target"] == name]
    url = target["url"] if target else ""
    item = new("item", name)
    asked = [controls[account["control"]] for account in accounts]
    bears = {number for control in asked for number in nist(control)}  # a site's own controls bear on none
    reviewed = sorted(bears) or sorted(token(control.id) for control in asked)
    result: dict[str, Any] = {
        "uuid": new("result", name),
        "title": _line(name or "no target"),
        "description": f"Node-RED security of {url or name or 'no target'}",
        "start": report.facts["started"],
        "end": report.facts["ended"],
        "local-definitions": {
            "inventory-items": [
                {"uuid": item, "description": url or name or "no target", "props": [_prop("name", name or "no-target")]}
            ]
        },
        "reviewed-controls": {
            "control-selections": [{"include-controls": [{"control-id": control} for control in reviewed]}]
        },
        "observations": [
            _observation(account, controls[account["control"]].at(name), item, new, report) for account in accounts
        ],
        "risks": [_risk(each, new) for each in folds],
        "findings": [
            _finding(
                account,
                controls[account["control"]],
                [each for each in folds if each.control == account["control"]],
                new,
            )
            for account in accounts
            if account["outcome"] in _STATES
        ],
    }
    vouched = target["attestations"] if target else []
    result["attestations"] = [
        {
            "parts": [
                {
                    "name": "attestation",
                    "props": [
                        _prop("control", attestation["control"]),
                        _prop("in-force", str(attestation["in_force"]).lower()),
                    ],
                    "prose": f"{attestation['by']}, {attestation['dated']} to {attestation['until']}: "
                    f"{attestation['statement']}",
                }
            ]
        }
        for attestation in vouched
    ]
    return {key: value for key, value in result.items() if value != []}


def _observation(account: Account, cases: Sequence[Record], item: str, new: _Ids, report: Report) -> dict[str, Any]:
    seen = [
        f"{record['nodeid']}: {record['outcome']}: {record['observed'] or record['reason'] or 'nothing'}"
        for record in cases
    ]
    times = [record["started"] for record in cases if record["started"]]
    tally = ", ".join(f"{number} {outcome}" for outcome, number in account["instances"].items())
    became = f"{account['outcome']} ({tally or 'no test case'})"
    return {
        "uuid": new("observation", account["target"], account["control"]),
        "title": _line(f"{account['control']} {account['title']}"),
        "description": ": ".join(filter(None, [became, account["reason"]])),
        "props": [
            _prop("control", account["control"]),
            _prop("outcome", account["outcome"]),
            _prop("severity", account["severity"]),
        ],
        "methods": ["TEST"],
        "subjects": [{"subject-uuid": item, "type": "inventory-item"}],
        "collected": max(times, default=report.facts["started"]),
    } | ({"relevant-evidence": [{"description": description} for description in seen]} if seen else {})


def _risk(each: Fold, new: _Ids) -> dict[str, Any]:
    title = _line(f"{each.control} {each.code}".rstrip())
    entry: dict[str, Any] = {
        "uuid": new("risk", each.fingerprint),
        "title": title,
        "description": each.observed + (f" (and {each.more} more)" if each.more else ""),
        "statement": f"Expected: {each.expected}" if each.expected else "The control is not met.",
        "props": [_prop("severity", each.severity), _prop("fingerprint", each.fingerprint)],
        "status": "open",
        "related-observations": [{"observation-uuid": new("observation", each.target, each.control)}],
    }
    if each.waiver is not None:
        entry |= {"status": "deviation-approved", "deadline": f"{each.waiver['expires']}T23:59:59Z"}
        entry["props"].append(_prop("waiver", each.waiver["reason"]))
    if each.remedy:
        remedy = {"uuid": new("remedy", each.fingerprint), "lifecycle": "recommendation", "title": f"End {title}"}
        entry["remediations"] = [remedy | {"description": each.remedy}]
    return entry


def _finding(account: Account, control: Judged, folds: Iterable[Fold], new: _Ids) -> dict[str, Any]:
    bears = [_prop("bears-on", number) for number in nist(control)]
    risks = [{"risk-uuid": new("risk", each.fingerprint)} for each in folds]
    entry: dict[str, Any] = {
        "uuid": new("finding", account["target"], account["control"]),
        "title": _line(f"{account['control']} {account['title']}"),
        "description": f"{account['outcome']} at {account['target'] or 'no target'}",
        "props": [_prop("control", account["control"]), *bears],
        "target": {
            "type": "objective-id",
            "target-id": token(account["control"]),
            "status": {"state": _STATES[account["outcome"]]},
        },
        "related-observations": [{"observation-uuid": new("observation", account["target"], account["control"])}],
    }
    return entry | ({"related-risks": risks} if risks else {})


def nist(control: Judged) -> list[str]:
    """Return the NIST controls that a control bears on, as OSCAL's catalogue names them: SC-8(1) is sc-8.1."""
    numbers = control.requirements.get("nist_800_53", ())
    return [number.lower().replace("(", ".").replace(")", "") for number in numbers]


def token(text: str) -> str:
    """Return an id as OSCAL takes it: letters, digits, dots, dashes, underscores, and no digit first."""
    plain = re.sub(r"[^\w.-]", "_", text)
    return plain if plain[:1].isalpha() else f"_{plain}"


def _prop(name: str, value: str) -> dict[str, str]:
    return {"name": name, "ns": _NS, "value": _line(value)}


def _line(text: str) -> str:
    return " ".join(text.split())
