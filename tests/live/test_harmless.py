"""Do no harm: an open Node-RED is byte for byte what it was after a whole run; nginx in front changes no verdict."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from suite_runs import EXPECTED, run, with_outcome

from pytest_nodered_sec import lab

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@pytest.fixture(scope="module", params=[4, 5])
def fresh(request: pytest.FixtureRequest) -> Iterator[lab.RunningDeployment]:
    with lab.start([f"fresh@{request.param}"], say=lambda line: None) as running:
        yield running.deployments[0]


def state(one: lab.RunningDeployment) -> dict[str, str]:
    """Hash every file of the user directory, logs and modules left out, and the flows as the API tells them."""
    files = {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in Path(one.user_dir).rglob("*")
        if path.is_file() and "node_modules" not in path.parts and "caddy" not in path.parts and path.suffix != ".log"
    }
    files["/flows"] = requests.get(f"{one.url}/flows", verify=one.ca_file, timeout=10).text
    return files


def at(one: lab.RunningDeployment, url: str, http_port: int) -> list[str]:
    return [f"--nodered-url={url}", f"--nodered-ca-file={one.ca_file}", f"--nodered-http-port={http_port}"]


def test_a_run_changes_nothing(fresh: lab.RunningDeployment, tmp_path: Path) -> None:
    before = state(fresh)
    [controls] = run(tmp_path, *at(fresh, fresh.url, fresh.http_port)).values()
    assert with_outcome(controls, "non-compliant") == EXPECTED["fresh"][0]
    assert state(fresh) == before


@pytest.fixture
def nginx(fresh: lab.RunningDeployment, tmp_path: Path) -> Iterator[tuple[str, int]]:
    """A nginx before somebody else's Node-RED: HTTPS with the lab's certificate, and a redirect."""
    if NGINX is None:
        if os.environ.get("CI"):
            pytest.fail("nginx is not installed, and CI leaves nothing out")
        pytest.skip("nginx is not installed")
    https_port, http_port = lab._free_ports(2)
    certificates = Path(fresh.ca_file).parent
    configuration = tmp_path / "nginx.conf"
    temporary = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration.write_text(f"""
daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;
events {{}}
http {{ {temporary} access_log off;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  server {{ listen 127.0.0.1:{http_port}; return 301 https://localhost:{https_port}$request_uri; }}
  server {{
    listen 127.0.0.1:{https_port} ssl; server_name localhost;
    ssl_certificate {certificates}/leaf.pem; ssl_certificate_key {certificates}/leaf.key;
    location / {{
      proxy_pass http://127.0.0.1:{fresh.direct_port}; proxy_http_version 1.1; proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
""")
    process = subprocess.Popen([NGINX, "-p", str(tmp_path), "-c", str(configuration)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not (lab._accepts(https_port) and lab._accepts(http_port)):
            assert time.monotonic() < deadline, (tmp_path / "error.log").read_text()
            time.sleep(0.05)
        yield f"https://localhost:{https_port}", http_port
    finally:
        process.terminate()
        process.wait(10)


def test_behind_nginx_the_verdicts_are_the_same(
    fresh: lab.RunningDeployment, nginx: tuple[str, int], tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    [controls] = run(tmp_path / "run", *at(fresh, *nginx)).values()
    assert with_outcome(controls, "non-compliant") == EXPECTED["fresh"][0]
    assert with_outcome(controls, "could-not-look") == set()


STARTS = """
import sys, time
from pytest_nodered_sec import lab
running = lab.start(["fresh"], say=lambda line: None)
sys.stdout.write(running.deployments[0].user_dir + "\\n")
sys.stdout.flush()
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_when_the_parent_is_gone(number: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", STARTS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert parent.stdout is not None
    with parent.stdout:
        place = Path(parent.stdout.readline().strip())
        assert place.is_dir()
        parent.send_signal(number)
        parent.wait(10)
    deadline = time.monotonic() + 10
    while place.parent.exists() or holders(place):
        assert time.monotonic() < deadline, f"{place} is still there or in use by {holders(place)}"
        time.sleep(0.1)


def holders(place: Path) -> list[str]:
    """Return the processes whose command line names the directory."""
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)  # noqa: S607  ps, wherever it is
    return [line for line in found.stdout.splitlines() if str(place) in line]
