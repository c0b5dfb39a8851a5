"""Texts that strangers had a hand in, made fit to be shown: in a terminal, in XML, on a page, in a line of JSON.

What a target sends may hold escape sequences, what XML forbids, halves of characters, or marks that turn the
direction of writing: each is written out, and none is obeyed. Pure; knows nothing of tests or targets.
"""

from __future__ import annotations

import json
from typing import Any, Final

_KEPT: Final = "\n\t"


def readable(text: str) -> str:
    """Return a text with everything that does not print written out, such as `\\x1b`; lines stay lines."""
    if text.isprintable():  # nearly always, and quick
        return text
    return "".join(one if one.isprintable() or one in _KEPT else _written_out(one) for one in text)


def _written_out(letter: str) -> str:
    number = ord(letter)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def readable_within(value: Any) -> Any:  # Any: plain values, as a report holds them
    """Return a plain value with every text in it readable."""
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, dict):
        return {key: readable_within(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(readable_within(one) for one in value)
    return value


def as_json(value: Any, indent: int | None = None) -> str:  # Any: JSON
    """Return JSON that can be read by people and split at its lines; nothing is lost of what does not print.

    Args:
        value: what `json` can write.
        indent: as `json` takes it; None for one line.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=None if indent else (",", ":"))
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in text)
