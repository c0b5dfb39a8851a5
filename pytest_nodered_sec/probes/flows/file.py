"""Flows from files: a flow file, a project, or a folder of flows that were split into several files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.flows import Entries
from pytest_nodered_sec.probes.flows.reading import LIMIT, VALUES, read_flows, view_of
from pytest_nodered_sec.probes.flows.shape import nodes_of
from pytest_nodered_sec.probes.transport.answers import values_in

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Ask, Observation
    from pytest_nodered_sec.observations.flows import FlowsRead
    from pytest_nodered_sec.probes.flows.shape import Node

_FILES: Final = 2000  # of one folder


def read(place: str) -> FlowsRead:
    """Read a file, or all files of a folder, as one set of flows.

    Raises:
        ProbeError: it cannot be read, or holds no flows.
    """
    path = Path(place)
    if not path.is_dir():
        nodes = _nodes(path, place)
        if nodes is None or not all(isinstance(node.get("type"), str) for node in nodes):
            raise ProbeError(f"{place} holds no flows of Node-RED", Cause.PROTOCOL)
        return read_flows(nodes)
    project = _flow_file(path)
    if project is not None:
        return read(str(project))
    nodes = []
    files = [file for file in sorted(path.rglob("*.json")) if _may_hold_flows(file.relative_to(path))]
    if len(files) > _FILES or sum(file.stat().st_size for file in files) > LIMIT:
        raise ProbeError(f"{place} holds more than {_FILES} files, or {LIMIT // 1024**2} MiB", Cause.PROTOCOL)
    for file in files:
        more = _nodes(file, str(file)) or []
        nodes += [node for node in more if isinstance(node.get("id"), str) and isinstance(node.get("type"), str)]
    if not nodes:
        raise ProbeError(f"{place} holds no file with flows of Node-RED", Cause.PROTOCOL)
    return read_flows(nodes)


def answer(flows: FlowsRead, place: str, ask: Ask) -> Observation:
    """Return what a reading answers to a question."""
    told = f"read from {place}"
    if ask.probe == "entries":
        return Entries(flows.entries, told, "")
    return view_of(ask.args[0] if ask.args else "passages")(flows, told, "")


def _nodes(path: Path, place: str) -> list[Node] | None:
    try:
        if path.stat().st_size > LIMIT:
            raise ProbeError(f"{place} has more than {LIMIT // 1024**2} MiB", Cause.PROTOCOL)
        content = path.read_bytes()
        if values_in(content) > VALUES:
            raise ProbeError(f"{place} has more than {VALUES:,} values", Cause.PROTOCOL)
        return nodes_of(json.loads(content))
    except OSError as error:
        raise ProbeError(f"{place} cannot be read: {error.strerror}", Cause.FORBIDDEN) from None
    except (ValueError, RecursionError):  # ValueError: no UTF-8, too
        raise ProbeError(f"{place} is no JSON", Cause.PROTOCOL) from None


def _flow_file(folder: Path) -> Path | None:
    """Return the file that a project's package.json names, None where it names none."""
    package: Any = None  # Any: JSON
    try:
        package = json.loads((folder / "package.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    for key in ("node-red", "settings", "flowFile"):
        package = package.get(key) if isinstance(package, dict) else None
    if not isinstance(package, str):
        return None
    file = (folder / package).resolve()
    return file if file.is_relative_to(folder.resolve()) and file.is_file() else None


def _may_hold_flows(path: Path) -> bool:
    hidden = any(part.startswith(".") or part == "node_modules" for part in path.parts)
    return not hidden and not path.name.startswith("package") and not path.stem.endswith("_cred")
