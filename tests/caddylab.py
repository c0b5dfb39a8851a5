"""Caddyfiles as they are seen on a host: adapted by a real Caddy, reduced by the program for the host's Node."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.observations.host_proxies import CaddyConfig
from pytest_nodered_sec.probes.host import caddy
from pytest_nodered_sec.probes.host.gather import PROGRAM

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host import ListeningSocket


def adapted(text: str, sockets: tuple[ListeningSocket, ...]) -> CaddyConfig:
    """Adapt a Caddyfile with Caddy itself, and reduce it; no hash leaves."""
    adapt = [str(toolchain.caddy()), "adapt", "--config", "/dev/stdin", "--adapter", "caddyfile"]
    done = subprocess.run(adapt, input=text, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr
    http = json.loads(done.stdout)["apps"]["http"]
    program = PROGRAM.removesuffix("main();\n")
    program = f"const INPUT = {{}}, HTTP = {json.dumps(http)};\n{program}\nconsole.log(JSON.stringify(served(HTTP)))"
    run = [str(toolchain.node()), "-"]
    done = subprocess.run(run, input=program, capture_output=True, text=True, check=True, timeout=20)
    assert "$2a$" not in done.stdout
    return CaddyConfig("Caddyfile", tuple(caddy.server(server) for server in json.loads(done.stdout)), sockets)
