"""Exit codes that tell findings from what could not be looked at."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_nodered_sec.session.ledger import Ledger

if TYPE_CHECKING:
    from session.conftest import Site


@pytest.mark.parametrize(
    ("chosen", "workers", "code"),
    [("bad", (), 1), ("error", (), 6), ("bad or error", ("-n2",), 7), ("good", ("-n2",), 0)],
)
def test_the_exit_code_of_a_run(site_with_control: Site, chosen: str, workers: tuple[str, ...], code: int) -> None:
    if workers:
        pytest.importorskip("xdist")
    given = ("--nodered-suite=off", "--nodered-exit=split", f"-k{chosen}", *workers, "test_site.py")
    assert site_with_control.run(*given).ret == code


@pytest.mark.parametrize(
    ("outcomes", "failed", "crashed", "audit", "code"),
    [
        ({"a": "could-not-look"}, {"a"}, [], "", 6),
        ({"a": "could-not-look", "b": "compliant"}, {"a", "b"}, [], "", 7),  # b broke in its teardown
        ({"a": "could-not-look"}, {"a", "test_own.py::test"}, [], "", 7),
        ({}, {"test_own.py::test_dead"}, [], "", 6),
        ({"a": "could-not-look"}, {"a", "test_own.py::test_dead"}, [], "", 6),
        ({"a": "non-compliant"}, {"a", "test_own.py::test_dead"}, [], "", 7),
        ({"a": "could-not-look"}, {"a"}, [], "tests were run again", 7),
        ({"a": "compliant"}, {"b"}, ["b"], "", 6),
        ({"a": "non-compliant"}, {"a", "b"}, ["b"], "", 7),
        ({"a": "compliant"}, set(), [], "tests were run again", 1),
        ({}, {"test_own.py::test"}, [], "", 1),
    ],
)
def test_what_failed_decides(
    outcomes: dict[str, str], failed: set[str], crashed: list[str], audit: str, code: int
) -> None:
    book: Any = SimpleNamespace(
        records=[{"nodeid": node, "outcome": outcome} for node, outcome in outcomes.items()],
        lost=list,
        _failed=failed,
        _unseen=failed & {"test_own.py::test_dead"},
        _overruled=set(),
        _crashed=crashed,
        _missing="",
        _no_audit=lambda: audit,
    )
    assert Ledger._told_apart(book) == code


@pytest.mark.parametrize(
    ("body", "workers", "code"),
    [
        ("raise ProbeError('GET / got no answer', Cause.TIMEOUT)", (), 6),
        ("raise ProbeError('GET / got no answer', Cause.TIMEOUT)", ("-n1",), 6),
        ("assert not nodered_target", (), 1),
    ],
)
def test_a_plain_test_that_cannot_look_is_no_finding(
    site: Site, body: str, workers: tuple[str, ...], code: int
) -> None:
    if workers:
        pytest.importorskip("xdist")
    site.write(
        test_own=f"from pytest_nodered_sec import Cause, ProbeError\n\ndef test_own(nodered_target):\n    {body}\n"
    )
    assert site.run("--nodered-suite=off", "--nodered-exit=split", *workers, "test_own.py").ret == code
