"""A request's way through Traefik 3: the router of the highest priority whose rule fits, its middlewares, its service.

Paths are tidied before rules compare them, and go on as they are then. A router with a mistake is one that Traefik
leaves out.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from pytest_nodered_sec.rules.walk import pcre, traefik_rules
from pytest_nodered_sec.rules.walk.anything import settled
from pytest_nodered_sec.rules.walk.config import is_node_red
from pytest_nodered_sec.rules.walk.request import Outcome, unknown, unknowns
from pytest_nodered_sec.rules.walk.traefik_routers import first, fitting
from pytest_nodered_sec.rules.walk.traefik_visit import Visit, below, number, text, texts

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.choices import Choices
    from pytest_nodered_sec.rules.walk.request import Client
    from pytest_nodered_sec.rules.walk.traefik_visit import Bind, Setup

_MOST_HOPS: Final = 4
_REDIRECTS_FIRST: Final = 2**31 - 2  # priority of an entry point's own redirect
_ENCODED: Final = re.compile("%([0-9a-fA-F]{2})")
_KEPT: Final = frozenset(":/?#[]@!$&'()*+,;=%")
_GROUP: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+)|\$)", re.ASCII)  # as Go's Regexp.Expand reads it
_HARMLESS: Final = (
    "headers", "compress", "ratelimit", "inflightreq", "retry", "buffering", "circuitbreaker", "contenttype", "grpcweb",
    "passtlsclientcert",
)  # fmt: skip


def walk(seen: Setup, bind: Bind, client: Client, choices: Choices) -> Outcome:
    """Return what becomes of a request that comes in at an entry point."""
    visit = Visit(client, seen, bind, choices)
    if seen.twice:
        return visit.unknown(f"two files define {seen.twice}")
    path, mark, query = client.uri.partition("?")
    visit.query = query if mark else None
    if not path.startswith("/") or re.search("%(?![0-9a-fA-F]{2})", path):
        return visit.answered(400)
    visit.path = tidied(path) if text(bind.node, "http", "sanitizePath") != "false" else path
    visit.path = _ENCODED.sub(_decoded, visit.path)
    if "%" in visit.path:
        visit.doubt("what becomes of percent-encoded delimiters is not followed")
    router = _chosen(visit)
    if isinstance(router, Outcome):
        return router
    if router is None:
        return visit.answered(404)
    if client.tls and not client.granted and _demands_certificate(visit, router):
        visit.refused.append("clientAuthType RequireAndVerifyClientCert")
        return visit.answered(0)
    for name in (*texts(bind.node, "http", "middlewares"), *texts(router, "middlewares")):
        if answer := _passed(visit, name, 0):
            return answer
    return _routed(visit, router, 0)


def _routed(visit: Visit, router: Directive, depth: int) -> Outcome:
    """Return what becomes of a request behind a router's middlewares; its children see what these made of it."""
    children = visit.seen.children(router)
    if not children:
        return _served(visit, text(router, "service"), 0)
    if depth > _MOST_HOPS:
        return visit.unknown(f"the routers below {router.name} ({router.file}) are too many to follow")
    child = first(visit, fitting(visit, children))
    if child is None:
        return visit.answered(404)
    for name in texts(child, "middlewares"):
        if answer := _passed(visit, name, 0):
            return answer
    return _routed(visit, child, depth + 1)


def tidied(path: str) -> str:
    """Resolve dots and merge slashes, as Go's URL.JoinPath does."""
    path = re.sub("%2[eE]", ".", path)
    clean = posixpath.normpath("/" + path.lstrip("/"))
    return clean + "/" if path.endswith("/") and clean != "/" else clean


def _decoded(code: re.Match[str]) -> str:
    char = chr(int(code[1], 16))
    return code[0] if char in _KEPT else char


# --- routers ---------------------------------------------------------------------------------------------


