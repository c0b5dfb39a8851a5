"""A request's way through Apache httpd: rewriting, ProxyPass, redirects; then who is let in; then the server behind.

The order is that of ap_process_request_internal: rules that answer by themselves come before any question of access.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from pytest_nodered_sec.observations.host_proxies import Directive
from pytest_nodered_sec.rules.walk import apache_access as access_of
from pytest_nodered_sec.rules.walk.anything import may_hold_a_path, settled
from pytest_nodered_sec.rules.walk.apache_rewrite import rewritten
from pytest_nodered_sec.rules.walk.apache_variables import matches
from pytest_nodered_sec.rules.walk.apache_visit import Visit
from pytest_nodered_sec.rules.walk.config import is_node_red
from pytest_nodered_sec.rules.walk.request import Outcome, unknown, unknowns

if TYPE_CHECKING:
    from pytest_nodered_sec.rules.walk.apache_visit import Bind, Servers
    from pytest_nodered_sec.rules.walk.choices import Choices
    from pytest_nodered_sec.rules.walk.request import Client

_MOST_HOPS: Final = 4
_URL: Final = re.compile(r"(?:unix:([^|]*)\|)?([\w.+-]+):(?://((?:[^/?\0]|\0[^\0]*\0)*))?(.*)", re.DOTALL)
_WEB: Final = {"http": "80", "ws": "80", "h2c": "80", "https": "443", "wss": "443", "h2": "443"}
_GROUP: Final = re.compile(r"\\(.)|\$(\d)|&")
_ENCODED: Final = re.compile("%([0-9a-fA-F]{2})")
_REDIRECTS: Final = ("redirect", "redirectmatch", "redirectpermanent", "redirecttemp")
_CODES: Final = {"permanent": 301, "temp": 302, "seeother": 303, "gone": 410}
_OF_SERVER: Final = re.compile(
    r"virtualhost|server(name|alias)|listen|location(match)?|proxy(match)?|directory(match)?|files(match)?|if|elseif|else|"
    r"proxypass(match|inherit)?|proxyrequests|rewrite(engine|rule|cond|options)|redirect(match|permanent|temp)?|"
    r"errordocument|ssl(engine|verifyclient|proxyengine|proxyverify)|remoteip.*|addhandler|allowencodedslashes|"
    r"mergeslashes|balancermember|alias(match)?|scriptalias(match)?|setenvif.*|browsermatch.*"
)
_OF_LOCATION: Final = re.compile(
    r"proxypass(match)?|redirect(match|permanent|temp)?|errordocument|sethandler|addhandler|allowoverride|alias(match)?|"
    r"scriptalias|balancermember|rewriteengine|setenvif.*|browsermatch.*"
)


def walk(seen: Servers, bind: Bind, host: Directive | None, client: Client, choices: Choices) -> Outcome:
    """Return what becomes of a request that a virtual host answers."""
    visit = Visit(client, seen, bind, host, choices, method=client.method)
    if is_tls(visit):
        if not client.tls:
            return visit.answered(400)
        if visit.value("sslverifyclient") == "require" and not client.granted:
            visit.refused.append("SSLVerifyClient require")
            return visit.answered(0)
    for line in (*(host.block if host else ()), *seen.directives):
        if not _OF_SERVER.fullmatch(line.name):
            return visit.unknown(f"what {line.name} ({line.where()}) decides is not followed")
    if visit.value("proxyrequests") == "on":
        visit.doubt("ProxyRequests On: clients choose where Apache sends their requests")
    end = _walked(visit, client.uri)
    if end.kind == "answered" and end.status >= 400:
        for line in reversed(visit.lines("errordocument")):
            if line.args[:1] == (str(end.status),) and line.args[1:2] and line.args[1].startswith("/"):
                page = Visit(replace(client, method="GET"), seen, bind, host, choices)
                page.before, page.ended = visit.asked, visit.ended
                shown = _walked(page, line.args[1])
                if shown.kind != "answered" or shown.status < 300 or page.rewritten:  # else Apache keeps to the first
                    return replace(shown, refused=(*end.refused, *shown.refused), doubts=(*end.doubts, *shown.doubts))
                break
    return end


def is_tls(visit: Visit) -> bool:
    """Whether TLS is spoken to a virtual host."""
    engine = visit.value("sslengine")
    return engine == "on" or (not engine and visit.bind.https)


def _walked(visit: Visit, uri: str) -> Outcome:
    path, mark, query = uri.partition("?")
    visit.raw = re.sub("^/+", "/", path)  # at the beginning always
    visit.query = query if mark else None
    status, visit.uri = _decoded(visit, visit.raw)
    if status:
        return visit.answered(status)
    visit.asked = tuple(access_of.matching(visit))
    location = _location_alias(visit)
    rules = rewritten(visit)
    if rules.kind == "unknown":
        return visit.end(Outcome("unknown"))
    if rules.kind == "answered":
        visit.rewritten = True
        return visit.answered(rules.status, rules.location)
    if rules.kind == "proxy":
        return _let_in(visit, rules.url, next(iter(visit.lines("rewriterule"))), raw=False)
    if rules.kind == "file":
        return _let_in(visit, "", None, raw=False)
    return _mapped(visit, location)


def _decoded(visit: Visit, path: str) -> tuple[int, str]:
    """Return a path as Apache compares it: dots resolved, slashes merged, decoded; or the status of a bad one."""
    if not path.startswith("/"):
        return 400, path
    text = re.sub(
        "%([0-9a-fA-F]{2})",
        lambda code: chr(int(code[1], 16)) if re.match(r"[\w.~-]", chr(int(code[1], 16)), re.ASCII) else code[0],
        path,
    )
    if visit.value("mergeslashes") != "off":
        text = re.sub("/{2,}", "/", text)
    out: list[str] = []
    parts = text.split("/")[1:]
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part in (".", ".."):
            if part == ".." and not out:
                return 400, path
            if part == "..":
                out.pop()
            if last:
                out.append("")
        else:
            out.append(part)
    text = "/" + "/".join(out)
    slashes = visit.value("allowencodedslashes") or "off"
    if re.search("%(?![0-9a-fA-F]{2})", text):
        return 400, path
    if re.search("%00", text) or (slashes == "off" and re.search("%2f", text, re.IGNORECASE)):
        return 404, text
    if slashes != "off" and "%" in text:
        visit.doubt(f"what AllowEncodedSlashes {slashes} makes of a path is not followed")
    return 0, _ENCODED.sub(lambda code: chr(int(code[1], 16)), text)


# --- where it goes ---------------------------------------------------------------------------------------


def _location_alias(visit: Visit) -> tuple[Directive, Directive] | None:
    """Return the ProxyPass of the last Location that is for a request, and that Location."""
    result = None
    for section in access_of.matching(visit):
        for line in section.block:
            if line.name in ("proxypass", "proxypassmatch") and line.args:
                result = line, section
    return result


def _mapped(visit: Visit, location: tuple[Directive, Directive] | None) -> Outcome:
    """Follow ProxyPass, the Location's first, then redirects; what is left is a file."""
    if not visit.uri.startswith("/"):
        return visit.answered(400)
    aliases: list[tuple[Directive, bool, str, tuple[str, ...]]] = []
    if location:
        line, section = location
        regex = section.name == "locationmatch" or section.args[:1] == ("~",)
        if not regex and re.search(r"[*?\[]", section.args[-1]):
            visit.doubt(f"{line.name} in a section with wildcards ({line.where()}) is not followed")
            if line.args[0] != "!":
                aliases.append((line, True, "", (line.args[0] + unknown("a section's name"), *line.args[1:])))
        else:
            aliases.append((line, regex, section.args[-1], line.args))
    for line in visit.lines("proxypass", "proxypassmatch"):
        if len(line.args) > 1:
            aliases.append((line, line.name == "proxypassmatch", line.args[0], line.args[1:]))
    for line, regex, fake, rest in aliases:
        url = _aliased(visit, line, rest[0], fake, regex=regex, raw="nocanon" in rest)
        if url == "!":
            break
        if url:
            url = re.sub(r"\$\{[^}]*\}", unknown("interpolate"), url) if "interpolate" in rest else url
            options = [arg for arg in rest[1:] if arg.lower().startswith(("mapping=", "interpolate"))]
            if options:
                visit.doubt(f"{options[0]} of {line.name} ({line.where()}) is not followed")
            return _let_in(visit, url, line, raw="nocanon" in rest)
    for line in visit.lines(*_REDIRECTS):
        if answer := _redirected(visit, line):
            return answer
    return _let_in(visit, "", None, raw=False)


