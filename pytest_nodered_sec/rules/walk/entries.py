"""Where requests come in at a proxy that is neither nginx nor Caddy, and every way from there that was tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.walk import choices, pages, pcre
from pytest_nodered_sec.rules.walk.pages import by_method
from pytest_nodered_sec.rules.walk.request import ANYTHING, Outcome
from pytest_nodered_sec.rules.walk.samples import ANY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_nodered_sec.rules.walk.choices import Choices
    from pytest_nodered_sec.rules.walk.pages import Surface, Way

NOBODY: Final = "stranger.invalid"


@dataclass(frozen=True)
class Entry:
    """A listener of a proxy, under one name.

    Attributes:
        name: what it is called in the configuration, and where it stands there.
        place: address and port.
        tls: whether TLS is spoken there.
        local: whether only this machine reaches it.
        hidden: whether only the proxy itself sends requests there.
        ways: what was tried.
    """

    name: str
    place: str
    tls: bool
    local: bool
    hidden: bool
    ways: tuple[Way, ...]

    @property
    def leads(self) -> bool:
        """Whether any way ends at Node-RED."""
        return any(end.kind == "node-red" for way in self.ways for end in way.ends)


@dataclass(frozen=True)
class Raw:
    """A listener that hands connections to Node-RED without looking into them."""

    name: str
    place: str
    address: str


def ends(walk: Callable[[Choices], Outcome], name: str) -> tuple[Outcome, ...]:
    """Return how one request may end."""
    try:
        return tuple(choices.every(walk))
    except choices.TooManyError:
        return (
            Outcome("unknown", uri=ANYTHING, doubts=(f"{name}: its conditions have too many combinations to try",)),
        )


def tried(
    heads: Iterable[str], surfaces: tuple[Surface, ...], way: Callable[[str, str, tuple[str, ...]], Way]
) -> tuple[Way, ...]:
    """Try every way to some surfaces of Node-RED's.

    Args:
        heads: the paths that a configuration names, ANY standing for what may be anything.
        surfaces: of Node-RED's.
        way: asks for a path, by a method; given, too, what a path may be that is not known.
    """
    named = [(head, False) for head in dict.fromkeys(heads)]
    return tuple(
        way(uri, method, pages.aims(some))
        for method, some in by_method(surfaces).items()
        for uri in pages.uris(named, some, ANY)
    )


def examples(pattern: str, *, ignore_case: bool = False) -> tuple[str, ...]:
    """Return paths that a pattern may match."""
    try:
        return pcre.read(pattern, ignore_case=ignore_case).examples
    except pcre.UnreadableError:
        return ()  # a walk that meets it says so
