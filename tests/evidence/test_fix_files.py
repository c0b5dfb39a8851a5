"""What `--nodered-fix` writes, from records."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from evidence.records import OPEN, TARGET, ended, lines, record

from pytest_nodered_sec.evidence import changes, files, fix
from pytest_nodered_sec.policy.model import Endpoint, Interface, Policy, PolicyError, PublicPath

if TYPE_CHECKING:
    from pathlib import Path


def test_the_files_of_a_plan(tmp_path: Path) -> None:
    told = 'nodered-sec.toml: websockets = ["/ws/x"]; or delete the node'
    undeclared = record("flow-01", "undeclared-websocket")
    undeclared["findings"][0] |= {"observed": "the flows open WebSocket /ws/x, as seen", "remedy": told}
    folder = tmp_path / "fix"
    made = ended(*OPEN, undeclared, record("dash-01", "served", instance="/ui"), folder=folder)
    written = sorted(path.name for path in (folder / "plant").iterdir())
    assert written == ["CHANGES.md", "nginx-node-red.conf", "nodered-sec.toml", "settings.secure.js"]
    page = (folder / "plant" / "CHANGES.md").read_text()
    assert "# plant: 3 changes for 27 findings" in page
    assert "## 1. settings.js: adminAuth" in page
    assert "and 22 more of admin-01" in page
    assert "Fixes 25 findings (worst: critical):" in page
    assert "Fixes 1 finding (critical):" in page
    assert "Check: admin-01 passes.\n" in page
    assert "\nRestart Node-RED first: " in page
    assert "What else the new nginx configuration does:\n\n- It takes the place of what serves plant.example" in page
    assert "- It requires a login for /nr/ui, /nr/ws/x" in page
    written_for = (folder / "plant" / "nginx-node-red.conf").read_text()
    assert 'location ~* "^(/nr/ui|/nr/ws/x)(/|$)"' in written_for
    assert made._said == [f"what to change at plant is written to {folder / 'plant' / 'CHANGES.md'}"]
    none = tmp_path / "none"
    clean = ended(record("tls-01", outcome="compliant"), folder=none)
    assert clean._said == [f"--nodered-fix: nothing was found to change, so {none} is not written"]
    assert not none.exists()


def test_files_are_offered_only_where_some_come_of_it(tmp_path: Path) -> None:
    offer = "--nodered-fix=DIR writes it as files"
    assert offer in lines(*OPEN)
    assert offer not in lines(record("patch-02", "unmaintained"))  # whose plan is done by hand
    assert offer not in lines(*OPEN, folder=tmp_path)  # written already, which another line says
    assert offer in lines(*OPEN, record("patch-02", "unmaintained"))


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "plant").write_text("a file")
    assert "--nodered-fix is not complete" in ended(*OPEN, folder=tmp_path)._said[0]
    for folder in (tmp_path / "plant", tmp_path / "plant" / "x"):
        with pytest.raises(PolicyError, match=r"--nodered-fix=\S+: \S+/plant is a file; name a folder"):
            files.check_unused(folder, "--nodered-fix")
    with pytest.raises(PolicyError, match="cannot be written: File name too long"):
        files.check_unused(tmp_path / ("x" * 300), "--nodered-fix")
    with pytest.raises(PolicyError, match="is not empty, and what is there is never overwritten; name a new folder"):
        files.check_unused(tmp_path, "--nodered-fix")
    files.check_unused(tmp_path / "new" / "deep", "--nodered-fix")
    assert not (tmp_path / "new").exists()


def test_flows_alone_get_no_files_of_a_server(tmp_path: Path) -> None:
    flows = replace(TARGET, url="file:plant/flows.json", flows="plant/flows.json", admin_root="/")
    undeclared = record("flow-01", "undeclared-http")
    observed = "the flows open http-in POST /run, read from plant/flows.json; it is not in the policy"
    remedy = 'nodered-sec.toml: protected_paths = [{path = "/run", method = "POST", effect = "unknown"}]'
    undeclared["findings"][0] |= {"observed": observed, "remedy": remedy}
    ended(*(undeclared, record("flow-05", "public-widget")), folder=tmp_path / "fix", target=flows)
    made = {path.name: path.read_text() for path in (tmp_path / "fix" / "plant").iterdir()}
    assert sorted(made) == ["CHANGES.md", "nodered-sec.toml"]
    assert 'path = "/run"' in made["nodered-sec.toml"]
    for word in ("nginx", "proxy", "certificate", "host name", "plant/flows.json/"):
        assert word not in "".join(made.values())


def test_what_a_change_knows_of_the_site() -> None:
    policy = Policy(
        dashboards=("/hmi",),
        protected_paths=(Endpoint("/api/:id/x"), Endpoint("/y")),
        public_paths=(PublicPath("/wall", "andon"),),
        interfaces=(Interface("worldmap", "/map"), Interface("uibuilder", "/panel")),
        front="haproxy",
    )
    planned = changes.of_target(replace(TARGET, policy=policy), [], "nginx")
    site = planned.site
    assert (site.front, planned.front, site.dashboards) == ("haproxy", "haproxy", ("/hmi",))
    assert site.endpoints == ("/api", "/map", "/panel", "/y")
    assert site.channels == ("/map/socket", "/uibuilder/vendor/socket.io")
    assert (site.admin_root, site.node_root, site.public) == ("/nr/admin", "/nr", ("/wall",))
    assert fix.files(planned) == {}


def test_a_live_channel_that_was_found_is_gated_below_the_node_root_once() -> None:
    joined = record("live-01", "channel-open")
    joined["findings"][0]["observed"] = "worldmap: live channel /nr/worldmap/socket/info without credentials was joined"
    site = changes.of_target(TARGET, [joined], "nginx").site
    assert site.channels == ("/worldmap/socket",)
    assert "/nr/worldmap/socket" in site.gated


@pytest.mark.parametrize("control", ["reach-01", "admin-01"])
def test_no_front_is_written_over_a_gate_that_nobody_has_seen_behind(control: str) -> None:
    hsts = record("http-06", "missing")
    unseen = record(control, outcome="could-not-look", reason="every path answers 302")
    written = fix.files(changes.of_target(TARGET, [hsts, unseen], "nginx"))
    assert set(written) == {"CHANGES.md"}
    assert (
        f"No configuration of nginx is written: what stands in front is not known: {control}" in written["CHANGES.md"]
    )
    assert "In words: mend it" in written["CHANGES.md"]


@pytest.mark.parametrize(
    ("server", "place"),
    [
        ("nginx", "write /etc/nginx/node-red.htpasswd before"),
        ("caddy", "write /etc/caddy/node-red-accounts before"),
        ("haproxy", "write the section `userlist node-red-operators` before"),
    ],
)
def test_the_accounts_of_a_gate_that_only_an_endpoint_needs_are_told(server: str, place: str) -> None:
    undeclared = record("flow-01", "undeclared-http")
    undeclared["findings"][0] |= {"observed": "the flows open http-in POST /run, read", "remedy": "nodered-sec.toml: x"}
    for records in ([undeclared, record("http-06", "missing")], [record("dash-01", "served", instance="/ui")]):
        page = fix.files(changes.of_target(TARGET, records, server))["CHANGES.md"]
        decided = [line for line in page.splitlines() if line.startswith("- who may log in at the proxy")]
        assert [place in line for line in decided] == [True]
    page = fix.files(changes.of_target(TARGET, [record("http-06", "missing")], server))["CHANGES.md"]
    assert "who may log in" not in page  # nothing is gated


def test_no_front_is_written_over_a_login_of_its_own() -> None:
    target = replace(TARGET, policy=Policy(login_urls=("https://login.example",)))
    written = fix.files(changes.of_target(target, [record("http-06", "missing")], "nginx"))
    assert set(written) == {"CHANGES.md"}
    assert "which a new configuration would replace" in written["CHANGES.md"]
    assert "What else the new" not in written["CHANGES.md"]


def test_a_dashboard_that_could_not_be_looked_at_is_gated_too() -> None:
    records = [
        record("dash-01", "served", instance="/ui"),
        record("dash-01", instance="/hmi", outcome="could-not-look"),
    ]
    assert changes.of_target(TARGET, records, "nginx").site.dashboards == ("/ui", "/hmi")


def test_the_next_look_is_over_https() -> None:
    target = replace(TARGET, url="http://plant.example:8080")
    page = fix.files(changes.of_target(target, [record("tls-01", "no-tls")], "nginx"))["CHANGES.md"]
    assert "--nodered-url=https://plant.example\n" in page
    assert "Note: passwords that were sent over plain HTTP may be known to others" in page


def test_with_node_reds_own_login_the_front_is_written_anew() -> None:
    """A Basic login before the admin API and Node-RED's own want the same header."""
    assert "nginx-node-red.conf" in fix.files(changes.of_target(TARGET, OPEN, "nginx"))


