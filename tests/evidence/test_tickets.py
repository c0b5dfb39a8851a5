"""What DefectDojo and OSCAL's readers take: valid, one entry for each finding of a target, waivers marked as such."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from evidence.test_machines import PLACES, WAIVER
from reported import record, report

from pytest_nodered_sec.evidence.defectdojo import defectdojo
from pytest_nodered_sec.evidence.folded import fold
from pytest_nodered_sec.evidence.oscal import oscal, token
from pytest_nodered_sec.policy.assessment import Assessment, Excluded
from pytest_nodered_sec.results.metadata import of_assessment

if TYPE_CHECKING:
    from pytest_nodered_sec.evidence.report import Report

# NIST's, public domain: the newest that stands in the OSCAL repository itself
SCHEMA = Path(__file__).parent / "oscal-assessment-results-1.0.6.json"
# what DefectDojo's generic importer takes of a finding (dojo/tools/generic/json_parser.py, 2026-08); it refuses the
# file for any other key
TAKEN = {
    "title", "severity", "description", "date", "cwe", "cve", "cvssv3", "mitigation", "impact", "references", "active",
    "verified", "false_p", "risk_accepted", "static_finding", "dynamic_finding", "unique_id_from_tool",
    "vuln_id_from_tool", "nb_occurences", "service", "severity_justification", "planned_remediation_date", "tags",
    "endpoints", "vulnerability_ids", "fix_available", "fix_version",
}  # fmt: skip


@pytest.fixture
def whole() -> Report:
    """A run in which everything occurs."""
    findings = record("non-compliant")["findings"]
    cve = [{**findings[0], "code": "CVE-2026-71269", "severity": "high", "remedy": ""}]
    made = report(
        record("non-compliant"),
        record("non-compliant", number=1),
        record("non-compliant", "patch-01", findings=cve),
        record("compliant", "admin-02"),
        record("could-not-look", "tls-01", reason="no answer"),
        record("not-judged", "host-01", reason="no host"),
        record("waived", "admin-03", waiver=WAIVER, findings=findings),
        record("non-compliant", "01 site/x", target="hall 7", title="", findings=[], observed="two\nlines"),
    )
    stated = Assessment("J. Doe", "Example", "OT-7", excluded=(Excluded("line-9", "rebuilt"),))
    made.facts["assessment"] = of_assessment(stated)
    made.facts["targets"][0]["attestations"].append(
        {
            "control": "phys-01", "by": "J. Doe", "dated": "2026-01-01", "until": "2027-01-01", "statement": "locked",
            "document": "", "sha256": "", "in_force": True,
        }
    )  # fmt: skip
    return made


def test_defectdojo_takes_every_key_and_keeps_the_endpoint(whole: Report) -> None:
    file: dict[str, Any] = json.loads(defectdojo(whole, PLACES))
    assert "assessor J. Doe" in file["description"]
    assert len(file["findings"]) == len(fold(whole, PLACES))
    for finding in file["findings"]:
        assert set(finding) <= TAKEN
        assert {"title", "severity", "description"} <= {key for key, value in finding.items() if value}
        assert finding["severity"] in ("Critical", "High", "Medium", "Low")
        assert finding["endpoints"] == [f"https://{finding['service']}.example"]
        assert "\n" not in finding["title"]
    assert len({finding["unique_id_from_tool"] for finding in file["findings"]}) == len(file["findings"])
    by_id = {finding["vuln_id_from_tool"]: finding for finding in file["findings"]}
    assert by_id["admin-01 served"]["nb_occurences"] == 2
    assert by_id["admin-01 served"]["active"] is True
    waived = by_id["admin-03 served"]
    assert (waived["active"], waived["risk_accepted"]) == (False, True)
    assert waived["planned_remediation_date"] == "2027-01-31"
    assert by_id["patch-01 CVE-2026-71269"]["vulnerability_ids"] == ["CVE-2026-71269"]
    assert "mitigation" not in by_id["patch-01 CVE-2026-71269"]


def test_no_field_is_longer_than_defectdojos_column() -> None:
    long = record("non-compliant", target="t" * 600, title="x" * 600)
    [finding] = json.loads(defectdojo(report(long), PLACES))["findings"]
    limits = {"title": 511, "service": 200, "unique_id_from_tool": 500, "vuln_id_from_tool": 500}
    assert {key for key, most in limits.items() if len(finding[key]) > most} == set()


def test_a_flow_file_is_no_endpoint() -> None:
    made = report(record("non-compliant"))
    made.facts["targets"][0]["url"] = "file:flows.json"
    [finding] = json.loads(defectdojo(made, PLACES))["findings"]
    assert "endpoints" not in finding
    assert json.loads(defectdojo(report(record("compliant")), PLACES))["findings"] == []


def test_nists_schema_takes_the_assessment_results(whole: Report, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.json" for number in range(3)]
    for file, run in zip(
        files, (whole, report(record("compliant", "site-01")), report(record("not-judged"))), strict=True
    ):
        file.write_text(oscal(run, PLACES), encoding="utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(SCHEMA), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_oscal_says_what_was_seen_what_is_open_and_what_is_satisfied(whole: Report) -> None:
    results: dict[str, Any] = json.loads(oscal(whole, PLACES))["assessment-results"]
    assert [party["name"] for party in results["metadata"]["parties"]] == ["J. Doe", "Example"]
    plant, hall = results["results"]
    assert len(plant["observations"]) == len([account for account in whole.accounts if account["target"] == "plant"])
    states = {finding["target"]["target-id"]: finding["target"]["status"]["state"] for finding in plant["findings"]}
    assert states == {
        "admin-01": "not-satisfied", "admin-02": "satisfied", "admin-03": "not-satisfied", "patch-01": "not-satisfied",
    }  # fmt: skip
    status = {risk["title"]: risk["status"] for risk in plant["risks"]}
    assert status == {
        "admin-01 served": "open", "patch-01 CVE-2026-71269": "open", "admin-03 served": "deviation-approved",
    }  # fmt: skip
    [deadline] = [risk["deadline"] for risk in plant["risks"] if "deadline" in risk]
    assert deadline == "2027-01-31T23:59:59Z"
    seen = {observation["uuid"] for observation in plant["observations"]}
    risks = {risk["uuid"] for risk in plant["risks"]}
    for told in plant["findings"]:
        assert {each["observation-uuid"] for each in told["related-observations"]} <= seen
        assert {each["risk-uuid"] for each in told.get("related-risks", [])} <= risks
    assert plant["attestations"][0]["parts"][0]["prose"] == "J. Doe, 2026-01-01 to 2027-01-01: locked"
    objectives = {
        part["id"]
        for objectives_and_method in results["local-definitions"]["objectives-and-methods"]
        for part in objectives_and_method["parts"]
    }
    assert set(states) <= objectives
    reviewed = plant["reviewed-controls"]["control-selections"][0]["include-controls"]
    assert {"control-id": "ac-3"} in reviewed
    assert hall["reviewed-controls"]["control-selections"] == [{"include-controls": [{"control-id": "_01_site_x"}]}]
    assert (token("site-01"), token("§")) == ("site-01", "__")
    assert oscal(whole, PLACES) == oscal(whole, PLACES), "a run has one file"
