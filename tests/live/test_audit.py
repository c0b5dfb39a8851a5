"""One audit of two deployments of the lab and a booted machine: every reader takes its reports, and all of them count
the same, with and without workers, judged again, and as shards that are judged as one; its first two printed pages
answer an auditor's questions.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import hostlab
import pytest
from auditlab import Audited
from junitparser import JUnitXml
from suite_runs import installed

from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.results.rollup import JUDGED

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        bool(hostlab.missing()) and not os.environ.get("CI"), reason=hostlab.missing() or "all is there"
    ),
]

READERS = Path(__file__).parents[1] / "evidence"
NAMES = ("line-7", "hall", "yard")
HDF = {"compliant": "passed", "non-compliant": "failed", "could-not-look": "error"}  # all others: skipped
GITLAB = {"critical": "blocker", "high": "critical", "medium": "major", "low": "minor"}
FOLDED = tuple[str, str, str, bool]  # target, control, code, and whether a waiver accepts it


class Kept(NamedTuple):
    """What four runs left: without workers, with two of them, the first judged again, and two shards as one."""

    place: Path
    said: dict[str, str]

    def text(self, name: str) -> str:
        return (self.place / name).read_text(encoding="utf-8")

    def json(self, name: str) -> Any:
        return json.loads(self.text(name))

    def records(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text(f"{name}/results.jsonl").splitlines()]

    def counts(self, name: str) -> Counter[str]:
        return Counter(record["outcome"] for record in self.records(name))

    def folded(self, name: str) -> Counter[FOLDED]:
        """How many cases have each finding: what the reports for machines have one entry for."""
        counter: Counter[FOLDED] = Counter()
        for record in self.records(name):
            accepted = record["waiver"]["findings"] if record["waiver"] else ()
            for each in record["findings"]:
                counter[record["target"], record["control"], each["code"], each["code"] in accepted] += 1
        return counter


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    assert hostlab.missing() == ""
    if why := hostlab.forbidden():
        pytest.skip(why)
    place = tmp_path_factory.mktemp("audit")
    make = [installed("minisign"), "-G", "-W", "-p", "minisign.pub", "-s", "minisign.key"]
    subprocess.run(make, cwd=place, check=True, capture_output=True)
    sealed = ("--nodered-audit", f"--nodered-seal=minisign -S -s {place / 'minisign.key'} -m")
    with Audited(place) as audited:
        done = {"plain": audited.run("plain", *sealed), "workers": audited.run("workers", *sealed, "-n2")}
        shards = [audited.run(f"shard-{number}", *sealed, f"--nodered-shard={number}/2") for number in (1, 2)]
    done["again"] = audited.again("again", "plain")
    done["merged"] = audited.again("merged", "shard-1", "shard-2")
    for run in done.values():
        assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
        assert "no audit" not in run.stdout
    assert ["a shard alone is no audit" in shard.stdout for shard in shards] == [True, True]
    return Kept(place, {name: run.stdout for name, run in done.items()})


ALL = pytest.mark.parametrize("name", ["plain", "workers", "again", "merged"])


def test_the_audit_is_one_and_saw_all_three(kept: Kept) -> None:
    """The booted host is green from outside and inside, `acting` has its finding, and `fresh` what is known of it."""
    assert kept.json("plain/run.json")["facts"]["audit"] is True
    bad = {name: {record["control"] for record in kept.records("plain")
                  if (record["target"], record["outcome"]) == (name, "non-compliant")} for name in NAMES}  # fmt: skip
    assert bad["line-7"] == set()
    assert bad["hall"] == {"flow-01"}
    assert {"admin-01", "admin-03", "dash-02", "proxy-01"} < bad["yard"]
    inside = [
        record
        for record in kept.records("plain")
        if record["control"].startswith("host-") and record["target"] == "line-7"
    ]
    assert {record["outcome"] for record in inside} == {"compliant", "not-applicable"}
    assert kept.counts("plain")["could-not-look"] == 2
    assert kept.counts("plain")["waived"] > 1


def test_workers_and_a_replay_come_to_the_same(kept: Kept) -> None:
    first, *others = (
        {
            record["nodeid"]: (record["outcome"], [each["code"] for each in record["findings"]])
            for record in kept.records(name)
        }
        for name in ("plain", "workers", "again", "merged")
    )
    assert len(first) > 1000
    assert [other == first for other in others] == [True, True, True]
    assert re.search(r"judged \d+ cases again \(plain, .*\): none differs", kept.said["again"])


@ALL
def test_the_reports_for_people_count_the_same(kept: Kept, name: str) -> None:
    counts, said = kept.counts(name), kept.said[name]
    run = kept.json(f"{name}/run.json")
    assert run["outcomes"] == counts
    assert f"nodered-sec: {run['judgement']}" in said
    for outcome, words in (("could-not-look", "errors"), ("not-judged", "not judged"), ("waived", "waived")):
        assert re.search(rf"nodered-sec: 3 targets · .* · {counts[outcome]} {words}", said)
    skipped = counts["not-applicable"] + counts["not-judged"]
    assert re.search(
        rf"{counts['non-compliant']} failed, {counts['compliant']} passed, {skipped} skipped, "
        rf"{counts['waived']} xfailed, {counts['could-not-look']} errors",
        said,
    )
    for text in (page := kept.text(f"{name}/report.html"), kept.text(f"{name}/README.txt")):
        assert run["headline"] in text
        assert run["judgement"][1:] in text
    cards = re.findall(r'data-outcome="([a-z-]+)"><b>(\d+)</b>', page)
    assert {card: int(number) for card, number in cards if number != "0"} == counts
    summary = kept.text(f"{name}.summary.md")
    assert f"### Findings ({sum(kept.folded(name).values()) - counts['waived']}; " in summary
    for target in NAMES:
        row = re.search(rf"\| {target} \|([\d |]+)\n", summary)
        assert row
        numbers = [int(number) for number in re.findall(r"\d+", row[1])]
        there = Counter(record["outcome"] for record in kept.records(name) if record["target"] == target)
        kinds = ("compliant", "non-compliant", "could-not-look", "waived", "not-applicable", "not-judged")
        assert numbers == [*(there[kind] for kind in kinds), 0]


@ALL
def test_the_reports_of_all_cases_count_the_same(kept: Kept, name: str) -> None:
    counts = kept.counts(name)
    junit = JUnitXml.fromfile(str(kept.place / name / "junit.xml"))
    skipped = sum(counts.values()) - counts["compliant"] - counts["non-compliant"] - counts["could-not-look"]
    totals = (junit.tests, junit.failures, junit.errors, junit.skipped)
    assert totals == (sum(counts.values()), counts["non-compliant"], counts["could-not-look"], skipped)
    outcomes = Counter(
        element.get("value")
        for element in ET.parse(kept.place / name / "junit.xml").iter("property")  # noqa: S314  our own file
        if element.get("name") == "nodered_sec.outcome"
    )
    assert outcomes == counts

    hdf = kept.json(f"{name}/hdf.json")
    for profile, target in zip(hdf["profiles"], NAMES, strict=True):
        shown = Counter(result["status"] for each in profile["controls"] for result in each["results"])
        there = [HDF.get(record["outcome"], "skipped") for record in kept.records(name) if record["target"] == target]
        assert shown == Counter(there)

    results = kept.json(f"{name}.oscal.json")["assessment-results"]["results"]
    assert [result["title"].split()[-1] for result in results] == list(NAMES)
    folded = kept.folded(name)
    for result, target in zip(results, NAMES, strict=True):
        risks = Counter(risk["status"] == "deviation-approved" for risk in result.get("risks", []))
        assert risks == Counter(waived for there, _, _, waived in folded if there == target)
        evidence = [item for each in result["observations"] for item in each.get("relevant-evidence", [])]
        assert len(evidence) == len([record for record in kept.records(name) if record["target"] == target])
    judged = {(record["target"], record["control"]) for record in kept.records(name) if record["outcome"] in JUDGED}
    states = [finding["target"]["status"]["state"] for each in results for finding in each["findings"]]
    number = re.search(r"judged (\d+) of (\d+) controls", kept.json(f"{name}/run.json")["judgement"])
    assert number
    assert (len(states), sum(len(each["observations"]) for each in results)) == (int(number[1]), int(number[2]))
    assert len(states) <= len(judged), "a control of which one instance could not be looked at is not judged"


@ALL
def test_the_reports_of_findings_count_the_same(kept: Kept, name: str) -> None:
    folded = kept.folded(name)
    [run] = kept.json(f"{name}.sarif.json")["runs"]
    entries = Counter({
        (result["properties"]["target"], result["ruleId"], result["properties"]["code"], "suppressions" in result):
        result["occurrenceCount"] for result in run["results"]
    })  # fmt: skip
    assert entries == folded
    notes = [notification["message"]["text"] for notification in run["invocations"][0]["toolExecutionNotifications"]]
    unseen = [int(number) for note in notes for number in re.findall(r"^could not look .*\((\d+) test cases\)$", note)]
    assert sum(unseen) == kept.counts(name)["could-not-look"]

    dojo = kept.json(f"{name}.defectdojo.json")["findings"]
    entries = Counter({
        (finding["service"], *finding["vuln_id_from_tool"].split(), finding["risk_accepted"]): finding["nb_occurences"]
        for finding in dojo
    })  # fmt: skip
    assert entries == folded
    prints = [result["partialFingerprints"]["primaryLocationLineHash"].partition(":")[0] for result in run["results"]]
    assert prints == [finding["unique_id_from_tool"][:32] for finding in dojo]

    gitlab = kept.json(f"{name}.codequality.json")
    assert len(gitlab) == len([key for key in folded if not key[-1]])
    severities = Counter(
        GITLAB[result["properties"]["severity"]] for result in run["results"] if "suppressions" not in result
    )
    assert Counter(issue["severity"] for issue in gitlab) == severities
    if name in ("plain", "workers"):  # where there is no policy file to point at
        assert {issue["location"]["path"] for issue in gitlab} == {"nodered-sec.toml"}


def test_the_same_findings_have_the_same_fingerprints(kept: Kept) -> None:
    fingerprints = [
        {finding["unique_id_from_tool"] for finding in kept.json(f"{name}.defectdojo.json")["findings"]}
        for name in ("plain", "workers", "again", "merged")
    ]
    assert fingerprints[0] == fingerprints[1] == fingerprints[2] == fingerprints[3]


# --- readers -----------------------------------------------------------------------------------------------------


def told(*argv: str, cwd: Path) -> str:
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def package(name: str, tmp_path: Path) -> Path:
    """Install one of the readers that npm has."""
    folder = tmp_path / name
    shutil.copytree(READERS / name, folder)
    done = toolchain.npm(folder, "ci")
    assert done.returncode == 0, done.stderr
    return folder


def test_readers_of_junit_take_it(kept: Kept) -> None:
    counts = kept.counts("plain")
    matrix = told(sys.executable, "-m", "junit2htmlreport", "--summary-matrix", "plain/junit.xml", cwd=kept.place)
    shown = {key: int(number) for key, number in re.findall(r"^  (\w+) +: +(\d+)$", matrix, re.MULTILINE)}
    bad = counts["non-compliant"] + counts["could-not-look"]
    rest = sum(counts.values()) - bad - counts["compliant"]
    assert shown == {"Failed": bad, "Passed": counts["compliant"], "Skipped": rest}
    told(sys.executable, "-m", "junit2htmlreport", "plain/junit.xml", "junit.html", cwd=kept.place)
    assert "test_anonymous_read_is_refused[yard-GET /flows]" in kept.text("junit.html")


def test_readers_of_sarif_take_it(kept: Kept, tmp_path: Path) -> None:
    folded = kept.folded("plain")
    summary = told(sys.executable, "-m", "sarif", "summary", "plain.sarif.json", cwd=kept.place)
    levels = Counter(result["level"] for result in kept.json("plain.sarif.json")["runs"][0]["results"])
    shown = {
        level: int(number) for level, number in re.findall(r"^(error|warning|note): (\d+)$", summary, re.MULTILINE)
    }
    assert shown == levels
    assert sum(shown.values()) == len(folded)
    told(
        sys.executable, "-m", "sarif", "codeclimate", "plain.sarif.json", "-o", str(tmp_path / "c.json"), cwd=kept.place
    )
    assert len(json.loads((tmp_path / "c.json").read_text())) == len(folded)

    program = package("multitool", tmp_path) / "node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool"
    program.chmod(0o755)
    broken = kept.json("plain.sarif.json")
    broken["runs"][0]["results"][0]["locations"] = []
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    rules = {}
    for file in (kept.place / "plain.sarif.json", tmp_path / "broken.json"):
        out = tmp_path / "said.sarif"
        argv = [
            str(program),
            "validate",
            str(file),
            "--rule-kind",
            "Sarif;Gh",
            "--output",
            str(out),
            "--log",
            "ForceOverwrite",
        ]
        subprocess.run(argv, capture_output=True, check=False, timeout=300)
        [run] = json.loads(out.read_text(encoding="utf-8-sig"))["runs"]
        rules[file.name] = {result["ruleId"] for result in run["results"]}
    assert rules["plain.sarif.json"] == set(), "neither error nor warning, by the format's rules and GitHub's"
    assert rules["broken.json"]


def test_heimdall_takes_it(kept: Kept, tmp_path: Path) -> None:
    folder = package("heimdall", tmp_path)
    shown = json.loads(told(str(toolchain.node()), "read.js", str(kept.place / "plain/hdf.json"), cwd=folder))
    assert list(shown) == [f"nodered-sec {name}" for name in NAMES]
    for name in NAMES:
        failed = {
            control
            for control, shown_control in shown[f"nodered-sec {name}"].items()
            if shown_control["status"] == "Failed"
        }
        cases = [record for record in kept.records("plain") if record["target"] == name]
        errs = {record["control"] for record in cases if record["outcome"] == "could-not-look"}
        assert failed == {record["control"] for record in cases if record["outcome"] == "non-compliant"} - errs


def test_nists_schema_takes_it(kept: Kept) -> None:
    schema = str(READERS / "oscal-assessment-results-1.0.6.json")
    files = [f"{name}.oscal.json" for name in ("plain", "workers", "again", "merged")]
    told(sys.executable, "-m", "check_jsonschema", "--schemafile", schema, *files, cwd=kept.place)


# --- the seal, and the page on paper -------------------------------------------------------------------------------


def test_a_changed_byte_is_seen(kept: Kept, tmp_path: Path) -> None:
    """In any file of the folder by its sum, and in the sums by minisign's signature."""
    folder = tmp_path / "copy"
    shutil.copytree(kept.place / "plain", folder)
    assert "signed with: minisign" in (folder / "README.txt").read_text()
    check = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    verify = ["minisign", "-V", "-m", "SHA256SUMS", "-p", str(kept.place / "minisign.pub")]
    told(*check, cwd=folder)
    told(*verify, cwd=folder)
    for path in folder.iterdir():
        if path.name == "SHA256SUMS.minisig":
            continue
        before = path.read_bytes()
        path.write_bytes(before[:-2] + bytes((before[-2] ^ 1,)) + before[-1:])
        argv = verify if path.name == "SHA256SUMS" else check
        assert subprocess.run(argv, cwd=folder, capture_output=True, check=False).returncode != 0, path.name
        path.write_bytes(before)
    told(*check, cwd=folder)


