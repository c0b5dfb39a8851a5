"""Which requirements of common frameworks a control bears on; the table is `frameworks.toml`."""

from __future__ import annotations

import functools
import tomllib
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


@functools.cache
def _table() -> dict[str, Any]:  # Any: TOML
    return tomllib.loads(resources.files(__package__).joinpath("frameworks.toml").read_text(encoding="utf-8"))


def frameworks() -> dict[str, str]:
    """Return the frameworks' names by key, in the order of the table."""
    return dict(_table()["frameworks"])


def requirements(control: str) -> dict[str, tuple[str, ...]]:
    """Return a control's requirements by the framework's key; a site's own control has none."""
    for group in _table()["group"]:
        if control in group["controls"]:
            return {key: tuple(group[key]) for key in _table()["frameworks"] if key in group}
    return {}


def title(framework: str, number: str) -> str:
    """Return a requirement's title, "" where its framework's licence gives us none."""
    wording: str = _table()["titles"].get(framework, {}).get(number, "")
    return wording


@functools.cache
def all_ids(framework: str) -> tuple[str, ...]:
    """Return all ids of a framework, in its order; "SR 1.:1-3" in the table is SR 1.1 to SR 1.3."""
    ids: list[str] = []
    for entry in _table()["all"][framework]:
        prefix, ranged, numbers = entry.rpartition(":")
        if not ranged:
            ids.append(entry)
            continue
        for part in numbers.split(","):
            first, _, last = part.partition("-")
            ids += [f"{prefix}{number}" for number in range(int(first), int(last or first) + 1)]
    return tuple(ids)


def untouched(framework: str, touched: Iterable[str]) -> tuple[str, ...]:
    """Return the ids on which nothing bears, of all ids of a framework; an enhancement, SC-8(1), bears on SC-8."""
    bases = {number.partition("(")[0] for number in touched}
    return tuple(number for number in all_ids(framework) if number not in bases)
