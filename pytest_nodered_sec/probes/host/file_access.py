"""Who else can reach Node-RED's files on the host, as host-07 and host-19 ask for them; parsing only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.credentials import named_secret
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.host_files import FileAccess, FileStep
from pytest_nodered_sec.probes.host import parse as text_of
from pytest_nodered_sec.probes.host.certificates import looked_at, on_the_way
from pytest_nodered_sec.probes.host.gather import environment_of_unit

if TYPE_CHECKING:
    from pytest_nodered_sec.probes.host.gather import Inside

_PLACES: Final = {"environment": "Environment=", "command": "ExecStart= sets ", "define": "ExecStart= defines "}
# what a name says of a secret that is not there itself
_ABOUT: Final = re.compile(
    r"_(FILE|PATH|DIR|URL|URI|EXPIRY|TTL|TIMEOUT|LENGTH|TYPE|MODE|NAME|USER|ID|HEADER)$", re.IGNORECASE
)


def files_of_kind(inside: Inside, kind: str) -> FileAccess:
    """Return the files of one kind, as they lie on the host.

    Raises:
        ProbeError: settings.js could not be read, a unit's files are not shown, or a service has mounted them.
    """
    process = inside.node_red.process
    if kind == "environment files" and not process.user_unit:
        return _environment(inside)
    seen = inside.settings
    if isinstance(seen, ProbeError):
        raise seen.again()
    if kind == "environment files" and not seen["ownUnit"]:
        raise ProbeError(
            f"which files {process.user_unit} has its environment from is not shown by the systemd of {process.user}",
            Cause.FORBIDDEN,
        )
    own = {"root", process.user}
    if kind in seen.get("apart", {}):
        raise ProbeError(
            f"{process.line()} has {seen['apart'][kind]} from another place of the host (a mount of its service's), so "
            "who else can reach it is not known",
            Cause.UNIDENTIFIED,
        )
    files = tuple(
        tuple(_step(step, seen["groups"], own) for step in file["steps"]) for file in seen["kinds"].get(kind, [])
    )
    where = process.user_unit if kind == "environment files" else seen["userDir"]
    return FileAccess(kind, where, process, files)


def _environment(inside: Inside) -> FileAccess:
    """Return the files from which the service manager gives Node-RED its environment, secrets perhaps."""
    process = inside.node_red.process
    if process.unit:
        text_of.units(inside.found.get("units"))  # else its files are not known, which is not the same as none
    paths = environment_of_unit(inside.found, process.unit)
    steps = looked_at(inside, {"root", process.user}, paths)
    there = [path for path in paths if path in steps]
    files = on_the_way(there, steps)
    return FileAccess("environment files", process.unit or "no service", process, files, _told(inside, process.unit))


def _told(inside: Inside, unit: str) -> tuple[str, ...]:
    """Return the secrets in a unit: by their names, and those whose values settings.js takes for such."""
    section = inside.found.get("variables")
    secret = set() if isinstance(inside.settings, ProbeError) else set(inside.settings.get("secretVariables", ()))
    lines = [line.split() for line in section.text.split("\n")] if section is not None else []
    return tuple(
        dict.fromkeys(
            f"{_PLACES[line[1]]}{line[2]}"
            for line in lines
            if len(line) == 3 and line[0] == unit and line[1] in _PLACES and (line[2] in secret or _is_secret(line[2]))
        )
    )


def _is_secret(name: str) -> bool:
    return named_secret(re.sub(r"([a-z])([A-Z])", r"\1_\2", name)) and _ABOUT.search(name) is None


def _step(raw: dict[str, Any], groups: dict[str, Any], own: set[str]) -> FileStep:
    members = groups.get(str(raw["gid"]), {}).get("members", [])
    strangers = tuple(sorted(set(members) - own)) + (("whom its access control list names",) if raw["acl"] else ())
    return FileStep(
        raw["path"],
        raw["mode"],
        raw["uid"],
        raw["gid"],
        raw["folder"],
        strangers,
        own=raw["own"],
        mount=raw["mount"],
    )
