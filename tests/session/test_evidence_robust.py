"""Evidence where the machine is unkind: folders that change, places that cannot be written, two runs at once."""

from __future__ import annotations

import json
import os
import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from session.evidence_site import SEES, controls, said

from pytest_nodered_sec.evidence import files
from pytest_nodered_sec.policy.model import PolicyError
from pytest_nodered_sec.session.state import TODAY

if TYPE_CHECKING:
    from datetime import tzinfo
    from pathlib import Path

    from session.conftest import Site

OWN = ("--nodered-suite=off", "test_site.py")


@pytest.fixture
def own(site: Site) -> Site:
    """A site with one control that is met."""
    site.write(conftest=(site.path / "conftest.py").read_text() + SEES, test_site=controls("good"))
    return site


def test_one_place_that_cannot_be_written_takes_no_other_with_it(own: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    (own.path / "ci").mkdir()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(own.path / "ci/summary.md"))
    own.write(test_zz="import shutil\ndef test_z():\n    shutil.rmtree('gone')\n    shutil.rmtree('ci')\n")
    args = ("--nodered-hdf=gone/run.json", "--nodered-job-summary", "--nodered-evidence=ev", "--nodered-report=r.html")
    result = own.run(*OWN, "test_zz.py", *args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert len([line for line in said(result) if line.startswith("the evidence is not complete: ")]) == 2
    assert (own.path / "ev/SHA256SUMS").is_file()
    assert (own.path / "r.html").is_file()


def test_a_job_summary_that_cannot_be_written_is_told_before_the_run(
    own: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(own.path / "conftest.py/summary.md"))
    result = own.run(*OWN, "--nodered-job-summary")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--nodered-job-summary: GITHUB_STEP_SUMMARY=" in result.stderr.str()
    assert not own.asked()


def test_a_pipe_gets_a_report_and_stays_one(own: Site) -> None:
    """What takes a file's place took that of /dev/stdout and /dev/null, too, where root runs pytest."""
    pipe, heard = own.path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text(encoding="utf-8")), daemon=True)
    reader.start()
    own.run(*OWN, "--nodered-hdf=pipe")
    assert pipe.is_fifo()
    reader.join(10)
    assert "profiles" in json.loads(heard[0])


def test_what_keeps_no_junit_file_has_none_for_the_evidence(own: Site) -> None:
    """/dev/full reads without end: a copy of it filled the disk."""
    result = own.run(*OWN, "--junitxml=/dev/full", "--nodered-evidence=ev")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--nodered-evidence needs a copy of the JUnit file, and --junitxml=/dev/full keeps none" in (
        result.stderr.str()
    )
    assert not own.asked()


def test_a_junit_file_behind_a_link_is_completed_there(own: Site) -> None:
    (own.path / "link.xml").symlink_to("out.xml")
    own.run(*OWN, "--junitxml=link.xml")
    assert (own.path / "link.xml").is_symlink()
    assert "nodered_sec.headline" in (own.path / "out.xml").read_text()


def test_a_junit_file_is_copied_from_where_pytest_has_written_it(own: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORTS", "sub")
    own.run(*OWN, "--junitxml=$REPORTS/out.xml", "--nodered-evidence=ev")
    assert (own.path / "ev/junit.xml").read_text() == (own.path / "sub/out.xml").read_text()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("--nodered-hdf=a.html", "--nodered-report=a.html"),
        ("--nodered-hdf=a.html", "--nodered-report=sub/../a.html"),
        ("--junitxml=a.xml", "--nodered-report=a.xml"),
        ("--junitxml=a.xml", "--nodered-hdf=./a.xml"),
    ],
)
def test_no_report_is_written_over_another(own: Site, first: str, second: str) -> None:
    result = own.run(*OWN, first, second)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --* and --* both name *, so one would overwrite the other"])
    assert {first.partition("=")[0], second.partition("=")[0]} <= set(result.stderr.str().split())
    assert not own.asked()


def test_a_file_that_may_not_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").touch()
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # who runs this may be root, who may everything
    with pytest.raises(PolicyError, match="cannot be written: Permission denied"):
        files.check_file(tmp_path / "there", "--nodered-hdf")
    files.check_file(tmp_path / "new", "--nodered-hdf")


