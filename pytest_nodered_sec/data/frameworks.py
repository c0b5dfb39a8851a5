"""Which requirements of common frameworks a control bears on; the table is `frameworks.toml`."""

from __future__ import annotations

import functools
import tomllib
from importlib import resources
from typing import Any


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
