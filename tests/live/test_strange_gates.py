"""Gates of unusual kinds before a real Node-RED: who opens them without a login, and who must not be accused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from gatelab import ELSEWHERE, PASS, standing
from suite_runs import need_nginx, with_outcome

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab import deployments
from pytest_nodered_sec.lab.node_red import flows
from pytest_nodered_sec.lab.ports import free_ports

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live
OF_THE_FRONT = {"http-06", "tls-14", "tls-15"}  # what this nginx leaves as it is by default
PROXIED = "--nodered-admin-api=proxied"
FORWARD = f"{PASS} proxy_pass http://nodered;"
LOGIN = 'auth_basic "Operators"; auth_basic_user_file @FILES@/htpasswd;'
EVERYTHING = f"location / {{ {LOGIN} {FORWARD} }}"


def judged_as(seen: dict[str, set[str]]) -> set[str]:
    """Return the controls that fail, but for those of the front; none may be an error."""
    assert with_outcome(seen, "could-not-look") == set()
    return with_outcome(seen, "non-compliant") - OF_THE_FRONT


@pytest.mark.parametrize(
    ("http", "gate", "code", "enough"),
    [
        ("", 'if ($http_cf_ray = "") { return 403; }', "cdn", "CF-Ray"),
        ("", 'if ($http_x_azure_fdid = "") { return 403; }', "cdn", "X-Azure-FDID"),
        ("", 'if ($cookie_loggedin != "true") { return 401; }', "flagged", "Cookie loggedin"),
        ("", 'if ($cookie_logged_in != "1") { return 401; }', "credential-shaped", "Cookie logged_in"),
        (
            'map $http_user_agent $realm { default Operators; "~*Home ?Assistant" off; }',
            "@LOGIN@",
            "monitor",
            "User-Agent",
        ),
        ('map $http_user_agent $realm { default Operators; "~*Android" off; }', "@LOGIN@", "monitor", "User-Agent"),
        (
            "set_real_ip_from 0.0.0.0/0; real_ip_header X-Azure-ClientIP;",
            "satisfy any; allow 10.0.0.0/8; deny all; auth_basic x; auth_basic_user_file @FILES@/htpasswd;",
            "forwarded",
            "X-Azure-ClientIP",
        ),
        ("", 'if ($http_accept_language = "") { return 403; }', "browser", "Accept-Language"),
        ("", 'if ($http_accept_encoding !~ "gzip") { return 403; }', "browser", "Accept-Encoding"),
        (
            'map $http_cache_control $realm { default Operators; "~no-cache" off; }',
            "@LOGIN@",
            "browser",
            "Cache-Control",
        ),
        ("", 'if ($http_authorization !~ "^Token ") { return 401; }', "scheme", ""),
    ],
    ids=[
        *("cloudflare", "azure", "true", "one", "app", "kiosk", "azure's address", "language", "gzip", "reload"),
        "token",
    ],
)
def test_a_gate_that_believes_what_anybody_can_say_is_a_finding(
    node_red: lab.RunningDeployment, tmp_path: Path, http: str, gate: str, code: str, enough: str
) -> None:
    gate = gate.replace("@LOGIN@", "auth_basic $realm; auth_basic_user_file @FILES@/htpasswd;")
    server = f"location / {{ {gate} {FORWARD} }}"
    with standing(tmp_path, node_red.direct_port, server, http=http) as there:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        seen = there.judged(PROXIED)
        report = there.report()
    assert judged_as(seen) == {"proxy-05"}
    assert f"[{code}]" in report or f"{code} " in report
    if enough:
        assert f"; {enough} alone is enough" in report


def test_a_slash_that_opens_a_page_is_not_blamed_on_headers(node_red: lab.RunningDeployment, tmp_path: Path) -> None:
    exact = " ".join(
        f"location {match} {{ {LOGIN} {FORWARD} }}"
        for match in ("= /ui", "= /dashboard", "^~ /ui/socket.io", "^~ /dashboard/socket.io")
    )
    rest = f'location ~* "^/(ui|dashboard)/" {{ {FORWARD} }} location / {{ {LOGIN} {FORWARD} }}'
    with standing(tmp_path, node_red.direct_port, f"{exact} {rest}") as there:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        seen = there.judged(PROXIED)
    assert "dash-04" in judged_as(seen)
    assert not {"admin-12", "proxy-05"} & judged_as(seen)


def test_a_gate_for_the_path_alone_is_passed_by_the_pages_file(node_red: lab.RunningDeployment, tmp_path: Path) -> None:
    paths = (r"^/(ui|dashboard)/?$", r"^/(ui|dashboard)/socket\.io", "^/dashboard/_")
    guarded = " ".join(f'location ~* "{path}" {{ {LOGIN} {FORWARD} }}' for path in paths)
    rest = f'location ~* "^/(ui|dashboard)/" {{ {FORWARD} }} location / {{ {LOGIN} {FORWARD} }}'
    with standing(tmp_path, node_red.direct_port, f"{guarded} {rest}") as there:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        seen = there.judged(PROXIED)
        report = there.report()
    assert judged_as(seen) == {"dash-04", "admin-03"}  # Dashboard 2 has routes that write below its path
    assert "GET /ui/index.html without credentials answered 200" in report
    assert "GET /dashboard/index.html without credentials answered 200" in report


def test_a_server_block_for_localhost_is_found_by_its_name(node_red: lab.RunningDeployment, tmp_path: Path) -> None:
    chain = tmp_path / "nginx" / "chain0"
    lines = f"listen 127.0.0.1:@PORT@ ssl; ssl_certificate {chain}.pem; ssl_certificate_key {chain}.key;"
    others = f"server {{ {lines} return 444; }} server {{ {lines} server_name localhost; location / {{ {FORWARD} }} }}"
    server = f"server_name {ELSEWHERE}; {EVERYTHING}"
    with standing(tmp_path, node_red.direct_port, server, http=others, name=ELSEWHERE) as there:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        seen = there.judged(PROXIED)
        report = there.report()
    assert judged_as(seen) == {"proxy-05"}
    assert "localhost " in report
    assert re.search(r"GET /settings under localhost:\d+ in place of the name answered 200", report)


def test_a_prefix_of_a_public_path_that_leads_to_all_of_node_red_is_found(
    node_red: lab.RunningDeployment, tmp_path: Path
) -> None:
    server = f"location /erp/hooks/ {{ {PASS} proxy_pass http://nodered/; }} {EVERYTHING}"
    with standing(tmp_path, node_red.direct_port, server, name=ELSEWHERE) as there:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        policy = there.folder / "nodered-sec.toml"
        public = 'public_paths = [{path = "/erp/hooks/api/orders", reason = "the ERP posts orders"}]\n'
        policy.write_text(policy.read_text() + public)
        seen = there.judged(PROXIED)
    assert "roots-01" in judged_as(seen)


@pytest.mark.parametrize(
    "server",
    [
        f"location ~* ^/(red/about|library/) {{ return 404; }} {EVERYTHING}",
        f"location = / {{ default_type text/html; return 200 '<h1>Hall 3</h1>'; }} {EVERYTHING}",
        f"add_header Access-Control-Allow-Origin https://app.plant.example always; "
        f"add_header Access-Control-Allow-Credentials true always; {EVERYTHING}",
    ],
    ids=["cut off", "portal", "one origin"],
)
def test_what_is_sound_is_not_accused(node_red: lab.RunningDeployment, tmp_path: Path, server: str) -> None:
    with standing(tmp_path, node_red.direct_port, server) as there:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        seen = there.judged(PROXIED)
    assert judged_as(seen) == set()


@pytest.mark.parametrize(
    ("guard", "failing"),
    [
        ("(socket, next) => { if (socket.handshake.headers.cookie === 'grant=7d1f') next(); }", set()),
        ("(socket, next) => setTimeout(next, 4000)", {"dash-02"}),
        ("(socket, next) => next(socket.handshake.auth.token ? undefined : new Error('who?'))", {"proxy-05"}),
        ("(socket, next) => next(socket.conn.transport.name === 'websocket' ? undefined : new Error())", {"dash-02"}),
    ],
    ids=["silent", "slow", "any token", "transport"],
)
def test_what_a_guard_of_the_channel_does_with_strangers_is_seen(tmp_path: Path, guard: str, failing: set[str]) -> None:
    need_nginx()
    site = tmp_path / "site"
    site.mkdir()
    guards = f"ui: {{ioMiddleware: {guard}}}, dashboard: {{ioMiddleware: {guard}}}"
    (site / "settings.js").write_text(f"module.exports = {{{guards}, telemetry: {{enabled: false}}}};")
    (site / "flows.json").write_text(flows(deployments.Deployment()))
    server = f"location ~ ^/(ui|dashboard)/socket.io/ {{ {FORWARD} }} {EVERYTHING}"
    with (
        lab.start([str(site)], say=lambda line: None) as running,
        standing(tmp_path, running.deployments[0].direct_port, server) as there,
    ):
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        seen = there.judged(PROXIED)
    assert judged_as(seen) - {"proxy-03"} == failing  # under any name the channels answer


@pytest.mark.parametrize(
    ("in_clear", "control", "says"),
    [
        ("return 301 https://@NAME@:@PLAIN@$request_uri;", "http-02", "plain-port"),
        (
            f'location / {{ if ($http_x_forwarded_ssl != "on") {{ return 301 https://@NAME@:@PORT@$request_uri; }} '
            f"{FORWARD} }}",
            "http-04",
            "switched-off",
        ),
        (
            f'location / {{ if ($http_cf_visitor !~ "https") {{ return 301 https://@NAME@:@PORT@$request_uri; }} '
            f"{FORWARD} }}",
            "http-04",
            "switched-off",
        ),
    ],
    ids=["its own port", "ssl", "visitor"],
)
def test_a_redirect_that_leads_nowhere_or_is_switched_off_is_a_finding(
    node_red: lab.RunningDeployment, tmp_path: Path, in_clear: str, control: str, says: str
) -> None:
    with standing(tmp_path, node_red.direct_port, EVERYTHING, in_clear=in_clear) as there:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        seen = there.judged(PROXIED)
        report = there.report()
    assert judged_as(seen) == {control}
    assert says in report


def test_a_page_that_forwards_from_plain_http_is_told_what_to_be_instead(
    node_red: lab.RunningDeployment, tmp_path: Path
) -> None:
    page = "default_type text/html; location / { return 200 '<meta http-equiv=refresh content=\"0;url=https://x/\">'; }"
    with standing(tmp_path, node_red.direct_port, EVERYTHING, in_clear=page) as there:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        seen = there.judged(PROXIED)
        report = there.report()
    assert with_outcome(seen, "could-not-look") == {"http-01", "http-03", "http-04", "http-05"}
    assert "let the server answer 301 to https there (a page that forwards by itself is none), or 404" in report


def test_plain_http_that_redirects_to_itself_is_called_that(node_red: lab.RunningDeployment, tmp_path: Path) -> None:
    loop = "return 301 http://@NAME@:@PLAIN@$request_uri;"
    with standing(tmp_path, node_red.direct_port, EVERYTHING, in_clear=loop) as there:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        there.judged(PROXIED, "--nodered-control=http-*")
        report = there.report()
    said = r"GET /\w+ over plain HTTP ends in a redirect loop \(more than 5 hops\): let it redirect to https"
    assert re.search(said, report)


# nginx forwards by a header in the part that needs no login, to a Node-RED with a hall's page beside it
_BY_HEADER = """
map $http_x_original_url $asked { "" $request_uri; default $http_x_original_url; }
server { listen 127.0.0.1:@INNER@; location /hall/ { default_type text/html;
  if ($request_uri !~ "^/hall/$") { return 404; } return 200 "<h1>Hall 3</h1><p>all of it runs as it should</p>"; }
  location / { proxy_pass http://nodered; } }"""
_KNOWN = (
    "hall|ui|dashboard|api|ws|comms|auth|context|debug|diagnostics|flows?|icons|inject|library|locales|nodes|plugins|"
)
_KNOWN += "credentials|projects|red|resources|settings|theme|types|udp-ports|ui_base|uisettings|vendor|favicon.ico"


@pytest.mark.parametrize(
    ("forwarding", "found"),
    [
        ("proxy_pass http://127.0.0.1:@INNER@$asked;", {"/hall rerouted", "GET /settings rerouted"}),
        ("proxy_pass http://127.0.0.1:@INNER@;", set()),
        (  # every path, whichever the header names, gets the same page
            "if ($http_x_original_url) { set $page 1; } default_type text/html; if ($page) "
            "{ return 200 '<h1>Plant</h1><p>the portal of the plant</p>'; } proxy_pass http://127.0.0.1:@INNER@;",
            set(),
        ),
    ],
    ids=["by the header", "by the path", "portal"],
)
def test_a_page_that_a_header_names_is_compared_with_one_that_nobody_serves(
    node_red: lab.RunningDeployment, tmp_path: Path, forwarding: str, found: set[str]
) -> None:
    (inner,) = free_ports(1)
    guarded = f"location ~* ^/(({_KNOWN})([/.]|$)|$) {{ {LOGIN} {PASS} proxy_pass http://127.0.0.1:@INNER@; }}"
    server = f"{guarded} location / {{ {PASS} {forwarding} }}".replace("@INNER@", str(inner))
    http = _BY_HEADER.replace("@INNER@", str(inner))
    with standing(tmp_path, node_red.direct_port, server, http=http) as there:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        (there.folder / "nodered-sec.toml").write_text('dashboards = ["/hall"]')
        there.judged(PROXIED, "-k", "proxy-05 or dash-01")
        report = there.report()
    cases = re.findall(r'<testcase [^>]*name="test_no_other_way[^"]*?-([^"-]+)\]".*?</testcase>', report, re.DOTALL)
    bodies = re.findall(r'<testcase [^>]*name="test_no_other_way.*?</testcase>', report, re.DOTALL)
    failing = {case for case, body in zip(cases, bodies, strict=True) if "<failure" in body}
    assert failing == found


_FORM = "default_type text/html; return 200 '<form method=post><input name=user></form>';"


@pytest.mark.parametrize(
    ("server", "way_out"),
    [
        (
            f"location = /sign-in {{ {_FORM} }} location / {{ return 302 /sign-in?next=$request_uri; }}",
            "every path is redirected to /sign-in: if that is your login page, add `--nodered-login-url=/sign-in`",
        ),
        (
            "location / { return 301 https://www.plant.example$request_uri; }",
            "every path is redirected to https://www.plant.example: if that is its name, use "
            "`--nodered-url=https://www.plant.example`",
        ),
        (
            f"ssl_verify_client on; ssl_client_certificate @FILES@/../ca.pem; location / {{ {FORWARD} }}",
            "a client certificate is demanded",
        ),
    ],
    ids=["form", "name", "certificate"],
)
def test_one_thing_that_stops_the_look_is_one_sentence(
    node_red: lab.RunningDeployment, tmp_path: Path, server: str, way_out: str
) -> None:
    server = f"absolute_redirect off; {server}"
    with standing(tmp_path, node_red.direct_port, server) as there:
        there.judged(PROXIED)
        report = there.report()
    others = [match for match in re.findall(r'<error message="([^"]*)', report) if "see reach-01" not in match]
    assert len(others) == 1, others
    assert way_out in others[0]


@pytest.mark.parametrize(("origin", "fails"), [("null", True), ("https://app.plant.example", False)])
def test_an_endpoint_that_a_sandboxed_frame_may_read_is_a_finding(
    node_red: lab.RunningDeployment, tmp_path: Path, origin: str, *, fails: bool
) -> None:
    allowing = (
        "add_header Access-Control-Allow-Origin $cors always; add_header Access-Control-Allow-Credentials true always;"
    )
    http = f'map $http_origin $cors {{ default ""; "{origin}" "{origin}"; }}'
    with standing(tmp_path, node_red.direct_port, f"{allowing} {EVERYTHING}", http=http) as there:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        endpoint = '{path = "/api/orders", method = "GET", effect = "none"}'
        (there.folder / "nodered-sec.toml").write_text(f"protected_paths = [{endpoint}]\n")
        seen = there.judged(PROXIED, "--nodered-control=cors-01")
    assert ("cors-01" in judged_as(seen)) is fails


_FOR_SUCCESS = "add_header Access-Control-Allow-Origin $cors; add_header Access-Control-Allow-Credentials true;"


@pytest.mark.parametrize(
    ("origin", "account", "finds"),
    [
        ("~.", True, {"admin-07", "cors-01"}),
        ("null", True, {"admin-07", "cors-01"}),
        ("https://app.plant.example", True, set()),
        ("~.", False, set()),
    ],
    ids=["anybody", "sandbox", "one", "no account"],
)
def test_what_a_front_allows_behind_its_login_alone_is_seen_with_the_account(
    node_red: lab.RunningDeployment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    origin: str,
    finds: set[str],
    *,
    account: bool,
) -> None:
    http = f'map $http_origin $cors {{ default ""; "{origin}" $http_origin; }}'
    with standing(tmp_path, node_red.direct_port, f"{_FOR_SUCCESS} {EVERYTHING}", http=http) as there:
        (tmp_path / "files" / "htpasswd").write_text("operator:{PLAIN}right\n")
        endpoint = '{path = "/api/orders", method = "GET", effect = "none"}'
        (there.folder / "nodered-sec.toml").write_text(f"protected_paths = [{endpoint}]\n")
        if account:
            monkeypatch.setenv("NODERED_USERNAME", "operator")
            monkeypatch.setenv("NODERED_PASSWORD", "right")
        seen = there.judged(PROXIED, "--nodered-control=cors-01", "--nodered-control=admin-07")
    assert judged_as(seen) == finds
    said = "what another site's page reads with a browser's login was not asked"
    assert (said in there.report()) is not account
