"""The order in which a target's live channels are compared: as declared, then as learnt, whichever thread is first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class ChannelOrder:
    """The dashboards whose channels a run asks for at one address.

    Args:
        declared: paths of the target's dashboards below the node root, in the order of the policy.
    """

    def __init__(self, declared: Sequence[str]) -> None:
        self._declared = declared
        self._asked: tuple[str, ...] = ()

    def add(self, paths: Iterable[str]) -> None:
        """Note that these are asked, too: those declared come first, of the others who was noted first."""
        every = dict.fromkeys((*self._asked, *paths))
        self._asked = (
            *(path for path in self._declared if path in every),
            *(path for path in every if path not in self._declared),
        )

    def before(self, path: str) -> tuple[str, ...]:
        """Return those with which a dashboard's channel is compared: those before it, all if it is not among them."""
        asked = self._asked
        return asked[: asked.index(path)] if path in asked else asked
