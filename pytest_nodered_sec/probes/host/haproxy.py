"""HAProxy's configuration, from the text of its files to a tree: a directive for each section, its lines inside.

What a section inherits from `defaults` stands before its own lines. Users and passwords are left out.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.host_proxies import Directive

if TYPE_CHECKING:
    from collections.abc import Sequence

_SECTIONS: Final = (
    "global", "defaults", "frontend", "backend", "listen", "userlist", "peers", "resolvers", "mailers", "cache",
    "program", "http-errors", "ring", "log-forward", "fcgi-app", "crt-store", "acme", "traces", "log-profile",
)  # fmt: skip
_PROXIES: Final = ("frontend", "backend", "listen")
_SECRET_SECTIONS: Final = ("userlist", "peers", "mailers", "program")
_WORD: Final = re.compile(r"""\\x[0-9a-fA-F]{2}|\\.|"(?:\\.|[^"\\])*"|'[^']*'|\s+|\#.*|[^\s"'\\\#]+|.""", re.DOTALL)
_IN_DOUBLE: Final = re.compile(r"\\(x[0-9a-fA-F]{2}|.)|\$\{?(\w+)(?:\[\*\])?(?:-[^}]*)?\}?", re.DOTALL)
_IN_ADDRESS: Final = re.compile(r"\$\{?(\w+)\}?")
_MAP: Final = re.compile(r",map(?:_\w+)?\(([^,()]+)")
_CHANGES: Final = re.compile(r"(?:set|add|del)-(?:map|acl)\(([^()]+)\)")
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", " ": " ", "\\": "\\", "#": "#", '"': '"', "'": "'"}


def tree(files: Sequence[tuple[str, str]]) -> tuple[Directive, ...]:
    """Parse files in the order in which HAProxy reads them.

    Args:
        files: path and text of each.

    Raises:
        ProbeError: a line that cannot be read.
    """
    sections: list[tuple[Directive, list[Directive]]] = []
    for file, text in files:
        for number, line in enumerate(text.split("\n"), 1):
            words = _words(line, file, number)
            if not words:
                continue
            name, *args = words
            if name.startswith("."):
                if name in (".notice", ".warning", ".diag"):
                    continue
                raise ProbeError(f"{file}:{number}: {name} is not followed: HAProxy was not judged", Cause.PROTOCOL)
            if name in _SECTIONS:
                sections.append((Directive(name, tuple(args), (), file, number), []))
            elif sections:
                sections[-1][1].append(Directive(name, _open(name, args), (), file, number))
    return tuple(_inheriting(sections))


def pattern_files(directives: Sequence[Directive]) -> tuple[str, ...]:
    """Return the files of patterns that rules name: lists of ACLs (-f), and maps."""
    lines = [line.args for section in directives for line in section.block]
    lists = [file for args in lines for option, file in pairwise(args) if option == "-f"]
    return tuple(dict.fromkeys([*lists, *(file for args in lines for word in args for file in _MAP.findall(word))]))


def changed_by_rules(directives: Sequence[Directive]) -> set[str]:
    """Return the files of patterns that rules change as requests come: what stands in them is not what counts."""
    words = [word for section in directives for line in section.block for word in line.args]
    return {match[1] for match in map(_CHANGES.match, words) if match}


def patterns(file: str, text: str) -> Directive:
    """Return a file of patterns as a section: a line for each, as HAProxy reads them."""
    lines = (line.rstrip("\r") for line in text.split("\n") if not line.startswith("#"))
    kept = (line.lstrip(" \t") for line in lines)
    return Directive("patterns", (file,), tuple(Directive(line, (), (), file) for line in kept if line), file)


def _inheriting(sections: list[tuple[Directive, list[Directive]]]) -> list[Directive]:
    """Return the sections, each with what it inherits."""
    result = []
    last: list[Directive] = []
    by_name: dict[str, list[Directive]] = {}
    for head, lines in sections:
        own = last
        if "from" in head.args[1:2]:
            own = by_name.get(head.args[-1], [])
        elif head.name == "defaults":
            own = []
        block = lines
        if head.name == "defaults":
            block = last = [*own, *lines]
            if head.args:
                by_name[head.args[0]] = block
        elif head.name in _PROXIES:
            block = [*own, *lines]
        elif head.name in _SECRET_SECTIONS:
            block = []
        result.append(Directive(head.name, head.args, tuple(block), head.file, head.line))
    return result


def _open(name: str, args: list[str]) -> tuple[str, ...]:
    """Return a line's arguments, without what is secret in them or set outside."""
    if name == "stats" and args[:1] == ["auth"]:
        return ("auth", "(hidden)")
    if name in ("server", "dispatch"):  # filled in there without quotes, too (tools.c: str2sa_range)
        return tuple(
            _IN_ADDRESS.sub(lambda match: _set_outside(match[1]), arg) if at < 2 else arg for at, arg in enumerate(args)
        )
    return tuple(args)


def _words(line: str, file: str, number: int) -> list[str]:
    """Split a line into words, as HAProxy does: quotes, escapes, comments."""
    words: list[str] = []
    inside = False
    for part in _WORD.findall(line.rstrip("\r")):
        if part.isspace():
            inside = False
            continue
        if part.startswith("#"):
            break
        if part in ('"', "'", "\\"):
            raise ProbeError(f"{file}:{number}: a quote is not closed: HAProxy was not judged", Cause.PROTOCOL)
        if not inside:
            words.append("")
            inside = True
        words[-1] += _meant(part)
    return words


def _meant(part: str) -> str:
    """Return what a quoted or escaped part stands for; of an environment variable, a text that is not known."""
    if part.startswith("'"):
        return part[1:-1]
    if part.startswith('"'):
        return _IN_DOUBLE.sub(_in_double, part[1:-1])
    return _escaped(part[1:]) if part.startswith("\\") else part


def _set_outside(name: str) -> str:
    """Return what stands for an environment variable."""
    return f"\0the environment's {name}\0"


def _in_double(match: re.Match[str]) -> str:
    if match[2]:
        return _set_outside(match[2])
    return "$" if match[1] == "$" else _escaped(match[1])


def _escaped(text: str) -> str:
    """Return what a backslash and these letters stand for: before any other letter it stays."""
    return chr(int(text[1:], 16)) if len(text) == 3 else _ESCAPES.get(text, f"\\{text}")
