"""Whether Apache's expressions hold (ap_expr): of <If>, Require expr, and RewriteCond expr."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.walk.apache_client import is_inside
from pytest_nodered_sec.rules.walk.apache_variables import chosen, fits, sent, value, worth
from pytest_nodered_sec.rules.walk.conditions import is_from
from pytest_nodered_sec.rules.walk.request import unknown, unknowns

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.apache_visit import Visit

Word = tuple[tuple[str, str], ...]
"""Parts, each with its kind: "text", "variable", or the name of a function."""

_SPACE: Final = re.compile(r"\s*")
_OPERATOR: Final = re.compile(r"==|!=|<=|>=|=~|!~|=|<|>|-\w+|in\b")
_REGEX: Final = re.compile(
    r"m(?P<sign>[^\w\s])(?P<text>.*?)(?P=sign)(?P<flags>\w*)|/(?P<plain>(?:\\.|[^/\\])*)/(?P<more>\w*)"
)
_PART: Final = re.compile(
    r"""'(?P<one>(?:\\.|[^'\\])*)'|"(?P<two>(?:\\.|[^"\\])*)"|(?P<number>\d+)|%\{(?P<variable>[^}]*)\}"""
    r"""|(?P<call>\w+)\((?P<inside>'[^']*'|"[^"]*")\)"""
)
_VARIABLE: Final = re.compile(r"%\{([^}]*)\}")
_NUMBERS: Final = {"-eq": "==", "-ne": "!=", "-lt": "<", "-le": "<=", "-gt": ">", "-ge": ">="}
_UNARY: Final = re.compile(r"-([nzTRdefsLhFUA])(?=\s|['\"%(])")


class UnreadableError(ValueError):
    """An expression that is not understood."""


@dataclass(frozen=True)
class Node:
    """A part of an expression.

    Attributes:
        name: an operator, "true" or "false".
        parts: what "&&", "||" and "!" join or negate.
        words: what is compared.
        pattern: of "=~".
        ignore_case: whether that ignores letter case.
    """

    name: str
    parts: tuple[Node, ...] = ()
    words: tuple[Word, ...] = ()
    pattern: str = ""
    ignore_case: bool = False


def holds(visit: Visit, text: str, line: Directive) -> bool:
    """Whether an expression holds; one that is not understood is doubted, and tried both ways."""
    try:
        node = read(text)
    except UnreadableError:
        visit.doubt(f"what the expression {text} ({line.where()}) decides is not followed")
        return visit.choices.whether(("expression", text))
    return _holds(visit, node, line)


# --- reading ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def read(text: str) -> Node:
    """Return an expression as a tree.

    Raises:
        UnreadableError: it is not understood.
    """
    whole = text.strip()
    if whole[:1] == whole[-1:] == '"' and '"' not in whole[1:-1].replace('\\"', ""):  # as <If "…"> has it
        whole = whole[1:-1].replace('\\"', '"')
    reader = _Reader(whole)
    node = reader.either()
    if reader.at < len(reader.text):
        raise UnreadableError(text)
    return node


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.skip()

    def skip(self) -> None:
        self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]  # matches nothing, too

    def takes(self, sign: str) -> bool:
        if not self.text.startswith(sign, self.at):
            return False
        self.at += len(sign)
        self.skip()
        return True

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()
            self.skip()
        return match

    def either(self) -> Node:
        parts = [self.both()]
        while self.takes("||"):
            parts.append(self.both())
        return Node("||", tuple(parts)) if len(parts) > 1 else parts[0]

    def both(self) -> Node:
        parts = [self.single()]
        while self.takes("&&"):
            parts.append(self.single())
        return Node("&&", tuple(parts)) if len(parts) > 1 else parts[0]

    def single(self) -> Node:
        if self.takes("!"):
            return Node("!", (self.single(),))
        if self.takes("("):
            inside = self.either()
            if not self.takes(")"):
                raise UnreadableError(self.text)
            return inside
        if constant := self.match(re.compile(r"(true|false)\b")):
            return Node(constant[1])
        if unary := self.match(_UNARY):
            return Node(f"-{unary[1]}", words=(self.word(),))
        left = self.word()
        operator = self.match(_OPERATOR)
        if operator is None:
            raise UnreadableError(self.text)
        return self.compared(left, operator[0])

    def compared(self, left: Word, operator: str) -> Node:
        if operator in ("=~", "!~"):
            regex = self.match(_REGEX)
            if regex is None:
                raise UnreadableError(self.text)
            pattern, flags = (regex[2], regex[3]) if regex["sign"] else (regex["plain"], regex["more"])
            node = Node("=~", words=(left,), pattern=pattern, ignore_case="i" in flags)
            return node if operator == "=~" else Node("!", (node,))
        if operator == "in":
            if not self.takes("{"):
                raise UnreadableError(self.text)
            parts = [Node("==", words=(left, self.word()))]
            while self.takes(","):
                parts.append(Node("==", words=(left, self.word())))
            if not self.takes("}"):
                raise UnreadableError(self.text)
            return Node("||", tuple(parts))
        if operator == "!=" or operator == "-ne":
            return Node("!", (self.compared(left, {"!=": "==", "-ne": "-eq"}[operator]),))
        return Node("==" if operator == "=" else operator, words=(left, self.word()))

    def word(self) -> Word:
        parts: list[tuple[str, str]] = []
        while True:
            part = self.match(_PART)
            if part is None:
                raise UnreadableError(self.text)
            parts += _parts(part)
            if not self.takes("."):
                return tuple(parts)


