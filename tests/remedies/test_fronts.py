"""What is written for each front, and for Node-RED itself, is read by the program that it is for."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from remedies.test_plan import SITE
from suite_runs import installed

from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.remedies import fronts, policy_file, settings, systemd
from pytest_nodered_sec.remedies.fronts import common
from pytest_nodered_sec.remedies.model import Finding
from pytest_nodered_sec.remedies.planner import plan

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec.remedies.model import FrontName, Site

SITES = {
    "usual": SITE,
    "everything": replace(SITE, admin_api="proxied", cookies=True, port=8443, http_port=8080),
    "editor": replace(SITE, editor="protected", admin_root="/admin", node_root="/nr"),
    "editor behind a gate": replace(SITE, editor="protected", admin_api="proxied"),
    "no ways in": replace(SITE, dashboards=(), channels=(), endpoints=()),
    "client certificates": replace(SITE, clients=True),
    "an address": replace(SITE, host="::1", versions=("1.3",)),
}
FRONTS: tuple[FrontName, ...] = ("nginx", "caddy", "apache", "haproxy", "traefik")


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
@pytest.mark.parametrize("front", FRONTS)
def test_every_front_says_what_the_site_needs(front: FrontName, site: Site) -> None:
    text = "\n".join(fronts.write(replace(site, front=front)).values())
    assert f"127.0.0.1:{site.direct_port}" in text
    assert str(site.hsts) in text
    assert "frame-ancestors 'self'" in text
    assert site.origin in text
    assert ("Operators" in text) is bool(site.gated or site.admin_api == "proxied") or front == "traefik"
    assert ("cross-site" in text) is (site.admin_api == "proxied")
    assert ("red/about" in text) is (site.admin_api != "proxied")  # behind a login nobody reads it
    assert ("node-red-clients.pem" in text) is site.clients
    assert not re.search(r"(\.\.\.|…|TODO)", text)


def test_what_a_whole_configuration_does_is_said() -> None:
    place, ports, login, name, refused, sockets = common.effects(SITE)
    assert place == "It takes the place of what serves plant.example today: remove that, or it goes on answering."
    assert ports.startswith("It listens at ports 80 and 443 of every address of the machine: where today's config")
    assert login.startswith("It requires a login for /api/orders, /dashboard, ")
    assert name == "It refuses requests for any host name other than plant.example."
    assert refused == "It refuses /red/about."
    assert sockets.endswith("/ws/line only.")
    closed = replace(SITE, admin_api="proxied", dashboards=(), channels=())
    assert common.effects(closed) == (
        place,
        ports,
        "It requires a login for everything: programs that call anything there need an account.",
        name,
        "It forwards no WebSockets.",
    )
    assert common.effects(replace(SITE, flows_read=False))[-1].endswith("and cut the WebSockets off.")
    bare = replace(SITE, dashboards=(), channels=(), endpoints=(), editor="protected", admin_root="/red")
    assert common.effects(bare)[3] == "It refuses /red/red/about, /red/library, /red/settings/user/keys."


def test_the_lab_takes_a_part_of_a_configuration() -> None:
    moved = replace(SITE, front="caddy", port=8443, direct_port=40001)
    (text,) = fronts.write(moved).values()
    for written in ("https://plant.example:8443", "import /etc/caddy/node-red-accounts", "127.0.0.1:40001"):
        assert written in text
        assert written in " ".join(fronts.for_lab(moved))
    (text,) = fronts.write(SITE).values()
    for written in ("http://node_red", "$node_red_upgrade", "$node_red_connection"):
        assert written in text
        assert written in fronts.for_lab(SITE)[-1]
    assert fronts.for_lab(replace(SITE, front="haproxy")) == ()


def test_what_says_where_the_accounts_stand_names_the_file_that_the_configuration_reads() -> None:
    (text,) = fronts.write(SITE).values()
    said = fronts.accounts(SITE)
    assert said.startswith("write /etc/nginx/node-red.htpasswd before you load the configuration")
    assert "/etc/nginx/node-red.htpasswd" in text
    ungated = replace(SITE, admin_api="protected", dashboards=(), channels=(), endpoints=())
    assert fronts.accounts(ungated) == ""


def test_without_a_front_nothing_is_written() -> None:
    assert fronts.write(replace(SITE, front="none")) == {}


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_nginx_reads_it(site: Site, tmp_path: Path) -> None:
    (text,) = fronts.write(site).values()
    text = (
        re.sub(r"ssl_certificate\S* \S+;", "", text).replace(" ssl;", ";").replace(" ssl d", " d")
    )  # whose files are not here
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid; events {{}} http {{ {text} }}")
    said = said_by([str(toolchain.nginx()), "-t", "-e", "stderr", "-p", f"{tmp_path}", "-c", f"{tmp_path}/nginx.conf"])
    assert "syntax is ok" in said, said


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_caddy_reads_it(site: Site, tmp_path: Path) -> None:
    (text,) = fronts.write(replace(site, front="caddy")).values()
    (tmp_path / "accounts").write_text("operator $2a$08$zZWtXTja0fB1pzD4sHCMyOCMYz2Z6dNbM6tl8sJogENOMcxWV9DN.\n")
    (tmp_path / "Caddyfile").write_text(text.replace("/etc/caddy/node-red-accounts", str(tmp_path / "accounts")))
    said = said_by([str(toolchain.caddy()), "adapt", "--config", f"{tmp_path}/Caddyfile", "--adapter", "caddyfile"])
    assert '"apps"' in said, said


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_haproxy_reads_it(site: Site, tmp_path: Path) -> None:
    (text,) = fronts.write(replace(site, front="haproxy")).values()
    text = re.sub(r" ssl crt \S+ alpn \S+( ca-file \S+ verify required)?", "", text)
    users = "userlist node-red-operators\n    user operator insecure-password x\n"
    (tmp_path / "haproxy.cfg").write_text(text + users)
    said = said_by([installed("haproxy"), "-c", "-f", f"{tmp_path}/haproxy.cfg"])
    assert "alert" not in said.lower(), said


def said_by(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("said", "front"),
    [
        (["nginx/1.22.1"], "nginx"),
        (["openresty"], "nginx"),
        (["Caddy"], "caddy"),
        (["", "Apache/2.4.62 (Debian)"], "apache"),
        (["1.1 Caddy"], "caddy"),
        (["HAProxy"], "haproxy"),
        (["traefik"], "traefik"),
        (["lighttpd"], None),
        ([], None),
    ],
)
def test_a_front_is_recognised_by_what_it_says(said: list[str], front: FrontName | None) -> None:
    assert fronts.recognise(said) == front


ALL = (*settings._LINES, *settings._OVER)
OWN = """module.exports = {uiPort: 1880,
  adminAuth: {type: "credentials", users: [1], tokens: String, default: {permissions: "*"}},
  externalModules: {palette: {denyList: ["x"]}}, ui: {path: "hmi", ioMiddleware: (socket, next) => next("own")},
  logging: {console: {level: "debug"}}, httpAdminAuth: {user: "x", pass: "y"}};"""


def evaluated(folder: Path, text: str, own: str, code: str) -> str:
    (folder / "settings.site.js").write_text(own)
    (folder / "settings.js").write_text(text)
    (folder / "users.json").write_text('[{"username": "operator"}]')
    return said_by([str(toolchain.node()), "-p", f"const s = require('{folder}/settings.js'); {code}"]).strip()


def test_settings_keep_what_the_site_says(tmp_path: Path) -> None:
    (text,) = settings.write(ALL, SITE).values()
    seen = json.loads(evaluated(tmp_path, text, OWN, "JSON.stringify(s)"))
    assert seen["adminAuth"] == {"type": "credentials", "users": [1], "sessionExpiryTime": 604800}
    assert seen["externalModules"]["palette"] == {"denyList": ["x"], "allowInstall": False, "allowUpload": False}
    assert seen["logging"]["console"] == {"level": "debug", "metrics": False, "audit": True}
    assert (seen["uiPort"], seen["uiHost"], seen["ui"]["path"]) == (1880, "127.0.0.1", "hmi")
    assert "httpAdminAuth" not in seen
    (text,) = settings.write(["settings.adminAuth"], SITE).values()
    seen = json.loads(evaluated(tmp_path, text, "module.exports = {};", "JSON.stringify(s)"))
    assert seen == {"adminAuth": {"type": "credentials", "users": [{"username": "operator"}]}}


@pytest.mark.parametrize(
    ("origin", "said"),
    [('""', "own"), ('"https://a:1"', "own"), ('"https://b"', "foreign origin"), ('"null"', "foreign origin")],
)
def test_live_channels_compare_the_origin_and_then_ask_the_sites_own(origin: str, said: str, tmp_path: Path) -> None:
    (text,) = settings.write(["settings.origin"], SITE).values()
    code = f"""const socket = {{handshake: {{headers: {{origin: {origin}, host: "a:1"}}}}}};
    let said = []; for (const one of s.ui.ioMiddleware) one(socket, (e) => said.push(e && e.message || e));
    const info = {{origin: {origin}, req: {{headers: {{host: "a:1"}}}}}};
    [...said, s.webSocketNodeVerifyClient(info)].filter((one) => one !== undefined).join(" ")"""
    answer = evaluated(tmp_path, text, OWN, code)
    assert said in answer
    assert answer.endswith("true" if said == "own" else "false")


def test_settings_without_a_change_of_theirs_are_not_written() -> None:
    assert settings.write(["front.headers"], SITE) == {}
    (text,) = settings.write(["settings.sessionExpiryTime"], SITE).values()
    assert "sessionExpiryTime: 604800" in text
    (text,) = settings.write(["settings.tokens"], SITE).values()
    assert "adminAuth: {...site.adminAuth, tokens: undefined}," in text


@pytest.mark.parametrize(
    ("own", "seconds"), [("", 86400), ("sessionExpiryTime: 60", 60), ("sessionExpiryTime: 1e9", 86400)]
)
def test_a_new_login_lasts_no_longer_than_the_profile_wants(own: str, seconds: int, tmp_path: Path) -> None:
    strict = replace(SITE, session_seconds=86400)
    (text,) = settings.write(["settings.adminAuth"], strict).values()
    assert (
        evaluated(tmp_path, text, f"module.exports = {{adminAuth: {{{own}}}}};", "s.adminAuth.sessionExpiryTime")
        == f"{seconds}"
    )
    (text,) = settings.write(["settings.adminAuth", "settings.sessionExpiryTime"], strict).values()
    assert text.count("sessionExpiryTime") == 1


def test_a_drop_in_for_who_needs_one() -> None:
    assert systemd.write(["front.headers"], SITE) == {}
    (text,) = systemd.write(["host.unit"], SITE).values()
    assert "Restart=on-failure" in text


def test_the_policys_keys_stand_in_one_file() -> None:
    lines = (
        'protected_paths = [{path = "/a", method = "GET", effect = "none"}]; look first; or delete the node',
        'websockets = ["/ws"]; or delete the node',
    )
    findings = [Finding("flow-01", "high", "undeclared-http", remedy=f"nodered-sec.toml: {line}") for line in lines]
    (text,) = policy_file.write(plan([*findings, findings[0]], SITE), SITE).values()
    read = tomllib.loads(text)
    assert read["websockets"] == ["/ws"]
    assert len(read["protected_paths"]) == 1
    assert "# look first" in text
    assert policy_file.write((), SITE) == {}
    assert policy_file.write((), SITE, told={"url": "https://plant.example"}) == {}
    words = Finding("flow-05", "high", "public-endpoint", remedy="nodered-sec.toml: take it out of public_paths; or so")
    assert policy_file.write(plan([words], SITE), SITE) == {}  # no key, but what a person is to do


def test_dashboards_that_nobody_sees_any_more_are_declared() -> None:
    """Also beside those that the flows name: declared alone, they would make the others undeclared."""
    told = Finding(
        "flow-01", "high", "undeclared-dashboard", remedy='nodered-sec.toml: dashboards = ["/hmi"]; or delete the node'
    )
    steps = plan([Finding("dash-01", "critical", "served", "/ui"), told], SITE)
    seen = policy_file.seen_open(steps)
    (text,) = policy_file.write(steps, SITE, seen=seen).values()
    assert tomllib.loads(text) == {"dashboards": ["/ui", "/hmi"]}


def test_who_has_no_policy_file_gets_a_whole_one_with_the_accounts_to_come() -> None:
    steps = plan([Finding("admin-01", "critical", "served"), Finding("dash-02", "high", "channel-open", "/ui")], SITE)
    given = policy_file.accounts(steps, SITE)
    assert given == ("credentials", "dashboard_credentials")
    assert policy_file.accounts((), SITE) == ()
    (text,) = policy_file.write(steps, SITE, told={"url": "https://plant.example/nr"}, given=given).values()
    assert tomllib.loads(text)["target"] == [
        {
            "name": SITE.name,
            "url": "https://plant.example/nr",
            "credentials": {"env": "PLANT"},
            "dashboard_credentials": {"env": "OPERATOR"},
        }
    ]
    (bare,) = policy_file.write(steps, SITE, told={"url": "https://plant.example"}, seen=("/ui",)).values()
    assert "credentials" not in bare
    (part,) = policy_file.write(steps, SITE, seen=("/ui",), given=given).values()
    assert tomllib.loads(part) == {"dashboards": ["/ui"]}  # accounts belong to one target
    assert '# dashboard_credentials = {env = "OPERATOR"}' in part


@pytest.mark.parametrize("front", FRONTS)
def test_every_front_says_where_its_certificate_is_written(front: FrontName) -> None:
    site = replace(SITE, front=front)
    said = fronts.certificate(site)
    text = "\n".join(fronts.write(site).values())
    names = re.findall(
        r"ssl_certificate\b|ssl_certificate_key|SSLCertificate\w+|certFile|keyFile|/etc/\S+\.pem|tls \w+", said
    )
    assert names
    assert all(name in text for name in names)
    assert said.endswith("--nodered-ca-file=FILE")
