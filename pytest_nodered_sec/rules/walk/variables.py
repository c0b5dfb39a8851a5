"""What nginx's variables are worth to a request; those of map, geo and split_clients stand in tables."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.walk import conditions
from pytest_nodered_sec.rules.walk.blocks import value
from pytest_nodered_sec.rules.walk.request import unknown, unknowns
from pytest_nodered_sec.rules.walk.uri import escaped

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.request import Request

VARIABLE: Final = re.compile(r"\$(?:([1-9])|\{(\w+)\}|(\w+))", re.ASCII)
_EMPTY: Final = re.compile(r"ssl_client_|ssl_session_")
_UNIQUE: Final = re.compile("fingerprint$|cert$|ssl_session_")  # of a certificate: what takes its key
_OWN: Final = "5e" * 20


def filled(request: Request, text: str, *, quote: bool = False) -> str:
    """Return a text with its variables' values; `quote`: captures are percent-encoded as the URI was."""

    def value_of(match: re.Match[str]) -> str:
        if match[1]:
            number = int(match[1])
            captured = request.captures[number] if number < len(request.captures) else ""
            return escaped(captured, args=True) if quote and request.quoted else captured
        return worth(request, match[2] or match[3])

    return VARIABLE.sub(value_of, text)


def worth(request: Request, name: str) -> str:
    """Return a variable's value."""
    name = name.lower()
    if name in ("args", "query_string"):
        return request.args
    if name in request.variables:
        return request.variables[name]
    if name in request.config.variables:
        request.variables[name] = _mapped(request, request.config.variables[name])
        return request.variables[name]
    own = _own(request, name)
    if own is not None:
        return own
    if name in request.config.scripted:
        return unknown(f"{name} ({request.config.scripted[name].where()})")
    if name in request.config.assigned:
        return ""
    return _sent(request, name)


def _own(request: Request, name: str) -> str | None:
    """Return what nginx itself knows."""
    client = request.client
    names = value(request.server[-1:], "server_name")
    server_name = names[0] if names else ""
    if not server_name.startswith("~"):
        server_name = server_name.lower().removeprefix(".")
    host = re.sub(r":\d*$", "", client.host).lower().rstrip(".")
    known = {
        "uri": request.uri,
        "document_uri": request.uri,
        "request_uri": client.uri,
        "is_args": "?" if request.args else "",
        "scheme": "https" if client.tls else "http",
        "https": "on" if client.tls else "",
        "server_port": client.port,
        "server_protocol": "HTTP/1.1",
        "request_method": request.method,
        "host": host or server_name,
        "http_host": client.host,
        "server_name": server_name,
        "ssl_server_name": host if client.tls else "",
        "ssl_protocol": "TLSv1.3" if client.tls else "",
        "request": f"{client.method} {client.uri} HTTP/1.1",
        "ssl_client_verify": _verified(request),
    }
    if name in known:
        return known[name]
    if name in ("remote_addr", "realip_remote_addr"):
        return unknown("arg_address") if client.granted or trusts_anybody(request) else client.address
    if name.startswith("proxy_protocol_"):
        known_ = request.relayed and not (request.told or client.granted) and name == "proxy_protocol_addr"
        return client.address if known_ else unknown("arg_address") if request.relayed else ""
    if _EMPTY.match(name) and not client.granted:
        return _of_a_certificate(request, name)
    return None


def _of_a_certificate(request: Request, name: str) -> str:
    """Return what a stranger's certificate says, "" without one: unchecked, it has any names and a key of its own."""
    if value(request.path, "ssl_verify_client") != ("optional_no_ca",) or not request.client.tls or not _made(request):
        return ""
    return _OWN if _UNIQUE.search(name) else unknown("arg_certificate")


def _made(request: Request) -> bool:
    return request.choices.whether("a certificate of the client's own making")


def _verified(request: Request) -> str:
    verify = value(request.server, "ssl_verify_client")
    if not request.client.tls or verify in ((), ("off",)):
        return ""
    if request.client.granted:
        return "SUCCESS"
    bad = verify == ("optional_no_ca",) and _made(request)
    return "FAILED:self-signed certificate" if bad else "NONE"


