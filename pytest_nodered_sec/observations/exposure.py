"""Whether a weakness that no release fixes can be used at a deployment: seen from outside and from inside alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Exposure:
    """What was seen of one such weakness; exactly one of `closed`, `exposed` and `lacking` says something.

    Attributes:
        id: of the advisory.
        closed: what keeps it from being used.
        exposed: what shows that it can be used.
        lacking: why neither is known.
    """

    id: str
    closed: str = ""
    exposed: str = ""
    lacking: str = ""

    def line(self) -> str:
        """Return it for the evidence."""
        known = f"closed: {self.closed}" if self.closed else f"open: {self.exposed}"
        return f"{self.id}, which no release fixes, {f'not known: {self.lacking}' if self.lacking else known}"


def lines(exposures: Iterable[Exposure]) -> str:
    """Return all of them as the end of a line."""
    return "".join(f"; {exposure.line()}" for exposure in exposures)
