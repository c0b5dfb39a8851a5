"""Two doors to a real Node-RED, one without the login: a second address of the name, a second server behind one.

Only the look-up of the name is made up: what answers at 127.0.0.1 and 127.0.0.2 is one nginx.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from gatelab import PASS, standing

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec import lab

pytestmark = pytest.mark.live
_LOGIN = 'auth_basic "Operators"; auth_basic_user_file @FILES@/htpasswd;'
_OPEN = f"location / {{ {PASS} proxy_pass http://nodered; }}"
_CLOSED = f"location / {{ {_LOGIN} {PASS} proxy_pass http://nodered; }}"
_SECOND = "server {{ listen 127.0.0.2:@PORT@ ssl; {certificate} {location} }}"
_TWO_ADDRESSES = '''
import socket

_whole = socket.getaddrinfo


def _both(host, *args, **kwargs):
    """Look up localhost as a name with two addresses."""
    if host != "localhost":
        return _whole(host, *args, **kwargs)
    return [info for address in ("127.0.0.1", "127.0.0.2") for info in _whole(address, *args, **kwargs)]


socket.getaddrinfo = _both
'''
_PAIR = """upstream pair {{ server unix:{folder}/first.sock; server unix:{folder}/second.sock; }}
server {{ listen unix:{folder}/first.sock; {first} }}
server {{ listen unix:{folder}/second.sock; {second} }}"""


def _judged_at_both(folder: Path, port: int, location: str) -> tuple[dict[str, set[str]], str]:
    """Judge a name of two addresses, the second of which has these lines; return outcomes and report."""
    certificate = f"ssl_certificate {folder}/nginx/chain0.pem; ssl_certificate_key {folder}/nginx/chain0.key;"
    second = _SECOND.format(certificate=certificate, location=location.replace("@FILES@", f"{folder}/files"))
    with standing(folder, port, _CLOSED, http=second) as gate:
        (folder / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        (gate.folder / "conftest.py").write_text(_TWO_ADDRESSES)
        seen = gate.judged("--nodered-admin-api=proxied", "-k", "addresses_agree or throughout")
        return seen, gate.report()


@pytest.mark.parametrize("gated", [True, False], ids=["gated", "open"])
def test_an_address_without_the_login_is_a_finding(
    node_red: lab.RunningDeployment, tmp_path: Path, gated: bool
) -> None:
    seen, report = _judged_at_both(tmp_path, node_red.direct_port, _CLOSED if gated else _OPEN)
    assert seen["reach-01"] == {"compliant"}
    assert seen["reach-02"] == {"compliant" if gated else "non-compliant"}
    assert gated or "127.0.0.2 serves what 127.0.0.1 refuses: GET /settings without credentials" in report


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        ("location /nodered/ { @PASS@ proxy_pass http://nodered/; }", "GET /nodered/settings"),
        (
            "set_real_ip_from 0.0.0.0/0; real_ip_header X-Forwarded-For; satisfy any; allow 10.0.0.0/8; deny all;",
            "GET /settings as if forwarded for 10.0.0.1",
        ),
    ],
    ids=["root", "way"],
)
def test_an_address_with_another_way_in_is_a_finding(
    node_red: lab.RunningDeployment, tmp_path: Path, more: str, asked: str
) -> None:
    location = f"{more.replace('@PASS@', PASS)} {_CLOSED}"
    seen, report = _judged_at_both(tmp_path, node_red.direct_port, location)
    assert seen["reach-02"] == {"non-compliant"}
    assert f"127.0.0.2 serves what 127.0.0.1 refuses: {asked}: " in report


@pytest.mark.parametrize("gated", [True, False], ids=["gated", "open"])
def test_a_server_without_the_login_behind_a_balancer_is_a_finding(
    node_red: lab.RunningDeployment, tmp_path: Path, gated: bool
) -> None:
    folder = tmp_path / "files"
    second = _CLOSED if gated else _OPEN
    pair = _PAIR.format(folder=folder, first=_CLOSED, second=second).replace("@FILES@", str(folder))
    with standing(
        tmp_path, node_red.direct_port, f"location / {{ {PASS} proxy_pass http://pair; }}", http=pair
    ) as gate:
        (folder / "htpasswd").write_text("nobody:{PLAIN}x\n")
        seen = gate.judged("--nodered-admin-api=proxied")
        report = gate.report()
    assert seen["reach-02"] == {"compliant" if gated else "non-compliant"}
    assert gated or "one of them serves what another refuses" in report
