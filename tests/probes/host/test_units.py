"""Units of systemd and of other managers, and what their environment holds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from probes.host.layouts import OPS, PROCESS, SETTINGS, UNITS, inside, part, sections_of, trouble

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.host import parse, processes
from pytest_nodered_sec.probes.host.gather import environment_of_unit
from pytest_nodered_sec.probes.host.parse import Section

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host import Supervision


def test_a_unit_is_found_by_every_name_it_has() -> None:
    seen: Supervision = part(inside(sections_of(**{"security_nodered.service": Section(
        "→ Overall exposure level for nodered.service: 9.2 UNSAFE 😨", 0)})), "supervision")  # fmt: skip
    assert seen.unit is not None
    assert (seen.unit.get("Restart"), seen.exposure) == ("on-failure", 9.2)
    units = parse.units(Section(UNITS, 0))
    assert units["node-red.service"] is units["nodered.service"]


def test_a_host_without_a_service_manager_is_an_error() -> None:
    none = {name: section for name, section in sections_of().items() if name != "units"}
    assert "has no systemctl" in trouble(inside(none), "supervision")
    bus = Section("System has not been booted with systemd as init system (PID 1). Can't operate.", 1)
    assert "not been booted with systemd" in trouble(inside(sections_of(units=bus)), "supervision")


def test_what_a_unit_starts_with() -> None:
    text = (
        "Id=nodered.service\n"
        "ExecStart={ path=/usr/bin/env ; argv[]=/usr/bin/env node-red -u /data -D (hidden) ; ignore_errors=no ; pid=0 }"
    )
    expected = ("/usr/bin/env", "node-red", "-u", "/data", "-D", "(hidden)")
    assert parse.starts(Section(text, 0), "nodered.service") == expected
    assert parse.starts(Section(text, 0), "other.service") == ()
    assert parse.starts(None, "nodered.service") == ()


def test_files_that_a_units_environment_comes_from() -> None:
    units = UNITS.replace("NoNewPrivileges=yes", "EnvironmentFiles=/etc/default/red (ignore_errors=no)\n"
                          "EnvironmentFiles=/etc/none (ignore_errors=yes)", 1)  # fmt: skip
    later = {
        "key:/etc/default/red": Section("644 0 0 root root 1700000000 /etc/default/red", 0),
        "key:/etc/default": Section("755 0 0 root root 1700000000 /etc/default", 0),
        "key:/etc/none": Section("stat: cannot statx '/etc/none': No such file or directory", 1),
        "key:/etc/ssl/plant.key": Section("sudo: a password is required", 1),  # somebody else's affair
    }
    told = "nodered.service /etc/red.secret\nother.service /etc/x\nnodered.service /etc/red.secret"
    sections = {**sections_of(), "units": Section(units, 0), "credentials": Section(told, 0)}
    assert environment_of_unit(sections, "nodered.service") == ("/etc/default/red", "/etc/none", "/etc/red.secret")
    sections.pop("credentials")
    assert environment_of_unit(sections, "nodered.service") == ("/etc/default/red", "/etc/none")
    seen = part(inside(sections, later=later), "files", "environment files")
    [[file, above]] = seen.files
    assert (file.path, file.mode, file.folder, above.folder) == ("/etc/default/red", 0o644, False, True)
    assert part(inside(sections_of()), "files", "environment files").files == ()
    denied = {**later, "key:/etc/default/red": Section("sudo: a password is required", 1)}
    assert "/etc/default/red cannot be inspected" in trouble(
        inside(sections, later=denied), "files", "environment files"
    )


def test_the_service_of_a_users_own_manager_is_not_the_machines() -> None:
    group = "cgroup 0::/user.slice/user-65534.slice/user@65534.service/app.slice/nodered.service"
    text = PROCESS.replace("cgroup 0::/system.slice/nodered.service", group)
    [candidate] = processes.candidates({"process 812": Section(text, 0), "units": Section(UNITS, 0)}, OPS)
    assert (candidate.process.unit, candidate.vouched) == ("", False)


@pytest.mark.parametrize(
    ("group", "parent", "expected"),
    [
        ("/system.slice/nodered.service", "systemd", ("nodered.service", "", "")),
        (
            "/user.slice/user-998.slice/user@998.service/app.slice/nodered.service",
            "systemd",
            ("", "nodered.service", ""),
        ),
        ("/user.slice/user-998.slice/user@998.service/nodered.service", "systemd", ("", "nodered.service", "")),
        ("/user.slice/user-998.slice/user@998.service/init.scope", "bash", ("", "", "")),
        ("/system.slice/supervisor.service", "supervisord", ("supervisor.service", "", "supervisord")),
        ("/system.slice/supervisor.service", "sh", ("supervisor.service", "", "supervisord")),
        ("/system.slice/pm2-pi.service", "PM2 v5.3.0: God", ("pm2-pi.service", "", "pm2")),
        ("/user.slice/user-998.slice/session-3.scope", "PM2 v5.3.0: God", ("", "", "pm2")),
    ],
)
def test_who_keeps_node_red_is_told_by_its_control_group_and_its_parent(
    group: str, parent: str, expected: tuple[str, str, str]
) -> None:
    text = PROCESS.replace("/system.slice/nodered.service", group).replace("PPid 1", f"PPid 7\nparent {parent} ")
    gathered = inside(sections_of(process_812=Section(f"{text}\nlingers yes", 0)))
    process = gathered.node_red.process
    assert (process.unit, process.user_unit, process.manager) == expected
    assert process.lingers
    seen: Supervision = part(gathered, "supervision")
    assert seen.process == process
    assert not expected[1] or "own systemd, which lingers" in seen.evidence()
    assert not expected[2] or seen.evidence().startswith(f"{expected[2]} keeps ")


def test_a_users_own_systemd_tells_of_its_service() -> None:
    group = "/user.slice/user-998.slice/user@998.service/app.slice/red.service"
    text = PROCESS.replace("/system.slice/nodered.service", group)
    gathered = inside(sections_of(process_812=Section(text, 0)))
    shown = {**SETTINGS, "ownUnit": {"Restart": "always", "UnitFileState": "enabled"}}
    assert part(replace(gathered, settings=shown), "supervision").unit.get("Restart") == "always"
    late = {**shown, "loaded": [{"path": "/home/nodered/.config/systemd/user/red.service", "changed": 1_700_000_350}]}
    assert "red.service was changed 300 s after" in trouble(replace(gathered, settings=late), "supervision")
    unseen = ProbeError("no right", Cause.FORBIDDEN)
    assert part(replace(gathered, settings=unseen), "supervision").unit is None


def test_the_environment_of_a_users_own_service_is_as_private_as_its_files() -> None:
    group = "/user.slice/user-998.slice/user@998.service/app.slice/red.service"
    gathered = inside(sections_of(process_812=Section(PROCESS.replace("/system.slice/nodered.service", group), 0)))
    step = {"path": "/home/nodered/red.env", "mode": 0o644, "uid": 998, "gid": 998, "folder": False, "own": True,
            "mount": False, "acl": False}  # fmt: skip
    shown = {**SETTINGS, "ownUnit": {"Id": "red.service"}, "kinds": {"environment files": [{"steps": [step]}]}}
    seen = part(replace(gathered, settings=shown), "files", "environment files")
    assert ([file.path for [file] in seen.files], seen.user_dir) == (["/home/nodered/red.env"], "red.service")
    unseen = trouble(replace(gathered, settings=SETTINGS), "files", "environment files")
    assert "which files red.service has its environment from is not shown by the systemd of nodered" in unseen
    unread = ProbeError("no right", Cause.FORBIDDEN)
    assert trouble(replace(gathered, settings=unread), "files", "environment files") == "no right"


def test_secrets_in_a_unit_are_named_by_their_names_and_by_what_the_settings_take() -> None:
    lines = ["nodered.service environment API_TOKEN", "nodered.service environment LINE7", "nodered.service define",
             "nodered.service environment TOKEN_TTL", "nodered.service command adminPassword",
             "nodered.service define credentialSecret", "other.service environment SECRET",
             "nodered.service elsewhere SECRET", "nodered.service environment TZ"]  # fmt: skip
    told = {**SETTINGS, "secretVariables": ["LINE7"]}
    seen = part(
        inside(sections_of(variables=Section("\n".join(lines), 0)), settings=told), "files", "environment files"
    )
    assert seen.told == (
        "Environment=API_TOKEN",
        "Environment=LINE7",
        "ExecStart= sets adminPassword",
        "ExecStart= defines credentialSecret",
    )
    unread = ProbeError("no right", Cause.FORBIDDEN)
    gathered = inside(sections_of(variables=Section("\n".join(lines), 0)), settings=unread)
    assert "Environment=LINE7" not in part(gathered, "files", "environment files").told


def test_files_that_a_service_mounts_from_elsewhere_are_not_judged() -> None:
    apart = {**SETTINGS, "apart": {"flows": "/home/nodered/.node-red/flows.json"}}
    assert "flows.json from another place of the host" in trouble(
        inside(sections_of(), settings=apart), "files", "flows"
    )


def test_what_pm2_says_of_node_red_is_judged_with_the_service_that_starts_it() -> None:
    text = PROCESS.replace("/system.slice/nodered.service", "/user.slice/user-998.slice/session-3.scope")
    units = UNITS + "\n\nId=pm2-nodered.service\nLoadState=loaded\nUnitFileState=enabled"
    sections = sections_of(process_812=Section(f"{text}\nparent PM2 v6: God ", 0), units=Section(units, 0))
    kept = {**SETTINGS, "kept": {"restarts": True, "starts": False}}
    seen = part(inside(sections, settings=kept), "supervision")
    assert (seen.unit.name, seen.restarts, seen.starts) == ("pm2-nodered.service", True, False)
    absent = replace(inside(sections, settings=kept), found={**sections, "units": Section(UNITS, 0)})
    assert part(absent, "supervision").unit is None


STARTED = """graphical.target

