"""Whether HAProxy's conditions hold: named and anonymous ACLs, joined by "and", "or" and "!" (its manual, section 7).

What the client chooses is tried both ways; what only a secret opens, or what is not followed, leaves a doubt.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.walk import haproxy_samples as samples
from pytest_nodered_sec.rules.walk import pcre
from pytest_nodered_sec.rules.walk.conditions import TRIED, kind
from pytest_nodered_sec.rules.walk.haproxy_patterns import fits, is_among, keys
from pytest_nodered_sec.rules.walk.request import unknowns

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.haproxy_visit import Visit

_PREDEFINED: Final = {
    "FALSE": ("always_false",),
    "TRUE": ("always_true",),
    "HTTP": ("req.proto_http",),
    "HTTP_1.0": ("req.ver", "1.0"),
    "HTTP_1.1": ("req.ver", "1.1"),
    "HTTP_2.0": ("req.ver", "2.0"),
    "HTTP_CONTENT": ("hdr_val(content-length)", "gt", "0"),
    "HTTP_URL_ABS": ("url_reg", "^[^/:]*://"),
    "HTTP_URL_SLASH": ("url_beg", "/"),
    "HTTP_URL_STAR": ("url", "*"),
    "LOCALHOST": ("src", "127.0.0.1/8", "::1"),
    "WAIT_END": ("always_true",),
    **{
        f"METH_{name}": ("method", name)
        for name in ("CONNECT", "DELETE", "HEAD", "OPTIONS", "POST", "PUT", "TRACE", "PATCH")
    },
    "METH_GET": ("method", "GET", "HEAD"),
}
_OPERATORS: Final = ("eq", "ge", "gt", "le", "lt")
_NUMBER: Final = re.compile(r"-?\d+")
_RANGE: Final = re.compile(r"-?\d+|-?\d+:|:-?\d+|-?\d+:-?\d+")
_BOOLEANS: Final = (
    "ssl_fc", "http_auth", "ssl_c_used", "ssl_fc_has_crt", "always_true", "always_false", "req.proto_http", "bool",
    "http_first_req", "srv_is_up", "ssl_fc_has_sni",
)  # fmt: skip
_INTEGERS: Final = ("dst_port", "src_port", "nbsrv", "ssl_c_verify", "int")
_IPS: Final = ("src", "dst")
_UNTIL: Final = ("if", "unless")
_TEXTS: Final = ("str", "beg", "end", "sub", "dir", "dom", "reg", "len")


def holds(visit: Visit, line: Directive) -> bool:
    """Whether the condition of a line holds; without any, it does."""
    place = next((place for place, word in enumerate(line.args) if word in _UNTIL), None)
    if place is None:
        return True
    visit.asked = False
    result = _joined(visit, line.args[place + 1 :], line)
    return result if line.args[place] == "if" else not result


def bare(line: Directive) -> tuple[str, ...]:
    """Return a line's arguments without its condition."""
    place = next((place for place, word in enumerate(line.args) if word in _UNTIL), None)
    return line.args[:place]


def _joined(visit: Visit, words: tuple[str, ...], line: Directive) -> bool:
    """Whether one of the alternatives holds, from left to right as far as is needed."""
    result, negated, place = True, False, 0
    while place < len(words):
        word = words[place]
        place += 1
        if word in ("or", "||"):
            if result:
                return True
            result = True
            continue
        while word.startswith("!"):
            negated, word = not negated, word[1:]
        if not word:
            continue
        inside: tuple[str, ...] = ()
        if word == "{":
            end = words.index("}", place) if "}" in words[place:] else len(words)
            inside, place = words[place:end], end + 1
        if result:
            result = negated != (_criterion(visit, inside, line) if inside else _named(visit, word, line))
        negated = False
    return result


def _named(visit: Visit, name: str, line: Directive) -> bool:
    """Whether an ACL holds: one of the lines of its name."""
    lines = [acl for acl in visit.section.block if acl.name == "acl" and acl.args[:1] == (name,)]
    if lines:
        return any(_criterion(visit, acl.args[1:], acl) for acl in lines)
    return _criterion(visit, _PREDEFINED.get(name, (f"ACL {name}",)), line)


