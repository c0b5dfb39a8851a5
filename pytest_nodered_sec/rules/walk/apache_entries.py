"""Every way into Apache httpd: each place where it listens, under each name of its virtual hosts there."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pytest_nodered_sec.rules.walk import apache
from pytest_nodered_sec.rules.walk.apache_visit import Servers, Visit
from pytest_nodered_sec.rules.walk.choices import Choices
from pytest_nodered_sec.rules.walk.entries import NOBODY, Entry, ends, examples, tried
from pytest_nodered_sec.rules.walk.pages import Way
from pytest_nodered_sec.rules.walk.request import STRANGER, STRANGER_6, Client, Outcome
from pytest_nodered_sec.rules.walk.samples import ANY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.observations.host_fronts import FrontConfig
    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.apache_visit import Bind, Site
    from pytest_nodered_sec.rules.walk.pages import Surface


def entries(seen: FrontConfig, surfaces: tuple[Surface, ...]) -> tuple[Entry, ...]:
    """Ask every virtual host, under every name, for all that leads to some surfaces."""
    servers = Servers(seen.directives, seen.sockets)
    heads = tuple(dict.fromkeys(_heads(seen.directives)))
    own = {servers.own(place) for place in _places(seen.directives)}
    result: dict[tuple[Bind, int, str], Entry] = {}
    for bind in servers.binds:
        for site in servers.sites(bind):
            for name in _names(servers, site):
                host = servers.chosen(site, name)
                tls = _is_tls(servers, bind, host)
                way = partial(_way, servers, site, host, tls, name)
                entry = Entry(
                    _label(host), str(bind), tls, bind.local, bind.local and bind in own, tried(heads, surfaces, way)
                )
                result.setdefault((bind, id(host), name), entry)
    return tuple(result.values())


def far(end_via: tuple[Directive, ...]) -> str:
    """Say how the way to a server elsewhere is not safe, "" where it is: TLS that is verified."""
    scheme, verified = end_via[-1].args
    if scheme in ("https", "wss", "h2"):
        return "" if verified else "TLS without verifying the server (SSLProxyVerify require)"
    return "clear text over the network"


def _is_tls(servers: Servers, bind: Bind, host: Directive | None) -> bool:
    return apache.is_tls(Visit(Client("/", NOBODY), servers, bind, host, Choices()))


def _label(host: Directive | None) -> str:
    if host is None:
        return "the main server"
    name = next((line.args[0] for line in host.block if line.name == "servername" and line.args), " ".join(host.args))
    return f"VirtualHost {name} ({host.where()})"


def _names(servers: Servers, site: Site) -> Iterator[str]:
    """Yield every name that a group of virtual hosts tells apart, and one that is none of them."""
    names = [name for section in site.hosts for name in servers.names(section)]
    yield from dict.fromkeys((*(name.replace("*", "any").replace("?", "x") for name in names), NOBODY))


def _way(
    servers: Servers,
    site: Site,
    host: Directive | None,
    tls: bool,
    name: str,
    uri: str,
    method: str = "GET",
    aims: tuple[str, ...] = (),
) -> Way:
    bind = site.bind
    client = Client(uri, name, tls, bind.port, STRANGER_6 if ":" in bind.address else STRANGER, method, aims=aims)

    def walked(client: Client, made: Choices) -> Outcome:
        end = apache.walk(servers, bind, host, client, made)
        return replace(end, kind="unknown", doubts=(site.unsure, *end.doubts)) if site.unsure else end

    def of(client: Client) -> tuple[Outcome, ...]:
        return ends(partial(walked, client), _label(host))

    return Way(uri, of(client), of(replace(client, granted=True)), method)


def _places(directives: tuple[Directive, ...]) -> Iterator[str]:
    """Yield the addresses that the directives name."""
    for line in directives:
        yield from _places(line.block)
        for arg in line.args:
            yield from re.findall(r"\w://([^/]+)", arg)


def _heads(directives: tuple[Directive, ...]) -> Iterator[str]:
    """Yield the paths that the directives name, ANY standing for what may be anything."""
    for line in directives:
        yield from _heads(line.block)
        first = "".join(line.args[:1])
        if line.name in ("locationmatch", "proxypassmatch", "redirectmatch") or (
            line.name == "location" and first == "~"
        ):
            yield from examples("".join(line.args[-1:] if line.name.startswith("location") else line.args[:1]))
        elif line.name == "rewriterule":
            yield from examples(first.removeprefix("!"), ignore_case="NC" in "".join(line.args[2:3]))
        elif line.name == "rewritecond" and ("REQUEST_" in first or "THE_REQUEST" in first):
            yield from examples("".join(line.args[1:2]).lstrip("!="))
        elif line.name in ("location", "proxypass", "redirect") and first.startswith("/"):
            yield first.replace("*", ANY) if "*" in first else f"{first}{ANY}"
        elif line.name == "errordocument" and "".join(line.args[1:2]).startswith("/"):
            yield line.args[1]
