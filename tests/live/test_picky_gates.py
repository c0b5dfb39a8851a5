"""Gates that look at what a browser says of itself, at the media type, or that lead nowhere: what is judged of each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from gatelab import PASS, standing
from suite_runs import run, with_outcome

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec import lab

pytestmark = pytest.mark.live
OPEN = f"location / {{ {PASS} proxy_pass http://nodered; }}"
GUARDED = f"auth_basic Operators; auth_basic_user_file @FILES@/htpasswd; {OPEN}"
# and 403, which says that it refuses
ANSWERS = ("400", "404", "405", "418", "421", "444", "500", "501", "505", "302 /blocked", "200 blocked")


def judged(folder: Path, node_red: lab.RunningDeployment, server: str, *args: str) -> tuple[dict[str, set[str]], str]:
    """Return the outcomes of each control behind such a gate, and the JUnit file."""
    with standing(folder, node_red.direct_port, server) as gate:
        (folder / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        (gate.folder / "nodered-sec.toml").write_text('protected_paths = [{path = "/api/orders", effect = "none"}]')
        return gate.judged("--nodered-editor=protected", *args), gate.report()


def test_a_front_that_sends_no_json_is_asked_for_anything(node_red: lab.RunningDeployment, tmp_path: Path) -> None:
    picky = "if ($http_accept = application/json) { return 406; }"
    (tmp_path / "guarded").mkdir()
    seen, _ = judged(tmp_path / "guarded", node_red, f"{picky} {GUARDED}", "--nodered-admin-api=proxied")
    assert with_outcome(seen, "could-not-look") == set()
    assert with_outcome(seen, "non-compliant") <= {"http-06", "tls-14", "tls-15", "proxy-03"}
    (tmp_path / "open").mkdir()
    seen, report = judged(tmp_path / "open", node_red, f"{picky} {OPEN}", "-k", "admin-01 or admin-03")
    assert {"admin-01", "admin-03"} <= with_outcome(seen, "non-compliant")
    assert "answered 406" not in report


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize(("server", "more"), [(OPEN, ()), (GUARDED, ("--nodered-admin-api=proxied",))])
def test_who_turns_other_sites_away_refuses_their_posts(
    server: str, more: tuple[str, ...], answer: str, node_red: lab.RunningDeployment, tmp_path: Path
) -> None:
    gate = f"if ($http_sec_fetch_site = cross-site) {{ return {answer}; }} {server}"
    seen, _ = judged(tmp_path, node_red, gate, "-k", "csrf-01", *more)
    assert seen == {"csrf-01": {"compliant"}}


@pytest.mark.parametrize(
    ("judging", "outcome"),
    [
        (
            '"$request_method:$http_sec_fetch_mode"; if ($x = "POST:navigate")',
            "non-compliant",
        ),  # fetch is no navigation
        ('"$request_method:$http_origin"; if ($x !~ "^(GET:.*|POST:(null|https://localhost.*)?)$")', "non-compliant"),
        ('"$request_method:$http_origin"; if ($x !~ "^(GET:.*|POST:(https://localhost.*)?)$")', "compliant"),
    ],
    ids=["navigation", "null", "origin"],
)
def test_other_sites_have_other_ways_to_post(
    judging: str, outcome: str, node_red: lab.RunningDeployment, tmp_path: Path
) -> None:
    seen, _ = judged(tmp_path, node_red, f"set $x {judging} {{ return 403; }} {OPEN}", "-k", "csrf-01")
    assert seen == {"csrf-01": {outcome}}


@pytest.mark.parametrize(
    ("line", "way_out"),
    [
        ("", "redirect to the login's own path (--nodered-login-url)"),
        ("add_header Set-Cookie 'checked=1; Path=/' always;", "it sets a cookie (checked), as checks for browsers do"),
    ],
    ids=["login", "check"],
)
def test_a_redirect_to_itself_is_one_sentence_with_a_way_out(
    line: str, way_out: str, node_red: lab.RunningDeployment, tmp_path: Path
) -> None:
    server = f"{line} location / {{ return 302 https://$http_host$request_uri; }}"
    seen, report = judged(tmp_path, node_red, server, "-k", "reach-01 or admin-01 or dash-01")
    assert seen == {control: {"could-not-look"} for control in ("reach-01", "admin-01", "dash-01")}
    others = {text for text in re.findall(r'<error message="([^"]*)', report) if "see reach-01" not in text}
    assert len(others) == 1
    assert way_out in others.pop()


DECLARED = """dashboards = ["/ui", "/dashboard"]
protected_paths = [{path = "/api/orders", effect = "none"}]
websockets = ["/ws/line"]
"""


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ("location / { return 404; }", "If a gate answers strangers with 404, let it answer 401 or 403"),
        ("location / { return 410; }", "If a gate answers strangers with 404, let it answer 401 or 403"),
        (
            "absolute_redirect off; location /en/ { return 404; } location / { return 302 /en$request_uri; }",
            "every path is redirected to the same below https://localhost:",
        ),
        ("location / { return 505; }", "the front takes HTTP/2 alone, or no version that this tool speaks"),
        (
            "location / { default_type text/html; "
            "return 406 '<h1>Not Acceptable!</h1><p>This error was generated by Mod_Security.</p>'; }",
            "let the front pass the machine that runs the tests",
        ),
    ],
    ids=["404", "410", "language", "HTTP/2 alone", "ModSecurity"],
)
def test_a_front_that_shows_nothing_is_one_sentence_and_no_finding(
    server: str, said: str, node_red: lab.RunningDeployment, tmp_path: Path
) -> None:
    with standing(tmp_path, node_red.direct_port, server) as gate:
        (gate.folder / "nodered-sec.toml").write_text(DECLARED)
        seen = gate.judged("--nodered-admin-api=proxied")
        report = gate.report()
    assert with_outcome(seen, "non-compliant") <= {"http-06", "tls-14", "tls-15"}
    assert {"reach-01", "admin-01", "dash-01", "dash-02", "node-01", "node-02"} <= with_outcome(seen, "could-not-look")
    others = {text for text in re.findall(r'<error message="([^"]*)', report) if "see reach-01" not in text}
    assert len(others) == 1, others
    assert said in others.pop()


def test_who_is_led_to_the_declared_login_by_one_page_is_not_banned(
    node_red: lab.RunningDeployment, tmp_path: Path
) -> None:
    gate = "location = / { return 302 https://login.example/start?rd=$request_uri; } location / { return 403; }"
    more = ("--nodered-admin-api=proxied", "--nodered-login-url=https://login.example/start")
    seen, _ = judged(tmp_path, node_red, gate, *more)
    assert with_outcome(seen, "could-not-look") == set()
    assert {"reach-01", "admin-01", "dash-01"} <= with_outcome(seen, "compliant")


def test_a_front_that_holds_up_refusals_is_looked_at(node_red: lab.RunningDeployment, tmp_path: Path) -> None:
    with standing(tmp_path, node_red.direct_port, f"auth_delay 2s; {GUARDED}") as gate:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        seen = gate.judged("--nodered-admin-api=proxied", "-k", "reach-01 or dash-01 or admin-06")
    assert seen == {control: {"compliant"} for control in ("reach-01", "dash-01", "admin-06")}


def test_an_app_that_sends_parts_of_itself_opens_nothing(node_red: lab.RunningDeployment, tmp_path: Path) -> None:
    ours = "ui|dashboard|api|ws|comms|settings|flows?|auth|nodes|context|library|plugins|diagnostics|udp-ports|icons"
    server = f"root @FILES@; location / {{ try_files $uri /index.html; }} location ~* ^/({ours}) "
    server += f"{{ auth_basic Operators; auth_basic_user_file @FILES@/htpasswd; {PASS} proxy_pass http://nodered; }}"
    with standing(tmp_path, node_red.direct_port, server) as gate:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        (tmp_path / "files" / "index.html").write_text("<!doctype html><title>Plant</title><p>halls and their lines")
        (gate.folder / "nodered-sec.toml").write_text('public_paths = [{path = "/", reason = "the plant app"}]')
        seen = gate.judged("--nodered-admin-api=proxied", "-k", "proxy-05 or dash-04 or editor-01")
    assert with_outcome(seen, "non-compliant") == with_outcome(seen, "could-not-look") == set()


def test_a_user_directory_under_a_usual_prefix_is_found(tmp_path: Path) -> None:
    (seen,) = run(tmp_path, "--nodered-lab=static-backup", "-k", "static-01").values()
    assert "non-compliant" in seen["static-01"]
    for path in ("/backup/settings.js", "/data/settings.js"):
        assert f"GET {path} without credentials answered 200" in (tmp_path / "out.xml").read_text()


@pytest.mark.parametrize(
    ("once", "again", "framed"),
    [
        ("X-Frame-Options SAMEORIGIN", "X-Frame-Options SAMEORIGIN", False),
        ("X-Frame-Options SAMEORIGIN", "X-Frame-Options DENY", False),
        ("Content-Security-Policy 'frame-ancestors *'", "Content-Security-Policy 'frame-ancestors https://a'", False),
        ("X-Frame-Options ALLOW-FROM", "X-Frame-Options ALLOW-FROM", True),
    ],
    ids=["same", "other", "policies", "unknown"],
)
def test_headers_that_stand_twice_mean_what_browsers_make_of_them(
    node_red: lab.RunningDeployment, tmp_path: Path, once: str, again: str, framed: bool
) -> None:
    sent = "".join(f"add_header {header}; add_header X-Content-Type-Options nosniff; " for header in (once, again))
    with standing(tmp_path, node_red.direct_port, f"location / {{ {sent} {PASS} proxy_pass http://nodered; }}") as gate:
        seen = gate.judged("--nodered-editor=protected", "-k", "editor-03")
        report = gate.report()
    assert seen == {"editor-03": {"non-compliant" if framed else "compliant"}}
    assert ("any site can frame the page" in report) is framed
    assert "without X-Content-Type-Options" not in report
