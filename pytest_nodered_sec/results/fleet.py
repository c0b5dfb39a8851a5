"""A run as part of a fleet: which targets a shard takes, and which are missing where shards are put together. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.texts import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_SHARD: Final = re.compile(r"([0-9]{1,6})/([0-9]{1,6})", re.ASCII)
_NAMED: Final = 4  # targets that a sentence names


@dataclass(frozen=True)
class Fleet:
    """All targets that a run knows of.

    Attributes:
        names: of all targets, in their order, whether the run has them or not.
        shard: PART/OF where the run is one of several that share them; "" where it is to have them all.
    """

    names: tuple[str, ...] = ()
    shard: str = ""

    def left_out(self, here: Collection[str]) -> str:
        """Return what a shard leaves to the others, "" for a run that is none."""
        away = self._away(here)
        return (
            f"shard {self.shard} leaves out {len(away)} of {counted(len(self.names), 'target')}" if self.shard else ""
        )

    def missing(self, here: Collection[str]) -> str:
        """Return which targets nobody looked at although the run is to have them all, "" if none is missing."""
        away = () if self.shard else self._away(here)
        if not away:
            return ""
        more = f" and {len(away) - _NAMED} more" if len(away) > _NAMED else ""
        listed = ", ".join(away[:_NAMED]) + more
        return f"{len(away)} of {counted(len(self.names), 'target')} are in none of the folders: {listed}"

    def _away(self, here: Collection[str]) -> tuple[str, ...]:
        return tuple(name for name in self.names if name not in here)


def taken(shard: str, names: Iterable[str]) -> set[str]:
    """Return the names of the targets that a shard takes: every OF-th by name, from the PART-th on.

    Sorted by code point, so that it is the same on every machine, whatever the order in which targets are named.

    Args:
        shard: PART/OF.
        names: of all targets.

    Raises:
        ValueError: saying what is wrong with the shard.
    """
    match = _SHARD.fullmatch(shard)
    part, number = (int(group) for group in match.groups()) if match else (0, 0)
    if not 1 <= part <= number:
        raise ValueError("must be I/N with I from 1 to N, e.g. 1/4")
    ordered = sorted(names)
    if number > len(ordered):
        are = "is" if len(ordered) == 1 else "are"
        raise ValueError(
            f"there {are} only {counted(len(ordered), 'target')}, so some shards would test nothing; use fewer"
        )
    return set(ordered[part - 1 :: number])
