"""What a run leaves for others: the evidence folder and single reports, of whole, interrupted and distributed runs."""

from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest
from session.evidence_site import OUTCOMES, OWN, POLICY, controls, counted, lines, said

if TYPE_CHECKING:
    from pathlib import Path

    from session.conftest import Site


def results(path: Path) -> list[Any]:
    """Return the results of all profiles of an HDF file."""
    profiles = json.loads(path.read_text())["profiles"]
    return [result for profile in profiles for control in profile["controls"] for result in control["results"]]


def test_a_folder_holds_everything_and_its_reports_agree(two_targets: Site) -> None:
    result = two_targets.run(*OWN, "--nodered-evidence=out/ev", url=None)
    folder = two_targets.path / "out/ev"
    assert {path.name for path in folder.iterdir()} == {
        "SHA256SUMS", "run.json", "observations.jsonl", "results.jsonl", "policy.toml", "versions.json", "junit.xml",
        "hdf.json", "report.html", "README.txt",
    }  # fmt: skip
    command = ["sha256sum", "-c", "SHA256SUMS"]  # as docs/evidence.md says
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert len(done.stdout.splitlines()) == 9

    records = lines(folder / "results.jsonl")
    assert counted(records) == OUTCOMES
    assert "evidence written to out/ev" in said(result)
    assert said(result)[-1].startswith("judged ")

    suite = ET.parse(folder / "junit.xml").getroot()[0]  # noqa: S314  our own file
    assert {name: int(suite.get(name, "")) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": 10, "failures": 1, "errors": 2, "skipped": 3,
    }  # fmt: skip
    assert suite.find("properties/property[@name='nodered_sec.plugin']") is not None, "completed before it was summed"

    statuses = [result["status"] for result in results(folder / "hdf.json")]
    assert {status: statuses.count(status) for status in statuses} == {
        "passed": 4, "failed": 1, "error": 2, "skipped": 3,
    }  # fmt: skip
    hdf = json.loads((folder / "hdf.json").read_text())
    [waived] = [
        control["waiver_data"]
        for profile in hdf["profiles"]
        for control in profile["controls"]
        if "waiver_data" in control
    ]
    assert waived["expiration_date"] == "2999-12-31"
    assert waived["skipped_due_to_waiver"] is False

    page = (folder / "report.html").read_text()
    cards = dict(re.findall(r'data-outcome="([a-z-]+)"><b>(\d+)</b>', page))
    assert {key: int(value) for key, value in cards.items() if value != "0"} == OUTCOMES
    seen = lines(folder / "observations.jsonl")
    assert [(look["target"], look["args"][0], len(look["cases"])) for look in seen] == [
        (target, how, 2 if how == "good" else 1)
        for target in ("hall", "plant")
        for how in ("absent", "bad", "error", "good")
    ]


def without_how(value: Any) -> Any:
    """Return JSON without how the run was started, and without its clock."""
    if isinstance(value, list):
        return [without_how(item) for item in value if not (isinstance(item, dict) and item.get("name") in HOW)]
    if isinstance(value, dict):
        return {key: without_how(item) for key, item in value.items() if key not in HOW}
    return value


HOW = ("command", "settings", "clock")


def test_workers_change_nothing_but_times(two_targets: Site) -> None:
    two_targets.run(*OWN, "--nodered-evidence=plain", url=None)
    two_targets.run(*OWN, "--nodered-evidence=spread", "-n2", url=None)

    def timeless(name: str, file: str) -> str:
        text = (two_targets.path / name / file).read_text()
        if file in ("run.json", "hdf.json"):
            text = json.dumps(without_how(json.loads(text)))
        text = re.sub(r"<dt>(command|clock)</dt><dd>.*?</dd>", "", text)
        text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( UTC|\+00:00)?", "TIME", text)
        return re.sub(r'"(seconds|run_time|duration)": ?[\d.e-]+', "SECONDS", text)

    for file in ("results.jsonl", "observations.jsonl", "policy.toml", "run.json", "hdf.json", "report.html"):
        assert timeless("plain", file) == timeless("spread", file), file