def _chosen(visit: Visit) -> Directive | Outcome | None:
    """Return the router that takes a request; an entry point's own redirect stands among them."""
    fits = fitting(visit, visit.seen.routers(visit.bind, tls=visit.client.tls))
    target = text(visit.bind.node, "http", "redirections", "entryPoint", "to")
    if target and not visit.client.tls:
        own = number(text(visit.bind.node, "http", "redirections", "entryPoint", "priority")) or _REDIRECTS_FIRST
        if own >= max(fits, default=0):
            return _redirected_to(visit, target)
    return first(visit, fits)


def _redirected_to(visit: Visit, target: str) -> Outcome:
    redirect = below(visit.bind.node, "http", "redirections", "entryPoint")
    port = next((bind.port for bind in visit.seen.binds if bind.name == target), target.removeprefix(":"))
    scheme = text(redirect, "scheme") or "https"
    return visit.answered(
        _status(visit, permanent=text(redirect, "permanent") != "false"), _elsewhere(visit, scheme, port)
    )


def _status(visit: Visit, *, permanent: bool) -> int:
    if visit.client.method == "GET":
        return 301 if permanent else 302
    return 308 if permanent else 307


def _elsewhere(visit: Visit, scheme: str, port: str) -> str:
    usual = {"https": "443", "http": "80"}.get(scheme, "")
    return f"{scheme}://{visit.client.host}{'' if port in ('', usual) else ':' + port}{_shown(visit)}"


def _shown(visit: Visit) -> str:
    return _quoted(visit.path or "/") + ("" if visit.query is None else f"?{visit.query}")


def _quoted(path: str) -> str:
    return quote(path, safe="/%:@!$&'()*+,;=~-._", encoding="utf-8")


def _demands_certificate(visit: Visit, router: Directive) -> bool:
    """Whether the TLS options of a router demand a client certificate that is verified."""
    named = text(router, "tls", "options") or text(visit.bind.node, "http", "tls", "options") or "default"
    options = visit.seen.named("tls", "options").get(named.removesuffix("@file"))
    if named != "default" and "host(" not in text(router, "rule").lower():
        options = visit.seen.named("tls", "options").get("default")  # of routers without a name only that counts
    elif named != "default":
        others = {
            text(other, "tls", "options")
            for other in visit.seen.routers(visit.bind, tls=True)
            if set(_hosts(text(other, "rule"))) & set(_hosts(text(router, "rule")))
        }
        if len(others) > 1:
            visit.doubt(f"routers of the same name as {router.name} ({router.file}) have other TLS options")
    return text(options, "clientAuth", "clientAuthType") == "RequireAndVerifyClientCert"


def _hosts(rule: str) -> list[str]:
    return re.findall(r"(?i)host\([`\"]([^`\"]*)", rule)


# --- middlewares -----------------------------------------------------------------------------------------


def _passed(visit: Visit, name: str, depth: int) -> Outcome | None:
    """Do what a middleware does; None where it lets a request pass."""
    middleware = visit.seen.named("http", "middlewares").get(name.removesuffix("@file"))
    if middleware is None or len(middleware.block) != 1 or depth > _MOST_HOPS:
        visit.doubt(f"middleware {name} is not followed")
        return None
    node = middleware.block[0]
    kind = node.name.lower()
    if kind == "chain":
        answers = (_passed(visit, inner, depth + 1) for inner in texts(node, "middlewares"))
        return next((answer for answer in answers if answer), None)
    if kind == "headers" and below(node, "customRequestHeaders", "Authorization"):
        visit.signed = name
    if kind in ("basicauth", "digestauth", "forwardauth"):
        return _logged_in(visit, name, node.name)
    if kind in ("ipallowlist", "ipwhitelist"):
        return _listed(visit, name, node)
    if kind == "errors":
        return _error_page(visit, name, node, depth)
    if kind == "redirectscheme":
        return _redirect_scheme(visit, node)
    if kind == "redirectregex":
        return _redirect_regex(visit, node)
    if kind in ("stripprefix", "stripprefixregex", "addprefix", "replacepath", "replacepathregex"):
        _change(visit, kind, node)
    elif kind not in _HARMLESS:
        visit.doubt(f"middleware {name} ({node.name}) is not followed")
    return None


