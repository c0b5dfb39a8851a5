"""A file that no web server should serve: whether the answer is that file. Its content is looked at and let go."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_nodered_sec.model import FileAttempt, Surface
from pytest_nodered_sec.probes.access import describe

if TYPE_CHECKING:
    from pytest_nodered_sec.model import RootView
    from pytest_nodered_sec.probes.look import Look


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
    answer, got = look.exchange("GET", look.target.path("/", path))
    text = got.body.decode("utf-8", "replace")
    page = answer.content_type == "text/html"
    found = answer.status in (200, 206) and not page and re.search(pattern, text) is not None
    seen = describe(look, Surface.NODE, "GET", path, "without credentials", answer, admin)
    return FileAttempt(replace(seen, answer=replace(answer, likeness=())), found)  # nothing of the content is kept
