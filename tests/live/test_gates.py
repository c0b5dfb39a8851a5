"""Gates as sites write them: what stands behind a form, a redirect or a prefix, and what is said of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from gatelab import PASS, standing
from suite_runs import run, with_outcome

from pytest_nodered_sec.lab import deployments
from pytest_nodered_sec.lab.node_red import flows

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec import lab

pytestmark = pytest.mark.live
OF_THE_FRONT = {"http-06", "tls-14", "tls-15"}  # what this nginx leaves as it is by default


_AUTH = f"""location = /auth {{ internal; return 401; }}
location / {{ auth_request /auth; error_page 401 403 =200 @login; {PASS} proxy_pass http://nodered; }}"""
_TEXT = """<!doctype html><html lang=en><head><title>Plant</title></head><body><h1>Sign in to go on</h1>
<form method=post action=/session>{hidden}<label>Name <input name=user></label>
<label>Password <input name=password type=password></label><button>Sign in</button></form></body></html>"""
_STATIC = f"{_AUTH} location @login {{ root @FILES@; ssi on; rewrite ^ /login.html break; default_type text/html; }}"
_RETURNED = f"{_AUTH} location @login {{ default_type text/html; return 200 '@FORM@'; }}"


@pytest.mark.parametrize(
    ("server", "hidden"),
    [
        (_STATIC, '<input type=hidden name=rd value="<!--# echo var="request_uri" -->">'),
        (_STATIC, '<input type=hidden name=rd value="<!--# echo var="request_uri" encoding="url" -->">'),
        (
            _RETURNED,
            '<input type=hidden name=rd value="https://$host$request_uri"><input type=hidden name=csrf '
            'value="$request_id"><script>const asked = {path: "$request_uri", at: "$time_iso8601"}</script>',
        ),
    ],
    ids=["html", "url", "token"],
)
def test_a_gate_that_answers_with_a_form_is_one_could_not_look(
    node_red: lab.RunningDeployment, tmp_path: Path, server: str, hidden: str
) -> None:
    form = _TEXT.format(hidden=hidden)
    with standing(tmp_path, node_red.direct_port, server.replace("@FORM@", form.replace("\n", " "))) as gate:
        (tmp_path / "files" / "login.html").write_text(form)
        seen = gate.judged("--nodered-admin-api=proxied")
    assert with_outcome(seen, "non-compliant") == OF_THE_FRONT
    assert seen["reach-01"] == {"could-not-look"}
    erring = with_outcome(seen, "could-not-look")
    assert {"admin-01", "admin-03", "admin-06", "csrf-01", "dash-01", "dash-02", "live-01", "origin-01"} <= erring
    others = [match for match in re.findall(r'<error message="([^"]*)', gate.report()) if "see reach-01" not in match]
    assert len(others) == 1
    assert "if that is a login page, make the proxy answer 401 or redirect to the login" in others[0]


_LEADS_PROGRAMS = """if ($http_accept ~ json) { return 418; } error_page 418 =200 @programs;
return 200 "<h1>Plant</h>"; } location @programs { default_type application/json; return 200 '{}';"""
_TURNED = "<!doctype html><title>Just a moment...</title><script>window._cf_chl_opt = {cRay: 1}</script>"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            "return 444;",
            "the connection was closed without an answer; if every path is closed like this, a front closes",
        ),
        ("return 400;", "400 (text/html, 150 bytes); the front takes none of these requests (nginx: return 400)"),
        ("return 200;", "200 (text/html, 0 bytes); an empty page, which fronts answer to names that they do not know"),
        ("return 421;", "the server does not serve this name on this connection: correct the host name of the URL"),
        (_LEADS_PROGRAMS, "every path answers the same page, 200 (text/html, "),
        ("return 429;", "a rate limit: let it pass the machine that runs the tests, or slow down"),
        ("return 451 'here not';", "the front refuses the country or network of this machine"),
        ("return 503 '<h1>Back soon</h1>';", "maintenance, overload, or no Node-RED behind the proxy"),
        ("return 511 '<h1>Hotel</h1>';", "the network that this machine is in wants a login first"),
        ("proxy_pass http://127.0.0.1:1;", "the proxy does not reach Node-RED: start it, or correct its address"),
        (f"return 403 '{_TURNED}';", "a challenge or block page (_cf_chl_opt) to a random path; let the front pass"),
        (
            "return 301 https://www.plant.example$request_uri;",
            "if that is its name, use `--nodered-url=https://www.plant.example`",
        ),
        ("return 302 https://login.sso.example/auth;", "if that is your login page, add `--nodered-login-url="),
        ("return 302 http://portal.example/?u=$request_uri;", "redirected to plain HTTP, where nothing more is asked"),
    ],
)
def test_what_a_front_answers_in_node_reds_place_is_one_sentence_with_a_way_out(
    node_red: lab.RunningDeployment, tmp_path: Path, answer: str, words: str
) -> None:
    with standing(tmp_path, node_red.direct_port, f"location / {{ default_type text/html; {answer} }}") as gate:
        seen = gate.judged("--nodered-admin-api=proxied")
    assert with_outcome(seen, "non-compliant") <= OF_THE_FRONT
    assert seen["reach-01"] == {"could-not-look"}
    assert {"admin-01", "admin-03", "admin-06", "dash-01", "dash-02"} <= with_outcome(seen, "could-not-look")
    others = {match for match in re.findall(r'<error message="([^"]*)', gate.report()) if "see reach-01" not in match}
    assert len(others) == 1, others
    assert words in others.pop()


