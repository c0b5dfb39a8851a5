"""What an open page at / leads to: a Node-RED below a name of the site's own, and a directory with its settings."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from gatelab import PASS, standing
from servers import running

from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.lab.ports import accepts, free_ports

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec import lab

pytestmark = pytest.mark.live
LOGIN = "auth_basic Operators; auth_basic_user_file @FILES@/htpasswd;"
PORTAL = """location = / { default_type text/html; return 200
'<h1>Hall 7</h1><a href="https://elsewhere.example/x/">maker</a> <a href=Plant/NodeRED/>flows</a>'; }"""
LISTING = "location = / { root @FILES@/share; autoindex on; } location /old/ { root @FILES@/share; autoindex on; }"
REST = f"location / {{ {LOGIN} {PASS} proxy_pass http://nodered; }}"


@pytest.mark.parametrize("gate", ["", LOGIN], ids=["open", "guarded"])
def test_a_node_red_to_which_an_open_page_leads_is_found(
    node_red: lab.RunningDeployment, tmp_path: Path, gate: str
) -> None:
    second = f"location /Plant/NodeRED/ {{ {gate} proxy_pass http://nodered/; }}"
    _is_found_unless(gate, "/Plant/NodeRED", PORTAL + second, node_red, tmp_path)


def _is_found_unless(gate: str, path: str, lines: str, node_red: lab.RunningDeployment, folder: Path) -> None:
    """See roots-01 fail of what the page at / names, and pass where a gate guards that."""
    with standing(folder, node_red.direct_port, lines + REST) as there:
        (folder / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        seen = there.judged("--nodered-admin-api=proxied", "-k", "roots-01")
        report = there.report()
    assert seen == {"roots-01": {"compliant"} if gate else {"compliant", "non-compliant"}}
    assert gate or f"GET below {path}, which the page at / names, without credentials: " in report


ADDED_SLASH = "location = /hall8 { return 301 /hall8/; }"


@pytest.mark.parametrize("gate", ["", LOGIN], ids=["open", "guarded"])
@pytest.mark.parametrize(
    ("page", "beside"),
    [
        ("return 200 '<a href=\"/hall8\">hall 8</a>';", ADDED_SLASH),
        ("return 200 '<a href=\"https://$http_host/hall8/dashboard/page1\">hall 8</a>';", ""),
        ("return 200 '<a href=\"/hall8/ui/#!/0?socketid=1\">hall 8</a>';", ""),
        ("return 200 '<iframe src=/hall8/ui/?kiosk=1></iframe>';", ""),
        ("return 200 '<meta http-equiv=refresh content=\"0; url=/hall8/ui/\">';", ""),
        ("return 302 /hall8/ui/;", ""),
        ("return 302 /hall8;", ADDED_SLASH),
    ],
    ids=["no slash", "page", "fragment", "frame", "refresh", "redirect", "redirects"],
)
def test_whichever_way_a_page_leads_there_it_is_found(
    node_red: lab.RunningDeployment, tmp_path: Path, gate: str, page: str, beside: str
) -> None:
    portal = f"location = / {{ default_type text/html; {page} }} {beside}"
    second = f"location /hall8/ {{ {gate} {PASS} proxy_pass http://nodered/; }}"
    _is_found_unless(gate, "/hall8", portal + second, node_red, tmp_path)


@pytest.mark.parametrize("name", ["settings.js", "notes.js"])
def test_a_user_directory_in_a_listing_is_found(node_red: lab.RunningDeployment, tmp_path: Path, name: str) -> None:
    with standing(tmp_path, node_red.direct_port, LISTING + REST) as there:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        (tmp_path / "files" / "share" / "old" / "line 7").mkdir(parents=True)
        (tmp_path / "files" / "share" / "old" / "line 7" / name).write_text("module.exports = {uiPort: 1880}\n")
        seen = there.judged("--nodered-admin-api=proxied", "-k", "static-01 or roots-01")
        report = there.report()
    weak = name == "settings.js"
    assert seen == {"static-01": {"compliant", "non-compliant"} if weak else {"compliant"}, "roots-01": {"compliant"}}
    assert not weak or "GET /old/line%207/settings.js without credentials answered 200" in report


def test_a_user_directory_in_a_listing_of_caddys_is_found(node_red: lab.RunningDeployment, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    (tmp_path / "share" / "hall7" / "nodered").mkdir(parents=True)
    (tmp_path / "share" / "hall7" / "nodered" / "settings.js").write_text("module.exports = {uiPort: 1880}\n")
    command = [str(toolchain.caddy()), "file-server", "--browse", f"--root={tmp_path}/share"]
    server = f"location ~ ^/(hall7/|$) {{ proxy_pass http://127.0.0.1:{port}; }} {REST}"
    with running([*command, f"--listen=127.0.0.1:{port}"], tmp_path / "caddy.log", partial(accepts, port)):
        (tmp_path / "site").mkdir()
        with standing(tmp_path / "site", node_red.direct_port, server) as there:
            (tmp_path / "site" / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
            seen = there.judged("--nodered-admin-api=proxied", "-k", "static-01")
            report = there.report()
    assert seen == {"static-01": {"compliant", "non-compliant"}}
    assert "GET /hall7/nodered/settings.js without credentials answered 200" in report
