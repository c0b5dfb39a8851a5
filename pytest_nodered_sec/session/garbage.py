"""What Python's search for garbage passes over in a run with many targets: what stays until the run ends anyway."""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
from typing import Final

import pytest

_RARELY: Final = 1000  # in place of 10; some 300 targets
_WRITERS: Final = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
_BEFORE: Final = pytest.StashKey[tuple[int, int, int]]()


def search_less(config: pytest.Config) -> None:
    """Search neither the tests that were collected nor, again and again, the reports, of which each case adds three.

    What lives shortly is searched as before. What has lived long and then becomes garbage, because it refers to itself
    in a circle, waits longer until it is let go: some 400 objects a target.

    When the process ends, what is left is not searched at all, or that would take a tenth of the run: its memory goes
    back to the system anyway.
    """
    before = config.stash[_BEFORE] = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*before[:2], _RARELY)
    atexit.unregister(_end)  # of an earlier run in this process
    atexit.register(_end)


def search_again(config: pytest.Config) -> None:
    """Search as before `search_less`: another run may follow in this process."""
    before = config.stash.get(_BEFORE, None)
    if before is not None:
        gc.unfreeze()
        gc.set_threshold(*before)


def _end() -> None:
    """Search nothing any more; but write what waits in files that nobody has closed, as Python does on finding them.

    What somebody else left to the end, in an object that refers to itself in a circle, is not done; Python does not
    promise that either.
    """
    for left in gc.get_objects():
        if issubclass(type(left), _WRITERS):  # isinstance would ask objects that stand for others
            with contextlib.suppress(OSError, ValueError):  # it is closed, or cannot be written
                left.flush()
    gc.freeze()
