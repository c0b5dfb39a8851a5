"""What the cases of a run saw, kept small until the reports are written: by far the most of what a run remembers."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_nodered_sec.observations import codec
from pytest_nodered_sec.observations.chain import PresentedChain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_CHAIN = "chain"


class _Look(NamedTuple):
    """What one question to one target has shown: its JSON, compressed; and whose cases asked it."""

    outcome: bytes
    cases: list[str]


class Looks:
    """Each question with its answer once, however many cases ask it.

    Args:
        whole: whether all of it will be written; otherwise the certificate chains are kept, which pages show.
    """

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self._looks: dict[tuple[str, ...], _Look] = {}  # by target, probe and arguments

    def add(self, looked: Mapping[str, Any], nodeid: str) -> None:  # Any: see `told.tell_looked`
        """Take in what a case has seen."""
        if not self._whole and looked["probe"] != _CHAIN:
            return
        key = (looked["target"], looked["probe"], *looked["args"])
        look = self._looks.get(key)
        if look is None:
            look = self._looks[key] = _Look(zlib.compress(looked["outcome"], 1), [])
        if nodeid not in look.cases:
            look.cases.append(nodeid)

    def lines(self) -> Iterator[dict[str, Any]]:  # Any: JSON
        """Return all of it in order, one after the other: as plain values it takes many times the memory."""
        for key in sorted(self._looks):
            target, probe, *args = key
            outcome = self._outcome(key)
            yield {
                "target": target,
                "probe": probe,
                "args": args,
                "outcome": outcome,
                "cases": self._looks[key].cases,
            }

    def chains(self, names: Sequence[str]) -> dict[str, PresentedChain]:
        """Return the certificate chains that these targets have presented, in this order."""
        keys = {key[0]: key for key in self._looks if key[1] == _CHAIN}
        seen = {name: codec.decode(self._outcome(keys[name])) for name in names if name in keys}
        return {name: chain for name, chain in seen.items() if isinstance(chain, PresentedChain)}

    def _outcome(self, key: tuple[str, ...]) -> Any:  # Any: JSON
        return json.loads(zlib.decompress(self._looks[key].outcome))
