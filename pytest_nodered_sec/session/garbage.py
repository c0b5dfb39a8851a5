"""What Python's search for garbage passes over in a run with many targets: what stays until the run ends anyway."""

from __future__ import annotations

import gc
from typing import Final

import pytest

_RARELY: Final = 1000  # in place of 10; some 300 targets
_BEFORE: Final = pytest.StashKey[tuple[int, int, int]]()


def search_less(config: pytest.Config) -> None:
    """Search neither what is there nor, again and again, what is added: tests, and for each of them three reports.

    Called before the tests are collected, and again when they are there.

    What lives shortly is searched as before. What has lived long and then becomes garbage, because it refers to itself
    in a circle, waits longer until it is let go: some 400 objects a target.
    """
    before = config.stash.setdefault(_BEFORE, gc.get_threshold())
    gc.freeze()
    gc.set_threshold(*before[:2], _RARELY)


def search_again(config: pytest.Config) -> None:
    """Search as before `search_less`: another run may follow in this process."""
    before = config.stash.get(_BEFORE, None)
    if before is not None:
        gc.unfreeze()
        gc.set_threshold(*before)