_DIGEST = """add_header WWW-Authenticate 'Digest realm="plant", nonce="$request_id", qop="auth"' always; return 401;"""


def test_a_digest_login_is_a_gate_that_no_account_passes(node_red: lab.RunningDeployment, tmp_path: Path) -> None:
    with standing(tmp_path, node_red.direct_port, f"location / {{ {_DIGEST} }}") as gate:
        undeclared = gate.judged()
        told = gate.report()
        seen = gate.judged("--nodered-admin-api=proxied")
    assert undeclared["reach-01"] == {"could-not-look"}
    others = {match for match in re.findall(r'<error message="([^"]*)', told) if "see reach-01" not in match}
    assert len(others) == 1, others
    assert "set --nodered-admin-api=proxied if a gate covers everything; a Digest login" in others.pop()
    assert with_outcome(seen, "non-compliant") == OF_THE_FRONT
    assert with_outcome(seen, "could-not-look") == set()
    assert {"reach-01", "admin-01", "admin-06", "dash-01", "dash-02"} <= with_outcome(seen, "compliant")


def test_a_form_before_some_paths_only_is_none_of_node_reds(node_red: lab.RunningDeployment, tmp_path: Path) -> None:
    gated = "~* ^/(ui|dashboard|flows?|settings|nodes|comms)(/|$)"
    server = _RETURNED.replace("location / {", f"location {gated} {{", 1).replace("@FORM@", _TEXT.format(hidden=""))
    server += f"location / {{ {PASS} proxy_pass http://nodered; }}"
    with standing(tmp_path, node_red.direct_port, server.replace("\n", " ")) as gate:
        seen = gate.judged("--nodered-editor=protected")
    assert seen["dash-01"] == seen["dash-02"] == seen["admin-06"] == {"could-not-look"}
    assert "could-not-look" in seen["admin-01"]
    assert "non-compliant" in seen["admin-01"]  # /context, which the gate forgets
    assert "admin-04" in with_outcome(seen, "non-compliant")  # /auth/login: {}
    assert seen["reach-01"] == {"compliant"}


@pytest.mark.parametrize("where", ["http://login.example/?rd=$request_uri", "http://$host/login?rd=$request_uri"])
def test_a_gate_that_redirects_to_plain_http_is_one_finding(
    node_red: lab.RunningDeployment, tmp_path: Path, where: str
) -> None:
    hsts = 'add_header Strict-Transport-Security "max-age=63072000" always;'
    with standing(tmp_path, node_red.direct_port, f"{hsts} location / {{ return 302 {where}; }}") as gate:
        seen = gate.judged("--nodered-admin-api=proxied")
        report = gate.report()
        declared = gate.judged("--nodered-admin-api=proxied", "--nodered-login-url=https://login.example/")
    assert with_outcome(seen, "non-compliant") == OF_THE_FRONT
    others = [match for match in re.findall(r'<error message="([^"]*)', report) if "see reach-01" not in match]
    assert len(others) == 1
    assert "anonymous clients are redirected to plain HTTP" in others[0]
    if "login.example" in where:
        assert with_outcome(declared, "non-compliant") == OF_THE_FRONT
        assert {"admin-01", "dash-01", "dash-02", "live-01"} <= with_outcome(declared, "compliant")
        assert with_outcome(declared, "could-not-look") == set()


