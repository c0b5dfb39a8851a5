"""A request on its way through nginx: who sends it, what has become of it so far, and how it ends."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nodered_sec.rules.walk.blocks import Path
    from pytest_nodered_sec.rules.walk.choices import Choices
    from pytest_nodered_sec.rules.walk.config import Config

# Of the Internet, and of no network that examples name (RFC 5737, RFC 3849): `deny 203.0.113.0/24` keeps no stranger
# out, `allow 203.0.113.0/24` lets none in. Nothing is ever sent there.
STRANGER: Final = "211.77.9.9"
STRANGER_6: Final = "2a0d:77:9::9"
ANYTHING: Final = "\0"  # around each value that is not known; alone: a path of which nothing is
_UNKNOWN: Final = re.compile("\0([^\0]*)\0")


@dataclass(frozen=True)
class Client:
    """A request as it arrives.

    Attributes:
        uri: as sent, with arguments.
        host: value of the Host header.
        tls: whether it comes over TLS.
        port: the port of nginx's that it comes to.
        address: where it comes from.
        method: HTTP method.
        granted: whether every login and every address rule lets it pass.
        headers: its other headers, lower case; None: whatever the client likes.
        exists: whether the files on disk that it asks for are there; None: not known.
        behind: the status that servers behind the proxy answer; None: not known.
        hops: how many of nginx's own servers have handed it on.
        aims: the paths in question: what a path may be that is not known.
    """

    uri: str
    host: str
    tls: bool = True
    port: str = "443"
    address: str = STRANGER
    method: str = "GET"
    granted: bool = False
    headers: Mapping[str, str] | None = None
    exists: bool | None = None
    behind: int | None = None
    hops: int = 0
    aims: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a request ended.

    Attributes:
        kind: "node-red"; "elsewhere": handed to another server; "answered" by the proxy; "unknown".
        uri: what the server behind is asked for; ANYTHING where nobody can tell, "" where that is not looked for.
        address: whom the proxy hands it to.
        status: of the proxy's own answer.
        location: where that answer redirects to.
        refused: what refused it on the way.
        doubts: why its end is not sure.
        via: the proxy_pass, with the blocks around it.
        where: its file and line.
    """

    kind: str
    uri: str = ""
    address: str = ""
    status: int = 0
    location: str = ""
    refused: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    via: Path = field(default=(), compare=False)
    where: str = ""


@dataclass
class Request:
    """What nginx knows of a request (ngx_http_request_t).

    Attributes:
        client: who sent it.
        config: nginx's configuration.
        choices: what the client decides.
        server: the http block and the server.
        path: the blocks whose directives are in force.
        uri: path, decoded.
        args: arguments.
        quoted: something in the URI was percent-encoded.
        raw: the URI goes to the upstream as it was sent.
        internal: it was redirected inside nginx.
        subrequest: nginx itself asks, for auth_request.
        relayed: it came with the PROXY protocol.
        told: a client says by that what it likes.
        in_location: proxy_pass may put its path in place of the location's.
        changed: the rewriting wants another location.
        left: how many more times a location is looked for.
        method: an error page is a GET.
        paged: an error page was shown.
        shown: the status that an error page is shown with, 0 for its own.
        variables: by `set` and by named groups, and what maps came to.
        captures: of the last pattern that matched.
        bound: headers of the client's choice that a condition needs.
        refused: what refused it.
        doubts: why its end is not sure.
    """

    client: Client
    config: Config
    choices: Choices
    server: Path
    path: Path
    uri: str = ""
    args: str = ""
    quoted: bool = False
    raw: bool = True
    internal: bool = False
    subrequest: bool = False
    relayed: bool = False
    told: bool = False
    in_location: bool = True
    changed: bool = False
    left: int = 11
    method: str = "GET"
    paged: bool = False
    shown: int = 0
    variables: dict[str, str] = field(default_factory=dict)
    captures: tuple[str, ...] = ()
    bound: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def doubt(self, why: str) -> None:
        """Remember why the end is not sure."""
        if why not in self.doubts:
            self.doubts.append(why)

    def end(self, kind: str, **more: object) -> Outcome:
        """Return how it ended."""
        return Outcome(kind, refused=tuple(self.refused), doubts=tuple(self.doubts), **more)  # type: ignore[arg-type]  # any field


def unknown(name: str) -> str:
    """Return the text that stands for the value of a variable that is not known."""
    return f"\0{name}\0"


def unknowns(text: str) -> list[str]:
    """Return the variables of which a text holds values that are not known."""
    return _UNKNOWN.findall(text)
