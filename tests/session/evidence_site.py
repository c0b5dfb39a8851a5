"""Controls of every outcome over a survey that asks nobody, and reading what their run leaves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    pass


# Observations are real ones here: an evidence folder takes no others.
SEES = """
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.access import AccessAttempt
from pytest_nodered_sec.observations.answers import Answer, Classified, Kind, RootView
from pytest_nodered_sec.observations.answers import Seen as Landmark

VIEW = RootView("/", Landmark("/x", Answer(404), Classified(Kind.ABSENT)))

class Sees(Survey):
    def outcome(self, target, ask):
        self.ask_ahead(target, [ask])
        how = ask.args[0] if ask.probe == "stub" else "error"
        if how == "error":
            return ProbeError("GET /orders got no answer within 10 s", Cause.TIMEOUT)
        if how == "crash":
            os._exit(3)
        if how == "interrupt":
            raise KeyboardInterrupt
        answer = Answer(401 if how == "good" else 200, "text/html", 12)
        kind = Kind.REFUSED if how == "good" else Kind.SERVED
        asked = (Surface.NODE, "GET", "/" + how, "without credentials")
        return AccessAttempt(*asked, answer, Classified(kind), False, VIEW)

pytest_nodered_sec.survey.survey.Survey = Sees
"""
HOSTILE = "<script>alert(1)</script>\"'|`[x](javascript:alert(2))</details>"
CONTROLS = """
from pytest_nodered_sec import Ask, NotApplicable, Severity, Violation, control, require
from pytest_nodered_sec.observations.answers import Kind

HOSTILE = %r

def asks(*labels):
    return [Ask("stub", (label,), label) for label in labels]

def is_refused(seen, policy):
    '''A rule as any.'''
    if seen.path == "/absent":
        return NotApplicable("no orders here")
    if seen.kind is Kind.SERVED and policy.profile != "baseline":
        observed = f"{seen.evidence()} {HOSTILE}"
        return (Violation("served", observed, "401 <b>or</b> 403", "settings.js: <i>adminAuth</i>"),)
    return ()

@control("site-01", severity=Severity.CRITICAL, asks=asks(%s))
def test_orders(nodered_seen, nodered_policy):
    '''Orders are refused.'''
    require(is_refused(nodered_seen, nodered_policy))

@control("site-02", severity=Severity.LOW, asks=asks("good"))
def test_again(nodered_seen, nodered_policy):
    '''Asks what the other asks.'''
    require(is_refused(nodered_seen, nodered_policy))
"""
POLICY = """
[[target]]
name = "plant"
url = "https://plant.example"
[[target]]
name = "hall"
url = "https://hall.example"
[[waiver]]
control = "site-01"
target = "hall"
instance = "bad"
finding = "served"
reason = "<b>shut</b> until the line is renewed"
expires = 2999-12-31
approver = "A. Meier"
"""
OWN = ("--nodered-suite=off", "test_site.py")
OUTCOMES = {"compliant": 4, "non-compliant": 1, "waived": 1, "could-not-look": 2, "not-applicable": 2}


def controls(*asked: str) -> str:
    return CONTROLS % (HOSTILE, ", ".join(map(repr, asked)))


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def counted(records: list[Any]) -> dict[str, int]:
    outcomes = [record["outcome"] for record in records]
    return {outcome: outcomes.count(outcome) for outcome in outcomes}


def said(result: pytest.RunResult) -> list[str]:
    return [line.removeprefix("nodered-sec: ") for line in result.outlines if line.startswith("nodered-sec: ")]
