"""Spellings of a path under which Express serves the same, and by which real proxies were passed; reviewed 2026-11-30.

Measured on Node-RED 4.1.15 and 5.0.7: letter case and one trailing slash make no difference to Express. What does
(`//flows`, `/./flows`, `/%66lows`, `/flows;x`, `/flows%2f`: all 404) is not here: proxies that tidy
such paths are asked by `data.ways`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data import guarded_get_routes
from pytest_nodered_sec.data.letters import mixed_case

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Spelling:
    """Another way to write a path.

    Attributes:
        name: what it is called.
        write: turns the plain path, which ends without a slash, into this spelling.
        passes: proxy rules that it was seen to pass.
        labelled: turns the plain path into what the question is called. Ids last, and what is asked may not.
    """

    name: str
    write: Callable[[str], str]
    passes: str
    labelled: Callable[[str], str]


SPELLINGS: Final = (
    Spelling(
        "letter case",
        mixed_case,
        "nginx: location = /flows, location /flows, location ^~ /ui/, location ~ ^/(api|API); Caddy: path_regexp",
        str.upper,
    ),
    Spelling(
        "trailing slash",
        lambda path: f"{path}/",
        "nginx: location = /flows; Caddy: path /flows",
        lambda path: f"{path}/",
    ),
)

# Both dashboards serve their folder by express.static, and Dashboard 2 its page at every path below its own: seen with
# node-red-dashboard 3.6.6 and @flowfuse/node-red-dashboard 1.30.2 behind nginx: location ~* ^/(ui|dashboard)/?$
PAGE_FILE: Final = "/index.html"


def respelled_routes() -> tuple[str, ...]:
    """Return guarded routes that any of the spellings reaches on an open instance: literal ones that are there."""
    return tuple(row.path for row in guarded_get_routes() if row.path == row.route and row.open_status != 404)
