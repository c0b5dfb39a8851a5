"""What mod_rewrite makes of a request in a server or virtual host: rule by rule, as mod_rewrite.c does it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote

from pytest_nodered_sec.rules.walk import apache_expressions as expressions
from pytest_nodered_sec.rules.walk.anything import settled
from pytest_nodered_sec.rules.walk.apache_variables import groups_of, matches, worth
from pytest_nodered_sec.rules.walk.conditions import kind
from pytest_nodered_sec.rules.walk.request import unknown, unknowns

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.apache_visit import Visit

_PLACE: Final = re.compile(r"\\(.)|\$(\d)|%(\d)|%\{([^}]*)\}|\$\{((?:[^{}]|\{[^{}]*\})*)\}")
_ABSOLUTE: Final = re.compile(
    r"(?i)(ajp|balancer|ftp|gopher|https?|h2c?|fcgi|scgi|uwsgi|ldap|mailto|news|nntp|wss?|unix)://?"
)
_IGNORED: Final = re.compile(
    r"(?i)(E|env|CO|cookie|T|type|DPI|discardpath|NS|nosubreq|BCTLS|BNE|UnsafePrefixStat|UnsafeAllow3F)$"
)
_STATUSES: Final = {"permanent": 301, "temp": 302, "seeother": 303, "": 302}
_MOST_SKIPS: Final = 1000


@dataclass(frozen=True)
class Rewritten:
    """What came of the rules.

    Attributes:
        kind: "" for nothing, "proxy", "passed" on as another path, "file", "answered", "unknown".
        url: where "proxy" goes.
        status: of the answer.
        location: where that redirects to.
        escaped: whether what is not allowed in a URL is encoded in it: else Apache refuses it, since 2.4.56.
    """

    kind: Literal["", "proxy", "passed", "file", "answered", "unknown"]
    url: str = ""
    status: int = 0
    location: str = ""
    escaped: bool = False


_ASKED_FOR: Final = ("proxy", "passed", "file", "answered")


def rewritten(visit: Visit) -> Rewritten:
    """Follow the rules of the virtual host, or of the main server: neither inherits the other's."""
    block = visit.host.block if visit.host else visit.seen.directives
    engine = next((line.args[0].lower() for line in reversed(block) if line.name == "rewriteengine" and line.args), "")
    options = [arg.lower() for line in block if line.name == "rewriteoptions" for arg in line.args]
    if strange := [option for option in options if option not in ("allowanyuri", "mergebase")]:
        visit.doubt(f"RewriteOptions {strange[0]} is not followed")
    if not engine and visit.host and visit.value("rewriteengine") == "on":
        engine = "on"
    if engine != "on" or visit.ended:
        return Rewritten("")
    visit.file = visit.uri
    result = _rules(visit, _grouped(block))
    raw = re.search(r"[\x00-\x20\x7f]", visit.query or "")
    return Rewritten("answered", status=403) if raw and result.kind in _ASKED_FOR and not result.escaped else result


def _grouped(block: tuple[Directive, ...]) -> list[tuple[Directive, list[Directive]]]:
    """Return the rules, each with its conditions."""
    result: list[tuple[Directive, list[Directive]]] = []
    conditions: list[Directive] = []
    for line in block:
        if line.name == "rewritecond":
            conditions.append(line)
        elif line.name == "rewriterule" and len(line.args) > 1:
            result.append((line, conditions))
            conditions = []
    return result


def _rules(visit: Visit, rules: list[tuple[Directive, list[Directive]]]) -> Rewritten:
    changed = redirect = 0
    escape, place = True, 0
    while place < len(rules):
        line, conditions = rules[place]
        place += 1
        flags = _flags(line)
        substitution = line.args[1]
        status = _own_status(flags)
        if not _applies(visit, line, conditions, flags):
            while "C" in _flags(rules[place - 1][0]) and place < len(rules):
                place += 1
            continue
        if strange := [name for name in flags if not _IGNORED.match(name) and name not in _FOLLOWED]:
            visit.doubt(f"the flag {strange[0]} of RewriteRule ({line.where()}) is not followed")
            return Rewritten("unknown")
        _set_variables(visit, line)
        if status and not 300 <= status < 400:
            visit.refused += ["RewriteRule [F]"] * (status == 403 and bool(conditions))
            return Rewritten("answered", status=status)
        visit.ended = "END" in flags and "PT" not in flags
        if substitution != "-":
            _substitute(visit, substitution, flags)
            changed, escape = 1, "NE" not in flags
            if "P" in flags:
                return Rewritten("proxy", url=visit.file)
            if "R" in flags:
                redirect = status or 302
                visit.file = _qualified(visit, visit.file)
            elif _ABSOLUTE.match(visit.file):
                redirect = 302
        if "PT" in flags:
            visit.uri = visit.file
            return Rewritten("passed")
        if "L" in flags or "END" in flags or "P" in flags:
            break
        place += min(int(flags.get("S") or 0), _MOST_SKIPS)
    if not changed:
        return Rewritten("")
    if _ABSOLUTE.match(visit.file):
        location = visit.file + (f"?{visit.query}" if visit.query else "")
        location = _escaped(location) if escape else location
        return Rewritten("answered", status=redirect or 302, location=location, escaped=escape)
    return Rewritten("file") if visit.file.startswith("/") else Rewritten("answered", status=400)


_FOLLOWED: Final = ("L", "END", "P", "PT", "R", "F", "G", "NC", "QSA", "QSD", "NE", "C", "S")
_LONG: Final = {
    "last": "L", "proxy": "P", "passthrough": "PT", "redirect": "R", "forbidden": "F", "gone": "G", "nocase": "NC",
    "qsappend": "QSA", "qsdiscard": "QSD", "noescape": "NE", "chain": "C", "skip": "S", "end": "END",
    "ornext": "OR",
}  # fmt: skip


