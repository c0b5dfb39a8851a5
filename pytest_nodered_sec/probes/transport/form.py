"""How a request is written beyond its method, path and headers: version of HTTP, what is left out, an unusual body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nodered_sec.data.part import Part


@dataclass(frozen=True)
class Form:
    """How a request is written.

    Attributes:
        version: of HTTP: "HTTP/1.1", "HTTP/1.0" or "HTTP/2".
        without: headers that the client would add by itself and does not, in lower case.
        body: what a request carries that would have none.
        chunked: whether a body is sent in chunks (RFC 9112, 7.1), and not with its length.
        behind: path that is asked for before it on the same connection, with `Upgrade: websocket`; "" for none.
        apart: seconds between these two, where a front was seen to limit requests.
    """

    version: str = "HTTP/1.1"
    without: frozenset[str] = frozenset()
    body: bytes | None = None
    chunked: bool = False
    behind: str = ""
    apart: float = 0.0

    def framed(self, body: bytes) -> bytes:
        """Return a body as it follows the headers."""
        return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if self.chunked and body else body


USUAL: Final = Form()


def form_of(parts: Sequence[Part], nowhere: str) -> Form:
    """Return the form of a request that all these parts of a way make up; `nowhere` is a path that nobody serves."""
    versions = [part.version for part in parts if part.version]
    bodies = [part.body.encode() for part in parts if part.body]
    return Form(
        version=versions[0] if versions else USUAL.version,
        without=frozenset(name.lower() for part in parts for name in part.without),
        body=bodies[0] if bodies else None,
        chunked=any(part.chunked for part in parts),
        behind=nowhere if any(part.behind for part in parts) else "",
    )
