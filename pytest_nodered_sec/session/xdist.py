"""Keeps all cases of a target in one xdist worker, whatever `--dist` the user chose.

So each question is asked once, and limits per target (connections, login attempts) are kept in one process.
Imported only when xdist asks for a scheduler.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from xdist.scheduler import LoadFileScheduling, LoadGroupScheduling, LoadScopeScheduling

from pytest_nodered_sec import private
from pytest_nodered_sec.session.ahead import TARGETS_AHEAD

if TYPE_CHECKING:
    import pytest

_BASES: Final[dict[str, type[Any]]] = {  # Any: xdist is untyped
    "load": LoadScopeScheduling,
    "worksteal": LoadScopeScheduling,
    "loadscope": LoadScopeScheduling,
    "loadfile": LoadFileScheduling,
    "loadgroup": LoadGroupScheduling,
}


def make_scheduler(config: pytest.Config, log: Any, targets: tuple[str, ...]) -> Any:
    """Return a scheduler of the user's `--dist` mode that keeps targets together; None for `each` and other modes."""
    base = _BASES.get(config.getoption("dist"))
    if base is None:
        return None
    pattern = re.compile(r"\[(" + "|".join(map(re.escape, sorted(targets, key=len, reverse=True))) + r")(-|\])")

    def group(nodeid: str) -> str | None:
        target = pattern.search(nodeid)
        return f"target:{target[1]}" if target else None

    return private.grouping(base, group, TARGETS_AHEAD)(config, log)
