"""What the admin API tells one asker, read and reduced: releases, modules, what may be installed, ways in.

Nothing else of an answer is kept: flows hold names, addresses and secrets.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model_account import Entry, Palette, View

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.probes.http import Exchange

PATHS: Final = ("/settings", "/nodes", "/diagnostics", "/flows")
LIMIT: Final = 32 * 1024 * 1024  # bytes of one answer; flows of a whole plant stay below it
_NAME: Final = re.compile(r"(@[\w.~-]+/)?[\w.~-]{1,214}")
_RELEASE: Final = re.compile(r"v?(\d+\.\d+\.\d+[\w.+-]{0,40})")
_CHANGE_LOG: Final = re.compile(rb"#### (\d+\.\d+\.\d+[\w.+-]{0,40}):")
_LONGEST: Final = 200  # characters of a path or port


def read_view(asker: str, ask: Callable[[str], Exchange], line: Callable[[Exchange], str]) -> View:
    """Ask the admin API for what tells about this Node-RED, each path once.

    Args:
        asker: what a person calls whoever asks.
        ask: asks a path below the admin root.
        line: says an answer in a few words.
    """
    found: dict[str, Any] = {}  # Any, here and below: JSON of the target
    refused: list[tuple[str, str]] = []
    broken: list[tuple[str, ProbeError]] = []
    for path in PATHS:
        what = f"GET {path} as {asker}"
        try:
            got = ask(path)
            if got.status in (401, 403, 404, 410):
                refused.append((path, f"{what} answered {line(got)}"))
            else:
                found[path] = _parsed(got, path, what, line)
        except ProbeError as error:
            broken.append((path, error))
    settings, diagnostics = found.get("/settings", {}), found.get("/diagnostics", {})
    return View(
        asker=asker,
        release=release(settings.get("version")) or release(_at(diagnostics, "runtime", "version")),
        node=release(_at(diagnostics, "nodejs", "version")),
        modules=_modules(found["/nodes"]) if "/nodes" in found else None,
        editor="context" in settings if settings else None,  # the runtime's api/settings.js: of an enabled one only
        palette=_palette(settings) if "context" in settings else None,
        entries=entries_of(found["/flows"]) if "/flows" in found else None,
        refused=tuple(refused),
        broken=tuple(broken),
    )


def _parsed(got: Exchange, path: str, what: str, line: Callable[[Exchange], str]) -> Any:
    if got.status != 200:
        raise ProbeError(f"{what} answered {line(got)}", Cause.UNAVAILABLE)
    if len(got.body) >= LIMIT:
        raise ProbeError(f"{what} answered more than {LIMIT // 1024 // 1024} MiB", Cause.PROTOCOL)
    try:
        found = json.loads(got.body)
    except (ValueError, RecursionError):
        found = None
    if path in ("/nodes", "/flows"):
        usable = isinstance(found, list) and all(isinstance(one, dict) for one in found)
    else:
        usable = isinstance(found, dict) and ("httpNodeRoot" in found or path == "/diagnostics")
    if not usable:
        raise ProbeError(f"{what} answered {line(got)}, which is not Node-RED's answer", Cause.PROTOCOL)
    return found


def release(said: Any) -> str:
    """Return a release as it is said, without a leading v; "" where it is none."""
    found = _RELEASE.fullmatch(said) if isinstance(said, str) else None
    return found[1] if found else ""


def release_in(got: Exchange, path: str) -> str:
    """Return Node-RED's release where an answer names it, "" where it does not.

    Args:
        got: the answer.
        path: the path asked, below the admin root.
    """
    if got.status not in (200, 206):
        return ""
    if path == "/red/about":  # the change log, which begins with the newest release
        found = _CHANGE_LOG.match(got.body)
        return found[1].decode() if found else ""
    if path == "/nodes":  # the first set is the core's; the whole list may be longer than what was read
        core = re.search(rb'"module":"node-red","version":"([\w.+-]+)"', got.body)
        return release(core[1].decode()) if core else ""
    try:
        said = json.loads(got.body)
    except (ValueError, RecursionError):
        return ""
    return release(_at(said, "version") if path == "/settings" else _at(said, "runtime", "version"))


def _at(found: Any, *keys: str) -> Any:
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _modules(sets: list[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    named = [(_text(one.get("module")), release(one.get("version"))) for one in sets]
    return tuple(sorted({(name, said) for name, said in named if _NAME.fullmatch(name) and name != "node-red"}))


def _palette(settings: dict[str, Any]) -> Palette:
    """Return what may be installed; older releases say `editorTheme.palette.editable` as `externalModules` too."""
    nodes = _at(settings, "externalModules", "palette", "allowInstall")
    editable = _at(settings, "editorTheme", "palette", "editable")
    modules = _at(settings, "externalModules", "modules", "allowInstall")
    functions = settings.get("functionExternalModules")
    return Palette(nodes is not False and editable is not False, functions is True and modules is not False)


def entries_of(flows: list[dict[str, Any]]) -> tuple[Entry, ...]:
    """Return the ways in that flows open; those of what is disabled, or of a subflow without instance, left out."""
    holders = {_text(one.get("id")) for one in flows if one.get("type") in ("tab", "subflow")}
    inside: dict[str, list[dict[str, Any]]] = {}
    for one in flows:
        place = _text(one.get("z"))
        if one.get("d") is not True:  # what is in no tab is a configuration node: all of them are started
            inside.setdefault(place if place in holders else "", []).append(one)
    running = [one for one in flows if one.get("type") == "tab" and one.get("disabled") is not True]
    waiting = ["", *(_text(one.get("id")) for one in running)]
    known = set(waiting)
    found: dict[Entry, None] = {}
    while waiting:
        for one in inside.get(waiting.pop(0), []):
            if (entry := _entry(one)) is not None:
                found[entry] = None
            subflow = _text(one.get("type")).partition("subflow:")[2]
            if subflow and subflow not in known:
                known.add(subflow)
                waiting.append(subflow)
    return tuple(found)


def _entry(node: dict[str, Any]) -> Entry | None:
    kind, server = node.get("type"), node.get("server")
    if kind == "http in":
        return Entry("http", _path(node.get("url")), _text(node.get("method")).upper())
    if kind == "websocket-listener" and not re.match("(?i)wss?://", _text(node.get("path"))):
        return Entry("websocket", _path(node.get("path")))
    if kind == "uibuilder":
        return Entry("uibuilder", _path(node.get("url")))
    if (kind == "tcp in" and server in (True, "server")) or (kind == "tcp out" and node.get("beserver") == "server"):
        return Entry("tcp", _text(node.get("port")))
    if kind == "udp in":
        return Entry("udp", _text(node.get("port")))
    return None


def _path(said: Any) -> str:
    return "/" + _text(said).strip("/")  # as a policy file has it


def _text(said: Any) -> str:
    text = str(said) if isinstance(said, (str, int)) else ""
    return "".join(one if one.isprintable() else "?" for one in text[:_LONGEST])
