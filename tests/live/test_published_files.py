"""Directories that a front publishes beside a guarded Node-RED: the user directory in them is found, a page is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from gatelab import PASS, standing

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec import lab

pytestmark = pytest.mark.live
GUARDED = (
    f"location / {{ auth_basic Operators; auth_basic_user_file @FILES@/htpasswd; {PASS} proxy_pass http://nodered; }}"
)


def write_home(files: Path) -> None:
    """Write a user directory, with a folder of static files in it, beside the accounts of the gate."""
    (files / "htpasswd").write_text("nobody:{PLAIN}x\n")
    (files / "home" / "static").mkdir(parents=True)
    (files / "home" / "settings.js").write_text("module.exports = {uiPort: 1880}\n")


@pytest.mark.parametrize(
    ("location", "found"),
    [
        ("/nodered/ { alias @FILES@/home/; }", "/nodered/settings.js"),
        ("/node-red/ { alias @FILES@/home/; autoindex on; }", "/node-red/settings.js"),
        ("/static { alias @FILES@/home/static/; }", "/static../settings.js"),
        ("/static/ { alias @FILES@/home/static/; }", ""),
        ("/files { alias @FILES@/home/static/; }", "/files../settings.js"),
        ("/files/ { alias @FILES@/home/static/; }", ""),
        ("/img/ { return 302 https://localhost/; }", ""),
        ("/assets { alias @FILES@/home/static/; }", "/assets../settings.js"),
        ("/assets/ { alias @FILES@/home/static/; }", ""),
        ("/public/ { alias @FILES@/; autoindex on; }", "/public/home/settings.js"),
        ("/public/ { alias @FILES@/; }", ""),
        ("/nodered/ { default_type text/html; return 200 '<title>module.exports = {}</title>'; }", ""),
    ],
    ids=[
        "nodered",
        "node-red",
        "alias",
        "alias with its slash",
        "files",
        "files with its slash",
        "redirect",
        "assets",
        "assets with its slash",
        "listing",
        "no listing",
        "page",
    ],
)
def test_a_user_directory_that_the_front_publishes_is_found(
    node_red: lab.RunningDeployment, tmp_path: Path, location: str, found: str
) -> None:
    with standing(tmp_path, node_red.direct_port, f"location {location} {GUARDED}") as gate:
        write_home(tmp_path / "files")
        seen = gate.judged("--nodered-admin-api=proxied", "-k", "static-01")
        report = gate.report()
    assert seen == {"static-01": {"compliant", "non-compliant"} if found else {"compliant"}}
    assert not found or f"GET {found} without credentials answered 200" in report


def test_a_folder_of_a_front_that_answers_only_what_it_lists_is_looked_beside(
    node_red: lab.RunningDeployment, tmp_path: Path
) -> None:
    locations = "location /static { alias @FILES@/home/static/; } location / { return 404; }"
    guarded = GUARDED.replace("location / ", "location = /settings ")
    with standing(tmp_path, node_red.direct_port, f"{locations} {guarded}") as gate:
        write_home(tmp_path / "files")
        seen = gate.judged("--nodered-admin-api=proxied", "-k", "static-01")
        report = gate.report()
    assert "non-compliant" in seen["static-01"]
    assert "GET /static../settings.js without credentials answered 200" in report


@pytest.mark.parametrize(("own", "judged"), [("", {"compliant"}), ("/files", {"compliant", "not-judged"})])
def test_calm_mode_does_not_look_beside_a_folder(
    node_red: lab.RunningDeployment, tmp_path: Path, own: str, judged: set[str]
) -> None:
    folder = f"location {own} {{ alias @FILES@/; }}" if own else ""
    with standing(tmp_path, node_red.direct_port, f"{folder} {GUARDED}") as gate:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        seen = gate.judged("--nodered-admin-api=proxied", "--nodered-mode=calm", "-k", "static-01")
        report = gate.report()
    assert seen == {"static-01": judged}
    assert ("leaves out GET /files../settings.js, which is exploit-shaped" in report) is bool(own)