def test_a_dashboard_that_nobody_declared_gets_a_gate() -> None:
    told = "GET below /scada, which /uisettings names, without credentials: /nr/scada answered 200 (text/html, 9 bytes)"
    undeclared = record("roots-01", "undeclared")
    undeclared["findings"][0]["observed"] = (
        f"{told}: a dashboard's page; /nr/scada/socket.io answered 200: a live channel"
    )
    for declared in (None, ()):
        target = replace(TARGET, policy=Policy(dashboards=declared))
        assert changes.of_target(target, [undeclared], "nginx").site.dashboards == ("/scada",)


def test_what_stands_below_a_root_that_the_policy_does_not_know_keeps_its_channels() -> None:
    undeclared = record("roots-01", "undeclared")
    lines = "/endpoint/ui/socket.io answered 200 (text/plain, 118 bytes): a dashboard's live channel; /nr/ui/socket.io"
    channel = "answered 200 (text/plain, 9 bytes): a dashboard's live channel"
    undeclared["findings"][0]["observed"] = f"GET below /endpoint, without credentials: {lines} {channel}"
    target = replace(TARGET, policy=Policy(dashboards=("/ui",), websockets=("/ws/line",)))
    site = changes.of_target(target, [undeclared], "nginx").site
    assert site.found_roots == ("/endpoint",)
    assert site.sockets == tuple(
        f"{root}{path}" for root in ("/nr", "/endpoint") for path in ("/ui/socket.io", "/ws/line")
    )
    assert "/endpoint/ui" in site.gated


