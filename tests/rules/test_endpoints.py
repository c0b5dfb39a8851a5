"""The site's own endpoints: what refuses, what is open, what is declared and not there."""

from __future__ import annotations

import pytest
from seen import BROKEN, ERROR, FAIL, FLOWS, FORBIDDEN, NODE_BASIC, NOT_FOUND, OPEN, PASS, attempt, outcome, target
from seen import violations as faults

from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.answers import Answer
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.rules.endpoints import endpoint_refuses


@pytest.mark.parametrize(
    ("answer", "letter"),
    [(FLOWS, FAIL), (NODE_BASIC, PASS), (FORBIDDEN, PASS), (NOT_FOUND, FAIL), (Answer(405), FAIL), (BROKEN, ERROR)],
    ids=["served", "401", "403", "declared and absent", "405", "500"],
)
def test_a_declared_endpoint(answer: Answer, letter: str) -> None:
    assert outcome(endpoint_refuses, attempt(Surface.NODE, "/api/orders", answer, OPEN), target()) == letter


def test_a_declared_endpoint_that_is_not_there_says_what_to_correct() -> None:
    (violation,) = faults(endpoint_refuses(attempt(Surface.NODE, "/api/orders", NOT_FOUND, OPEN), Policy()))
    assert "this endpoint is declared" in violation.observed
    assert "--nodered-node-root" in violation.remedy
