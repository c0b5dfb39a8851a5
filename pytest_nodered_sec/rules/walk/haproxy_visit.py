"""HAProxy's parsed configuration, sorted for the walk, and a request on its way through it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.walk.journey import Journey

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host import ListeningSocket
    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.choices import Choices
    from pytest_nodered_sec.rules.walk.request import Client

_FAMILY: Final = re.compile(r"(ipv4|ipv6|quic4|quic6|unix|uxst|tcp4?|tcp6|tcpv4|tcpv6)@")
_TOLD: Final = frozenset(("accept-proxy", "accept-netscaler-cip"))
_CARELESS: Final = frozenset(("crt-ignore-err", "ca-ignore-err"))


@dataclass(frozen=True)
class Bind:
    """Where a frontend listens.

    Attributes:
        address: IP address, "*", or "unix".
        port: TCP port, or the path of the unix socket.
        section: the frontend.
        line: the directive.
        tls: whether TLS is spoken there.
        certificate: whether clients must show a certificate.
    """

    address: str
    port: str
    section: Directive
    line: Directive
    tls: bool
    certificate: bool

    def __str__(self) -> str:
        return f"unix:{self.port}" if self.address == "unix" else f"{self.address}:{self.port}"

    @property
    def careless(self) -> bool:
        """Whether certificates of the clients' own making are taken."""
        return bool(_CARELESS.intersection(self.line.args))

    @property
    def told(self) -> bool:
        """Whether whoever connects from elsewhere says where the connection comes from, by the PROXY protocol."""
        return not self.local and bool(_TOLD.intersection(self.line.args))

    @property
    def local(self) -> bool:
        """Whether only this machine reaches it."""
        return self.address in ("unix", "localhost", "[::1]", "::1") or self.address.startswith("127.")


@dataclass(frozen=True, eq=False)
class Sections:
    """A configuration.

    Attributes:
        directives: its sections.
        sockets: what Node-RED listens on.
    """

    directives: tuple[Directive, ...]
    sockets: tuple[ListeningSocket, ...]

    @cached_property
    def frontends(self) -> tuple[Directive, ...]:
        """The sections that listen."""
        listening = (section for section in self.directives if section.name in ("frontend", "listen"))
        return tuple(section for section in listening if not _is_disabled(section))

    @cached_property
    def backends(self) -> dict[str, Directive]:
        """The sections that hand requests on, by name."""
        return {
            section.args[0]: section
            for section in self.directives
            if section.name in ("backend", "listen") and section.args
        }

    @cached_property
    def patterns(self) -> dict[str, tuple[str, ...]]:
        """The lines of each file of patterns, by the name that rules have for it."""
        lists = (section for section in self.directives if section.name == "patterns")
        return {section.args[0]: tuple(line.name for line in section.block) for section in lists}

    @cached_property
    def unread(self) -> dict[str, str]:
        """Why a file of patterns is not known."""
        return {section.args[0]: section.args[1] for section in self.directives if section.name == "unread"}

    @cached_property
    def binds(self) -> tuple[Bind, ...]:
        """Where it listens."""
        return tuple(
            bind
            for section in self.frontends
            for line in section.block
            if line.name == "bind" and line.args
            for bind in _binds(section, line)
        )

    def own(self, address: str) -> Bind | None:
        """Return where HAProxy itself listens for what is sent to an address of this machine."""
        if address.startswith("/"):
            return next((bind for bind in self.binds if bind.address == "unix" and bind.port == address), None)
        host, _, port = address.rpartition(":")
        near = host in ("localhost", "[::1]", "::1") or host.startswith("127.")
        places = (bind for bind in self.binds if near and bind.port == port)
        return next((bind for bind in places if bind.local or bind.address in ("*", "[::]")), None)


def _is_disabled(section: Directive) -> bool:
    switches = [line.name for line in section.block if line.name in ("disabled", "enabled")]
    return switches[-1:] == ["disabled"]


def _binds(section: Directive, line: Directive) -> list[Bind]:
    options = line.args[1:]
    tls = "ssl" in options
    demanded = "verify" in options and options[options.index("verify") + 1 :][:1] == ("required",)
    demanded = demanded and not _CARELESS.intersection(options)
    result = []
    for text in line.args[0].split(","):
        place = plain_address(text)
        if place.startswith("/"):
            result.append(Bind("unix", place, section, line, tls, demanded))
            continue
        address, _, ports = place.rpartition(":")
        address = "*" if address in ("", "*", "0.0.0.0") else "[::]" if address in ("::", "[::]") else address  # noqa: S104 nothing is bound
        first, _, last = ports.partition("-")
        if first.isdigit() and last.isdigit() and int(last) - int(first) < 64:
            result += [
                Bind(address, str(port), section, line, tls, demanded) for port in range(int(first), int(last) + 1)
            ]
        else:
            result.append(Bind(address, first, section, line, tls, demanded))
    return result


def plain_address(text: str) -> str:
    """Return an address without its family: host and port, or the path of a unix socket."""
    return _FAMILY.sub("", text)


def value(section: Directive, name: str) -> tuple[str, ...]:
    """Return the arguments of the last line of a name: what a section says replaces what it inherits."""
    return next((line.args for line in reversed(section.block) if line.name == name), ())


@dataclass
class Visit(Journey):
    """A request on its way.

    Attributes:
        client: who sent it.
        seen: HAProxy's configuration.
        section: the frontend or backend whose rules are followed.
        bind: where it came in.
        choices: what the client decides.
        path: as sent, without arguments.
        query: arguments, without the "?"; None: there is none.
        method: HTTP method.
        host: value of the Host header.
        headers: those that rules have set; None: taken away.
        variables: that rules have set.
        source: where it comes from, "" where the client may say so itself.
        asked: a condition has asked who the client is, and that was not granted.
        refused: what refused it.
        doubts: why its end is not sure.
    """

    client: Client
    seen: Sections
    section: Directive
    bind: Bind
    choices: Choices
    path: str
    query: str | None
    method: str
    host: str
    headers: dict[str, str | None] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    source: str = ""
    asked: bool = False
    refused: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    @property
    def uri(self) -> str:
        """Path and arguments."""
        return self.path + ("" if self.query is None else f"?{self.query}")
