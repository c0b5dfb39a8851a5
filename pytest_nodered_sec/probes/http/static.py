"""Files that must not be served: whether an answer is that file. Its content is inspected and not kept."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_nodered_sec.data.user_files import USER_FILES
from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.access import FileAttempt
from pytest_nodered_sec.observations.answers import Classified, Kind, alike
from pytest_nodered_sec.probes.http.access import describe
from pytest_nodered_sec.probes.http.links import linked_directories
from pytest_nodered_sec.probes.http.refusals import closed_twice
from pytest_nodered_sec.probes.transport.names import random_path

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.probes.transport.look import Look


def attempt_file(look: Look, admin: RootView, path: str, pattern: str) -> FileAttempt:
    """Ask for a file below the site's root; for the first of all also in the directories to which a page there leads.

    Args:
        look: the look.
        admin: landmarks of the admin root (what shows a Node-RED).
        path: path below the URL.
        pattern: regular expression that is found in this file.

    Raises:
        ProbeError: no answer.
    """
    seen = _attempt(look, admin, Surface.NODE, look.target.path("/", path), path, pattern)
    if path != USER_FILES[0][0] or seen.found:
        return seen
    for folder in linked_directories(look):
        look.extend()
        there = _attempt(look, admin, Surface.NODE, folder.rstrip("/") + path, path, pattern)
        if there.found:
            return there
    return seen


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
    if surface is Surface.NODE and seen.kind is Kind.SERVED and not (served or admin.identity):
        seen = _unless_all_alike(look, seen, absolute)
    kept = replace(seen, answer=replace(answer, likeness=()), asked=absolute)  # nothing of the content is kept
    return FileAttempt(kept, served)


def _unless_all_alike(look: Look, seen: AccessAttempt, absolute: str) -> AccessAttempt:
    """Return an absence where a name that nobody gave a file gets the same below this directory.

    So a gate's login page answers for what it needs: nginx: location /static/ { try_files $uri /static/login.css; }
    """
    below = posixpath.dirname(absolute)
    nowhere = look.answer("GET", below.rstrip("/") + random_path() + posixpath.splitext(absolute)[1])
    if seen.answer.length != nowhere.length and not (seen.answer.likeness and nowhere.likeness):
        return seen  # not a word of either to compare
    if not alike(seen.answer, nowhere):
        return seen
    return replace(seen, classified=Classified(Kind.ABSENT, why=f"as every such name below {below}"))