def _aliased(visit: Visit, line: Directive, real: str, fake: str, *, regex: bool, raw: bool) -> str:
    """Return where ProxyPass sends a request, "" for nowhere."""
    used = visit.client.uri.partition("?")[0] if raw and visit.before is None else visit.uri
    if regex:
        match = matches(visit, fake, visit.uri, line)
        if match is None or real == "!":
            return "!" if match else ""
        if raw and used != visit.uri:
            visit.doubt(f"nocanon of {line.name} ({line.where()}) is not followed")
        return _put(real, match) if re.search(r"\$\d|&", real) else real + visit.uri
    length = under(visit.uri, fake)
    if not length or real == "!":
        return "!" if length else ""
    if raw and under(used, fake) != length:
        used = visit.uri
    return real + used[length:]


def _put(template: str, match: re.Match[str]) -> str:
    groups = (match[0], *match.groups(""))

    def group(place: re.Match[str]) -> str:
        if place[1]:
            return place[1]
        number = int(place[2] or 0)
        return groups[number] if number < len(groups) else ""

    return _GROUP.sub(group, template)


def under(path: str, beginning: str) -> int:
    """Return how much of a path a beginning takes, 0 where it does not fit; one slash stands for any number of them."""
    pattern = re.sub(r"/+", "/+", re.escape(beginning).replace(r"\/", "/"))
    match = re.match(pattern, path)
    if match is None or not beginning:
        return 0
    after = path[match.end() : match.end() + 1]
    return match.end() if beginning.endswith("/") or after in ("", "/") else 0


