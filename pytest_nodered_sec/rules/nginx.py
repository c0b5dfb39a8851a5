"""nginx in front of Node-RED: the service, the way that requests take through its configuration, its TLS settings.

Which blocks lead to Node-RED is found here: `proxy_pass` with addresses, upstreams, and variables set by `map` and
`set`. How nginx chooses a location: ngx_http_core_module, "location"; how it joins `proxy_pass` and the path:
ngx_http_proxy_module; in which order `allow` and `deny` count: ngx_http_access_module.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.model import NotApplicable, NotJudged, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.model import Verdict
    from pytest_nodered_sec.model_host import Directive, ListeningSocket, NginxConfig, NginxService
    from pytest_nodered_sec.policy import Policy

LOOPBACK: Final = re.compile(r"^(localhost|127(\.\d+){3}|\[::1\])$")
_BROKEN: Final = re.compile(r"RC4|DES|NULL|EXP|MD5|SEED|IDEA|CAMELLIA128-SHA$|^(ALL|LOW|MEDIUM|COMPLEMENTOFALL)$")
_PLACE: Final = re.compile(  # up to the path, which may begin with a variable of the request's
    r"(?:[^/$]+|\$\{?(?!(?:request_uri|uri|document_uri|is_args|args|\d+)\b)\w+\}?)+"
)
_AEAD: Final = re.compile("GCM|CHACHA20|CCM")
_EPHEMERAL: Final = re.compile("ECDHE|DHE|EECDH|EDH")
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
    elif seen.unit is not None and seen.unit.get("ActiveState") in ("inactive", "failed"):
        remedy = f"stop the nginx that runs, then systemctl start {seen.unit.name}: systemctl reload does not reach it"
        found.append(Violation("by-hand", f"{seen.evidence()}; {seen.unit.name} is not active", "a service", remedy))
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
    past = _streams(seen)
    if not leading and not past:
        return _leads_elsewhere(seen)
    found = list(past)
    for path in leading:
        found += _plain(path[-1])
        found += _far(path, seen)
        found += [one for page in policy.dashboards or _SOCKETS for one in _uneven(path, page, seen)]
    return tuple(found)


def tls_is_as_demanded(seen: NginxConfig, policy: Policy) -> Verdict:
    """nginx's own TLS settings fit the profile, and it does not tell its release."""
    if seen.other:
        return NotApplicable(seen.other)
    leading = _leading(seen)
    if not leading:
        return _leads_elsewhere(seen)
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
        if set(protocols) == {"TLSv1.3"}:
            continue  # its suites are all good, and ssl_ciphers does not name them
        if observed := _weak_suites(_value(path, "ssl_ciphers"), policy):
            remedy = "nginx, http: ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;"
            expected = "no broken suites" if policy.profile == "baseline" else "forward secrecy and AEAD only"
            found.append(Violation("ciphers", f"{where}: {observed}", expected, remedy))
    return tuple(found)


def _weak_suites(value: tuple[str, ...], policy: Policy) -> str:
    """Say which parts of ssl_ciphers the profile does not allow, "" for none."""
    if not value:  # HIGH:!aNULL:!MD5, by nginx itself
        return (
            ""
            if policy.profile == "baseline"
            else "ssl_ciphers is not set: nginx then allows CBC, and suites without forward secrecy"
        )
    parts = [one for one in re.split(r"[: ,]", ":".join(value)) if one and one[0] not in "!-@" and one[:4] != "TLS_"]
    weak = [one for one in parts if _BROKEN.search(one)]
    if policy.profile != "baseline":
        weak += [one for one in parts if one not in weak and not (_AEAD.search(one) and _EPHEMERAL.search(one))]
    return f"ssl_ciphers allows {', '.join(weak)}" if weak else ""


# --- the way to Node-RED ---------------------------------------------------------------------------------


def _leads_elsewhere(seen: NginxConfig) -> NotApplicable | NotJudged:
    for one in _all(seen.directives):
        if one.name == "proxy_pass" and any("$" in address for address in _addresses(one.args[0], seen)):
            reason = f"proxy_pass {one.args[0]} ({one.where()}): where it leads cannot be told from the configuration"
            return NotJudged(f"{reason}; name it in an upstream, or in a map or set")
    return NotApplicable(f"{seen.evidence()}; no server block of nginx leads there")