@pytest.mark.parametrize("dashboard", ["ui", "dashboard"])
@pytest.mark.parametrize("guarded", [False, True], ids=["open", "guarded"])
def test_a_dashboard_at_the_top(node_red: lab.RunningDeployment, tmp_path: Path, dashboard: str, guarded: bool) -> None:
    login = 'auth_basic "Operators"; auth_basic_user_file @FILES@/htpasswd;' if guarded else ""
    server = f"""{login} location / {{ {PASS} proxy_pass http://nodered/{dashboard}/; }}
    location /nr/ {{ {PASS} proxy_pass http://nodered/; }}"""
    with standing(tmp_path, node_red.direct_port, server) as gate:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        args = ["--nodered-dashboard=/", "--nodered-admin-root=/nr", "--nodered-editor=protected"]
        seen = gate.judged(*args, *(["--nodered-admin-api=proxied"] if guarded else []))
        report = gate.report()
        unnamed = gate.judged()
        told = gate.report()
    assert with_outcome(seen, "could-not-look") == set()
    of_dashboards = {"dash-01", "dash-02"} if dashboard == "ui" else {"dash-01", "dash-02", "dash-03"}
    failing = with_outcome(seen, "non-compliant") & {"dash-01", "dash-02", "dash-03", "dash-04", "live-01"}
    assert failing == (set() if guarded else of_dashboards)
    assert seen["dash-04"] == seen["dash-05"] == {"not-applicable"}
    assert "GET  " not in report
    if guarded:
        assert seen["dash-01"] == seen["dash-02"] == {"compliant"}
    else:
        assert "location / {" in report
        assert "identified as Node-RED by" in told
        assert len(with_outcome(unnamed, "could-not-look")) < 9, unnamed
        assert {"dash-01", "dash-02"} & (
            with_outcome(unnamed, "could-not-look") | with_outcome(unnamed, "non-compliant")
        )


