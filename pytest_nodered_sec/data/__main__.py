"""`python -m pytest_nodered_sec.data`: how old each reviewed table is, and what it would take to renew it.

Prints, changes nothing, and asks nobody: what is new must be read by a person at the sources that are named.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Final

from pytest_nodered_sec.data.known_credentials import credentials_checked
from pytest_nodered_sec.data.releases import advisories_checked, node_checked

_TABLES: Final = (
    (
        "advisories.toml",
        advisories_checked,
        "github.com/node-red/node-red/releases and /security, github.com/advisories?query=node-red, "
        "nodered.org/about/releases: add what is new, set `whole` and `end` of each line",
    ),
    (
        "node_releases.toml",
        node_checked,
        "github.com/nodejs/Release, schedule.json; nodejs.org/en/blog/vulnerability: the first release of each line "
        "with the last security fixes",
    ),
    (
        "known_credentials.toml",
        credentials_checked,
        "the sources that each row names, and what products have come since: keep the lists short",
    ),
)


def report() -> str:
    """Return a line for the age of each table, and one for how to renew it."""
    today = datetime.now(UTC).date()
    lines = []
    for name, checked, renewal in _TABLES:
        days = (today - checked()).days
        age = f"{days} day{'' if days == 1 else 's'} ago"
        lines += [f"{name}: reviewed {checked()}, {age}", f"  to renew: read {renewal}"]
    lines.append("Then set `checked`, and run: python -m pytest tests/data tests/rules")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(f"{report()}\n")