def test_a_site_that_wants_client_certificates_keeps_them() -> None:
    target = replace(TARGET, policy=Policy(mutual_tls=True))
    written = fix.files(changes.of_target(target, [record("http-06", "missing")], "nginx"))
    assert "ssl_verify_client on;" in written["nginx-node-red.conf"]


def test_a_gate_before_httpnodeauth_wants_the_same_account() -> None:
    inside = record("dash-01", outcome="compliant", instance="/ui")
    inside["observed"] = 'GET /ui without credentials answered 401 (Basic realm="Authorization Required")'
    records = [inside, record("dash-02", "channel-open", instance="/ui")]
    page = fix.files(changes.of_target(replace(TARGET, admin_root="/"), records, "nginx"))["CHANGES.md"]
    assert "the account of httpNodeAuth" in page
    inside["observed"] = ""
    page = fix.files(changes.of_target(TARGET, records, "nginx"))["CHANGES.md"]
    assert "httpNodeAuth" not in page


def test_a_gate_before_a_page_that_refuses_everybody_says_what_else_must_go() -> None:
    page = record("dash-01", outcome="compliant", instance="/ui")
    page["observed"] = "GET /ui without credentials answered 401 (text/html, 2 bytes)"
    records = [page, record("dash-02", "channel-open", instance="/ui")]
    mind = "refuses everybody today, without asking for a login: if a `middleware` of ui or dashboard"
    assert f"/nr/ui {mind}" in fix.files(changes.of_target(TARGET, records, "nginx"))["CHANGES.md"]
    proxied = replace(TARGET, policy=Policy(admin_api="proxied"))
    assert f"/nr/ui {mind}" in fix.files(changes.of_target(proxied, records, "nginx"))["CHANGES.md"]
    page["observed"] = 'GET /ui without credentials answered 401 (Basic realm="x")'
    assert mind not in fix.files(changes.of_target(TARGET, records, "nginx"))["CHANGES.md"]


def test_what_the_policy_is_to_list_gets_its_gate_at_once() -> None:
    undeclared = record("flow-01", "undeclared-websocket")
    undeclared["findings"][0] |= {"observed": "the flows open WebSocket /ws/x, as seen"}
    records = [undeclared, record("proxy-01", "answers")]
    assert "/nr/ws/x" in fix.files(changes.of_target(TARGET, records, "nginx"))["nginx-node-red.conf"]
