"""A second way to a guarded Node-RED, by a known root or a folder: each weak front is found, its sound twin is not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from gatelab import PASS, standing
from suite_runs import need_nginx

from pytest_nodered_sec import lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live
LOGIN = "auth_basic Operators; auth_basic_user_file @FILES@/htpasswd;"
TO_NODE_RED = f"{PASS} proxy_pass http://nodered;"
GUARDED = f"location / {{ {LOGIN} {TO_NODE_RED} }}"


@pytest.fixture(scope="module")
def admin_below(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.RunningDeployment]:
    """An open Node-RED whose editor and admin API stand at /admin, as the comment in settings.js has it."""
    need_nginx()
    site = tmp_path_factory.mktemp("site")
    (site / "settings.js").write_text('module.exports = {httpAdminRoot: "/admin", telemetry: {enabled: false}};')
    with lab.start([str(site)], say=lambda line: None) as running:
        yield running.deployments[0]


@pytest.mark.parametrize("how", ["", "~* ^"], ids=["weak", "sound"])
@pytest.mark.parametrize("closed", [LOGIN, "return 404;"], ids=["login", "absent"])
def test_a_known_root_that_is_guarded_in_one_letter_case_only(
    admin_below: lab.RunningDeployment, tmp_path: Path, closed: str, how: str
) -> None:
    lines = f"location {how}/admin {{ {closed} {TO_NODE_RED} }} location / {{ {TO_NODE_RED} }}"
    with standing(tmp_path, admin_below.direct_port, lines) as there:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        seen = there.judged("--nodered-admin-root=/", "-k", "roots-01")
        report = there.report()
    assert seen == {"roots-01": {"compliant"} if how else {"compliant", "non-compliant"}}
    assert how or "GET below /AdMiN, which is /admin to Node-RED, without credentials: " in report


def test_a_known_root_that_is_passed_on_without_its_name_is_found_once(
    node_red: lab.RunningDeployment, tmp_path: Path
) -> None:
    lines = f"location /nodered/ {{ {PASS} proxy_pass http://nodered/; }} {GUARDED}"
    with standing(tmp_path, node_red.direct_port, lines) as there:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        seen = there.judged("--nodered-admin-api=proxied", "-k", "roots-01")
        failed = re.findall(r'<testcase[^>]* name="([^"]+)"[^>]*>(?:(?!</testcase>).)*<failure', there.report(), re.S)
    assert seen == {"roots-01": {"compliant", "non-compliant"}}
    assert [name.rpartition("-")[2].rstrip("]") for name in failed] == ["/nodered"]


@pytest.mark.parametrize("folder", ["/public", "/assets"])
@pytest.mark.parametrize(
    "lines",
    ["proxy_pass http://nodered/;", "proxy_pass http://nodered/public/;", "alias @FILES@/;"],
    ids=["weak", "one folder", "files"],
)
def test_a_folder_that_is_passed_on_without_its_name(
    node_red: lab.RunningDeployment, tmp_path: Path, lines: str, folder: str
) -> None:
    with standing(tmp_path, node_red.direct_port, f"location {folder}/ {{ {PASS} {lines} }} {GUARDED}") as there:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        seen = there.judged("--nodered-admin-api=proxied", "-k", "roots-01")
        report = there.report()
    weak = lines.endswith("nodered/;")
    assert seen == {"roots-01": {"compliant", "non-compliant"} if weak else {"compliant"}}
    told = f"which the answer for another path to GET {folder}/settings.js names"
    assert not weak or f"GET below {folder}, {told}, without credentials: " in report
