"""What was seen is kept small until it is written, and loses nothing by it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pytest_nodered_sec.evidence.looks import Looks
from pytest_nodered_sec.observations import codec
from pytest_nodered_sec.observations.chain import PresentedChain

if TYPE_CHECKING:
    import pytest

_KEPT = """
kept = []

class Keeping:
    def pytest_runtest_logreport(self, report):
        kept.append(report)

def pytest_configure(config):
    config.pluginmanager.register(Keeping())

def pytest_unconfigure(config):
    assert len(kept) > 100
    assert not any(hasattr(report, "nodered_looked") for report in kept)
    print("reports are small")
"""


def looked(target: str, probe: str, *args: str, outcome: object = None) -> dict[str, Any]:  # Any: as a report has it
    encoded = json.dumps(codec.encode(outcome)).encode()
    return {"target": target, "probe": probe, "args": list(args), "outcome": encoded}


def test_each_question_is_kept_once_in_order() -> None:
    looks = Looks(whole=True)
    looks.add(looked("b", "access", "/flows", outcome="first \ud800"), "two")
    looks.add(looked("b", "access", "/flows", outcome="later"), "three")
    looks.add(looked("b", "access", "/flows", outcome="later"), "three")
    looks.add(looked("a", "exposure", outcome=1), "one")
    lines = list(looks.lines())
    assert lines == [
        {"target": "a", "probe": "exposure", "args": [], "outcome": 1, "cases": ["one"]},
        {"target": "b", "probe": "access", "args": ["/flows"], "outcome": "first \ud800", "cases": ["two", "three"]},
    ]
    assert list(lines[0]) == ["target", "probe", "args", "outcome", "cases"]


def test_a_page_needs_the_chains_alone() -> None:
    chain = PresentedChain("a.example", "TLSv1.3", (), (), "system", datetime(2026, 1, 2, tzinfo=UTC))
    looks = Looks(whole=False)
    for target in ("b", "a"):
        looks.add(looked(target, "chain", outcome=chain), "one")
    looks.add(looked("c", "chain", outcome="none"), "one")
    looks.add(looked("a", "access", "/flows"), "one")
    assert looks.chains(["a", "b", "c", "d"]) == {"a": chain, "b": chain}
    assert list(looks.chains(["b", "a"])) == ["b", "a"]
    assert [line["probe"] for line in looks.lines()] == ["chain"] * 3


def test_what_is_kept_is_small() -> None:
    looks = Looks(whole=True)
    outcome = [{"name": f"answer {number}", "status": 401} for number in range(500)]
    report = looked("a", "access", outcome=outcome)
    looks.add(report, "one")
    [look] = looks._looks.values()
    assert sys.getsizeof(look.outcome) * 3 < len(report["outcome"])


def test_reports_are_kept_without_what_was_seen(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(_KEPT)
    options = ["-s", "--nodered-suite=only", "--nodered-url=https://127.0.0.1:1", "--nodered-evidence=ev"]
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", *options)
    result.stdout.fnmatch_lines(["*reports are small*"])
    assert (pytester.path / "ev/observations.jsonl").stat().st_size > 0
