"""What the code of a function node does with its message, as far as patterns show: no parser, no execution."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from pytest_nodered_sec.data.flow_nodes import FILES, REQUESTERS, RUNNERS
from pytest_nodered_sec.probes.flows.sending import CONSTANT, PAIR, arguments, is_constant, sent

_COMMENTS: Final = re.compile(
    r"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|//[^\n]*|/\*.*?\*/""", re.DOTALL
)
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
_BY_ANY_NAME: Final = re.compile(r"\b(execSync|execFile|execFileSync|spawnSync)\s*\(")  # no other module has such calls
_STARTS: Final = ("exec", "spawn", "fork")  # of what comes out of the context, under any name
_CALLED: Final = r"((?:\s*\.\s*\w+)*)\s*\("
_HELD: Final = re.compile(
    r"""(?<![\w.$])([A-Za-z_$][\w$]*)\s*=\s*(?:await\s+)?(?:require|import|(?:global|flow|context)(?:\.\w+)?\.get)"""
    r"""\s*\(\s*["'](?:node:)?([\w.@/-]+)["']\s*\)\s*(?=[;,\n]|$)"""
)
_AT_ONCE: Final = re.compile(_REQUIRES.pattern + _CALLED)
_ADDRESS: Final = re.compile(r"""[{,]\s*["']?(?:url|uri|href|host|hostname|baseURL)["']?\s*:\s*([^,}\n]*)""")
_FIXED_HOST: Final = re.compile(r"""\s*["'`]https?://[^"'`$/\s{]""")
_STATUS: Final = re.compile(r"(?<![\w$])node\s*\.\s*status\s*\(")
_DEEPEST: Final = 2  # variables and objects that are followed to a request's host
_READ: Final = 50_000  # characters of one function; what is longer may do anything
_DENSE: Final = 3000  # assignments, calls, blocks and lists in it, about; the same
PATTERNS: Final = {  # for a reading elsewhere, as are the bounds
    "comments": _COMMENTS, "shorthand": _SHORTHAND, "wild": _WILD, "call": _CALL, "evaluates": _EVALUATES,
    "requires": _REQUIRES, "words": _WORDS, "sets": _SETS, "gets": _GETS, "byAnyName": _BY_ANY_NAME, "held": _HELD,
    "atOnce": _AT_ONCE, "address": _ADDRESS, "fixedHost": _FIXED_HOST, "status": _STATUS,
}  # fmt: skip
BOUNDS: Final = {
    "longestCode": _READ, "densest": _DENSE, "twoArguments": _TWO_ARGUMENTS, "starts": _STARTS, "followed": _DEEPEST,
    "files": sorted(FILES), "requesters": sorted(REQUESTERS), "runners": sorted(RUNNERS),
}  # fmt: skip
_Held = frozenset[tuple[str, str]]  # variables, each with the module that it holds


@dataclass(frozen=True)
class Code:
    """What a function does.

    Attributes:
        sets: properties of the message that it sets to something that is not constant.
        clears: properties that are constants in every message that it sends.
        wild: whether it may make a message of anything.
        runs: whether it runs commands or code that are not constant.
        opens: whether it opens files whose names are not constant.
        requests: whether it sends requests to hosts that are not constant.
        shows: whether its status shows what is not constant.
    """

    sets: frozenset[str]
    clears: frozenset[str]
    wild: bool
    runs: bool
    opens: bool
    requests: bool
    shows: bool


def without_comments(code: str) -> str:
    """Return JavaScript without its comments."""
    return _COMMENTS.sub(lambda match: match[1] or " ", code)


def may_run(code: Any) -> bool:  # Any: JSON
    """Whether code has a word by which it might run something: quicker than reading it."""
    return isinstance(code, str) and _WORDS.search(code) is not None


def stored(code: Any) -> frozenset[str]:  # Any: JSON, here and below
    """Return the keys of the context that code sets, "*" for any."""
    return _keys(_SETS, code) if isinstance(code, str) and ".set(" in code else frozenset()


def loaded(code: Any) -> frozenset[str]:
    """Return the keys of the context that code reads, "*" for any."""
    return _keys(_GETS, code) if isinstance(code, str) and ".get(" in code else frozenset()


def _keys(pattern: re.Pattern[str], code: str) -> frozenset[str]:
    return frozenset(key or "*" for _, key in pattern.findall(without_comments(code[:_READ])))


