"""The directories to which an open page at / leads: another way in may stand there, or files that nobody meant to show.

Nothing that a page names is itself requested with GET, which may act: what is asked stands below its directory. Of a
link without a slash at its end OPTIONS tells whether it is one: the front adds the slash.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urljoin, urlsplit

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.observations.answers import NODE_RED_MARKS
from pytest_nodered_sec.probes.http.access import JSON

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nodered_sec.probes.transport.look import Look

_MOST: Final = 8  # directories, and links of which the front is asked whether they are some
# <a href=…>, <iframe src=…>, <meta http-equiv=refresh content="0; url=…">, location = "…"
_LINK: Final = re.compile(
    rb"""\b(?:href|src|url|location)\s*=\s*(["'])?([^"'\s>]{1,300})(?(1)\1|(?=["'\s>]))""", re.IGNORECASE
)
_PAGES: Final = ("text/html", "application/json")  # who asks Caddy for JSON gets its listing so
_PATH: Final = re.compile(r"(/[\w.~%-]+)+/?", re.ASCII)
_PAGE: Final = re.compile(r"/[^/]*\.html?")
_FILE: Final = re.compile(r"/[^/]*\.[^/]*")
_LISTING: Final = re.compile(  # of nginx and Apache, Python, Caddy 2
    rb"<title>\s*(?:Index of|Directory listing)|Served with\s*<a[^>]*caddyserver\.com|\.caddy-logo", re.IGNORECASE
)


def linked_directories(look: Look) -> tuple[str, ...]:
    """Return the absolute paths, with a slash at the end, to which the page at / leads; asked once for all questions.

    Where that is a list of files, also those to which the lists in it lead; where / redirects to a page of the host,
    also that page's. At most eight. None where no page answers.
    """
    return look.shared("directories to which the page at / leads", lambda: _linked(look))


def _linked(look: Look) -> tuple[str, ...]:
    try:
        page = look.read("/", JSON)  # as the editor's page is asked for, whose controls carry why there is no answer
    except ProbeError:
        return ()
    if page.status != 200 or page.content_type not in _PAGES:
        return ()
    led = urlsplit(page.first).path or "/"
    directories = _directories(look, [led])
    if not page.marks & NODE_RED_MARKS:
        directories += _below(look, "/", led)
    return tuple(dict.fromkeys(directories))[:_MOST]


def listed_directories(look: Look, here: str) -> tuple[str, ...]:
    """Return the directories in a directory as its listing shows them; nothing where no listing answers.

    Args:
        look: the look.
        here: its absolute path, with a slash at the end.
    """
    return tuple(path for path in _below(look, here, here, listed=True) if path.startswith(here))


def _below(look: Look, start: str, stands: str, *, listed: bool = False) -> list[str]:
    """Return the directories to which a page leads, or only a listing, and those to which the listings in it lead.

    Args:
        look: the look.
        start: the page's absolute path as it is asked for.
        stands: where it stands, after redirects.
        listed: whether nothing but a listing counts.
    """
    known: dict[str, None] = {}
    ahead = [(start, stands)]
    while ahead and len(known) < _MOST:
        asked, here = ahead.pop(0)
        try:
            body = look.exchange("GET", asked)[1].body
        except ProbeError:
            continue
        links = links_of(body, look.target.origin, here)
        if _LISTING.search(body):
            below = [path for path in links if path.endswith("/") and path not in known]
            ahead += [(path, path) for path in below if path.startswith(here)]
        else:
            below = [] if listed else _directories(look, links)
        known |= dict.fromkeys(below)
    return list(known)[:_MOST]


def links_of(body: bytes, origin: str, here: str) -> list[str]:
    """Return the paths of the same origin that a page names, but for files and itself; each once.

    Args:
        body: the page.
        origin: scheme, host and port that it came from.
        here: its absolute path.
    """
    paths: list[str] = []
    for match in _LINK.finditer(body):
        try:
            whole = urljoin(origin + here, match[2].decode("latin-1"))
            path = urlsplit(whole).path
        except ValueError:  # http://[
            continue
        if not whole.startswith(origin + path) or not _PATH.fullmatch(path) or ".." in unquote(path):
            continue
        last = path[path.rindex("/") :]
        if path != here and (_PAGE.fullmatch(last) or not _FILE.fullmatch(last)):
            paths.append(path)
    return list(dict.fromkeys(paths))


def _directories(look: Look, paths: Iterable[str]) -> list[str]:
    """Return the directories in which these paths stand, and those of them that are directories themselves.

    The front is asked by OPTIONS where nothing else tells: nginx, Apache and Caddy answer /line2 with a redirect to
    /line2/, whatever the method.
    """
    directories, unsure = list[str](), list[str]()
    for path in paths:
        directories.append(path[: path.rindex("/") + 1])
        unsure += [] if path.endswith("/") or _PAGE.search(path) else [path]
    for path in unsure[:_MOST]:
        look.extend()
        try:
            led = look.exchange("OPTIONS", path)[1].headers.get("location", "")
        except ProbeError:  # nothing that it must be asked
            continue
        directories += [f"{path}/"] if urlsplit(led).path == f"{path}/" else []
    return [path for path in dict.fromkeys(directories) if path != "/"]
