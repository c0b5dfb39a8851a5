"""nginx's parsed configuration, sorted for the walk: its servers and where they listen, variables, upstreams."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.observations.host import ListeningSocket
    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.blocks import Path

_SCRIPTED: Final = re.compile("set_by_lua|^js_set$|^js_var$|^perl_set$|^auth_request_set$|^set_(?!real_ip)")


def is_near(host: str) -> bool:
    """Whether a host, as configurations write it, is this machine's loopback."""
    return host in ("localhost", "[::1]") or host.startswith("127.")


@dataclass(frozen=True, order=True)
class Place:
    """Where nginx listens.

    Attributes:
        address: IP address, "*" for all of IPv4, or "unix".
        port: TCP port, or the path of the unix socket.
    """

    address: str
    port: str

    def __str__(self) -> str:
        return f"unix:{self.port}" if self.address == "unix" else f"{self.address}:{self.port}"

    @property
    def local(self) -> bool:
        """Whether only this machine reaches it."""
        return self.address == "unix" or is_near(self.address)


@dataclass(frozen=True, eq=False)
class Listen:
    """A server's listen directive: where, and how; `relayed`: whoever connects says whose connection it is."""

    place: Place
    server: Path
    tls: bool
    default: bool
    relayed: bool = False


@dataclass(frozen=True, eq=False)
class Config:
    """A configuration.

    Attributes:
        directives: of the main context, includes resolved.
        sockets: what Node-RED listens on.
    """

    directives: tuple[Directive, ...]
    sockets: tuple[ListeningSocket, ...] = ()

    @cached_property
    def servers(self) -> tuple[Path, ...]:
        """Every http server with the block around it."""
        return tuple(
            (http, server)
            for http in self.directives
            if http.name == "http"
            for server in http.block
            if server.name == "server"
        )

    @cached_property
    def places(self) -> dict[Place, tuple[Listen, ...]]:
        """Who listens where, in the order of the configuration."""
        by_place: dict[Place, list[Listen]] = {}
        for server in self.servers:
            for listen in listens(server):
                by_place.setdefault(listen.place, []).append(listen)
        return {place: tuple(here) for place, here in by_place.items()}

    @cached_property
    def variables(self) -> dict[str, Directive]:
        """The map, geo or split_clients that gives a variable its value."""
        return {
            directive.args[-1][1:].lower(): directive
            for http in self.directives
            if http.name == "http"
            for directive in http.block
            if directive.name in ("map", "geo", "split_clients") and directive.args
        }

    @cached_property
    def assigned(self) -> frozenset[str]:
        """The variables that `set` or a named group gives a value to: empty until then."""
        names = {
            directive.args[0][1:].lower()
            for directive in every(self.directives)
            if directive.name == "set" and directive.args
        }
        texts = (arg for directive in every(self.directives) for arg in (directive.name, *directive.args))
        return frozenset(names | {name.lower() for text in texts for name in re.findall(r"\(\?P?[<'](\w+)[>']", text)})

    @cached_property
    def scripted(self) -> dict[str, Directive]:
        """The variables that a program or a module gives a value to."""
        return {
            directive.args[0][1:].lower(): directive
            for directive in every(self.directives)
            if _SCRIPTED.search(directive.name) and directive.args
        }

    @cached_property
    def upstreams(self) -> dict[str, tuple[str, ...]]:
        """The servers of each upstream block of the http or the stream part."""
        return {
            directive.args[0]: tuple(
                server.args[0] for server in directive.block if server.name == "server" and "down" not in server.args
            )
            for part in self.directives
            if part.name in ("http", "stream")
            for directive in part.block
            if directive.name == "upstream" and directive.args
        }

    def is_node_red(self, address: str) -> bool:
        """Whether Node-RED listens at an address."""
        return is_node_red(address, self.sockets)

    def own(self, address: str) -> Place | None:
        """Return the place at which nginx itself listens for what is sent to an address of this machine."""
        if address.startswith("/"):
            return next((known for known in self.places if known == Place("unix", address)), None)
        host, _, port = address.rpartition(":")
        near = is_near(host)
        return next(
            (
                known
                for known in self.places
                if near and known.port == port and (known.local or known.address in "*[::]")
            ),
            None,
        )


def is_node_red(address: str, sockets: tuple[ListeningSocket, ...]) -> bool:
    """Whether an address ("host:port", or the path of a unix socket) is one that Node-RED listens on."""
    if address.startswith("/"):
        return any(listener.family == "unix" and listener.address == address for listener in sockets)
    port = address.rpartition(":")[2]
    return any(listener.family.startswith("tcp") and str(listener.port) == port for listener in sockets)


def every(directives: tuple[Directive, ...]) -> Iterator[Directive]:
    """Yield all directives, however deep they stand."""
    for directive in directives:
        yield directive
        yield from every(directive.block)


def listens(server: Path) -> list[Listen]:
    """Return where a server listens: port 80 unless it says so."""
    block = server[-1].block
    tls = any(directive.name == "ssl" and directive.args == ("on",) for directive in block)
    rows = [directive.args for directive in block if directive.name == "listen" and directive.args] or [("80",)]
    return [
        Listen(
            place(row[0]),
            server,
            tls or "ssl" in row or "quic" in row,
            "default_server" in row or "default" in row,
            "proxy_protocol" in row,
        )
        for row in rows
    ]


def place(text: str) -> Place:
    """Return the place of a listen directive."""
    if text.startswith("unix:"):
        return Place("unix", text.removeprefix("unix:"))
    if text.isdigit():
        return Place("*", text)
    address, colon, port = text.rpartition(":")
    if text.endswith("]") or not colon:
        address, port = text, "80"
    return Place("*" if address == "0.0.0.0" else address, port)  # noqa: S104 nothing is bound
