"""Values that several threads need and one of them finds."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_nodered_sec.errors import ProbeError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_Value = TypeVar("_Value")


class Once(Generic[_Value]):
    """A value that the first thread to need it finds, while the others wait; errors are kept as well.

    Args:
        find: finds it, or raises ProbeError.
    """

    def __init__(self, find: Callable[[], _Value]) -> None:
        self._find = find
        self._lock = threading.Lock()
        self._outcome: list[_Value | ProbeError] = []  # one, when it is known

    def get(self) -> _Value:
        """Return the value.

        Raises:
            ProbeError: it could not be found; a fresh exception for every caller.
        """
        self.settle()
        [outcome] = self._outcome
        if isinstance(outcome, ProbeError):
            raise outcome.again()
        return outcome

    def settle(self) -> None:
        """Find the value, unless somebody has found it or is about to: then wait for that."""
        with self._lock:
            if not self._outcome:
                try:
                    self._outcome.append(self._find())
                except ProbeError as error:
                    self._outcome.append(error)


class Memo(Generic[_Value]):
    """Such values by key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Hashable, Once[_Value]] = {}

    def get(self, key: Hashable, find: Callable[[], _Value]) -> _Value:
        """Return what the first caller with this key found.

        Raises:
            ProbeError: it could not be found.
        """
        with self._lock:
            known = self._known.setdefault(key, Once(find))
        return known.get()
