"""The evaluator of settings.js, run by a real Node beside a process that stands in for Node-RED."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from typing import TYPE_CHECKING, Any

from pytest_nodered_sec.data.known_secrets import PUBLISHED
from pytest_nodered_sec.lab.toolchain import node
from pytest_nodered_sec.probes.flows.elsewhere import tables
from pytest_nodered_sec.probes.host.gather import CHILD, source
from pytest_nodered_sec.probes.host.parse import answer_of_node

if TYPE_CHECKING:
    from pathlib import Path

HASH = "$2y$12$XFJ8n0/JUb3RAioQ4JjLHOZFEH6ZpONFPq2wqCLjUsOxqP3mtqbYC"
LOGIN = f"{{type: 'credentials', users: [{{password: '{HASH}'}}]}}"
STUBS = ("config", "jsonwebtoken", "node-red-auth-github", "our-settings", "serialport", "theme", "unleash")


def stand_in(folder: Path, more: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a process in Node-RED's place: its environment and directory are what the evaluator reads of it."""
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"], "PLANT_SECRET": "from-the-environment"}
    environment["NODE_RED_OPTIONS"] = f"-s {folder}/line.js -D disableEditor=false"
    environment["NODE_OPTIONS"] = "--require=/does/not/exist.js --inspect=127.0.0.1:9230"
    return subprocess.Popen(["/bin/sleep", "900"], cwd=folder, env=environment | (more or {}))


def until_there(path: Path, process: subprocess.Popen[bytes], text: str = "") -> bool:
    """Wait until a file is there and holds a text, or its process has ended; return whether it is there."""
    for _ in range(1200):
        if path.exists() and text in path.read_text():
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.05)
    raise AssertionError(f"{path} is not there after a minute")


class Evaluator:
    """Evaluates a text as the settings.js of a directory."""

    def __init__(self, folder: Path, pid: int) -> None:
        self.folder = folder
        self.pid = pid
        self.raw = ""
        self.through: list[str] = []  # a command by which Node is started
        for name in STUBS:  # which nobody may run
            (folder / "node_modules" / name).mkdir(parents=True)
            (folder / "node_modules" / name / "index.js").write_text("throw new Error('it was run')")

    def __call__(self, text: str, limit: int = 10_000, **given: Any) -> dict[str, Any]:
        """Evaluate; the milliseconds that it may take are many, because the machine may be busy."""
        (self.folder / "settings.js").write_text(text, encoding="utf-8")
        mark = f"=={secrets.token_hex(4)}"
        defaults = {
            "mark": mark,
            "pid": self.pid,
            "userDir": str(self.folder),
            "settingsFile": "",
            "args": [],
            "caddies": [],
            "userUnit": "",
            "manager": "",
        }
        program = source(
            {
                **defaults,
                "known": PUBLISHED,
                "passwords": ["password"],
                "modules": ["node-red-dashboard"],
                "limit": limit,
                "flows": tables(),
                "program": CHILD,
                **given,
            }
        )
        argv = [*self.through, str(node()), "-"]
        done = subprocess.run(argv, input=program, capture_output=True, text=True, timeout=60, check=False)
        self.raw = done.stdout + done.stderr
        found = answer_of_node(done.stdout, mark)
        assert found, self.raw
        return found

    def settings(self, body: str) -> dict[str, Any]:
        found = self(f"module.exports = {{ {body} }};")
        assert "settings" in found, found
        settings: dict[str, Any] = found["settings"]
        return settings
