"""Which server answers to a name (ngx_http_core_module, server_name): exact, wildcards, patterns, default."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.walk import pcre
from pytest_nodered_sec.rules.walk.samples import ANY

if TYPE_CHECKING:
    from pytest_nodered_sec.rules.walk.config import Config, Listen, Place

NOBODY: Final = "stranger.invalid"


def names(listen: Listen) -> list[str]:
    """Return a server's names, letter case aside for those that are no patterns."""
    given = [
        name for directive in listen.server[-1].block if directive.name == "server_name" for name in directive.args
    ]
    return [name if name.startswith("~") else name.lower() for name in given]


def chosen(config: Config, place: Place, host: str) -> tuple[Listen, dict[str, str], tuple[str, ...], str]:
    """Return the server that answers to a name at a place, what its pattern captured, and a doubt or ""."""
    here = config.places[place]
    name = re.sub(r":\d*$", "", host).lower().rstrip(".")
    for listen in here:
        if name in names(listen):
            return listen, {}, (), ""
    best: tuple[int, int, Listen] | None = None
    for number, listen in enumerate(here):
        for known in names(listen):
            if rank := _wildcard(known, name):
                best = max(best or (rank, -number, listen), (rank, -number, listen), key=lambda item: item[:2])
    if best:
        return best[2], {}, (), ""
    doubt = ""
    for listen in here:
        for known in names(listen):
            if not known.startswith("~"):
                continue
            try:
                match = pcre.read(known[1:]).regex.search(name)
            except pcre.UnreadableError:
                doubt = f"server_name {known} ({listen.server[-1].where()}) cannot be read"
                continue
            if match:
                return listen, match.groupdict(""), (match[0], *match.groups("")), doubt
    return next((listen for listen in here if listen.default), here[0]), {}, (), doubt


def _wildcard(pattern: str, name: str) -> int:
    """Return how good a wildcard fits, 0 for not at all: leading ones first, the longer the better."""
    if pattern.startswith("."):
        fits = name == pattern[1:] or name.endswith(pattern)
        return 1000 + len(pattern) + (name == pattern[1:]) * 1000 if fits else 0
    if pattern.startswith("*.") and name.endswith(pattern[1:]) and len(name) > len(pattern) - 1:
        return 1000 + len(pattern) - 1
    if pattern.endswith(".*") and name.startswith(pattern[:-1]) and len(name) > len(pattern) - 1:
        return len(pattern)
    return 0


def hosts(config: Config, place: Place) -> list[str]:
    """Return names that lead to different servers of a place: each that stands there, and one that does not."""
    texts = [text for listen in config.places[place] for name in names(listen) for text in _examples(name)]
    return list(dict.fromkeys((*texts, NOBODY)))


def _examples(name: str) -> list[str]:
    if name.startswith("~"):
        try:
            texts = pcre.read(name[1:]).examples
        except pcre.UnreadableError:
            return []
        return [text for text in texts[:3] if ANY not in text]  # the others: see ways.doors
    if name.startswith("."):
        return [name[1:], f"any{name}"]
    return [name.replace("*", "any")]  # "": a request without a Host
