"""The catalogue of bundled controls: id, family, title, reason, requirements."""

from __future__ import annotations

import fnmatch
import functools
import importlib
import inspect
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.controls import MARK
from pytest_nodered_sec.data.frameworks import frameworks, requirements
from pytest_nodered_sec.data.known_findings import findings_of
from pytest_nodered_sec.texts import nearly

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nodered_sec.controls import Control

PREFIX: Final = "nodered-sec"  # of the suite's node ids, wherever the package lies
PACKAGE: Final = "pytest_nodered_sec.suite"
SUITE: Final = Path(__file__).resolve().parent / "suite"
FAMILIES: Final = {  # in the order of reading, by file of the suite
    "test_reach": "Reach",
    "test_addresses": "Reach",
    "test_transport": "Transport",
    "test_tls": "TLS",
    "test_admin_api": "Admin API",
    "test_credentials": "Credentials",
    "test_editor": "Editor",
    "test_dashboard": "Dashboards",
    "test_endpoints": "Site endpoints",
    "test_flows": "Flows",
    "test_exposure": "Exposure",
    "test_patch_level": "Patch level",
    "test_host_node_red": "Host: Node-RED",
    "test_host_files": "Host: files",
    "test_host_services": "Host: services",
    "test_fleet": "Copies: what must be unique in a fleet",
    "test_waivers": "Waivers",
}
OWN: Final = "Own controls"


@dataclass(frozen=True)
class Entry:
    """A control of the bundled suite.

    Attributes:
        control: id, severity, questions.
        family: its group in reports.
        module: the suite's file it stands in, without suffix.
        test: name of its test function.
        title: first line of its docstring.
        why: the rest, in one line.
        requirements: ids by framework.
    """

    control: Control
    family: str
    module: str
    test: str
    title: str
    why: str
    requirements: Mapping[str, tuple[str, ...]]


@functools.cache
def catalogue() -> dict[str, Entry]:
    """Return the bundled controls by id, family by family in the order of the files."""
    entries: dict[str, Entry] = {}
    paths = {path.stem: path for path in sorted(SUITE.glob("test_*.py"))}
    for stem in [*(path for path in FAMILIES if path in paths), *(path for path in paths if path not in FAMILIES)]:
        for name, function in vars(importlib.import_module(f"{PACKAGE}.{stem}")).items():
            for mark in getattr(function, "pytestmark", []):
                if mark.name == MARK:
                    control: Control = mark.args[0]
                    title, _, why = inspect.cleandoc(function.__doc__ or "").partition("\n")
                    entries[control.id] = Entry(
                        control, family(stem), stem, name, title, " ".join(why.split()), requirements(control.id)
                    )
    return entries


def family(stem: str) -> str:
    """Return what a file's controls are filed under, for people."""
    return FAMILIES.get(stem, stem.removeprefix("test_").replace("_", " ").capitalize())


def listing() -> str:
    """Return the bundled controls as text: file, id, severity, title."""
    lines: list[str] = []
    module = ""
    for entry in sorted(catalogue().values(), key=lambda entry: entry.module):
        if entry.module != module:
            module = entry.module
            lines.append(f"{PREFIX}/{module}.py")
        lines.append(f"  {entry.control.id:<10} {entry.control.severity.value:<9} {entry.title}")
    return "\n".join(lines) + "\n"


def details(glob: str) -> str:
    """Return all about the bundled controls whose id matches, as text; "" where none does."""
    return "\n".join(_detailed(entry) for entry in catalogue().values() if fnmatch.fnmatchcase(entry.control.id, glob))


def _detailed(entry: Entry) -> str:
    """Return what a control requires and why, what it may find and the remedy, and what it bears on."""
    control, named = entry.control, frameworks()
    lines = [f"{control.id}  {control.severity.value}  {entry.title}", f"  {PREFIX}/{entry.module}.py::{entry.test}"]
    lines += _hanging("reason", entry.why)
    for row in findings_of(control.id):
        milder = f" ({row.severity})" if row.severity else ""
        lines += _hanging("finding", ", ".join(row.codes) + milder)
        lines += _hanging("expected", row.expected)
        lines += _hanging("remedy", row.remedy)
    for key, ids in entry.requirements.items():
        lines += _hanging("requires", f"{named[key]}: {', '.join(ids)}")
    return "\n".join(lines) + "\n"


def _hanging(label: str, text: str) -> list[str]:
    """Return a labelled text, wrapped for a terminal."""
    first, rest = f"  {label:<10}", " " * 12
    return textwrap.wrap(
        text, 110, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def bundled() -> frozenset[str]:
    """Return the ids of the bundled controls."""
    return frozenset(catalogue())


def meant_by(id: str) -> str:
    """Return the bundled control that a misspelt id means, "" if the id may be a site's own.

    Misspelt is an id with the number of a bundled one, written otherwise, and its family, or nearly: dash-2, Dash-02,
    dahs-02. Another number, or another family, may stand in a file of the site that is not part of the run.
    """
    family, _, number = id.lower().replace("_", "-").rpartition("-")
    if not number.isdecimal():
        return ""
    for known in sorted(bundled()):
        its_family, _, its_number = known.rpartition("-")
        if int(number) == int(its_number) and nearly(family, its_family):
            return known
    return ""
