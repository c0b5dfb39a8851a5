"""Requests to writing routes that write nothing: `safe_writes.toml`, reviewed 2026-11-23, and its loader."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

_FILE: Final = "safe_writes.toml"


@dataclass(frozen=True, kw_only=True)
class SafeWrite:
    """A request that an open instance understands, and refuses for its content.

    Attributes:
        method: HTTP method.
        path: a concrete request below the admin root, perhaps with a query.
        route: the Express pattern as the source spells it.
        open_status: HTTP status by which an open instance refuses.
        open_type: media type of that answer; a route that is not there answers 404 text/html.
        guard: the permission demanded.
        source: npm package and file.
        body: JSON, or "" for none.
        headers: further headers, each "Name: value".
        note: what a reader would stumble over.
    """

    method: str
    path: str
    route: str
    open_status: int
    open_type: str
    guard: str
    source: str
    body: str = ""
    headers: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class UnaskedWrite:
    """A writing route that is never asked, and why."""

    method: str
    route: str
    source: str
    reason: str


def safe_writes() -> tuple[SafeWrite, ...]:
    """Return the requests, in the order of the file."""
    rows = (row | {"headers": tuple(row.get("headers", ()))} for row in _tables()["write"])
    return tuple(SafeWrite(**row) for row in rows)


def unasked_writes() -> tuple[UnaskedWrite, ...]:
    """Return the writing routes that are not asked."""
    return tuple(UnaskedWrite(**row) for row in _tables()["unasked"])


@functools.cache
def _tables() -> dict[str, Any]:  # Any: TOML; the classes refuse unknown and missing keys
    return tomllib.loads((resources.files(__package__) / _FILE).read_text(encoding="utf-8"))
