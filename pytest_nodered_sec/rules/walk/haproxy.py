"""A request's way through HAProxy: the rules of its frontend, then those of the backend that they choose.

The order is HAProxy's own (http_ana.c): tcp-request, http-request, statistics, redirects; then use_backend.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.walk import haproxy_samples as samples
from pytest_nodered_sec.rules.walk import pcre
from pytest_nodered_sec.rules.walk.anything import settled
from pytest_nodered_sec.rules.walk.conditions import is_from
from pytest_nodered_sec.rules.walk.config import is_node_red
from pytest_nodered_sec.rules.walk.haproxy_conditions import bare, holds
from pytest_nodered_sec.rules.walk.haproxy_visit import Visit, plain_address, value
from pytest_nodered_sec.rules.walk.request import Outcome, unknown, unknowns

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.choices import Choices
    from pytest_nodered_sec.rules.walk.haproxy_visit import Bind, Sections
    from pytest_nodered_sec.rules.walk.request import Client

_MOST_HOPS: Final = 4
_FORMAT: Final = re.compile(r"%\[((?:[^\[\]]|\[[^\]]*\])*)\]|%(?:\{[^}]*\})?([A-Za-z]+)|%(%)")
_ANYWHERE: Final = re.compile(r"(\*|0\.0\.0\.0|::|\[::\]):?\d*$")  # the address that the client asked for, or set-dst
_GROUP: Final = re.compile(r"\\(\d)")
_HARMLESS: Final = re.compile(
    r"(capture|cache-use|track-sc\d*|sc-|sc_|set-log-level|set-nice|set-mark|set-tos|set-fc-|set-bc-|set-timeout|"
    r"set-priority|do-log|disable-l7-retry|early-hint|strict-mode|wait-for-|unset-var|set-bandwidth|set-retries|"
    r"inspect-delay|set-dst|on-error)"
)
_REFUSES: Final = {"deny": 403, "tarpit": 500, "reject": 0, "silent-drop": 0}


def walk(seen: Sections, bind: Bind, client: Client, choices: Choices) -> Outcome:
    """Return what becomes of a request that comes in at a place."""
    path, mark, query = client.uri.partition("?")
    visit = Visit(
        client, seen, bind.section, bind, choices, path, query if mark else None, client.method, client.host,
        source="" if bind.told and not client.hops else client.address,
    )  # fmt: skip
    if bind.tls and not client.tls:
        return visit.answered(0)
    if bind.certificate and not client.granted:
        visit.refused.append("verify required")
        return visit.answered(0)
    http = value(bind.section, "mode")[:1] == ("http",)
    if answer := _admitted(visit) or (_ruled(visit) if http else None):
        return answer
    backend = _chosen(visit)
    if isinstance(backend, Outcome):
        return backend
    if backend is not bind.section:
        visit.section = backend
        if answer := _admitted(visit) or (_ruled(visit) if http else None):
            return answer
    return _handed_on(visit)


# --- rules -----------------------------------------------------------------------------------------------


def _admitted(visit: Visit) -> Outcome | None:
    """Follow the rules for connections; None where they let it pass."""
    for part in ("connection", "session", "content"):
        for line in visit.section.block:
            if line.name != "tcp-request" or line.args[:1] != (part,) or not holds(visit, line):
                continue
            action = line.args[1] if len(line.args) > 1 else ""
            if action == "accept":
                break
            if action in _REFUSES:
                return _refusal(visit, line, 0)
            _acted(visit, replace(line, args=line.args[1:]), action)
    return None


def _ruled(visit: Visit) -> Outcome | None:
    """Follow the rules for requests; None where they let it pass."""
    for line in visit.section.block:
        if line.name != "http-request" or not line.args or not holds(visit, line):
            continue
        action, *args = bare(line)
        if action == "allow":
            break
        if action == "auth":
            visit.refused.append("http-request auth")
            return visit.answered(401)
        if action in _REFUSES:
            return _refusal(visit, line, _REFUSES[action])
        if action == "return":
            return visit.answered(int(_after(args, "status") or 200))
        if action == "redirect":
            return _redirected(visit, args)
        if not _acted(visit, line, action):
            return visit.end(Outcome("unknown"))
    if answer := _statistics(visit):
        return answer
    for line in visit.section.block:
        if line.name == "redirect" and holds(visit, line):
            return _redirected(visit, list(bare(line)))
    return None


def _refusal(visit: Visit, line: Directive, status: int) -> Outcome:
    if visit.asked:
        visit.refused.append(" ".join((line.name, *line.args)))
    given = _after(list(bare(line)), "deny_status") or _after(list(bare(line)), "status")
    return visit.answered(int(given) if given.isdigit() else status)


def _after(words: list[str], name: str) -> str:
    return words[words.index(name) + 1] if name in words[:-1] else ""


def _statistics(visit: Visit) -> Outcome | None:
    """Whether HAProxy answers with its own pages."""
    lines = [line.args for line in visit.section.block if line.name == "stats"]
    uri = next((args[1] for args in reversed(lines) if args[:1] == ("uri",) and len(args) > 1), "/haproxy?stats")
    return visit.answered(200) if lines and visit.uri.startswith(uri) else None


def _redirected(visit: Visit, args: list[str]) -> Outcome:
    kinds = [word for word in args if word in ("location", "prefix", "scheme")]
    target = filled(visit, _after(args, kinds[0])) if kinds else ""
    if kinds == ["prefix"]:
        target = ("" if target == "/" else target) + (visit.path if "drop-query" in args else visit.uri)
    elif kinds == ["scheme"]:
        target = f"{target}://{visit.host}{visit.path if 'drop-query' in args else visit.uri}"
    return visit.answered(int(_after(args, "code") or 302), target)


def _acted(visit: Visit, line: Directive, action: str) -> bool:
    """Do what a rule says that neither ends nor refuses a request; whether it is known."""
    args = list(bare(line))[1:]
    text = " ".join(args[:1])
    if action.startswith("set-var"):
        _set_variable(visit, action, args)
    elif action in ("set-path", "set-pathq", "set-uri"):
        path, mark, query = filled(visit, text).partition("?")
        if action == "set-uri" and not path.startswith("/"):
            path = re.sub(r"^\w+://[^/]*", "", path) or "/"
        visit.path = settled(visit, path)
        visit.query = visit.query if action == "set-path" else query if mark else None
    elif action == "set-query":
        visit.query = filled(visit, text)
    elif action in ("replace-path", "replace-pathq", "replace-uri") and len(args) > 1:
        _replace(visit, action, args[0], args[1], line)
    elif action == "set-method":
        visit.method = filled(visit, text)
    elif action in ("set-header", "add-header", "replace-header", "replace-value", "del-header"):
        _set_header(visit, action, args)
    elif action in ("expect-proxy", "expect-netscaler-cip"):
        visit.source = visit.source if visit.bind.local else ""  # whoever connects says whose connection it is
    elif action == "set-src":
        _set_source(visit, samples.fetched(visit, text))
    elif not _HARMLESS.match(action):
        visit.doubt(f"what {line.name} {action} ({line.where()}) decides is not followed")
        return False
    return True


def _set_source(visit: Visit, addresses: list[str]) -> None:
    """Take a sample for the client's address; "": the client says itself what it is."""
    if addresses and unknowns(addresses[0]):
        visit.source = ""
    elif addresses and is_from(addresses[0], "0.0.0.0/0") is not None:
        visit.source = addresses[0]


