"""Waivers on a real Node-RED: what is accepted, what fails beside it, and the same with xdist."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live

POLICY = """
[[waiver]]
control = "dash-02"
instance = "/ui"
finding = "channel-open"
reason = "until the gate is there"
expires = 2099-12-31
target = "lab-*"

[[waiver]]
control = "editor-03"
finding = "framed"
reason = "a kiosk shows it"
expires = 2099-12-31

[[waiver]]
control = "tls-01"
finding = "unknown-ca"
reason = "needless: the lab's CA is known"
expires = 2099-12-31

[[waiver]]
control = "static-01"
instance = "/settings.js"
reason = "needless too, and the case passes"
expires = 2099-12-31

[[waiver]]
control = "proxy-01"
reason = "was to be mended"
expires = 2020-12-31
"""
TARGET = "lab-fresh@5"
DEAD = "localhost:1"
Looked = tuple[dict[str, tuple[str, str]], dict[str, str], list[str]]
WAIVERS = {
    "dash-02 /ui channel-open": "compliant",
    "editor-03 framed": "compliant",
    "tls-01 unknown-ca": "non-compliant",
    "static-01 /settings.js": "non-compliant",
    "proxy-01": "non-compliant",
}


def looked(folder: Path, *args: str) -> Looked:
    """Return each case's element and outcome, the suite's properties, and the last two lines of ours."""
    folder.mkdir()
    (folder / "nodered-sec.toml").write_text(POLICY, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "--nodered-lab=fresh", f"--nodered-url=https://{DEAD}", "-q", "--tb=no"]
    command += ["--nodered-suite=only", "--no-summary", "--junitxml=out.xml", *args]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    tree = ET.parse(folder / "out.xml")  # noqa: S314  our own file
    outcomes: dict[str, tuple[str, str]] = {}
    for case in tree.iter("testcase"):
        of = {str(element.get("name")): str(element.get("value")) for element in case.iter("property")}
        tags = " ".join(child.tag for child in case if child.tag != "properties")
        name = str(case.get("name")).partition("[")
        outcomes[f"{of['nodered_sec.control']} {name[2].rstrip(']')}"] = (tags, of["nodered_sec.outcome"])
    suite = {str(prop.get("name")): str(prop.get("value")) for prop in tree.iterfind("testsuite/properties/property")}
    return outcomes, suite, [line for line in done.stdout.splitlines() if line.startswith("nodered-sec: ")][-2:]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Looked:
    return looked(tmp_path_factory.mktemp("waivers") / "plain")


def test_findings_are_accepted_and_others_fail(
    plain: Looked,
) -> None:
    cases, _, last = plain
    assert cases[f"dash-02 {TARGET}-/ui"] == ("skipped", "waived")
    assert cases[f"dash-02 {TARGET}-/dashboard"] == ("failure", "non-compliant")
    assert cases[f"editor-03 {TARGET}-editor"] == ("failure", "non-compliant")  # nosniff is missing as well
    assert cases[f"tls-01 {TARGET}"][1] == "compliant"
    assert cases[f"static-01 {TARGET}-/settings.js"] == ("failure", "compliant")  # XPASS(strict)
    assert cases[f"proxy-01 {TARGET}"] == ("failure", "non-compliant")  # its waiver has expired
    assert {name: cases[f"waiver-01 {TARGET}-{name}"][1] for name in WAIVERS} == WAIVERS
    # Nobody answers at the other target: nothing is accepted there, and what its waivers are for is not known.
    assert cases[f"editor-03 {DEAD}-editor"] == ("error", "could-not-look")
    assert cases[f"waiver-01 {DEAD}-editor-03 framed"] == ("skipped", "not-judged")
    assert cases[f"waiver-01 {DEAD}-proxy-01"] == ("failure", "non-compliant")
    assert f"waiver-01 {DEAD}-dash-02 /ui channel-open" not in cases
    assert "2 targets" in last[0]
    assert " at 2 targets; " in last[1]


def test_the_run_knows_who_answered(plain: Looked) -> None:
    _, suite, _ = plain
    known = {name.removeprefix(f"nodered_sec.target.{TARGET}."): value for name, value in suite.items()}
    assert known["dialled"] in known["addresses"].split()
    assert known["source"] == known["dialled"]  # loopback
    assert len(known["leaf_sha256"]) == len(known["key_sha256"]) == 64
    assert abs(int(known["clock_offset"])) <= 1
    assert known["node_red"].startswith("5.")
    assert f"nodered_sec.target.{DEAD}.dialled" not in suite
    assert suite[f"nodered_sec.target.{DEAD}.addresses"]


def test_the_same_with_xdist_and_in_any_order(
    plain: Looked,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As pytest-randomly does it: every process puts the tests into the same other order.
    (tmp_path / "shuffled.py").write_text(
        "import random\nimport pytest\n"
        "@pytest.hookimpl(tryfirst=True)\n"
        "def pytest_collection_modifyitems(items):\n"
        "    random.Random(4).shuffle(items)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    cases, suite, last = looked(tmp_path / "run", "-n2", "-p", "shuffled")
    assert sorted(cases.items() ^ plain[0].items()) == []
    assert last == plain[2]
    assert set(suite) == set(plain[1])
