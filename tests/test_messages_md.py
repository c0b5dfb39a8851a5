"""docs/messages.md is what its command writes, and leaves no kind of message out."""

from __future__ import annotations

import ast
from pathlib import Path

import messages_md
import pytest
from messages_md import CAUSES, NOT_APPLICABLE, NOT_JUDGED, PAGE, WRONG_USE, Module, messages

from pytest_nodered_sec.errors import Cause

MADE_UP = """
_WHY: Final = "the gate says no"

def look(target, name):
    reason = f"{target.name}: {_WHY}" if name else ""
    raise ProbeError(f"GET {name} answered {len(name)}; {reason}", Cause.TIMEOUT)

def refuse(problem):
    raise ProbeError(problem, error.cause)

def use():
    refuse("the first thing is wrong")
    refuse(problem="the second thing is wrong")
    pytest.skip("nothing is left to do")
    return NotJudged(f"not judged: {_WHY}"), NotApplicable("no redirect " + "at all"), ProbeError(name, Cause.CLOSED)
"""


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == messages_md.page(), "run: python tests/messages_md.py"


def test_every_cause_has_a_way_out() -> None:
    assert set(CAUSES) == set(Cause)


@pytest.mark.parametrize(
    "sentence",
    [
        "--nodered-audit runs every test exactly once: remove ",
        "must be one of {…} (did you mean {near}?)",
        "{target name} gave no usable answer: see reach-01",
        "not judged without a host: add --nodered-host=ssh://USER@HOST to check the machine itself",
        "served without TLS: see tls-01",
        "npm could not install ",
        "there is no such option; did you mean --nodered-{near}?",
    ],
)
def test_it_holds_sentences_of_every_kind(sentence: str) -> None:
    assert sentence in PAGE.read_text(encoding="utf-8")


def test_what_is_read_from_a_tree() -> None:
    path = Path(messages_md.PACKAGE, "probes", "made_up.py")
    pages = messages([Module.of(path, ast.parse(MADE_UP))])
    assert {heading: list(texts) for heading, texts in pages.items()} == {
        "Could not look: timeout": ["GET {name} answered {number}; {name}: the gate says no"],
        "Could not look: several causes": ["the first thing is wrong", "the second thing is wrong"],
        NOT_APPLICABLE[0]: ["nothing is left to do", "no redirect at all"],
        NOT_JUDGED[0]: ["not judged: the gate says no"],
    }


def test_every_section_has_sentences() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for heading, _ in [*WRONG_USE.values(), NOT_JUDGED, NOT_APPLICABLE]:
        assert text.partition(f"## {heading}\n")[2].split("\n## ")[0].count("\n- ") > 3, heading
