"""nginx in front of Node-RED: the service, the way that requests take through its configuration, its TLS settings.

Which blocks lead to Node-RED is found here: `proxy_pass` with addresses, upstreams, and variables set by `map` and
`set`. How nginx chooses a location: ngx_http_core_module, "location".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.model import NotApplicable, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.model import Verdict
    from pytest_nodered_sec.model_host import Directive, ListeningSocket, NginxConfig, NginxService
    from pytest_nodered_sec.policy import Policy

LOOPBACK: Final = re.compile(r"^(localhost|127(\.\d+){3}|\[::1\])$")
_BROKEN: Final = re.compile(r"RC4|DES|NULL|EXP|MD5|SEED|IDEA|CAMELLIA128-SHA$|^(ALL|LOW|MEDIUM|COMPLEMENTOFALL)$")
_SOCKETS: Final = ("/ui", "/dashboard")

Path = tuple["Directive", ...]
"""A block with the blocks around it, the outermost first."""


def nginx_is_in_service(seen: NginxService, policy: Policy) -> Verdict:
    """nginx is installed, starts at boot, runs, and its configuration is valid."""
    if not seen.installed:
        if "nginx" not in policy.host.demands:
            return NotApplicable(seen.evidence())
        return (
            Violation(
                "not-installed",
                seen.evidence(),
                "nginx, as the policy says",
                "apt install nginx && systemctl enable --now nginx",
            ),
        )
    found = []
    if not seen.running:
        if seen.other and "nginx" not in policy.host.demands:
            return NotApplicable(f"{seen.evidence()}; {seen.other} runs instead")
        found.append(Violation("not-running", seen.evidence(), "a running nginx", "systemctl enable --now nginx"))
    if seen.unit is not None and seen.unit.get("UnitFileState") != "enabled":
        found.append(Violation("not-enabled", seen.evidence(), "nginx starts at boot", "systemctl enable nginx"))
    if seen.valid is False:
        remedy = "nginx -t names the line; until it is valid nginx cannot be restarted"
        found.append(Violation("not-valid", seen.evidence(), "a valid configuration", remedy))
    return tuple(found)


def nginx_way_is_guarded(seen: NginxConfig, policy: Policy) -> Verdict:
    """Servers that lead to Node-RED are TLS-only or redirect, guard sockets as pages, and go to loopback."""
    if seen.other:
        return NotApplicable(seen.other)
    leading = _leading(seen)
    if not leading:
        return NotApplicable(f"{seen.evidence()}; no server block of nginx leads there")
    found: list[Violation] = []
    for path in leading:
        found += _plain(path[-1])
        found += _far(path[-1], seen)
        found += [one for page in policy.dashboards or _SOCKETS for one in _uneven(path, page)]
    return tuple(found)


def tls_is_as_demanded(seen: NginxConfig, policy: Policy) -> Verdict:
    """nginx's own TLS settings fit the profile, and it does not tell its release."""
    if seen.other:
        return NotApplicable(seen.other)
    leading = _leading(seen)
    if not leading:
        return NotApplicable(f"{seen.evidence()}; no server block of nginx leads there")
    found: list[Violation] = []
    wanted = {"TLSv1.3"} if policy.profile == "strict" else {"TLSv1.2", "TLSv1.3"}
    for path in leading:
        server = path[-1]
        where = f"server {_name(server)} ({server.where()})"
        if _value(path, "server_tokens") != ("off",):
            found.append(
                Violation(
                    "tokens",
                    f"{where}: server_tokens is not off",
                    "server_tokens off",
                    "nginx, http: server_tokens off;",
                )
            )
        if not any(_is_tls(one, server) for one in _listens(server)):
            continue
        protocols = _value(path, "ssl_protocols")
        line = f"nginx, http: ssl_protocols {' '.join(sorted(wanted))};"
        if not protocols:
            observed = f"{where}: ssl_protocols is not set: before nginx 1.27.3 that allows TLSv1 and TLSv1.1"
            found.append(Violation("protocols", observed, " ".join(sorted(wanted)), line))
        elif weak := sorted(set(protocols) - wanted):
            observed = f"{where}: ssl_protocols allows {', '.join(weak)}"
            found.append(Violation("protocols", observed, " ".join(sorted(wanted)), line))
        ciphers = ":".join(_value(path, "ssl_ciphers"))
        broken = [one for one in ciphers.split(":") if one and one[0] not in "!-@" and _BROKEN.search(one)]
        if broken:
            observed = f"{where}: ssl_ciphers allows {', '.join(broken)}"
            remedy = "nginx, http: ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;"
            found.append(Violation("ciphers", observed, "no broken suites", remedy))
    return tuple(found)