def _redirected(visit: Visit, line: Directive) -> Outcome | None:
    """Return the answer of a redirect, None where it is for other paths."""
    args = list(line.args)
    status = {"redirectpermanent": 301}.get(line.name, 302)
    if args and (args[0].lower() in _CODES or re.fullmatch(r"\d{3}", args[0])):
        word = args.pop(0).lower()
        status = _CODES[word] if word in _CODES else int(word)
    path, target = "".join(args[:1]), "".join(args[1:2])
    if not path.startswith("/") and line.name != "redirectmatch":
        visit.doubt(f"{line.name} ({line.where()}) is not followed")
        return None
    if line.name == "redirectmatch":
        match = matches(visit, path, visit.uri, line)
        if match is None:
            return None
        target = quote(_put(target, match), safe="/:@!$&'()*+,;=~-._?#%", encoding="latin-1")
    else:
        length = under(visit.uri, path)
        if not length:
            return None
        target += quote(visit.uri[length:], safe="/:@!$&'()*+,;=~-._", encoding="latin-1")
    if not 300 <= status < 400:
        return visit.answered(status)
    if visit.query and "?" not in target:
        target += f"?{visit.query}"
    return visit.answered(status, target)


# --- who is let in ---------------------------------------------------------------------------------------


def _let_in(visit: Visit, url: str, line: Directive | None, *, raw: bool) -> Outcome:
    """Ask the sections for a request, then hand it on to a URL, or take it for a file."""
    url = _settled(visit, url)
    before = [section for section in visit.sections("proxy", "proxymatch") if url and _is_proxied(visit, section, url)]
    layers = access_of.layers(visit, before)
    sections = tuple(section for layer in layers for section in layer)
    visit.asked = None if before else sections
    access = access_of.merged(visit, (before, *layers))
    for other in access.rest:
        if other.name == "rewriterule" or not _OF_LOCATION.fullmatch(other.name):
            visit.doubt(f"{other.name} in a section ({other.where()}) is not followed")
    strange = tuple(other.name for other in access.rest if not _OF_LOCATION.fullmatch(other.name))
    # asked once, whatever came of it: Apache does not ask again, but for what it puts together anew each time
    known = not before and visit.before == sections and len(layers) < 3
    status = 0 if known else access_of.refused(visit, access)
    doubted = bool(strange) and not visit.client.granted
    if status and not (doubted and visit.choices.whether(("let in by", strange))):
        return visit.answered(status)
    for other in access.rest:
        if other.name in _REDIRECTS and (answer := _redirected(visit, other)):
            return answer
    if line is not None:
        return _handed_on(visit, url, line, raw=raw)
    return _filed(visit, access)


