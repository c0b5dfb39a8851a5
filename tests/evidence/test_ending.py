"""The end of the terminal and what `--nodered-fix` writes, from records."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_nodered_sec import private
from pytest_nodered_sec.evidence import changes, ending, files, fix
from pytest_nodered_sec.evidence.ending import Ending
from pytest_nodered_sec.evidence.plans import alike, front, names, told
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Endpoint, Interface, Policy, PolicyError, PublicPath

if TYPE_CHECKING:
    from pathlib import Path

TARGET = Target("plant", "https://plant.example/nr", Policy(), admin_root="/admin")


def record(
    control: str, *codes: str, instance: str = "", outcome: str = "non-compliant", **more: Any
) -> dict[str, Any]:
    findings = [
        {"code": code, "severity": "critical", "observed": f"{control} saw {code}", "expected": "", "remedy": "mend it"}
        for code in codes
    ]
    node = f"nodered-sec/test_x.py::test_x[plant-{control}{instance}]"
    known = {"nodeid": node, "target": "plant", "control": control, "instance": instance, "outcome": outcome}
    known |= {"started": "2026-11-25T10:02:13.000+00:00", "severity": "critical", "observed": ""}
    return known | {"findings": findings, "waiver": None, "reason": ""} | more


class Book:
    """As much of the ledger as the ending reads."""

    def __init__(self, *records: dict[str, Any], server: str = "nginx") -> None:
        self.records = list(records)
        self._server = server

    def facts(self) -> dict[str, Any]:
        return {"targets": [{"name": "plant", "identity": {"server": self._server}}]}


class Session:
    exitstatus = 0


def ended(
    *records: dict[str, Any],
    show_all: bool = False,
    folder: Path | None = None,
    server: str = "nginx",
    quiet: int = 0,
    style: str = "",
    target: Target = TARGET,
) -> Ending:
    book: Any = Book(*records, server=server)
    session: Any = Session()
    made = Ending(book, [target], show_all=show_all, folder=folder, quiet=quiet, style=style)
    made.pytest_sessionfinish(session)
    return made


def lines(*records: dict[str, Any], **more: Any) -> str:
    return "\n".join(ended(*records, **more).lines())


OPEN = [record("admin-01", "served", instance=f"GET /{number}") for number in range(25)]


def test_findings_are_folded_and_end_in_changes() -> None:
    text = lines(*OPEN, record("tls-01", outcome="compliant"))
    assert "admin-01 critical served · admin-01 saw served · and 24 more" in text
    assert text.count("saw served") == 1
    assert "1. critical · settings.js: adminAuth" in text
    assert "fixes 25 findings of admin-01 · pytest --nodered-guide, step 2" in text
    assert text.endswith("plant: 25 findings in 25 tests, 1 change")


def test_a_clean_target_is_a_line() -> None:
    assert lines(record("tls-01", outcome="compliant")) == "plant: no findings"


def test_a_dead_target_is_said_elsewhere() -> None:
    assert lines(*(record(f"tls-0{number}", outcome="could-not-look", reason="see reach-01") for number in "123")) == ""


def test_what_could_not_be_looked_at_is_folded_by_its_cause() -> None:
    unseen = [record(f"tls-{number:02}", outcome="could-not-look", reason="no answer") for number in range(1, 8)]
    others = [record("dash-01", outcome="could-not-look", reason=f"reason {number}") for number in range(8)]
    text = lines(*unseen, *others, record("http-01", outcome="compliant"))
    assert "could not look · plant: no answer (tls-01, tls-02, tls-03, tls-04 and 3 more)" in text
    assert "could not look · 3 more reasons: -v shows them" in text
    reach = record("reach-01", outcome="could-not-look", reason="nothing identifies Node-RED there")
    first = lines(*unseen, *others, reach, record("http-01", outcome="compliant")).partition("\n")[0]
    assert first == "could not look · plant: nothing identifies Node-RED there (reach-01)"  # it explains all others
    assert text.endswith("plant: no findings, 15 could not be looked at")


def test_what_a_waiver_accepts_is_no_finding() -> None:
    waiver = {"findings": ["served"]}
    text = lines(record("admin-01", "served", "other", waiver=waiver), record("dash-01", outcome="waived"))
    assert "saw other" in text
    assert "saw served" not in text
    assert "1 finding in 1 test, 1 change, 1 waived" in text


def test_everything_is_left_to_pytest_where_all_is_shown() -> None:
    assert "saw served" not in lines(*OPEN, show_all=True)
    assert "adminAuth" in lines(*OPEN, show_all=True)


def test_a_proxy_that_is_not_recognised_is_not_guessed() -> None:
    text = lines(record("http-06", "missing"), server="")
    assert '(proxy not recognised: set front = "nginx", "caddy", ' in text
    assert "(proxy not recognised; --nodered-fix" in lines(*OPEN, server="")  # which no change needs to know
    assert "1. critical · proxy: add Strict-Transport-Security" in text
    for server, name in (("Caddy", "Caddy"), ("nginx", "nginx"), ("1.1 Caddy", "Caddy")):
        assert f"1. critical · {name}: add" in lines(record("http-06", "missing"), server=server)
    realm = record("dash-01", outcome="compliant", observed='GET /ui answered 401 (Basic realm="traefik")')
    assert "(proxy: Traefik;" in lines(realm, record("http-06", "missing"), server="")


@pytest.mark.parametrize(
    ("observed", "name"),
    [
        ("nginx -T: 3 files; Node-RED listens on 127.0.0.1:1880", "nginx"),
        ("/etc/caddy/Caddyfile: Caddy listens on :443 (TLS); Node-RED on 127.0.0.1:1880", "Caddy"),
        ("HAProxy: /etc/haproxy/haproxy.cfg; Node-RED listens on 127.0.0.1:1880", "HAProxy"),
        ("Apache httpd: /etc/apache2/apache2.conf; Node-RED listens on nowhere", "Apache httpd"),
    ],
)
def test_what_is_seen_on_the_host_names_the_proxy(observed: str, name: str) -> None:
    seen = record("host-12", outcome="compliant", observed=observed)
    assert f"(proxy: {name};" in lines(seen, record("http-06", "missing"), server="")
    other = seen | {"control": "host-11", "observed": "nginx is not installed; Caddy is"}
    assert "not recognised" in lines(other, record("http-06", "missing"), server="")


def test_without_a_proxy_the_plan_says_which_to_put_there(tmp_path: Path) -> None:
    planned = changes.of_target(replace(TARGET, policy=Policy(front="none")), [record("http-06", "missing")], "")
    assert front(planned) == 'no proxy: put one in front, such as nginx, and name it, front = "nginx"'
    assert told([planned])[0].what.startswith("proxy: add Strict-Transport-Security")
    files = fix.files(planned)
    assert "No proxy stands in front, and some changes need one: they are written for nginx." in files["CHANGES.md"]
    assert "nginx-node-red.conf" in files
    unknown = changes.of_target(TARGET, [record("http-06", "missing")], "")
    assert (
        "Which proxy stands in front is not known: the changes are written for nginx." in fix.files(unknown)[fix.PAGE]
    )
    assert (
        "proxy" not in fix.files(changes.of_target(TARGET, [record("admin-01", "served")], ""))[fix.PAGE].split("##")[0]
    )


def test_targets_that_need_the_same_share_a_list() -> None:
    records = [record("http-06", "missing"), record("http-06", "missing") | {"target": "hall"}]
    facts: Any = {"targets": [{"name": "plant", "identity": {"server": "nginx"}}, {"name": "hall", "identity": {}}]}
    plans = changes.of_run([TARGET, replace(TARGET, name="hall")], records, facts)
    assert [names(group) for group in alike(plans)] == ["plant", "hall"]  # of different fronts
    facts["targets"][1]["identity"] = {"server": "nginx/1.2"}
    [group] = alike(changes.of_run([TARGET, replace(TARGET, name="hall")], records, facts))
    assert told(group)[0].ends == "fixes 2 findings of http-06"


def test_the_last_section_is_true_of_a_lab() -> None:
    planned = changes.of_target(TARGET, OPEN, "nginx")
    mine = fix.files(planned)[fix.PAGE]
    assert "$ pytest --nodered-suite=only --nodered-url=https://plant.example/nr" in mine
    built_in = fix.files(planned, "fresh")[fix.PAGE]
    assert "$ pytest --nodered-suite=only --nodered-lab=hardened" in built_in
    assert "This was the lab's `fresh`, which ended with the run" in built_in
    own = fix.files(planned, "/my plant")[fix.PAGE]
    assert "$ pytest --nodered-suite=only --nodered-lab='/my plant'" in own
    assert "make the changes there. Ports and host name in the files are the lab's." in own
    framed = [record("http-06", "missing")]
    parts = fix.files(changes.of_target(TARGET, framed, "Caddy"), "/my plant")[fix.PAGE]
    assert "To try it in /my plant:\n\n- Into the directory's Caddyfile goes only what stands inside" in parts
    assert "To try it in" not in fix.files(changes.of_target(TARGET, framed, "Caddy"), "fresh")[fix.PAGE]
    alone = changes.of_target(TARGET, [record("host-14", "x")], "nginx")
    assert "The files have" not in fix.files(alone, "fresh")[fix.PAGE]
    assert "The files have its ports and host name" in built_in
    assert "--nodered-url" not in own


def test_flows_alone_are_looked_at_again_as_such() -> None:
    target = replace(TARGET, name="f2.json", url="https://", flows="my flows/f2.json")
    page = fix.files(changes.of_target(target, [record("flow-02", "runs-command")], ""))[fix.PAGE]
    assert "\nmy flows/f2.json. Make the changes from top to bottom" in page
    assert "$ pytest --nodered-suite=only --nodered-flows='my flows/f2.json'\n" in page
    assert not re.search("--nodered-url|account|https", page)


class Reporter:
    """As much of pytest's as lists reports."""

    def __init__(self, **stats: list[Any]) -> None:
        self.stats = stats
        self.listed: list[tuple[str, list[Any]]] = []

    def summary_errors(self) -> None:
        self.listed.append(("errors", self.stats["error"]))

    def summary_failures(self) -> None:
        self.listed.append(("failures", self.stats["failed"]))

    def short_test_summary(self) -> None:
        self.listed.append(("short", self.stats["failed"]))


