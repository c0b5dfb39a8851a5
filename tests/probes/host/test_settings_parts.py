"""What settings.js and the flows come to for each control, and when they prove nothing."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from probes.host.layouts import OPS, PROCESS, SETTINGS, input_of, inside, part, running, sections_of, trouble

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.host_settings import ChannelSettings, Egress, LoginSettings
from pytest_nodered_sec.policy.model import HostDemands
from pytest_nodered_sec.probes.host.gather import evaluate
from pytest_nodered_sec.probes.host.parse import Section
from pytest_nodered_sec.probes.host.starting import node_of

EGRESS = {"disableEditor": False, "httpAdminRoot": "", "paletteInstall": "unset", "paletteEditable": "unset",
          "telemetry": "on", "catalogues": ["catalogue.nodered.org"], "assistant": "unset"}  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "chosen", "silenced", "telemetry", "catalogues"),
    [
        ({}, "unset", False, ("on", "settings.js"), True),
        ({}, "unset", True, ("off", "NODE_RED_DISABLE_TELEMETRY or --no-telemetry"), True),
        ({}, "off", False, ("off", "a user of the editor"), True),
        ({"telemetry": "off"}, "on", True, ("on", "a user of the editor"), True),
        ({"telemetry": "unset", "disableEditor": True}, "unset", False, ("unset", ""), False),
        ({"httpAdminRoot": "false", "catalogues": None}, "unset", False, ("on", "settings.js"), False),
        ({"paletteInstall": "false"}, "unset", False, ("on", "settings.js"), False),
        ({"paletteEditable": "false"}, "unset", False, ("on", "settings.js"), False),
    ],
)
def test_what_leaves(
    settings: dict[str, Any], chosen: str, silenced: bool, telemetry: tuple[str, str], catalogues: bool
) -> None:
    assistant = [["@flowfuse/nr-assistant", "0.18.1"], ["node-red-dashboard", "3.6.6"]]
    told = {**SETTINGS, "settings": {**SETTINGS["settings"], **EGRESS, **settings},
            "telemetry": {"chosen": chosen, "silenced": silenced},
            "versions": {**SETTINGS["versions"], "modules": assistant}}  # fmt: skip
    seen: Egress = part(inside(sections_of(), settings=told), "egress")
    assert (seen.telemetry, seen.said_by) == telemetry
    assert seen.catalogues == (("catalogue.nodered.org",) if catalogues else ())
    assert seen.assistants == (("@flowfuse/nr-assistant", "0.18.1"),)
    assert part(inside(sections_of(), settings=told), "patch level").modules == (("node-red-dashboard", "3.6.6"),)


@pytest.mark.parametrize(
    ("settings", "define", "closed", "lacking"),
    [
        ({"disableEditor": True}, False, "disableEditor: true in /home/nodered/.node-red/settings.js", ""),
        ({"httpAdminRoot": "false"}, False, "httpAdminRoot: false in /home/nodered/.node-red/settings.js", ""),
        (
            {},
            False,
            "",
            "the editor is enabled in /home/nodered/.node-red/settings.js; what the front refuses: patch-01",
        ),
        ({"disableEditor": True}, True, "", "Node-RED was started with -D"),
    ],
)
def test_what_no_release_fixes_is_closed_by_the_settings_that_run(
    settings: dict[str, Any], define: bool, closed: str, lacking: str
) -> None:
    told = {**SETTINGS, "define": define, "settings": {**SETTINGS["settings"], **settings}}
    seen = part(inside(sections_of(), settings=told), "patch level").exposures
    assert [exposure.id for exposure in seen] == ["CVE-2026-71269", "node-red#5868"]
    assert all(exposure.closed == closed and exposure.lacking.startswith(lacking) for exposure in seen)
    assert all(bool(exposure.lacking) == bool(lacking) for exposure in seen)


@pytest.mark.parametrize(
    ("settings", "chosen"), [({"telemetry": "computed"}, "unset"), ({"catalogues": None}, "off"), ({}, "computed")]
)
def test_what_leaves_and_a_module_decides(settings: dict[str, Any], chosen: str) -> None:
    told = {**SETTINGS, "settings": {**SETTINGS["settings"], **EGRESS, **settings},
            "telemetry": {"chosen": chosen, "silenced": False}}  # fmt: skip
    assert "does not tell what telemetry or the palette's catalogues come to" in trouble(
        inside(sections_of(), settings=told), "egress"
    )


def test_what_is_not_seen_is_not_nothing() -> None:
    """An empty table of sockets, a unit's environment that nobody told, a file whose date is not to be seen."""
    assert "listens on cannot be seen" in trouble(inside(sections_of(sockets_812=Section("", 0))), "listening")
    silent = sections_of(units=Section("Failed to connect to bus", 1))
    assert "systemctl does not answer" in trouble(inside(silent), "files", "environment files")
    hidden = sections_of(units=Section("Id=nodered.service\nFragmentPath=/srv/private/nodered.service", 0))
    denied = Section("stat: cannot statx '/srv/private/nodered.service': Permission denied", 1)
    gathered = inside(hidden, later={"time:/srv/private/nodered.service": denied})
    for name in ("supervision", "freshness"):
        assert "when /srv/private/nodered.service was changed cannot be seen: stat: cannot" in trouble(gathered, name)
    gone = Section("stat: cannot statx '/srv/private/nodered.service': No such file or directory", 1)
    assert part(replace(gathered, later={"time:/srv/private/nodered.service": gone}), "freshness").newer == ()


