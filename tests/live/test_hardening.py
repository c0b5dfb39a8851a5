"""Each file of docs/hardening.md, and each remedy of one line, runs on the server that it is for.

Strangers stay out, and the right account gets in.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import shutil
import socket
import ssl
import tempfile
import urllib.parse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import hardening_md
import pytest
from fixlab import USER, Plant, has_ipv6
from suite_runs import need_nginx

from pytest_nodered_sec.remedies.lines import ADMIN_AUTH, HTPASSWD, HTTP_NODE_AUTH, NO_DOTS, nginx_gate

if TYPE_CHECKING:
    from pytest_nodered_sec.remedies.model import FrontName

pytestmark = pytest.mark.live
GATED = ("/ui/", "/dashboard/", "/api/orders", "/ui/socket.io/?EIO=4&transport=polling")
INSIDE = (ADMIN_AUTH, HTTP_NODE_AUTH)
LIVE = {"Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}


@pytest.mark.parametrize("front", hardening_md.FRONTS)
def test_the_page_does_what_it_says(front: FrontName) -> None:
    if front == "nginx":
        need_nginx()
    folder = Path(tempfile.mkdtemp(prefix="guide-"))  # a short name
    try:
        with Plant(folder, front, major=4 if front == "nginx" else 5) as plant:
            site = replace(
                hardening_md.EXAMPLE,
                host="localhost",
                port=plant.https_port,
                http_port=plant.http_port,
                direct_port=plant.direct_port,
            )
            blocks = hardening_md.files(site)
            plant.apply(blocks[front] | blocks["settings"])
            plant.start()
            check(plant)
            if has_ipv6() and front in ("nginx", "haproxy"):  # the others' lines say 127.0.0.1 in the test alone
                assert by_ipv6(plant) == (308, 401)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_remedies_of_one_line_do_what_they_say() -> None:
    need_nginx()
    folder = Path(tempfile.mkdtemp(prefix="line-"))
    try:
        with Plant(folder, "nginx") as plant:
            plant.expose()
            settings, front = plant.user_dir / "settings.js", folder / "front" / "nginx.conf"
            said = [
                re.sub(r"^settings\.js: |(, without a `default` user)?\. You write .*", "", line) for line in INSIDE
            ]
            settings.write_text(settings.read_text().replace("};", f"{', '.join(said)}}};"))
            (plant.user_dir / "node-login.json").write_text(json.dumps({"user": USER, "pass": plant.hashed}))
            gates = "\n".join([NO_DOTS, *map(nginx_gate, ("/ui", "/dashboard", "/api/orders", "/ws/line"))])
            gates = gates.replace(HTPASSWD, f"{folder}/front/accounts").replace(":1880", f":{plant.direct_port}")
            name = "server_name localhost 127.0.0.1;"
            assert name in front.read_text()
            front.write_text(front.read_text().replace(name, f"{name}\n{gates}"))
            plant.apply({})  # writes the accounts
            plant.start()
            check_ways(plant)
            assert asked(plant, "/ui/..%2fflows")[0] == 404
            assert asked(plant, "/flows", {"Authorization": f"Bearer {token(plant)}"})[0] == 200
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def token(plant: Plant) -> str:
    """Log in to the admin API."""
    account = {"client_id": "node-red-admin", "grant_type": "password", "scope": "*", "username": USER}
    context = ssl.create_default_context(cafile=str(plant.folder / "ca.pem"))
    connection = http.client.HTTPSConnection("localhost", plant.https_port, timeout=10, context=context)
    body = urllib.parse.urlencode(account | {"password": plant.password})
    with contextlib.closing(connection):
        connection.request("POST", "/auth/token", body, {"Content-Type": "application/x-www-form-urlencoded"})
        return str(json.loads(connection.getresponse().read())["access_token"])


def check_ways(plant: Plant) -> None:
    """Strangers are refused at each way in, and the operator is let in."""
    login = {"Authorization": f"Basic {base64.b64encode(f'{USER}:{plant.password}'.encode()).decode()}"}
    for path in GATED:
        assert (asked(plant, path)[0], asked(plant, path, login)[0]) == (401, 200), path
    upgrade = LIVE | {"Connection": "Upgrade"}
    assert (asked(plant, "/ws/line", upgrade)[0], asked(plant, "/ws/line", upgrade | login)[0]) == (401, 101)
    assert asked(plant, "/flows")[0] == 401  # Node-RED's own login


def check(plant: Plant) -> None:
    check_ways(plant)
    status, headers = asked(plant, "/")
    assert status == 404  # no editor
    assert headers["Strict-Transport-Security"] == "max-age=15768000"
    assert headers["Content-Security-Policy"] == "frame-ancestors 'self'"
    assert not {"X-Powered-By", "Access-Control-Allow-Origin"} & set(headers)
    assert asked(plant, "/", {"Host": "other.example"})[0] in (0, 403, 404, 421)  # 403: Traefik
    plain = http.client.HTTPConnection("127.0.0.1", plant.http_port, timeout=10)
    plain.request("GET", "/ui?x=1", headers={"Host": "other.example"})
    answer = plain.getresponse()
    assert answer.status in (301, 308)  # Traefik knows 301 only for a GET
    assert answer.headers["Location"] == f"{plant.url}/ui?x=1"
    plain.close()


def by_ipv6(plant: Plant) -> tuple[int, int]:
    """Return the statuses of /ui/ without an account at ::1, in clear and by TLS."""
    trust = ssl.create_default_context(cafile=str(plant.folder / "ca.pem"))
    with (
        socket.create_connection(("::1", plant.http_port), timeout=10) as plain,
        socket.create_connection(("::1", plant.https_port), timeout=10) as inner,
        trust.wrap_socket(inner, server_hostname="localhost") as secure,
    ):
        for connection, port in ((plain, plant.http_port), (secure, plant.https_port)):
            connection.sendall(f"GET /ui/ HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
        return int(plain.recv(4096).split()[1]), int(secure.recv(4096).split()[1])


def asked(plant: Plant, path: str, headers: dict[str, str] | None = None) -> tuple[int, http.client.HTTPMessage]:
    """Return status and headers; status 0 where the connection was closed without an answer."""
    context = ssl.create_default_context(cafile=str(plant.folder / "ca.pem"))
    connection = http.client.HTTPSConnection("localhost", plant.https_port, timeout=10, context=context)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
    except http.client.RemoteDisconnected:
        return 0, http.client.HTTPMessage()
    else:
        return answer.status, answer.headers
    finally:
        connection.close()