def _streams(seen: NginxConfig) -> list[Violation]:
    """Return the servers that hand raw connections to Node-RED: past TLS or past every login of nginx's."""
    return [
        Violation(
            "stream",
            f"stream server ({server.where()}) hands connections on {', '.join(args[0] for args in _listens(server))} "
            f"to Node-RED at {address}: nginx asks for no login there",
            "nothing leads to Node-RED but http servers with TLS",
            "nginx: delete that server of the stream block, or close its port to all but the proxy",
        )
        for block in seen.directives
        if block.name == "stream"
        for server in block.block
        if server.name == "server"
        for _, address in _targets((block, server), seen)
    ]


def _leading(seen: NginxConfig) -> list[Path]:
    """Return every server block that hands something to Node-RED, each with the blocks around it."""
    return [path for path in _servers(seen.directives, ()) if any(True for _ in _targets(path, seen))]


def _servers(directives: tuple[Directive, ...], above: Path) -> Iterator[Path]:
    for one in directives:
        if one.name == "http":
            yield from _servers(one.block, (one,))
        elif one.name == "server" and above:
            yield (*above, one)


def _targets(path: Path, seen: NginxConfig) -> Iterator[tuple[Path, str]]:
    """Yield each proxy_pass below a block that ends at Node-RED: with the blocks around it, and where it goes."""
    for one in path[-1].block:
        if one.name == "proxy_pass" and one.args:
            for address in _addresses(one.args[0], seen):
                if is_node_red(address, seen.sockets):
                    yield (*path, one), address
        yield from _targets((*path, one), seen)


def _addresses(url: str, seen: NginxConfig) -> list[str]:
    """Return what a proxy_pass may go to: variables by every value that `map` and `set` give, upstreams by servers.

    What is left of a variable that nothing gives a value to still has its "$".
    """
    texts = [_split(url)[0]]
    for _ in range(3):  # a variable may stand for another
        texts = [full for text in texts for full in _filled(text, seen)]
    result = []
    for text in texts:
        place = text if text.startswith("/") else _split(text)[0]
        result += _upstream(place, seen) or [place]
    return result


def _split(url: str) -> tuple[str, str]:
    """Return where a proxy_pass goes, without its scheme, and the path that it puts there ("" for the client's own)."""
    rest = url.partition("://")[2] or url
    if rest.startswith("unix:"):
        place, _, path = rest.removeprefix("unix:").partition(":")
        return place, path
    own = _PLACE.match(rest)
    place = own[0] if own else ""
    return place, rest[len(place) :]


def _filled(text: str, seen: NginxConfig) -> list[str]:
    variable = re.search(r"\$\{?(\w+)\}?", text)
    if variable is None:
        return [text]
    values = _values(variable[1], seen)
    return [text.replace(variable[0], value) for value in values] or [text]


def _values(variable: str, seen: NginxConfig) -> list[str]:
    """Return every value that `map` and `set` give a variable."""
    values = []
    for one in _all(seen.directives):
        if one.name == "map" and one.args[-1:] == (f"${variable}",):
            values += [row.args[0] for row in one.block if row.args]
        elif one.name == "set" and one.args[:1] == (f"${variable}",) and len(one.args) > 1:
            values.append(one.args[1])
    return values


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
    if one.name == "rewrite":  # of every path: an https:// target ends nginx's own handling
        return one.args[0] in ("^", "^/", ".*", "^.*$", "^(.*)$", "^/(.*)$", "^(.*)", "^/(.*)") and _https(one.args[1])
    target = one.args[-1] if one.args else ""
    return one.name == "return" and (_https(target) or target in ("403", "404", "444"))


def _https(target: str) -> bool:
    return target.startswith("https://")


def _far(path: Path, seen: NginxConfig) -> list[Violation]:
    return [
        Violation(
            "upstream",
            f"proxy_pass {way[-1].args[0]} ({way[-1].where()}) goes to {address}: not loopback, "
            + ("TLS without a check of whom it reaches" if _https(way[-1].args[0]) else "a network in clear"),
            "Node-RED on loopback or a unix socket, or https:// with proxy_ssl_verify on",
            'settings.js: uiHost: "127.0.0.1"; nginx: proxy_pass http://127.0.0.1:1880;',
        )
        for way, address in _targets(path, seen)
        if not address.startswith("/")
        and not LOOPBACK.match(address.rpartition(":")[0])
        and not (_https(way[-1].args[0]) and _value(way[:-1], "proxy_ssl_verify") == ("on",))
    ]


