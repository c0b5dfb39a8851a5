"""What a client, the disk or a stranger's server decide: each decision is tried both ways, by walking again.

A walk is a plain function that asks `Choices.pick` at each fork. `every` runs it once for each combination of answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_MOST_WALKS: Final = 400
Result = TypeVar("Result")


class TooManyError(Exception):
    """So many combinations that they cannot all be tried."""


class Choices:
    """The answers of one walk: a given beginning, then always the first.

    Args:
        given: answers of the first forks.
    """

    def __init__(self, given: tuple[int, ...] = ()) -> None:
        self._given = given
        self._known: dict[Hashable, int] = {}
        self.taken: list[int] = []
        self.counts: list[int] = []

    def pick(self, about: Hashable, count: int) -> int:
        """Return which of `count` ways is taken; the same question has the same answer throughout a walk."""
        if about not in self._known:
            number = len(self.taken)
            self._known[about] = self._given[number] if number < len(self._given) else 0
            self.taken.append(self._known[about])
            self.counts.append(count)
        return self._known[about]

    def whether(self, about: Hashable) -> bool:
        """Return whether something is so."""
        return self.pick(about, 2) == 1


def every(walk: Callable[[Choices], Result]) -> list[Result]:
    """Return the results of all walks.

    Raises:
        TooManyError: there are more than can be tried.
    """
    results: dict[Result, None] = {}
    left: list[tuple[int, ...]] = [()]
    for _ in range(_MOST_WALKS):
        if not left:
            return list(results)
        given = left.pop()
        choices = Choices(given)
        results[walk(choices)] = None
        for number in range(len(given), len(choices.taken)):
            before = tuple(choices.taken[:number])
            left += [(*before, other) for other in range(1, choices.counts[number])]
    raise TooManyError