def test_a_node_that_is_gone_has_no_release() -> None:
    unknown = {**SETTINGS, "versions": {**SETTINGS["versions"], "node": ""}}
    gone = sections_of(**{"process_812": Section(f"{PROCESS}\ndeleted yes", 0)})
    assert "/usr/bin/node was deleted or replaced after Node-RED started" in trouble(
        inside(gone, settings=unknown), "patch level"
    )
    assert "/usr/bin/node is not run to be asked" in trouble(inside(sections_of(), settings=unknown), "patch level")


def test_which_node_is_run() -> None:
    """Its own, where only root or its own user can change it; the host's; or none, and why."""
    sections = {"node": Section("/opt/node/bin/node", 0)}
    assert node_of(running(998, "nodered", theirs=True), sections) == "/usr/bin/node"
    assert node_of(running(998, "nodered", deleted=True), sections) == "/opt/node/bin/node"
    electron = replace(running(998, "nodered", theirs=True), exe="/opt/app/electron")
    assert node_of(electron, sections) == "/opt/node/bin/node"
    none = {"node": Section("", 1)}
    with pytest.raises(ProbeError, match=r"\(/usr/bin/node\) was deleted or replaced after it started, and this"):
        node_of(running(998, "nodered", deleted=True), none)
    with pytest.raises(ProbeError, match="can be changed by others, or is not seen, and this host has no"):
        node_of(running(998, "nodered"), {})


def test_settings_newer_than_the_process_prove_nothing() -> None:
    late = {**SETTINGS, "loaded": [{"path": "/home/nodered/.node-red/settings.js", "changed": 1_700_000_350}]}
    assert "changed 300 s after Node-RED started" in trouble(inside(sections_of(), settings=late), "login")
    seen = part(inside(sections_of(), settings=late), "freshness")
    assert seen.newer == (("/home/nodered/.node-red/settings.js", 300),)


def test_settings_of_another_node_red_prove_nothing() -> None:
    other = {**SETTINGS, "settings": {**SETTINGS["settings"], "uiPort": "1990"}}
    assert "says uiPort 1990, but Node-RED (pid 812" in trouble(inside(sections_of(), settings=other), "login")
    moved = {**other, "port": "1880"}  # -p on the command line
    assert isinstance(part(inside(sections_of(), settings=moved), "login"), LoginSettings)


def test_a_directory_that_was_guessed_must_be_told_by_the_port() -> None:
    unseen = sections_of(**{"fd_812": Section("ls: cannot open directory '/proc/812/fd': Permission denied", 2)})
    assert isinstance(part(inside(unseen), "login"), LoginSettings)  # it was named
    assert "Permission denied" in trouble(inside(unseen, settings={**SETTINGS, "guessed": True}), "login")


def test_settings_that_the_command_line_overrides_prove_nothing() -> None:
    overridden = {**SETTINGS, "define": True}
    assert "started with -D" in trouble(inside(sections_of(), settings=overridden), "login")


@pytest.mark.parametrize(
    ("auth", "message"),
    [
        ({"kind": "computed", "module": "node-red-auth-github"}, "made by a node-red-auth-github that is not run here"),
        ({"usersKind": "function"}, "adminAuth.users is made by a function"),
        ({"defaultKind": "function"}, "adminAuth.default is a function"),
        ({"decides": ["tokens"]}, "adminAuth.tokens is a function: whom it lets in is decided at run time"),
    ],
)
def test_logins_that_are_decided_at_run_time_cannot_be_looked_at(auth: dict[str, str], message: str) -> None:
    settings = {**SETTINGS["settings"], "adminAuth": {**SETTINGS["settings"]["adminAuth"], **auth}}
    assert message in trouble(inside(sections_of(), settings={**SETTINGS, "settings": settings}), "login")


