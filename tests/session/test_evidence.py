"""What a run leaves for others, and judging it again: over a survey that asks nobody, and real pytest processes."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_nodered_sec.evidence import stored
from pytest_nodered_sec.policy.model import PolicyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from session.conftest import Site

# Observations are real ones here: an evidence folder takes no others.
SEES = """
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.access import AccessAttempt
from pytest_nodered_sec.observations.answers import Answer, Classified, Kind, RootView
from pytest_nodered_sec.observations.answers import Seen as Landmark

VIEW = RootView("/", Landmark("/x", Answer(404), Classified(Kind.ABSENT)))

class Sees(Survey):
    def outcome(self, target, ask):
        self.ask_ahead(target, [ask])
        how = ask.args[0] if ask.probe == "stub" else "error"
        if how == "error":
            return ProbeError("GET /orders got no answer within 10 s", Cause.TIMEOUT)
        if how == "crash":
            os._exit(3)
        if how == "interrupt":
            raise KeyboardInterrupt
        answer = Answer(401 if how == "good" else 200, "text/html", 12)
        kind = Kind.REFUSED if how == "good" else Kind.SERVED
        asked = (Surface.NODE, "GET", "/" + how, "without credentials")
        return AccessAttempt(*asked, answer, Classified(kind), False, VIEW)

pytest_nodered_sec.survey.survey.Survey = Sees
"""
HOSTILE = "<script>alert(1)</script>\"'|`[x](javascript:alert(2))</details>"
CONTROLS = """
from pytest_nodered_sec import Ask, NotApplicable, Severity, Violation, control, require
from pytest_nodered_sec.observations.answers import Kind

HOSTILE = %r

def asks(*labels):
    return [Ask("stub", (label,), label) for label in labels]

def is_refused(seen, policy):
    '''A rule as any.'''
    if seen.path == "/absent":
        return NotApplicable("no orders here")
    if seen.kind is Kind.SERVED and policy.profile != "baseline":
        observed = f"{seen.evidence()} {HOSTILE}"
        return (Violation("served", observed, "401 <b>or</b> 403", "settings.js: <i>adminAuth</i>"),)
    return ()

@control("site-01", severity=Severity.CRITICAL, asks=asks(%s))
def test_orders(nodered_seen, nodered_policy):
    '''Orders are refused.'''
    require(is_refused(nodered_seen, nodered_policy))

@control("site-02", severity=Severity.LOW, asks=asks("good"))
def test_again(nodered_seen, nodered_policy):
    '''Asks what the other asks.'''
    require(is_refused(nodered_seen, nodered_policy))
"""
POLICY = """
[[target]]
name = "plant"
url = "https://plant.example"
[[target]]
name = "hall"
url = "https://hall.example"
[[waiver]]
control = "site-01"
target = "hall"
instance = "bad"
finding = "served"
reason = "<b>shut</b> until the line is renewed"
expires = 2999-12-31
approver = "A. Meier"
"""
OWN = ("--nodered-suite=off", "test_site.py")
OUTCOMES = {"compliant": 4, "non-compliant": 1, "waived": 1, "could-not-look": 2, "not-applicable": 2}


@pytest.fixture
def site2(site: Site) -> Site:
    """Two targets, a waiver, and a control that comes to everything."""
    (site.path / "conftest.py").write_text((site.path / "conftest.py").read_text() + SEES)
    site.write(test_site=controls("good", "bad", "absent", "error"))
    (site.path / "nodered-sec.toml").write_text(POLICY)
    return site


def controls(*asked: str) -> str:
    return CONTROLS % (HOSTILE, ", ".join(map(repr, asked)))


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def counted(records: list[Any]) -> dict[str, int]:
    outcomes = [record["outcome"] for record in records]
    return {outcome: outcomes.count(outcome) for outcome in outcomes}


def results(path: Path) -> list[Any]:
    """Return the results of all profiles of an HDF file."""
    profiles = json.loads(path.read_text())["profiles"]
    return [result for profile in profiles for control in profile["controls"] for result in control["results"]]


def said(result: pytest.RunResult) -> list[str]:
    return [line.removeprefix("nodered-sec: ") for line in result.outlines if line.startswith("nodered-sec: ")]


def test_a_folder_holds_everything_and_its_reports_agree(site2: Site) -> None:
    result = site2.run(*OWN, "--nodered-evidence=out/ev", url=None)
    folder = site2.path / "out/ev"
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


def test_workers_change_nothing_but_times(site2: Site) -> None:
    site2.run(*OWN, "--nodered-evidence=plain", url=None)
    site2.run(*OWN, "--nodered-evidence=spread", "-n2", url=None)

    def timeless(name: str, file: str) -> str:
        text = (site2.path / name / file).read_text()
        if file in ("run.json", "hdf.json"):
            text = json.dumps(without_how(json.loads(text)))
        text = re.sub(r"<dt>(command|clock)</dt><dd>.*?</dd>", "", text)
        text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( UTC|\+00:00)?", "TIME", text)
        return re.sub(r'"(seconds|run_time|duration)": ?[\d.e-]+', "SECONDS", text)

    for file in ("results.jsonl", "observations.jsonl", "policy.toml", "run.json", "hdf.json", "report.html"):
        assert timeless("plain", file) == timeless("spread", file), file


NO_SOCKETS = """
import socket
def refuse(*args, **kwargs):
    raise AssertionError("a replay opens no connection")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