def _logged_in(visit: Visit, name: str, kind: str) -> Outcome | None:
    if visit.client.granted:
        return None
    visit.refused.append(f"{kind} {name}")
    if visit.signed:
        visit.doubt(f"whether middleware {visit.signed} logs everybody in at {name} is unknown: it sets Authorization")
        if visit.choices.whether(("signed", name)):
            return None
    return visit.answered(401)


def _error_page(visit: Visit, name: str, node: Directive, depth: int) -> Outcome | None:
    """Return what is shown in place of an error: another service's page, to whoever is refused behind it."""
    if not visit.choices.whether(("errors", name)):
        return None
    asked = re.sub(r"\{(\w+)\}", unknown(r"{\1}"), text(node, "query").replace("{status}", "500"))
    path, mark, query = asked.partition("?")
    path = settled(visit, path)
    visit.path, visit.query = path or "/", query if mark else None
    return _served(visit, text(node, "service"), depth + 1)


def _listed(visit: Visit, name: str, node: Directive) -> Outcome | None:
    networks = list(texts(node, "sourceRange"))
    if below(node, "ipStrategy"):
        visit.doubt(f"ipStrategy of middleware {name} is not followed")
        near = visit.choices.whether(("strategy", name))
    else:
        near = traefik_rules.is_near(visit, networks)
    if near:
        return None
    visit.refused.append(f"{node.name} {name}")
    return visit.answered(number(text(node, "rejectStatusCode")) or 403)


def _redirect_scheme(visit: Visit, node: Directive) -> Outcome | None:
    scheme, port = text(node, "scheme") or "https", text(node, "port")
    said = text(visit.bind.node, "forwardedHeaders", "insecure") == "true" and visit.choices.whether(("proto", scheme))
    if said or ("https" if visit.client.tls else "http") == scheme:
        return None
    return visit.answered(_status(visit, permanent=text(node, "permanent") == "true"), _elsewhere(visit, scheme, port))


def _redirect_regex(visit: Visit, node: Directive) -> Outcome | None:
    url = f"{'https' if visit.client.tls else 'http'}://{visit.client.host}{_shown(visit)}"
    put = _replaced(visit, text(node, "regex"), text(node, "replacement"), url)
    if put == url or (unknowns(put) and not visit.choices.whether(("redirects", url))):
        return None
    return visit.answered(_status(visit, permanent=text(node, "permanent") == "true"), put)


def _replaced(visit: Visit, pattern: str, template: str, whole: str) -> str:
    """Put what a template says in place of every match of a pattern."""
    regex = _python(visit, pattern)
    if regex is None:
        return unknown(f"the pattern {pattern}")

    def put(match: re.Match[str]) -> str:
        def group(place: re.Match[str]) -> str:
            name = place[1] or place[2] or ""
            if not name:
                return "$"
            number = int(name) if name.isdigit() else regex.groupindex.get(name, regex.groups + 1)
            return (match[number] or "") if number <= regex.groups else ""

        return _GROUP.sub(group, template)

    return regex.sub(put, whole)


def _change(visit: Visit, kind: str, node: Directive) -> None:
    """Change the path."""
    before = visit.path
    if kind == "stripprefix":
        prefix = next((prefix for prefix in texts(node, "prefixes") if before.startswith(prefix)), "")
        visit.path = before.removeprefix(prefix)
    elif kind == "stripprefixregex":
        for pattern in texts(node, "regex"):
            regex = _python(visit, pattern)
            if regex is None:
                visit.path = settled(visit, unknown(f"the pattern {pattern}"), other=before)
                break
            match = regex.match(before)
            if match and match[0]:
                visit.path = before[match.end() :]
                break
    elif kind == "addprefix":
        visit.path = text(node, "prefix") + before
    elif kind == "replacepath":
        visit.path = text(node, "path")
    elif text(node, "replacement"):
        put = _replaced(visit, text(node, "regex"), text(node, "replacement"), _quoted(before))
        visit.path = unquote(settled(visit, put, other=before))
    if visit.path and not visit.path.startswith("/"):
        visit.path = f"/{visit.path}"


