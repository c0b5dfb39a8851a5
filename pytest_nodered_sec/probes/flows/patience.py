"""How long flows may take to read: patterns that go back take minutes over a text that was written for it.

Long texts are read in windows that overlap, and the time that was used is looked at between them, and between nodes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIMIT: Final = 30.0  # seconds of this thread's own time; the flows of 2,000 nodes take less than one
_OVERLAP: Final = 1024  # characters; what is looked for is shorter


class Patience:
    """Counts from when it is made."""

    def __init__(self) -> None:
        self._until = time.thread_time() + _LIMIT

    def check(self) -> None:
        """Raise once the time is used up.

        Raises:
            ProbeError: it is.
        """
        if time.thread_time() > self._until:
            raise ProbeError(f"texts in the flows take more than {_LIMIT:g} s to read", Cause.PROTOCOL)

    def windows(self, text: str, size: int) -> Iterator[str]:
        """Return a text, or what it holds in pieces of this size and a little more.

        Raises:
            ProbeError: as `check`.
        """
        for start in range(0, max(len(text), 1), size):
            if start:
                self.check()
            yield text[start : start + size + _OVERLAP]