def test_single_reports_and_the_summary(two_targets: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(two_targets.path / "summary.md"))
    (two_targets.path / "summary.md").write_text("before\n")
    two_targets.run(*OWN, "--nodered-hdf=a/run.json", "--nodered-report=b/run.html", "--nodered-job-summary", url=None)
    hdf = json.loads((two_targets.path / "a/run.json").read_text())
    assert [profile["name"] for profile in hdf["profiles"]] == ["nodered-sec plant", "nodered-sec hall"]
    assert (two_targets.path / "b/run.html").read_text().startswith("<!doctype html>")
    text = (two_targets.path / "summary.md").read_text()
    assert text.startswith("before\n## Node-RED security\n")
    assert "| plant | 2 | 1 | 1 | 0 | 1 | 0 | 0 |" in text
    assert not list(two_targets.path.glob("*/.run*")), "no half file is left"


def test_every_report_shows_the_case_that_was_collected_first(two_targets: Site) -> None:
    two_targets.write(test_site=controls("worse", "bad"))
    two_targets.run(*OWN, "--nodered-sarif=run.sarif", "--nodered-evidence=ev", url=None)
    results = json.loads((two_targets.path / "run.sarif").read_text())["runs"][0]["results"]
    assert next(result["message"]["text"] for result in results).startswith("plant: GET /worse ")
    cases = [line for line in lines(two_targets.path / "ev" / "results.jsonl") if line["control"] == "site-01"]
    assert [case["instance"] for case in cases] == ["worse", "bad"] * 2


@pytest.mark.parametrize("option", [(), ("--nodered-job-summary",)], ids=["not asked for", "no CI"])
def test_no_summary_unless_asked_for_and_in_ci(
    two_targets: Site, monkeypatch: pytest.MonkeyPatch, option: tuple[str, ...]
) -> None:
    if not option:
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(two_targets.path / "summary.md"))
    result = two_targets.run(*OWN, *option, url=None)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert not (two_targets.path / "summary.md").exists()
    line = "no job summary: GITHUB_STEP_SUMMARY names no file here"
    assert (line in said(result)) == bool(option)


def test_what_a_target_sends_is_never_markup(two_targets: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(two_targets.path / "summary.md"))
    two_targets.run(*OWN, "--nodered-evidence=ev", "--nodered-job-summary", url=None)
    page = (two_targets.path / "ev/report.html").read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert not re.search(r"<script|<b>(or|shut)|<i>admin|javascript:[^&]*\"", page)
    assert page.count("<details") == page.count("</details>")
    text = (two_targets.path / "summary.md").read_text()
    assert not re.search(r"<(script|b|i|/details)>|\]\(|`", text)
    assert "alert(1)" in text


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["plain", "xdist"])
def test_an_interrupted_run_says_so_everywhere(two_targets: Site, workers: tuple[str, ...]) -> None:
    two_targets.write(test_site=controls("good", "interrupt", "bad"))
    result = two_targets.run(*OWN, "--nodered-evidence=ev", *workers, url=None)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    folder = two_targets.path / "ev"
    assert "<strong>Incomplete:</strong>" in (folder / "report.html").read_text()
    hdf = json.loads((folder / "hdf.json").read_text())
    assert {profile["status"] for profile in hdf["profiles"]} == {"failed"}
    assert all(profile["status_message"].startswith("incomplete: ") for profile in hdf["profiles"])
    assert json.loads((folder / "run.json").read_text())["unfinished"]


def test_a_run_that_stops_at_the_first_failure_says_so(two_targets: Site) -> None:
    two_targets.run(*OWN, "--nodered-hdf=run.json", "-x", url=None)
    hdf = json.loads((two_targets.path / "run.json").read_text())
    assert {profile["status_message"] for profile in hdf["profiles"]} == {"incomplete: stopping after 1 failures"}


def test_a_case_that_takes_its_worker_down_is_not_lost(two_targets: Site) -> None:
    two_targets.write(test_site=controls("good", "crash"))
    two_targets.run(*OWN, "-n1", "--nodered-hdf=run.json", "-k", "plant", url=None)
    broken = [result for result in results(two_targets.path / "run.json") if result["status"] == "error"]
    assert [result["message"] for result in broken] == ["could not look: the test crashed its process"]


@pytest.mark.parametrize("workers", ["-n1", "-n2"])
def test_a_worker_that_dies_before_it_told_anything_leaves_no_complete_report(two_targets: Site, workers: str) -> None:
    two_targets.write(test_site=controls("crash", "good"))
    result = two_targets.run(*OWN, workers, "--max-worker-restart=0", "--nodered-hdf=run.json", url=None)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    hdf = json.loads((two_targets.path / "run.json").read_text())
    told = {profile["status_message"].partition("[")[0] for profile in hdf["profiles"]}
    assert told == {"incomplete: a worker crashed at test_site.py::test_orders"}
    assert any(line.startswith("a worker crashed at test_site.py::test_orders[") for line in said(result))


