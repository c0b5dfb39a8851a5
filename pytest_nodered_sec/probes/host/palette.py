"""The installed packages, of what the host's Node told: a reading of their code (host-18), and their lock (host-21)."""

from __future__ import annotations

from typing import Any

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.host_palette import CodePlace, InstalledNodes, NodePackage, PaletteLock

_KINDS = ("routes", "listens", "commands", "installs")


def nodes_of(seen: dict[str, Any]) -> InstalledNodes:
    """Return the packages with nodes; Any: JSON, here and below."""
    packages = tuple(
        NodePackage(
            row["name"],
            row["version"],
            tuple(CodePlace(kind, file, line) for kind, file, line in row["marks"] if kind in _KINDS),
            row["whole"],
        )
        for row in seen["nodes"]
    )
    return InstalledNodes(seen["userDir"], packages, seen["settings"]["httpAdminRoot"] != "false")


def lock_of(seen: dict[str, Any]) -> PaletteLock:
    """Return how the packages of the user directory are installed.

    Raises:
        ProbeError: their lock file is not one that is read.
    """
    told = seen["lock"]
    lists = {name: tuple(told[name]) for name in ("packages", "unlocked", "registries", "elsewhere", "scripts")}
    lock = PaletteLock(
        folder=told["folder"],
        lock=told["lock"],
        broken=told["broken"],
        version=told["version"],
        silent=told["silent"],
        **lists,
    )
    if lock.packages and (lock.broken or (lock.lock and not lock.lock.endswith(".json"))):
        why = lock.broken or "only npm's lock files are read"
        raise ProbeError(f"{lock.folder}/{lock.lock}: {why}", Cause.PROTOCOL)
    return lock
