"""Files that must not be served: whether an answer is that file. Its content is inspected and not kept."""

from __future__ import annotations

import contextlib
import posixpath
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.user_files import FOLDERS, USER_FILES
from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.access import FileAttempt
from pytest_nodered_sec.observations.answers import Classified, Kind, Mark, alike
from pytest_nodered_sec.probes.http.access import describe
from pytest_nodered_sec.probes.http.links import linked_directories, listed_directories
from pytest_nodered_sec.probes.http.refusals import closed_twice
from pytest_nodered_sec.probes.transport.names import random_path

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.answers import Answer, RootView
    from pytest_nodered_sec.probes.transport.look import Look

_NOT_FOUND: Final = 404


def attempt_file(look: Look, admin: RootView, path: str, pattern: str) -> FileAttempt:
    """Ask for a file below the site's root; for the first of all also in the directories to which a page there leads.

    Where a folder is the front's own, also beside it, and in the directories that its listing shows.

    Args:
        look: the look.
        admin: landmarks of the admin root (what shows a Node-RED).
        path: path below the URL.
        pattern: regular expression that is found in this file.

    Raises:
        ProbeError: no answer.
    """
    absolute = look.target.path("/", path)
    seen = _attempt(look, admin, Surface.NODE, absolute, path, pattern)
    first = USER_FILES[0][0]
    if seen.found or path not in (first, *FOLDERS):
        return seen
    beside = "" if path == first else _beside(absolute, seen)
    for folder in linked_directories(look) if path == first else _beside_and_below(look, beside):
        look.extend()
        there = _attempt(look, admin, Surface.NODE, folder.rstrip("/") + first, path, pattern)
        if there.found:
            return there
    return replace(seen, left_out=beside + first) if beside and look.target.policy.mode == "calm" else seen


def _beside(absolute: str, seen: FileAttempt) -> str:
    """Return what is beside a folder that may be the front's own, "" where none can stand here.

    nginx 1.22: location /files { alias /data/files/; } serves /files../settings.js, which is /data/settings.js. Where
    the front answers a random path by its own 404, too, that of a folder looks the same.
    """
    answer = seen.attempt.answer
    own = answer.status == _NOT_FOUND and Mark.EXPRESS not in answer.marks
    return f"{posixpath.dirname(absolute)}.." if own else ""


def _beside_and_below(look: Look, beside: str) -> list[str]:
    """Return where else the file may be, where a folder of the front's own stands: beside it, and in its listing."""
    if not beside:
        return []
    listed = listed_directories(look, f"{beside.removesuffix('..')}/")
    return [*([beside] if look.target.policy.mode != "calm" else []), *listed]


def folders_passed_on(look: Look, admin: RootView) -> list[tuple[str, str]]:
    """Return folders that the front passes on without their name, and what tells so.

    Express names in its 404 page the path for which it was asked. Asked are files that `attempt_file` asks for as well.

    Args:
        look: the look.
        admin: landmarks of the admin root; where Express is asked for another path everywhere, that is the URL's own.
    """
    canary = admin.canary.answer.marks
    if Mark.EXPRESS in canary and Mark.ECHO not in canary:
        return []
    passed: list[tuple[str, str]] = []
    pattern = USER_FILES[0][1]
    for asked in (look.target.path("/", path) for path in FOLDERS):
        look.extend()
        with contextlib.suppress(ProbeError):  # static-01 carries why there is no answer
            marks = _look_for(look, asked, pattern)[0].marks
            if Mark.EXPRESS in marks and Mark.ECHO not in marks:
                passed.append((posixpath.dirname(asked), f"the answer for another path to GET {asked}"))
    return passed


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
        answer, served = _look_for(look, absolute, pattern)
    except ProbeError as error:
        answer = closed_twice(look, error, admin, f"GET {absolute}", lambda: look.answer("GET", absolute))
        if answer.status:
            raise
        seen = describe(look, surface, "GET", path, "without credentials", answer, admin)
        return FileAttempt(replace(seen, asked=absolute), found=False)
    seen = describe(look, surface, "GET", path, "without credentials", answer, admin)
    if surface is Surface.NODE and seen.kind is Kind.SERVED and not (served or admin.identity):
        seen = _unless_all_alike(look, seen, absolute)
    kept = replace(seen, answer=replace(answer, likeness=()), asked=absolute)  # nothing of the content is kept
    return FileAttempt(kept, served)


def _look_for(look: Look, absolute: str, pattern: str) -> tuple[Answer, bool]:
    """Return the answer, and whether it is that file; asked once for all questions.

    Raises:
        ProbeError: no answer.
    """

    def ask() -> tuple[Answer, bool]:
        answer, got = look.exchange("GET", absolute)
        file = answer.status in (200, 206) and answer.content_type != "text/html"
        return answer, file and re.search(pattern, got.body.decode("utf-8", "replace")) is not None

    return look.shared(f"file {absolute}", ask)


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
