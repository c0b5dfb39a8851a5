"""What the walks through proxies share: a request's way to its end, and where a proxy listens."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pytest_nodered_sec.rules.walk.config import is_near
from pytest_nodered_sec.rules.walk.request import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable


class Journey:
    """A request on its way through a proxy; a walk adds what else the proxy knows of it.

    Attributes:
        refused: what refused it on the way.
        doubts: why its end is not sure.
    """

    refused: list[str]
    doubts: list[str]

    def doubt(self, why: str) -> None:
        """Remember why the end is not sure."""
        if why not in self.doubts:
            self.doubts.append(why)

    def answered(self, status: int, location: str = "") -> Outcome:
        """Return the proxy's own answer."""
        return self.end(Outcome("answered", status=status, location=location))

    def unknown(self, why: str, uri: str = "") -> Outcome:
        """Return that nobody can tell how it ends; `uri`: what is asked for there."""
        self.doubt(why)
        return self.end(Outcome("unknown", uri=uri))

    def end(self, outcome: Outcome) -> Outcome:
        """Return how it ended, with what is known of the way there."""
        return replace(outcome, refused=(*self.refused, *outcome.refused), doubts=(*self.doubts, *outcome.doubts))


class Listener:
    """Where a proxy listens.

    Attributes:
        address: IP address, or "*".
        port: TCP port.
    """

    address: str
    port: str

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"

    @property
    def local(self) -> bool:
        """Whether only this machine reaches it."""
        return is_near(self.address)


_Listener = TypeVar("_Listener", bound=Listener)


def listening_at(listeners: Iterable[_Listener], address: str) -> _Listener | None:
    """Return which of a proxy's own listeners gets what is sent to an address of this machine."""
    host, _, port = address.rpartition(":")
    if not is_near(host):
        return None
    return next(
        (listener for listener in listeners if listener.port == port and (listener.local or listener.address == "*")),
        None,
    )
