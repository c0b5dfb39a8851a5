"""Whether a service reads the files that are seen on the host, or has mounted others over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.probes.host import parse as text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_nodered_sec.observations.host import Unit
    from pytest_nodered_sec.probes.host.parse import Section


def read_elsewhere(program: str, sections: Mapping[str, Section], name: str, paths: Iterable[str]) -> str:
    """Say why a program's files are not those that are seen here, "" where they are.

    Args:
        program: e.g. "nginx".
        sections: what the script printed.
        name: of its service, or "".
        paths: the files.
    """
    try:
        unit = text_of.units(sections.get("units")).get(name) if name else None
    except ProbeError:
        unit = None  # without a service manager nothing is mounted for a service
    if unit is None:
        return ""
    if root := next((key for key in ("RootDirectory", "RootImage") if unit.get(key) not in ("", "/")), ""):
        return f"{program} has a root directory of its own ({root}= of {name}): its files are not those seen here"
    below = {path for path in paths if path.count("/") > 1}
    folders = {path.rpartition("/")[0] for path in below} - {"/etc"}  # links in them may lead to what is covered
    for over in _covered(unit):
        place = over.rstrip("/")
        if any(f"{path}/".startswith(f"{place}/") for path in below) or any(
            f"{place}/".startswith(f"{folder}/") for folder in folders
        ):
            return f"{program} reads other files than are seen here: {name} mounts something over {over}"
    return ""


def _covered(unit: Unit) -> list[str]:
    """Return the places over which a service mounts something else."""
    bound = [
        part.removeprefix("-").split(":")
        for key in ("BindPaths", "BindReadOnlyPaths")
        for part in unit.get(key).split()
    ]
    empty = [part.partition(":")[0] for part in unit.get("TemporaryFileSystem").split()]
    return [*empty, *(part[1] for part in bound if len(part) > 1 and part[0] != part[1])]
