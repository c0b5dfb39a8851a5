"""What of a way is sent to a target: the plan lists it, and the probes send it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_nodered_sec.data.ways import ANYWHERE, DOTTED, WAYS

if TYPE_CHECKING:
    from pytest_nodered_sec.data.part import Part
    from pytest_nodered_sec.model import Target


def free_path(target: Target) -> str:
    """Return the absolute path of what the policy declares public first, without a slash at the end; "" for nothing."""
    declared = (path.path for path in target.policy.public_paths if path.path.strip("/"))
    return next((target.node(path) for path in declared), "").rstrip("/")


def parts_of(target: Target, way: str) -> list[Part]:
    """Return what of a way is sent to a target: in calm mode what any visitor may send.

    Args:
        target: whose first public path stands for a path that is often free, where it has one.
        way: its name in `WAYS`.
    """
    free = free_path(target)
    said = f"by way of {free}/.. and paths that are often free"
    known = replace(DOTTED, said=said, write=lambda path: f"{free}/..{ANYWHERE}{path}") if free else DOTTED
    parts = (known if part is DOTTED else part for part in WAYS[way].parts)
    return [part for part in parts if part.ordinary or target.policy.mode != "calm"]
