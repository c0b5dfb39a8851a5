"""Every way into Traefik: each entry point, in clear text and over TLS, under each name that the rules tell apart."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pytest_nodered_sec.rules.walk import traefik, traefik_rules
from pytest_nodered_sec.rules.walk.config import is_node_red
from pytest_nodered_sec.rules.walk.entries import NOBODY, Entry, Raw, ends, examples, tried
from pytest_nodered_sec.rules.walk.pages import Way
from pytest_nodered_sec.rules.walk.request import STRANGER, STRANGER_6, Client
from pytest_nodered_sec.rules.walk.samples import ANY
from pytest_nodered_sec.rules.walk.traefik_visit import Setup, below, text, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.observations.host_fronts import FrontConfig
    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.choices import Choices
    from pytest_nodered_sec.rules.walk.pages import Surface
    from pytest_nodered_sec.rules.walk.request import Outcome
    from pytest_nodered_sec.rules.walk.traefik_visit import Bind


def entries(seen: FrontConfig, surfaces: tuple[Surface, ...]) -> tuple[Entry, ...]:
    """Ask every entry point, under every name, for all that leads to some surfaces."""
    setup = Setup(seen.directives, seen.sockets)
    heads = tuple(dict.fromkeys(_heads(setup)))
    handed_to = {setup.own(address) for address in _addresses(setup, "http")}
    return tuple(
        Entry(
            f"entry point {bind.name}",
            str(bind),
            tls,
            bind.local,
            bind.local and bind in handed_to,
            tried(heads, surfaces, partial(_way, setup, bind, tls, host)),
        )
        for bind in setup.binds
        for tls in (False, True)
        if setup.routers(bind, tls=tls)
        for host in _names(setup)
    )


def raw(seen: FrontConfig) -> list[Raw]:
    """Return the TCP routers that hand connections to Node-RED without looking into them."""
    setup = Setup(seen.directives, seen.sockets)
    routers, services = setup.named("tcp", "routers"), setup.named("tcp", "services")
    return [
        Raw(f"TCP router {router.name}", bind.name, address)
        for router in routers.values()
        for bind in setup.binds
        if bind.name in (texts(router, "entryPoints") or [point.name for point in setup.binds])
        for address in _behind(services, text(router, "service"))
        if is_node_red(address, seen.sockets)
    ]


def far(end_via: tuple[Directive, ...]) -> str:
    """Say how the way to a server elsewhere is not safe, "" where it is: TLS that is verified."""
    if end_via[-1].name != "https":
        return "clear text over the network"
    return "TLS without verifying the server (insecureSkipVerify)" if end_via[-1].args else ""


def _behind(services: dict[str, Directive], name: str, depth: int = 4) -> Iterator[str]:
    """Yield the addresses of a TCP service, or of those among which it chooses."""
    service = services.get(name.removesuffix("@file"))
    yield from _servers(service, "address")
    rows = below(service, "weighted", "services")
    for row in rows.block if rows and depth else ():
        yield from _behind(services, text(row, "name"), depth - 1)


def _servers(service: Directive | None, key: str) -> list[str]:
    rows = below(service, "loadBalancer", "servers")
    return [text(row, key) for row in (rows.block if rows else ())]


def _addresses(setup: Setup, kind: str) -> Iterator[str]:
    for service in setup.named(kind, "services").values():
        for url in _servers(service, "url"):
            yield re.sub(r"^\w+://([^/]*).*", r"\1", url)


def _way(
    setup: Setup, bind: Bind, tls: bool, host: str, uri: str, method: str = "GET", aims: tuple[str, ...] = ()
) -> Way:
    client = Client(uri, host, tls, bind.port, STRANGER_6 if ":" in bind.address else STRANGER, method, aims=aims)

    def walked(client: Client, made: Choices) -> Outcome:
        return traefik.walk(setup, bind, client, made)

    def of(client: Client) -> tuple[Outcome, ...]:
        return ends(partial(walked, client), f"entry point {bind.name}")

    return Way(uri, of(client), of(replace(client, granted=True)), method)


def _calls(setup: Setup) -> Iterator[tuple[str, tuple[str, ...]]]:
    for router in setup.named("http", "routers").values():
        try:
            yield from traefik_rules.calls(traefik_rules.read(text(router, "rule")))
        except traefik_rules.UnreadableError:
            continue  # a walk that meets it says so


def _names(setup: Setup) -> list[str]:
    """Return every name that the rules tell apart, and one that is none of them."""
    names: dict[str, None] = {}
    for name, values in _calls(setup):
        if name == "host":
            names[values[0]] = None
        elif name == "hostregexp":
            names.update(dict.fromkeys(example.replace(ANY, "any") for example in examples(values[0])))
    return [*names, NOBODY]


def _heads(setup: Setup) -> Iterator[str]:
    """Yield the paths that rules and middlewares name, ANY standing for what may be anything."""
    for name, values in _calls(setup):
        if name == "path":
            yield values[0]
        elif name == "pathprefix":
            yield f"{values[0]}{ANY}"
        elif name == "pathregexp":
            more = "" if values[0].endswith("$") else ANY  # anything may follow
            yield from (example if ANY in example else example + more for example in examples(values[0]))
    for middleware in setup.named("http", "middlewares").values():
        for prefix in texts(middleware, "stripPrefix", "prefixes"):
            yield f"{prefix}{ANY}"
        for pattern in texts(middleware, "stripPrefixRegex", "regex"):
            yield from (f"{example}{ANY}" for example in examples(pattern) if ANY not in example)
        if pattern := text(middleware, "replacePathRegex", "regex"):
            yield from examples(pattern)
        if below(middleware, "addPrefix"):
            yield f"/{ANY}"
