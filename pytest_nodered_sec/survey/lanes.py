"""In which order a target's first questions are asked, and which of them one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.ways import WAYS
from pytest_nodered_sec.registry import PROBES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nodered_sec.model import Ask

_IN_CLEAR: Final = 2  # connections to the plain HTTP port at once
_UPGRADE: Final = 3  # round trips of a connection over TLS and one request


def lanes(asks: Iterable[Ask]) -> list[list[Ask]]:
    """Return questions by what asks them one after the other, those first that take longest."""
    now = sorted(asks, key=lambda ask: -_trips(ask))
    clear = [ask for ask in now if "plain" in PROBES[ask.probe].landmarks]
    tls = [ask for ask in now if "tls" in PROBES[ask.probe].given]  # one looks: others would only wait for it
    # An upgrade that nobody serves takes long; and what is told of the first dashboard often settles the others.
    behind = [ask for ask in now if _way_of(ask) == "behind"]
    apart = {*clear, *tls, *behind}
    # Too many at once on the plain port would take the connections of the others, which would have to reconnect.
    together = [*(clear[number::_IN_CLEAR] for number in range(_IN_CLEAR)), tls, behind]
    return [*filter(None, together), *([ask] for ask in now if ask not in apart)]


def _trips(ask: Ask) -> int:
    """Return roughly how many round trips a question takes: at /comms each form of a path takes a connection."""
    if ask.args[:1] != ("/comms",) or not _way_of(ask):
        return PROBES[ask.probe].trips
    return _UPGRADE * (1 + sum(part.write is not None for part in WAYS[_way_of(ask)].parts))


def _way_of(ask: Ask) -> str:
    return ask.args[-1] if ask.probe == "way" else ""