def test_a_default_user_without_rights_is_none() -> None:
    for default, permissions, expected in (("powerless", "", ""), ("set", "read", "read"), ("set", "", "*")):
        auth = {"defaultKind": default, "defaultPermissions": permissions}
        settings = {**SETTINGS["settings"], "adminAuth": {**SETTINGS["settings"]["adminAuth"], **auth}}
        seen: LoginSettings = part(inside(sections_of(), settings={**SETTINGS, "settings": settings}), "login")
        assert seen.default == expected


@pytest.mark.parametrize("kind", ["function", "computed"])
def test_a_middleware_in_place_of_a_login_has_no_hash(kind: str) -> None:
    middleware = {"kind": kind, "module": "", "hash": {"scheme": "unset", "cost": 0, "known": ""}}
    settings = {**SETTINGS["settings"], "httpNodeAuth": middleware}
    seen: LoginSettings = part(inside(sections_of(), settings={**SETTINGS, "settings": settings}), "login")
    assert [who for who, _ in seen.hashes] == [who for who, _ in part(inside(sections_of()), "login").hashes]


@pytest.mark.parametrize(
    ("told", "comm", "message"),
    [
        (
            {"others": ["/a/settings.js", "/b/settings.js"]},
            "node-red",
            "may be any of /a/settings.js and /b/settings.js",
        ),
        ({"starter": "pm2"}, "node-red", "is not known: pm2 starts it, with arguments that are not seen"),
        (
            {"starter": "supervisord", "kept": {**SETTINGS["kept"], "trouble": "/etc/s.conf was changed"}},
            "node-red",
            "supervisord starts it, with arguments that are not seen (/etc/s.conf was changed)",
        ),
        ({"form": "it exports a Promise, which"}, "node", "settings.js cannot be evaluated: it exports a Promise"),
        ({"form": "it exports a Promise, which"}, "node-red", ""),
    ],
)
def test_settings_that_may_be_others(told: dict[str, Any], comm: str, message: str) -> None:
    seen = {**SETTINGS, "file": "/data/settings.js", **told}
    way: Any = SimpleNamespace(script=lambda _, program: f"\n{_mark(program)} {json.dumps(seen)}\n", sudo="sudo")
    sections = sections_of(process_812=Section(f"{PROCESS}\nclosed yes", 0))
    red = replace(inside(sections).node_red, comm=comm)
    if message:
        with pytest.raises(ProbeError, match=re.escape(message)):
            evaluate(way, OPS, red, HostDemands(), sections)
    else:
        file = evaluate(way, OPS, red, HostDemands(), sections)["file"]
        assert file == "/data/settings.js (it exports a Promise, which)"


def _mark(program: str) -> str:
    mark: str = input_of(program)["mark"]
    return mark


def test_every_page_of_dashboard_2_is_asked_about() -> None:
    types = {**SETTINGS["types"], "dashboard1": False, "dashboard2": True, "pages": ["/hmi", "dashboard"]}
    unset = {"middleware": "unset", "ioMiddleware": "unset"}
    settings = {**SETTINGS["settings"], "httpNodeRoot": "/red/", "dashboard": unset}
    seen: ChannelSettings = part(
        inside(sections_of(), settings={**SETTINGS, "types": types, "settings": settings}), "channels"
    )
    assert seen.paths == ("/red/hmi", "/red/dashboard")
    assert [name for name, _, _ in seen.dashboards] == ["dashboard", "dashboard"]


def test_dashboards_of_flows_that_cannot_be_read_are_not_known() -> None:
    seen: ChannelSettings = part(inside(sections_of()), "channels")
    assert seen.dashboards == (("ui", False, True),)
    unread = {**SETTINGS, "types": {**SETTINGS["types"], "known": False}}
    assert "cannot be read" in trouble(inside(sections_of(), settings=unread), "channels")


def test_a_release_that_is_not_found_is_not_known() -> None:
    unknown = {**SETTINGS, "versions": {**SETTINGS["versions"], "nodeRed": ""}}
    assert "release is not known" in trouble(inside(sections_of(), settings=unknown), "patch level")


@pytest.mark.parametrize("name", ["login", "files", "patch level", "freshness"])
def test_without_settings_each_part_carries_the_reason(name: str) -> None:
    gone = inside(sections_of(), settings=ProbeError("no Node.js on this side", Cause.FORBIDDEN))
    assert trouble(gone, name, *(["flows"] if name == "files" else [])) == "no Node.js on this side"


def test_a_port_that_a_module_computes_is_no_other_one() -> None:
    computed = {**SETTINGS, "settings": {**SETTINGS["settings"], "uiPort": "computed"}}
    assert part(inside(sections_of(), settings={**computed, "named": True}), "login").kind == "set"
    assert "says uiPort computed" in trouble(inside(sections_of(), settings={**computed, "guessed": True}), "login")
