"""Whether what is installed is free of known advisories, and still kept: against the reviewed tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from packaging.version import InvalidVersion, Version

from pytest_nodered_sec.data.releases import advised_node, advisories, lines, node_ends
from pytest_nodered_sec.model import NotApplicable, NotJudged, Violation

if TYPE_CHECKING:
    from datetime import date

    from pytest_nodered_sec.data.releases import Advisory
    from pytest_nodered_sec.model import Verdict
    from pytest_nodered_sec.model_account import Installed
    from pytest_nodered_sec.policy import Policy

_NODE_RED: Final = "node-red"
_FROM_INSIDE: Final = "; or look from inside: --nodered-host=ssh://USER@HOST (host-16)"


def is_free_of_advisories(seen: Installed, policy: Policy) -> Verdict:
    """Each package is at a release without known advisories; an advisory is a violation of its own."""
    if seen.lacking:
        return NotJudged(f"{seen.lacking}{_FROM_INSIDE}")
    if not seen.releases:
        return NotApplicable(f"no modules are installed, {seen.told}")
    return tuple(one for package, release in seen.releases for one in faults_of(package, release, seen.told))


def node_is_maintained(seen: Installed, policy: Policy) -> Verdict:
    """Node.js is of a major that still gets security fixes."""
    if seen.lacking:
        return NotJudged(f"{seen.lacking}{_FROM_INSIDE}")
    ((_, release),) = seen.releases
    return node_faults(release, seen.on, seen.told)


def faults_of(package: str, release: str, told: str) -> tuple[Violation, ...]:
    """Return the advisories that affect a release, and that its line has ended.

    Args:
        package: npm package.
        release: its release as it is said; "" where none is.
        told: where that is from, for the finding.
    """
    observed = f"{_title(package)} {release or 'of unknown release'}, {told}"
    found = version(release)
    rows = [row for row in advisories() if row.package == package]
    if found is None:
        if not rows:
            return ()
        expected = "a published release, so that its advisories are known"
        return (Violation("unknown-release", observed, expected, _install(package, None)),)
    faults = [_fault(row, found, observed) for row in rows if _is_affected(row, found)]
    ends = [line for line in lines() if line.package == package and line.end and line.major == found.major]
    for line in ends:
        expected = f"a line that is kept: {_title(package)} {found.major} ended on {line.end} ({line.source})"
        faults.append(Violation("unmaintained", observed, expected, _install(package, found)))
    return tuple(faults)


def node_faults(release: str, on: date, told: str) -> tuple[Violation, ...]:
    """Return whether a major of Node.js had ended on a date, or is none that was ever kept.

    Args:
        release: Node.js' release as it is said.
        on: the date.
        told: where that is from, for the finding.
    """
    found, ends = version(release), node_ends()
    observed = f"Node.js {release or 'of unknown release'}, {told}"
    remedy = f"install Node.js {advised_node()}, then restart Node-RED"
    if found is None or found.major < min(ends):
        return (Violation("node-unmaintained", observed, "a maintained major of Node.js", remedy),)
    end = ends.get(found.major)
    if end is None or on <= end:
        return ()  # newer than the table
    expected = f"a maintained major of Node.js: {found.major} ended on {end} (nodejs/Release, schedule.json)"
    return (Violation("node-unmaintained", observed, expected, remedy),)


def version(text: str) -> Version | None:
    """Return a release of npm's kind, None where it is none; `-beta.6` is before the release, `-git` before that."""
    try:
        return Version(text.replace("-git", ".dev0"))
    except InvalidVersion:
        return None


def _is_affected(row: Advisory, found: Version) -> bool:
    return any(Version(first) <= found and (not fixed or found < Version(fixed)) for first, fixed in row.affected)


def _fault(row: Advisory, found: Version, observed: str) -> Violation:
    ids = " / ".join((row.id, *row.also))
    fixed = _fixed(row.fixed, found)
    where = f"fixed in {fixed}" if fixed else "no fixed release is known"
    return Violation(
        row.id,
        f"{observed}: {ids} ({row.severity}): {row.effect}",
        f"a release without it: {where} ({row.source})",
        _install(row.package, found) if fixed else f"npm uninstall {row.package}, in the user directory",
    )


def _fixed(releases: tuple[str, ...], found: Version) -> str:
    """Return the first fixed release of the line, else of the next that has one."""
    later = sorted((one for one in releases if Version(one) > found), key=Version)
    own = [one for one in later if Version(one).major == found.major]
    return next(iter([*own, *later]), "")


def _install(package: str, found: Version | None) -> str:
    """Return how to get to the first release without any advisory: of the same line where that is kept."""
    if package == _NODE_RED:
        kept = sorted((one for one in lines() if one.package == package and one.whole), key=lambda one: one.major)
        line = next((one for one in kept if found is not None and one.major >= found.major), kept[-1])
        return f"npm install -g --unsafe-perm {package}@{line.whole}, then restart it"
    return f"npm install {package}@latest, in the user directory, then restart Node-RED"


def _title(package: str) -> str:
    return "Node-RED" if package == _NODE_RED else package
