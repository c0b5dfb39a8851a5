"""What Apache knows of a request by name: its variables, and those of SetEnvIf and RewriteRule; and its patterns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.walk import pcre
from pytest_nodered_sec.rules.walk.apache_client import source
from pytest_nodered_sec.rules.walk.conditions import TRIED, kind
from pytest_nodered_sec.rules.walk.request import unknown, unknowns

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.apache_visit import Visit

_WHATEVER: Final = re.compile("(?s)" + "(?=(.*))" * 9 + ".*")  # each group is the whole
SETTING: Final = ("setenvif", "setenvifnocase", "setenvifexpr", "browsermatch", "browsermatchnocase")


def matches(
    visit: Visit, pattern: str, text: str, line: Directive, *, ignore_case: bool = False
) -> re.Match[str] | None:
    """Return what a pattern matches; where it cannot be read, doubt it and try both."""
    try:
        return pcre.read(pattern, ignore_case=ignore_case).regex.search(text)
    except pcre.UnreadableError:
        visit.doubt(f"the pattern {pattern} ({line.where()}) cannot be read")
        held = visit.choices.whether(("pattern", pattern, text))
        return _WHATEVER.match(unknown("capture")) if held else None


def groups_of(pattern: str) -> int:
    """Return how many groups a pattern has; as many as there may be where it cannot be read."""
    try:
        return pcre.read(pattern, ignore_case=False).regex.groups
    except pcre.UnreadableError:
        return 9


def fits(visit: Visit, pattern: str, text: str, line: Directive, *, ignore_case: bool = False) -> bool:
    """Whether a pattern matches a text that the client may have chosen: tried both ways."""
    if not unknowns(text):
        return matches(visit, pattern, text, line, ignore_case=ignore_case) is not None
    anything = any(matches(visit, pattern, tried, line, ignore_case=ignore_case) for tried in TRIED)
    return chosen(visit, ("fits", pattern, text), text, line, secret=not anything)


def chosen(visit: Visit, about: tuple[str, ...], text: str, line: Directive, *, secret: bool = True) -> bool:
    """Whether something holds that what is not known in a text decides; doubt it where not anybody can make it so.

    Args:
        visit: the request.
        about: what it is.
        text: with what is not known.
        line: who asks.
        secret: whether a value that only some clients know must be known for it.
    """
    holds = visit.choices.whether(about)
    sort = kind(text)
    if sort == "open" or (sort == "secret" and holds and secret):
        visit.doubt(f"whether {unknowns(text)[0]} is what {line.name} ({line.where()}) wants is unknown")
    return holds


def worth(visit: Visit, name: str) -> str:
    """Return the value of a variable, as %{NAME} names it."""
    client = visit.client
    known = {
        "REQUEST_URI": visit.uri,
        "REQUEST_FILENAME": visit.file or visit.uri,
        "SCRIPT_FILENAME": visit.file or visit.uri,
        "QUERY_STRING": visit.query or "",
        "THE_REQUEST": f"{client.method} {client.uri} HTTP/1.1",
        "REQUEST_METHOD": client.method,
        "HTTPS": "on" if client.tls else "off",
        "REQUEST_SCHEME": "https" if client.tls else "http",
        "SERVER_PORT": client.port,
        "HTTP_HOST": client.host,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": source(visit),
        "CONN_REMOTE_ADDR": client.address,
    }
    if name.upper() in known:
        return known[name.upper()]
    if environment := re.fullmatch(r"(?:ENV|REQENV):(.*)", name, re.IGNORECASE):
        return value(visit, environment[1]) or ""
    if certificate := re.fullmatch(r"(?:SSL:)?(SSL_CLIENT_\w+)", name, re.IGNORECASE):
        return _of_certificate(visit, certificate[1].upper())
    if name.upper() == "REMOTE_USER" and not client.granted:
        return ""
    header = re.fullmatch(r"(?:HTTP:|REQ:|HTTP_)([\w-]+)", name, re.IGNORECASE)
    return sent(visit, header[1]) if header else unknown(f"Apache's {name}")


def sent(visit: Visit, header: str) -> str:
    """Return the value of a header."""
    plain = header.lower().replace("_", "-")
    if plain == "host":
        return visit.client.host
    if visit.client.headers is not None:
        return visit.client.headers.get(plain, "")
    return unknown(f"http_{plain.replace('-', '_')}")


def _of_certificate(visit: Visit, name: str) -> str:
    """Return what a client's certificate says: of a stranger's own making where Apache takes such."""
    verify = visit.value("sslverifyclient")
    if not visit.client.tls:
        return ""
    verified = {True: "SUCCESS", False: "NONE"}[visit.client.granted]
    if not visit.client.granted and verify == "optional_no_ca":
        return "GENEROUS" if name == "SSL_CLIENT_VERIFY" else unknown("arg_certificate")
    if name == "SSL_CLIENT_VERIFY":
        return verified
    return unknown("arg_certificate") if visit.client.granted else ""


def value(visit: Visit, name: str) -> str | None:
    """Return the value of an environment variable when access is asked for, None where it is not set.

    SetEnv and PassEnv come too late for that.
    """
    plain = name.lower()
    return visit.environment[plain] if plain in visit.environment else _set(visit, plain, _lines(visit))


def _lines(visit: Visit) -> list[Directive]:
    """Return the directives that set variables: the main server's, the virtual host's, then those of its sections."""
    own = visit.host.block if visit.host else ()
    inside = (line for section in visit.inside for line in section.block)
    return [line for line in (*visit.seen.directives, *own, *inside) if line.name in SETTING]


def _set(visit: Visit, name: str, lines: list[Directive]) -> str | None:
    result = None
    for number, line in enumerate(lines):
        for word in _words(line):
            plain, _, text = word.removeprefix("!").partition("=")
            if plain.lower() == name and _holds(visit, line, lines[:number]):
                text = re.sub(r"\$\d", unknown("capture"), text)
                result = None if word.startswith("!") else text if "=" in word else "1"
    return result


def _words(line: Directive) -> tuple[str, ...]:
    """Return what a directive sets."""
    return line.args[1 if line.name.startswith("browser") or line.name == "setenvifexpr" else 2 :]


def _holds(visit: Visit, line: Directive, before: list[Directive]) -> bool:
    if line.name == "setenvifexpr":
        visit.doubt(f"{line.name} ({line.where()}) is not followed")
        return visit.choices.whether(("expression", line))
    browser = line.name.startswith("browser")
    attribute, pattern = ("User-Agent", line.args[0]) if browser else line.args[:2]
    text = _attribute(visit, attribute, before)
    return fits(visit, pattern, text, line, ignore_case=line.name.endswith("nocase"))


def _attribute(visit: Visit, name: str, before: list[Directive]) -> str:
    """Return what SetEnvIf compares: something of the request, a header, or a variable that was set before."""
    client = visit.client
    known = {
        "remote_addr": source(visit),
        "request_uri": visit.raw,
        "request_method": client.method,
        "request_protocol": "HTTP/1.1",
        "remote_host": unknown("Apache's Remote_Host"),
        "server_addr": unknown("Apache's Server_Addr"),
    }
    plain = name.lower()
    if plain in known:
        return known[plain]
    if not re.fullmatch(r"[\w-]+", name):  # a pattern of headers' names
        return unknown(f"Apache's headers {name}")
    words = [word.removeprefix("!").partition("=")[0].lower() for line in before for word in _words(line)]
    return _set(visit, plain, before) or "" if plain in words else sent(visit, name)
