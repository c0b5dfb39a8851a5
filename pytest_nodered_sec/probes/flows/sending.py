"""What the messages that a function sends surely hold: what it sets to literals on every way to where it sends them.

One pass over the code, by blocks, branches and the places where messages leave; it is not parsed. What it does not
understand makes nothing sure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple

_LITERAL: Final = (
    r"""(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\$]|\\.)*`|-?\d[\w.]*|true|false|null|undefined"""
    r"""|\[\s*\]|\{\s*\}|(?:Number|parseInt|parseFloat|Boolean)\([^()]*(?:\([^()]*\)[^()]*)*\)|Date\.now\(\)"""
    r"""|new\s+Date\(\)|Math\.\w+\([^()]*\))"""
)
CONSTANT: Final = re.compile(rf"\s*\(*\s*{_LITERAL}(?:\s*\+\s*{_LITERAL})*\s*\)*\s*")
_CHOICE: Final = re.compile(rf"[^?:;\n]*\?\s*{_LITERAL}\s*:\s*{_LITERAL}\s*")
_TOKEN: Final = re.compile(
    r""""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`"""
    r"""|(?<=[=(,:!&|?;\n])[ ]*/(?:[^/\\\n\[*]|\\.|\[(?:[^\]\\\n]|\\.)*\])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])*/"""
    r"""|([{}();\n])"""
    r"""|(?<![\w.$])(if|else|for|while|switch|case|default|break|continue|throw|return)(?![\w$])"""
    r"""|(?<![\w$])(send)\s*\("""
    r"""|(?:(?<![\w.$])([A-Za-z_$][\w$]*)|(?<=[)\]]))"""
    r"""(?:\s*\.\s*([A-Za-z_$][\w$]*)|\s*\[\s*["'](\w+)["']\s*\])?((?:[.\[][\w$.\[\]"']{0,80})?)"""
    r"""\s*(\*\*|\?\?|\|\||&&|[-+*/%&|^])?=(?![=>])"""
)
PAIR: Final = re.compile(r"""[{,]\s*["']?([A-Za-z_]\w*)["']?\s*:\s*([^,}\n]*)""")
_NAMES: Final = re.compile(r"[A-Za-z_$][\w$]*")
_LISTED: Final = re.compile(r"[\w$\s\[\],]*")  # variables, and lists of them
_AMONG: Final = re.compile(r"[\[,]\s*(?!null|undefined)[A-Za-z_$][\w$]*\s*(?=[,\]])")
_DERIVED: Final = re.compile(
    r"[\s\[(]*(?:await\s+)?(?:msg\s*[.\[]|JSON\.parse)"
)  # it may be an object of any properties
_CLONED: Final = re.compile(r"RED\.util\.cloneMessage\(([^()]*)\)")
_NOTHING: Final = ("null", "undefined", "true", "false")
_OPERATORS: Final = tuple("+-*/%.?&|[(")  # by which a statement goes on in the next line
_LONGEST: Final = 4000  # characters of one call's arguments, or of what is returned
PATTERNS: Final = {  # for a reading elsewhere
    "constant": CONSTANT, "choice": _CHOICE, "tokens": _TOKEN, "pair": PAIR, "names": _NAMES, "listed": _LISTED,
    "among": _AMONG, "derived": _DERIVED, "cloned": _CLONED,
}  # fmt: skip
BOUNDS: Final = {"longestCall": _LONGEST, "nothing": _NOTHING, "operators": _OPERATORS}


class Sent(NamedTuple):
    """What a function's messages hold.

    Attributes:
        sets: properties that it sets to something that is not constant.
        clears: properties that are constants in every message that it sends.
        wild: whether it may send a message of any properties.
    """

    sets: frozenset[str]
    clears: frozenset[str]
    wild: bool


_Pairs = set[tuple[str, str]]  # variable and property


@dataclass
class _Block:
    kind: str = ""  # "if", "elseif", "else", "switch"; "" for what may be skipped, or run later
    sure: _Pairs = field(default_factory=set)  # constant here
    parens: int = 0  # that are open where it begins
    single: bool = False  # one statement, without braces
    ends: bool = False  # what comes after it is not reached from here
    lost: _Pairs = field(default_factory=set)  # set to something else in it
    chain: _Pairs | None = None  # sure after each branch so far; None: none of them goes on
    exits: _Pairs | None = None  # the same of a switch's cases
    base: _Pairs = field(default_factory=set)
    default: bool = False


def _meet(pairs: _Pairs | None, other: _Pairs | None) -> _Pairs | None:
    return other if pairs is None else pairs if other is None else pairs & other


def is_constant(value: str, code: str) -> bool:
    """Whether an expression is made of literals, or of a variable that only ever holds some."""
    if CONSTANT.fullmatch(value) or _CHOICE.fullmatch(value):
        return True
    name = value.strip()
    if not re.fullmatch(r"[A-Za-z_$][\w$]*", name):
        return False
    assigned = re.findall(rf"(?<![\w.$]){re.escape(name)}\s*(\+?=)(?![=>])([^;\n]*)", code)
    return bool(assigned) and all(CONSTANT.fullmatch(said) for _, said in assigned)


def arguments(code: str, start: int) -> list[str]:
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


def sent(code: str) -> Sent:
    """Return what the messages hold that a function sends.

    Args:
        code: its body, without comments.
    """
    return _Scan(code).run()


class _Scan:
    """One pass over a function's code."""

    def __init__(self, code: str) -> None:
        self._code = code
        self._blocks = [_Block()]
        self._parens = 0
        self._awaiting, self._opened = "", 0  # a condition that is to come, and where its parenthesis opened
        self._pending, self._after = "", False  # what the next statement belongs to; whether an `else` may come
        self._sets: set[str] = set()
        self._clears: set[str] | None = None
        self._wild = False
        self._known = {"msg"}
        self._derived: set[str] = set()

    def run(self) -> Sent:
        """Return what was seen."""
        for match in _TOKEN.finditer(self._code):
            mark, word, send, variable = match[1], match[2], match[3], match[4] or match[5] or match[6]
            if mark == "\n":
                if self._blocks[-1].single and self._parens == self._blocks[-1].parens:
                    self._close_singles()
                continue
            if mark or word or send or variable:
                begun = self._begin(mark, word)
                after, self._after = self._after, self._after and mark == ";"
                if begun:
                    continue
                if mark:
                    self._mark(mark)
                elif word:
                    self._word(word, match.end(), after=after)
                elif send:
                    self._parens += 1
                    self._leave(arguments(self._code, match.end())[0])
                else:
                    self._assign(match)
            if not self._blocks:
                return Sent(frozenset(self._sets), frozenset(), True)  # not understood
        clears = self._clears or set()
        return Sent(frozenset(self._sets), frozenset(clears - self._sets), self._wild)

    def _begin(self, mark: str | None, word: str | None) -> bool:
        """Open the block of a statement that is to come; return whether that is all that the token does."""
        kind, self._pending = self._pending, ""
        if not kind:
            return False
        if kind == "else" and word == "if":
            self._awaiting = "elseif"
            return True
        self._push(kind, single=mark != "{")
        return mark == "{"

    def _push(self, kind: str, *, single: bool = False) -> None:
        sure = self._blocks[-1].sure
        self._blocks.append(_Block(kind, set(sure), self._parens, single, base=set(sure)))

    def _close(self) -> None:
        block = self._blocks.pop()
        if not self._blocks:
            return
        parent = self._blocks[-1]
        parent.sure -= block.lost
        parent.lost |= block.lost
        gained = None if block.ends else block.sure
        if block.kind in ("if", "elseif"):
            parent.chain = gained if block.kind == "if" else _meet(parent.chain, gained)
            self._after = True
        elif block.kind == "else" or (block.kind == "switch" and block.default):
            both = _meet(parent.chain if block.kind == "else" else block.exits, gained)
            if both is None:
                parent.ends = True
            else:
                parent.sure |= both

    def _close_singles(self) -> None:
        while self._blocks and self._blocks[-1].single:
            self._close()

    def _mark(self, mark: str) -> None:
        if mark == "(":
            self._parens += 1
            if self._awaiting and not self._opened:
                self._opened = self._parens
        elif mark == ")":
            if self._awaiting and self._parens == self._opened:
                self._pending, self._awaiting, self._opened = self._awaiting, "", 0
            self._parens -= 1
            if self._parens < self._blocks[-1].parens:
                self._close_singles()
        elif mark == "{":
            self._push("")
        elif mark == "}":
            self._close_singles()
            if self._blocks:
                self._close()
        elif self._parens == self._blocks[-1].parens:
            self._close_singles()

    def _word(self, word: str, end: int, *, after: bool) -> None:
        block = self._blocks[-1]
        if word == "else":
            self._pending = "else" if after else "loop"
        elif word in ("if", "switch"):
            self._awaiting = word
        elif word in ("for", "while"):
            self._awaiting = "loop"
        elif word in ("case", "default"):
            if block.kind == "switch":
                block.sure, block.ends = block.base - block.lost, False
                block.default |= word == "default"
        else:
            if word == "break":
                self._break()
            elif word == "return":
                self._leave(self._returned(end))
            block.ends = True

    def _break(self) -> None:
        lost: _Pairs = set()
        for block in reversed(self._blocks):
            if block.kind == "switch":
                block.exits = _meet(block.exits, block.sure - lost)
                return
            lost |= block.lost

    def _returned(self, start: int) -> str:
        depth, index = 0, start
        while index < min(len(self._code), start + _LONGEST):
            letter = self._code[index]
            depth += (letter in "([{") - (letter in ")]}")
            if depth < 0 or (letter in ";\n" and not depth):
                break
            index += 1
        return self._code[start:index]

    def _assign(self, match: re.Match[str]) -> None:
        block, variable, end = self._blocks[-1], match[4] or "", match.end()
        name, deeper, added = match[5] or match[6], match[7], match[8]
        if not name:
            if not deeper:
                self._declare(variable, end)
            return
        constant = self._is_literal(end)
        if not constant:
            self._sets |= {name, *_NAMES.findall(deeper)[-1:]}
        if constant and variable and not deeper and not added and not self._is_conditional(match.start()):
            block.sure.add((variable, name))
        elif not constant:
            block.sure.discard((variable, name))
            block.lost.add((variable, name))

    def _is_literal(self, start: int) -> bool:
        """Whether what is assigned is constant: by itself up to where the statement ends, or as one line says."""
        match = CONSTANT.match(self._code, start)
        if match:
            following = self._code[match.end() : match.end() + 1]
            if following in (";", "}", ",", "") or ("\n" in match[0] and following not in _OPERATORS):
                return True
        line = re.split(r"[;\n]", self._code[start : start + _LONGEST], maxsplit=1)[0]
        return is_constant(arguments(line, 0)[0], self._code)

    def _is_conditional(self, start: int) -> bool:
        before = self._code[max(0, start - 20) : start].rstrip()
        return before.endswith(("&", "|", "?", "(", "=>"))

    def _declare(self, variable: str, end: int) -> None:
        block = self._blocks[-1]
        gone = {pair for pair in block.sure if pair[0] == variable}
        block.sure -= gone
        block.lost |= gone
        derived = _DERIVED.match(self._code, end) is not None
        (self._derived if derived else self._known).add(variable)
        if re.match(r"\s*\{", self._code[end : end + 20]):
            said = arguments(self._code, end)[0]
            block.sure |= {(variable, name) for name in self._constants(said)}

    def _constants(self, said: str) -> set[str]:
        """Return the properties of an object literal that are constant."""
        rows = PAIR.findall(said) if "..." not in said else []
        return {name for name, value in rows if is_constant(value, self._code)} - {
            name for name, value in rows if not is_constant(value, self._code)
        }

    def _leave(self, said: str) -> None:
        """Take up what a message that leaves is made of."""
        said = _CLONED.sub(lambda match: match[1], said).strip()
        sure: set[str] = set()
        if _LISTED.fullmatch(said):
            names = [name for name in _NAMES.findall(said) if name not in _NOTHING]
            if not names:
                return
            self._wild |= any(name in self._derived or name not in self._known for name in names)
            held = [{name for holder, name in self._blocks[-1].sure if holder == variable} for variable in names]
            sure = set.intersection(*held)
        elif CONSTANT.fullmatch(said):
            return
        elif said.startswith(("{", "[")):
            sure = set() if _AMONG.search(said) else self._constants(said)
        self._wild |= _DERIVED.match(said) is not None
        self._clears = sure if self._clears is None else self._clears & sure