def _settled(visit: Visit, url: str) -> str:
    """Return a URL with a path that is known, or one that it may be."""
    parts = _URL.fullmatch(url)
    rest = parts[4] if parts else url
    if parts and may_hold_a_path(parts[3] or ""):
        return url.removesuffix(rest) + settled(visit, unknown(unknowns(parts[3])[0]), other=rest)
    path, mark, query = rest.partition("?")
    return url.removesuffix(rest) + settled(visit, path) + mark + query


def _is_proxied(visit: Visit, section: Directive, url: str) -> bool:
    text = "".join(section.args[-1:])
    if section.name == "proxymatch" or section.args[:1] == ("~",):
        return matches(visit, text, url, section) is not None
    if re.search(r"[*?\[]", text):
        pattern = re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")
        return re.fullmatch(pattern, url) is not None
    return url.startswith(text)


def _filed(visit: Visit, access: access_of.Access) -> Outcome:
    """Return what becomes of a request for a file: what a directory says, or a file in it, may hand it on."""
    for section in (
        *visit.sections("directory", "directorymatch", "files", "filesmatch"),
        Directive("", (), access.rest),
    ):
        for line in section.block:
            first = "".join(line.args[:1]).lower()
            if line.name == "allowoverride" and first != "none":
                return visit.unknown(f"AllowOverride ({line.where()}): files named .htaccess were not read")
            if line.name in ("rewriterule", "if") or first.startswith("proxy:"):
                return visit.unknown(f"{line.name} ({line.where()}) is not followed")
    return visit.answered(404 if visit.client.exists is False else 200)


def _handed_on(visit: Visit, url: str, line: Directive, *, raw: bool) -> Outcome:
    parts = _URL.fullmatch(url)
    if parts is None or unknowns(parts[3] or ""):
        uri = (parts[4] if parts else url) or "/"
        return visit.unknown(f"where {line.name} ({line.where()}) goes is not in the configuration", uri)
    socket, scheme, place, rest = parts[1], parts[2].lower(), parts[3] or "", parts[4]
    if scheme == "balancer":
        members = visit.seen.members(place)
        if not members:
            why = f"the members of balancer://{place} ({line.where()}) are not in the configuration"
            return visit.unknown(why, rest)
        member = members[visit.choices.pick(("member", place), len(members))]
        return _handed_on(visit, member.args[0].rstrip("/") + rest, member, raw=raw)
    path, mark, query = rest.partition("?")
    uri = (path if raw else _canonical(path)) or "/"
    query = query if mark else visit.query or ""
    uri += f"?{query}" if query else ""
    address = socket or (place.rpartition("@")[2])
    if not socket and re.search(r":\d*[^\d\]:][^\]]*$", address):
        return visit.answered(500)  # a path that was put right behind a port
    if not socket and not re.search(r":\d+$", address):
        address += f":{_WEB.get(scheme, '0')}"
    secured = visit.value("sslproxyverify") == "require"
    via = (replace(line, args=(scheme, "verified" if secured else "")),)
    if scheme not in _WEB:
        return visit.end(Outcome("elsewhere", uri=uri, address=address, via=via, where=line.where()))
    if scheme in ("ws", "wss") and not _upgraded(visit):
        return visit.answered(500)
    if is_node_red(address, visit.seen.sockets):
        return visit.end(Outcome("node-red", uri=uri, address=address, via=via, where=line.where()))
    own = None if socket else visit.seen.own(address)
    if own is None:
        return visit.end(Outcome("elsewhere", uri=uri, address=address, via=via, where=line.where()))
    if visit.client.hops >= _MOST_HOPS:
        return visit.unknown(f"Apache httpd forwards requests to itself in a loop ({line.where()})")
    client = replace(visit.client, uri=uri, tls=scheme in ("https", "wss"), port=own.port, address="127.0.0.1",
                     host=unknown("http_host"), method=visit.method, hops=visit.client.hops + 1)  # fmt: skip
    sites = visit.seen.sites(own)
    hosts = [host for site in sites for host in site.hosts or (None,)]
    host = hosts[visit.choices.pick(("host", address), len(hosts))]
    return visit.end(walk(visit.seen, own, host, client, visit.choices))


def _upgraded(visit: Visit) -> bool:
    headers = visit.client.headers
    return visit.choices.whether(("upgrade",)) if headers is None else headers.get("upgrade", "") == "websocket"


def _canonical(path: str) -> str:
    """Percent-encode a path as mod_proxy does (ap_proxy_canonenc)."""
    return quote(path, safe="/~$-_.+!*'(),;:@&=", encoding="latin-1")
