"""Apache httpd's parsed configuration, sorted for the walk: its virtual hosts, and a request on its way through one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.walk.journey import Journey, Listener, listening_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.observations.host import ListeningSocket
    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.choices import Choices
    from pytest_nodered_sec.rules.walk.request import Client

_ANY: Final = ("*", "_default_", "0.0.0.0", "[::]", "")  # noqa: S104 nothing is bound
_SECTIONS: Final = ("location", "locationmatch", "proxy", "proxymatch", "directory", "directorymatch", "files",
                    "filesmatch", "virtualhost")  # fmt: skip


@dataclass(frozen=True)
class Bind(Listener):
    """Where Apache listens.

    Attributes:
        address: IP address, or "*".
        port: TCP port.
        https: whether its Listen directive says so, or the port.
    """

    address: str
    port: str
    https: bool


@dataclass(frozen=True, eq=False)
class Site:
    """The virtual hosts of which one answers, by name, at a place and one of the addresses there.

    Attributes:
        bind: the place.
        hosts: the virtual hosts, () for the main server.
        unsure: why it may be others.
    """

    bind: Bind
    hosts: tuple[Directive, ...]
    unsure: str = ""


@dataclass(frozen=True, eq=False)
class Servers:
    """A configuration.

    Attributes:
        directives: outside virtual hosts, and these.
        sockets: what Node-RED listens on.
    """

    directives: tuple[Directive, ...]
    sockets: tuple[ListeningSocket, ...]

    @cached_property
    def binds(self) -> tuple[Bind, ...]:
        """Where it listens."""
        lines = [line.args for line in self.directives if line.name == "listen" and line.args]
        return tuple(_bind(*args[:2]) for args in lines)

    @cached_property
    def virtual(self) -> tuple[tuple[str, str, Directive], ...]:
        """The virtual hosts with each of their addresses and ports, "*" for all."""
        return tuple(
            (*_address(arg), section)
            for section in self.directives
            if section.name == "virtualhost"
            for arg in section.args
        )

    def sites(self, bind: Bind) -> list[Site]:
        """Return the groups of virtual hosts that may answer at a place."""
        here = [(at, port, section) for at, port, section in self.virtual if port in (bind.port, "*")]
        if any(port != "*" and at in _ANY for at, port, _ in here):  # those are asked before what names no port
            here = [(at, port, section) for at, port, section in here if port != "*" or at not in _ANY]
        ports = {port for _, port, _ in here}
        unsure = ""
        if len(ports) > 1:
            unsure = f"which <VirtualHost> answers on port {bind.port} is not followed: some name no port"
        named = dict.fromkeys(at for at, _, _ in here if at not in _ANY and (bind.address in ("*", at)))
        groups = [tuple(section for other, _, section in here if other == at) for at in named]
        if bind.address not in named:
            groups.append(tuple(section for at, _, section in here if at in _ANY))
        return [Site(bind, tuple(dict.fromkeys(group)), unsure) for group in groups]

    def chosen(self, site: Site, host: str) -> Directive | None:
        """Return the virtual host that answers to a name; None: the main server."""
        name = host.lower()
        fits = (section for section in site.hosts if any(_fits(name, own) for own in self.names(section)))
        return next(fits, next(iter(site.hosts), None))

    def names(self, section: Directive) -> Iterator[str]:
        """Yield the names of a virtual host, with wildcards."""
        own = [line.args[0] for line in section.block if line.name == "servername" and line.args]
        main = [line.args[0] for line in self.directives if line.name == "servername" and line.args]
        for name in (own or main)[-1:]:
            yield re.sub(r"^\w+://|:\d+$", "", name).lower()
        for line in section.block:
            if line.name == "serveralias":
                yield from (name.lower() for name in line.args)

    def members(self, name: str) -> list[Directive]:
        """Return the members of a balancer that are asked."""
        lines = []
        for section in (*self.directives, *(line for _, _, host in self.virtual for line in host.block)):
            inside = section.name == "proxy" and section.args[:1] == (f"balancer://{name}",)
            lines += [line for line in section.block if inside and line.name == "balancermember" and line.args]
            if section.name == "balancermember" and section.args[:1] == (f"balancer://{name}",):
                lines.append(replace(section, args=section.args[1:]))
        used = [line for line in lines if not any(arg.lower().startswith("status=+") for arg in line.args)]
        return list(dict.fromkeys(used or lines))

    def own(self, address: str) -> Bind | None:
        """Return where Apache itself listens for what is sent to an address of this machine."""
        return listening_at(self.binds, address)


def _address(text: str) -> tuple[str, str]:
    """Return the address and the port of a virtual host."""
    address, colon, port = text.rpartition(":")
    return (text, "*") if text.endswith("]") or not colon else (address, port)


def _bind(text: str, protocol: str = "") -> Bind:
    address, _, port = text.rpartition(":")
    return Bind(
        "*" if address in _ANY else address, port, protocol.lower() == "https" or (port == "443" and not protocol)
    )


def _fits(name: str, own: str) -> bool:
    pattern = re.escape(own).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(pattern, name) is not None


@dataclass
class Visit(Journey):
    """A request on its way.

    Attributes:
        client: who sent it.
        seen: Apache's configuration.
        bind: where it came in.
        host: the virtual host, None for the main server.
        choices: what the client decides.
        uri: path, decoded.
        raw: path as it was sent, or as an error document is named.
        query: arguments, without the "?"; None: there are none.
        method: HTTP method.
        file: what the rewriting has made of the path.
        captures: of the rule's pattern.
        matched: by the last condition.
        inside: the Location sections that are for it.
        environment: variables that rules have set, lower case; None: taken away.
        asked: the sections that were asked for access; None: they are like those of no other request.
        before: those that were asked before an error document was looked for; None: it is none.
        rewritten: whether it is the rewriting that answered.
        ended: whether a rule with the flag END came: nothing is rewritten any more, nor in an error document.
        refused: what refused it.
        doubts: why its end is not sure.
    """

    client: Client
    seen: Servers
    bind: Bind
    host: Directive | None
    choices: Choices
    uri: str = ""
    raw: str = ""
    query: str | None = None
    method: str = "GET"
    file: str = ""
    captures: tuple[str, ...] = ()
    matched: tuple[str, ...] = ()
    inside: tuple[Directive, ...] = ()
    environment: dict[str, str | None] = field(default_factory=dict)
    asked: tuple[Directive, ...] | None = ()
    before: tuple[Directive, ...] | None = None
    rewritten: bool = False
    ended: bool = False
    refused: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def lines(self, *names: str) -> list[Directive]:
        """Return the directives of these names that are in force for the whole server, its own first."""
        own = self.host.block if self.host else ()
        return [line for line in (*own, *self.seen.directives) if line.name in names]

    def value(self, name: str) -> str:
        """Return the last value of a directive, lower case: the virtual host's own, else the main server's."""
        own = self.host.block if self.host else ()
        return next(
            (
                line.args[0].lower()
                for lines in (own, self.seen.directives)
                for line in reversed(lines)
                if line.name == name and line.args
            ),
            "",
        )

    def sections(self, *names: str) -> list[Directive]:
        """Return sections in the order in which they are merged: the main server's first."""
        own = self.host.block if self.host else ()
        return [section for section in (*self.seen.directives, *own) if section.name in names]
