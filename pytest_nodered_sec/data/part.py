"""What a way past a gate is, and a part of it: headers, or another form of a request, that may open it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class Part:
    """Headers, or another way to write the path, that may open a gate by themselves.

    Attributes:
        name: the finding's code.
        said: what they are, for the evidence.
        headers: name and value; in a value `{origin}` stands for the target's own origin, `{random}` for a path that
            nobody serves, `{free}` for what the policy declares public or is often free, `{path}` for the path that is
            meant, `{page}` for the page from which a browser asks, `{token}` for a token that nobody issued, `{host}`
            for another Host of the same name, `{cookies}` for the cookies that refusals have set. Cookies of several
            parts are sent together.
        source: which real servers were seen to open for them.
        ordinary: whether any visitor may send them; the others have the form of an attack.
        query: what is put behind the path, "" for nothing.
        rerouted: whether a path that nobody serves is asked for, and the headers name the one that is meant.
        write: turns the absolute path into another form, which Node-RED itself serves nothing at; None for no other.
        absolute: whether the whole URL stands in the request line (RFC 9112, 3.2.2), which Node-RED serves as the path.
        method: another method than the usual one, "" for that.
        version: of HTTP, "HTTP/1.0" or "HTTP/2"; "" for HTTP/1.1. Left out where the target does not speak it.
        without: headers that are left out.
        body: what a request carries that would carry nothing.
        chunked: whether that is sent in chunks.
        behind: whether it follows on a connection by which something was asked with `Upgrade: websocket` and refused.
    """

    name: str
    said: str
    headers: tuple[tuple[str, str], ...]
    source: str
    ordinary: bool = False
    query: str = ""
    rerouted: bool = False
    write: Callable[[str], str] | None = None
    absolute: bool = False
    method: str = ""
    version: str = ""
    without: tuple[str, ...] = ()
    body: str = ""
    chunked: bool = False
    behind: bool = False

    @property
    def of_requests(self) -> bool:
        """Whether it is nothing that a WebSocket's handshake could have."""
        return bool(self.method or self.version or self.without or self.body or self.behind)

    @property
    def rewrites(self) -> bool:
        """Whether it changes the form of the path."""
        return self.write is not None or self.absolute


@dataclass(frozen=True)
class Way:
    """One question: parts that are sent together, and each by itself where together they are answered otherwise.

    Attributes:
        name: what a person calls it; part of a test's id.
        parts: what is sent.
    """

    name: str
    parts: tuple[Part, ...]


def written(parts: Sequence[Part], path: str, origin: str) -> str:
    """Return an absolute path in the form that these parts give it, at an origin such as `https://plant.example`."""
    for part in parts:
        path = part.write(path) if part.write else path
    return origin + path if any(part.absolute for part in parts) else path


def with_query(path: str, parts: Sequence[Part]) -> str:
    """Return a path with what these parts put behind it."""
    queries = [part.query for part in parts if part.query]
    return f"{path}{'&' if '?' in path else '?'}{'&'.join(queries)}" if queries else path
