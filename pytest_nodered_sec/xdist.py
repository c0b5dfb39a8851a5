"""One worker per target: whatever way of distributing the user chose, a target's cases stay together.

So each question is asked once, and what counts per target (connections, login attempts) counts in one process.
Imported only when xdist asks for a scheduler.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from xdist.scheduler import LoadFileScheduling, LoadGroupScheduling, LoadScopeScheduling

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
    """Return a scheduler of the user's kind that keeps targets together; None leaves `each` and others alone."""
    base = _BASES.get(config.getoption("dist"))
    if base is None:
        return None
    pattern = re.compile(r"\[(" + "|".join(map(re.escape, sorted(targets, key=len, reverse=True))) + r")(-|\])")

    class ByTarget(base):  # type: ignore[misc, valid-type]  # a base chosen at run time
        def _split_scope(self, nodeid: str) -> str:
            found = pattern.search(nodeid)
            return f"target:{found[1]}" if found else str(super()._split_scope(nodeid))

        def remove_node(self, node: Any) -> str | None:
            """Mark the test that killed the worker as done; the base hands out the rest, and would run it again."""
            units = self.assigned_work.get(node, {}).values()
            crashed = next(((unit, test) for unit in units for test, done in unit.items() if not done), None)
            if crashed:
                unit, test = crashed
                unit[test] = True
            super().remove_node(node)  # what it returns is the next test, not the one that was running
            return str(test) if crashed else None

    return ByTarget(config, log)
