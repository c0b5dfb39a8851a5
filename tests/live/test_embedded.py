"""Node-RED in an app with a login of its own, as Node-RED's documentation embeds it: channels pass by its Express."""

from __future__ import annotations

import contextlib
import subprocess
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest
from gatelab import PASS, standing

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab import deployments, toolchain
from pytest_nodered_sec.lab.node_red import flows
from pytest_nodered_sec.lab.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live
_APP = """
const app = require("express")(), server = require("http").createServer(app), RED = require("node-red");
app.get("/login", (request, response) => response.send("<form><input type=password></form>"));
app.use((request, response) => response.redirect("/login"));  // nobody is ever logged in
RED.init(server, {httpAdminRoot: "/red", httpNodeRoot: "/api", userDir: __dirname, flowFile: "flows.json",
    telemetry: {enabled: false, updateNotification: false}});
app.use("/red", RED.httpAdmin);
app.use("/api", RED.httpNode);
server.listen(@PORT@, "127.0.0.1");
RED.start();
"""
_FREE = f"location / {{ {PASS} proxy_pass http://nodered; }}"
_GUARDED = f"location ~ socket.io {{ return 302 /login; }} {_FREE}"


@contextlib.contextmanager
def embedded(folder: Path) -> Iterator[int]:
    """Run the app until the block ends; yield its TCP port."""
    folder.mkdir()
    (port,) = free_ports(1)
    (folder / "app.js").write_text(_APP.replace("@PORT@", str(port)))
    (folder / "flows.json").write_text(flows(deployments.Deployment()))
    modules = toolchain.node_red(max(lab.majors("fresh")), lambda line: None)
    (folder / "node_modules").symlink_to(modules)
    (folder / "package.json").write_text((modules.parent / "package.json").read_text())
    process = subprocess.Popen([str(toolchain.node()), "app.js"], cwd=folder, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not _has_channel(port):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.2)
        yield port
    finally:
        process.kill()
        process.wait(10)


def _has_channel(port: int) -> bool:
    with contextlib.suppress(OSError):
        where = f"http://127.0.0.1:{port}/api/dashboard/socket.io/?EIO=4&transport=polling"
        with urllib.request.urlopen(where, timeout=5) as got:
            return bool(got.read(1) == b"0")
    return False


def test_channels_of_an_embedded_node_red_are_found_where_its_roots_are_not_declared(tmp_path: Path) -> None:
    with embedded(tmp_path / "app") as port:
        seen = []
        for name, server in (("weak", _FREE), ("sound", _GUARDED)):
            (tmp_path / name).mkdir()
            with standing(tmp_path / name, port, server) as there:
                args = ("--nodered-admin-api=proxied", "--nodered-login-url=/login", "-k", "roots-01")
                seen.append(there.judged(*args))
                report = there.report()
            assert ("/api/dashboard/socket.io answered 200" in report) is (name == "weak")
    assert seen == [{"roots-01": {"compliant", "non-compliant"}}, {"roots-01": {"compliant"}}]
