"""Which controls a run is about: what `--nodered-control` selects, and what is said where it selects nothing."""

from __future__ import annotations

import difflib
import fnmatch
from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec.catalogue import PREFIX, bundled, details, listing
from pytest_nodered_sec.session.options import LISTED
from pytest_nodered_sec.session.state import COLLECTED, CONTROLS, TARGETS, WANTED, control_of

if TYPE_CHECKING:
    from collections.abc import Iterable


def select(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Leave out what `--nodered-control` does not select; without a target, its value in an ini file selects nothing.

    Raises:
        pytest.UsageError: no control of the run has such an id.
    """
    config = session.config
    globs = config.stash[CONTROLS]
    if not globs or not config.stash[TARGETS] or session.testsfailed:  # a collection error, which pytest reports
        return
    there = {case["control"] for case in config.stash[COLLECTED]}
    for glob in globs:
        if not fnmatch.filter(there, glob):
            raise pytest.UsageError(f"--nodered-control={glob}: {_no_case(glob, there, config)}")
    left_out = [item for item in items if not _selects(globs, item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def check(globs: Iterable[str], suite: str) -> None:
    """Refuse a glob that matches nothing before the lab starts, where the bundled controls are all that can run.

    A site's own controls are known only once they are collected: see `select`.

    Raises:
        pytest.UsageError: no bundled control has such an id.
    """
    for glob in globs if suite == "only" else ():
        if not fnmatch.filter(bundled(), glob):
            raise pytest.UsageError(f"--nodered-control={glob}: {no_such_control(glob)}")


def _selects(globs: Iterable[str], item: pytest.Item) -> bool:
    control = control_of(item)
    return control is not None and any(fnmatch.fnmatchcase(control.id, glob) for glob in globs)


def _no_case(glob: str, there: set[str], config: pytest.Config) -> str:
    """Return why a glob selects nothing."""
    if fnmatch.filter(bundled(), glob):
        return (
            "the targets of this run are asked none of these"
            if config.stash[WANTED]
            else (f"the bundled suite is not part of this run; add {PREFIX} to the paths")
        )
    return no_such_control(glob, there)


def no_such_control(glob: str, there: Iterable[str] = ()) -> str:
    """Return that no control has such an id, with the nearest one.

    Args:
        glob: what was asked for.
        there: ids of the run's controls; of the bundled ones where none are given.
    """
    known = sorted(set(there) or bundled())
    if below := fnmatch.filter(known, f"{glob.rstrip('-*').lower()}-*"):
        return f"there is no control with such an id; did you mean {below[0].rpartition('-')[0]}-*?"
    if "*" in glob:
        known = sorted({f"{name.rpartition('-')[0]}-*" for name in known})
    near = difflib.get_close_matches(glob.lower().replace("_", "-"), known, 1)
    hint = f"did you mean {near[0]}?" if near else "pytest --nodered-controls lists the bundled ones"
    return f"there is no control with such an id; {hint}"


def controls_as_text(glob: str) -> str:
    """Return the bundled controls as text: a list of all, or all about those whose id matches.

    Raises:
        pytest.UsageError: there is none, or nothing was asked for.
    """
    if not glob:
        raise pytest.UsageError("--nodered-controls is empty: give a value, or remove the option")
    if glob == LISTED:
        return listing()
    text = details(glob)
    if not text:
        raise pytest.UsageError(f"--nodered-controls={glob}: {no_such_control(glob)}")
    return text
