"""Who assesses what, and what somebody vouches for, in every report and again in a replay."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from session.evidence_site import OUTCOMES, OWN, said

if TYPE_CHECKING:
    from session.conftest import Site


ASSESSED = (
    '[assessment]\nassessor = "J. Doe"\norganisation = "Example"\nauthorisation = "OT-7"\nscope = "hall <7>"\n'
    'vantage = "VLAN 20"\nexcluded = [{system = "line-9", reason = "rebuilt"}]\n'
)
LINE = (
    "assessor J. Doe; organisation Example; authorisation OT-7; scope hall <7>; vantage VLAN 20; "
    "excluded line-9 (rebuilt)"
)


def test_every_report_says_who_assesses_what_and_a_replay_repeats_it(
    two_targets: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(two_targets.path / "job.md"))
    policy = two_targets.path / "nodered-sec.toml"
    policy.write_text(policy.read_text() + ASSESSED)
    result = two_targets.run(
        *OWN, "--nodered-evidence=ev", "--nodered-sarif=x.sarif", "--nodered-job-summary", url=None
    )
    assert f"assessment: {LINE}" in said(result)
    policy.unlink()
    two_targets.run(*OWN, "--nodered-replay=ev", "--nodered-evidence=again", url=None)
    first, again = (json.loads((two_targets.path / name / "run.json").read_text())["facts"] for name in ("ev", "again"))
    assert first["assessment"]["excluded"] == [{"system": "line-9", "reason": "rebuilt"}]
    for key in ("assessment", "machine", "tables", "code"):
        assert first[key] == again[key]
    assert first["command"][-1] == "--nodered-job-summary"
    assert "scope hall &#60;7&#62;" in (two_targets.path / "job.md").read_text()
    assert "hall &lt;7&gt;" in (two_targets.path / "again/report.html").read_text()
    assert (two_targets.path / "again/policy.toml").read_text() == (two_targets.path / "ev/policy.toml").read_text()
    suite = ET.parse(two_targets.path / "ev/junit.xml").getroot()[0]  # noqa: S314  our own file
    for place in (
        next(
            element.get("value")
            for element in suite.iter("property")
            if element.get("name") == "nodered_sec.assessment"
        ),
        json.dumps(json.loads((two_targets.path / "ev/hdf.json").read_text())["profiles"][0]["attributes"]),
        json.dumps(json.loads((two_targets.path / "x.sarif").read_text())["runs"][0]["invocations"][0]["properties"]),
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
    two_targets: Site, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(two_targets.path / "job.md"))
    policy = two_targets.path / "nodered-sec.toml"
    policy.write_text(policy.read_text() + ATTESTED)
    args = ("--nodered-evidence=ev", "--nodered-sarif=x.sarif", "--nodered-job-summary", *workers)
    result = two_targets.run(*OWN, *args, url=None)
    assert "; 1 attested, " in said(result)[-1]
    assert "1 not judged" in said(result)[-1]
    page = (two_targets.path / "ev/report.html").read_text()
    assert "the cabinet is &lt;locked&gt;" in page
    cards = dict(re.findall(r'data-outcome="([a-z-]+)"><b>(\d+)</b>', page))
    assert {key: int(value) for key, value in cards.items() if value != "0"} == OUTCOMES, "no case is attested"
    assert "Attested, not judged (1)" in (two_targets.path / "job.md").read_text()
    notes = json.loads((two_targets.path / "x.sarif").read_text())["runs"][0]["invocations"][0][
        "toolExecutionNotifications"
    ]
    assert any(note["message"]["text"].startswith("phys-01 at plant: attested by J. Doe") for note in notes)
    facts = json.loads((two_targets.path / "ev/run.json").read_text())["facts"]
    assert [vouched["in_force"] for target in facts["targets"][:2] for vouched in target["attestations"]] == [
        True,
        False,
    ]
    if not workers:
        policy.unlink()
        result = two_targets.run(*OWN, "--nodered-replay=ev", url=None)
        assert "; 1 attested, " in said(result)[-1]


def test_what_somebody_vouches_for_tells_no_secret(two_targets: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(two_targets.path / "job.md"))
    conftest = two_targets.path / "conftest.py"
    conftest.write_text(conftest.read_text() + LEARNS)
    policy = two_targets.path / "nodered-sec.toml"
    policy.write_text(policy.read_text() + TELLING)
    result = two_targets.run(
        *OWN,
        "--nodered-evidence=ev",
        "--nodered-sarif=x.sarif",
        "--nodered-job-summary",
        "--nodered-hdf=x.json",
        url=None,
    )
    written = [path for path in two_targets.path.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    told = [path.name for path in written if "hunter2-plant" in path.read_text(errors="replace")]
    assert sorted(told) == ["conftest.py", "nodered-sec.toml"]
    assert "hunter2-plant" not in result.stdout.str() + result.stderr.str()
    assert "attested by J. [redacted] on 2026-11-20" in (two_targets.path / "x.sarif").read_text()


LEARNS = """
from pytest_nodered_sec import redaction
redaction.learn("hunter2-plant")
"""
TELLING = """
[[attestation]]
control = "phys-01"
by = "J. hunter2-plant"
date = 2026-11-20
until = 2999-11-19
statement = "locked with hunter2-plant"
"""
