"""A run as DefectDojo's generic findings: one for each finding of a target, with the target's URL as its endpoint.

Format: DefectDojo's "Generic Findings Import" in JSON, which refuses a key that it does not know. Duplicates are
settled by `unique_id_from_tool`, so an import of a later run closes what is mended and keeps the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.data.frameworks import frameworks
from pytest_nodered_sec.evidence.folded import Anchors, Fold, fold
from pytest_nodered_sec.texts import as_json

if TYPE_CHECKING:
    from pytest_nodered_sec.evidence.report import Judged, Report

_TITLE: Final = 500  # characters; DefectDojo keeps 511
_SERVICE: Final = 200  # same; a longer one ends the whole import


def defectdojo(report: Report, anchors: Anchors) -> str:
    """Return a run as DefectDojo imports it; without findings where nothing was found, so that old ones close."""
    controls = {control.id: control for control in report.judged}
    urls = {target["name"]: target["url"] for target in report.facts["targets"]}
    day = report.facts["started"][:10]
    said = [report.headline, f"{report.judgement}.", report.assessment, report.unfinished and f"{report.unfinished}."]
    return as_json(
        {
            "name": "pytest-nodered-sec",
            "type": "Node-RED security",
            "version": report.facts["plugin"],
            "description": "\n".join(filter(None, said)),
            "dynamic_tool": True,
            "static_tool": False,
            "findings": [
                _finding(each, controls[each.control], urls.get(each.target, ""), day) for each in fold(report, anchors)
            ],
        },
        indent=1,
    )


def _finding(each: Fold, control: Judged, url: str, day: str) -> dict[str, Any]:  # Any: JSON
    named = frameworks()
    waived = each.waiver is not None
    entry: dict[str, Any] = {
        "title": " ".join(f"{each.control} {each.code} at {each.target}: {control.title}".split())[:_TITLE],
        "severity": each.severity.capitalize(),
        "description": "\n\n".join(
            filter(
                None,
                [
                    f"{each.observed}{f' (and {each.more} more)' if each.more else ''}",
                    each.expected and f"Expected: {each.expected}",
                ],
            )
        ),
        "date": day,
        "active": not waived,
        "risk_accepted": waived,
        "verified": False,  # for a person to say
        "dynamic_finding": True,
        "static_finding": False,
        "nb_occurences": each.more + 1,  # sic
        "service": each.target[:_SERVICE],
        "unique_id_from_tool": each.fingerprint,
        "vuln_id_from_tool": f"{each.control} {each.code}".rstrip(),
        "mitigation": each.remedy,
        "impact": control.why,
        "references": "\n".join(f"{named[key]}: {', '.join(ids)}" for key, ids in control.requirements.items()),
        "tags": ["node-red", control.family.lower().replace(" ", "-").replace(":", "")],
    }
    if url.startswith(("https:", "http:")):
        entry["endpoints"] = [url]
    if each.code.startswith(("CVE-", "GHSA-")):
        entry["vulnerability_ids"] = [each.code]
    if each.waiver is not None:
        entry["severity_justification"] = f"waived until {each.waiver['expires']}: {each.waiver['reason']}"
        entry["planned_remediation_date"] = each.waiver["expires"]
    return {key: value for key, value in entry.items() if value != ""}
