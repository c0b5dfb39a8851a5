"""Targets that come next are asked before their first test begins: how many, by whom, and nothing after the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from session.conftest import Site

# Notes in a file of each process what is asked of a target, where its answer is needed, and when nothing more may be.
CONFTEST = """
import os, pathlib
from dataclasses import dataclass
import pytest_nodered_sec.survey.survey
from pytest_nodered_sec.errors import Cause, ProbeError

HERE = pathlib.Path(__file__).parent

def note(line):
    with (HERE / f"{os.getpid()}.log").open("a") as log:
        log.write(line + "\\n")

@dataclass(frozen=True)
class Seen:
    def evidence(self):
        return "seen"

class Survey:
    def __init__(self, attempts=None, targets=()):
        pass
    def ask_ahead(self, target, asks):
        note(f"asked {target.name} {len(list(asks))}")
    def outcome(self, target, ask):
        note(f"needed {target.name}")
        if target.name == "dead":
            return ProbeError("got no answer: see reach-01", Cause.SEE_REACH)
        return Seen()
    def identity(self, target):
        return None
    def let_go(self, target, kept):
        note(f"left {target.name}")
    def stop(self):
        note("stopped")
    def close(self):
        note("closed")

pytest_nodered_sec.survey.survey.Survey = Survey
"""

TESTS = """
from pytest_nodered_sec import Ask, Severity, control

@control("site-01", severity=Severity.LOW, asks=[Ask("stub", ("1",), "1"), Ask("stub", ("2",), "2")])
def test_a(nodered_seen):
    '''A.'''
    assert nodered_seen

@control("site-02", severity=Severity.LOW, asks=[Ask("stub", ("2",), "2"), Ask("stub", ("3",), "3")])
def test_b(nodered_seen, nodered_target):
    '''B.'''
    assert nodered_target.name != "t03"
