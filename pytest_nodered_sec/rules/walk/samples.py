"""Texts that a regular expression may match, from its parts: what a client could ask for to get there.

They are guesses that the walk then tries; "\x01" (`ANY`) stands in them for any text.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Final

ANY: Final = "\x01"
_MOST: Final = 48


@dataclass(frozen=True)
class One:
    """A character or a run of them; `wide` where it may be nearly any other too."""

    text: str
    wide: bool = False


@dataclass(frozen=True)
class Row:
    """Parts one after the other."""

    parts: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Alternatives:
    """Parts of which one holds."""

    ways: tuple[Node, ...]


@dataclass(frozen=True)
class Group:
    """A part in brackets."""

    inside: Node


@dataclass(frozen=True)
class Repeat:
    """A part that stands there several times; `most` is None where there is no limit."""

    inside: Node
    least: int
    most: int | None


Node = One | Row | Alternatives | Group | Repeat


def texts(node: Node) -> tuple[str, ...]:
    """Return a bounded number of texts."""
    return tuple(dict.fromkeys(_texts(node)))[:_MOST]


def _texts(node: Node) -> list[str]:
    if isinstance(node, One):
        return [node.text]
    if isinstance(node, Group):
        return _texts(node.inside)
    if isinstance(node, Alternatives):
        return [text for way in node.ways for text in _texts(way)][:_MOST]
    if isinstance(node, Repeat):
        if _is_wide(node.inside) and node.most is None:
            return [ANY]
        once = [text * max(node.least, 1) for text in _texts(node.inside)]
        return once if node.least else ["", *once]
    result = [""]
    for part in node.parts:
        result = [before + text for before, text in product(result, _texts(part))][:_MOST]
    return result


def _is_wide(node: Node) -> bool:
    """Whether a part takes nearly any character, so that its repetition takes nearly any text."""
    if isinstance(node, One):
        return node.wide
    if isinstance(node, Group):
        return _is_wide(node.inside)
    if isinstance(node, Row):
        return len(node.parts) == 1 and _is_wide(node.parts[0])
    return isinstance(node, Alternatives) and any(_is_wide(way) for way in node.ways)
