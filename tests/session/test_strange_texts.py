"""Texts that try to steer who reads them, through everything that a run leaves."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from session import evidence_site
from session.evidence_site import OWN, POLICY, SEES, lines, said

if TYPE_CHECKING:
    from session.conftest import Site

STRANGE = "\x00\x1b[2J\x07\x9b31m \u2028line\x85next\x0b \u202egnp.exe\u2066 \ud800 \ufffe ]]> <b>"
NAMED = STRANGE.replace("\ud800", "")  # no header holds half of a character
SERVER = f"""
_known = Survey.identity
Survey.identity = lambda self, target: _known(self, target) | {{"server": {NAMED!a}}}
"""


@pytest.fixture
def strange(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site whose findings and errors are full of what no text should hold."""
    monkeypatch.setattr(evidence_site, "HOSTILE", STRANGE)
    sees = SEES.replace('"GET /orders got no answer within 10 s"', ascii(f"no answer {STRANGE}"))
    (site.path / "conftest.py").write_text((site.path / "conftest.py").read_text() + sees + SERVER)
    site.write(test_site=evidence_site.controls("good", "bad", "absent", "error"))
    (site.path / "nodered-sec.toml").write_text(POLICY)
    return site


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["plain", "xdist"])
def test_nothing_that_steers_leaves(strange: Site, workers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(strange.path / "summary.md"))
    result = strange.run(*OWN, "--nodered-evidence=ev", "--nodered-job-summary", "-rA", *workers, url=None)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = result.stdout.str()
    assert "\\x00\\x1b[2J\\x07\\x9b31m \\u2028line\\x85next\\x0b \\u202egnp.exe\\u2066 \\ud800" in text
    folder = strange.path / "ev"
    for path in (*folder.iterdir(), strange.path / "summary.md"):
        held = path.read_text(encoding="utf-8")
        assert all(line.isprintable() for line in held.replace("\t", " ").split("\n")), path.name
    assert all(line.isprintable() for line in text.split("\n"))
    ET.parse(folder / "junit.xml")  # noqa: S314  our own file
    records = [record for record in lines(folder / "results.jsonl") if record["outcome"] == "non-compliant"]
    assert "\\u202egnp.exe" in records[0]["observed"]
    again = strange.run(*OWN, "--nodered-replay=ev", url=None)
    assert any(line.endswith(": none differs") for line in said(again))


SHORT = """
import pytest
from pytest_nodered_sec import redaction

@pytest.fixture(autouse=True)
def learns():
    redaction.learn("401")
    redaction.learn("12")
"""


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["plain", "xdist"])
def test_a_password_that_is_a_number_breaks_no_evidence(site: Site, workers: tuple[str, ...]) -> None:
    site.write(conftest=(site.path / "conftest.py").read_text() + SEES + SHORT)
    site.write(test_site=evidence_site.controls("good"))
    result = site.run(*OWN, "--nodered-evidence=ev", *workers)
    assert result.ret == pytest.ExitCode.OK
    [seen] = lines(site.path / "ev/observations.jsonl")
    assert seen["outcome"]["answer"]["status"] == 401


OF_A_SITE = """
from dataclasses import dataclass
from pytest_nodered_sec import Ask, Severity, control

@dataclass(frozen=True)
class Orders:
    '''A site's own kind.'''
    keys: tuple
    def evidence(self):
        return "GET /api/orders shows keys"

@control("site-03", severity=Severity.LOW, asks=[Ask("stub", ("orders",), "orders")])
def test_own(nodered_seen):
    '''Looks in its own way.'''
    assert nodered_seen.keys
"""


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["plain", "xdist"])
def test_what_a_site_sees_in_its_own_way_is_not_kept(site: Site, workers: tuple[str, ...]) -> None:
    sees = SEES.replace("answer = Answer(", 'if how == "orders":\n            return OWN\n        answer = Answer(', 1)
    (site.path / "conftest.py").write_text(
        (site.path / "conftest.py").read_text() + sees + "\nfrom test_own import Orders\nOWN = Orders(('a',))\n"
    )
    site.write(test_own=OF_A_SITE)
    args = ("--nodered-suite=off", "test_own.py")
    result = site.run(*args, "--nodered-evidence=ev", *workers)
    assert result.ret == pytest.ExitCode.OK
    assert [record["outcome"] for record in lines(site.path / "ev/results.jsonl")] == ["compliant"]
    again = site.run(*args, "--nodered-replay=ev", url=None)
    again.assert_outcomes(errors=1)
    assert "evidence keeps nothing of the kind Orders, which is the site's own" in again.stdout.str()
    assert any(line.endswith("compliant → could-not-look") for line in said(again))


def test_a_finding_that_a_mark_of_the_test_expects_is_no_waived_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(site.path / "summary.md"))
    (site.path / "conftest.py").write_text((site.path / "conftest.py").read_text() + SEES)
    marked = "import pytest\npytestmark = pytest.mark.xfail(reason='not before spring')\n"
    site.write(test_site=marked + evidence_site.controls("bad"))
    site.run("--nodered-suite=off", "test_site.py", "--nodered-evidence=ev", "--nodered-job-summary")
    assert "expected to fail by a mark of the test: not before spring" in (site.path / "summary.md").read_text()
    page = (site.path / "ev/report.html").read_text()
    findings = page.partition('<h2 id="findings">')[2].partition("</section>")[0]
    assert "/bad without credentials answered 200" in findings
    assert "by a mark of the test: not before spring" in findings
    assert 'id="waivers"' not in page
    hdf = json.loads((site.path / "ev/hdf.json").read_text())
    [result] = [
        result
        for control in hdf["profiles"][0]["controls"]
        for result in control["results"]
        if "bad" in result["code_desc"]
    ]
    assert result["status"] == "failed"
    assert result["message"].endswith("\n\nexpected by a mark of the test: not before spring")
