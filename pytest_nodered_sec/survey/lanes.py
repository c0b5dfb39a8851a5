"""In which order a target's first questions are asked, and which of them one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.registry import PROBES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nodered_sec.model import Ask

_IN_CLEAR: Final = 2  # connections to the plain HTTP port at once


def lanes(asks: Iterable[Ask]) -> list[list[Ask]]:
    """Return questions by what asks them one after the other, those first that take longest."""
    now = sorted(asks, key=lambda ask: -PROBES[ask.probe].trips)
    clear = [ask for ask in now if "plain" in PROBES[ask.probe].landmarks]
    tls = [ask for ask in now if "tls" in PROBES[ask.probe].given]  # one looks: others would only wait for it
    apart = {*clear, *tls}
    # Too many at once on the plain port would take the connections of the others, which would have to reconnect.
    together = [*(clear[number::_IN_CLEAR] for number in range(_IN_CLEAR)), tls]
    return [*filter(None, together), *([ask] for ask in now if ask not in apart)]
