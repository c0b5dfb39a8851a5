"""Whether a collected test will run: as far as its marks show before pytest evaluates them in setup, and in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def stopped(config: pytest.Config) -> str:
    """Return why pytest ends the run before all tests ran (-x, --maxfail), as a clause, "" where it does not."""
    session = config.pluginmanager.get_plugin("session")
    why = session and (session.shouldfail or session.shouldstop)
    return f": the run ended before the suite's turn ({why}; -x or --maxfail)" if why else ""


def will_not_run(item: pytest.Item) -> bool:
    """Whether a mark certainly keeps a test from running."""
    return any(applies is True for applies in _verdicts(item))


def may_not_run(item: pytest.Item) -> bool:
    """Whether a mark may keep a test from running; then nothing is asked for it before its setup."""
    return any(applies is not False for applies in _verdicts(item))


def _verdicts(item: pytest.Item) -> list[bool | None]:
    """Return for each skip mark, and each xfail(run=False), whether it applies; None if only setup can tell."""
    if not hasattr(item.config.option, "runxfail"):
        return []  # -p no:skipping: no mark keeps a test from running
    verdicts = [
        _applies(mark, always=mark.name == "skip") for mark in item.iter_markers() if mark.name in ("skip", "skipif")
    ]
    if not item.config.option.runxfail:
        unrun = [mark for mark in item.iter_markers("xfail") if not mark.kwargs.get("run", True)]
        verdicts += [_applies(mark, always=not _conditions(mark)) for mark in unrun]
    return verdicts


def _applies(mark: pytest.Mark, *, always: bool) -> bool | None:
    """Return whether a mark's condition holds, None for a text, which pytest evaluates in its own namespace."""
    conditions = _conditions(mark)
    if always or any(not isinstance(condition, str) and condition for condition in conditions):
        return True
    return None if any(isinstance(condition, str) for condition in conditions) else False


def _conditions(mark: pytest.Mark) -> tuple[object, ...]:
    named = mark.kwargs.get("condition")
    return mark.args if named is None else (named,)