"""


@pytest.fixture
def kept(site2: Site) -> Site:
    """A folder to judge again, in a place where nothing can be asked."""
    site2.run(*OWN, "--nodered-evidence=ev", url=None)
    site2.write(conftest=NO_SOCKETS)
    (site2.path / "nodered-sec.toml").unlink()
    return site2


def test_a_replay_comes_to_the_same_and_asks_nobody(kept: Site) -> None:
    result = kept.run(*OWN, "--nodered-replay=ev", "--nodered-evidence=again", "-n2", "-pno:rerunfailures", url=None)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    [line] = [line for line in said(result) if line.startswith("judged 10 cases again")]
    assert line.endswith("none differs")
    assert not [line for line in said(result) if line.startswith("differs")]
    assert counted(lines(kept.path / "again/results.jsonl")) == OUTCOMES
    assert "Judged again, nothing was asked" in (kept.path / "again/report.html").read_text()
    for name in ("policy.toml", "observations.jsonl"):  # the second folder can be judged again as well
        assert (kept.path / "again" / name).read_text() == (kept.path / "ev" / name).read_text()
    assert kept.run(*OWN, "--nodered-replay=again", url=None).ret == pytest.ExitCode.TESTS_FAILED


def test_a_replay_under_another_policy_says_what_differs(kept: Site) -> None:
    text = (kept.path / "ev/policy.toml").read_text()
    (kept.path / "new.toml").write_text(
        re.sub(r"\[target.thresholds\]\n(.*=.*\n)*", "", text).replace('"production"', '"baseline"')
    )
    result = kept.run(*OWN, "--nodered-replay=ev", "--nodered-policy=new.toml", url=None)
    differs = [line.removeprefix("differs: ") for line in said(result) if line.startswith("differs: ")]
    assert differs == [
        "test_site.py::test_orders[plant-bad]: non-compliant (served) → compliant",
        "test_site.py::test_orders[hall-bad]: waived (served) → compliant",
    ]


def test_a_replay_finds_no_answer_to_what_was_not_asked(kept: Site) -> None:
    kept.write(test_site=controls("good", "new"))
    result = kept.run(*OWN, "--nodered-replay=ev", "-k", "plant", url=None)
    result.assert_outcomes(passed=2, errors=1, deselected=3)
    assert "could not look: stub new was not asked of plant when the evidence was taken" in result.stdout.str()
    differs = [line.removeprefix("differs: ") for line in said(result) if line.startswith("differs: ")]
    assert differs == ["test_site.py::test_orders[plant-new]: not run then → could-not-look"]
    assert any(line.endswith(": 1 differ; 8 were not run now") for line in said(result))


def test_a_replay_of_some_controls_judges_those(kept: Site) -> None:
    result = kept.run("--nodered-replay=ev", "--nodered-control=site-02", "--nodered-suite=off", url=None)
    assert any(
        line.startswith("judged 2 of 4 ") and line.endswith("; 2 not selected (--nodered-control)")
        for line in said(result)
    )


def _append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def _sum_again(path: Path) -> None:
    sums = path.parent / "SHA256SUMS"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    sums.write_text(re.sub(rf"\w+  {path.name}", f"{digest}  {path.name}", sums.read_text()))


def _of_another_schema(path: Path) -> None:
    facts = json.loads(path.read_text())
    path.write_text(json.dumps(facts | {"schema": 99}))
    _sum_again(path)


def _with_a_date_that_is_none(path: Path) -> None:
    path.write_text(path.read_text().replace('"started": "2', '"started": "x'))
    _sum_again(path)


def _led_astray(path: Path) -> None:
    path.write_text(path.read_text().replace('"ca_file": null', '"ca_file": "../../etc/passwd"'))
    _sum_again(path)


def _no_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")
    _sum_again(path)


def _too_deep(path: Path) -> None:
    path.write_text("[" * 100_000)
    _sum_again(path)


def _without_findings(path: Path) -> None:
    path.write_text(path.read_text().replace('"findings"', '"found"'))
    _sum_again(path)


def _answered_twice(path: Path) -> None:
    path.write_text(path.read_text() * 2)
    _sum_again(path)


HARMS: tuple[tuple[Callable[[Path], None], str, str], ...] = (
    (_append, "observations.jsonl", "observations.jsonl was changed after it was written: SHA256SUMS says"),
    (_append, "report.html", "report.html was changed"),
    (Path.unlink, "results.jsonl", "results.jsonl cannot be read"),
    (Path.unlink, "SHA256SUMS", "is no complete evidence folder"),
    (_append, "SHA256SUMS", "SHA256SUMS was changed, or lacks a file"),
    (_of_another_schema, "run.json", "has schema 99, and this version reads 1"),
    (_with_a_date_that_is_none, "run.json", "cannot be read by this version: Invalid isoformat string"),
    (_led_astray, "run.json", "cannot be read by this version: ../../etc/passwd is no file of the folder"),
    (_no_text, "observations.jsonl", "cannot be read by this version: 'utf-8' codec"),
    (_too_deep, "results.jsonl", "cannot be read by this version: maximum recursion"),
    (_without_findings, "results.jsonl", "cannot be read by this version: 'findings'"),
    (_answered_twice, "observations.jsonl", "observations.jsonl answers a question twice"),
)


def test_a_folder_that_is_not_as_it_was_is_refused(kept: Site) -> None:
    for number, (harm, file, sentence) in enumerate(HARMS):
        folder = shutil.copytree(kept.path / "ev", kept.path / f"ev{number}")
        stored.read(folder)
        harm(folder / file)
        with pytest.raises(PolicyError, match=re.escape(sentence)):
            stored.read(folder)
    result = kept.run(*OWN, "--nodered-replay=ev0", url=None)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "ev0/observations.jsonl was changed after it was written" in result.stderr.str()


def test_a_second_judgement_remembers_the_first_look(kept: Site) -> None:
    run = kept.path / "ev/run.json"
    run.write_text(re.sub(r'"started": "[^T]*T', '"started": "2020-02-03T', run.read_text(), count=1))
    _sum_again(run)
    kept.run(*OWN, "--nodered-replay=ev", "--nodered-evidence=again", url=None)
    suite = ET.parse(kept.path / "again/junit.xml").getroot()[0]  # noqa: S314  our own file
    told = suite.find("properties/property[@name='nodered_sec.replayed']")
    assert told is not None
    assert str(told.get("value")).startswith("ev, looked at 2020-02-03T")
    again = stored.read(kept.path / "again")
    assert again.day == date(2020, 2, 3)
    assert again.line().startswith("again, looked at 2020-02-03T")
    result = kept.run(*OWN, "--nodered-replay=again", url=None)
    assert any("(again, looked at 2020-02-03T" in line for line in said(result))


def test_a_folder_of_0_1_0_says_less_of_itself_and_is_judged_again(kept: Site) -> None:
    path = kept.path / "ev/run.json"
    run = json.loads(path.read_text())
    for key in ("assessment", "command", "settings", "code", "tables", "machine", "clock"):
        del run["facts"][key]
    for target in run["targets"]:
        for key in ("audit_without", "attestations"):
            del target["target"]["policy"][key]
    path.write_text(json.dumps(run))
    _sum_again(path)
    result = kept.run(*OWN, "--nodered-replay=ev", "--nodered-evidence=again", url=None)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert any(line.endswith("): none differs") for line in said(result))
    again = json.loads((kept.path / "again/run.json").read_text())
    assert (again["facts"]["machine"], again["facts"]["assessment"]["assessor"]) == ("", "")


def test_later_files_such_as_a_signature_are_no_concern(kept: Site) -> None:
    (kept.path / "ev/SHA256SUMS.sig").touch()
    stored.read(kept.path / "ev")


def test_a_replay_takes_no_settings_of_how_to_ask(kept: Site) -> None:
    result = kept.run(*OWN, "--nodered-replay=ev", "--nodered-profile=strict", "--nodered-timeout=3", url=None)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "remove --nodered-timeout, --nodered-profile" in result.stderr.str()
    (kept.path / "other.toml").write_text('[[target]]\nurl = "https://else.example"\n')
    result = kept.run(*OWN, "--nodered-replay=ev", "--nodered-policy=other.toml", url=None)
    assert "other.toml has no [[target]] called plant" in result.stderr.str()
    waiver = '\n[[waiver]]\ncontrol = "dash-02"\nfinding = "x"\nreason = "x"\nexpires = 2099-01-01\ntarget = "plnat"\n'
    (kept.path / "same.toml").write_text((kept.path / "ev/policy.toml").read_text() + waiver)
    result = kept.run(*OWN, "--nodered-replay=ev", "--nodered-policy=same.toml", url=None)
    assert "[[waiver]] dash-02: target = plnat: no target has that name or label" in result.stderr.str()


def test_a_host_is_not_looked_at_in_a_replay(kept: Site) -> None:
    kept.write(test_own="def test_own(nodered_host):\n    pass\n")
    result = kept.run("--nodered-suite=off", "test_own.py", "--nodered-replay=ev", url=None)
    result.assert_outcomes(errors=2)
    assert "a replay opens no connection" in result.stdout.str()


def test_single_reports_and_the_summary(site2: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(site2.path / "summary.md"))
    (site2.path / "summary.md").write_text("before\n")
    site2.run(*OWN, "--nodered-hdf=a/run.json", "--nodered-report=b/run.html", "--nodered-job-summary", url=None)
    hdf = json.loads((site2.path / "a/run.json").read_text())
    assert [profile["name"] for profile in hdf["profiles"]] == ["nodered-sec plant", "nodered-sec hall"]
    assert (site2.path / "b/run.html").read_text().startswith("<!doctype html>")
    text = (site2.path / "summary.md").read_text()
    assert text.startswith("before\n## Node-RED security\n")
    assert "| plant | 2 | 1 | 1 | 0 | 1 | 0 | 0 |" in text
    assert not list(site2.path.glob("*/.run*")), "no half file is left"


def test_every_report_shows_the_case_that_was_collected_first(site2: Site) -> None:
    site2.write(test_site=controls("worse", "bad"))
    site2.run(*OWN, "--nodered-sarif=run.sarif", "--nodered-evidence=ev", url=None)
    results = json.loads((site2.path / "run.sarif").read_text())["runs"][0]["results"]
    assert next(result["message"]["text"] for result in results).startswith("plant: GET /worse ")
    cases = [line for line in lines(site2.path / "ev" / "results.jsonl") if line["control"] == "site-01"]
    assert [case["instance"] for case in cases] == ["worse", "bad"] * 2


@pytest.mark.parametrize("option", [(), ("--nodered-job-summary",)], ids=["not asked for", "no CI"])
def test_no_summary_unless_asked_for_and_in_ci(
    site2: Site, monkeypatch: pytest.MonkeyPatch, option: tuple[str, ...]
) -> None:
    if not option:
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(site2.path / "summary.md"))
    result = site2.run(*OWN, *option, url=None)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert not (site2.path / "summary.md").exists()
    line = "no job summary: GITHUB_STEP_SUMMARY names no file here"
    assert (line in said(result)) == bool(option)


def test_what_a_target_sends_is_never_markup(site2: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(site2.path / "summary.md"))
    site2.run(*OWN, "--nodered-evidence=ev", "--nodered-job-summary", url=None)
    page = (site2.path / "ev/report.html").read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert not re.search(r"<script|<b>(or|shut)|<i>admin|javascript:[^&]*\"", page)
    assert page.count("<details") == page.count("</details>")
    text = (site2.path / "summary.md").read_text()
    assert not re.search(r"<(script|b|i|/details)>|\]\(|`", text)
    assert "alert(1)" in text


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["plain", "xdist"])
def test_an_interrupted_run_says_so_everywhere(site2: Site, workers: tuple[str, ...]) -> None:
    site2.write(test_site=controls("good", "interrupt", "bad"))
    result = site2.run(*OWN, "--nodered-evidence=ev", *workers, url=None)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    folder = site2.path / "ev"
    assert "<strong>Incomplete:</strong>" in (folder / "report.html").read_text()
    hdf = json.loads((folder / "hdf.json").read_text())
    assert {profile["status"] for profile in hdf["profiles"]} == {"failed"}
    assert all(profile["status_message"].startswith("incomplete: ") for profile in hdf["profiles"])
    assert json.loads((folder / "run.json").read_text())["unfinished"]


def test_a_run_that_stops_at_the_first_failure_says_so(site2: Site) -> None:
    site2.run(*OWN, "--nodered-hdf=run.json", "-x", url=None)
    hdf = json.loads((site2.path / "run.json").read_text())
    assert {profile["status_message"] for profile in hdf["profiles"]} == {"incomplete: stopping after 1 failures"}


def test_a_case_that_takes_its_worker_down_is_not_lost(site2: Site) -> None:
    site2.write(test_site=controls("good", "crash"))
    site2.run(*OWN, "-n1", "--nodered-hdf=run.json", "-k", "plant", url=None)
    broken = [result for result in results(site2.path / "run.json") if result["status"] == "error"]
    assert [result["message"] for result in broken] == ["could not look: the test crashed its process"]


@pytest.mark.parametrize("workers", ["-n1", "-n2"])
def test_a_worker_that_dies_before_it_told_anything_leaves_no_complete_report(site2: Site, workers: str) -> None:
    site2.write(test_site=controls("crash", "good"))
    result = site2.run(*OWN, workers, "--max-worker-restart=0", "--nodered-hdf=run.json", url=None)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    hdf = json.loads((site2.path / "run.json").read_text())
    told = {profile["status_message"].partition("[")[0] for profile in hdf["profiles"]}
    assert told == {"incomplete: a worker crashed at test_site.py::test_orders"}
    assert any(line.startswith("a worker crashed at test_site.py::test_orders[") for line in said(result))


def test_what_was_lost_with_a_worker_is_called_so(site2: Site) -> None:
    site2.write(test_site=controls("good", "crash", "later"))
    result = site2.run(*OWN, "-n1", "--max-worker-restart=0", url=None)
    assert said(result)[-1].endswith("3 not selected (lost with a worker)")
    assert " · 1 error · " in said(result)[-2]


def test_everything_compliant_is_written_too(site2: Site) -> None:
    site2.write(test_site=controls("good"))
    (site2.path / "nodered-sec.toml").write_text(POLICY.partition("[[waiver]]")[0])
    assert site2.run(*OWN, "--nodered-evidence=ev", url=None).ret == pytest.ExitCode.OK
    assert {result["status"] for result in results(site2.path / "ev/hdf.json")} == {"passed"}


def test_the_users_own_junit_file_is_copied(site2: Site) -> None:
    site2.run(*OWN, "--nodered-evidence=ev", "--junitxml=mine.xml", url=None)
    assert (site2.path / "mine.xml").read_bytes() == (site2.path / "ev/junit.xml").read_bytes()


def test_a_place_that_cannot_be_used_is_told_before_the_run(site2: Site) -> None:
    (site2.path / "full").mkdir()
    (site2.path / "full/x").touch()
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
        result = site2.run(*OWN, *options, url=None)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert sentence in result.stderr.str()
    assert not site2.asked()


def test_a_report_without_a_target_is_told_where_it_was_typed(site: Site) -> None:
    site.write(test_own="def test_own():\n    pass\n")
    result = site.run("--nodered-report=x.html", url=None)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--nodered-report needs a target" in result.stderr.str()
    (site.path / "tox.ini").write_text("[pytest]\nnodered_report = x.html\n")
    assert site.run(url=None).ret == pytest.ExitCode.OK
    assert not (site.path / "x.html").exists()


def test_evidence_that_cannot_be_written_at_the_end_fails_the_run(site2: Site) -> None:
    site2.write(test_site=controls("good"), test_own="import shutil\n\ndef test_own():\n    shutil.rmtree('gone')\n")
    result = site2.run("--nodered-suite=off", "test_site.py", "test_own.py", "--nodered-hdf=gone/run.json", url=None)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert any(line.startswith("the evidence is not complete: ") for line in said(result))


def test_only_showing_writes_nothing(site2: Site) -> None:
    site2.run(*OWN, "--nodered-evidence=ev", "--collect-only", url=None)
    assert not (site2.path / "ev").exists()


def test_code_scanning_and_code_quality_point_at_the_policys_tables(site2: Site) -> None:
    site2.run(*OWN, "--nodered-sarif=out/x.sarif", "--nodered-codequality=out/gl.json", url=None)
    [run] = json.loads((site2.path / "out" / "x.sarif").read_text())["runs"]
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    regions = [(place["artifactLocation"]["uri"], place["region"]["startLine"]) for place in places]
    assert regions == [("nodered-sec.toml", 2), ("nodered-sec.toml", 5)]
    assert ["suppressions" in result for result in run["results"]] == [False, True]
    [entry] = json.loads((site2.path / "out" / "gl.json").read_text())
    assert entry["location"] == {"path": "nodered-sec.toml", "lines": {"begin": 2}}


ASSESSED = (
    '[assessment]\nassessor = "J. Doe"\norganisation = "Example"\nauthorisation = "OT-7"\nscope = "hall <7>"\n'
    'vantage = "VLAN 20"\nexcluded = [{system = "line-9", reason = "rebuilt"}]\n'
)
LINE = (
    "assessor J. Doe; organisation Example; authorisation OT-7; scope hall <7>; vantage VLAN 20; "
    "excluded line-9 (rebuilt)"
)


def test_every_report_says_who_assesses_what_and_a_replay_repeats_it(
    site2: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(site2.path / "job.md"))
    policy = site2.path / "nodered-sec.toml"
    policy.write_text(policy.read_text() + ASSESSED)
    result = site2.run(*OWN, "--nodered-evidence=ev", "--nodered-sarif=x.sarif", "--nodered-job-summary", url=None)
    assert f"assessment: {LINE}" in said(result)
    policy.unlink()
    site2.run(*OWN, "--nodered-replay=ev", "--nodered-evidence=again", url=None)
    first, again = (json.loads((site2.path / name / "run.json").read_text())["facts"] for name in ("ev", "again"))
    assert first["assessment"]["excluded"] == [{"system": "line-9", "reason": "rebuilt"}]
    for key in ("assessment", "machine", "tables", "code"):
        assert first[key] == again[key]
    assert first["command"][-1] == "--nodered-job-summary"
    assert "scope hall &#60;7&#62;" in (site2.path / "job.md").read_text()
    assert "hall &lt;7&gt;" in (site2.path / "again/report.html").read_text()
    assert (site2.path / "again/policy.toml").read_text() == (site2.path / "ev/policy.toml").read_text()
    suite = ET.parse(site2.path / "ev/junit.xml").getroot()[0]  # noqa: S314  our own file
    for place in (
        next(
            element.get("value")
            for element in suite.iter("property")
            if element.get("name") == "nodered_sec.assessment"
        ),
        json.dumps(json.loads((site2.path / "ev/hdf.json").read_text())["profiles"][0]["attributes"]),
        json.dumps(json.loads((site2.path / "x.sarif").read_text())["runs"][0]["invocations"][0]["properties"]),
    ):
        assert place
        assert "OT-7" in place


ATTESTED = """
[[attestation]]
control = "phys-01"
by = "J. Doe"
date = 2020-01-01
until = 2999-12-31
statement = "the cabinet is <locked>"
target = "plant"
[[attestation]]
control = "phys-02"
by = "J. Doe"
date = 2020-01-01
until = 2020-12-31
statement = "keys were counted"
target = "plant"
"""


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["plain", "xdist"])
def test_what_somebody_vouches_for_is_attested_and_never_compliant(
    site2: Site, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(site2.path / "job.md"))
    policy = site2.path / "nodered-sec.toml"
    policy.write_text(policy.read_text() + ATTESTED)
    args = ("--nodered-evidence=ev", "--nodered-sarif=x.sarif", "--nodered-job-summary", *workers)
    result = site2.run(*OWN, *args, url=None)
    assert "; 1 attested, " in said(result)[-1]
    assert "1 not judged" in said(result)[-1]
    page = (site2.path / "ev/report.html").read_text()
    assert "the cabinet is &lt;locked&gt;" in page
    cards = dict(re.findall(r'data-outcome="([a-z-]+)"><b>(\d+)</b>', page))
    assert {key: int(value) for key, value in cards.items() if value != "0"} == OUTCOMES, "no case is attested"
    assert "Attested, not judged (1)" in (site2.path / "job.md").read_text()
    notes = json.loads((site2.path / "x.sarif").read_text())["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert any(note["message"]["text"].startswith("phys-01 at plant: attested by J. Doe") for note in notes)
    facts = json.loads((site2.path / "ev/run.json").read_text())["facts"]
    assert [vouched["in_force"] for target in facts["targets"][:2] for vouched in target["attestations"]] == [
        True,
        False,
    ]
    if not workers:
        policy.unlink()
        result = site2.run(*OWN, "--nodered-replay=ev", url=None)
        assert "; 1 attested, " in said(result)[-1]
