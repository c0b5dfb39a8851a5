"""Authorities, a good server and a publisher of lists, for the tests of TLS."""

from __future__ import annotations

import http.server
import threading
from typing import TYPE_CHECKING

import pytest
import tlslab
from certlab import Issued, issue
from probes.tls.authority import Authority
from probes.tls.lists import Shop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def lab() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def ca_file(lab: Authority, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("trust") / "lab-root.pem"
    path.write_bytes(lab.root.pem)
    return str(path)


@pytest.fixture
def good(lab: Authority, tmp_path: Path) -> Iterator[tlslab.Server]:
    with tlslab.serving_tls(tmp_path, [lab.leaf(), lab.intermediate]) as server:
        yield server


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()

    class Counter(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shop.asked.append(self.path)
            status, body, location = shop.goods.get(self.path, (404, b"", ""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Counter) as server:
        shop.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield shop
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def authority() -> tuple[Issued, Issued]:
    from suite_runs import need_nginx  # here, because some environments of the release tests have no lab

    need_nginx()
    root = issue("Root", ca=True)
    return root, issue("Middle", root, ca=True)