# --- the way to Node-RED ---------------------------------------------------------------------------------


def _leading(seen: NginxConfig) -> list[Path]:
    """Return every server block that hands something to Node-RED, each with the blocks around it."""
    return [path for path in _servers(seen.directives, ()) if list(_targets(path[-1], seen))]


def _servers(directives: tuple[Directive, ...], above: Path) -> Iterator[Path]:
    for one in directives:
        if one.name == "http":
            yield from _servers(one.block, (one,))
        elif one.name == "server" and above:
            yield (*above, one)


def _targets(block: Directive, seen: NginxConfig) -> Iterator[tuple[Directive, str]]:
    """Yield each proxy_pass below a block that ends at Node-RED, with the address it goes to."""
    for one in block.block:
        if one.name == "proxy_pass" and one.args:
            for address in _addresses(one.args[0], seen):
                if is_node_red(address, seen.sockets):
                    yield one, address
        yield from _targets(one, seen)


def _addresses(url: str, seen: NginxConfig) -> list[str]:
    """Return what a proxy_pass may go to: variables by every value that `map` and `set` give, upstreams by servers."""
    texts = [url]
    for _ in range(3):  # a variable may stand for another
        texts = [full for text in texts for full in _filled(text, seen)]
    result = []
    for text in texts:
        rest = text.partition("://")[2] or text
        if rest.startswith("unix:"):
            result.append(rest.removeprefix("unix:").partition(":")[0])
            continue
        host = rest.partition("/")[0]
        result += _upstream(host, seen) or [host]
    return result


def _filled(text: str, seen: NginxConfig) -> list[str]:
    variable = re.search(r"\$\{?(\w+)\}?", text)
    if variable is None:
        return [text]
    values = []
    for one in _all(seen.directives):
        if one.name == "map" and one.args[-1:] == (f"${variable[1]}",):
            values += [row.args[0] for row in one.block if row.args]
        elif one.name == "set" and one.args[:1] == (f"${variable[1]}",) and len(one.args) > 1:
            values.append(one.args[1])
    return [text.replace(variable[0], value) for value in values]


def _all(directives: tuple[Directive, ...]) -> Iterator[Directive]:
    for one in directives:
        yield one
        yield from _all(one.block)


def _upstream(name: str, seen: NginxConfig) -> list[str]:
    return [
        server.args[0].removeprefix("unix:")
        for one in _all(seen.directives)
        if one.name == "upstream" and one.args[:1] == (name,)
        for server in one.block
        if server.name == "server" and server.args
    ]


def is_node_red(address: str, sockets: tuple[ListeningSocket, ...]) -> bool:
    """Whether an address ("host:port", or the path of a unix socket) is one that Node-RED listens on."""
    if address.startswith("/"):
        return any(one.family == "unix" and one.address == address for one in sockets)
    port = address.rpartition(":")[2]
    return any(one.family.startswith("tcp") and str(one.port) == port for one in sockets)


# --- what is judged on the way ---------------------------------------------------------------------------


def _listens(server: Directive) -> list[tuple[str, ...]]:
    return [one.args for one in server.block if one.name == "listen"] or [("80",)]


def _is_tls(listen: tuple[str, ...], server: Directive) -> bool:
    return "ssl" in listen or "quic" in listen or any(one.name == "ssl" and one.args == ("on",) for one in server.block)


def _name(server: Directive) -> str:
    names = [" ".join(one.args) for one in server.block if one.name == "server_name"]
    return names[0] if names else "(default)"


def _plain(server: Directive) -> list[Violation]:
    clear = [args[0] for args in _listens(server) if not _is_tls(args, server) and not args[0].startswith("unix:")]
    if not clear or any(_redirects(one) for one in server.block):
        return []
    return [
        Violation(
            "plain",
            f"server {_name(server)} ({server.where()}) listens on {', '.join(clear)} without TLS, leading to Node-RED",
            "TLS only, and a server on port 80 that redirects",
            "nginx: a server of its own with listen 80; return 301 https://$host$request_uri;",
        )
    ]


def _redirects(one: Directive) -> bool:
    """Whether a directive of a server sends plain HTTP away, before any location is chosen."""
    if one.name == "if" and re.fullmatch(r"\$(scheme (!= https|= http)|https (= |!= on)?)", " ".join(one.args) + ""):
        return any(_redirects(inner) for inner in one.block)
    target = one.args[-1] if one.args else ""
    return one.name == "return" and (target.startswith("https://") or target in ("403", "404", "444"))


