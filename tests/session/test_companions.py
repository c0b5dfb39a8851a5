"""Beside other plugins: a rerun asks nothing twice, and what shows a test's parameters shows no object.

Those that this environment does not have are at work in tests/live/test_release.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hostile import Request, json_reply, page, serving

from pytest_nodered_sec.model import Ask, Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.session.state import Case

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostile import Reply
    from session.conftest import Site

COUNTED = '''
from dataclasses import dataclass
from pytest_nodered_sec import Cause, ProbeError, Severity, Violation, control, question, require

@dataclass(frozen=True)
class Orders:
    status: int
    def evidence(self):
        return f"GET /orders answered {self.status}"

def read(look, path):
    status = look.ask("GET", path).status
    if status == 500:
        raise ProbeError(f"GET {path} answered 500", Cause.UNAVAILABLE)
    return Orders(status)

@control("site-01", severity=Severity.HIGH, asks=[question(read, path, label=path) for path in ("/orders", "/broken")])
def test_orders(nodered_seen):
    """Orders are refused."""
    require((Violation("served", nodered_seen.evidence(), "401", "a login"),))
'''


ASYNC = """
from pytest_nodered_sec import Ask, Severity, control

@control("site-01", severity=Severity.LOW, asks=[Ask("stub", ("good",), "good")])
async def test_orders(nodered_seen):
    'Orders are refused.'
    assert nodered_seen
"""
LATE = """
def test_late(request):
    assert request.getfixturevalue("nodered_target").name == "plant.example"

def test_named(nodered_target, request):
    assert request.getfixturevalue("nodered_policy") is nodered_target.policy
"""


def answer(request: Request) -> Reply:
    if request.path == "/orders":
        return json_reply([])
    return page("no", 500 if request.path == "/broken" else 404)


def counted(requests: Sequence[str]) -> list[int]:
    """Return how often each was asked: once, and what answered 500 once more, which a limit may have answered."""
    asked = [line.split()[1] for line in requests]
    return [asked.count("/orders"), asked.count("/broken")]


def test_a_rerun_asks_nothing_twice(site: Site) -> None:
    pytest.importorskip("pytest_rerunfailures")
    site.write(conftest="", test_orders=COUNTED)
    with serving(answer, tls=False) as server:
        result = site.run("--nodered-suite=off", "--reruns=2", url=server.url)
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(["*1 failed, 1 error, 4 rerun*"])
    assert counted(server.requests) == [1, 2]


def test_a_rerun_asks_nothing_twice_of_several_targets(site: Site) -> None:
    pytest.importorskip("pytest_rerunfailures")
    site.write(conftest="", test_orders=COUNTED)
    with serving(answer, tls=False) as server, serving(answer, tls=False) as other:
        result = site.run("--nodered-suite=off", "--reruns=2", f"--nodered-url={other.url}", url=server.url)
    result.assert_outcomes(failed=2, errors=2)
    assert counted([*server.requests, *other.requests]) == [2, 4]


IN_ITS_BODY = """
from pytest_nodered_sec import Cause, ProbeError

def test_dead(nodered_target):
    raise ProbeError("it stopped answering", Cause.TIMEOUT)

def test_then(nodered_target):
    pass
"""


def test_an_error_in_the_body_is_to_others_what_a_failure_is(site: Site) -> None:
    site.write(test_site=IN_ITS_BODY)
    args = ("--nodered-suite=off", "-p", "no:randomly")
    site.run(*args, "-x").assert_outcomes(errors=1)
    site.run(*args, "--last-failed").assert_outcomes(errors=1)
    site.run(*args, "--stepwise").assert_outcomes(errors=1)
    pytest.importorskip("pytest_rerunfailures")
    pytest.importorskip("pytest_rerunfailures")
    result = site.run(*args, "--reruns=2", "--junitxml=junit.xml")
    result.stdout.fnmatch_lines(["*1 passed, 1 error, 2 rerun*"])


def test_a_parameter_is_shown_as_in_the_id() -> None:
    case = Case(
        Target("plant", "https://plant.example", Policy()), Ask("access", ("ADMIN", "GET", "/flows"), "GET /flows")
    )
    assert repr(case) == str(case) == "plant-GET /flows"


def test_a_fixture_that_is_asked_for_late_is_that_of_the_one_target(site: Site) -> None:
    """Steps of pytest-bdd take their fixtures while the test runs."""
    site.write(test_site=LATE)
    site.run("--nodered-suite=off").assert_outcomes(passed=2)
    result = site.run("--nodered-suite=off", "--nodered-url=https://b.example")
    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines(["*the run has 2 targets: give the test itself the argument nodered_target, *"])
    result = site.run(url=None)
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(["no target: name one with --nodered-url=https://HOST*"])


def test_an_async_control_that_nothing_runs_is_no_finding(site: Site) -> None:
    site.write(test_async=ASYNC)
    result = site.run("--nodered-suite=off", "-p", "no:asyncio", "-p", "no:anyio")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["control 'site-01': test_orders is async, and no plugin runs it: mark it for yours"])
    result.stdout.fnmatch_lines(["*0 non-compliant * 1 error *"])
