"""What is known of each control without a run: family, title, reason, requirements."""

from __future__ import annotations

import functools
import importlib
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.collection import PACKAGE, SUITE
from pytest_nodered_sec.controls import MARK
from pytest_nodered_sec.data.frameworks import requirements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nodered_sec.controls import Control

FAMILIES: Final = {  # in the order of reading, by file of the suite
    "test_reach": "Reach",
    "test_transport": "Transport",
    "test_tls": "TLS",
    "test_admin_api": "Admin API",
    "test_credentials": "Credentials",
    "test_editor": "Editor",
    "test_dashboard": "Dashboards",
    "test_endpoints": "Site endpoints",
    "test_exposure": "Exposure",
    "test_patch_level": "Patch level",
    "test_host_node_red": "Host: Node-RED",
    "test_host_files": "Host: files",
    "test_host_services": "Host: services",
    "test_waivers": "Waivers",
}
OWN: Final = "Own controls"


@dataclass(frozen=True)
class Entry:
    """A control of the bundled suite.

    Attributes:
        control: id, severity, questions.
        family: what it is filed under.
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
    found: dict[str, Entry] = {}
    paths = {path.stem: path for path in sorted(SUITE.glob("test_*.py"))}
    for stem in [*(one for one in FAMILIES if one in paths), *(one for one in paths if one not in FAMILIES)]:
        for name, function in vars(importlib.import_module(f"{PACKAGE}.{stem}")).items():
            for mark in getattr(function, "pytestmark", []):
                if mark.name == MARK:
                    control: Control = mark.args[0]
                    title, _, why = inspect.cleandoc(function.__doc__ or "").partition("\n")
                    found[control.id] = Entry(
                        control, family(stem), stem, name, title, " ".join(why.split()), requirements(control.id)
                    )
    return found


def family(stem: str) -> str:
    """Return what a file's controls are filed under, for people."""
    return FAMILIES.get(stem, stem.removeprefix("test_").replace("_", " ").capitalize())