"""


def _logs(site: Site) -> list[list[str]]:
    return [file.read_text().splitlines() for file in sorted(site.path.glob("*.log"))]


def _fleet(site: Site, number: int) -> None:
    site.write(conftest=CONFTEST, test_site=TESTS)
    targets = (f'[[target]]\nname = "t{at:02}"\nurl = "https://t{at:02}.example"\n' for at in range(number))
    (site.path / "nodered-sec.toml").write_text("".join(targets))


def test_the_next_32_are_asked_with_the_first(site: Site) -> None:
    _fleet(site, 40)
    site.run("--nodered-suite=off", url=None).assert_outcomes(passed=158, failed=2)
    [log] = _logs(site)
    assert log[:33] == [f"asked t{number:02} 3" for number in range(33)]
    assert log[33:37] == ["needed t00", "needed t00", "asked t33 3", "needed t01"]
    assert sum(line.startswith("asked") for line in log) == 40
    assert [line for line in log if line.startswith("needed")][:80] == [
        f"needed t{number:02}" for number in range(40) for _ in range(2)
    ]


def test_reports_come_in_the_order_of_collection(site: Site) -> None:
    _fleet(site, 5)
    collected = site.ids("--nodered-suite=off", url=None)
    result = site.run("--nodered-suite=off", "-v", url=None)
    assert [line.split()[0] for line in result.outlines if line.startswith("test_site.py::") and "%" in line] == [
        line.split()[0] for line in collected
    ]


def test_a_target_is_let_go_after_its_last_test(site: Site) -> None:
    _fleet(site, 3)
    site.run("--nodered-suite=off", "--reruns=1", url=None)
    [log] = _logs(site)
    for name in ("t00", "t01", "t02"):
        assert log.count(f"left {name}") == 1
        assert log.index(f"left {name}") > max(place for place, line in enumerate(log) if line == f"needed {name}")


def test_the_suite_runs_for_some_targets_after_the_other(site: Site) -> None:
    _fleet(site, 20)
    last = ("test_fleet", "test_waivers")
    ids = [nodeid for nodeid in site.ids(url=None) if nodeid.startswith("nodered-sec/")]
    ids = [nodeid for nodeid in ids if not any(name in nodeid for name in last)]
    whose = [int(nodeid.partition("[t")[2][:2]) // 8 for nodeid in ids]
    assert whose == sorted(whose)
    assert {*whose} == {0, 1, 2}
    files = [nodeid.partition("::")[0] for nodeid, group in zip(ids, whose, strict=False) if group == 0]
    assert files == sorted(files)


def test_nothing_is_asked_after_the_failure_that_ends_the_run(site: Site) -> None:
    _fleet(site, 40)
    site.run("--nodered-suite=off", "-x", "-k", "test_b", url=None).assert_outcomes(passed=6, failed=1)
    [log] = _logs(site)
    assert log[-2:] == ["stopped", "closed"]
    assert sum(line.startswith("asked") for line in log) == 36  # the four that were needed, and the next 32


def test_a_deselected_or_skipped_test_asks_nothing(site: Site) -> None:
    _fleet(site, 3)
    site.write(
        conftest=CONFTEST + "\n"
        "import pytest\n"
        "def pytest_collection_modifyitems(items):\n"
        "    for item in items:\n"
        "        if 't01' in item.nodeid:\n"
        "            item.add_marker(pytest.mark.skip(reason='off today'))\n"
    )
    site.run("--nodered-suite=off", "-k", "not t02", url=None).assert_outcomes(passed=4, skipped=4, deselected=4)
    [log] = _logs(site)
    assert {line for line in log if line.startswith("asked")} == {"asked t00 3"}


@pytest.mark.parametrize("dist", ["load", "loadfile"])
def test_each_worker_asks_its_own_targets_ahead(site: Site, dist: str) -> None:
    _fleet(site, 24)
    site.run("--nodered-suite=off", "-n2", f"--dist={dist}", url=None).assert_outcomes(passed=94, failed=2)
    logs = [log for log in _logs(site) if log]
    assert len(logs) == 2
    assert sorted(line for log in logs for line in log if line.startswith("asked")) == sorted(
        f"asked t{number:02} 3" for number in range(24)
    )
    for log in logs:
        waiting, most = set[str](), 0
        for verb, name, *_ in (line.split() for line in log if " " in line):
            waiting = waiting | {name} if verb == "asked" else waiting - {name}
            most = max(most, len(waiting))
        assert most > 1  # at some time: xdist may give a worker's first targets one after the other


def test_a_question_that_refers_to_reach_01_says_why_where_that_is_not_in_the_run(site: Site) -> None:
    site.write(conftest=CONFTEST, test_site=TESTS)
    (site.path / "nodered-sec.toml").write_text('[[target]]\nname = "dead"\nurl = "https://dead.example"\n')
    result = site.run("--nodered-suite=off", url=None)
    result.assert_outcomes(errors=4)
    [log] = _logs(site)
    assert log.count("needed dead") == 8  # each asks what reach-01 would have said


KEEPER = """
import pytest
kept = []

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    if call.excinfo:
        kept.append((item.name, call.excinfo))
    return (yield)

def pytest_exception_interact(node, call):
    note(f"interact {node.name} {len(list(_frames(call.excinfo.tb))) > 3}")

def _frames(tb):
    while tb is not None:
        yield tb
        tb = tb.tb_next

def pytest_unconfigure():
    for name, excinfo in kept:
        note(f"kept {name} {excinfo.type.__name__} {excinfo.value} {len(list(_frames(excinfo.tb)))} {excinfo!r}")
        assert excinfo.value.__traceback__ is excinfo.tb
"""


def test_whoever_keeps_an_error_does_not_keep_its_frames(site: Site) -> None:
    site.write(conftest=CONFTEST + KEEPER, test_site=TESTS)
    targets = (f'[[target]]\nname = "{name}"\nurl = "https://{name}.example"\n' for name in ("dead", "t03"))
    (site.path / "nodered-sec.toml").write_text("".join(targets))
    site.run("--nodered-suite=off", url=None).assert_outcomes(passed=2, failed=2, errors=4)
    [log] = _logs(site)
    raised = [line for line in log if line.startswith("interact")]
    assert len(raised) == 6
    assert all(line.endswith("True") for line in raised)  # a debugger sees where it was
    kept = [line for line in log if line.startswith("kept")]
    dead = [line for line in kept if "[dead-" in line]
    assert len(dead) == 4
    assert all("ProbeError got no answer: see reach-01 0 " in line for line in dead)
    assert not any("tblen=0" in line for line in kept if line not in dead)  # a site's own failure stays as it is
