"""Values that several threads need and that the first of them computes."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pytest_nodered_sec.errors import ProbeError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from types import TracebackType

_Value = TypeVar("_Value")


class Waits:
    """Which thread waits for what which other one finds, of one target's; by their idents."""

    def __init__(self) -> None:
        self._wanted: dict[int, Once[Any]] = {}  # Any: of whatever type

    @contextlib.contextmanager
    def note(self, wanted: Once[Any]) -> Iterator[None]:
        """Note until the block ends that this thread waits for a value."""
        me = threading.get_ident()
        self._wanted[me] = wanted
        try:
            yield
        finally:
            self._wanted.pop(me, None)  # a signal's handler may have waited meanwhile

    def is_waited_for(self, thread: int, other: int) -> bool:
        """Whether the other thread waits for what this one finds, be it by way of further ones."""
        passed: set[int] = set()
        while other not in passed and (wanted := self._wanted.get(other)) is not None:
            passed.add(other)
            other = wanted.finder
            if other == thread:
                return True
        return False


class Once(Generic[_Value]):
    """A value that the first thread to need it finds, while the others wait; errors are kept as well.

    Args:
        find: finds it, or raises ProbeError.
        waits: knows who waits for whom.

    Attributes:
        finder: ident of the thread that finds it, or has found it.
    """

    def __init__(self, find: Callable[[], _Value], waits: Waits | None = None) -> None:
        self.finder = 0
        self._waits = waits or Waits()
        self._find = find
        self._lock = threading.Lock()
        self._outcome: list[_Value] = []  # a single value, when it is known
        self._trouble: Exception | None = None
        self._where: TracebackType | None = None

    def get(self) -> _Value:
        """Return the value.

        Raises:
            ProbeError: it could not be found; a fresh exception for every caller.
        """
        self.settle()
        if self._trouble is not None:
            if isinstance(self._trouble, ProbeError):
                raise self._trouble.again()
            raise self._trouble.with_traceback(self._where)  # as it was, not longer with every caller
        [value] = self._outcome
        return value

    @property
    def known(self) -> bool:
        """Whether the value is there: found, not being found, and no error."""
        return bool(self._outcome)

    @property
    def failed(self) -> bool:
        """Whether it could not be found."""
        return self._trouble is not None

    def settle(self) -> None:
        """Find the value, unless somebody has found it or is about to: then wait for that."""
        with self._turn():
            self.finder = threading.get_ident()
            if not self._outcome and self._trouble is None:
                try:
                    self._outcome.append(self._find())
                except Exception as error:  # noqa: BLE001  kept for all who ask: nothing is asked again because it broke
                    self._trouble, self._where = error, error.__traceback__

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Hold the lock; while this thread waits for it, others can see that."""
        if not self._lock.acquire(blocking=False):
            with self._waits.note(self):
                self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()


class Memo(Generic[_Value]):
    """Such values by key.

    Args:
        waits: knows who waits for whom.
    """

    def __init__(self, waits: Waits | None = None) -> None:
        self._waits = waits
        self._lock = threading.Lock()
        self._known: dict[Hashable, Once[_Value]] = {}

    def get(self, key: Hashable, find: Callable[[], _Value]) -> _Value:
        """Return what the first caller with this key found.

        Raises:
            ProbeError: it could not be found.
        """
        with self._lock:
            known = self._known.setdefault(key, Once(find, self._waits))
        return known.get()

    def drop(self, key: Hashable) -> None:
        """Let go of the value with this key, or of the error that was met in its place."""
        with self._lock:
            self._known.pop(key, None)

    def drop_errors(self) -> None:
        """Let go of the errors that were met in place of values."""
        with self._lock:
            self._known = {key: known for key, known in self._known.items() if not known.failed}

    def clear(self) -> None:
        """Let go of all values."""
        with self._lock:
            self._known.clear()
