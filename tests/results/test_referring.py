"""Cases that could not look for a reason that another case tells."""

from __future__ import annotations

from typing import Any

import pytest
from reported import record

from pytest_nodered_sec.results.referring import reasons, referred


@pytest.mark.parametrize(
    ("reason", "case"),
    [
        ("plant gave no usable answer: see reach-01", ("reach-01", "")),
        ("see reach-01", ("reach-01", "")),
        ("plant: for the same reason: see dash-01, /ui", ("dash-01", "/ui")),
        ("plant: everything is refused: see admin-01, GET /settings", ("admin-01", "GET /settings")),
        ("its certificate does not verify (expired; see tls-01 and tls-02)", ("", "")),
        ("connection refused", ("", "")),
        ("", ("", "")),
    ],
)
def test_a_reason_names_the_case_that_tells_it(reason: str, case: tuple[str, str]) -> None:
    assert referred(reason) == case


def test_a_case_that_refers_has_the_reason_of_the_other() -> None:
    unseen: dict[str, Any] = {"outcome": "could-not-look", "instance": "/ui"}
    cases = [
        record(control="dash-01", **unseen, reason="a login"),
        record(control="dash-02", **unseen, reason="plant: see dash-01, /ui"),
        record(control="dash-02", target="hall", **unseen, reason="hall: see dash-01, /ui"),
        record(control="dash-01", target="hall", outcome="non-compliant", instance="/ui"),
        record(control="dash-03", **unseen, reason="something else"),
    ]
    told = [reason for _, reason in reasons(cases)]
    assert told[:3] == ["a login", "a login", "hall: see dash-01, /ui"]  # at hall, dash-01 could look after all
    assert told[4] == "something else"
