"""A policy file as text: its encoding and its TOML, with a sentence for each mistake in these."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

from pytest_nodered_sec.policy.model import PolicyError

_HINTS: Final = {  # by how tomllib's sentences begin
    "Invalid value": 'texts stand in quotes, such as editor = "protected"',
    "Invalid date": "dates are written as 2030-12-31, without quotes",
    "Expected newline or end of document after a statement": "dates are written as 2030-12-31, texts in quotes",
    "Illegal character '\\n'": "a text ends with its quote, in the same line",
}
_TWICE: Final = "Cannot overwrite a value"
_LINE: Final = re.compile(r"at line (\d+)")
_KEY: Final = re.compile(r"""\s*([\w.\- "']+?)\s*=""")
_TABLE: Final = re.compile(r"\s*(\[+[^\]]+\]+)")


def parse(data: bytes, name: str) -> dict[str, Any]:  # Any: TOML holds anything
    """Return what a policy file says.

    Args:
        data: the file, in UTF-8; editors on Windows begin it with a BOM, and end its lines with two characters.
        name: of the file, in messages.

    Raises:
        PolicyError: it is not TOML in UTF-8.
    """
    text = _decoded(data, name).replace("\r\n", "\n").replace("\r", "\n")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{name}: is not TOML: {_told(str(error), text)}") from None


def _decoded(data: bytes, name: str) -> str:
    if b"\0" in data:
        raise PolicyError(
            f"{name}: is not UTF-8 text (perhaps UTF-16, as some editors on Windows write): save it as UTF-8"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise PolicyError(f"{name}: line {number} is not UTF-8 text: save the file as UTF-8") from None


def _told(error: str, text: str) -> str:
    """Return tomllib's sentence with what is meant; it shows no value, which may be a password."""
    if error.startswith(_TWICE):
        return _twice(error, text)
    hint = next((f"; {hint}" for start, hint in _HINTS.items() if error.startswith(start)), "")
    return error + hint


def _twice(error: str, text: str) -> str:
    """Return which key stands twice, and where; tomllib says where the second value ends."""
    lines = text.split("\n")
    at = _LINE.search(error)
    end = int(at[1]) if at else len(lines)
    for last in range(end, 0, -1):
        if table := _TABLE.match(lines[last - 1]):
            named = table[1].strip("[]")
            return f"line {last}: {table[1]}, but {named} stands above, too, as a key or with other brackets"
        if key := _KEY.match(lines[last - 1]):
            first = _before(lines[: last - 1], key[1])
            return f"{key[1]} stands twice in one table, in line {first} and in line {last}" if first else error
    return error


def _before(lines: list[str], key: str) -> int:
    """Return the last of these lines in which the key stands in the same table, 0 for none."""
    for number in range(len(lines), 0, -1):
        if _TABLE.match(lines[number - 1]):
            return 0
        if (match := _KEY.match(lines[number - 1])) and match[1] == key:
            return number
    return 0
