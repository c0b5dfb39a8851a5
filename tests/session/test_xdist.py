"""Distributed runs: a target's cases stay in one process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from session.conftest import Site

CONTROL = """
import os
from pytest_nodered_sec import Ask, Severity, control

def asks(kind, count=12):
    return [Ask("stub", ("good", str(n)), f"{kind} {n}") for n in range(count)]

@control("site-01", severity=Severity.LOW, asks=asks("a"))
def test_a(nodered_seen):
    '''A.'''
    assert nodered_seen

@control("site-02", severity=Severity.LOW, asks=asks("a"))
def test_b(nodered_seen):
    '''B asks what A asks.'''
    assert nodered_seen

def test_own():
    pass
"""


@pytest.mark.parametrize("dist", ["load", "worksteal", "loadscope", "loadfile", "loadgroup"])
def test_each_question_is_asked_once(site: Site, dist: str) -> None:
    site.write(test_x=CONTROL)
    result = site.run("--nodered-suite=off", "-n2", f"--dist={dist}", "--nodered-url=https://b.example", "-W", "error")
    result.assert_outcomes(passed=49)
    assert site.asked() == sorted(f"{target} a {n}" for target in ("plant.example", "b.example") for n in range(12))


def test_each_is_left_alone(site: Site) -> None:
    site.write(test_x=CONTROL)
    site.run("--nodered-suite=off", "-n2", "--dist=each").assert_outcomes(passed=50)


def test_a_test_that_kills_its_worker_runs_once(site: Site) -> None:
    site.write(
        test_x="""
from pytest_nodered_sec import Ask, Severity, control

HOW = ["good", "good", "crash", "good", "good"]

@control("site-01", severity=Severity.LOW, asks=[Ask("stub", (how, str(n)), f"{how} {n}") for n, how in enumerate(HOW)])
def test_a(nodered_seen):
    '''A.'''
    assert nodered_seen
"""
    )
    result = site.run("--nodered-suite=off", "-n2", "-v")
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["*worker * crashed while running *crash 2*"])
    assert len([line for line in site.asked() if "crash" in line]) <= 2
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_worker_with_other_demands_than_its_controller_is_refused(site_with_control: Site) -> None:
    """Variables do not reach a worker on another machine: it would judge by another policy than the reports say."""
    worker = "--tx=popen//env:NODERED_PROFILE=strict"
    result = site_with_control.run("--nodered-suite=off", "--dist=load", worker, "-k", "good", "test_site.py")
    assert result.ret != 0
    result.assert_outcomes(errors=1)
    told = result.stdout.str() + result.stderr.str()
    assert "this xdist worker and its controller have different targets or policies (plant.example): variables" in told
