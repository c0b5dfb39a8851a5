"""Whether what is installed is free of known advisories, and still kept: against the reviewed tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from packaging.version import InvalidVersion, Version

from pytest_nodered_sec.data.releases import advised_node, advisories, lines, node_ends, secure_nodes, unfixed
from pytest_nodered_sec.texts import counted
from pytest_nodered_sec.verdict import NotApplicable, NotJudged, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from pytest_nodered_sec.data.releases import Advisory, Line
    from pytest_nodered_sec.observations.account import Installed
    from pytest_nodered_sec.observations.exposure import Exposure
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

_NODE_RED: Final = "node-red"
_AHEAD: Final = {"baseline": 0, "production": 30, "strict": 180}  # days before the end of a line at which it is told
_FROM_INSIDE: Final = "; or look from inside: --nodered-host=ssh://USER@HOST (host-16)"


def is_free_of_advisories(seen: Installed, policy: Policy) -> Verdict:
    """Each package is at a release without known advisories; an advisory is a violation of its own."""
    if seen.lacking:
        return NotJudged(f"{seen.lacking}{_FROM_INSIDE}")
    if not seen.releases:
        return NotApplicable(f"no modules are installed, {seen.told}")
    faults = [
        fault for package, release in seen.releases for fault in faults_of(package, release, seen.told, seen.on, policy)
    ]
    return with_unfixed(faults, seen.exposures)


def with_unfixed(faults: Iterable[Violation], exposures: Iterable[Exposure]) -> Verdict:
    """Return these faults and what no release fixes; not judged where there is none and something is not known."""
    rows, seen = {row.id: row for row in unfixed()}, list(exposures)
    violations = (
        *faults,
        *(
            Violation(
                exposure.id,
                f"{exposure.exposed}: {rows[exposure.id].effect}",
                f"{exposure.id} closed by the deployment, because no release fixes it ({rows[exposure.id].source})",
                rows[exposure.id].mitigation,
            )
            for exposure in seen
            if exposure.exposed and exposure.id in rows
        ),
    )
    unknown = [f"{exposure.id}, which no release fixes: {exposure.lacking}" for exposure in seen if exposure.lacking]
    return NotJudged("; ".join(unknown)) if unknown and not violations else violations


def node_is_maintained(seen: Installed, policy: Policy) -> Verdict:
    """Node.js is of a major that still gets security fixes, and has the last of them."""
    if seen.lacking:
        return NotJudged(f"{seen.lacking}{_FROM_INSIDE}")
    ((_, release),) = seen.releases
    return node_faults(release, seen.on, seen.told)


def faults_of(package: str, release: str, told: str, on: date, policy: Policy) -> tuple[Violation, ...]:
    """Return the advisories that affect a release, and that its line has ended or soon will.

    Args:
        package: npm package.
        release: its release as it is said; "" where none is.
        told: where that is from, for the finding.
        on: the date.
        policy: what is demanded; its profile says how long ahead the end of a line is told.
    """
    observed = f"{_title(package)} {release or 'of unknown release'}, {told}"
    installed = version(release)
    rows = [row for row in advisories() if row.package == package]
    if installed is None:
        if not rows:
            return ()
        expected = "a published release, so that its advisories are known"
        return (Violation("unknown-release", observed, expected, _install(package, None)),)
    faults = [_fault(row, installed, observed) for row in rows if _is_affected(row, installed)]
    ends = [line for line in lines() if line.package == package and line.major == installed.major]
    faults += [fault for line in ends if (fault := _end(line, on, observed, policy))]
    return tuple(faults)


def _end(line: Line, on: date, observed: str, policy: Policy) -> Violation | None:
    """Return that a line has ended, or that it ends within the time that the profile plans for."""
    if line.end is None:
        return None
    name, left = f"{_title(line.package)} {line.major}", (line.end - on).days
    if left < 0:
        expected = f"a supported release line: {name} ended on {line.end} ({line.source})"
        return Violation("unmaintained", observed, expected, _install(line.package, None, after=line.major))
    if left >= _AHEAD[policy.profile]:
        return None
    expected = (
        f"a release line supported for {_AHEAD[policy.profile]} more days (profile {policy.profile}): {name} ends on "
        f"{line.end}, in {counted(left, 'day')} ({line.source})"
    )
    return Violation("ends-soon", observed, expected, _install(line.package, None, after=line.major))


def node_faults(release: str, on: date, told: str) -> tuple[Violation, ...]:
    """Return whether a major of Node.js had ended on a date, is none that was ever kept, or lacks security fixes.

    Args:
        release: Node.js' release as it is said.
        on: the date.
        told: where that is from, for the finding.
    """
    installed, ends, secure = version(release), node_ends(), secure_nodes()
    observed = f"Node.js {release or 'of unknown release'}, {told}"
    remedy = f"install Node.js {secure[advised_node()]} or newer, then restart Node-RED"
    if installed is None or installed.major < min(ends):
        return (Violation("node-unmaintained", observed, "a maintained major of Node.js", remedy),)
    end, fixed = ends.get(installed.major), secure.get(installed.major)
    if end is not None and on > end:
        expected = f"a maintained major of Node.js: {installed.major} ended on {end} (nodejs/Release, schedule.json)"
        return (Violation("node-unmaintained", observed, expected, remedy),)
    if fixed is not None and installed < Version(fixed):
        expected = (
            f"Node.js {fixed} or newer, which has the last security fixes of its line (nodejs.org, vulnerability)"
        )
        remedy = f"install Node.js {fixed} or newer, then restart Node-RED"
        return (Violation("node-behind", observed, expected, remedy),)
    return ()  # a major newer than the table too


def version(text: str) -> Version | None:
    """Return a release of npm's kind, None where it is none; `-beta.6` is before the release, `-git` before that."""
    try:
        return Version(text.replace("-git", ".dev0"))
    except InvalidVersion:
        return None


def _is_affected(row: Advisory, installed: Version) -> bool:
    return any(
        Version(first) <= installed and (not fixed or installed < Version(fixed)) for first, fixed in row.affected
    )


def _fault(row: Advisory, installed: Version, observed: str) -> Violation:
    ids = " / ".join((row.id, *row.also))
    fixed = _fixed(row.fixed, installed)
    where = f"fixed in {fixed}" if fixed else "no fixed release is known"
    return Violation(
        row.id,
        f"{observed}: {ids} ({row.severity}): {row.effect}",
        f"a release without it: {where} ({row.source})",
        _install(row.package, installed) if fixed else f"npm uninstall {row.package}, in the user directory",
    )


def _fixed(releases: tuple[str, ...], installed: Version) -> str:
    """Return the first fixed release of the line, else of the next that has one."""
    later = sorted((release for release in releases if Version(release) > installed), key=Version)
    own = [fix for fix in later if Version(fix).major == installed.major]
    return next(iter([*own, *later]), "")


def _install(package: str, installed: Version | None, after: int = 0) -> str:
    """Return how to get to the first release without any advisory: of the same line where that is kept.

    Args:
        package: npm package.
        found: the release, None where it does not matter.
        after: major that is not good enough.
    """
    if package == _NODE_RED:
        kept = [line for line in lines() if line.package == package and line.whole and line.major > after]
        kept.sort(key=lambda line: line.major)
        line = next((line for line in kept if installed is not None and line.major >= installed.major), kept[-1])
        return f"npm install -g --unsafe-perm {package}@{line.whole}, then restart it"
    return f"npm install {package}@latest, in the user directory, then restart Node-RED"


def _title(package: str) -> str:
    return "Node-RED" if package == _NODE_RED else package