def _parts(part: re.Match[str]) -> list[tuple[str, str]]:
    if part["variable"] is not None:
        return [("variable", part["variable"])]
    if part["call"]:
        return [(part["call"].lower(), part["inside"][1:-1])]
    if part["number"]:
        return [("text", part["number"])]
    quoted = part["one"] if part["one"] is not None else part["two"]
    pieces = _VARIABLE.split(re.sub(r"\\(.)", r"\1", quoted))
    return [("variable" if number % 2 else "text", piece) for number, piece in enumerate(pieces)]


# --- evaluating ------------------------------------------------------------------------------------------


def _holds(visit: Visit, node: Node, line: Directive) -> bool:
    parts = (_holds(visit, part, line) for part in node.parts)
    if node.name == "!":
        return not any(parts)
    if node.parts:
        return any(parts) if node.name == "||" else all(parts)
    if not node.words:
        return node.name == "true"
    words = [_text(visit, word) for word in node.words]
    if node.name == "=~":
        return fits(visit, node.pattern, words[0], line, ignore_case=node.ignore_case)
    if len(words) == 1:
        return _is(visit, node.name, words[0], line)
    return _compared(visit, node.name, words[0], words[1], line)


def _text(visit: Visit, word: Word) -> str:
    return "".join(_part(visit, sort, text) for sort, text in word)


def _part(visit: Visit, sort: str, text: str) -> str:
    if sort == "text":
        return text
    if sort == "variable":
        return worth(visit, text)
    if sort in ("req", "http"):
        return sent(visit, text)
    return value(visit, text) or "" if sort == "reqenv" else unknown(f"Apache's {sort}()")


def _is(visit: Visit, name: str, text: str, line: Directive) -> bool:
    """Whether an operator with one operand holds."""
    if name == "-R":
        return is_inside(visit, text, line)
    if name in ("-n", "-z", "-T"):
        if unknowns(text):
            return chosen(visit, ("there", text), text, line, secret=False) != (name == "-z")
        absent = ("", "0", "off", "false", "no") if name == "-T" else ("",)
        return (text.lower() in absent) == (name == "-z")
    if name in ("-F", "-U", "-A"):
        visit.doubt(f"{name} of {line.name} ({line.where()}) is not followed")
    there = visit.client.exists
    return visit.choices.whether(("file", text)) if there is None else there


def _compared(visit: Visit, name: str, left: str, right: str, line: Directive) -> bool:
    """Whether a comparison holds."""
    if name == "-ipmatch":
        if left == worth(visit, "REMOTE_ADDR"):
            return is_inside(visit, right, line)
        if not unknowns(left) and is_from(left, right) is not None:
            return bool(is_from(left, right))
    elif name in ("-strmatch", "-strcmatch", "-fnmatch"):
        anything = "[^/]*" if name == "-fnmatch" else ".*"
        pattern = re.escape(right).replace(r"\*", anything).replace(r"\?", anything[:-1])
        return fits(visit, f"^{pattern}$", left, line, ignore_case=name == "-strcmatch")
    elif not unknowns(left + right):
        if name in _NUMBERS and left.isdigit() and right.isdigit():
            return _ordered(_NUMBERS[name], int(left), int(right))
        if name not in _NUMBERS and not name.startswith("-"):
            return _ordered(name, left, right)
    if not unknowns(left + right):
        visit.doubt(f"the comparison {name} of {line.name} ({line.where()}) is not followed")
    return chosen(visit, (name, left, right), left + right, line, secret="" not in (left, right))


def _ordered(name: str, left: str | int, right: str | int) -> bool:
    order = (left > right) - (left < right)  # type: ignore[operator]  # both are of one kind
    return {"==": order == 0, "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[name]
