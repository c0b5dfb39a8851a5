"""Blocks of nginx's configuration, and which of their directives are in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_proxies import Directive

Path = tuple["Directive", ...]
"""A block with the blocks around it, the outermost first."""


def value(path: Path, name: str) -> tuple[str, ...]:
    """Return a directive's arguments as the innermost block inherits them."""
    for block in reversed(path):
        for directive in block.block:
            if directive.name == name:
                return directive.args
    return ()


def all_of(path: Path, *names: str) -> list[Directive]:
    """Return the directives of these names of the innermost block that has any: they replace those around it."""
    for block in reversed(path):
        if rules := [directive for directive in block.block if directive.name in names]:
            return rules
    return []