QUESTIONS = {
    "who": ["assessed by J. Doe, Example Security"],
    "when": ["when 20"],
    "by what right": ["authorised by OT-7 of 2026-11-20, by the plant manager"],
    "what was in scope": ["scope editor, dashboards, endpoints and host", "line-7 (https://plant.example, Node-RED "],
    "what was not looked at": [
        "excluded line 9: it is being rebuilt",
        "node-01 at hall could not be looked at: GET /api/orders was not sent",
        "23 controls at hall, yard not judged without a host",
    ],
    "by which demands": ["demanded line-7: profile production, policy "],
    "with which exceptions until when": [
        "waiver of admin-01 GET /diagnostics served at yard, until 2999-12-31, approved by K. Roe",
        'audit_without = "host" at hall, yard, no end',
        "attestation of host-08 at hall, until 2999-11-19, by K. Roe",
    ],
    "how can I re-perform it": ["pytest --nodered-replay=FOLDER", "command pytest --nodered-suite=only"],
    "how do I know that nothing was changed": ["sha256sum --check --strict SHA256SUMS", "signature over SHA256SUMS"],
    "what does it say about requirement X": ["IEC 62443-3-3 findings: SR 1.1", "NIST SP 800-53 r5 findings: AC-3"],
}


def test_the_first_two_printed_pages_answer_an_auditors_ten_questions(kept: Kept, tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or installed("chromium-browser")
    page, pdf = (kept.place / "plain/report.html").as_uri(), tmp_path / "page.pdf"
    told(chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--print-to-pdf={pdf}", page, cwd=tmp_path)
    pages = [
        " ".join(part.split())
        for part in told(installed("pdftotext"), "-layout", str(pdf), "-", cwd=tmp_path).split("\f")
    ]
    begins = next(number for number, page in enumerate(pages) if "What to change" in page)
    assert begins == 2, "the summary has two pages"
    opening = " ".join(pages[:2])
    run = kept.json("plain/run.json")
    assert run["headline"] in opening
    assert {
        question: [answer for answer in answers if answer not in opening] for question, answers in QUESTIONS.items()
    } == {question: [] for question in QUESTIONS}