def test_a_gate_at_one_path_is_the_same_in_the_url_and_as_admin_root(
    node_red: lab.RunningDeployment, tmp_path: Path
) -> None:
    login = 'auth_basic "Operators"; auth_basic_user_file @FILES@/htpasswd;'
    server = f"location /nodered/ {{ {login} {PASS} proxy_pass http://nodered/; }} location / {{ return 404; }}"
    seen = []
    for url_path, more in (("/", ["--nodered-admin-root=/nodered"]), ("/nodered/", [])):
        (tmp_path / url_path.strip("/") / "x").mkdir(parents=True)
        with standing(tmp_path / url_path.strip("/") / "x", node_red.direct_port, server, url_path) as gate:
            (gate.folder.parent / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
            seen.append(gate.judged("--nodered-admin-api=proxied", *more, "-k", "user_directory or throughout"))
    assert seen[0] == seen[1]
    assert seen[0]["static-01"] == seen[0]["reach-01"] == {"compliant"}


def test_script_files_that_a_gate_exempts_are_asked_of_node_red(
    node_red: lab.RunningDeployment, tmp_path: Path
) -> None:
    login = 'auth_basic "Operators"; auth_basic_user_file @FILES@/htpasswd;'
    server = f"""{login} location / {{ {PASS} proxy_pass http://nodered; }}
    location ~ \\.(js|css)$ {{ auth_basic off; {PASS} proxy_pass http://nodered; }}"""
    with standing(tmp_path, node_red.direct_port, server) as gate:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        seen = gate.judged("--nodered-admin-api=proxied", "-k", "user_directory or throughout or strangers")
    assert seen["static-01"] == {"compliant"}


def test_declared_paths_beyond_ascii_are_asked(node_red: lab.RunningDeployment, tmp_path: Path) -> None:
    server = f"""location = /größe {{ {PASS} proxy_pass http://nodered/api/orders; }}
    location /übersicht/ {{ {PASS} proxy_pass http://nodered/ui/; }}
    location / {{ {PASS} proxy_pass http://nodered; }}"""
    with standing(tmp_path, node_red.direct_port, server) as gate:
        policy = 'dashboards = ["/übersicht"]\nprotected_paths = [{path = "/größe", effect = "none"}]'
        (gate.folder / "nodered-sec.toml").write_text(policy, encoding="utf-8")
        seen = gate.judged("-k", "endpoint_refuses or strangers or spelling or in_clear")
        report = gate.report()
    assert seen["node-01"] == seen["dash-01"] == seen["dash-02"] == {"non-compliant"}
    assert "GET /größe without credentials answered 200 (application/json" in report
    assert with_outcome(seen, "could-not-look") == set()


def test_a_refusal_with_the_content_in_it_is_served(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "settings.js").write_text("""
const forgets = (req, res, next) => { res.status(401); next(); };  // return res.sendStatus(401) was meant
module.exports = {uiHost: "127.0.0.1", uiPort: 1880, flowFile: "flows.json", httpAdminMiddleware: forgets,
    ui: {middleware: forgets}, dashboard: {middleware: forgets}, telemetry: {enabled: false}};
""")
    (site / "flows.json").write_text(flows(deployments.Deployment()))
    (tmp_path / "run").mkdir()
    (seen,) = run(tmp_path / "run", f"--nodered-lab={site}", "--nodered-editor=protected").values()
    report = (tmp_path / "run" / "out.xml").read_text()
    assert {"admin-01", "dash-01", "dash-02", "editor-01"} <= with_outcome(seen, "non-compliant")
    for path in ("/settings", "/flows", "/nodes", "/ui", "/dashboard", "/"):
        assert f"GET {path} without credentials answered 401" in report
    assert report.count("the status refuses, but the content is sent all the same") > 20
    assert seen["reach-01"] == {"compliant"}


_LOGIN = "auth_basic $realm; auth_basic_user_file @FILES@/htpasswd;"
_BY_ADDRESS = """set_real_ip_from 0.0.0.0/0; real_ip_header {header}; satisfy any; allow {network}; deny all;
auth_basic Operators; auth_basic_user_file @FILES@/htpasswd;"""


@pytest.mark.parametrize(
    ("said", "server", "http"),
    [
        (
            "as if forwarded for 192.168.1.5",
            _BY_ADDRESS.format(header="CF-Connecting-IP", network="192.168.0.0/16"),
            "",
        ),
        ("as if forwarded for 10.0.0.1", _BY_ADDRESS.format(header="True-Client-IP", network="10.0.0.0/8"), ""),
        (
            "as if forwarded for 172.30.32.2, 10.0.0.1 and 100.64.0.1",
            _BY_ADDRESS.format(header="X-Forwarded-For", network="100.64.0.0/10"),
            "",
        ),
        (
            "as this site's page in a browser",
            _LOGIN,
            "map $http_sec_fetch_site $realm { default Operators; same-origin off; }",
        ),
        (
            "with a made-up session cookie, API key and token",
            _LOGIN,
            "map $http_cookie $realm { default Operators; ~session= off; }",
        ),
        (
            "with a made-up session cookie, API key and token",
            _LOGIN,
            'map $http_x_api_key $realm { "" Operators; default off; }',
        ),
        ("with a made-up name and password (Basic)", 'if ($http_authorization !~ "^Basic ") { return 403; }', ""),
        (
            "with Connection: Upgrade and no Upgrade",
            _LOGIN,
            "map $http_connection $realm { default Operators; ~*upgrade off; }",
        ),
    ],
    ids=["cloudflare", "akamai", "tailnet", "fetch", "cookie", "key", "basic", "connection"],
)
def test_a_gate_that_believes_a_header_opens(
    node_red: lab.RunningDeployment, tmp_path: Path, said: str, server: str, http: str
) -> None:
    if "Connection" in said:  # a WebSocket says the same: kept from the other controls
        server += f"location ~ socket.io|comms {{ {_LOGIN.replace('$realm', 'Operators')} {PASS} }}"
    server += f"location / {{ {'' if 'Connection' in said else PASS} proxy_pass http://nodered; }}"
    with standing(tmp_path, node_red.direct_port, server, http=http) as gate:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        policy = 'dashboards = ["/ui"]\nprotected_paths = [{path = "/api/orders", effect = "none"}]'
        (gate.folder / "nodered-sec.toml").write_text(policy)
        seen = gate.judged("--nodered-admin-api=proxied", "--nodered-editor=protected", "-k", "no_other_way")
        report = gate.report()
    assert "non-compliant" in seen["proxy-05"]
    assert f"GET /settings {said} answered 200" in report


@pytest.mark.parametrize("name", ["tailscale_user_login", "x_ssl_client_s_dn", "x_vouch_user"])
def test_a_gate_that_believes_an_identity_opens(node_red: lab.RunningDeployment, tmp_path: Path, name: str) -> None:
    http = f'map $http_{name} $realm {{ "" Operators; default off; }}'
    with standing(
        tmp_path, node_red.direct_port, f"{_LOGIN} location / {{ {PASS} proxy_pass http://nodered; }}", http=http
    ) as gate:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        seen = gate.judged("--nodered-admin-api=proxied", "-k", "identity_headers")
    assert "non-compliant" in seen["admin-12"]


@pytest.mark.parametrize("status", [400, 405, 426])
def test_a_gate_that_takes_no_upgrade_has_no_comms(
    node_red: lab.RunningDeployment, tmp_path: Path, status: int
) -> None:
    server = f"""if ($http_upgrade) {{ return {status}; }} auth_basic Operators;
    auth_basic_user_file @FILES@/htpasswd; location / {{ {PASS} proxy_pass http://nodered; }}"""
    with standing(tmp_path, node_red.direct_port, server) as gate:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        seen = gate.judged("--nodered-admin-api=proxied", "-k", "comms_refuses")
    assert seen["admin-06"] == {"compliant"}
    assert with_outcome(seen, "could-not-look") == with_outcome(seen, "non-compliant") == set()


@pytest.mark.parametrize("where", ["https://$http_host/oauth2/start?rd=$request_uri", "/oauth2/start"])
def test_a_login_on_every_name_of_the_host(node_red: lab.RunningDeployment, tmp_path: Path, where: str) -> None:
    server = f"""location /oauth2/ {{ default_type text/html; return 200 "<form>sign in</form>"; }}
    absolute_redirect off; location / {{ return 302 {where}; }}"""
    with standing(tmp_path, node_red.direct_port, server) as gate:
        args = ["--nodered-admin-api=proxied", "--nodered-login-url=/oauth2", "--nodered-dashboard=/ui"]
        seen = gate.judged(*args, "-k", "no_other_way or a_strange_name")
    assert seen["proxy-03"] == {"compliant"}
    assert seen["proxy-05"] == {"compliant", "not-applicable"}  # no HTTP/3 is offered


@pytest.mark.parametrize("status", [405, 501])
def test_a_gate_that_takes_no_writing_method_refuses_writes(
    node_red: lab.RunningDeployment, tmp_path: Path, status: int
) -> None:
    server = f"""if ($request_method !~ ^(GET|HEAD)$) {{ return {status}; }} auth_basic Operators;
    auth_basic_user_file @FILES@/htpasswd; location / {{ {PASS} proxy_pass http://nodered; }}"""
    with standing(tmp_path, node_red.direct_port, server) as gate:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        (gate.folder / "nodered-sec.toml").write_text('protected_paths = [{path = "/api/orders", method = "POST"}]')
        seen = gate.judged("--nodered-admin-api=proxied", "-k", "admin-03 or csrf-01 or node-01")
        report = gate.report()
    assert seen["admin-03"] == seen["csrf-01"] == seen["node-01"] == {"compliant"}
    assert "as every request by this method here" in report


_APP = """default_type text/html;
return 200 "<!doctype html><html><head><title>Plant</title></head><body><div id=app></div></body></html>";"""


def test_a_single_page_app_beside_node_red_is_no_editor(node_red: lab.RunningDeployment, tmp_path: Path) -> None:
    server = f"""location / {{ {_APP} }} location ~ ^/(auth|settings|flows) {{ {PASS} proxy_pass http://nodered; }}"""
    with standing(tmp_path, node_red.direct_port, server) as gate:
        seen = gate.judged("-k", "editor-01 or editor-02 or editor-03 or reach-01", "--nodered-dashboard=none")
        report = gate.report()
    assert seen["reach-01"] == seen["editor-01"] == {"compliant"}
    assert seen["editor-03"] == {"not-applicable"}
    assert "could-not-look" not in seen["editor-02"]
    assert "the page that every path here gets, no editor" in report


def test_an_app_of_the_sites_own_is_declared(node_red: lab.RunningDeployment, tmp_path: Path) -> None:
    login = "auth_basic Operators; auth_basic_user_file @FILES@/htpasswd;"
    ours = "ui|dashboard|api|ws|comms|settings|flows?|auth|nodes|context|library|plugins|diagnostics|udp-ports|icons"
    server = f"location / {{ {_APP} }} location ~ ^/({ours}) {{ {login} {PASS} proxy_pass http://nodered; }}"
    args = ["--nodered-admin-api=proxied"]
    with standing(tmp_path, node_red.direct_port, server) as gate:
        (tmp_path / "files" / "htpasswd").write_text("nobody:{PLAIN}x\n")
        before = gate.judged(*args)
        report = gate.report()
        (gate.folder / "nodered-sec.toml").write_text('public_paths = [{path = "/", reason = "the plant app"}]')
        seen = gate.judged(*args)
    assert before["reach-01"] == {"could-not-look"}
    assert "declare it: public_paths" in report
    assert with_outcome(seen, "could-not-look") == set()
    assert with_outcome(seen, "non-compliant") == OF_THE_FRONT | {"proxy-03"}
    assert {"reach-01", "editor-01", "dash-01", "admin-01", "static-01"} <= with_outcome(seen, "compliant")