def _python(visit: Visit, pattern: str) -> re.Pattern[str] | None:
    """Return a pattern of Go's for Python; None, with a doubt, where it cannot be read."""
    try:
        return pcre.read(pattern, strict_end=True).regex
    except pcre.UnreadableError:
        visit.doubt(f"the pattern {pattern} cannot be read")
        return None


# --- services --------------------------------------------------------------------------------------------


def _served(visit: Visit, name: str, depth: int) -> Outcome:
    """Return who gets a request."""
    service = visit.seen.named("http", "services").get(name.removesuffix("@file"))
    if name.endswith("@internal"):
        return visit.answered(404)
    if service is None or depth > _MOST_HOPS:
        return visit.unknown(f"service {name} is not in the configuration", _shown(visit))
    for kind in service.block:
        if kind.name.lower() == "loadbalancer":
            return _balanced(visit, name, kind)
        if kind.name.lower() in ("weighted", "highestrandomweight"):
            rows = below(kind, "services")
            names = [text(row, "name") for row in (rows.block if rows else ()) if text(row, "weight") != "0"]
        elif kind.name.lower() == "mirroring":  # which sends others the same requests
            rows = below(kind, "mirrors")
            mirrors = [row for row in (rows.block if rows else ()) if number(text(row, "percent"))]
            names = [text(kind, "service"), *(text(row, "name") for row in mirrors)]
        elif kind.name.lower() == "failover":
            names = [text(kind, "service"), text(kind, "fallback")]
        else:
            continue
        if names:
            return _served(visit, names[visit.choices.pick(("service", name), len(names))], depth + 1)
    return visit.unknown(f"service {name} ({service.file}) is not followed", _shown(visit))


def _balanced(visit: Visit, name: str, node: Directive) -> Outcome:
    rows = below(node, "servers")
    servers = list(rows.block) if rows else []
    if not servers:
        return visit.answered(503)
    server = servers[visit.choices.pick(("server", name), len(servers))]
    url = re.fullmatch(r"(https?|h2c)://([^/?#]*)(/[^?#]*)?.*", text(server, "url"))
    if url is None:
        return visit.unknown(f"a server of service {name} ({node.file}) has no URL that is followed", _shown(visit))
    place = url[2].rpartition("@")[2]
    address = place if re.search(r":\d+$", place) else f"{place}:{'443' if url[1] == 'https' else '80'}"
    if text(server, "preservePath") == "true" and (url[3] or "").strip("/"):
        visit.path = (url[3] or "").rstrip("/") + (visit.path or "/")
    transport = visit.seen.named("http", "serversTransports").get(text(node, "serversTransport").removesuffix("@file"))
    careless = text(transport, "insecureSkipVerify") == "true" or (
        text(visit.seen.directives[0], "serversTransport", "insecureSkipVerify") == "true"
    )
    via = (replace(node, name=url[1], args=("careless",) * careless),)
    where = f"service {name} ({node.file})"
    uri = _shown(visit)
    if is_node_red(address, visit.seen.sockets):
        return visit.end(Outcome("node-red", uri=uri, address=address, via=via, where=where))
    own = visit.seen.own(address)
    if own is None:
        return visit.end(Outcome("elsewhere", uri=uri, address=address, via=via, where=where))
    if visit.client.hops >= _MOST_HOPS:
        return visit.unknown(f"Traefik forwards requests to itself in a loop ({where})")
    host = visit.client.host if text(node, "passHostHeader") != "false" else place.rpartition(":")[0]
    client = replace(visit.client, uri=uri, tls=url[1] == "https", port=own.port, address="127.0.0.1", host=host,
                     hops=visit.client.hops + 1)  # fmt: skip
    return visit.end(walk(visit.seen, own, client, visit.choices))