def _far(server: Directive, seen: NginxConfig) -> list[Violation]:
    return [
        Violation(
            "upstream",
            f"proxy_pass {one.args[0]} ({one.where()}) goes to {address}: not loopback, a network in clear",
            "Node-RED on loopback or a unix socket, or https:// with proxy_ssl_verify on",
            'settings.js: uiHost: "127.0.0.1"; nginx: proxy_pass http://127.0.0.1:1880;',
        )
        for one, address in _targets(server, seen)
        if not address.startswith("/")
        and not LOOPBACK.match(address.rpartition(":")[0])
        and not one.args[0].startswith("https:")
    ]


def _uneven(path: Path, page: str) -> list[Violation]:
    """Compare who guards a dashboard's page with who guards its socket, and the page spelt in capitals."""
    wanted = _guard((*path, *_chosen(path[-1], f"{page}/")))
    if not wanted:
        return []  # nginx asks for no login there: Node-RED's own settings must (host-03, host-04)
    server = path[-1]
    found = []
    for code, other, why in (
        ("socket", f"{page}/socket.io/", "the live values and buttons are open to anybody"),
        ("letter-case", f"{page.upper()}/", "Express ignores letter case, so this is the same page"),
    ):
        if _is_open(path, other):
            found.append(
                Violation(
                    code,
                    f"server {_name(server)} ({server.where()}): a login at {page}/ ({wanted}) none at {other}: {why}",
                    f"the same login at {other}",
                    f"nginx: the login at server level, or location ~* ^{page}(/|$) {{ {wanted} … }}",
                )
            )
    return found


def _is_open(path: Path, uri: str) -> bool:
    """Whether a server hands a path on without asking for a login."""
    chosen = _chosen(path[-1], uri)
    reached = bool(chosen) and any(one.name == "proxy_pass" for one in _all(chosen[-1].block))
    return reached and not _guard((*path, *chosen))


def guards(seen: NginxConfig, page: str) -> bool:
    """Whether every server that leads to Node-RED asks for a login at a dashboard's page and at its socket."""
    leading = _leading(seen)
    spellings = (f"{page}/", f"{page.upper()}/", f"{page}/socket.io/")
    return bool(leading) and not any(_is_open(path, uri) for path in leading for uri in spellings)


def _guard(path: Path) -> str:
    """Return the directive that keeps strangers out of the innermost block, "" if none does."""
    for name, off in (("auth_basic", "off"), ("auth_request", "off"), ("auth_jwt", "off")):
        value = _value(path, name)
        if value and value[0] != off:
            return f"{name} {' '.join(value)};"
    if _value(path, "ssl_verify_client") == ("on",):
        return "ssl_verify_client on;"
    for block in reversed(path):
        rules = [one for one in block.block if one.name in ("allow", "deny")]
        if rules:
            return "deny all;" if any(one.name == "deny" and one.args == ("all",) for one in rules) else ""
    return ""


def _value(path: Path, name: str) -> tuple[str, ...]:
    """Return a directive's arguments as the innermost block inherits them."""
    for block in reversed(path):
        for one in block.block:
            if one.name == name:
                return one.args
    return ()


def _chosen(block: Directive, uri: str) -> Path:
    """Return the locations that nginx chooses for a path, from the outside in."""
    locations = [one for one in block.block if one.name == "location"]
    exact = [one for one in locations if one.args[0] == "=" and one.args[1] == uri]
    if exact:
        return (exact[0],)
    prefixes = [one for one in locations if one.args[0] not in ("=", "~", "~*") and uri.startswith(one.args[-1])]
    longest = max(prefixes, key=lambda one: len(one.args[-1]), default=None)
    if longest is None or longest.args[0] != "^~":
        for one in locations:
            if one.args[0] in ("~", "~*") and _matches(one.args[1], uri, ignore=one.args[0] == "~*"):
                return (one, *_chosen(one, uri))
    return (longest, *_chosen(longest, uri)) if longest is not None else ()


def _matches(pattern: str, uri: str, *, ignore: bool) -> bool:
    """Match a regular expression of nginx (PCRE); one that Python cannot read matches nothing."""
    try:
        return re.search(pattern, uri, re.IGNORECASE if ignore else 0) is not None
    except re.error:
        return False