def read(code: str, libraries: _Held) -> Code:
    """Return what a function does.

    Args:
        code: its body.
        libraries: modules that the node loads for it, each with the variable that holds it.
    """
    whole, code = len(code) <= _READ, without_comments(code[:_READ])
    if not whole or sum(map(code.count, "=({[")) > _DENSE:
        return _unread(code, libraries)
    leaves = sent(code)
    sets = set(leaves.sets) | {name for name, value in PAIR.findall(code) if not is_constant(value, code)}
    sets |= set(_SHORTHAND.findall(code))
    held = libraries | frozenset(_HELD.findall(code))
    modules = {module for _, module in held} | set(_REQUIRES.findall(code))
    return Code(
        frozenset(sets),
        leaves.clears - sets,
        leaves.wild or _WILD.search(code) is not None,
        _evaluates(code) or (bool(modules & RUNNERS) and _runs(code)) or _starts(code),
        any(not is_constant(_items(said), code) for _, said in _calls(code, held, FILES)),
        any(_decides_host(said, code) for _, said in _calls(code, held, REQUESTERS)),
        any(_shows(arguments(code, match.end())[0], code) for match in _STATUS.finditer(code)),
    )


def _unread(code: str, libraries: _Held) -> Code:
    """Return what code may do that is too long to read: whatever it has the modules for."""
    modules = {module for _, module in libraries} | set(_REQUIRES.findall(code))
    runs = bool(modules & RUNNERS) or any(pattern.search(code) for pattern in (_EVALUATES, _BY_ANY_NAME))
    return Code(frozenset(), frozenset(), True, runs, bool(modules & FILES), bool(modules & REQUESTERS), True)


def _evaluates(code: str) -> bool:
    return any(not is_constant(arguments(code, match.end())[0], code) for match in _EVALUATES.finditer(code))


def _runs(code: str) -> bool:
    """Whether a call that runs something is given more than constants; without such a call nobody can tell."""
    calls = list(_CALL.finditer(code))
    return not calls or any(_is_given(match[1], code, match.end()) for match in calls)


def _is_given(name: str, code: str, start: int) -> bool:
    first, *more = arguments(code, start)
    judged = [first, *(more[:1] if name in _TWO_ARGUMENTS else [])]
    return not all(is_constant(_items(said), code) for said in judged)


def _starts(code: str) -> bool:
    """Whether it runs a command by a call that nothing else has, or by what it takes out of the context."""
    if any(_is_given(match[1], code, match.end()) for match in _BY_ANY_NAME.finditer(code)):
        return True
    calls = _calls(code, frozenset(_HELD.findall(code)), None)
    return any(name in _STARTS and not is_constant(_items(said), code) for name, said in calls)


def _calls(code: str, held: _Held, modules: frozenset[str] | None) -> list[tuple[str, str]]:
    """Return the calls of what some modules offer: the last name, and the first argument; None for any module."""
    calls = [(match[2], match.end()) for match in _AT_ONCE.finditer(code) if modules is None or match[1] in modules]
    names = {variable for variable, module in held if variable and (modules is None or module in modules)}
    for variable in sorted(names):
        pattern = re.compile(rf"(?<![\w.$]){re.escape(variable)}{_CALLED}")
        calls += [(match[1], match.end()) for match in pattern.finditer(code)]
    return [(name.rpartition(".")[2].strip(), arguments(code, end)[0]) for name, end in calls]


def _decides_host(said: str, code: str, depth: int = 0) -> bool:
    """Whether the first argument of a request may lead it to another host."""
    name = said.strip()
    if is_constant(said, code) or _FIXED_HOST.match(said):
        return False
    if depth < _DEEPEST and name.startswith("{"):
        return any(_decides_host(value, code, depth + 1) for value in _ADDRESS.findall(said))
    if depth == _DEEPEST or not re.fullmatch(r"[A-Za-z_$][\w$]*", name):
        return True
    starts = [match.end() for match in re.finditer(rf"(?<![\w.$]){re.escape(name)}\s*\+?=(?![=>])", code)]
    return not starts or any(_decides_host(_value(code, start), code, depth + 1) for start in starts)


def _value(code: str, start: int) -> str:
    """Return what is assigned there: an object, or what one line says."""
    said = arguments(code, start)[0]
    return said if said.lstrip().startswith("{") else re.split(r"[;\n]", said, maxsplit=1)[0]


def _shows(said: str, code: str) -> bool:
    """Whether a status is more than constants."""
    if said.strip().startswith("{") and "..." not in said:
        return any(name == "text" and not is_constant(value, code) for name, value in PAIR.findall(said))
    return not is_constant(said, code)


def _items(said: str) -> str:
    """Return a list of literals as an empty one; other expressions as they are."""
    inner = re.fullmatch(r"\s*\[(.*)\]\s*", said, re.DOTALL)
    if inner and all(CONSTANT.fullmatch(item) for item in inner[1].split(",")):
        return "[]"
    callback = re.match(r"\s*(async\s*)?(function\b|\(|\w+\s*=>)", said)
    return "[]" if callback and ("=>" in said or "function" in said) else said
