"""What Python's search for garbage passes over in a run with many targets, and only there."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

import pytest_nodered_sec.session.hooks  # in this process, as the run
import pytest_nodered_sec.survey.survey
from pytest_nodered_sec import redaction
from pytest_nodered_sec.learnt import Runs

if TYPE_CHECKING:
    from session.conftest import Site

OWN = """
import gc
from pathlib import Path

class Log:
    def __init__(self):
        self.itself = self  # a circle

def test_garbage(nodered_target):
    with Path(__file__).with_name("seen").open("a") as seen:
        print(gc.get_threshold()[2], gc.get_freeze_count() > 10_000, file=seen)
    Log()
"""
MANY = """
[[target]]
name = "a"
url = "https://a.example"
[[target]]
name = "b"
url = "https://b.example"
"""


@pytest.fixture(autouse=True)
def _untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    survey = pytest_nodered_sec.survey.survey
    monkeypatch.setattr(survey, "Survey", survey.Survey)  # the site's conftest.py replaces it in this process
    monkeypatch.setattr(redaction, "_runs", Runs(redaction._watch_logging))


def _run(site: Site, policy: str) -> list[str]:
    (site.path / "policy.toml").write_text(policy)
    alone = ("-pno:randomly", "-pno:hypothesispytest", "-pno:pytest11.testinfra", "-pno:cacheprovider")
    args = ("--nodered-suite=off", "--nodered-policy=policy.toml", "test_own.py")
    result: pytest.RunResult = site.pytester.runpytest_inprocess(*alone, *args)
    assert result.ret == 0, result.stdout.str()
    return (site.path / "seen").read_text().splitlines()


def test_many_targets_are_searched_less_and_what_follows_as_before(site: Site) -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    site.write(test_own=OWN)
    try:
        assert _run(site, MANY) == ["1000 True", "1000 True"]
        assert gc.get_threshold() == before
        assert gc.get_freeze_count() == 0
    finally:
        if frozen:
            gc.freeze()  # as it was


def test_one_target_changes_nothing(site: Site) -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    site.write(test_own=OWN)
    assert _run(site, MANY[: MANY.rindex("[[")]) == [f"{before[2]} {frozen > 10_000}"]
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, frozen)
