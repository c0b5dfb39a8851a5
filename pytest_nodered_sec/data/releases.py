"""What is known about releases: `advisories.toml`, `node_releases.toml`, `unguarded_nodes.toml`, and their loaders.

Versions stay text here; `rules/patches.py` compares them.
"""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date


@dataclass(frozen=True, kw_only=True)
class Advisory:
    """One weakness of a package, in the releases that have it.

    Attributes:
        id: CVE, GHSA, or a pull request of node-red/node-red.
        package: npm package.
        affected: intervals of releases, the first in, the second out; "" for no end.
        fixed: first release of each line after which none has it.
        severity: as the source rates it.
        effect: one sentence.
        source: where it was read.
        also: further ids.
    """

    id: str
    package: str
    affected: tuple[tuple[str, str], ...]
    fixed: tuple[str, ...]
    severity: str
    effect: str
    source: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Unfixed:
    """An advisory that every release of a package has, so that no upgrade helps.

    Attributes:
        id: CVE, GHSA, or an issue of node-red/node-red.
        package: npm package.
        effect: one sentence.
        mitigation: what closes it.
        source: where it was read.
        needs: "editor" or "projects": what must be enabled for it to be there; Projects need the editor.
        route: path below the admin root whose GET only reads, by which a refusal of the front's is seen.
    """

    id: str
    package: str
    effect: str
    mitigation: str
    source: str
    needs: str
    route: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """A major of a package, and how long it is kept.

    Attributes:
        package: npm package.
        major: its first number.
        source: where it was read.
        whole: first release of it that no advisory with a fix affects; "" where the line is not kept.
        end: when maintenance ends or ended; None where that is not published.
    """

    package: str
    major: int
    source: str
    whole: str = ""
    end: date | None = None


@dataclass(frozen=True, kw_only=True)
class UnguardedPackage:
    """A contributed package whose admin routes do not ask who somebody is.

    Attributes:
        name: npm package.
        version: the release that was read.
        file: where in it.
        routes: below the admin root.
        gives: what an anonymous client gets.
        how: "read" or "measured": asked without a login on a real Node-RED with adminAuth.
        fixed: first release without it, "" where none is known.
    """

    name: str
    version: str
    file: str
    routes: str
    gives: str
    how: str
    fixed: str = ""


@dataclass(frozen=True, kw_only=True)
class ReviewedPackage:
    """A release of a contributed package that somebody reviewed, and that opens nothing for strangers.

    Attributes:
        name: npm package.
        version: the release that was reviewed.
        opens: what it opens, and who guards it; or what it runs.
        how: as above.
    """

    name: str
    version: str
    opens: str
    how: str


def advisories() -> tuple[Advisory, ...]:
    """Return the advisories, in the order of the file."""
    return tuple(Advisory(**_frozen(row)) for row in _table("advisories.toml")["advisory"])


def unfixed() -> tuple[Unfixed, ...]:
    """Return the advisories that no release fixes."""
    return tuple(Unfixed(**row) for row in _table("advisories.toml")["unfixed"])


def lines() -> tuple[Line, ...]:
    """Return the lines of which it is known how long they are kept."""
    return tuple(Line(**row) for row in _table("advisories.toml")["line"])


def advisories_checked() -> date:
    """Return when the advisories were last reviewed."""
    checked: date = _table("advisories.toml")["checked"]
    return checked


def node_checked() -> date:
    """Return when the table of Node.js was last reviewed."""
    checked: date = _table("node_releases.toml")["checked"]
    return checked


def unguarded_packages() -> tuple[UnguardedPackage, ...]:
    """Return the packages whose admin routes nobody guards."""
    return tuple(UnguardedPackage(**row) for row in _table("unguarded_nodes.toml")["package"])


def reviewed_packages() -> tuple[ReviewedPackage, ...]:
    """Return the releases of packages that open nothing for strangers."""
    return tuple(ReviewedPackage(**row) for row in _table("unguarded_nodes.toml")["reviewed"])


def node_ends() -> dict[int, date]:
    """Return the last day of each major of Node.js."""
    return {int(major): end for major, end in _table("node_releases.toml")["end"].items()}


def secure_nodes() -> dict[int, str]:
    """Return the first release of each kept major of Node.js with the last security fixes."""
    return {int(major): release for major, release in _table("node_releases.toml")["secure"].items()}


def advised_node() -> int:
    """Return the major of Node.js that a remedy names."""
    return int(_table("node_releases.toml")["advised"])


def _frozen(row: dict[str, Any]) -> dict[str, Any]:  # Any: TOML; the classes refuse unknown and missing keys
    intervals = tuple((first, fixed) for first, fixed in row["affected"])
    return row | {"affected": intervals, "fixed": tuple(row["fixed"]), "also": tuple(row.get("also", ()))}


@functools.cache
def _table(name: str) -> dict[str, Any]:  # Any: as above
    return tomllib.loads((resources.files(__package__) / name).read_text(encoding="utf-8"))