def _criterion(visit: Visit, words: tuple[str, ...], line: Directive) -> bool:
    """Whether a criterion holds: one of the samples is as one of the values says."""
    expression, *rest = words
    parts, method = samples.split(expression)
    name = parts[0][0]
    ignore_case, literal = False, False
    values: list[str] = []
    files: list[str] = []
    while rest:
        word = rest.pop(0)
        if literal or not word.startswith("-") or _NUMBER.fullmatch(word):
            values.append(word)
        elif word == "-i":
            ignore_case = True
        elif word == "-m" and rest:
            method = rest.pop(0)
        elif word == "-f" and rest:
            files.append(rest.pop(0))
        literal = literal or word == "--"
    values = [value for value in values if value != "--"]
    method = method or _own(name, parts[-1][0] if len(parts) > 1 else "")
    for file in files:
        lines = keys(visit, file, method)
        if lines is None:
            return visit.choices.whether(("file", words))
        values += [text.split()[0] for text in lines if text.strip()] if "-M" in words else lines
    if samples.is_guard(name) and not visit.client.granted:
        visit.asked = True
    if method == "ip":
        return _is_near(visit, expression, tuple(values), line)
    fetched = samples.fetched(visit, expression)
    if method == "found":
        return bool(fetched) and (not unknowns(fetched[0]) or _chosen(visit, fetched[0], words, line, present=True))
    if method in ("bool", "int"):
        return any(_number(visit, sample, values, words, line) for sample in fetched)
    if method not in _TEXTS:
        visit.doubt(f"the match -m {method} ({line.where()}) is not followed")
        return visit.choices.whether(words)
    return any(_text(visit, sample, method, values, words, line, ignore_case=ignore_case) for sample in fetched)


def _own(name: str, converter: str) -> str:
    """Return how the samples of an expression are compared where nothing says so; its last converter decides."""
    if converter:
        return next((kind for kind in ("int", "ip") if re.fullmatch(f"map_\\w+_{kind}", converter)), "str")
    if name in _IPS:
        return "ip"
    if name in _BOOLEANS:
        return "bool"
    return (
        "int"
        if name in _INTEGERS or samples.counts(name) or name.endswith(("_cnt", "_val", "_rate", "_cur"))
        else "str"
    )


def _chosen(visit: Visit, sample: str, words: tuple[str, ...], line: Directive, *, present: bool = False) -> bool:
    """Try both ways whether an unknown sample is what is wanted; doubt it where not anybody can make it so."""
    taken = visit.choices.whether(words)
    sort = kind(sample)
    if sort == "open" or (sort == "secret" and taken and not present):
        visit.doubt(f"whether {unknowns(sample)[0]} is what {words[0]} ({line.where()}) wants is unknown")
    return taken


def _is_near(visit: Visit, expression: str, networks: tuple[str, ...], line: Directive) -> bool:
    words = (expression, *networks)
    if visit.client.granted:
        return visit.choices.whether(words)
    fetched = samples.fetched(visit, expression)
    if not fetched:
        return False
    sample = fetched[0]
    if unknowns(sample):
        return _chosen(visit, sample, words, line)
    inside = is_among(sample, networks)
    if inside is None:
        visit.doubt(f"{expression} ({line.where()}) names no network")
    visit.asked = visit.asked or not inside
    return inside is True


def _number(visit: Visit, sample: str, values: list[str], words: tuple[str, ...], line: Directive) -> bool:
    if unknowns(sample) or not _NUMBER.fullmatch(sample):
        return _chosen(visit, sample, words, line) if unknowns(sample) else False
    number, operator = int(sample), "eq"
    if not values:
        return number != 0
    for value in values:
        first, colon, last = value.partition(":")
        if value in _OPERATORS:
            operator = value
            continue
        if not _RANGE.fullmatch(value):
            visit.doubt(f"{value} ({line.where()}) is no number")
            return visit.choices.whether(words)
        low, high = int(first or number), int(last or number)
        fits = {"eq": number == low, "ge": number >= low, "gt": number > low, "le": number <= low, "lt": number < low}
        if fits[operator] if not colon else low <= number <= high:
            return True
    return False


def _text(
    visit: Visit,
    sample: str,
    method: str,
    values: list[str],
    words: tuple[str, ...],
    line: Directive,
    *,
    ignore_case: bool,
) -> bool:
    known = not unknowns("".join(values))
    if unknowns(sample) and kind(sample) == "secret" and known:
        tried = [text for text in TRIED if _text(visit, text, method, values, words, line, ignore_case=ignore_case)]
        return _chosen(visit, sample, words, line, present=bool(tried))
    if unknowns(sample) or not known:
        return _chosen(visit, sample + "".join(values), words, line)
    if method == "reg":
        return any(_matches(visit, value, sample, line, ignore_case=ignore_case) for value in values)
    if method == "len":
        return _number(visit, str(len(sample)), values, words, line)
    if ignore_case and values:
        sample, values = sample.lower(), "\0".join(values).lower().split("\0")
    return fits(method, sample, tuple(values))


def _matches(visit: Visit, pattern: str, sample: str, line: Directive, *, ignore_case: bool) -> bool:
    try:
        return pcre.read(pattern, ignore_case=ignore_case).regex.search(sample) is not None
    except pcre.UnreadableError:
        visit.doubt(f"the pattern {pattern} ({line.where()}) cannot be read")
        return visit.choices.whether(("pattern", pattern, sample))
