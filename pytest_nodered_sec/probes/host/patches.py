"""What is installed on the host: releases, and whether settings.js closes what no release of Node-RED fixes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pytest_nodered_sec.data.assistants import ASSISTANTS
from pytest_nodered_sec.data.releases import unfixed
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.exposure import Exposure
from pytest_nodered_sec.observations.host import PatchLevel
from pytest_nodered_sec.probes.host.proxies import SLACK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_nodered_sec.probes.host.gather import Inside


def patch_level(inside: Inside, settings: Callable[[Inside], Mapping[str, Any]]) -> PatchLevel:  # Any: JSON
    """Return the releases, and whether settings.js closes what none of Node-RED's fixes.

    Args:
        inside: what was gathered.
        settings: returns what settings.js says, or raises ProbeError where that is not what runs.

    Raises:
        ProbeError: a release is not known.
    """
    seen = inside.settings
    if isinstance(seen, ProbeError):
        raise seen.again()
    versions = seen["versions"]
    if not versions["nodeRed"]:
        raise ProbeError(
            "Node-RED's own package.json was not found, or several differ, so its release is not known",
            Cause.UNIDENTIFIED,
        )
    if not versions["node"]:
        state = (
            "was deleted or replaced after Node-RED started" if inside.node_red.deleted else "is not run to be asked"
        )
        raise ProbeError(
            f"the release of Node.js is not known: {inside.node_red.exe or 'the program'} {state}; restart Node-RED",
            Cause.UNIDENTIFIED,
        )
    if stale := installed_since(inside):
        raise ProbeError(
            f"{stale[0][0]} was installed {stale[0][1]} s after Node-RED started, so it is not what runs: see host-17",
            Cause.CHANGED,
        )
    today = datetime.now(UTC).date()
    modules = tuple((name, release) for name, release in versions["modules"] if name not in ASSISTANTS)
    return PatchLevel(versions["nodeRed"], versions["node"], today, modules, _exposures(inside, settings))


def installed_since(inside: Inside) -> list[tuple[str, int]]:
    """Return the packages that were installed or updated after Node-RED started, with the seconds."""
    if isinstance(inside.settings, ProbeError):
        return []
    started = inside.node_red.process.started
    packages = inside.settings["versions"]["packages"]
    return [
        (package["path"], round(package["changed"] - started))
        for package in packages
        if package["changed"] > started + SLACK
    ]


def _exposures(inside: Inside, settings: Callable[[Inside], Mapping[str, Any]]) -> tuple[Exposure, ...]:
    closed, lacking = "", ""
    try:
        seen = settings(inside)
    except ProbeError as error:
        lacking = error.message
    else:
        file, told = seen["file"], seen["settings"]
        closed = f"disableEditor: true in {file}" if told["disableEditor"] else ""
        closed = f"httpAdminRoot: false in {file}" if told["httpAdminRoot"] == "false" else closed
        lacking = "" if closed else f"the editor is enabled in {file}; what the front refuses: patch-01"
    return tuple(Exposure(row.id, closed=closed, lacking=lacking) for row in unfixed())
