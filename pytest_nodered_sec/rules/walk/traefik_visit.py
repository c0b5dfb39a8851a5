"""Traefik's configuration, sorted for the walk: entry points, routers, services; and a request on its way through."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.walk.journey import Journey, Listener, listening_at

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host import ListeningSocket
    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.choices import Choices
    from pytest_nodered_sec.rules.walk.request import Client

_ANY: Final = ("", "0.0.0.0", "[::]")  # noqa: S104 nothing is bound


def below(node: Directive | None, *path: str) -> Directive | None:
    """Return what stands below a directive, whatever the letter case of the keys."""
    for name in path:
        if node is None:
            return None
        node = next((inner for inner in node.block if inner.name.lower() == name.lower()), None)
    return node


def text(node: Directive | None, *path: str) -> str:
    """Return a value below a directive, "" where there is none."""
    directive = below(node, *path)
    return directive.args[0] if directive and directive.args else ""


def texts(node: Directive | None, *path: str) -> tuple[str, ...]:
    """Return the values below a directive."""
    directive = below(node, *path)
    return directive.args if directive else ()


def number(value: str) -> int:
    """Return a whole number, 0 for anything else."""
    return int(value) if value.isdigit() else 0


@dataclass(frozen=True, eq=False)
class Bind(Listener):
    """An entry point.

    Attributes:
        name: its name.
        address: IP address, or "*".
        port: TCP port.
        node: what its configuration says.
    """

    name: str
    address: str
    port: str
    node: Directive


@dataclass(frozen=True, eq=False)
class Setup:
    """A configuration.

    Attributes:
        directives: the static one, and the dynamic ones.
        sockets: what Node-RED listens on.
    """

    directives: tuple[Directive, ...]
    sockets: tuple[ListeningSocket, ...]

    @cached_property
    def binds(self) -> tuple[Bind, ...]:
        """The entry points."""
        points = below(self.directives[0], "entryPoints")
        result = []
        for node in points.block if points else ():
            place, _, protocol = text(node, "address").partition("/")
            address, _, port = place.rpartition(":")
            if protocol.lower() != "udp":
                result.append(Bind(node.name, "*" if address in _ANY else address, port, node))
        return tuple(result)

    def named(self, *path: str) -> dict[str, Directive]:
        """Return what stands under a path of the dynamic configurations, by name."""
        result: dict[str, Directive] = {}
        for file in self.directives[1:]:
            directive = below(file, *path)
            result.update({node.name: node for node in (directive.block if directive else ())})
        return result

    @cached_property
    def twice(self) -> str:
        """A name that two files give to different things, "" for none."""
        for kind in ("routers", "services", "middlewares"):
            seen: set[str] = set()
            for file in self.directives[1:]:
                directive = below(file, "http", kind)
                names = {node.name for node in (directive.block if directive else ())}
                if both := sorted(names & seen):
                    return both[0]
                seen |= names
        return ""

    def routers(self, bind: Bind, *, tls: bool) -> list[Directive]:
        """Return the routers of an entry point that are for TLS, or for clear text."""
        defaults = [point.name for point in self.binds if text(point.node, "asDefault") == "true"]
        always = below(bind.node, "http", "tls") is not None
        result = []
        for router in self.named("http", "routers").values():
            points = texts(router, "entryPoints") or tuple(defaults or (point.name for point in self.binds))
            node = below(router, "tls")
            secured = always or (node is not None and node.args != ("false",))
            if bind.name in points and secured == tls and not below(router, "parentRefs"):
                result.append(router)
        return result

    def children(self, router: Directive) -> list[Directive]:
        """Return the routers that take over behind another's middlewares."""
        return [
            other
            for other in self.named("http", "routers").values()
            if router.name in {name.removesuffix("@file") for name in texts(other, "parentRefs")}
        ]

    def own(self, address: str) -> Bind | None:
        """Return the entry point that gets what is sent to an address of this machine."""
        return listening_at(self.binds, address)


@dataclass
class Visit(Journey):
    """A request on its way.

    Attributes:
        client: who sent it.
        seen: Traefik's configuration.
        bind: where it came in.
        choices: what the client decides.
        path: as rules compare it.
        query: arguments, without the "?"; None: there are none.
        signed: the middleware that has set its Authorization, or "".
        refused: what refused it.
        doubts: why its end is not sure.
    """

    client: Client
    seen: Setup
    bind: Bind
    choices: Choices
    path: str = ""
    query: str | None = None
    signed: str = ""
    refused: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
