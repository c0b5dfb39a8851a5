"""One command on the lab leaves evidence that agrees with itself, with and without workers, and again in a replay."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
import zlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from suite_runs import EXPECTED

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.policy.toml import toml
from pytest_nodered_sec.results import rollup

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live

HEIMDALL = Path(__file__).parents[1] / "evidence" / "heimdall"
WAIVERS = """
[[waiver]]
control = "dash-02"
target = "plain"
instance = "/ui"
finding = "channel-open"
reason = "the hall's screens have no keyboard"
expires = 2999-12-31
ticket = "LINE-7"
[[waiver]]
control = "version-01"
target = "plain"
finding = "release-told"
reason = "shown to the maintainers"
expires = 2999-06-30
"""
# what one case may come to in each report
JUNIT = {"compliant": "passed", "non-compliant": "failure", "could-not-look": "error"}  # all others: skipped
HDF = {"compliant": "passed", "non-compliant": "failed", "could-not-look": "error"}  # same
NO_SOCKETS = """
import socket
def refuse(*args, **kwargs):
    raise AssertionError("a replay opens no connection")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
"""


class Kept:
    """The folders of three runs: with workers, without, and judged again."""

    def __init__(self, place: Path, deployments: dict[str, lab.RunningDeployment]) -> None:
        self.place = place
        self.said = {}
        tables = [_table("plain", deployments["fresh"]), _table("hard", deployments["hardened"], account="HARD")]
        (place / "nodered-sec.toml").write_text("\n".join(tables) + WAIVERS, encoding="utf-8")
        username, password = deployments["hardened"].credentials()
        account = {"HARD_USERNAME": username, "HARD_PASSWORD": password}
        self.said["workers"] = self.run("--nodered-evidence=workers", "-n2", **account)
        self.said["plain"] = self.run("--nodered-evidence=plain", **account)
        (place / "conftest.py").write_text(NO_SOCKETS)
        (place / "nodered-sec.toml").unlink()
        shutil.copytree(place / "workers", place / "elsewhere" / "a year later")
        self.said["again"] = self.run("--nodered-replay=elsewhere/a year later", "--nodered-evidence=again")

    def run(self, *args: str, **variables: str) -> str:
        command = [sys.executable, "-m", "pytest", "--nodered-suite=only", "-q", "--tb=no", *args]
        done = subprocess.run(
            command, cwd=self.place, env={**os.environ, **variables}, capture_output=True, text=True, check=False
        )
        assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
        return done.stdout

    def records(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.place / name / "results.jsonl").read_text().splitlines()]

    def outcomes(self, name: str) -> dict[str, str]:
        return {record["nodeid"]: record["outcome"] for record in self.records(name)}


def _table(name: str, deployment: lab.RunningDeployment, account: str = "") -> str:
    values: dict[str, object] = {
        **dict(deployment.expect),
        "name": name,
        "url": deployment.url,
        "ca_file": deployment.ca_file,
    }
    values |= {"http_port": deployment.http_port, "direct_port": deployment.direct_port}
    values |= {"closed_ports": []}  # 9229 here is the developer's
    values |= {"credentials": {"env": account}} if account else {}
    return "\n".join(["[[target]]", *(f"{key} = {toml(value)}" for key, value in values.items())]) + "\n"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    with lab.start(["fresh", "hardened"], say=lambda line: None) as running:
        yield Kept(tmp_path_factory.mktemp("kept"), {deployment.name: deployment for deployment in running.deployments})


@pytest.mark.parametrize("name", ["workers", "plain", "again"])
def test_the_reports_agree_number_for_number(kept: Kept, name: str) -> None:
    folder, outcomes = kept.place / name, kept.outcomes(name)
    assert len(outcomes) > 250

    junit: Counter[tuple[str | None, str]] = Counter()
    for case in ET.parse(folder / "junit.xml").iter("testcase"):  # noqa: S314  our own file
        kinds = [kind for kind in ("failure", "error", "skipped") if case.find(kind) is not None]
        values = {element.get("name"): element.get("value") for element in case.iter("property")}
        if values["nodered_sec.outcome"] == "compliant" and kinds == ["failure"]:
            kinds = []  # a waiver that nothing needs
        junit[values["nodered_sec.outcome"], kinds[0] if kinds else "passed"] += 1
    assert junit == Counter((outcome, JUNIT.get(outcome, "skipped")) for outcome in outcomes.values())

    hdf = json.loads((folder / "hdf.json").read_text())
    results = [result for profile in hdf["profiles"] for each in profile["controls"] for result in each["results"]]
    shown = {re.match(r"(.*?\])(: |$)", result["code_desc"], re.DOTALL)[1]: result["status"] for result in results}  # type: ignore[index]  # each has a case's name
    assert shown == {nodeid: HDF.get(outcome, "skipped") for nodeid, outcome in outcomes.items()}

    cards = re.findall(r'data-outcome="([a-z-]+)"><b>(\d+)</b>', (folder / "report.html").read_text())
    assert {card: int(number) for card, number in cards if number != "0"} == Counter(outcomes.values())
    assert f"{Counter(outcomes.values())['compliant']} compliant" in kept.said[name]


def test_the_verdicts_are_those_of_the_deployments(kept: Kept) -> None:
    """The evidence is of what was there: the open one fails where it must, but for what is waived."""
    bad = {record["control"] for record in kept.records("workers") if record["outcome"] == "non-compliant"}
    assert bad == EXPECTED["fresh"][0] - {"version-01"}
    waived = [record for record in kept.records("workers") if record["outcome"] == "waived"]
    assert {(record["control"], record["target"]) for record in waived} == {
        ("dash-02", "plain"),
        ("version-01", "plain"),
    }
    assert len([record for record in waived if record["control"] == "dash-02"]) == 1


def test_workers_change_nothing(kept: Kept) -> None:
    assert kept.outcomes("workers") == kept.outcomes("plain")
    for mine, other in zip(kept.records("workers"), kept.records("plain"), strict=True):
        for key in ("nodeid", "title", "severity", "waiver", "policy_sha256"):
            assert mine[key] == other[key], mine["nodeid"]
        theirs = [re.sub(r"\d+|/[a-z]{24}", "", record["reason"]) for record in (mine, other)]
        assert theirs[0] == theirs[1], "what was looked at grows, and random paths differ"
        assert [finding["code"] for finding in mine["findings"]] == [finding["code"] for finding in other["findings"]]
    with_workers, without = ({path.name for path in (kept.place / name).iterdir()} for name in ("workers", "plain"))
    assert with_workers == without
    assert (kept.place / "workers/policy.toml").read_text() == (kept.place / "plain/policy.toml").read_text()


def test_a_replay_comes_to_the_same(kept: Kept) -> None:
    assert kept.outcomes("again") == kept.outcomes("workers")
    texts = {(kept.place / name / "policy.toml").read_text() for name in ("workers", "again")}
    assert len(texts) == 1, "and so can the second folder be judged again"
    assert 'ca_file = "ca-' in texts.pop()
    assert re.search(r"judged \d+ cases again \(a year later, .*\): none differs", kept.said["again"])


def test_the_observations_are_all_there(kept: Kept) -> None:
    """Whatever was judged by what was seen can be judged again: nothing was judged by anything else."""
    lines = [json.loads(line) for line in (kept.place / "workers/observations.jsonl").read_text().splitlines()]
    seen = {case for line in lines for case in line["cases"]}
    judged = {record["nodeid"] for record in kept.records("workers") if record["outcome"] in rollup.JUDGED}
    assert {case for case in judged - seen if "test_waivers.py" not in case} == set()


def test_heimdall_reads_it(kept: Kept, tmp_path: Path) -> None:
    for file in HEIMDALL.iterdir():
        shutil.copy(file, tmp_path)
    done = toolchain.npm(tmp_path, "ci")
    assert done.returncode == 0, done.stderr
    command = [str(toolchain.node()), "read.js", str(kept.place / "workers/hdf.json")]
    read = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert read.returncode == 0, read.stderr
    shown = json.loads(read.stdout)
    assert set(shown) == {"nodered-sec plain", "nodered-sec hard"}
    for profile, controls in shown.items():
        target = profile.removeprefix("nodered-sec ")
        for control, told_of in controls.items():
            cases = [
                record
                for record in kept.records("workers")
                if (record["target"], record["control"]) == (target, control)
            ]
            outcomes = {record["outcome"] for record in cases}
            expected = next(
                status
                for outcome, status in (
                    ("could-not-look", "Profile Error"),
                    ("non-compliant", "Failed"),
                    ("compliant", "Passed"),
                    ("waived", "Not Reviewed"),
                    ("not-judged", "Not Reviewed"),
                    ("not-applicable", "Not Applicable"),
                )
                if outcome in outcomes
            )
            assert told_of["status"] == expected, (profile, control)
            assert told_of["nist"], control


# --- the page in a browser


@pytest.fixture(scope="module")
def chromium() -> str:
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if not browser:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no chromium")
    return browser


def browse(chromium: str, page: Path, *args: str) -> str:
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *args, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def corner(picture: Path) -> int:
    """Return the brightness of a PNG's first pixel, which no filter changes."""
    data = picture.read_bytes()
    at, packed = 8, b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            packed += data[at + 8 : at + 8 + length]
        at += length + 12
    return max(zlib.decompressobj().decompress(packed, 64)[1:4])