def trusts_anybody(request: Request) -> bool:
    """Whether anybody may say which address a request comes from: in a header, or by the PROXY protocol."""
    if value(request.path, "real_ip_header") == ("proxy_protocol",) and not request.told:
        return False
    at = "0.0.0.0/0" if request.client.hops else request.client.address  # nginx's own next server may be trusted
    networks = (arg for block in request.path for directive in block.block if directive.name == "set_real_ip_from"
                for arg in directive.args)  # fmt: skip
    return any(arg in (at, "0.0.0.0/0", "::/0") or conditions.is_from(at, arg) for arg in networks)


def _sent(request: Request, name: str) -> str:
    """Return what the client sent."""
    if name in request.bound:
        return request.bound[name]
    headers = request.client.headers
    if headers is None:
        return unknown(name)
    if name.startswith("arg_"):
        match = re.search(rf"(?:^|&){re.escape(name[4:])}=([^&]*)", request.args, re.IGNORECASE)
        return match[1] if match else ""
    return headers.get(name.removeprefix("http_").replace("_", "-"), "")


# --- tables ----------------------------------------------------------------------------------------------


def _mapped(request: Request, table: Directive) -> str:
    """Return the value that a table gives its variable."""
    if table.name == "geo":
        return _by_address(request, table)
    if table.name == "split_clients":
        shares = [row.args[0] for row in table.block if row.args]
        return filled(request, shares[request.choices.pick(table.where(), len(shares))]) if shares else ""
    return _by_text(request, table)


def _by_text(request: Request, table: Directive) -> str:
    """Look up in a map: exact texts first, then names with wildcards, then patterns in their order."""
    source = filled(request, table.args[0])
    rows = [(row.name, row.args[0]) for row in table.block if row.args]
    by_name = any(row.name == "hostnames" for row in table.block)
    default = next((worth for key, worth in rows if key == "default"), "")
    plain = [(key, worth) for key, worth in rows if not key.startswith("~") and key != "default"]
    for key, worth in plain:
        if not (by_name and _is_wildcard(key)) and conditions.equal(
            request, source, key.removeprefix("\\"), ignore_case=True
        ):
            return filled(request, worth)
    if by_name and not unknowns(source):
        fitting = [(len(key), worth) for key, worth in plain if _fits(key, source.lower())]
        if fitting:
            return filled(request, max(fitting)[1])
    for key, worth in rows:
        if key.startswith("~"):
            ignore = key.startswith("~*")
            pattern = key[2:] if ignore else key[1:]
            if conditions.matches(request, pattern, source, ignore_case=ignore, where=table.where()):
                return filled(request, worth)
    return filled(request, default)


def _is_wildcard(key: str) -> bool:
    return key.startswith(("*.", ".")) or key.endswith(".*")


def _fits(key: str, name: str) -> bool:
    if key.startswith("."):
        return name == key[1:] or name.endswith(key.lower())
    if key.startswith("*."):
        return name.endswith(key[1:].lower())
    return key.endswith(".*") and name.startswith(key[:-1].lower())


def _by_address(request: Request, table: Directive) -> str:
    """Look up in a geo: the smallest network, or the narrowest range, that holds the address."""
    source = filled(request, table.args[0]) if len(table.args) > 1 else worth(request, "remote_addr")
    rows = [(row.name, row.args[0]) for row in table.block if row.args and row.name not in ("proxy", "delete")]
    default = next((given for key, given in rows if key == "default"), "")
    networks = [(key, given) for key, given in rows if key != "default"]
    proxies = [row.args[0] for row in table.block if row.name == "proxy" and row.args]
    if unknowns(source) or any(conditions.is_from(source, proxy) is not False for proxy in proxies):
        values = list(dict.fromkeys((default, *(given for _, given in networks))))
        return values[request.choices.pick((table.where(), "any"), len(values))]
    if conditions.is_from(source, "0.0.0.0/0") is None:
        source = "255.255.255.255"  # as nginx takes what is no address
    fitting = []
    ranges = any(row.name == "ranges" for row in table.block)
    for key, given in networks:
        inside = conditions.is_between(source, key) if ranges else conditions.is_from(source, key)
        if inside is None:
            request.doubt(f"{key} ({table.where()}) is no network")
            return unknown(table.args[-1][1:])
        if inside:
            fitting.append((_narrowness(key), given))
    return max(fitting)[1] if fitting else default


def _narrowness(key: str) -> int:
    """Return how few addresses a network or a range holds."""
    first, dash, last = key.partition("-")
    if dash:
        return int(ip_address(first)) - int(ip_address(last))
    return int(key.partition("/")[2] or 128)
