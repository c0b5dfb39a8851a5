"""What the code of a function node does with its message, as far as patterns show: no parser, no execution."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from pytest_nodered_sec.data.flow_nodes import RUNNERS

_COMMENTS: Final = re.compile(
    r"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|//[^\n]*|/\*.*?\*/""", re.DOTALL
)
_LITERAL: Final = (
    r"""(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\$]|\\.)*`|-?\d[\w.]*|true|false|null|undefined"""
    r"""|\[\s*\]|\{\s*\}|(?:Number|parseInt|parseFloat|Boolean)\([^()]*(?:\([^()]*\)[^()]*)*\)|Date\.now\(\)"""
    r"""|new\s+Date\(\)|Math\.\w+\([^()]*\))"""
)
_CONSTANT: Final = re.compile(rf"\s*\(*\s*{_LITERAL}(?:\s*\+\s*{_LITERAL})*\s*\)*\s*")
_SET: Final = re.compile(r"""\.([A-Za-z_]\w*)\s*\+?=(?![=>])([^;\n]*)""")
_SET_BY_KEY: Final = re.compile(r"""\bmsg\s*\[\s*["']([\w]+)["']\s*\]\s*=(?!=)([^;\n]*)""")
_PAIR: Final = re.compile(r"""[{,]\s*["']?([A-Za-z_]\w*)["']?\s*:\s*([^,}\n]*)""")
_SHORTHAND: Final = re.compile(r"[{,]\s*(topic|filename|url|query|payload|sql)\s*(?=[,}])")
_WILD: Final = re.compile(r"\bmsg\s*=(?!=)|Object\.assign\(|\.\.\.|\bmsg\s*\[(?!\s*[\"'])[^\]]*\]\s*=(?!=)")
_CALL: Final = re.compile(
    r"\b(exec|execSync|execFile|execFileSync|spawn|spawnSync|fork|execCommand|execa|command|"
    r"runInContext|runInNewContext|runInThisContext|Script|Worker|run|compileFunction)\s*\("
)
_TWO_ARGUMENTS: Final = ("execFile", "execFileSync", "spawn", "spawnSync", "fork", "execa")
_EVALUATES: Final = re.compile(r"(?<![\w.])eval\s*\(|\bnew\s+Function\s*\(|(?<![\w.])Function\s*\(")
_REQUIRES: Final = re.compile(
    r"""(?:require|import|(?:global|flow|context)\.get)\s*\(\s*["'](?:node:)?([\w.@/-]+)["']\s*\)"""
)
_WORDS: Final = re.compile(r"eval|Function|require|import|(?:global|flow|context)\.get")
_KEYS: Final = r"""\b(flow|global|context)\.{what}\(\s*(?:["']([\w$]+)|)"""
_SETS: Final = re.compile(_KEYS.replace("{what}", "set"))
_GETS: Final = re.compile(_KEYS.replace("{what}", "get"))
_READ: Final = 50_000  # characters of one function; what is longer may do anything
_LONGEST: Final = 4000  # characters of one call's arguments
PATTERNS: Final = {  # for a reading elsewhere, as are the bounds
    "comments": _COMMENTS, "constant": _CONSTANT, "set": _SET, "setByKey": _SET_BY_KEY, "pair": _PAIR,
    "shorthand": _SHORTHAND, "wild": _WILD, "call": _CALL, "evaluates": _EVALUATES, "requires": _REQUIRES,
    "words": _WORDS, "sets": _SETS, "gets": _GETS,
}  # fmt: skip
BOUNDS: Final = {"longestCode": _READ, "longestCall": _LONGEST, "twoArguments": _TWO_ARGUMENTS}


@dataclass(frozen=True)
class Code:
    """What a function does.

    Attributes:
        sets: properties of the message that it sets to something that is not constant.
        clears: properties that it sets to constants alone.
        wild: whether it may make a message of anything.
        runs: whether it runs commands or code that are not constant.
        stores: keys of the context that it sets, "*" for any.
        loads: keys of the context that it reads, "*" for any.
    """

    sets: frozenset[str]
    clears: frozenset[str]
    wild: bool
    runs: bool
    stores: frozenset[str]
    loads: frozenset[str]


def without_comments(code: str) -> str:
    """Return JavaScript without its comments."""
    return _COMMENTS.sub(lambda match: match[1] or " ", code)


def may_run(code: Any) -> bool:  # Any: JSON
    """Whether code has a word by which it might run something: quicker than reading it."""
    return isinstance(code, str) and _WORDS.search(code) is not None


def read(code: str, libraries: frozenset[str]) -> Code:
    """Return what a function does.

    Args:
        code: its body.
        libraries: modules that the node loads for it.
    """
    whole, code = len(code) <= _READ, without_comments(code[:_READ])
    sets: set[str] = set()
    clears: set[str] = set()
    for pattern in (_SET, _SET_BY_KEY, _PAIR):
        for name, value in pattern.findall(code):
            (clears if _is_constant(value, code) else sets).add(name)
    sets |= set(_SHORTHAND.findall(code))
    modules = libraries | set(_REQUIRES.findall(code))
    return Code(
        frozenset(sets),
        frozenset(clears - sets),
        not whole or _WILD.search(code) is not None,
        _evaluates(code) or (bool(modules & RUNNERS) and _runs(code)),
        _keys(_SETS, code),
        _keys(_GETS, code),
    )


def _keys(pattern: re.Pattern[str], code: str) -> frozenset[str]:
    return frozenset(key or "*" for _, key in pattern.findall(code))


def _is_constant(value: str, code: str) -> bool:
    """Whether an expression is made of literals, or of a variable that only ever holds some."""
    if _CONSTANT.fullmatch(value):
        return True
    name = value.strip()
    if not re.fullmatch(r"[A-Za-z_$][\w$]*", name):
        return False
    assigned = re.findall(rf"(?<![\w.$]){re.escape(name)}\s*(\+?=)(?![=>])([^;\n]*)", code)
    return bool(assigned) and all(_CONSTANT.fullmatch(said) for _, said in assigned)


def _evaluates(code: str) -> bool:
    return any(not _is_constant(_arguments(code, match.end())[0], code) for match in _EVALUATES.finditer(code))


def _runs(code: str) -> bool:
    """Whether a call that runs something is given more than constants; without such a call nobody can tell."""
    calls = list(_CALL.finditer(code))
    for match in calls:
        first, *more = _arguments(code, match.end())
        judged = [first, *(more[:1] if match[1] in _TWO_ARGUMENTS else [])]
        if not all(_is_constant(_items(said), code) for said in judged):
            return True
    return not calls


def _items(said: str) -> str:
    """Return a list of literals as an empty one; other expressions as they are."""
    inner = re.fullmatch(r"\s*\[(.*)\]\s*", said, re.DOTALL)
    if inner and all(_CONSTANT.fullmatch(item) for item in inner[1].split(",")):
        return "[]"
    callback = re.match(r"\s*(async\s*)?(function\b|\(|\w+\s*=>)", said)
    return "[]" if callback and ("=>" in said or "function" in said) else said


def _arguments(code: str, start: int) -> list[str]:
    """Return the arguments of a call, up to the parenthesis that ends it."""
    parts, depth, last, quote = [""], 0, start, ""
    index = start
    while index < min(len(code), start + _LONGEST):
        letter = code[index]
        if quote:
            index += letter == "\\"
            quote = "" if letter == quote else quote
        elif letter in "\"'`":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
            if depth < 0:
                break
        elif letter == "," and not depth:
            parts[-1] = code[last:index]
            parts.append("")
            last = index + 1
        index += 1
    parts[-1] = code[last:index]
    return parts
