"""The directories to which an open page at / leads: another way in may stand there, or files that nobody meant to show.

Only links that end with a slash count: a GET of anything else may act.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urljoin

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.observations.answers import NODE_RED_MARKS
from pytest_nodered_sec.probes.http.access import JSON

if TYPE_CHECKING:
    from pytest_nodered_sec.probes.transport.look import Look

_MOST: Final = 8  # directories
_LINK: Final = re.compile(rb"""href\s*=\s*["']?([^"'\s>#?]{1,200}/)["'\s>]""", re.IGNORECASE)
_PATH: Final = re.compile(r"(/[\w.~%-]+)+/", re.ASCII)
_LISTING: Final = re.compile(rb"<title>\s*(Index of|Directory listing)", re.IGNORECASE)  # nginx, Apache; Python


def linked_directories(look: Look) -> tuple[str, ...]:
    """Return the absolute paths, with a slash at the end, to which the page at / leads; asked once for all questions.

    Where that is a list of files, also those to which the lists in it lead. At most eight. None where no page answers.
    """
    return look.shared("directories to which the page at / leads", lambda: _linked(look))


def _linked(look: Look) -> tuple[str, ...]:
    try:
        page = look.read("/", JSON)  # as the editor's page is asked for, whose controls carry why there is no answer
    except ProbeError:
        return ()
    if page.status != 200 or page.content_type != "text/html" or page.marks & NODE_RED_MARKS:
        return ()
    return _below(look, "/")


def listed_directories(look: Look, here: str) -> tuple[str, ...]:
    """Return the directories in a directory as its listing shows them; nothing where no listing answers.

    Args:
        look: the look.
        here: its absolute path, with a slash at the end.
    """
    return tuple(path for path in _below(look, here, listed=True) if path.startswith(here))


def _below(look: Look, start: str, *, listed: bool = False) -> tuple[str, ...]:
    """Return the directories to which a page leads, or only a listing, and those to which the listings in it lead."""
    known: dict[str, None] = {}
    ahead = [start]
    while ahead and len(known) < _MOST:
        here = ahead.pop(0)
        try:
            body = look.exchange("GET", here)[1].body
        except ProbeError:
            continue
        listing = _LISTING.search(body)
        below = [path for path in links_of(body, look.target.origin, here) if path not in known]
        known |= dict.fromkeys(below if listing or not listed else ())
        if listing:
            ahead += [path for path in below if path.startswith(here)]
    return tuple(known)[:_MOST]


def links_of(body: bytes, origin: str, here: str) -> list[str]:
    """Return the directories of the same origin that a page names.

    Args:
        body: the page.
        origin: scheme, host and port that it came from.
        here: its absolute path.
    """
    paths: list[str] = []
    for match in _LINK.finditer(body):
        try:
            whole = urljoin(origin + here, match[1].decode("latin-1"))
        except ValueError:  # http://[
            continue
        path = whole.removeprefix(origin)
        if path != whole and _PATH.fullmatch(path) and ".." not in unquote(path):
            paths.append(path)
    return paths
