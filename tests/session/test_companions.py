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


def answer(request: Request) -> Reply:
    if request.path == "/orders":
        return json_reply([])
    return page("no", 500 if request.path == "/broken" else 404)


def test_a_rerun_asks_nothing_twice(site: Site) -> None:
    pytest.importorskip("pytest_rerunfailures")
    site.write(conftest="", test_orders=COUNTED)
    with serving(answer, tls=False) as server:
        result = site.run("--nodered-suite=off", "--reruns=2", url=server.url)
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(["*1 failed, 1 error, 4 rerun*"])
    asked = [line.split()[1] for line in server.requests]
    assert [asked.count("/orders"), asked.count("/broken")] == [1, 1]


def test_a_parameter_is_shown_as_in_the_id() -> None:
    case = Case(
        Target("plant", "https://plant.example", Policy()), Ask("access", ("ADMIN", "GET", "/flows"), "GET /flows")
    )
    assert repr(case) == str(case) == "plant-GET /flows"
