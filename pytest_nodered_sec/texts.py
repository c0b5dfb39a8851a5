"""Cleaning of untrusted text for display: in a terminal, in XML, in HTML, in a line of JSON; and misspelt words.

What a target sends may hold escape sequences, what XML forbids, halves of characters, or marks that turn the
direction of writing: each is written out, and none is obeyed. Pure; knows nothing of tests or targets.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_KEPT: Final = "\n\t"
_LISTED: Final = 4  # words in a list


def readable(text: str) -> str:
    """Return a text with everything that does not print written out, such as `\\x1b`; lines stay lines."""
    if text.isprintable() or text.replace("\n", "").replace("\t", "").isprintable():  # nearly always, and quick
        return text
    return "".join(char if char.isprintable() or char in _KEPT else _written_out(char) for char in text)


def _written_out(letter: str) -> str:
    number = ord(letter)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def in_one_line(text: str, limit: int) -> str:
    """Return untrusted text fit for one line of a terminal: readable, without line breaks, cut at a limit."""
    shown = readable(text[:limit]).replace("\n", "\\n").replace("\t", "\\t")
    return shown if len(shown) <= limit and len(text) <= limit else f"{shown[: limit - 1]}…"


def host_in_ascii(host: str) -> str:
    """Return a host name as A-labels (IDNA 2008 with UTS 46); what is ASCII already stays as it is.

    Raises:
        ValueError: it is no host name.
    """
    if host.isascii():
        return host
    import idna  # a table of all of Unicode, for those who need it

    return idna.encode(host, uts46=True).decode("ascii")  # str.encode("idna") is of 2003: faß.de -> fass.de


def origin(scheme: str, host: str, port: int) -> str:
    """Return an origin as browsers write it: the scheme's own port is left out, an IPv6 literal has brackets."""
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}" + ("" if port == (443 if scheme == "https" else 80) else f":{port}")


def readable_within(value: Any) -> Any:  # Any: plain values, as a report holds them
    """Return a plain value with every text in it readable."""
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, dict):
        return {
            key: item if isinstance(item, str) and item.isprintable() else readable_within(item)  # nearly always
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return type(value)(readable_within(item) for item in value)
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
    return "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text)


def nearly(word: str, other: str) -> bool:
    """Whether two words are the same but for letters that changed places, or one that was added or left out."""
    if sorted(word) == sorted(other):
        return True
    longer, shorter = sorted((word, other), key=len, reverse=True)
    shortened = (longer[:place] + longer[place + 1 :] for place in range(len(longer)))
    return len(shorter) > 2 and shorter in shortened


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, which takes an s where it is not 1."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def listed(words: Iterable[str]) -> str:
    """Return words, each once, as a list that stays short."""
    each = list(dict.fromkeys(words))
    more = f" and {len(each) - _LISTED} more" if len(each) > _LISTED else ""
    return ", ".join(each[:_LISTED]) + more
