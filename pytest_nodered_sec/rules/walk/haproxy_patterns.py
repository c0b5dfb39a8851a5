"""HAProxy's files of patterns: lists that ACLs compare with (`-f`), and maps (`map(FILE)`); its manual, 7.1 and 7.3.1.

They stand in the tree as sections of their own: "patterns" with a file's lines, "unread" with why they are not known.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_network
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.walk import pcre
from pytest_nodered_sec.rules.walk.conditions import is_from
from pytest_nodered_sec.rules.walk.request import unknown, unknowns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.rules.walk.haproxy_visit import Sections, Visit

_MOST: Final = 150  # patterns of which each may be a way of its own; of networks there may be any number
_OF: Final = re.compile(r"([\w.]+(?:\([^()]*\))?)[^\s\[\]]*?,map(_\w+)?\(([^,()]+)")  # what is looked up in which map
_MATCHES: Final = ("str", "beg", "end", "sub", "dir", "dom", "reg", "ip")


def keys(visit: Visit, file: str, method: str) -> tuple[str, ...] | None:
    """Return the patterns of a list; None, with a doubt, where they are not known, or too many to try."""
    why = visit.seen.unread.get(file, "it was not read")
    lines = visit.seen.patterns.get(file)
    if lines is not None and len(lines) > _MOST and method != "ip":
        why, lines = f"it holds more than {_MOST} patterns", None
    if lines is None:
        visit.doubt(f"what {file} holds is not known: {why}")
    return lines


def mapped(visit: Visit, name: str, argument: str, sample: str) -> list[str]:
    """Return what a map has for a sample: nothing where it has neither an entry nor a default.

    Args:
        visit: the request.
        name: of the converter, e.g. "map_beg".
        argument: its file, and a default behind a comma.
        sample: what is looked up.
    """
    file, comma, default = argument.partition(",")
    method = _method(name)
    lines = keys(visit, file, method)
    if lines is None or unknowns(sample) or method not in _MATCHES:
        return [unknown(f"HAProxy's {name}")]
    pairs = _pairs(lines)
    try:
        fitting = [pair for pair in pairs if _is_for(method, sample, pair[0])]
    except pcre.UnreadableError:
        visit.doubt(f"a pattern in {file} cannot be read")
        return [unknown(f"HAProxy's {name}")]
    if method in ("beg", "ip"):  # the closest; else the first
        fitting.sort(key=lambda pair: -_closeness(method, pair[0]))
    return [fitting[0][1].strip(" \t")] if fitting else [default] if comma else []


def looked_up(sections: Sections) -> Iterator[tuple[str, ...]]:
    """Yield what maps compare with, in the words of an ACL."""
    words = [word for section in sections.directives for line in section.block for word in line.args]
    for match in (match for word in words for match in _OF.finditer(word)):
        lines = sections.patterns.get(match[3], ())
        if len(lines) <= _MOST:
            yield (match[1], "-m", _method(match[2] or ""), "--", *(line.split()[0] for line in lines if line.strip()))


def listed(sections: Sections, words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words of an ACL with the patterns of its lists behind them."""
    files = [file for option, file in pairwise(words) if option == "-f"]
    lists = [sections.patterns.get(file, ()) for file in files]
    plain = tuple(word for word in words if word != "-f" and word not in files)
    return (*plain, *(line for lines in lists if len(lines) <= _MOST for line in lines))


def fits(method: str, sample: str, values: tuple[str, ...]) -> bool:
    """Whether a text is as one of several patterns says, compared as str, beg, end, sub, dir or dom."""
    if method == "str":
        return sample in values
    if method == "beg":
        return sample.startswith(values)
    if method == "end":
        return sample.endswith(values)
    if method == "sub":
        return any(value in sample for value in values)
    between = "/?" if method == "dir" else "/?.:"
    edge = f"[{re.escape(between)}]"
    plain = (re.escape(value.strip(between)) for value in values)
    return any(re.search(f"(?:^|{edge}){value}(?:{edge}|$)", sample) for value in plain)


@lru_cache(maxsize=16)
def _pairs(lines: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return keys and values of a map."""
    return [(key, "".join(rest)) for key, *rest in (line.split(None, 1) for line in lines if line.strip())]


@lru_cache(maxsize=256)
def is_among(address: str, networks: tuple[str, ...]) -> bool | None:
    """Whether an address lies in one of several networks; None: in none, and one of them is none."""
    inside = [is_from(address, network) for network in networks]
    return True if True in inside else None if None in inside else False


def _method(name: str) -> str:
    """Return how a map compares: `map_beg_int` by the beginning, `map_regm` by patterns whose groups it puts in."""
    if name == "map_int":
        return "int"  # numbers and ranges
    return re.sub(r"_(str|int|ip)$", "", name.removeprefix("map") if name != "map_ip" else "_ip_ip").strip("_") or "str"


def _is_for(method: str, sample: str, key: str) -> bool:
    if method == "ip":
        return bool(is_among(sample, (key,)))
    if method == "reg":
        return pcre.read(key).regex.search(sample) is not None
    return fits(method, sample, (key,))


def _closeness(method: str, key: str) -> int:
    return ip_network(key, strict=False).prefixlen if method == "ip" else len(key)