def _set_variable(visit: Visit, action: str, args: list[str]) -> None:
    name = action.partition("(")[2].rstrip(")").split(",")[0]
    if action.startswith("set-var-fmt"):
        visit.variables[name] = filled(visit, args[0] if args else "")
        return
    values = samples.fetched(visit, args[0]) if args else []
    if samples.is_guard(args[0].partition("(")[0] if args else "") and not visit.client.granted:
        visit.asked = True
    if values:
        visit.variables[name] = values[0]


def _set_header(visit: Visit, action: str, args: list[str]) -> None:
    name = args[0].lower() if args else ""
    if action == "del-header":
        text = None
    elif action == "set-header" and len(args) > 1:
        text = filled(visit, args[1])
    else:
        text = unknown(f"HAProxy's {action} {name}")
    visit.headers[name] = text
    if name == "host":
        visit.host = text or ""


def _replace(visit: Visit, action: str, pattern: str, template: str, line: Directive) -> None:
    """Put what a template says in place of a whole path, where a pattern matches anywhere in it."""
    whole = visit.path if action == "replace-path" else visit.uri
    try:
        match = pcre.read(pattern).regex.search(whole)
    except pcre.UnreadableError:
        visit.doubt(f"the pattern {pattern} ({line.where()}) cannot be read")
        visit.path = settled(visit, unknown(f"the pattern {pattern}"), other=visit.path)
        return
    if match is None:
        return
    groups = (match[0], *match.groups(""))
    text = _GROUP.sub(
        lambda group: groups[int(group[1])] if int(group[1]) < len(groups) else "", filled(visit, template)
    )
    if action == "replace-path":
        visit.path = settled(visit, text)
    else:
        path, mark, query = text.partition("?")
        visit.path = settled(visit, path)
        visit.query = query if mark else None


