"""What Node-RED tells of itself: the release, unguarded routes, what is installed, the ways in."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from seen import (
    AUTH,
    BEARER,
    BROKEN,
    ERROR,
    FAIL,
    GATE,
    LOGIN,
    NO_ADMIN,
    NOT_FOUND,
    PASS,
    PROXY_BASIC,
    SETTINGS,
    SKIP,
    STRANGER,
    attempt,
    outcome,
    target,
    violations,
)

from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.account import AdminRoutes, InstallRights, Palette, ReleaseAttempt
from pytest_nodered_sec.observations.answers import Answer, RootView
from pytest_nodered_sec.observations.flows import Entries, Entry
from pytest_nodered_sec.policy import file
from pytest_nodered_sec.policy.model import Endpoint, HostDemands, Interface, Policy, PublicPath
from pytest_nodered_sec.rules.inside import (
    admin_routes_are_guarded,
    nothing_installs_from_the_editor,
    release_is_not_told,
    ways_in_are_declared,
)
from pytest_nodered_sec.verdict import NotApplicable, NotJudged

if TYPE_CHECKING:
    from pathlib import Path

TOLD = "seen in GET /settings as viewer"
LACKING = "not judged without an account that may read"
ABOUT = Answer(200, "application/octet-stream", 40613, likeness=(11, 12))


def asked(answer: Answer, root: RootView, release: str = "", path: str = "/red/about") -> ReleaseAttempt:
    return ReleaseAttempt(attempt(Surface.ADMIN, path, answer, root), release)


@pytest.mark.parametrize(
    ("seen", "letter"),
    [
        (asked(ABOUT, AUTH, "5.0.7"), FAIL),
        (asked(ABOUT, AUTH), PASS),  # a page that names no release
        (asked(NOT_FOUND, AUTH), PASS),
        (asked(BEARER, AUTH), PASS),
        (asked(BROKEN, AUTH), ERROR),
        (asked(NOT_FOUND, NO_ADMIN), SKIP),
        (asked(NOT_FOUND, STRANGER), ERROR),  # reach-01 says that nothing shows a Node-RED
        (asked(PROXY_BASIC, GATE), ERROR),
    ],
    ids=["told", "another page", "404", "401", "500", "no admin API", "nobody", "behind a gate"],
)
def test_the_release_is_told_to_nobody(seen: ReleaseAttempt, letter: str) -> None:
    assert outcome(release_is_not_told, seen, target()) == letter


def test_the_release_that_was_told_is_known() -> None:
    assert asked(ABOUT, AUTH, "5.0.7").node_red == "5.0.7"
    assert asked(NOT_FOUND, AUTH).node_red == ""


def test_an_admin_api_that_is_off_tells_nothing() -> None:
    assert outcome(release_is_not_told, asked(NOT_FOUND, NO_ADMIN), target(admin_api="disabled")) == PASS
    assert outcome(release_is_not_told, asked(NOT_FOUND, STRANGER), target(admin_api="disabled")) == ERROR
    assert outcome(release_is_not_told, asked(PROXY_BASIC, GATE), target(admin_api="proxied")) == PASS


def test_the_remedy_is_where_the_release_is_told() -> None:
    below = replace(AUTH, root="/admin-x/")
    (about,) = violations(release_is_not_told(asked(ABOUT, below, "5.0.7"), Policy()))
    assert about.remedy.startswith("nginx: location ~* ^/admin-x/red/about { return 404; }")
    assert about.observed.endswith("which names release 5.0.7")
    (settings,) = violations(release_is_not_told(asked(SETTINGS, AUTH, "5.0.7", "/settings"), Policy()))
    assert "adminAuth" in settings.remedy


def routes(
    answer: Answer, root: RootView, modules: tuple[tuple[str, str], ...] | None = None, *, gated: bool = False
) -> AdminRoutes:
    login = attempt(Surface.ADMIN, "/auth/login", answer, root)
    return AdminRoutes(
        login, gated, modules, TOLD if modules is not None else "", "" if modules is not None else LACKING
    )


UIBUILDER = (("node-red-contrib-s7", "3.1.3"), ("node-red-contrib-uibuilder", "7.9.0"))


@pytest.mark.parametrize(
    ("seen", "letter"),
    [
        (routes(LOGIN, AUTH, UIBUILDER), FAIL),
        (routes(LOGIN, AUTH, UIBUILDER[:1]), PASS),
        (routes(LOGIN, AUTH, ()), PASS),
        (routes(LOGIN, AUTH), SKIP),
        (routes(NOT_FOUND, NO_ADMIN), SKIP),
        (routes(PROXY_BASIC, GATE, gated=True), ERROR),
        (routes(BROKEN, AUTH, UIBUILDER), ERROR),
    ],
    ids=["unguarded", "guarded ones", "none", "not known", "no admin API", "everything refused", "500"],
)
def test_admin_routes(seen: AdminRoutes, letter: str) -> None:
    assert outcome(admin_routes_are_guarded, seen, target()) == letter


def test_a_gate_before_everything_guards_all_routes() -> None:
    seen = routes(PROXY_BASIC, GATE, gated=True)
    assert outcome(admin_routes_are_guarded, seen, target(admin_api="proxied")) == PASS
    assert seen.evidence() == ('GET /auth/login anonymously answered 401 (Basic realm="plant"), as every path here')


def test_an_unguarded_package_is_named_with_what_it_gives() -> None:
    seen = routes(LOGIN, AUTH, UIBUILDER)
    (violation,) = violations(admin_routes_are_guarded(seen, Policy()))
    assert violation.observed.startswith(
        "node-red-contrib-uibuilder 7.9.0 is installed, seen in GET /settings as viewer"
    )
    assert "seen in 7.7.4" in violation.expected
    assert "npm uninstall node-red-contrib-uibuilder" in violation.remedy
    assert seen.evidence().endswith("; 2 modules, seen in GET /settings as viewer")


@pytest.mark.parametrize(
    ("palette", "codes"),
    [
        (Palette(nodes=False, modules=False), []),
        (Palette(nodes=True, modules=False), ["palette"]),
        (Palette(nodes=False, modules=True), ["function-modules"]),
        (Palette(nodes=True, modules=True), ["palette", "function-modules"]),
    ],
)
def test_what_the_editor_installs(palette: Palette, codes: list[str]) -> None:
    seen = InstallRights(True, palette, TOLD, "")
    assert [violation.code for violation in violations(nothing_installs_from_the_editor(seen, Policy()))] == codes
    assert seen.evidence().endswith(TOLD)
    declared = Policy(host=HostDemands(palette=True))
    assert isinstance(nothing_installs_from_the_editor(seen, declared), NotApplicable)


def test_an_editor_that_is_off_or_not_known_installs_nothing_that_was_seen() -> None:
    off = nothing_installs_from_the_editor(InstallRights(False, None, TOLD, ""), Policy())
    assert off == NotApplicable(f"the editor is off, {TOLD}; see host-09 for the settings")
    unknown = InstallRights(None, None, "", LACKING)
    assert nothing_installs_from_the_editor(unknown, Policy()) == NotJudged(LACKING)
    assert unknown.evidence() == LACKING


SITE = Policy(
    protected_paths=(Endpoint("/api/orders"), Endpoint("/api/:id", "POST")),
    public_paths=(PublicPath("/health", "asked by the load balancer"), PublicPath("/ws/open", "a display")),
    websockets=("/ws/line",),
    interfaces=(Interface("uibuilder", "/panel"),),
    host=HostDemands(listens=("4840 OPC UA, line 7",)),
)


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (Entry("http", "/api/orders", "GET"), ""),
        (Entry("http", "/api/:id", "POST"), ""),
        (Entry("http", "/health", "DELETE"), ""),
        (Entry("websocket", "/ws/line"), ""),
        (Entry("websocket", "/ws/open"), ""),
        (Entry("uibuilder", "/panel"), ""),
        (Entry("tcp", "4840"), ""),
        (
            Entry("http", "/api/orders", "POST"),
            'protected_paths = [{path = "/api/orders", method = "GET", effect = "unknown"}, {path = "/api/:id", '
            'method = "POST", effect = "unknown"}, {path = "/api/orders", method = "POST", effect = "unknown"}]',
        ),
        (
            Entry("http", '/a"b', "GET"),
            'protected_paths = [{path = "/api/orders", method = "GET", effect = "unknown"}, {path = "/api/:id", '
            'method = "POST", effect = "unknown"}, {path = "/a\\"b", method = "GET", effect = "none"}]; effect = '
            '"none" lets the suite send this GET: where that would do harm, write "acts"',
        ),
        (Entry("websocket", "/ws/hall"), 'websockets = ["/ws/line", "/ws/hall"]'),
        (
            Entry("uibuilder", "/hall"),
            'interfaces = [{kind = "uibuilder", path = "/panel"}, {kind = "uibuilder", path = "/hall"}]',
        ),
        (Entry("tcp", "4841"), 'inside.listens = ["4840 OPC UA, line 7", "4841 TCP node of the flows"]'),
        (Entry("dashboard", "/ui"), ""),  # tried where none is declared
        (Entry("worldmap", "/worldmap"), ""),
        (Entry("dashboard", "/hall"), 'dashboards = ["/hall"]'),
        (
            Entry("flexdash", "/hall"),
            'interfaces = [{kind = "uibuilder", path = "/panel"}, {kind = "flexdash", path = "/hall"}]',
        ),
        (Entry("opcua", "4841"), 'inside.listens = ["4840 OPC UA, line 7", "4841 OPCUA node of the flows"]'),
        (Entry("udp", "514"), 'inside.listens = ["4840 OPC UA, line 7", "514 UDP node of the flows"]'),
    ],
    ids=lambda value: value.line() if isinstance(value, Entry) else "",
)
def test_ways_in(entry: Entry, line: str) -> None:
    faults = violations(ways_in_are_declared(Entries((entry,), TOLD, ""), SITE))
    if not line:
        assert faults == ()
        return
    (violation,) = faults
    assert violation.code == f"undeclared-{entry.kind}"
    assert violation.remedy == f"nodered-sec.toml: {line}; or delete the node"


def test_the_lines_for_the_policy_file_stand_in_one_file_together(tmp_path: Path) -> None:
    """Each names the whole key, so that it replaces what stands there, and what is declared or public stays so."""
    public = (PublicPath("/panel", "kiosk"),)
    site = replace(SITE, public_paths=public)
    entries = (
        Entry("http", "/api/stop", "POST"),
        Entry("http", "/api/count", "GET"),
        Entry("websocket", "/ws/hall"),
        Entry("uibuilder", "/hall"),
        Entry("tcp", "4841"),
        Entry("udp", "514"),
    )
    faults = violations(ways_in_are_declared(Entries(entries, TOLD, ""), site))
    lines = dict.fromkeys(
        violation.remedy.removeprefix("nodered-sec.toml: ").partition("; ")[0] for violation in faults
    )
    read = tomllib.loads("\n".join(lines))
    assert [protected_path["path"] for protected_path in read["protected_paths"]] == [
        "/api/orders",
        "/api/:id",
        "/api/stop",
        "/api/count",
    ]
    assert read["websockets"] == ["/ws/line", "/ws/hall"]
    assert read["interfaces"][0] == {"kind": "uibuilder", "path": "/panel", "public": True, "reason": "kiosk"}
    assert [listen.partition(" ")[0] for listen in read["inside"]["listens"]] == ["4840", "4841", "514"]
    (tmp_path / "nodered-sec.toml").write_text("\n".join(lines))
    assert file.read(tmp_path / "nodered-sec.toml")


def test_dashboards_that_are_said_not_to_be_there() -> None:
    none = replace(SITE, dashboards=())
    (violation,) = violations(ways_in_are_declared(Entries((Entry("dashboard", "/dashboard"),), TOLD, ""), none))
    assert violation.code == "undeclared-dashboard"
    assert 'dashboards = ["/dashboard"]' in violation.remedy


def test_ways_in_that_are_not_known() -> None:
    unknown = Entries(None, "", LACKING)
    assert ways_in_are_declared(unknown, SITE) == NotJudged(LACKING)
    assert unknown.evidence() == LACKING
    assert Entries((), TOLD, "").evidence() == f"the flows open no endpoint, {TOLD}"
    some = Entries((Entry("http", "/x", "GET"), Entry("tcp", "4840"), Entry("uibuilder", "/y")), TOLD, "")
    assert some.evidence().startswith("the flows open http-in GET /x, TCP port 4840, uibuilder /y, ")