def _uneven(path: Path, page: str, seen: NginxConfig) -> list[Violation]:
    """Compare who guards a dashboard's page with who guards its socket, other spellings, and other ways to it."""
    wanted = _guard((*path, *_chosen(path[-1], f"{page}/")), seen)
    if not wanted:
        return []  # nginx asks for no login there: Node-RED's own settings must (host-03, host-04)
    server = path[-1]
    found = []
    ways = [
        ("socket", f"{page}/socket.io/", "the live values and buttons are open to anybody"),
        ("letter-case", f"{page.upper()}/", "Express ignores letter case, so this is the same page"),
        *(("alias", other, "proxy_pass leads to the same page from there") for other in _aliases(path, page, seen)),
    ]
    for code, other, why in ways:
        if _is_open(path, other, seen):
            found.append(
                Violation(
                    code,
                    f"server {_name(server)} ({server.where()}): a login at {page}/ ({wanted}) none at {other}: {why}",
                    f"the same login at {other}",
                    f"nginx: the login at server level, or location ~* ^{page}(/|$) {{ {wanted} … }}",
                )
            )
    return found


def _aliases(path: Path, page: str, seen: NginxConfig) -> list[str]:
    """Return the other paths at which proxy_pass, by the path that it puts in place of the location's, has a page."""
    found = []
    for way, _ in _targets(path, seen):
        location, put = way[-2], _split(way[-1].args[0])[1]
        if location.name != "location" or location.args[0] in ("~", "~*") or not put.startswith("/"):
            continue
        if f"{page}/".startswith(put):
            found.append(f"{location.args[-1]}{f'{page}/'[len(put) :]}")
        elif put.startswith(f"{page}/"):
            found.append(location.args[-1])
    return [one for one in dict.fromkeys(found) if one.rstrip("/") != page]


def _is_open(path: Path, uri: str, seen: NginxConfig) -> bool:
    """Whether a server hands a path on to Node-RED without asking for a login."""
    chosen = _chosen(path[-1], uri)
    if not chosen or _guard((*path, *chosen), seen):
        return False
    named = {place for one in chosen[-1].block if one.name in ("try_files", "error_page") for place in one.args[-1:]}
    ends = [chosen, *((one,) for one in path[-1].block if one.name == "location" and one.args[-1] in named)]
    return any(any(True for _ in _targets((*path, *end), seen)) and not _guard((*path, *end), seen) for end in ends)


def guards(seen: NginxConfig, page: str) -> bool:
    """Whether every server that leads to Node-RED asks for a login at a dashboard's page and at its socket."""
    spellings = (f"{page}/", f"{page.upper()}/", f"{page}/socket.io/")
    aliases = (other for path in _leading(seen) for other in _aliases(path, page, seen))
    return all(guards_exactly(seen, uri) for uri in (*spellings, *aliases))


def guards_exactly(seen: NginxConfig, uri: str) -> bool:
    """Whether every server that leads to Node-RED asks for a login at this very path."""
    leading = _leading(seen)
    return bool(leading) and not _streams(seen) and not any(_is_open(path, uri, seen) for path in leading)


def _guard(path: Path, seen: NginxConfig) -> str:
    """Return the directive that keeps strangers out of the innermost block, "" if none does."""
    addresses = _addresses_only(path)
    if _value(path, "satisfy") == ("any",) and addresses == "open":
        return ""  # one of several is enough, and addresses let everybody in
    for name in ("auth_basic", "auth_request", "auth_jwt"):
        value = _value(path, name)
        if value and "off" not in _realms(value[0], seen):
            return f"{name} {' '.join(value)};"
    if _value(path, "ssl_verify_client") == ("on",):
        return "ssl_verify_client on;"
    return "deny all;" if addresses == "closed" else ""


def _realms(value: str, seen: NginxConfig) -> list[str]:
    """Return what a login's realm may be: a variable may switch it off."""
    return _values(value[1:].strip("{}"), seen) or [value] if value.startswith("$") else [value]


def _addresses_only(path: Path) -> str:
    """Say whether addresses keep strangers out ("closed") or let everybody in ("open"); "" without such rules."""
    for block in reversed(path):
        rules = [one for one in block.block if one.name in ("allow", "deny")]
        for one in rules:  # the first that fits counts
            if one.args[:1] in (("all",), ("0.0.0.0/0",)):
                return "open" if one.name == "allow" else "closed"
        if rules:
            return "open"  # whom no rule names may pass
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