Id=nodered.service
Names=nodered.service line.service
WantedBy=multi-user.target
RequiredBy=loop.service

Id=loop.service
BoundBy=loop.service nodered.service

Id=multi-user.target
Names=multi-user.target runlevel3.target
"""
BEHIND = "\nId=graphical.target\nNames=graphical.target default.target\n"


@pytest.mark.parametrize(
    ("told", "state", "starts"),
    [
        (STARTED + "RequiredBy=graphical.target\n" + BEHIND, "disabled", True),
        (STARTED, "enabled", False),
        (STARTED, "generated", False),
        (STARTED.replace("graphical.target", "multi-user.target"), "static", True),
        (STARTED.replace("graphical.target", "multi-user.target"), "enabled-runtime", False),
        (STARTED.replace("Names=multi-user.target", "Names=default.target"), "linked", True),
        ("graphical.target\n\nId=x.service", "enabled", True),  # nothing is told of this one
        ("graphical.target\n\nId=x.service", "static", False),
        (None, "enabled", True),
        (None, "transient", False),
    ],
)
def test_what_starts_with_the_machine(told: str | None, state: str, starts: bool) -> None:
    units = UNITS.replace("UnitFileState=enabled", f"UnitFileState={state}")
    more = {} if told is None else {"started-by": Section(told, 0)}
    seen: Supervision = part(inside({**sections_of(), "units": Section(units, 0), **more}), "supervision")
    assert seen.unit is not None
    assert seen.unit.starts_at_boot is starts