@pytest.mark.parametrize("details", [False, True])
def test_pytest_lists_none_of_the_suites_failures_but_the_users_own(details: bool) -> None:
    ours: Any = type("Report", (), {"nodeid": "nodered-sec/test_x.py::x", "nodered": {}})()
    theirs: Any = type("Report", (), {"nodeid": "test_y.py::y", "nodered": {}})()
    plain: Any = type("Report", (), {"nodeid": "test_z.py::z"})()
    reporter: Any = Reporter(failed=[ours, theirs, plain], error=[ours], passed=[ours])
    with private.unlisted(reporter, ending._is_folded, details=details):
        reporter.summary_errors(), reporter.summary_failures()
        assert reporter.stats == {"failed": [ours, theirs, plain], "error": [ours], "passed": [ours]}  # for others
        reporter.short_test_summary()
    folded = [("errors", []), ("failures", [theirs, plain])]
    shown = [("errors", [ours]), ("failures", [ours, theirs, plain])]
    assert reporter.listed == [*(shown if details else folded), ("short", [theirs, plain])]
    reporter.short_test_summary()
    assert reporter.listed[-1] == ("short", [ours, theirs, plain])


def test_a_line_for_each_finding_where_that_is_typed() -> None:
    text = lines(*OPEN, style="line")
    assert text.count("admin-01 critical served · admin-01 saw served\n") == 25
    assert "more" not in text.partition("What to change")[0]


def test_quiet_says_less() -> None:
    assert "fixes 25" not in lines(*OPEN, quiet=1)
    assert "1. critical · settings.js" in lines(*OPEN, quiet=1)
    assert lines(*OPEN, quiet=2) == "plant: 25 findings in 25 tests, 1 change"


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
