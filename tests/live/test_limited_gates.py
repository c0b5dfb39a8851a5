"""Gates that limit how fast they are asked, answer a whole directory alike, or stop the look in one place only."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from gatelab import PASS, standing
from suite_runs import with_outcome

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec import lab

pytestmark = pytest.mark.live
OF_THE_FRONT = {"http-06", "tls-14", "tls-15"}  # what this nginx leaves as it is by default
EVERYTHING = f"location / {{ auth_basic x; auth_basic_user_file @FILES@/htpasswd; {PASS} proxy_pass http://nodered; }}"
ARGS = ("--nodered-editor=protected", "--nodered-admin-api=proxied")
ZONES = (
    "limit_req_zone $binary_remote_addr zone=requests:1m rate=10r/s; "
    "limit_conn_zone $binary_remote_addr zone=connections:1m; "
    "limit_req_zone $binary_remote_addr zone=slow:1m rate=5r/s;"
)


def judged(
    folder: Path, node_red: lab.RunningDeployment, server: str, *more: str, http: str = ""
) -> tuple[dict[str, set[str]], str]:
    """Return the outcomes of each control behind such a gate, and the JUnit file."""
    with standing(folder, node_red.direct_port, f"{server} {EVERYTHING}", http=http) as gate:
        (folder / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        return gate.judged(*ARGS, *more), gate.report()


@pytest.mark.parametrize(
    "limit",
    [
        "limit_req zone=requests burst=20 nodelay;",
        "limit_req_status 429; limit_req zone=requests burst=20 nodelay;",
        "limit_req zone=requests burst=20;",
        "limit_conn connections 2;",
    ],
    ids=["503", "429", "delayed", "connections"],
)
def test_a_limit_makes_the_run_slower_and_nothing_else(
    limit: str, node_red: lab.RunningDeployment, tmp_path: Path
) -> None:
    seen, _ = judged(tmp_path, node_red, limit, http=ZONES)
    assert with_outcome(seen, "could-not-look") == set()
    assert with_outcome(seen, "non-compliant") <= OF_THE_FRONT


@pytest.mark.parametrize(
    ("limit", "cases"),
    [
        ("limit_req zone=slow burst=20;", "proxy-03"),
        ("limit_req zone=slow;", "proxy-03 or (proxy-05 and address)"),
        ("limit_req_status 403; limit_req zone=requests burst=10 nodelay;", "admin-01 or reach-01"),
        ("limit_req_status 444; limit_req zone=requests burst=10 nodelay;", "admin-01 or reach-01"),
    ],
    ids=["another name, delayed", "another name", "403", "closed"],
)
def test_a_slow_limit_is_waited_for(limit: str, cases: str, node_red: lab.RunningDeployment, tmp_path: Path) -> None:
    seen, _ = judged(tmp_path, node_red, limit, "-k", cases, http=ZONES)
    assert seen
    assert with_outcome(seen, "could-not-look") == set()
    assert with_outcome(seen, "non-compliant") == set()


@pytest.mark.parametrize(
    ("lines", "outcomes"),
    [
        ("try_files $uri /static/login.css;", {"compliant"}),
        ("types {} default_type text/css; try_files $uri /static/login.css;", {"compliant"}),
        ("try_files $uri /static/index.html;", {"compliant"}),
        ("try_files $uri /static/login.css; location = /static/settings.js {}", {"compliant", "non-compliant"}),
    ],
    ids=["asset", "type", "page", "the file"],
)
def test_a_directory_whose_every_name_gets_the_same_has_no_such_file(
    lines: str, outcomes: set[str], node_red: lab.RunningDeployment, tmp_path: Path
) -> None:
    with standing(
        tmp_path, node_red.direct_port, f"location /static/ {{ root @FILES@; {lines} }} {EVERYTHING}"
    ) as gate:
        static = tmp_path / "files" / "static"
        static.mkdir()
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        (static / "login.css").write_text("body { color: navy }")
        (static / "index.html").write_text("<!DOCTYPE html><title>Sign in</title><p>Please sign in")
        if "non-compliant" in outcomes:
            (static / "settings.js").write_text("module.exports = { uiPort: 1880 }")
        assert gate.judged(*ARGS, "-k", "static-01") == {"static-01": outcomes}


def test_a_login_of_the_dashboards_alone_is_one_sentence_and_proposed(
    node_red: lab.RunningDeployment, tmp_path: Path
) -> None:
    login = "https://sso.plant.example/login"
    server = f"location ~ ^/(ui|dashboard)(/|$) {{ return 302 {login}?rd=$request_uri; }} {EVERYTHING}"
    with standing(tmp_path, node_red.direct_port, server) as gate:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        gate.judged(*ARGS)
        told = re.findall(r'<error message="[^"]*could not look: ([^"]*)', gate.report())
        reasons = {reason for reason in told if "see dash-01" not in reason}
        assert len(reasons) == 1
        assert f"redirects strangers to {login}: if that is your login page, add" in reasons.pop()
        subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *gate.args, "--nodered-init"],
            cwd=gate.folder,
            check=True,
            capture_output=True,
        )
        assert f'# login_urls = ["{login}"]' in (gate.folder / "nodered-sec.toml").read_text().splitlines()
        (gate.folder / "nodered-sec.toml").unlink()
        seen = gate.judged(*ARGS, f"--nodered-login-url={login}")
    assert with_outcome(seen, "could-not-look") == set()
