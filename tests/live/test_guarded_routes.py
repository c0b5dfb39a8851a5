"""The tables of routes against real Node-REDs: sources, statuses, and that asking changes nothing.

The lab's own installations of Node-RED 4 and 5; NODERED_INSTALLATIONS adds directories (separated as in PATH) in
which npm installed another major with both dashboards. Node-RED 3 needs `util.log` put back, which is done here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from pytest_nodered_sec import data
from pytest_nodered_sec.data.writes import SafeWrite, UnaskedWrite, safe_writes, unasked_writes
from pytest_nodered_sec.lab import toolchain

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live

INSTALLATIONS = [Path(part) for part in os.environ.get("NODERED_INSTALLATIONS", "").split(os.pathsep) if part]
PARAMS: list[int | Path] = [*toolchain.MAJORS, *INSTALLATIONS]
ADMIN_AUTH = (  # the hash is the one of "password" that settings.js shows as an example
    'adminAuth: {type: "credentials", users: [{username: "admin", permissions: "*", '
    'password: "$2a$08$zZWtXTja0fB1pzD4sHCMyOCMYz2Z6dNbM6tl8sJogENOMcxWV9DN."}]},'
)
STATE = "runtimeState: {enabled: true},"
PROJECTS = "editorTheme: {projects: {enabled: true}},"
SETTINGS = {
    "open": "",
    "auth": ADMIN_AUTH,
    "noeditor-open": "disableEditor: true,",
    "noeditor-auth": ADMIN_AUTH + "disableEditor: true,",
    "projects-open": PROJECTS,
    "projects-auth": ADMIN_AUTH + PROJECTS,
    "state-open": STATE,
    "state-auth": ADMIN_AUTH + STATE,
}
BEARER = 'Bearer realm="Users"'


@dataclass(frozen=True)
class Running:
    """One Node-RED that answers."""

    url: str
    directory: Path

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=20, allow_redirects=False)

    def write(self, row: SafeWrite) -> tuple[int, str]:
        headers = dict(header.split(": ", 1) for header in row.headers) | {"Content-Type": "application/json"}
        got = requests.request(row.method, self.url + row.path, data=row.body, headers=headers, timeout=20)
        return got.status_code, got.headers.get("Content-Type", "").split(";")[0]


@dataclass(frozen=True)
class Major:
    """One installed major and its Node-REDs by configuration."""

    number: int
    modules: Path
    running: dict[str, Running]


@contextmanager
def node_red(modules: Path, directory: Path, settings: str) -> Iterator[Running]:
    directory.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (directory / "settings.js").write_text(
        f"const util = require('util'); util.log = util.log || console.log;\n"
        f"module.exports = {{uiHost: '127.0.0.1', uiPort: {port}, {settings}}};\n"
    )
    node = str(toolchain.node())
    with (directory.parent / f"{directory.name}.log").open("w") as log:
        process = subprocess.Popen(
            [node, str(modules / "node-red" / "red.js"), "-u", str(directory)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HOME": str(directory)},
        )
    try:
        yield Running(f"http://127.0.0.1:{port}", directory)
    finally:
        process.terminate()
        process.wait(20)


def wait_for(running: Running) -> None:
    """Wait until the nodes are loaded: the dashboard's route is one of theirs."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if running.get("/uisettings").status_code == 200:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"{running.directory.name} did not start; see the .log beside it")


def fingerprint(directory: Path) -> dict[str, tuple[int, str]]:
    return {
        str(path.relative_to(directory)): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted(directory.rglob("*"))
    }


def settled(directory: Path, since: float = 0.0) -> dict[str, tuple[int, str]]:
    """Return the fingerprint once two seconds have passed without a change, and since a moment."""
    deadline = time.time() + 30
    while time.time() < deadline:
        seen = fingerprint(directory)
        changed = max(since, *(nanoseconds / 1e9 for nanoseconds, _ in seen.values()))
        left = changed + 2 - time.time()
        if left <= 0:
            return seen
        time.sleep(left)
    raise AssertionError("the user directory never comes to rest")


@pytest.fixture(scope="module", params=PARAMS, ids=lambda param: getattr(param, "name", str(param)))
def major(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Major]:
    asked: int | Path = request.param
    modules = asked / "node_modules" if isinstance(asked, Path) else toolchain.node_red(asked, lambda line: None)
    version = json.loads((modules / "node-red" / "package.json").read_text())["version"]
    base = tmp_path_factory.mktemp(f"nodered-{version}")
    with ExitStack() as stack:
        running = {name: stack.enter_context(node_red(modules, base / name, text)) for name, text in SETTINGS.items()}
        for server in running.values():
            wait_for(server)
        yield Major(int(version.split(".")[0]), modules, running)


def guarded(major: Major) -> list[data.GuardedRoute]:
    return [row for row in data.guarded_get_routes() if row.exists_in(major.number)]


def statuses(running: Running, paths: list[str]) -> dict[str, int]:
    return {path: running.get(path).status_code for path in paths}


def test_an_open_instance_answers_as_stated(major: Major) -> None:
    rows = guarded(major)
    assert statuses(major.running["open"], [row.path for row in rows]) == {row.path: row.open_status for row in rows}


def test_a_protected_instance_refuses_in_its_own_name(major: Major) -> None:
    for row in guarded(major):
        got = major.running["auth"].get(row.path)
        assert got.status_code == row.protected_status, row.path
        if row.protected_status == 401:
            assert got.headers["WWW-Authenticate"] == BEARER, row.path


