"""The reading of installed packages by a real Node: of the lab's own, and of packages made for it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from pytest_nodered_sec.data.releases import reviewed_packages, unguarded_packages
from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.probes.flows.elsewhere import tables
from pytest_nodered_sec.probes.host import palette
from pytest_nodered_sec.probes.host.gather import source

if TYPE_CHECKING:
    from pathlib import Path

REGISTRY = "https://registry.npmjs.org"


def says(expression: str) -> Any:
    program = source({"mark": "==", "flows": tables(), "args": [], "pid": 1}).removesuffix("main();\n")
    program += f"say({expression});"
    done = subprocess.run(
        [str(toolchain.node()), "-"], input=program, capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(done.stdout.strip().removeprefix("== "))


def packages(*folders: Path) -> dict[str, set[str]]:
    """What is seen in the packages of some directories: each place, as its kind, file and line."""
    rows = says(f"nodesIn({json.dumps([str(folder) for folder in folders])})")
    seen = palette.nodes_of({"nodes": rows, "userDir": "x", "settings": {"httpAdminRoot": ""}})
    assert seen.admin
    return {
        node_package.name: {f"{place.kind} {place.where()}" for place in node_package.places}
        for node_package in seen.packages
    }


def package(folder: Path, name: str, code: str = "", **more: Any) -> None:
    place = folder / "node_modules" / name
    place.mkdir(parents=True)
    about = {"name": name, "version": "1.0.0", "node-red": {"nodes": {"line": "line.js"}}} | more
    (place / "package.json").write_text(json.dumps(about))
    (place / "line.js").write_text(code)


def test_real_packages_are_read_as_the_table_says() -> None:
    """Those of the lab: with routes that nobody guards are exactly those that somebody has seen to have some."""
    sets = (toolchain.node_red(5, print), toolchain.packages("contrib", "contributed packages", print))
    seen = packages(*sets)
    open_routes = {name for name, places in seen.items() if any(place.startswith("routes") for place in places)}
    assert open_routes == {"node-red-dashboard", "node-red-contrib-uibuilder", "node-red-vue"}
    opens = {name for name, places in seen.items() if places}
    assert opens == open_routes | {"@flexdash/node-red-flexdash", "node-red-contrib-web-worldmap"}
    assert {row.name for row in unguarded_packages()} & set(seen) == {"node-red-contrib-uibuilder"}
    reviewed = {row.name: row.version for row in reviewed_packages()}
    for name in ("node-red-dashboard", "@flowfuse/node-red-dashboard"):  # else the lab's `hardened` has a finding
        [about] = [folder / name / "package.json" for folder in sets if (folder / name).is_dir()]
        assert json.loads(about.read_text())["version"] == reviewed[name]


@pytest.mark.parametrize(
    ("code", "places"),
    [
        ("RED.httpAdmin.get('/x', (q, s) => s.send(1));", {"routes line.js:1"}),
        ("\n\nRED.httpAdmin\n  .post('/x', save);", {"routes line.js:3"}),
        ("RED.httpAdmin.get('/x', RED.auth.needsPermission('x.read'), (q, s) => 1);", set()),
        ("const asks = RED.auth.needsPermission('x');\nRED.httpAdmin.get('/x', asks, show);", set()),
        ("const asks = other;\nRED.httpAdmin.get('/x', asks, show);", {"routes line.js:2"}),
        ("RED.httpAdmin.use('/x/*', RED.auth.needsPermission('x'));\nRED.httpAdmin.get('/x/y', show);", set()),
        ("RED.httpAdmin.get('/x/y', show);\nRED.httpAdmin.use('/x/*', RED.auth.needsPermission('x'));",
         {"routes line.js:1"}),
        ("RED.httpAdmin.use('/x', RED.auth.needsPermission('x'));\nRED.httpAdmin.get('/xy', show);",
         {"routes line.js:2"}),
        ("const app = RED.httpAdmin;", {"routes line.js:1"}),
        ("const app = RED.httpNode || RED.httpAdmin;", set()),
        ("// RED.httpAdmin.get('/x', show)\n/* net.createServer() */", set()),
        ("log('RED.httpAdmin.get(1)')", {"routes line.js:1"}),  # a reading of words only
        ("net.createServer(accept).listen(1234);", {"listens line.js:1"}),
        ("new WebSocket.Server({ port });\nchat.listen();", {"listens line.js:1"}),
        ("new McpServer({ name });", set()),
        ("const { exec } = require('node:child_process');", {"commands line.js:1"}),
        ("import { exec } from 'child_process';", {"commands line.js:1"}),
    ],
)  # fmt: skip
def test_what_a_reading_shows(code: str, places: set[str], tmp_path: Path) -> None:
    package(tmp_path, "node-red-contrib-line", code)
    assert packages(tmp_path / "node_modules") == {"node-red-contrib-line": places}


def test_only_packages_with_nodes_are_read_and_each_once(tmp_path: Path) -> None:
    code = "net.createServer(accept)"
    for folder in ("mine", "theirs"):
        package(tmp_path / folder, "@plant/line", code if folder == "mine" else "", scripts={"install": "make"})
    package(tmp_path / "mine", "not-of-node-red", code, **{"node-red": None})
    package(tmp_path / "mine", "large", code + " " * (1 << 19))
    (tmp_path / "mine/node_modules/@plant/line/test").mkdir()
    (tmp_path / "mine/node_modules/@plant/line/test/other.js").write_text(code)
    seen = packages(tmp_path / "mine/node_modules", tmp_path / "theirs/node_modules", tmp_path / "none")
    assert seen == {"@plant/line": {"installs package.json:install", "listens line.js:1"}, "large": set()}
    rows = says(f"nodesIn([{json.dumps(str(tmp_path / 'mine/node_modules'))}])")
    assert {row["name"]: row["whole"] for row in rows} == {"@plant/line": True, "large": False}


def lock(folder: Path, **rows: dict[str, Any]) -> Any:
    """What is seen of a user directory whose lock file has these packages."""
    text = {"lockfileVersion": 3, "packages": {"": {}, **rows}}
    (folder / "package-lock.json").write_text(json.dumps(text))
    return palette.lock_of({"lock": says(f"lockOf({json.dumps(str(folder))})")})


def row(name: str = "line", version: str = "1.0.0", host: str = REGISTRY, **more: Any) -> dict[str, Any]:
    return {"version": version, "resolved": f"{host}/{name}.tgz", "integrity": "sha512-x"} | more


def test_locks_of_packages(tmp_path: Path) -> None:
    assert palette.lock_of({"lock": says(f"lockOf({json.dumps(str(tmp_path))})")}).packages == ()
    package(tmp_path, "line")
    package(tmp_path, "other", version="2.0.0")
    (tmp_path / "package.json").write_text('{"dependencies": {"line": "1", "other": "2", "gone": "1"}}')
    bare = palette.lock_of({"lock": says(f"lockOf({json.dumps(str(tmp_path))})")})
    assert (bare.packages, bare.lock, bare.folder) == (("line", "other"), "", str(tmp_path))
    seen = lock(tmp_path, **{"node_modules/line": row(), "node_modules/other": row("other", "1.9.9")})
    assert (seen.version, seen.unlocked, seen.registries) == (3, ("other", "gone"), ("registry.npmjs.org",))
    git = {"version": "1.0.0", "resolved": "git+ssh://git@example.com/a.git#1"}
    several = {
        "node_modules/line": row(hasInstallScript=True), "node_modules/line/node_modules/a": git,
        "node_modules/b": row("b", host="https://npm.plant.example"),
        "node_modules/c": {"resolved": "../c", "link": True},
        "node_modules/d": {"version": "1.0.0", "inBundle": True}, "node_modules/e": row("e", integrity=None),
    }  # fmt: skip
    seen = lock(tmp_path, **several)
    assert (seen.registries, seen.elsewhere) == (("npm.plant.example", "registry.npmjs.org"), ("a", "c", "e"))
    assert (seen.scripts, seen.silent) == (("line",), False)
    (tmp_path / ".npmrc").write_text("registry=https://x\nignore-scripts = true\n")
    assert lock(tmp_path, **several).silent


@pytest.mark.parametrize(("name", "text"), [("package-lock.json", "{"), ("yarn.lock", ""), ("pnpm-lock.yaml", "")])
def test_a_lock_that_is_not_read_could_not_be_looked_at(name: str, text: str, tmp_path: Path) -> None:
    package(tmp_path, "line")
    (tmp_path / name).write_text(text)
    with pytest.raises(ProbeError, match=name):
        palette.lock_of({"lock": says(f"lockOf({json.dumps(str(tmp_path))})")})