def filled(visit: Visit, template: str) -> str:
    """Return a text with what its log-format expressions fetch."""

    def put(match: re.Match[str]) -> str:
        if match[1]:
            return "".join(samples.fetched(visit, match[1])[:1])
        if match[3]:
            return "%"
        known = {"HP": visit.client.uri.partition("?")[0], "HU": visit.client.uri, "HM": visit.client.method}
        return known.get(match[2], unknown(f"HAProxy's %{match[2]}"))

    return _FORMAT.sub(put, template)


# --- a server behind -------------------------------------------------------------------------------------


def _chosen(visit: Visit) -> Directive | Outcome:
    """Return the backend that the frontend's rules choose."""
    section = visit.section
    for line in section.block:
        if line.name != "use_backend" or not line.args or not holds(visit, line):
            continue
        name = filled(visit, line.args[0])
        if unknowns(name):
            visit.doubt(f"which backend use_backend {line.args[0]} ({line.where()}) chooses is decided at run time")
            names = list(visit.seen.backends)
            name = names[visit.choices.pick(("backend", line.args), len(names))] if names else ""
        if name in visit.seen.backends:
            return visit.seen.backends[name]
        break  # a name made at run time that is nobody's
    name = "".join(value(section, "default_backend")[:1])
    if name in visit.seen.backends:
        return visit.seen.backends[name]
    return section if section.name == "listen" else visit.answered(503)


def _handed_on(visit: Visit) -> Outcome:
    servers = _servers(visit)
    if not servers:
        return visit.answered(503)
    line = servers[visit.choices.pick(("server", tuple(server.where() for server in servers)), len(servers))]
    address = plain_address(line.args[0 if line.name == "dispatch" else 1])
    via = (visit.section, line)
    if unknowns(address) or line.name == "server-template" or _ANYWHERE.match(address):
        why = f"the address of {line.name} {line.args[0]} ({line.where()}) is not in the configuration"
        return visit.unknown(why, visit.uri)
    if is_node_red(address, visit.seen.sockets):
        return visit.end(Outcome("node-red", uri=visit.uri, address=address, via=via, where=line.where()))
    own = visit.seen.own(address)
    if own is None:
        return visit.end(Outcome("elsewhere", uri=visit.uri, address=address, via=via, where=line.where()))
    if visit.client.hops >= _MOST_HOPS:
        visit.doubt(f"HAProxy forwards requests to itself in a loop ({line.where()})")
        return visit.end(Outcome("unknown"))
    kept = "accept-proxy" in own.line.args
    client = replace(
        visit.client,
        uri=visit.uri,
        host=visit.host,
        method=visit.method,
        tls="ssl" in line.args,
        port=own.port,
        address=visit.source if kept else "127.0.0.1",
        hops=visit.client.hops + 1,
    )
    return visit.end(walk(visit.seen, own, client, visit.choices))


def _servers(visit: Visit) -> list[Directive]:
    """Return the servers of which one is asked."""
    lines = [line for line in visit.section.block if line.name in ("server", "server-template", "dispatch")]
    lines = [line for line in lines if "disabled" not in line.args and len(line.args) > (line.name == "server")]
    for line in visit.section.block:
        if line.name == "use-server" and line.args and holds(visit, line):
            named = [server for server in lines if server.args[0] == line.args[0]]
            if named:
                return named
    return [line for line in lines if "backup" not in line.args] or lines