def test_a_route_is_absent_before_its_first_major(major: Major) -> None:
    rows = [row for row in data.guarded_get_routes() if not row.exists_in(major.number)]
    assert statuses(major.running["open"], [row.path for row in rows]) == {row.path: 404 for row in rows}


@pytest.mark.parametrize("name", ["noeditor-open", "noeditor-auth"])
def test_without_the_editor_its_app_is_gone_and_the_admin_app_is_not(major: Major, name: str) -> None:
    protected = name == "noeditor-auth"
    expected = {
        row.path: 404 if row.app == "editor" else row.protected_status if protected else row.open_status
        for row in guarded(major)
    }
    assert statuses(major.running[name], list(expected)) == expected


@pytest.mark.parametrize("name", ["open", "auth", "noeditor-open", "noeditor-auth"])
def test_unguarded_routes_are_public_and_editor_rows_go_with_the_editor(major: Major, name: str) -> None:
    gone = name.startswith("noeditor")
    expected = {
        row.path: 404 if gone and row.app == "editor" else row.open_status
        for row in data.unguarded_get_routes()
        if row.exists_in(major.number)
    }
    assert statuses(major.running[name], list(expected)) == expected


def test_with_projects_enabled_their_routes_are_guarded(major: Major) -> None:
    rows = [row for row in guarded(major) if row.path in ("/projects", "/settings/user/keys")]
    assert len(rows) == 2
    for row in rows:
        assert major.running["projects-open"].get(row.path).status_code == 200, row.path
        got = major.running["projects-auth"].get(row.path)
        assert (got.status_code, got.headers["WWW-Authenticate"]) == (401, BEARER), row.path


@pytest.mark.parametrize("name", ["open", "projects-open"])
def test_asking_everything_changes_no_file(major: Major, name: str) -> None:
    running = major.running[name]
    paths = [row.path for row in guarded(major)] + [row.path for row in data.unguarded_get_routes()]
    before = settled(running.directory)
    assert len(before) > 3
    flows = running.get("/flows").content
    for path in paths:
        running.get(path)
    assert running.get("/flows").content == flows
    assert settled(running.directory, time.time()) == before


def test_sending_every_safe_write_to_an_open_instance_changes_nothing(major: Major) -> None:
    running = major.running["state-open"]
    before = settled(running.directory)
    flows = running.get("/flows").content
    for row in safe_writes():
        assert running.write(row) == (row.open_status, row.open_type), row.path
    assert running.get("/flows").content == flows
    assert settled(running.directory, time.time()) == before


def test_a_protected_instance_refuses_every_safe_write(major: Major) -> None:
    for row in safe_writes():
        assert major.running["state-auth"].write(row)[0] == 401, row.path


# --- every literal GET route in the sources has a row, and the other way round

MOUNTS = {"projects.js": "/projects", "sshkeys.js": "/settings/user/keys", "theme.js": "/theme"}
GET_CALL = re.compile(
    r"""(?<![\w.])(?:adminApp|editorApp|themeApp|app|RED\.httpAdmin)\.get\(\s*("[^"]*"|'[^']*'|/\^.*?/(?=,))"""
)


WRITE_CALL = re.compile(
    r"""(?<![\w.])(?:adminApp|editorApp|app|RED\.httpAdmin)\.(post|put|delete|patch)\(\s*("[^"]*"|'[^']*'|/\^.*?/(?=,))"""
)
SOURCES = (
    "@node-red/editor-api/lib/**/*.js",
    "@node-red/nodes/core/**/*.js",
    "node-red-dashboard/nodes/**/*.js",
    "@flowfuse/node-red-dashboard/nodes/**/*.js",
)


def code_of(source: Path) -> str:
    return "\n".join(line for line in source.read_text().splitlines() if not line.lstrip().startswith("//"))


def mounted(source: Path, text: str) -> str:
    mount = MOUNTS.get(source.name, "") if source.parent.name == "editor" else ""
    return text if text.startswith("/^") else literal(mount + text[1:-1])


def routes_in(source: Path) -> set[str]:
    calls: list[str] = GET_CALL.findall(code_of(source))
    return {mounted(source, text) for text in calls}


def test_every_writing_route_of_the_sources_is_in_the_table_and_no_other(major: Major) -> None:
    in_sources = {
        (str(source.relative_to(major.modules)), method.upper(), mounted(source, text))
        for glob in SOURCES
        for source in major.modules.glob(glob)
        if source.name != "projects.js"  # one row stands for its routes
        for method, text in WRITE_CALL.findall(code_of(source))
    }
    rows: list[SafeWrite | UnaskedWrite] = [*safe_writes(), *unasked_writes()]
    assert {(row.source, row.method, row.route) for row in rows if row.method != "*"} == in_sources


def literal(route: str) -> str:
    return route.rstrip("/") or "/"


def test_the_table_holds_every_route_of_the_sources_and_no_other(major: Major) -> None:
    in_sources = {
        (str(source.relative_to(major.modules)), route)
        for glob in SOURCES
        for source in major.modules.glob(glob)
        for route in routes_in(source)
    }
    rows: list[data.GuardedRoute | data.UnguardedRoute | data.UnaskedRoute] = [
        *data.guarded_get_routes(),
        *data.unguarded_get_routes(),
        *data.unasked_get_routes(),
    ]
    in_table = {(row.source, row.route) for row in rows if row.exists_in(major.number) and " (" not in row.route}
    assert in_sources == in_table
    assert len(in_table) > 40
