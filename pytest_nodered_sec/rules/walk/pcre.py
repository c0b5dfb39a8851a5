"""Regular expressions as nginx has them (PCRE), for Python: translated where both mean the same, refused otherwise.

Patterns are matched against bytes held as Latin-1 text, letters being those of ASCII, as in nginx without (*UTF8).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pytest_nodered_sec.rules.walk import samples
from pytest_nodered_sec.rules.walk.samples import Alternatives, Group, Node, One, Repeat, Row

_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "a": "\a", "e": "\x1b"}
_SETS: Final = {
    "d": r"\d",
    "D": r"\D",
    "w": r"\w",
    "W": r"\W",
    "s": r"\s",
    "S": r"\S",
    "h": r"[ \t\xa0]",
    "N": r"[^\n]",
}
_EXAMPLES: Final = {"d": "1", "D": "x", "w": "x", "W": "-", "s": " ", "S": "x", "h": " ", "N": "x"}
_POINTS: Final = {"b": r"\b", "B": r"\B", "A": r"\A", "z": r"\Z", "Z": r"(?=\n?\Z)"}
_POSIX: Final = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f", "digit": "0-9",
    "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~", "space": r"\s", "upper": "A-Z",
    "word": r"\w", "xdigit": "a-fA-F0-9",
}  # fmt: skip
_NAME: Final = re.compile(r"\?(?:P?<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')", re.ASCII)
_FLAGS: Final = re.compile(r"\?([ims]*)(?:-([ims]+))?([:)])")
_TIMES: Final = re.compile(r"\{(\d+)(,(\d*))?\}")


class UnreadableError(ValueError):
    """A pattern that cannot be said in Python: what it matches is not known."""


@dataclass(frozen=True)
class Pattern:
    """A pattern that was read.

    Attributes:
        regex: the same for Python.
        examples: texts that it may match, "\\x01" standing for any text.
    """

    regex: re.Pattern[str]
    examples: tuple[str, ...]


@lru_cache(maxsize=4096)
def read(pattern: str, *, ignore_case: bool = False, strict_end: bool = False) -> Pattern:
    """Translate a pattern; `strict_end`: "$" is the very end, not before a last line feed, as in Go.

    Raises:
        UnreadableError: Python has no expression that surely means the same.
    """
    reader = _Reader(pattern, r"\Z" if strict_end else "$")
    flags = "i" if ignore_case else ""
    text, node = reader.alternatives(frozenset(flags))
    if reader.at < len(pattern):
        raise UnreadableError(f"unmatched ) in {pattern}")
    try:
        return Pattern(re.compile(text, re.ASCII), samples.texts(node))
    except (re.error, OverflowError, RecursionError) as error:
        raise UnreadableError(f"{pattern}: {error}") from None


class _Reader:
    """Reads one pattern from left to right, and says it in Python's words."""

    def __init__(self, pattern: str, end: str) -> None:
        self.text = pattern
        self.end = end
        self.at = 0

    def alternatives(self, flags: frozenset[str]) -> tuple[str, Node]:
        """Read up to the end of the group. Flags set inside hold to its end, beyond every "|"."""
        ways: list[str] = []
        nodes: list[Node] = []
        while True:
            row, inside, flags = self._row(flags)
            ways.append(row)
            nodes.append(inside)
            if self.text[self.at : self.at + 1] != "|":
                return "|".join(ways), Alternatives(tuple(nodes))
            self.at += 1

    def _row(self, flags: frozenset[str]) -> tuple[str, Node, frozenset[str]]:
        parts: list[str] = []
        nodes: list[Node] = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            if (setting := _FLAGS.match(self.text, self.at + 1)) and self.text[self.at] == "(" and setting[3] == ")":
                self.at = setting.end()
                flags = _changed(flags, setting)
                continue
            alone = self.text[self.at] != "("  # what stands in a group has its flags there
            part, node = self._atom(flags)
            times, node = self._times(node)
            parts.append((f"(?{''.join(sorted(flags))}:{part})" if flags and alone else part) + times)
            nodes.append(node)
        return "".join(parts), Row(tuple(nodes)), flags

    def _times(self, node: Node) -> tuple[str, Node]:
        """Read a quantifier, with "?" (lazy) or "+" (possessive) behind it, which Python has as well."""
        char = self.text[self.at : self.at + 1]
        counted = _TIMES.match(self.text, self.at)
        if char and char in "*+?":
            text, least, most = char, int(char == "+"), 1 if char == "?" else None
            self.at += 1
        elif counted:
            text, least = counted[0], int(counted[1])
            most = least if counted[2] is None else int(counted[3]) if counted[3] else None
            self.at = counted.end()
        else:
            return "", node
        if self.text[self.at : self.at + 1] in ("?", "+"):
            text += self.text[self.at]
            self.at += 1
        return text, Repeat(node, least, most)

    def _atom(self, flags: frozenset[str]) -> tuple[str, Node]:
        char = self.text[self.at]
        self.at += 1
        if char == "(":
            return self._group(flags)
        if char == "[":
            return self._set()
        if char == "\\":
            return self._escape()
        if char in "^$":
            return self.end if char == "$" else char, Row()
        if char == ".":
            return ".", One("x", wide=True)
        if char in "*+?":
            raise UnreadableError(f"nothing to repeat in {self.text}")
        return re.escape(char), One(char)

    def _group(self, flags: frozenset[str]) -> tuple[str, Node]:
        rest = self.text[self.at :]
        if rest.startswith("*"):
            raise UnreadableError(f"(*…) in {self.text}")
        if named := _NAME.match(self.text, self.at):
            head, self.at = f"(?P<{named[1] or named[2]}>", named.end()
        elif setting := _FLAGS.match(self.text, self.at):
            head, self.at, flags = "(?:", setting.end(), _changed(flags, setting)
        elif rest.startswith(("?=", "?!", "?>")):
            head = f"({rest[:2]}"
            self.at += 2
        elif rest.startswith(("?<=", "?<!")):
            head = f"({rest[:3]}"
            self.at += 3
        elif rest.startswith("?"):
            raise UnreadableError(f"({rest[:3]}…) in {self.text}")
        else:
            head = "("
        inside, node = self.alternatives(flags)
        if self.text[self.at : self.at + 1] != ")":
            raise UnreadableError(f"missing ) in {self.text}")
        self.at += 1
        if head[:3] in ("(?=", "(?!", "(?<") and head[:4] != "(?P<":
            node = Row()  # looks around, takes nothing
        return f"{head}{inside})", Group(node)

    def _escape(self) -> tuple[str, Node]:
        char = self.text[self.at : self.at + 1]
        self.at += 1
        if char in _SETS:
            return _SETS[char], One(_EXAMPLES[char], wide=char in "DSN")
        if char in _POINTS:
            return _POINTS[char], Row()
        if char == "Q":
            quoted, _, _ = self.text[self.at :].partition("\\E")
            self.at = min(self.at + len(quoted) + 2, len(self.text))
            return f"(?:{re.escape(quoted)})", One(quoted)
        if char.isdigit() and char != "0" and not self.text[self.at : self.at + 1].isdigit():
            return f"(?:\\{char})", One("")
        if back := re.compile(r"\{(\w+)\}|<(\w+)>|'(\w+)'").match(self.text, self.at) if char == "k" else None:
            self.at = back.end()
            return f"(?P={back[1] or back[2] or back[3]})", One("")
        literal = self._literal(char)
        return re.escape(literal), One(literal)

    def _literal(self, char: str) -> str:
        """Return the character that an escape stands for, inside a set or outside."""
        if char in _ESCAPES:
            return _ESCAPES[char]
        if char == "x" and (code := re.compile(r"[0-9a-fA-F]{2}|\{([0-9a-fA-F]{1,2})\}").match(self.text, self.at)):
            self.at = code.end()
            return chr(int(code[0].strip("{}"), 16))
        if not char or char.isalnum() or not char.isascii():
            raise UnreadableError(f"\\{char} in {self.text}")
        return char

    def _set(self) -> tuple[str, Node]:
        start = self.at
        negative = self.text[self.at : self.at + 1] == "^"
        self.at += negative
        parts: list[str] = []
        first = ""
        while True:
            char = self.text[self.at : self.at + 1]
            if not char:
                raise UnreadableError(f"missing ] in {self.text}")
            if char == "]" and parts:
                break
            self.at += 1
            part, example = self._member(char)
            parts.append(part)
            first = first or example
        self.at += 1
        text = f"[{'^' if negative else ''}{''.join(parts)}]"
        try:
            regex = re.compile(text, re.ASCII)
        except re.error as error:
            raise UnreadableError(f"{self.text[start - 1 : self.at]}: {error}") from None
        example = first if not negative else next((char for char in "x1-_ é" if regex.match(char)), "")
        return text, One(example, wide=negative)

    def _member(self, char: str) -> tuple[str, str]:
        """Return one member of a set in Python's words, and a character that it holds."""
        if named := re.compile(r"\[:(\^?)(\w+):\]").match(self.text, self.at - 1) if char == "[" else None:
            if named[1] or named[2] not in _POSIX:
                raise UnreadableError(f"{named[0]} in {self.text}")
            self.at = named.end()
            inside = _POSIX[named[2]]
            return inside, inside.replace(r"\s", " ").replace(r"\w", "x")[:1]
        if char != "\\":
            return (char, char) if char.isalnum() or char == "-" else (re.escape(char), char)
        char = self.text[self.at : self.at + 1]
        self.at += 1
        if char in "dDwWsS" and char:
            return _SETS[char], _EXAMPLES[char]
        literal = "\b" if char == "b" else self._literal(char)
        return (f"\\x{ord(literal):02x}" if literal in "-\b" else re.escape(literal)), literal


def _changed(flags: frozenset[str], setting: re.Match[str]) -> frozenset[str]:
    return (flags | set(setting[1])) - set(setting[2] or "")
