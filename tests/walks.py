"""What the comparisons of a walk with a real proxy share: how examples are made up, and how an end is compared."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nodered_sec.rules.walk.request import Outcome


def examples(each: int, default: int) -> settings:
    """Return hypothesis' settings for as many configurations as `NODERED_SEC_WALKS` requests need.

    Args:
        each: requests of one configuration.
        default: requests without the variable.
    """
    return settings(
        max_examples=max(1, int(os.environ.get("NODERED_SEC_WALKS", default)) // each),
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )


def answers(ends: Iterable[Outcome]) -> set[tuple[str, str]]:
    """Return the ends of a walk as a proxy of the tests shows them: who was reached and by what path, or the answer."""
    names = {"node-red": "red", "elsewhere": "else"}
    return {(names[end.kind], end.uri) if end.kind in names else (str(end.status), end.location) for end in ends}
