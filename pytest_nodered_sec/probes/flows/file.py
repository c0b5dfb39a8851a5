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

_NAME: Final = "name the file where Node-RED saves its flows, or an export"
_FILES: Final = 2000  # of one folder


def read(place: str) -> FlowsRead:
    """Read a file, or all files of a folder, as one set of flows.

    Raises:
        ProbeError: it cannot be read, or holds no flows.
    """
    path = Path(place)
    project = _flow_file(path) if path.is_dir() else None
    if project is not None or not path.is_dir():
        nodes = _nodes(project or path)
        if not nodes or not all(isinstance(node.get("type"), str) for node in nodes):
            raise ProbeError(f"{project or place} holds no flows of Node-RED: {_NAME}", Cause.PROTOCOL)
        return read_flows(nodes)
    nodes = []
    for file in _files(path):
        more = _nodes(file) or []
        nodes += [node for node in more if isinstance(node.get("id"), str) and isinstance(node.get("type"), str)]
    if not nodes:
        raise ProbeError(f"{place} holds no file with flows of Node-RED: {_NAME}", Cause.PROTOCOL)
    return read_flows(nodes)


def check(place: str) -> None:
    """See before the run that a file, or all files of a folder, can be read and are JSON.

    Raises:
        ProbeError: one is not.
    """
    path = Path(place)
    project = _flow_file(path) if path.is_dir() else None
    for file in _files(path) if path.is_dir() and project is None else [project or path]:
        if not file.is_fifo():  # which can be read once
            _nodes(file)


def answer(flows: FlowsRead, place: str, ask: Ask) -> Observation:
    """Return what a reading answers to a question."""
    told = f"read from {place}"
    if ask.probe == "entries":
        return Entries(flows.entries, told, "")
    return view_of(ask.args[0] if ask.args else "passages")(flows, told, "")


def _files(folder: Path) -> list[Path]:
    try:
        files = [path for path in sorted(folder.rglob("*.json")) if _may_hold_flows(path.relative_to(folder))]
        files = [path for path in files if not path.is_dir()]
        size = sum(path.stat().st_size for path in files)
    except OSError as error:
        raise ProbeError(f"{error.filename} cannot be read: {error.strerror}", Cause.FORBIDDEN) from None
    if len(files) > _FILES or size > LIMIT:
        raise ProbeError(f"{folder} holds more than {_FILES} files, or {LIMIT // 1024**2} MiB", Cause.PROTOCOL)
    return files


def _nodes(path: Path) -> list[Node] | None:
    try:
        if path.stat().st_size > LIMIT:
            raise ProbeError(f"{path} has more than {LIMIT // 1024**2} MiB", Cause.PROTOCOL)
        content = path.read_bytes()
        if values_in(content) > VALUES:
            raise ProbeError(f"{path} has more than {VALUES:,} values", Cause.PROTOCOL)
        return nodes_of(json.loads(content))
    except OSError as error:
        raise ProbeError(f"{path} cannot be read: {error.strerror}", Cause.FORBIDDEN) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ProbeError(f"{path} is not JSON: {where}: {error.msg}", Cause.PROTOCOL) from None
    except UnicodeDecodeError as error:
        raise ProbeError(f"{path} is not JSON: not UTF-8 at byte {error.start}", Cause.PROTOCOL) from None
    except (ValueError, RecursionError):  # ValueError: an integer of too many digits
        raise ProbeError(
            f"{path} is not JSON that can be read: nested too deeply, or a number too long", Cause.PROTOCOL
        ) from None


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
