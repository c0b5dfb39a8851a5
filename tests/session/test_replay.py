"""Judging an evidence folder again, offline: the same, by another policy, and folders that are not as they were."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import xml.etree.ElementTree as ET
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from session.evidence_site import OUTCOMES, OWN, controls, counted, lines, said

from pytest_nodered_sec.evidence import stored
from pytest_nodered_sec.policy.model import PolicyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from session.conftest import Site


NO_SOCKETS = """
import socket
def refuse(*args, **kwargs):
    raise AssertionError("a replay opens no connection")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
"""


@pytest.fixture
def kept(two_targets: Site) -> Site:
    """A folder to judge again, in a place where nothing can be asked."""
    two_targets.run(*OWN, "--nodered-evidence=ev", url=None)
    two_targets.write(conftest=NO_SOCKETS)
    (two_targets.path / "nodered-sec.toml").unlink()
    return two_targets


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