def test_the_page_stands_in_a_real_browser(kept: Kept, chromium: str, tmp_path: Path) -> None:
    page = kept.place / "workers/report.html"
    said = browse(chromium, page, "--enable-logging=stderr", "--dump-dom")
    assert "Refused to" not in said, "nothing is fetched or run that the page's own policy forbids"
    assert said.count('<tr class="family">') >= 12
    shots = {}
    for name, preferred in (("light", "1"), ("dark", "0")):
        shots[name] = tmp_path / f"{name}.png"
        size = "--window-size=1200,1600"
        browse(
            chromium, page, size, f"--blink-settings=preferredColorScheme={preferred}", f"--screenshot={shots[name]}"
        )
    assert corner(shots["light"]) > 200
    assert corner(shots["dark"]) < 60
    browse(chromium, page, f"--print-to-pdf={tmp_path / 'page.pdf'}")
    assert pages(tmp_path / "page.pdf") > 2
    summary = tmp_path / "summary.html"  # what stands before the first page break
    before, rest, _ = page.read_text(encoding="utf-8").partition('<div class="rest">')
    assert rest
    summary.write_text(f"{before}</main></body></html>", encoding="utf-8")
    browse(chromium, summary, f"--print-to-pdf={tmp_path / 'summary.pdf'}")
    assert 1 <= pages(tmp_path / "summary.pdf") <= 2


def pages(pdf: Path) -> int:
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF-")
    return len(re.findall(rb"/Type\s*/Page\b", content))
