"""What nginx does on a reload where the new configuration wants a port at other addresses: why remedies say restart."""

from __future__ import annotations

import http.server
import os
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from base64 import b64encode
from typing import TYPE_CHECKING, Final

import pytest
from suite_runs import installed, need_nginx

from pytest_nodered_sec.lab.certificates import Authority
from pytest_nodered_sec.lab.ports import accepts, free_ports
from pytest_nodered_sec.remedies.fronts import nginx
from pytest_nodered_sec.remedies.lines import HTPASSWD
from pytest_nodered_sec.remedies.model import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.live
_LIMIT: Final = 20.0  # seconds until nginx has done what a signal asks
_BUSY: Final = "Address already in use"


class Page(http.server.BaseHTTPRequestHandler):
    """In place of a Node-RED."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"page")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def behind() -> Iterator[int]:
    """The port of what stands behind the proxy."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


class Proxy:
    """A real nginx, below a directory."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.command = [installed("nginx"), "-p", str(folder), "-e", "error.log", "-c", str(folder / "nginx.conf")]

    def put(self, site: str) -> None:
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "".join(f"{kind}_temp_path {kind}; " for kind in kinds)
        user = "user root root; " if os.geteuid() == 0 else ""  # pytest's directories are nobody else's
        head = f"{user}pid pid; error_log error.log; events {{}}\n"
        (self.folder / "nginx.conf").write_text(f"{head}http {{ access_log off; {temporary}\n{site}\n}}\n")

    def signal(self, name: str) -> int:
        return subprocess.run([*self.command, "-s", name], check=False, capture_output=True).returncode

    def start(self) -> None:
        subprocess.run(self.command, check=True, capture_output=True)
        until(lambda: accepts(self.port))

    def stop(self) -> None:
        self.signal("stop")
        until(lambda: not accepts(self.port))

    def answer(self, path: str, login: str = "") -> tuple[int, str]:
        headers = {"Authorization": f"Basic {b64encode(login.encode()).decode()}"} if login else {}
        request = urllib.request.Request(f"https://localhost:{self.port}{path}", headers=headers)
        trust = ssl.create_default_context(cafile=self.folder / "ca.pem")
        try:
            with urllib.request.urlopen(request, context=trust, timeout=5) as got:  # noqa: S310  as above
                return got.status, got.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LIMIT
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_reload_takes_no_port_over_from_one_address_and_a_restart_does(tmp_path: Path, behind: int) -> None:
    need_nginx()
    port, plain = free_ports(2)
    Authority(tmp_path)
    tls = f"ssl_certificate {tmp_path}/leaf.pem; ssl_certificate_key {tmp_path}/leaf.key;"
    proxy = Proxy(tmp_path, port)
    proxy.put(f"server {{ listen 127.0.0.1:{port} ssl; {tls} return 200 old; }}")
    proxy.start()
    site = Site("plant", "localhost", port=port, http_port=plain, direct_port=behind, dashboards=("/ui",))
    written = nginx.write(site)[nginx.FILE]
    assert "sudo nginx -t && sudo systemctl restart nginx" in written
    crypted = subprocess.run(
        [installed("openssl"), "passwd", "-6", "secret"], check=True, capture_output=True, text=True
    ).stdout
    (tmp_path / "accounts").write_text(f"operator:{crypted}")
    live = "/etc/letsencrypt/live/localhost"
    moved = written.replace(f"{live}/fullchain.pem", f"{tmp_path}/leaf.pem")
    moved = moved.replace(f"{live}/privkey.pem", f"{tmp_path}/leaf.key").replace(HTPASSWD, f"{tmp_path}/accounts")
    proxy.put(moved)
    try:
        assert subprocess.run([*proxy.command, "-t"], check=False, capture_output=True).returncode == 0
        assert proxy.signal("reload") == 0  # and yet:
        until(lambda: _BUSY in (tmp_path / "error.log").read_text())
        assert proxy.answer("/ui") == (200, "old")
        proxy.stop()
        proxy.start()
        assert proxy.answer("/ui") == (401, "")
        assert proxy.answer("/ui", "operator:secret") == (200, "page")
    finally:
        proxy.stop()
