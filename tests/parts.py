"""A part of a long list of live cases, chosen by the environment: each run takes some, the parts together take all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

_Case = TypeVar("_Case")
VARIABLE: Final = "NODERED_SEC_PART"


def part_of(cases: Sequence[_Case]) -> list[_Case]:
    """Return the part that the variable names as N/M ("2/4": every fourth, from the second on), all where it is unset.

    N may be any number, such as the day of the year: it is counted around.
    """
    said = os.environ.get(VARIABLE, "")
    if not said:
        return list(cases)
    number, _, parts = said.partition("/")
    return list(cases[(int(number) - 1) % int(parts) :: int(parts)])