def _flags(line: Directive) -> dict[str, str]:
    """Return the flags of a rule or condition by their short names."""
    result = {}
    for word in "".join(line.args[2:3]).strip("[]").split(","):
        name, _, value = word.strip().partition("=")
        if name:
            result[_LONG.get(name.lower(), name.upper() if len(name) < 5 else name)] = value
    return result


def _set_variables(visit: Visit, line: Directive) -> None:
    """Do what the flag E of a rule says: E=NAME, E=NAME:VALUE, E=!NAME."""
    for word in "".join(line.args[2:3]).strip("[]").split(","):
        flag, _, text = word.strip().partition("=")
        if flag.lower() in ("e", "env"):
            name, _, given = text.removeprefix("!").partition(":")
            visit.environment[name.lower()] = None if text.startswith("!") else filled(visit, given)


def _own_status(flags: dict[str, str]) -> int:
    if "F" in flags:
        return 403
    if "G" in flags:
        return 410
    if "R" in flags:
        return _STATUSES[flags["R"]] if flags["R"] in _STATUSES else int(flags["R"]) if flags["R"].isdigit() else 302
    return 0


def _applies(visit: Visit, line: Directive, conditions: list[Directive], flags: dict[str, str]) -> bool:
    """Whether pattern and conditions of a rule fit."""
    pattern = line.args[0]
    negated = pattern.startswith("!")
    match = matches(visit, pattern.removeprefix("!"), visit.file, line, ignore_case="NC" in flags)
    if (match is None) != negated:
        return False
    visit.captures = (match[0], *match.groups("")) if match else ()
    visit.matched = ()
    place = 0
    while place < len(conditions):
        condition = conditions[place]
        place += 1
        held = _holds(visit, condition)
        either = "OR" in _flags(condition)
        if either and held:
            while place < len(conditions) and "OR" in _flags(conditions[place - 1]):
                place += 1
        elif not either and not held:
            return False
    return True


def _holds(visit: Visit, line: Directive) -> bool:
    """Whether a condition holds."""
    if len(line.args) < 2:
        return False
    test, pattern = line.args[:2]
    ignore_case = "NC" in _flags(line)
    if test == "expr":
        return expressions.holds(visit, pattern, line)
    text = filled(visit, test)
    negated = pattern.startswith("!")
    pattern = pattern.removeprefix("!")
    if re.fullmatch(r"-[a-zA-Z]", pattern):  # of files
        if pattern in ("-U", "-F", "-x"):
            visit.doubt(f"RewriteCond {pattern} ({line.where()}) is not followed")
        there = visit.client.exists
        return (visit.choices.whether(("file", text)) if there is None else there) != negated
    if re.match(r"[<>]|-(eq|ge|gt|le|lt|ne)\d", pattern):
        visit.doubt(f"the comparison {pattern} ({line.where()}) is not followed")
        return visit.choices.whether(("compared", line))
    if unknowns(text):
        return _chosen(visit, text, line)
    if pattern.startswith("="):
        wanted = pattern[1:].strip('"')
        return (text.lower() == wanted.lower() if ignore_case else text == wanted) != negated
    match = matches(visit, pattern, text, line, ignore_case=ignore_case)
    if match and not negated:
        visit.matched = (match[0], *match.groups(""))
    return (match is not None) != negated


def _chosen(visit: Visit, text: str, line: Directive) -> bool:
    """Try a condition on what is not known both ways; doubt it where not anybody can make it so."""
    holds = visit.choices.whether(("condition", text, line.args[1]))
    sort = kind(text)
    if sort == "open" or (sort == "secret" and holds != line.args[1].startswith("!")):
        visit.doubt(f"whether {unknowns(text)[0]} is what RewriteCond ({line.where()}) wants is unknown")
    if holds and not line.args[1].startswith(("!", "=")):
        visit.matched = (unknown("capture"),) * (1 + groups_of(line.args[1]))
    return holds


def filled(visit: Visit, template: str) -> str:
    """Return a text with what its placeholders stand for."""

    def put(match: re.Match[str]) -> str:
        if match[1]:
            return match[1]
        for number, groups in ((match[2], visit.captures), (match[3], visit.matched)):
            if number:
                return groups[int(number)] if int(number) < len(groups) else ""
        return worth(visit, match[4]) if match[4] is not None else unknown(f"the map {match[5].partition(':')[0]}")

    return _PLACE.sub(put, template)


def _substitute(visit: Visit, substitution: str, flags: dict[str, str]) -> None:
    """Put what a rule says in place of the path, and of the arguments."""
    path, mark, query = filled(visit, substitution).partition("?")
    visit.file = path if _ABSOLUTE.match(path) or "P" in flags or "R" in flags else settled(visit, path)
    if "QSD" in flags:
        visit.query = None
    if mark:
        both = [text for text in (query, visit.query if "QSA" in flags else "") if text]
        visit.query = "&".join(both) or None


def _qualified(visit: Visit, url: str) -> str:
    """Return a URL with scheme and host, where it is a path."""
    if _ABSOLUTE.match(url):
        return url
    scheme = "https" if visit.client.tls else "http"
    return f"{scheme}://{visit.client.host}{url if url.startswith('/') else '/' + url}"


def _escaped(url: str) -> str:
    head = _ABSOLUTE.match(url)
    start = head.end() if head else 0
    return url[:start] + quote(url[start:], safe="/:@!$&'()*+,;=~-._?", encoding="latin-1")