def test_two_runs_do_not_share_a_folder(own: Site) -> None:
    own.write(
        test_zz="import subprocess, sys\ndef test_z():\n"
        "    args = [sys.executable, '-m', 'pytest', '-pno:randomly', '--nodered-suite=off', 'test_site.py']\n"
        "    args += ['--nodered-url=https://plant.example', '--nodered-evidence=ev']\n"
        "    done = subprocess.run(args, capture_output=True, text=True)\n"
        "    assert done.returncode == 4, done.stdout\n"
        "    assert 'ev is being written by another run, or a run was killed while writing it' in done.stderr\n"
    )
    result = own.run(*OWN, "test_zz.py", "--nodered-evidence=ev")
    assert result.ret == pytest.ExitCode.OK
    assert files.CLAIM not in {path.name for path in (own.path / "ev").iterdir()}
    assert files.CLAIM not in (own.path / "ev/SHA256SUMS").read_text()


def test_a_run_that_could_not_begin_says_so(own: Site) -> None:
    result = own.run("--nodered-suite=off", "nowhere.py", "--nodered-evidence=ev")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    page = (own.path / "ev/report.html").read_text()
    assert "<strong>Incomplete:</strong> the run could not begin" in page


class Clock(datetime):
    """Half a day goes by between two looks at it."""

    looks = 0

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Clock:
        """Return a time of 2030, later each time."""
        cls.looks += 1
        return cls(2030, 1, 1, tzinfo=tz) + timedelta(hours=12 * cls.looks)


def test_the_day_of_a_run_is_the_day_on_which_it_began(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_nodered_sec.session.hooks.datetime", Clock)
    monkeypatch.setattr("pytest_nodered_sec.session.ledger.datetime", Clock)
    config = pytester.parseconfigure("-p", "no:randomly", "--nodered-url=https://plant.example")
    book = config.pluginmanager.get_plugin("nodered-sec-ledger")
    assert book is not None
    assert book.started.date() == config.stash[TODAY]


def test_a_junit_file_that_cannot_be_written_is_told_before_the_run(own: Site) -> None:
    result = own.run(*OWN, "--junitxml=conftest.py/junit.xml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: --junitxml=" in result.stderr.str()
    assert "Traceback" not in result.stderr.str()
    assert not own.asked()


FULL = """
import errno, os
from _pytest.junitxml import LogXML
from xml.etree.ElementTree import ElementTree
def writes_some(junit):
    open(junit.logfile, "w").write("<testsuites")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
def writes_nothing(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
"""


@pytest.mark.parametrize("kind", ["pipe", "file that may not be removed"])
def test_what_is_no_file_of_ours_stays(own: Site, kind: str) -> None:
    place = own.path / "out.xml"
    full = FULL + "LogXML.pytest_sessionfinish = writes_nothing\n"
    if kind == "pipe":
        os.mkfifo(place)
    else:
        place.touch()
        full += "from pathlib import Path\nPath.unlink = writes_nothing\n"
    own.write(conftest=full + (own.path / "conftest.py").read_text())
    result = own.run(*OWN, f"--junitxml={place}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"the JUnit file is not written: {place}: No space left on device" in said(result)
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert place.exists()


@pytest.mark.parametrize(
    "full",
    ["LogXML.pytest_sessionfinish = writes_some\n", "ElementTree.write = writes_nothing\n"],
    ids=["pytest", "our part of it"],
)
def test_a_disk_that_fills_up_takes_the_junit_file_alone(own: Site, full: str) -> None:
    own.write(conftest=FULL + full + (own.path / "conftest.py").read_text())
    result = own.run(*OWN, "--nodered-evidence=ev", "--nodered-report=r.html")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    place = own.path / "ev/junit.xml"
    told = said(result)
    assert f"the JUnit file is not written: {place}: No space left on device" in told
    assert "the evidence is not complete: ev/junit.xml: No such file or directory" in told
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert (own.path / "r.html").is_file()
    assert not place.exists()
    assert "2 passed" in result.stdout.str()