def test_what_was_lost_with_a_worker_is_called_so(two_targets: Site) -> None:
    two_targets.write(test_site=controls("good", "crash", "later"))
    result = two_targets.run(*OWN, "-n1", "--max-worker-restart=0", url=None)
    assert said(result)[-1].endswith("3 not selected (lost with a worker)")
    assert " · 1 error · " in said(result)[-2]


def test_everything_compliant_is_written_too(two_targets: Site) -> None:
    two_targets.write(test_site=controls("good"))
    (two_targets.path / "nodered-sec.toml").write_text(POLICY.partition("[[waiver]]")[0])
    assert two_targets.run(*OWN, "--nodered-evidence=ev", url=None).ret == pytest.ExitCode.OK
    assert {result["status"] for result in results(two_targets.path / "ev/hdf.json")} == {"passed"}


def test_the_users_own_junit_file_is_copied(two_targets: Site) -> None:
    two_targets.run(*OWN, "--nodered-evidence=ev", "--junitxml=mine.xml", url=None)
    assert (two_targets.path / "mine.xml").read_bytes() == (two_targets.path / "ev/junit.xml").read_bytes()


def test_a_place_that_cannot_be_used_is_told_before_the_run(two_targets: Site) -> None:
    (two_targets.path / "full").mkdir()
    (two_targets.path / "full/x").touch()
    for options, sentence in (
        (["--nodered-evidence=full"], "--nodered-evidence=full is not empty, and evidence is never overwritten"),
        (["--nodered-evidence=conftest.py"], "--nodered-evidence=conftest.py is a file; name a folder"),
        (["--nodered-evidence=conftest.py/x"], "--nodered-evidence=conftest.py/x cannot be written: Not a directory"),
        (["--nodered-hdf=full"], "--nodered-hdf=full is a folder; name a file"),
        (["--nodered-report=conftest.py/x"], "--nodered-report=conftest.py/x: conftest.py is a file; name a folder"),
        (["--nodered-evidence=new", "-pno:junitxml"], "--nodered-evidence needs pytest's JUnit plugin"),
        (["--nodered-replay=gone"], "--nodered-replay=gone: there is no such folder"),
        (["--nodered-replay=full"], "full is no complete evidence folder: SHA256SUMS cannot be read"),
    ):
        result = two_targets.run(*OWN, *options, url=None)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert sentence in result.stderr.str()
    assert not two_targets.asked()


def test_a_report_without_a_target_is_told_where_it_was_typed(site: Site) -> None:
    site.write(test_own="def test_own():\n    pass\n")
    result = site.run("--nodered-report=x.html", url=None)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--nodered-report needs a target" in result.stderr.str()
    (site.path / "tox.ini").write_text("[pytest]\nnodered_report = x.html\n")
    assert site.run(url=None).ret == pytest.ExitCode.OK
    assert not (site.path / "x.html").exists()


def test_evidence_that_cannot_be_written_at_the_end_fails_the_run(two_targets: Site) -> None:
    two_targets.write(
        test_site=controls("good"), test_own="import shutil\n\ndef test_own():\n    shutil.rmtree('gone')\n"
    )
    result = two_targets.run(
        "--nodered-suite=off", "test_site.py", "test_own.py", "--nodered-hdf=gone/run.json", url=None
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert any(line.startswith("the evidence is not complete: ") for line in said(result))


def test_only_showing_writes_nothing(two_targets: Site) -> None:
    two_targets.run(*OWN, "--nodered-evidence=ev", "--collect-only", url=None)
    assert not (two_targets.path / "ev").exists()


def test_code_scanning_and_code_quality_point_at_the_policys_tables(two_targets: Site) -> None:
    two_targets.run(*OWN, "--nodered-sarif=out/x.sarif", "--nodered-codequality=out/gl.json", url=None)
    [run] = json.loads((two_targets.path / "out" / "x.sarif").read_text())["runs"]
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    regions = [(place["artifactLocation"]["uri"], place["region"]["startLine"]) for place in places]
    assert regions == [("nodered-sec.toml", 2), ("nodered-sec.toml", 5)]
    assert ["suppressions" in result for result in run["results"]] == [False, True]
    [entry] = json.loads((two_targets.path / "out" / "gl.json").read_text())
    assert entry["location"] == {"path": "nodered-sec.toml", "lines": {"begin": 2}}
