"""Caddy: where its configuration is to be had on the host, and its servers, as the program there made them of it.

That program is settings.js, whose part caddy.js is (`served`).
"""

from __future__ import annotations

import contextlib
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.observations.host_proxies import CaddyMatch, CaddyRoute, CaddyServer, CaddyStep
from pytest_nodered_sec.probes.host import parse as text_of
from pytest_nodered_sec.probes.host.mounts import read_elsewhere
from pytest_nodered_sec.probes.host.options import short_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.probes.host.candidate import Candidate
    from pytest_nodered_sec.probes.host.parse import Section

_ADMIN: Final = 2019  # port of its admin endpoint
_ONE_DASH: Final = re.compile("-(adapter|config|environ|envfile|pidfile|pingback|resume|watch)(=.*)?")


def caddies(front: list[Candidate], sections: dict[str, Section]) -> list[dict[str, Any]]:
    """Return where each Caddy's configuration is to be had, for the program that runs on the host.

    All of it comes from processes that are believed; a program that others than root can change, or that is no more
    the one that runs, is not named.
    """
    result = []
    for candidate in front:
        words = sections.get(f"command {candidate.process.pid}", text_of.Section("", 1)).text.split("\n")
        file = str(PurePosixPath(candidate.cwd or "/") / (_option(words, "config") or "Caddyfile"))
        result.append(
            {
                "exe": candidate.exe if candidate.closed else "",
                "started": candidate.process.started,
                "uid": candidate.process.uid,
                "admin": _admin(sections, candidate),
                "resume": any(letter == "r" for letter, _ in _short(words))
                or any(re.fullmatch("--?resume(=.*)?", word) for word in words),
                "adapter": _option(words, "adapter"),
                "file": file,
                "elsewhere": read_elsewhere("Caddy", sections, candidate.process.unit, (file,)),
            }
        )
    return result


def _admin(sections: dict[str, Section], candidate: Candidate) -> dict[str, str | int] | None:
    """Return address, port and inode of Caddy's own admin endpoint; None where it is elsewhere, or not ours to see.

    The inode is compared before it is asked: in another network namespace anybody may listen there.
    """
    with contextlib.suppress(ProbeError):  # then its file has to tell
        for here, inode in sorted(text_of.inodes(sections, candidate.process.pid).items()):
            if here.port == _ADMIN and here.address in ("127.0.0.1", "::1"):
                return {"address": here.address, "port": here.port, "inode": inode}
    return None


def _option(words: list[str], name: str) -> str:
    """Return an option's value: --config FILE, --config=FILE, -c FILE, -cFILE, -c=FILE, before 2.6 -config FILE."""
    value = ""
    for place, word in enumerate(words):
        if match := re.fullmatch(f"--?{name}(=(.*))?", word):
            value = match[2] if match[1] else "".join(words[place + 1 : place + 2])
    named = [text for letter, text in _short(words) if letter == name[0]]
    return value or (named[-1].removeprefix("=") if named else "")


def _short(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the options of one letter; what Caddy took with one dash before 2.6 is none."""
    return short_options([word for word in words[1:] if not _ONE_DASH.fullmatch(word)], "ac")


def server(raw: dict[str, Any]) -> CaddyServer:
    """Return a server."""
    return CaddyServer(
        raw["name"],
        tuple(raw["listen"]),
        raw["tls"],
        tuple((to["dial"], to["secure"]) for to in raw["dials"]),
        _routes(raw["routes"]),
        _routes(raw["errors"]),
        tuple((name, _routes([route])[0]) for name, route in raw["named"]),
        tuple(raw["certificates"]),
        tuple(raw["trusts"]),
        raw["raw"],
        tuple(raw["relays"]),
    )


def _routes(raw: list[dict[str, Any]]) -> tuple[CaddyRoute, ...]:
    return tuple(
        CaddyRoute(
            _matches(route["sets"]), tuple(_step(step) for step in route["steps"]), route["group"], route["last"]
        )
        for route in raw
    )


def _step(raw: dict[str, Any]) -> CaddyStep:
    return CaddyStep(
        raw["kind"],
        tuple(raw["dials"]),
        _routes(raw["routes"]),
        name=raw["name"],
        uri=raw["uri"],
        prefix=raw["prefix"],
        suffix=raw["suffix"],
        swaps=tuple((find, put, limit) for find, put, limit in raw["swaps"]),
        patterns=tuple((find, put) for find, put in raw["patterns"]),
        status=raw["status"],
        passes=raw["passes"],
        gathers=raw["gathers"],
        answers=tuple((tuple(answer["statuses"]), _routes(answer["routes"])) for answer in raw["answers"]),
        errors=_routes(raw["errors"]),
    )


def _matches(raw: list[dict[str, Any]]) -> tuple[CaddyMatch, ...]:
    return tuple(
        CaddyMatch(
            tuple(config["hosts"]),
            tuple(config["paths"]),
            config["pattern"],
            _matches(config["not"]),
            name=config["name"],
            methods=tuple(config["methods"]),
            protocol=config["protocol"],
            networks=tuple(config["networks"]),
            forwarded=tuple(config["forwarded"]),
            headers=tuple(config["headers"]),
            statuses=tuple(config["statuses"]),
            files=config["files"],
            unread=tuple(config["unread"]),
        )
        for config in raw
    )
