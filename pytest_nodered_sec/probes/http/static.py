"""Files that must not be served: whether an answer is that file. Its content is inspected and not kept."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.access import FileAttempt
from pytest_nodered_sec.probes.http.access import describe
from pytest_nodered_sec.probes.http.refusals import closed_twice

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.probes.transport.look import Look


def attempt_file(look: Look, admin: RootView, path: str, pattern: str) -> FileAttempt:
    """Ask for a file below the site's root.

    Args:
        look: the look.
        admin: landmarks of the admin root (what shows a Node-RED).
        path: path below the URL.
        pattern: regular expression that is found in this file.

    Raises:
        ProbeError: no answer.
    """
    return _attempt(look, admin, Surface.NODE, look.target.path("/", path), path, pattern)


def attempt_hole(look: Look, admin: RootView, hole: str, path: str, pattern: str, closed_by: str) -> FileAttempt:
    """Ask for a harmless file through a known vulnerability below the admin root.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        hole: the advisory that describes it.
        path: path below the admin root, sent as written.
        pattern: regular expression that is found in the file.
        closed_by: what closes the hole.

    Raises:
        ProbeError: no answer.
    """
    seen = _attempt(look, admin, Surface.ADMIN, look.target.admin(path), path, pattern)
    return replace(seen, hole=hole, closed_by=closed_by)


def _attempt(look: Look, admin: RootView, surface: Surface, absolute: str, path: str, pattern: str) -> FileAttempt:
    try:
        answer, got = look.exchange("GET", absolute)
    except ProbeError as error:
        answer = closed_twice(look, error, admin, f"GET {absolute}", lambda: look.answer("GET", absolute))
        if answer.status:
            raise
        seen = describe(look, surface, "GET", path, "without credentials", answer, admin)
        return FileAttempt(replace(seen, asked=absolute), found=False)
    text = got.body.decode("utf-8", "replace")
    page = answer.content_type == "text/html"
    served = answer.status in (200, 206) and not page and re.search(pattern, text) is not None
    seen = describe(look, surface, "GET", path, "without credentials", answer, admin)
    return FileAttempt(
        replace(seen, answer=replace(answer, likeness=()), asked=absolute), served
    )  # nothing of the content is kept
