"""Every way into nginx that leads to Node-RED: each server under each of its names, and what can be asked of it.

What is asked are the paths in question, and those that the configuration itself names: its locations and patterns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_nodered_sec.rules.walk import choices, engine, pages, pcre, servers
from pytest_nodered_sec.rules.walk.config import every
from pytest_nodered_sec.rules.walk.entries import ends
from pytest_nodered_sec.rules.walk.locations import match_of
from pytest_nodered_sec.rules.walk.pages import Way
from pytest_nodered_sec.rules.walk.request import STRANGER, STRANGER_6, Client, Outcome, unknown
from pytest_nodered_sec.rules.walk.samples import ANY
from pytest_nodered_sec.rules.walk.streams import fed
from pytest_nodered_sec.rules.walk.uri import escaped

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.config import Config, Listen, Place
    from pytest_nodered_sec.rules.walk.pages import Surface


@dataclass(frozen=True)
class Door:
    """A server at a place of nginx's, under one of its names.

    Attributes:
        place: where.
        listen: the server.
        tls: whether TLS is spoken there.
        host: the name.
        named: what the server's name captured by name.
        captures: what it captured.
        doubt: why it may be another server that answers.
        address: where requests come from.
    """

    place: Place
    listen: Listen
    tls: bool
    host: str
    named: tuple[tuple[str, str], ...] = ()
    captures: tuple[str, ...] = ()
    doubt: str = ""
    address: str = STRANGER

    @property
    def server(self) -> Directive:
        """The server block."""
        return self.listen.server[-1]


def doors(config: Config) -> list[Door]:
    """Return every server that may lead to Node-RED, at each place and under each name that it answers to."""
    every_door: dict[Door, None] = {}
    handed_on = fed(config)
    for place, here in config.places.items():
        tls = any(listen.tls for listen in here)  # one of them decides for all
        relayed = any(listen.relayed for listen in here)
        address = _address(place, near=place in handed_on and place.local and not relayed)
        for host in servers.hosts(config, place):
            listen, named, captures, doubt = servers.chosen(config, place, host)
            every_door[Door(place, listen, tls, host, tuple(named.items()), captures, doubt, address)] = None
        for listen in here:
            patterns = [name for name in servers.names(listen) if name.startswith("~")]
            if patterns:  # any name that fits
                groups = re.findall(r"\?P?[<'](\w+)[>']", " ".join(patterns))
                any_name = tuple((name, unknown("host")) for name in groups)
                captures = (unknown("host"),) * 10
                every_door[Door(place, listen, tls, unknown("http_host"), any_name, captures, address=address)] = None
    return [door for door in every_door if _may_lead(config, door.server)]


def _address(place: Place, *, near: bool) -> str:
    """Return where a stranger's requests come from at a place; `near`: nginx's own stream server hands them on."""
    if place.address == "unix":
        return "unix:"
    return "127.0.0.1" if near else STRANGER_6 if ":" in place.address else STRANGER


def _may_lead(config: Config, server: Directive) -> bool:
    """Whether anything in a server may go to Node-RED, to another server of nginx's own, or nobody knows where."""
    for directive in every(server.block):
        if "_by_lua" in directive.name or directive.name.startswith(("js_", "perl")):
            return True
        if directive.name == "proxy_pass" and directive.args:
            target = directive.args[0].partition("://")[2]
            name = target.partition("/")[0]
            behind = config.upstreams.get(name, (target.removeprefix("unix:").partition(":")[0],) if
                                          target.startswith("unix:") else (name,))  # fmt: skip
            addresses = [address.removeprefix("unix:") for address in behind]
            if "$" in directive.args[0] or any(
                config.is_node_red(address) or config.own(address) for address in addresses
            ):
                return True
    return False


def way(config: Config, door: Door, uri: str, method: str = "GET", aims: tuple[str, ...] = ()) -> Way:
    """Ask for one path, as a stranger and as somebody with every right; `aims`: what one may be that is not known."""
    port = door.place.port if door.place.port.isdigit() else ""
    client = Client(uri, door.host, door.tls, port, door.address, method, aims=aims)
    return Way(uri, _ends(config, door, client), _ends(config, door, replace(client, granted=True)), method)


def _ends(config: Config, door: Door, client: Client) -> tuple[Outcome, ...]:
    def walked(made: choices.Choices) -> Outcome:
        end = engine.walk(config, door.listen, client, made, dict(door.named), door.captures)
        return replace(end, doubts=(door.doubt, *end.doubts)) if door.doubt else end

    return ends(walked, f"server ({door.server.where()})")


# --- what is asked ---------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def uris(config: Config, server: Directive, surfaces: tuple[Surface, ...]) -> tuple[str, ...]:
    """Return what to ask a server for, to find every way to some surfaces of Node-RED's."""
    return tuple(dict.fromkeys(map(escaped, pages.uris(_heads(config, server), surfaces, ANY))))


def _heads(config: Config, server: Directive) -> list[tuple[str, bool]]:
    """Return the beginnings of paths that the configuration names, and whether more may follow them."""
    heads: list[tuple[str, bool]] = []
    for directive in every(server.block):
        if directive.name == "location":
            match = match_of(directive)
            if match.kind in ("~", "~*"):
                heads += [(text, False) for text in _examples(match.text, ignore_case=match.kind == "~*")]
            elif match.kind != "@":
                heads.append((match.text, match.kind != "="))
        elif directive.name == "rewrite" and directive.args:
            heads += [(text, False) for text in _examples(directive.args[0])]
        elif directive.name == "if" and len(directive.args) > 2:
            wanted = " ".join(directive.args[2:])
            if "~" in directive.args[1]:
                heads += [(text, False) for text in _examples(wanted, ignore_case="*" in directive.args[1])]
            elif wanted.startswith("/"):
                heads.append((wanted, False))
    for table in config.variables.values():
        if table.name == "map" and "uri" in table.args[0]:
            for row in table.block:
                if row.name.startswith("~"):
                    heads += [(text, False) for text in _examples(row.name.lstrip("~*"), ignore_case=True)]
                elif row.name.startswith("/"):
                    heads.append((row.name, False))
    return list(dict.fromkeys(heads))


def unseen(config: Config, server: Directive, asked_for: tuple[str, ...]) -> list[str]:
    """Return the locations to whose patterns nothing fits that is asked for."""
    left = []
    for directive in every(server.block):
        match = match_of(directive) if directive.name == "location" else None
        if match is None or match.kind not in ("~", "~*") or not _may_lead(config, directive):
            continue
        try:
            regex = pcre.read(match.text, ignore_case=match.kind == "~*").regex
        except pcre.UnreadableError:
            continue  # a walk that meets it says so
        if not any(regex.search(uri.partition("?")[0]) for uri in asked_for):
            left.append(f"the requests for location {' '.join(directive.args)} ({directive.where()}) cannot be derived")
    return left


def inner(server: Directive, asked_for: tuple[str, ...]) -> tuple[str, ...]:
    """Return the paths, of those that are asked for, to which only nginx itself leads: locations that are internal."""
    own = [match_of(directive).text for directive in every(server.block) if directive.name == "location"
           and any(line.name == "internal" for line in directive.block)]  # fmt: skip
    return tuple(uri for uri in asked_for if uri.startswith(tuple(own)))


def _examples(pattern: str, *, ignore_case: bool = False) -> tuple[str, ...]:
    try:
        return pcre.read(pattern, ignore_case=ignore_case).examples
    except pcre.UnreadableError:
        return ()  # a walk that meets it says so
