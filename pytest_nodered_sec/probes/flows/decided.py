"""Which properties of a message somebody else decides; and what they decide of an expression, a template or a value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.probes.flows.shape import text

if TYPE_CHECKING:
    from collections.abc import Iterable

ALL: Final = "*"
CONTEXT: Final = ("flow", "global")
_TAG: Final = re.compile(r"\{\{\{?[&#^/]?\s*([^\s{}]+)\s*\}?\}\}")
_WORD: Final = re.compile(r"(?<![$\w.])(?:\$\$?\s*\.\s*)?([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)")
_WHOLE: Final = re.compile(r"(?<![$\w.])\$\$?(?![$\w.]|\s*\.)|(?:^|[(\[,.:?&=])\s*\*")  # the message, or all in it
_IN_CONTEXT: Final = re.compile(r"""\$(?:flow|global)Context\(\s*(?:["']([\w$]+)|)""")
_QUOTED: Final = re.compile(r"\"[^\"]*\"|'[^']*'|/\*[^*]*\*/")
_BRACKETS: Final = re.compile(r"""\[\s*(?:["']([\w$-]+)["']|(\d+))\s*\]""")
_PATH: Final = re.compile(r"[\w$-]+(\.[\w$-]+)*")
_KNOWN: Final = 50  # paths of one message that are told apart
PATTERNS: Final = {  # for a reading elsewhere
    "tag": _TAG, "word": _WORD, "wholeMessage": _WHOLE, "inContext": _IN_CONTEXT, "quoted": _QUOTED,
    "brackets": _BRACKETS, "path": _PATH,
}  # fmt: skip


@dataclass(frozen=True)
class Taint:
    """The properties of a message that somebody else decides.

    Attributes:
        rest: whether they decide properties that are not named here.
        others: the properties for which the contrary holds.
        known: paths below properties that they decide, of which they decide nothing.
    """

    rest: bool = False
    others: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()

    def has(self, name: str) -> bool:
        """Whether they decide a property, or a path below one; with "*" whether they decide any."""
        if name == ALL:
            return bool(self.rest or self.others)
        first, *more = name.split(".")
        if (first in self.others) == self.rest:
            return False
        return not (more and self.known and any(_is_below(name, path) for path in self.known))

    def set(self, name: str, decided: bool) -> Taint:
        """Return it with a property, or a path below one, decided by them, or not."""
        if name == ALL:
            return Taint(rest=True) if decided else Taint()
        if self.has(name) == decided:
            return self
        first = name.partition(".")[0]
        if first != name and not decided:
            can = "?" not in name and len(self.known) < _KNOWN
            return Taint(self.rest, self.others, self.known | {name}) if can else self
        known = frozenset(path for path in self.known if not (_is_below(path, name) or _is_below(name, path)))
        others = self.others if ((first in self.others) != self.rest) == decided else self.others ^ {first}
        return Taint(self.rest, others, known)

    def join(self, other: Taint) -> Taint:
        """Return what they decide in one message or the other."""
        known = frozenset(path for path in self.known | other.known if not (self.has(path) or other.has(path)))
        if self.rest and other.rest:
            return Taint(True, self.others & other.others, known)
        if self.rest or other.rest:
            wide, narrow = (self, other) if self.rest else (other, self)
            return Taint(True, wide.others - narrow.others, known)
        return Taint(False, self.others | other.others, known)


def _is_below(path: str, other: str) -> bool:
    return path == other or path.startswith(f"{other}.")


def place(name: Any) -> str:
    """Return a property's path with dots alone: `req.query.file` of `msg.req.query["file"]`; "?" is a part unknown."""
    said = _BRACKETS.sub(lambda match: f".{match[1] or match[2]}", text(name).removeprefix("msg."))
    return said if _PATH.fullmatch(said) or not said else f"{root(name)}.?"


def root(name: Any) -> str:
    """Return the first part of a property's name: `req` of `req.query["file"]`."""
    return re.split(r"[.\[]", text(name).removeprefix("msg."), maxsplit=1)[0]


def meets(keys: Iterable[str], stored: frozenset[str]) -> bool:
    """Whether one of these keys of the context is among those that are stored."""
    return bool(stored) and any(key == ALL or key in stored or ALL in stored for key in keys)


def tags(said: Any) -> list[str]:
    """Return the names in a Mustache template."""
    return _TAG.findall(said) if isinstance(said, str) else []


def fills(template: Any, came: Taint, stored: frozenset[str]) -> bool:
    """Whether others decide something that a template puts in."""
    return any(came.has(place(name)) for name in tags(template)) or meets(tag_keys(template), stored)


def tag_keys(template: Any) -> frozenset[str]:
    """Return the keys of the context that a template puts in."""
    return frozenset(root(name.partition(".")[2]) for name in tags(template) if root(name) in CONTEXT)


def words(expression: Any) -> list[str]:
    """Return the paths of the message that a JSONata expression names; "*" where it takes the whole message."""
    said = _QUOTED.sub("''", expression) if isinstance(expression, str) else ""
    return [*_WORD.findall(said), *([ALL] if _WHOLE.search(said) else [])]


def keys(typed: str, said: Any) -> frozenset[str]:
    """Return the keys of the context of which a value is made; "*" for any."""
    if typed == "jsonata":
        return frozenset(key or ALL for key in _IN_CONTEXT.findall(said if isinstance(said, str) else ""))
    return frozenset({root(said)}) if typed in CONTEXT else frozenset()


def decides(typed: str, said: Any, came: Taint, stored: frozenset[str]) -> bool:
    """Whether others decide a value: what a typed input says it is, in a message that came, and the context."""
    if typed == "msg":
        return came.has(place(said))
    if typed == "jsonata" and any(came.has(word) for word in words(said)):
        return True
    return meets(keys(typed, said), stored)
