"""What strangers wrote, made fit to be shown."""

from __future__ import annotations

import json

import pytest

from pytest_nodered_sec.texts import as_json, counted, readable, readable_within


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET /flows → 200, “ä”", "GET /flows → 200, “ä”"),
        ("one\n\ttwo", "one\n\ttwo"),
        ("\x1b[31mred\x07\x9b0m\x00\r", "\\x1b[31mred\\x07\\x9b0m\\x00\\x0d"),
        ("half \ud800", "half \\ud800"),
        ("\u202egnp.exe\u2066\u2028\ufeff", "\\u202egnp.exe\\u2066\\u2028\\ufeff"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_does_not_print_is_written_out(text: str, shown: str) -> None:
    assert readable(text) == shown
    assert readable_within({"a": [text, (text, 1)], "b": None}) == {"a": [shown, (shown, 1)], "b": None}


@pytest.mark.parametrize("indent", [None, 1])
def test_json_is_read_back_as_it_was_and_has_no_lines_within(indent: int | None) -> None:
    value = {"ä\u2028": ["\ud800 \U000e0041 \x85\x1b\n\x7f", 1.5, None, "→"]}
    text = as_json(value, indent)
    assert json.loads(text) == value
    assert all(line.isprintable() for line in text.split("\n"))
    assert "ä" in text
    assert indent or "\n" not in text


def test_a_number_has_its_noun() -> None:
    assert [counted(number, "answer") for number in (0, 1, 2)] == ["0 answers", "1 answer", "2 answers"]
