"""What the admin API tells one asker, read and reduced: releases, modules, what may be installed, ways in.

Nothing else of an answer is kept: flows hold names, addresses and secrets.
"""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pytest_nodered_sec.data.releases import unfixed
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.account import Palette, View
from pytest_nodered_sec.probes.flows import reading
from pytest_nodered_sec.probes.flows.reading import read_flows
from pytest_nodered_sec.probes.flows.shape import text
from pytest_nodered_sec.probes.http.roots import root_of
from pytest_nodered_sec.probes.transport.answers import VALUES, json_of, values_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.probes.transport.http import Exchange

_Told = TypeVar("_Told")

PATHS: Final = ("/settings", "/nodes", "/diagnostics", "/flows")
_LIMIT: Final = 8 * 1024 * 1024  # bytes of one answer other than the flows
_KEPT: Final = 1000  # modules, and ways in, of one answer
_PARSING: Final = threading.Lock()  # one answer after the other: in memory it is up to forty times as large
_NAME: Final = re.compile(r"(@[\w.~-]+/)?[\w.~-]{1,214}")
_RELEASE: Final = re.compile(r"v?(\d+\.\d+\.\d+[\w.+-]{0,40})")
_CHANGE_LOG: Final = re.compile(rb"#### (\d+\.\d+\.\d+[\w.+-]{0,40}):")


def read_view(asker: str, ask: Callable[[str], Exchange], line: Callable[[Exchange], str]) -> View:
    """Ask the admin API for what tells about this Node-RED, each path once.

    Args:
        asker: description of the client in messages.
        ask: asks a path below the admin root.
        line: says an answer in a few words.
    """
    view = View(asker)
    routes: list[tuple[str, bool, str]] = []
    refused: list[tuple[str, str]] = []
    broken: list[tuple[str, ProbeError]] = []
    for path in PATHS:
        what = f"GET {path} as {asker}"
        try:
            got = ask(path)
            if got.status in (401, 403, 404, 410):
                refused.append((path, f"{what} answered {line(got)}"))
                continue
            with _PARSING:
                view = _with(view, path, _parsed(got, path, what, line), what)
        except ProbeError as error:
            broken.append((path, error))
    for row in unfixed():
        if not view.editor or (row.needs == "projects" and not view.projects):
            continue
        try:
            got = ask(row.route)
            routes.append((row.route, _before_node_red(got), f"GET {row.route} as {asker} answered {line(got)}"))
        except ProbeError as error:
            broken.append((row.route, error))
    return replace(view, refused=tuple(refused), broken=tuple(broken), routes=tuple(routes))


def _before_node_red(got: Exchange) -> bool:
    """Whether a route that is there was refused before Node-RED, which answers 401 to whom it refuses.

    Raises:
        ProbeError: neither.
    """
    if got.status in (403, 404, 410):
        return True
    if got.status in (200, 400, 401):
        return False
    raise ProbeError(f"it answered {got.status}, which does not tell whether Node-RED was reached", Cause.UNAVAILABLE)


def _with(view: View, path: str, told: Any, what: str) -> View:
    """Add to a view what one answer tells; the answer itself is dropped."""
    if path == "/settings":
        edited = "context" in told  # the runtime's api/settings.js: of an enabled editor only
        palette = _palette(told) if edited else None
        projects = "git" in told or _at(told, "editorTheme", "projects", "enabled") is True
        view = replace(view, projects=projects if edited else None, node_root=root_of(told["httpNodeRoot"]))
        return replace(view, release=release(told.get("version")), editor=edited, palette=palette)
    if path == "/diagnostics":
        said = view.release or release(_at(told, "runtime", "version"))
        return replace(view, release=said, node=release(_at(told, "nodejs", "version")))
    if path == "/nodes":
        return replace(view, modules=_few(_modules(told), what))
    flows = read_flows(told)
    return replace(view, entries=_few(flows.entries, what), dashboards=_few(flows.dashboards, what), flows=flows)


def limits(path: str) -> tuple[int, int]:
    """Return how many bytes and values of an answer are read."""
    return (reading.LIMIT, reading.VALUES) if path == "/flows" else (_LIMIT, VALUES)


def _few(told: tuple[_Told, ...], what: str) -> tuple[_Told, ...]:
    if len(told) > _KEPT:
        raise ProbeError(f"{what} lists {len(told)}; no more than {_KEPT} are judged", Cause.PROTOCOL)
    return told


def _parsed(got: Exchange, path: str, what: str, line: Callable[[Exchange], str]) -> Any:
    if got.status != 200:
        raise ProbeError(f"{what} answered {line(got)}", Cause.UNAVAILABLE)
    limit, values = limits(path)
    if len(got.body) >= limit:
        raise ProbeError(f"{what} answered more than {limit // 1024 // 1024} MiB", Cause.PROTOCOL)
    if values_in(got.body) > values:
        raise ProbeError(f"{what} answered more than {values:,} values", Cause.PROTOCOL)
    sets = json_of(got.body, values)
    if path in ("/nodes", "/flows"):
        usable = isinstance(sets, list) and all(isinstance(node_set, dict) for node_set in sets)
    else:
        usable = isinstance(sets, dict) and ("httpNodeRoot" in sets or path == "/diagnostics")
    if not usable:
        raise ProbeError(f"{what} answered {line(got)}, which is not Node-RED's answer", Cause.PROTOCOL)
    return sets


def release(said: Any) -> str:
    """Return a release as it is said, without a leading v; "" where it is none."""
    match = _RELEASE.fullmatch(said) if isinstance(said, str) else None
    return match[1] if match else ""


def release_in(got: Exchange, path: str) -> str:
    """Return Node-RED's release where an answer names it, "" where it does not.

    Args:
        got: the answer.
        path: the path asked, below the admin root.
    """
    if got.status not in (200, 206):
        return ""
    if path == "/red/about":  # the change log, which begins with the newest release
        match = _CHANGE_LOG.match(got.body)
        return match[1].decode() if match else ""
    if path == "/nodes":  # the first set is the core's; the whole list may be longer than what was read
        core = re.search(rb'"module":"node-red","version":"([\w.+-]+)"', got.body)
        return release(core[1].decode()) if core else ""
    said = json_of(got.body)
    return release(_at(said, "version") if path == "/settings" else _at(said, "runtime", "version"))


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _modules(sets: list[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    named = [(text(node_set.get("module")), release(node_set.get("version"))) for node_set in sets]
    return tuple(sorted({(name, said) for name, said in named if _NAME.fullmatch(name) and name != "node-red"}))


def _palette(settings: dict[str, Any]) -> Palette:
    """Return what may be installed; older releases say `editorTheme.palette.editable` as `externalModules` too."""
    nodes = _at(settings, "externalModules", "palette", "allowInstall")
    editable = _at(settings, "editorTheme", "palette", "editable")
    modules = _at(settings, "externalModules", "modules", "allowInstall")
    functions = settings.get("functionExternalModules")
    return Palette(nodes is not False and editable is not False, functions is True and modules is not False)
