"""The plan of each deployment of the lab: which changes end what was found there, recorded from real runs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from remedies.record import FILE

from pytest_nodered_sec.remedies.changes import change
from pytest_nodered_sec.remedies.lines import OTHER_CA, SAME_MACHINE
from pytest_nodered_sec.remedies.model import SEVERITIES, Finding, Site, Where
from pytest_nodered_sec.remedies.planner import plan
from pytest_nodered_sec.remedies.table import changes

if TYPE_CHECKING:
    from collections.abc import Iterable

RECORDED = {name: [Finding(*row) for row in rows] for name, rows in json.loads(FILE.read_text()).items()}
SITE = Site(
    "plant",
    "plant.example",
    dashboards=("/ui", "/dashboard"),
    channels=("/ws/line", "/uibuilder/vendor/socket.io", "/worldmap/socket", "/flexdash/io"),
    endpoints=("/api/orders",),
)
PROXIED = replace(SITE, admin_api="proxied")
EDITED = replace(SITE, editor="protected")

# what a person has to do for each; the rest of the lab is compared with the table alone
WORDS = {
    "fresh": "settings.adminAuth front.gate./dashboard front.gate./ui settings.disableEditor settings.uiHost "
    "policy.protected_paths settings.externalModules policy.websockets front.headers",
    "hardened": "",
    "ungated": "front.gate./dashboard front.gate./ui front.gate./api/orders front.gate./ws/line",
    "plain-leak": "front.redirect",
    "untidy": "front.dots",
    "legacy-auth": "settings.adminAuth front.headers",
    "expired": "front.certificate",
    "old-versions": "front.tls",
    "interfaces": "front.gate./uibuilder/vendor/socket.io front.gate./worldmap/socket front.gate./flexdash/io "
    "front.cookies package.node-red-contrib-uibuilder",
    "cors": "front.hide",
    "static-home": "settings.httpStatic",
}


def ids(findings: Iterable[Finding], site: Site) -> list[str]:
    return [step.change.id for step in plan(findings, site)]


@pytest.mark.parametrize("name", WORDS)
def test_what_a_deployment_is_told(name: str) -> None:
    assert sorted(ids(RECORDED[name], SITE)) == sorted(WORDS[name].split())


@pytest.mark.parametrize("site", [SITE, PROXIED, EDITED], ids=["protected", "proxied", "editor"])
@pytest.mark.parametrize("name", RECORDED)
def test_every_finding_is_ended_once_the_worst_first(name: str, site: Site) -> None:
    findings = list(dict.fromkeys(RECORDED[name]))
    steps = plan(findings, site)
    ended = [finding for step in steps for finding in step.findings]
    assert sorted(ended, key=repr) == sorted(findings, key=repr)
    without_tls = [step for step in steps if all(finding.code != "no-tls" for finding in step.findings)]
    ranks = [SEVERITIES.index(step.severity) for step in without_tls]
    assert ranks == sorted(ranks)
    for step in steps:
        assert step.controls
        assert all(step.change.id in changes(finding, site) for finding in step.findings)
        assert step.severity == min((finding.severity for finding in step.findings), key=SEVERITIES.index)
    assert all(step.change.title for step in steps)


def test_a_gate_before_everything_is_for_who_wants_one() -> None:
    assert "front.gate./" in ids(RECORDED["fresh"], PROXIED)
    assert "settings.adminAuth" not in ids(RECORDED["fresh"], PROXIED)
    assert len(ids(RECORDED["fresh"], PROXIED)) < len(ids(RECORDED["fresh"], SITE))
    assert "front.gate./" not in ids(RECORDED["fresh"], SITE)


FOUND = Finding("dash-02", "critical", "channel-open", "/ui")


@pytest.mark.parametrize(
    ("finding", "site", "names"),
    [
        (FOUND, SITE, "front.gate./ui"),
        (replace(FOUND, instance="/hall"), SITE, "other.dash-02.channel-open"),
        (replace(FOUND, instance="/hall"), PROXIED, "front.gate./"),
        (replace(FOUND, code="declared-but-absent"), SITE, "other.dash.declared-but-absent"),
        (replace(FOUND, code="gate-passed", observed="/ui/socket.io/../../x"), SITE, "front.dots front.gate./ui"),
        (replace(FOUND, control="node-01", instance="GET /API/orders?x"), SITE, "front.gate./api/orders"),
        (replace(FOUND, instance=""), SITE, "other.dash-02.channel-open"),
        (Finding("tls-01", "critical", "no-tls"), SITE, "front.tls"),
        (Finding("tls-01", "critical", "unknown-ca"), SITE, "front.certificate"),
        (Finding("cookie-01", "medium", "unguarded"), SITE, "front.cookies"),
        (Finding("cookie-01", "medium", "unguarded"), replace(SITE, front="traefik"), "front.cookies"),
        (Finding("admin-01", "critical", "served"), replace(SITE, admin_api="disabled"), "settings.httpAdminRoot"),
        (Finding("csrf-01", "high", "cross-site"), PROXIED, "front.same-site"),
        (Finding("csrf-01", "high", "cross-site"), SITE, "settings.adminAuth"),
        (Finding("editor-01", "high", "editor-served"), SITE, "settings.disableEditor"),
        (Finding("editor-01", "high", "editor-open"), EDITED, "settings.adminAuth"),
        (Finding("editor-03", "medium", "framed", "editor"), SITE, "front.headers settings.disableEditor"),
        (Finding("editor-03", "medium", "framed", "/ui"), SITE, "front.headers front.gate./ui"),
        (Finding("version-01", "low", "release-told", "GET /red/about"), EDITED, "front.release"),
        (Finding("patch-01", "high", "CVE-2026-71269"), SITE, "settings.disableEditor"),
        (Finding("patch-01", "high", "CVE-2026-71269"), EDITED, "front.unfixed"),
        (Finding("patch-01", "high", "node-red#5868"), EDITED, "front.unfixed"),
        (Finding("version-01", "low", "release-told", "GET /settings"), EDITED, "settings.adminAuth"),
        (Finding("origin-01", "high", "foreign-origin", "/comms"), SITE, "settings.adminAuth"),
        (Finding("origin-01", "high", "foreign-origin", "/ui"), SITE, "settings.origin front.gate./ui"),
        (Finding("flow-01", "high", "undeclared-udp"), SITE, "policy.listens"),
        (Finding("flow-01", "high", "undeclared-coap"), SITE, "other.flow-01.undeclared-coap"),
        (Finding("dash-05", "high", "acts", "/ui"), SITE, "flows.acting"),
        (Finding("flow-05", "high", "public-widget"), SITE, "flows.acting"),
        (Finding("flow-05", "high", "public-endpoint"), SITE, "other.flow-05.public-endpoint"),
        (Finding("dash-06", "high", "channel-refused", "/ui"), SITE, "front.gate./ui"),
        (Finding("dash-06", "high", "account-refused", "/ui"), SITE, "other.dash-06.account-refused"),
        (Finding("admin-08", "high", "account-refused"), SITE, "other.admin-08.account-refused"),
        (Finding("admin-08", "high", "reader-writes"), SITE, "settings.account"),
        (Finding("admin-10", "high", "x", "", "node-red-x 1.0 is installed, as"), SITE, "package.node-red-x"),
        (Finding("admin-10", "high", "x", "", "a 1.0 is installed, as"), PROXIED, "front.gate./ package.a"),
        (Finding("admin-10", "high", "x"), SITE, "other.admin-10.x"),
        (Finding("patch-02", "high", "x", "", "node-red-x 1.0, as GET"), SITE, "package.node-red-x"),
        (Finding("patch-02", "high", "x", "", "?"), SITE, "other.patch-02.x"),
        (Finding("static-02", "high", "hole"), SITE, "front.dots"),
        (Finding("admin-02", "critical", "served"), SITE, "settings.tokens settings.adminAuth"),
        (Finding("admin-02", "critical", "served"), PROXIED, "front.gate./"),
        (Finding("proxy-05", "critical", "bearer", "/ui/socket.io bearer"), SITE, "front.gate./ui front.ways"),
        (Finding("proxy-05", "critical", "bearer", "GET /settings bearer"), SITE, "front.ways"),
        (
            Finding("roots-01", "critical", "undeclared", "", "GET below /ui, without"),
            SITE,
            "front.gate./ui front.ways",
        ),
        (Finding("roots-01", "critical", "undeclared", "", "GET below /x, without"), SITE, "front.ways"),
        (Finding("roots-01", "critical", "undeclared"), PROXIED, "front.gate./ front.ways"),
        (
            Finding("roots-01", "medium", "undeclared-login", remedy="leave the path out of the URL, if so"),
            SITE,
            "other.roots-01.undeclared-login",
        ),
        (Finding("cred-02", "high", "known-password", remedy="settings.js: x"), SITE, "settings.passwords"),
        (Finding("cred-02", "high", "known-password", remedy="a password"), SITE, "front.accounts"),
        (Finding("cred-01", "critical", "any-password", remedy="settings.js: x"), SITE, "other.cred-01.any-password"),
        (Finding("cred-02", "critical", "any-password", remedy="settings.js: x"), SITE, "other.cred-02.any-password"),
        (Finding("cred-02", "critical", "any-password", "/ui", remedy="x"), SITE, "front.gate./ui front.ways"),
        (Finding("host-05", "high", "no-such-code"), SITE, "other.host-05.no-such-code"),
        (Finding("host-10", "high", "no-restart"), SITE, "host.unit"),
        (Finding("host-20", "low", "catalogue"), SITE, "settings.externalModules"),
        (Finding("site-01", "high", "assert"), SITE, "other.site-01.assert"),
    ],
    ids=lambda value: f"{value.control} {value.code}" if isinstance(value, Finding) else "",
)
def test_the_table(finding: Finding, site: Site, names: str) -> None:
    assert changes(finding, site) == tuple(names.split())


def test_what_one_change_ends_alone_decides_for_what_has_a_choice() -> None:
    framed = Finding("editor-03", "medium", "framed", "/ui")
    hsts = Finding("http-06", "medium", "missing", "/ui")
    assert ids([framed, FOUND], SITE) == ["front.gate./ui"]
    assert ids([framed, hsts], SITE) == ["front.headers"]
    assert ids([framed], SITE) == ["front.headers"]  # preferred
    assert ids([], SITE) == []


def test_tls_comes_before_what_needs_it() -> None:
    editor = Finding("editor-01", "critical", "served")
    plain = Finding("http-01", "critical", "served")
    none = Finding("tls-01", "high", "no-tls")
    old = replace(none, control="tls-07", code="accepted")
    assert ids([FOUND, plain, old], SITE) == ["front.gate./ui", "front.redirect", "front.tls"]
    assert ids([editor, FOUND, plain, none], SITE) == [
        *("settings.disableEditor", "front.tls", "front.gate./ui", "front.redirect"),
    ]


@pytest.mark.parametrize(
    ("remedy", "where"),
    [("settings.js: x", Where.SETTINGS), ("nginx: x", Where.FRONT), ("chmod 0600 x", Where.HOST)],
)
def test_a_change_without_a_name_is_the_rules_own_remedy(remedy: str, where: Where) -> None:
    made = change("other.x.y", SITE, Finding("x", "low", "y", remedy=remedy))
    assert (made.where, made.title) == (where, remedy)
    assert change("package.a", SITE, Finding("x", "low", "y", remedy="npm update a")).where is Where.PACKAGE


def test_an_account_that_is_refused_is_corrected_where_it_comes_from() -> None:
    refused = Finding("admin-08", "high", "account-refused", remedy="correct the password in PLANT_PASSWORD, or x")
    made = change("other.admin-08.account-refused", SITE, refused)
    assert (made.where, made.title) == (Where.CREDENTIALS, refused.remedy)


def test_what_the_policy_file_says_is_changed_there() -> None:
    """And not on the host: a declared path that nobody serves, a waiver that nothing needs."""
    absent, unneeded = Finding("site-01", "high", "declared-but-absent"), Finding("waiver-01", "medium", "unneeded")
    assert {change("other.x", SITE, finding).where for finding in (absent, unneeded)} == {Where.POLICY}


def test_a_failed_assert_of_the_site_leads_to_its_test() -> None:
    made = change("other.site-01.assert", SITE, Finding("site-01", "low", "assert", observed="assert 200 == 401"))
    assert made.title == "see why site-01 fails: assert 200 == 401"


def test_who_asks_from_the_same_machine_is_told_in_the_plan_too() -> None:
    answers = Finding("proxy-01", "critical", "answers", remedy="settings.js: x")
    assert change("settings.uiHost", SITE, answers).title == 'uiHost: "127.0.0.1"'
    here = change("settings.uiHost", SITE, replace(answers, remedy=f"settings.js: x; {SAME_MACHINE}"))
    assert here.title == 'uiHost: "127.0.0.1", and ask at the network address'
    assert "in a firewall. You are asking from the same machine: set `connect` to" in here.breaks


def test_the_plan_says_that_the_ca_file_is_of_another_ca() -> None:
    unknown = Finding("tls-01", "critical", "unknown-ca", remedy="if this CA is yours, pass its root")
    assert "for a private CA add --nodered-ca-file=ROOT" in change("front.certificate", SITE, unknown).title
    other = change("front.certificate", SITE, replace(unknown, remedy=f"it ends at `CN=x`, {OTHER_CA} other.pem: x"))
    assert other.title.startswith("the file given with --nodered-ca-file is of another CA than the certificate: give ")
    assert other.title.endswith(
        "; otherwise present a certificate for this name, with its whole chain, renewed in time"
    )


def test_the_plan_names_the_node_js_to_install() -> None:
    remedy = "install Node.js 24.18.1 or newer, then restart Node-RED"
    assert change("host.nodejs", SITE, Finding("patch-03", "medium", "node-behind", remedy=remedy)).title == remedy
    unnamed = change("host.nodejs", SITE, Finding("patch-03", "medium", "node-behind"))
    assert unnamed.title.startswith("install a maintained Node.js")


def test_a_gate_says_whether_a_channel_is_behind_it() -> None:
    assert (
        change("front.gate./ui", SITE, FOUND).title
        == "require a login for /ui, everything below it and its live channel"
    )
    assert (
        change("front.gate./api/orders", SITE, FOUND).title == "require a login for /api/orders and everything below it"
    )


def test_what_to_mind_with_a_login_before_a_page_that_refuses_everybody() -> None:
    shut = replace(SITE, shut=("/ui", "/dashboard"))
    alone, everything = (change(f"front.gate.{path}", shut, FOUND).breaks for path in ("/ui", "/"))
    assert "another login at this host name has a different realm. /ui refuses everybody today" in alone
    assert "/ui and /dashboard refuse everybody today, without asking for a login" in everything
    assert "today" not in change("front.gate./api/orders", shut, FOUND).breaks
    assert "today" not in change("front.gate./", SITE, FOUND).breaks


def test_passwords_that_crossed_in_clear_are_changed() -> None:
    assert "change them" in change("front.tls", SITE, Finding("tls-01", "high", "no-tls")).breaks
    assert "change them" not in change("front.tls", SITE, Finding("tls-07", "high", "old-version")).breaks


def test_traefik_is_not_said_to_add_flags_to_cookies() -> None:
    finding = Finding("cookie-01", "medium", "unguarded")
    titles = [change("front.cookies", replace(SITE, front=front), finding).title for front in ("nginx", "traefik")]
    assert titles[0] == "give every cookie Secure, HttpOnly and SameSite"
    assert titles[1].startswith(f"{titles[0]} where it is set")


def test_paths_of_a_site() -> None:
    site = replace(SITE, node_root="/nr", dashboards=("/ui", "/ui/old"), public=("/api/orders",), port=8443)
    assert site.gated[:2] == ("/nr/flexdash/io", "/nr/ui")
    assert "/nr/ui/old/socket.io" in site.sockets
    assert "/nr/endpoint/ui" in replace(site, found_roots=("/nr/endpoint",)).gated
    assert (site.origin, replace(site, host="::1", port=443).origin) == ("https://plant.example:8443", "https://[::1]")
    assert (site.comms, replace(EDITED, admin_root="/admin").comms) == ("", "/admin/comms")
