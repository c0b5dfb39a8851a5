"""What HAProxy's expressions fetch of a request: `path`, `hdr(host),lower`, `src` … (its manual, section 7.3).

What the client chooses is a text that is not known (`request.unknown`), named so that `conditions.kind` tells who knows
it. What is not followed here is one that only the running HAProxy knows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from pytest_nodered_sec.rules.walk import pcre
from pytest_nodered_sec.rules.walk.haproxy_patterns import mapped
from pytest_nodered_sec.rules.walk.request import unknown, unknowns

if TYPE_CHECKING:
    from pytest_nodered_sec.rules.walk.haproxy_visit import Visit

MATCHES: Final = ("beg", "end", "sub", "dir", "dom", "len", "reg", "str", "found", "bool", "int", "ip", "bin")
_PART: Final = re.compile(r"([\w.]+)(?:\(((?:[^()]|\((?:[^()])*\))*)\))?(?:,|$)")
_AT_REST: Final = re.compile(r"(sc\d?|src)_(?!is_|port)|table_|(be|fe|srv)_(conn|sess|queue|req)|queue$|avg_queue$")
_HEADERS: Final = ("hdr", "req.hdr", "req.fhdr", "shdr")
_COOKIES: Final = ("cook", "req.cook", "hdr_cook")
_KEEPS: Final = ("lower", "upper", "field", "word", "url_dec", "regsub")
_ARGUMENTS: Final = ("urlp", "url_param")


def split(expression: str) -> tuple[list[tuple[str, str]], str]:
    """Split an expression into what is fetched and the converters behind; and the match its name implies, or ""."""
    parts = [(match[1], match[2] or "") for match in _PART.finditer(expression)]
    if not parts or sum(len(match[0]) for match in _PART.finditer(expression)) < len(expression):
        return [(expression, "")], ""
    name, argument = parts[0]
    for match in MATCHES:
        if name.endswith(f"_{match}") and name not in ("src_conn_cur",):
            return [(name.removesuffix(f"_{match}"), argument), *parts[1:]], match
    return parts, ""


def fetched(visit: Visit, expression: str) -> list[str]:
    """Return the samples of an expression: none where nothing is there."""
    parts, _ = split(expression)
    samples = _fetched(visit, *parts[0])
    for name, argument in parts[1:]:
        if name.startswith("map"):
            samples = [value for sample in samples for value in mapped(visit, name, argument, sample)]
        else:
            samples = [_converted(visit, name, argument, sample) for sample in samples]
    return samples


def counts(name: str) -> bool:
    """Whether what is fetched is a number, which is 0 while nothing happens."""
    return _AT_REST.match(name) is not None


def is_guard(name: str) -> bool:
    """Whether what is fetched tells who the client is."""
    return name in ("http_auth", "http_auth_group", "ssl_c_used", "ssl_fc_has_crt") or name.startswith("ssl_c_s_")


def _fetched(visit: Visit, name: str, argument: str) -> list[str]:
    client = visit.client
    first = argument.split(",")[0].strip("'\" ")
    granted = str(int(client.granted))
    careless = visit.bind.careless and not client.granted and name.startswith("ssl_")
    own = careless and visit.choices.whether("a certificate of the client's own making")
    known = {
        "path": visit.path,
        "pathq": visit.uri,
        "url": visit.uri,
        "uri": visit.uri,
        "base": visit.host + visit.path,
        "method": client.method,  # as it came, whatever set-method made of it
        "ssl_fc": str(int(client.tls)),
        "http_auth": granted,
        "ssl_c_used": str(int(client.granted or own)),
        "ssl_fc_has_crt": str(int(client.granted or own)),
        "always_true": "1",
        "always_false": "0",
        "dst_port": client.port,
        "req.ver": "1.1",
        "req_ver": "1.1",
        "req.proto_http": "1",
        "nbsrv": str(_servers(visit, first)),
        "str": first,
        "bool": first,
        "int": first,
    }
    if name in ("http_auth", "http_auth_group") and visit.headers.get("authorization") and not client.granted:
        return [unknown(f"HAProxy's {name} of the Authorization that a rule sets")]
    if name in known:
        return [known[name]]
    if name == "query":
        return [] if visit.query is None else [visit.query]
    if name == "http_auth_group":  # of a login that is right
        return [unknown("remote_user")] if client.granted else []
    if name == "http_auth_bearer":
        return _header(visit, "authorization", whole=True)
    if name.startswith("ssl_c_") and name != "ssl_c_verify" and "_err" not in name:
        return _of_certificate(name, made=own, granted=client.granted)
    if name == "ssl_c_verify":
        return [str(18 * own)] if client.tls else []  # 0 without a certificate, too
    if name == "src":
        return [visit.source or unknown("arg_address")]
    if name == "var":
        return [visit.variables[first]] if first in visit.variables else _undefined(visit, first)
    if name in _HEADERS:
        return _header(visit, first.lower(), whole=name == "req.fhdr")
    plain, _, figure = name.rpartition("_")
    if plain in _HEADERS and figure in ("cnt", "val"):
        return _counted(_header(visit, first.lower(), whole=False), figure)
    if name in _COOKIES:
        return [] if client.headers is not None and "cookie" not in client.headers else [unknown(f"cookie_{first}")]
    if name in _ARGUMENTS:
        match = re.search(rf"(?:^|&){re.escape(first)}=([^&]*)", visit.query or "")
        return [match[1]] if match else [] if client.headers is not None else [unknown(f"arg_{first}")]
    if name in ("ssl_fc_sni", "req.ssl_sni", "req_ssl_sni"):
        return [unknown("host")] if client.tls else []
    if counts(name):
        return ["0"]
    return [unknown(f"HAProxy's {name}")]


def _of_certificate(name: str, *, made: bool, granted: bool) -> list[str]:
    """Return what a client's certificate says: of one of the client's own making any name, none without one."""
    if not (made or granted):
        return []
    return [unknown("arg_certificate" if granted or name.endswith("_dn") else f"HAProxy's {name}")]


def _undefined(visit: Visit, name: str) -> list[str]:
    """Return what a variable holds that no rule on the way has set: nothing, unless a program might have."""
    scripted = any(line.name.startswith("filter") for line in visit.section.block)
    return [unknown(f"HAProxy's variable {name}")] if scripted or name.startswith("proc.") else []


def _header(visit: Visit, name: str, *, whole: bool) -> list[str]:
    if not name:
        return [unknown("arg_headers")]
    if name in visit.headers:
        text = visit.headers[name]
    elif name == "host":
        text = visit.host
    elif visit.client.headers is None:
        return [unknown(f"http_{name.replace('-', '_')}")]
    else:
        text = visit.client.headers.get(name)
    if text is None:
        return []
    return [text] if whole or unknowns(text) else [part.strip() for part in text.split(",")]


def _counted(samples: list[str], figure: str) -> list[str]:
    if any(unknowns(sample) for sample in samples):
        return samples[:1]
    return [str(len(samples))] if figure == "cnt" else samples


def _servers(visit: Visit, name: str) -> int:
    section = visit.seen.backends.get(name, visit.section)
    return sum(line.name == "server" and "disabled" not in line.args for line in section.block)


def _converted(visit: Visit, name: str, argument: str, sample: str) -> str:
    """Return what a converter makes of a sample."""
    first, _, second = argument.partition(",")
    if unknowns(sample):  # of what anybody may send, anybody knows what becomes of it
        return sample if name in _KEEPS else unknown(f"HAProxy's {name}")
    if name == "lower":
        return sample.lower()
    if name == "upper":
        return sample.upper()
    if name == "url_dec" and not argument:
        return unquote(sample, "latin-1")
    if name == "field" and re.fullmatch(r"[1-9]\d*,.", argument):
        fields = sample.split(second)
        return fields[int(first) - 1] if int(first) <= len(fields) else ""
    if name == "regsub":
        return _substituted(argument, sample)
    return unknown(f"HAProxy's {name}")


def _substituted(argument: str, sample: str) -> str:
    """Replace what a pattern matches, as `regsub(^/panel/?,/ui/)` does; nothing is escaped in it."""
    find, _, rest = argument.partition(",")
    put, _, flags = rest.partition(",")
    if re.search(r"[\\{}'\"]", argument) or ("g" in flags and "^" in find):  # which begins anew behind each match
        return unknown("HAProxy's regsub")
    try:
        regex = pcre.read(find, ignore_case="i" in flags).regex
    except pcre.UnreadableError:
        return unknown("HAProxy's regsub")
    return regex.sub(lambda _: put, sample, count=0 if "g" in flags else 1)
