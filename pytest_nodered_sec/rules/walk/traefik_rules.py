"""Whether a router's rule fits a request (Traefik 3, pkg/muxer/http): functions, "&&", "||", "!" and brackets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from pytest_nodered_sec.rules.walk import pcre
from pytest_nodered_sec.rules.walk.conditions import is_from, kind
from pytest_nodered_sec.rules.walk.request import unknown
from pytest_nodered_sec.rules.walk.traefik_visit import below, text, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.rules.walk.traefik_visit import Visit

_TOKEN: Final = re.compile(r"""\s*(&&|\|\||!|\(|\)|,|`[^`]*`|"(?:\\.|[^"\\])*"|[A-Za-z]+)""")
_KNOWN: Final = {  # and how many values each takes
    "host": (1,), "hostregexp": (1,), "path": (1,), "pathprefix": (1,), "pathregexp": (1,), "method": (1,),
    "header": (2,), "headerregexp": (2,), "query": (1, 2), "queryregexp": (1, 2), "clientip": (1,),
}  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """A part of a rule.

    Attributes:
        name: a function in lower case, or "&&", "||", "!".
        values: of a function.
        parts: what is joined, or negated.
    """

    name: str
    values: tuple[str, ...] = ()
    parts: tuple[Rule, ...] = ()


class UnreadableError(ValueError):
    """A rule that is not understood."""


def read(rule: str) -> Rule:
    """Return a rule as a tree.

    Raises:
        UnreadableError: it is not understood.
    """
    tokens, place = [], 0
    while place < len(rule.rstrip()):
        match = _TOKEN.match(rule, place)
        if match is None:
            raise UnreadableError(rule)
        tokens.append(match[1])
        place = match.end()
    result = _joined(tokens, "||", rule)
    if tokens:
        raise UnreadableError(rule)
    return result


def _joined(tokens: list[str], operator: str, rule: str) -> Rule:
    """Read what is joined by an operator, and by those that bind more strongly."""

    def part() -> Rule:
        return _joined(tokens, "&&", rule) if operator == "||" else _single(tokens, rule)

    parts = [part()]
    while tokens[:1] == [operator]:
        tokens.pop(0)
        parts.append(part())
    return Rule(operator, (), tuple(parts)) if len(parts) > 1 else parts[0]


def _single(tokens: list[str], rule: str) -> Rule:
    word = tokens.pop(0) if tokens else ""
    if word == "!":
        return Rule("!", (), (_single(tokens, rule),))
    if word == "(":
        inside = _joined(tokens, "||", rule)
        _expect(tokens, ")", rule)
        return inside
    name = word.lower()
    if name not in _KNOWN:
        raise UnreadableError(rule)
    _expect(tokens, "(", rule)
    values = [_value(tokens, rule)]
    while tokens[:1] == [","]:
        tokens.pop(0)
        values.append(_value(tokens, rule))
    _expect(tokens, ")", rule)
    if len(values) not in _KNOWN[name]:
        raise UnreadableError(rule)
    return Rule(name, tuple(values))


def _expect(tokens: list[str], wanted: str, rule: str) -> None:
    if tokens[:1] != [wanted]:
        raise UnreadableError(rule)
    tokens.pop(0)


def _value(tokens: list[str], rule: str) -> str:
    word = tokens.pop(0) if tokens else ""
    if word[:1] not in ("`", '"'):
        raise UnreadableError(rule)
    return word[1:-1] if word.startswith("`") else re.sub(r"\\(.)", r"\1", word[1:-1])


def calls(rule: Rule) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the functions of a rule, with their values."""
    if rule.values:
        yield rule.name, rule.values
    for part in rule.parts:
        yield from calls(part)


def holds(visit: Visit, rule: Rule) -> bool:
    """Whether a rule fits a request."""
    if rule.values:
        return _call(visit, rule.name, list(rule.values))
    parts = (holds(visit, part) for part in rule.parts)
    if rule.name == "!":
        return not any(parts)
    return any(parts) if rule.name == "||" else all(parts)


def _call(visit: Visit, name: str, values: list[str]) -> bool:
    value = values[-1]
    host = visit.client.host.lower().rstrip(".")
    if name == "host":
        return host == value.lower().rstrip(".")
    if name == "hostregexp":
        return matches(visit, value, host)
    if name == "path":
        return visit.path == value
    if name == "pathprefix":
        return visit.path.startswith(value)
    if name == "pathregexp":
        return matches(visit, value, visit.path)
    if name == "method":
        return visit.client.method == value.upper()
    if name == "clientip":
        return is_near(visit, [value])
    if name.startswith("query"):
        return _argument(visit, values, regex=name.endswith("regexp"))
    return _header(visit, values[0], value, regex=name.endswith("regexp"))


def matches(visit: Visit, pattern: str, text: str) -> bool:
    """Whether a pattern of Go's matches; where it cannot be read, doubt it and try both."""
    try:
        return pcre.read(pattern, strict_end=True).regex.search(text) is not None
    except pcre.UnreadableError:
        visit.doubt(f"the pattern {pattern} cannot be read")
        return visit.choices.whether(("pattern", pattern, text))


def is_near(visit: Visit, networks: list[str]) -> bool:
    """Whether a request comes from one of some networks."""
    if visit.client.granted or _says_it_is_near(visit):
        return visit.choices.whether(("from", tuple(networks)))
    inside = [is_from(visit.client.address, network) if network != "all" else None for network in networks]
    if None in inside:
        visit.doubt(f"whether clients are in {', '.join(networks)} is unknown")
    return True in inside


def _says_it_is_near(visit: Visit) -> bool:
    """Whether whoever connects may say by the PROXY protocol where the connection comes from."""
    told = below(visit.bind.node, "proxyProtocol")
    trusted = texts(told, "trustedIPs")
    return text(told, "insecure") == "true" or any(is_from(visit.client.address, network) for network in trusted)


def _argument(visit: Visit, values: list[str], *, regex: bool) -> bool:
    sent = parse_qs(visit.query or "", keep_blank_values=True).get(values[0])
    if sent is None:
        return visit.client.headers is None and visit.choices.whether(("argument", tuple(values)))
    wanted = values[1] if len(values) > 1 else ""
    return any(matches(visit, wanted, value) if regex else value == wanted for value in sent)


def _header(visit: Visit, name: str, value: str, *, regex: bool) -> bool:
    if visit.client.headers is not None:
        sent = visit.client.headers.get(name.lower())
        return sent is not None and (matches(visit, value, sent) if regex else sent == value)
    held = visit.choices.whether(("header", name, value))
    if held and kind(unknown(f"http_{name.lower().replace('-', '_')}")) == "secret":
        visit.doubt(f"whether anonymous clients know the value of {name} is unknown")
    return held
