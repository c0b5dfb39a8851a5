"""What the host's answers are taken for: recorded and simulated layouts that no test machine can have all at once.

All of them are simulated: no machine of these tests runs systemd or Docker. The texts have the form of
    systemctl show --no-pager -p Id,Names,LoadState,ActiveState,UnitFileState,Restart,Result,Triggers nodered.service
    docker inspect --format '{{json .NetworkSettings.Ports}} {{.HostConfig.NetworkMode}} …' CONTAINER
of systemd 252 and Docker 24; run the lines of probes/host/host.sh on a real machine to compare.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import ssl
import subprocess
import zlib
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.host import (
    Identity,
    Listening,
    ListeningSocket,
    NodeRedProcess,
    Renewal,
    Supervision,
)
from pytest_nodered_sec.observations.host_proxies import CaddyConfig, NginxConfig, NginxService
from pytest_nodered_sec.observations.host_settings import ChannelSettings, Egress, LoginSettings
from pytest_nodered_sec.observations.twins import MachineMarks
from pytest_nodered_sec.policy.model import HostDemands
from pytest_nodered_sec.probes.host import fronts, parse, places, processes
from pytest_nodered_sec.probes.host.candidate import Candidate
from pytest_nodered_sec.probes.host.gather import SCRIPT, Inside, Nginx, environment_of_unit, evaluate
from pytest_nodered_sec.probes.host.nginx import tree
from pytest_nodered_sec.probes.host.parse import Me, Section
from pytest_nodered_sec.probes.host.parts import look_inside
from pytest_nodered_sec.probes.host.processes import choose
from pytest_nodered_sec.probes.host.starting import as_user, node_of

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec.observations.host_files import KeyAccess
    from pytest_nodered_sec.observations.host_fronts import FrontConfig

BOX = "8f4e0c1d" * 8
OPS = Me(1000, "ops", sudo=False, now=1_700_001_000.0, uptime=1000.0, ticks=100.0)
PROCESS = """comm node-red
same 998
PPid 1
Uid 998
user nodered
ticks 5000
cwd /home/nodered
exe /usr/bin/node
cgroup 0::/system.slice/nodered.service
args node-red      """
SOCKETS = """tcp 0100007F:0758 111
tcp 00000000:0016 999
tcp6 00000000000000000000000000000000:10E0 112
tcp6 0000000000000000FFFF00000700A8C0:10E1 113
udp 00000000:14E9 114
unix /run/nodered/nr.sock 115
unix  116"""
FILES = "\n".join(f"lrwx------ 1 nodered nodered 64 Nov 23 22 -> socket:[{number}]" for number in range(111, 117))
PORTS = """0758 998 111
0016 0 999
10E0 998 112"""
UNITS = """Id=nodered.service
Names=nodered.service node-red.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled
Restart=on-failure
NoNewPrivileges=yes

Id=nginx.service
Names=nginx.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled

Id=certbot.timer
Names=certbot.timer
LoadState=loaded
ActiveState=active
UnitFileState=enabled
Triggers=certbot.service

Id=certbot.service
Names=certbot.service
LoadState=loaded
ActiveState=inactive
Result=success"""
UNSET = {"scheme": "unset", "cost": 0, "known": "", "mark": ""}
WORDS = (
    "httpRoot paletteInstall paletteUpload paletteEditable moduleInstall functionExternalModules telemetry assistant "
    "credentialSecret"
)
LOCK: dict[str, Any] = {
    "folder": "/home/nodered/.node-red", "lock": "", "broken": "", "version": 0, "silent": False,
    "packages": [], "unlocked": [], "registries": [], "elsewhere": [], "scripts": [],
}  # fmt: skip
SETTINGS: dict[str, Any] = {
    "file": "/home/nodered/.node-red/settings.js",
    "userDir": "/home/nodered/.node-red",
    "loaded": [{"path": "/home/nodered/.node-red/settings.js", "changed": 1_699_000_000}],
    "types": {"known": True, "dashboard1": True, "dashboard2": False, "pages": [], "webSockets": []},
    "versions": {"nodeRed": "5.0.7", "node": "24.1.0", "modules": [], "packages": []},
    "ownUnit": {}, "guessed": False, "named": False, "others": [], "starter": "", "define": False, "form": "",
    "kinds": {}, "groups": {}, "apart": {}, "port": "", "inspectors": [], "asked": [], "secretVariables": [],
    "kept": {"args": [], "restarts": None, "starts": None, "files": [], "trouble": ""},
    "nodes": [], "lock": LOCK, "caddies": [], "telemetry": {"chosen": "unset", "silenced": False},
    "flows": {"file": "/home/nodered/.node-red/flows.json", "nodes": [], "secrets": []},
    "settings": {
        "uiPort": "1880", "httpNodeRoot": "", "disableEditor": False, "httpAdminRoot": "",
        "ui": {"path": "", "middleware": "unset", "ioMiddleware": "function"},
        "dashboard": {"middleware": "unset", "ioMiddleware": "unset"},
        "webSocketNodeVerifyClient": "unset", "audit": False, "catalogues": [], "adminCookie": [], "cors": [],
        **dict.fromkeys(WORDS.split(), "unset"),
        "adminAuth": {"kind": "set", "module": "", "type": "credentials", "users": [], "usersKind": "list",
                      "defaultKind": "unset", "defaultPermissions": "", "decides": []},
        **{name: {"kind": "unset", "module": "", "hash": UNSET}
           for name in ("httpAdminAuth", "httpNodeAuth", "httpStaticAuth")},
    },
}  # fmt: skip


def sections_of(**more: Section) -> dict[str, Section]:
    base = {
        "self": Section("0::/user.slice", 0),
        "process 812": Section(PROCESS, 0),
        "sockets 812": Section(SOCKETS, 0),
        "fd 812": Section(FILES, 0),
        "units": Section(UNITS, 0),
        "cron": Section("", 1),
    }
    return {**base, **{name.replace("_", " ", 1): section for name, section in more.items()}}


def inside(sections: dict[str, Section], **changes: Any) -> Inside:
    [candidate] = processes.candidates(sections, OPS)
    values: dict[str, Any] = {
        "demands": HostDemands(), "url": "https://plant.example", "who": OPS, "found": sections,
        "node_red": candidate, "docker": None, "networks": None,
        "in_container": False,
        "connected": False, "served": "", "settings": SETTINGS, "nginx": None,
        "later": {"time:/etc/nginx/nginx.conf": Section("1600000000 1600000000", 0)},
    }  # fmt: skip
    return Inside(**{**values, **changes})


def part(gathered: Inside, *name: str) -> Any:
    look: Any = SimpleNamespace()
    return look_inside(look, gathered, *name)


def trouble(gathered: Inside, *name: str) -> str:
    with pytest.raises(ProbeError) as caught:
        part(gathered, *name)
    return caught.value.message


# --- processes and sockets


def test_a_service_is_found_with_its_start_and_its_sockets() -> None:
    seen: Listening = part(inside(sections_of()), "listening")
    assert (seen.process.unit, seen.process.started) == ("nodered.service", 1_700_000_050.0)
    assert seen.sockets == tuple(
        sorted(
            [
                ListeningSocket("tcp", "127.0.0.1", 1880),
                ListeningSocket("tcp6", "::", 4320),
                ListeningSocket("tcp6", "192.168.0.7", 4321),
                ListeningSocket("udp", "0.0.0.0", 5353),  # noqa: S104  only read
                ListeningSocket("unix", "/run/nodered/nr.sock"),
                ListeningSocket("unix", "(unnamed)"),
            ]
        )
    )


def test_open_files_that_are_not_ours_to_see_are_an_error_that_names_the_right() -> None:
    denied = Section("ls: cannot open directory '/proc/812/fd': Permission denied", 2)
    message = trouble(inside(sections_of(**{"fd_812": denied})), "listening")
    assert "Permission denied" in message
    assert "?sudo=true" in message


@pytest.mark.parametrize(
    ("comm", "args", "is_one"),
    [
        ("node-red", "node-red", True),
        ("node", "node /usr/lib/node_modules/node-red/red.js -u /data", True),
        ("MainThread", "/usr/bin/node /usr/bin/node-red --userDir /data", True),
        ("node-red-admin", "node-red-admin", False),
        ("node", "node /home/ops/grep-node-red-logs.js", False),
        ("sh", "sh -c echo node-red/red.js", False),
    ],
)
def test_who_is_a_node_red(comm: str, args: str, is_one: bool) -> None:
    text = PROCESS.replace("comm node-red", f"comm {comm}").replace("args node-red", f"args {args}")
    assert bool(processes.candidates({"process 812": Section(text, 0)}, OPS)) is is_one


def test_a_node_red_inside_an_application_is_found_by_its_port_or_its_service() -> None:
    """Simulated: `node app.js` with require("node-red"), which has no title of its own."""
    app = PROCESS.replace("comm node-red", "comm node").replace("args node-red", "args node /srv/app.js")
    alone = app.replace("cgroup 0::/system.slice/nodered.service", "cgroup 0::/system.slice/line.service")
    main = Section("Id=nodered.service\nMainPID=812\nUser=nodered", 0)
    seen = {"sockets 812": Section(SOCKETS, 0), "fd 812": Section(FILES, 0)}
    sections = {**seen, "units": main, "ports": Section(PORTS, 0)}
    for text, port, there in ((app, 0, True), (alone, 1880, True), (alone, 1881, False), (alone, 0, False)):
        assert bool(processes.candidates({"process 812": Section(text, 0), **sections}, OPS, port)) is there
    titled = {"process 812": Section(alone, 0), "process 900": Section(PROCESS, 0), **sections}
    assert [candidate.process.pid for candidate in processes.candidates(titled, OPS, 1880)] == [900]
    unseen = {"process 812": Section(alone, 0)}
    assert processes.candidates(unseen, OPS, 1880) == []  # whose files are not ours to see


def test_one_that_ended_while_we_looked_is_none() -> None:
    gone = Section(PROCESS.replace("ticks 5000", "ticks "), 0)
    assert processes.candidates({"process 812": gone, "process 813": Section("", 1)}, OPS) == []


def test_which_of_several_is_meant() -> None:
    two = sections_of(**{"process_900": Section(PROCESS.replace("/home/nodered", "/home/line2"), 0),
                   "sockets_900": Section("tcp 0100007F:0759 200", 0),
                   "fd_900": Section("x -> socket:[200]", 0),
                   "ports": Section(f"{PORTS}\n0759 998 200", 0)})  # fmt: skip
    both = processes.candidates(two, OPS)
    assert choose(both, two, HostDemands(), 1880).process.pid == 812
    assert choose(both, two, HostDemands(), 1881).process.pid == 900
    assert choose(both, two, HostDemands(user_dir="/home/line2"), 1).process.pid == 900
    assert choose(both, two, HostDemands(user_dir="/data"), 1881).process.pid == 900  # started elsewhere, no arguments
    with pytest.raises(ProbeError, match="2 Node-REDs run on this host"):
        choose(both, two, HostDemands(), 1)
    with pytest.raises(ProbeError, match="no Node-RED runs on this host"):
        choose([], {}, HostDemands(), 1880)


def test_answers_that_lie_or_break_off_are_no_answers() -> None:
    with pytest.raises(ProbeError, match="cut off"):
        parse.sections("==a begin me\n0\n==a end 0\n", "==a")
    with pytest.raises(ProbeError, match="runs Darwin"):
        parse.me(Section("0\nroot\nDarwin\n\n1\n1\n100", 0))
    with pytest.raises(ProbeError, match="did not report the user and time"):
        parse.me(Section("zero\nroot\nLinux", 1))
    lying = " ==a end\n ==a begin fake\n x\n 0"  # what a command prints is indented, marks never are
    text = f"==a begin os\n{lying}\n 3\n==a end\n==a begin end\n 0\n==a end\n"
    assert set(parse.sections(text, "==a")) == {"os", "end"}
    assert parse.sections(text, "==a")["os"].code == 3


# --- containers (simulated)

IN_BOX = PROCESS.replace("/system.slice/nodered.service", f"/system.slice/docker-{BOX}.scope") + f"\nbox {BOX} "
EVERYWHERE = "tcp 00000000:0758 111"


def box(inspect: Section | None) -> Inside:
    sections = sections_of(**{"process_812": Section(IN_BOX, 0), "sockets_812": Section(EVERYWHERE, 0)})
    reason = ProbeError("inside the container", Cause.FORBIDDEN)
    return inside(sections, docker=inspect, settings=reason)


@pytest.mark.parametrize(
    ("ports", "mode", "expected"),
    [
        ('{"1880/tcp":[{"HostIp":"0.0.0.0","HostPort":"1880"},{"HostIp":"::","HostPort":"1880"}]}', "bridge",
         (("0.0.0.0", 1880), ("::", 1880))),  # noqa: S104  only read
        ('{"1880/tcp":[{"HostIp":"127.0.0.1","HostPort":"1880"}]}', "line_default", (("127.0.0.1", 1880),)),
        ('{"1880/tcp":[{"HostIp":"","HostPort":"1880"}]}', "bridge", (("::", 1880),)),
        ('{"1880/tcp":null}', "bridge", ()),
        ("null", "bridge", ()),
        ("{}", "host", None),
    ],
)  # fmt: skip
def test_a_container_with_published_ports(ports: str, mode: str, expected: object) -> None:
    seen: Listening = part(box(Section(f"{ports} {mode} unless-stopped", 0)), "listening")
    assert seen.published == expected
    assert seen.process.container == BOX
    supervision: Supervision = part(box(Section(f"{ports} {mode} unless-stopped", 0)), "supervision")
    assert supervision.restart_policy == "unless-stopped"


def test_a_container_of_podman_that_nothing_starts_again() -> None:
    warned = "time=x level=warning msg=x"
    supervision: Supervision = part(box(Section(f"{warned}\n{{}} host \n", 0)), "supervision")
    assert supervision.restart_policy == "no"


@pytest.mark.parametrize(("drivers", "published"), [("bridge bridge", ()), ("macvlan", None), ("bridge ipvlan", None)])
def test_a_container_with_an_address_of_its_own_hides_nothing(drivers: str, published: object) -> None:
    inspected = box(Section("{} line_default no", 0))
    seen: Listening = part(replace(inspected, networks=Section(drivers, 0)), "listening")
    assert seen.published == published


def test_a_containers_network_that_cannot_be_told() -> None:
    shared = box(Section("{} container:8f4e0c1d no", 0))
    assert "shares the network of another" in trouble(shared, "listening")
    swarm = replace(box(Section("{} ingress no", 0)), networks=Section("overlay", 0))
    assert "a network of driver overlay" in trouble(swarm, "listening")


def test_a_container_runtime_that_does_not_tell() -> None:
    assert "docker is not here to show" in trouble(box(None), "listening")
    assert "permission denied" in trouble(box(Section("permission denied while trying to connect", 1)), "listening")


def test_settings_in_a_container_are_looked_at_from_inside_it() -> None:
    way: Any = None
    with pytest.raises(ProbeError, match="--nodered-host=docker://NAME"):
        evaluate(way, OPS, box(None).node_red, HostDemands(), {})


ENTRY = '/usr/local/bin/node $NODE_OPTIONS node_modules/node-red/red.js --userDir /d $FLOWS "${@}" &'


@pytest.mark.parametrize(
    ("parent", "expected"),
    [
        ("systemd", ["/usr/bin/node-red", "-u", "/data"]),
        ("supervisord", []),
        ("sh\ngiven sh -c node /opt/red.js -s /s.js", ["node", "/opt/red.js", "-s", "/s.js"]),
        ("supervisord\ngiven /bin/sh -c node-red -s /s.js", ["node-red", "-s", "/s.js"]),
        ("bash\ngiven bash -c cd /srv && exec node-red -s /s.js; true", ["exec", "node-red", "-s", "/s.js"]),
        ("bash\ngiven bash -c . /etc/x && node-red -s /s.js", ["/usr/bin/node-red", "-u", "/data"]),
        ("bash\ngiven bash -c node-red -s /a.js; node-red -s /b.js", ["/usr/bin/node-red", "-u", "/data"]),
        ("bash\ngiven bash -c node-red -s /s.js &", ["/usr/bin/node-red", "-u", "/data"]),
        ("sh\ngiven sh -c node-red -s '/s.js'; true", ["/usr/bin/node-red", "-u", "/data"]),  # only a shell can tell
        ("node-red\ngiven node-red", ["/usr/bin/node-red", "-u", "/data"]),
        (
            f"sh\nstarter {ENTRY}\ngiven bash ./entrypoint.sh -s /s.js",
            ["red.js", "--userDir", "/d", "$FLOWS", "-s", "/s.js"],
        ),
        (f"sh\nstarter nice {ENTRY}\ngiven bash ./entrypoint.sh -s /s.js", ["/usr/bin/node-red", "-u", "/data"]),
    ],
)
def test_the_arguments_of_another_manager_are_not_node_reds(parent: str, expected: list[str]) -> None:
    given: list[list[str]] = []

    def script(_: str, program: str) -> str:
        given.append(_input(program)["args"])
        return ""

    starts = Section("Id=nodered.service\nExecStart={ argv[]=/usr/bin/node-red -u /data ; }", 0)
    sections = sections_of(process_812=Section(f"{PROCESS}\nparent {parent}\nclosed yes", 0), starts=starts)
    way: Any = SimpleNamespace(script=script, sudo="sudo")
    with pytest.raises(ProbeError, match="did not run as nodered"):
        evaluate(way, OPS, inside(sections).node_red, HostDemands(), sections)
    assert given == [expected]


def test_seen_from_inside_its_own_container_it_is_no_containers() -> None:
    sections = {"self": Section(f"12:pids:/docker/{BOX}", 0), "process 812": Section(IN_BOX, 0)}
    assert processes.candidates(sections, OPS)[0].process.container == ""


def test_what_only_the_machine_of_the_proxy_shows() -> None:
    gathered = inside(sections_of(), in_container=True, docker=Section("{} bridge always", 0))
    assert "does not show whether it serves https://plant.example" in trouble(gathered, "identity")
    assert "what renews the certificate cannot be seen in a container" in trouble(gathered, "renewal")
    assert part(gathered, "supervision").restart_policy == "always"
    assert part(replace(gathered, connected=True), "identity").connected
    declared = replace(gathered, demands=HostDemands(acme_client="acme.sh"))
    assert part(declared, "renewal").other == "acme.sh"


def test_a_proxy_in_a_container_is_not_taken_for_the_hosts_own() -> None:
    gathered = inside(sections_of(**{"boxed_nginx": Section(BOX, 0), "nginx-version": Section("nginx/1.22.1", 0)}))
    for name in ("nginx service", "nginx", "way"):
        assert "nginx runs in the container 8f4e0c1d8f4e" in trouble(gathered, name)


# --- rights


def test_whose_rights_the_evaluator_gets() -> None:
    node = "/usr/bin/node"
    assert re.search(r"env -i PATH=\S+ /usr/bin/node -", as_user(OPS, running(1000, "ops"), node, sudo=False))
    root = Me(0, "root", sudo=False, now=0, uptime=0, ticks=100)
    strict = "--no-new-privs --inh-caps=-all --bounding-set=-all --reuid=998"
    by_name = as_user(root, running(998, "nodered", gid=997, groups=(0, 20)), node, sudo=False)
    assert f"setpriv {strict} --regid=997 --groups=20 env -i" in by_name
    assert re.search(r"env -i PATH=\S+ su -s /bin/sh -c 'env -i PATH=\S+ /usr/bin/node -' nodered", by_name)
    for gid in (0, None):  # root's group, or several
        by_id = as_user(root, running(998, "998", gid=gid, vouched=True), node, sudo=False)
        assert f"setpriv {strict} --regid=65534 --clear-groups env -i" in by_id
        assert " su " not in by_id
    for who, sudo in ((root, False), (OPS, True)):
        with pytest.raises(
            ProbeError, match="nothing is run as user id 998: it has no entry in passwd, and no service"
        ):
            as_user(who, running(998, "998", gid=997), node, sudo=sudo)
    with pytest.raises(ProbeError, match=r"nothing is run as user id 998: .*sudo would give it root's group"):
        as_user(OPS, running(998, "998", vouched=True), node, sudo=True)
    with pytest.raises(ProbeError, match=r"the session is ops: add \?sudo=true"):
        as_user(OPS, running(998, "nodered"), node, sudo=False)


def running(uid: int, user: str, **more: Any) -> Candidate:
    process = NodeRedProcess(pid=812, uid=uid, user=user, started=0.0)
    return Candidate(process, exe="/usr/bin/node", cwd="/", args=(), **more)


def test_an_nginx_that_shows_nothing_is_no_missing_one() -> None:
    """Its keys and the dates of its files were not seen; what is stale beside them is told all the same."""
    broken = inside(sections_of(), nginx=Nginx(70, Section("nginx: [emerg] unknown directive", 1), None))
    for name in (("keys", "nginx"), ("freshness",)):
        assert "nginx -T does not show its configuration: nginx: [emerg]" in trouble(broken, *name)
    late = {**SETTINGS, "loaded": [{"path": "/etc/nodered/settings.js", "changed": 1_700_000_350}]}
    assert part(replace(broken, settings=late), "freshness").newer == (("/etc/nodered/settings.js", 300),)
    boxed = inside(sections_of(**{"boxed_nginx": Section(BOX, 0)}))
    assert "nginx runs in the container 8f4e0c1d" in trouble(boxed, "keys", "nginx")


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


# --- settings


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
    mark: str = _input(program)["mark"]
    return mark


def _input(packed: str) -> dict[str, Any]:  # Any: JSON
    """Return what the program for the host's Node is given."""
    program = zlib.decompress(base64.b64decode(packed.split('"')[3])).decode()
    given: dict[str, Any] = json.loads(program.partition("\n")[0].removeprefix("const INPUT = ").removesuffix(";"))
    return given


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


# --- services


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


NGINX = "# configuration file /etc/nginx/nginx.conf:\nhttp { server { listen 443 ssl; } }"


def test_nginx_in_service_and_in_trouble() -> None:
    processes = {"nginx-version": Section("nginx version: nginx/1.22.1", 0)}
    processes["nginx-processes"] = Section("70 1 500 nginx: master process\n71 70 510 nginx: worker process", 0)
    good = Nginx(70, Section(NGINX, 0), tree(NGINX))
    seen: NginxService = part(inside(sections_of(**processes), nginx=good), "nginx service")
    assert (seen.running, seen.valid, seen.unit is not None) == (True, True, True)
    bad = Nginx(70, Section('nginx: [emerg] unknown directive "x" in /etc/nginx/nginx.conf:1', 1), None)
    seen = part(inside(sections_of(**processes), nginx=bad), "nginx service")
    assert (seen.valid, seen.complaint) == (False, '[emerg] unknown directive "x" in /etc/nginx/nginx.conf:1')
    denied = Nginx(70, Section("sudo: a password is required", 1), None)
    assert "nginx -T is not run: sudo: a password is required" in trouble(
        inside(sections_of(**processes), nginx=denied), "nginx service"
    )
    replaced = "nginx -T is not run: /usr/sbin/nginx was deleted or replaced after nginx started"
    for name in ("nginx service", "nginx"):  # no finding: what runs may be in order
        assert replaced in trouble(inside(sections_of(**processes), nginx=Nginx(70, Section(replaced, 1), None)), name)
    assert "docs/sudoers" in trouble(inside(sections_of(**processes), nginx=denied), "nginx")
    gone: NginxConfig = part(inside(sections_of()), "nginx")
    assert gone.other == "nginx is not installed; no other proxy was found"


def test_what_serves_the_url_is_never_called_not_installed() -> None:
    """Tailscale, FrankenPHP, Envoy in a snap …: on the URL's port somebody listens who is none of the known proxies."""
    theirs = sections_of(ports=Section("01BB 999 40", 0))
    assert "recognised; what it lets pass is asked from outside" in trouble(inside(theirs), "nginx")
    assert "listens on port 443: neither Node-RED nor a proxy" in trouble(inside(theirs), "way")
    own = sections_of(
        sockets_812=Section(sections_of()["sockets 812"].text + "\ntcp 00000000:01BB 111", 0),
        ports=Section("01BB 998 111", 0),
    )
    seen: NginxConfig = part(inside(own), "nginx")
    assert "no other proxy was found" in seen.other


CA = trustme.CA()
PEM = CA.issue_cert("plant.example").cert_chain_pems[0].bytes().decode()
SERVED = hashlib.sha256(ssl.PEM_cert_to_DER_cert(PEM)).hexdigest()
LINEAGES = """\
700 0 0 root root 1700000000 '/etc/letsencrypt/archive'
755 0 0 root root 1700000000 '/etc/letsencrypt/archive/plant.example'
600 0 0 root root 1700000000 '/etc/letsencrypt/archive/plant.example/privkey1.pem'
644 0 0 root root 1700000000 '/etc/letsencrypt/archive/plant.example/cert1.pem'
777 0 0 root root 17 '/etc/letsencrypt/live/plant.example/privkey.pem' -> '../../archive/plant.example/privkey1.pem'
777 0 0 root root 17 '/etc/letsencrypt/live/plant.example/cert.pem' -> '../../archive/plant.example/cert1.pem'"""


def certbot(**more: Section) -> dict[str, Section]:
    return sections_of(
        certbot=Section("/usr/bin/certbot", 0),
        lineages=Section(LINEAGES, 0),
        certificates=Section(
            "\n".join(f"/etc/letsencrypt/live/plant.example/cert.pem:{line}" for line in PEM.split("\n")), 0
        ),
        renewal=Section("/etc/letsencrypt/renewal/plant.example.conf:installer = nginx", 0),
        hooks=Section("", 1),
        **more,
    )


CRON = "0 */12 * * * root test -x /usr/bin/certbot -a \\! -d /run/systemd/system && certbot -q renew"


RED_HAT = Section('NAME="Rocky"\nID="rocky"\nID_LIKE="rhel centos fedora"', 0)
RUNNABLE = Section("/etc/cron.daily/certbot\n/etc/cron.daily/certbot.sh", 0)


@pytest.mark.parametrize(
    ("line", "schedule", "more"),
    [
        ("/etc/cron.d/certbot:0 3 * * * root certbot -q renew", "/etc/cron.d/certbot", {}),
        ("/etc/cron.d/certbot.bak:0 3 * * * root certbot -q renew", "", {}),
        ("/etc/cron.d/certbot.conf:0 3 * * * root certbot renew", "/etc/cron.d/certbot.conf", {"os": RED_HAT}),
        ("/etc/cron.d/certbot.rpmsave:0 3 * * * root certbot renew", "", {"os": RED_HAT}),
        ("/etc/cron.d/certbot:MAILTO=certbot-renew@plant.example", "", {}),
        ("/etc/cron.daily/certbot:certbot renew", "/etc/cron.daily/certbot", {"runnable": RUNNABLE}),
        ("/etc/cron.daily/certbot:certbot \\", "/etc/cron.daily/certbot", {"runnable": RUNNABLE}),
        ("/etc/cron.daily/certbot.sh:certbot renew", "", {"runnable": RUNNABLE}),
        (
            "/etc/cron.daily/certbot.sh:certbot renew",
            "/etc/cron.daily/certbot.sh",
            {"runnable": RUNNABLE, "os": RED_HAT},
        ),
        ("/etc/cron.weekly/certbot:certbot renew", "", {"runnable": RUNNABLE}),
        (
            "/etc/cron.weekly/certbot:certbot renew",
            "/etc/cron.weekly/certbot",
            {"runnable": Section("find: denied", 1)},
        ),
        ("/etc/periodic/daily/certbot:certbot renew", "/etc/periodic/daily/certbot", {"runnable": RUNNABLE}),
        ("/var/spool/cron/root:@daily certbot renew", "/var/spool/cron/root", {}),
        ("/var/spool/cron/crontabs/nobody:@daily certbot renew", "", {}),
        ("/etc/crontab:@daily root certbot renew --dry-run", "", {}),
        ("/etc/crontab:@daily root /usr/local/bin/renew-certbot.sh", "/etc/crontab", {}),
        ("/etc/crontab:@daily root certbot certificates", "", {}),
    ],
)
def test_what_cron_runs_and_renews(line: str, schedule: str, more: dict[str, Section]) -> None:
    sections = {**certbot(cron=Section(line, 0), crond=Section("/proc/300/comm", 0)), **more}
    del sections["units"]
    if not schedule:
        assert "no systemctl" in trouble(inside(sections, served=SERVED), "renewal")
        return
    seen: Renewal = part(inside(sections, served=SERVED), "renewal")
    assert (seen.schedule, seen.scheduled) == (schedule, True)


TIMER = "\n\nId=own.timer\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\nTriggers=own.service"
OWN = "Id=own.service\nExecStart={ path=/bin/certbot ; argv[]=/bin/certbot renew -q ; ignore_errors=no }"
ITS = "Id=certbot.service\nExecStart={ path=/bin/certbot ; argv[]=/bin/certbot renew --dry-run ; ignore_errors=no }"


@pytest.mark.parametrize(
    ("units", "commands", "schedule", "on"),
    [
        (UNITS, "", "certbot.timer", True),
        (UNITS, ITS, "", False),
        (UNITS + TIMER, ITS, "", False),
        (UNITS + TIMER, f"{ITS}\n\n{OWN}", "own.timer", True),
        (UNITS.replace("ActiveState=active", "ActiveState=inactive") + TIMER, OWN, "own.timer", True),
        (UNITS + TIMER.replace("active", "inactive"), OWN, "certbot.timer", True),
    ],
)
def test_which_timers_renew(units: str, commands: str, schedule: str, on: bool) -> None:
    sections = {**certbot(), "units": Section(units, 0), "renewers": Section(commands, 0)}
    seen: Renewal = part(inside(sections, served=SERVED), "renewal")
    assert (seen.schedule, seen.scheduled) == (schedule, on)


@pytest.mark.parametrize(
    ("line", "excluded"),
    [
        ("/etc/letsencrypt/renewal/plant.example.conf:autorenew = False", True),
        ("/etc/letsencrypt/renewal/plant.example.conf:autorenew = True", False),
        ("/etc/letsencrypt/renewal/other.example.conf:autorenew = False", False),
    ],
)
def test_a_lineage_that_certbot_leaves_out(line: str, excluded: bool) -> None:
    sections = {**certbot(), "renewal": Section(line, 0)}
    seen: Renewal = part(inside(sections, served=SERVED), "renewal")
    assert bool(seen.excluded) is excluded
    assert ("autorenew is off" in seen.evidence()) is excluded


MOUNTS = {
    "BindPaths=/srv/open:/etc/nginx/sites/plant": "nginx.service mounts something over /etc/nginx/sites/plant",
    "BindReadOnlyPaths=-/srv:/etc:rbind": "nginx.service mounts something over /etc",
    "TemporaryFileSystem=/etc/nginx:ro": "nginx.service mounts something over /etc/nginx",
    "RootDirectory=/srv/jail": "a root directory of its own (RootDirectory= of nginx.service)",
    "RootDirectory=/": "",
    "BindPaths=/srv/www:/var/www /etc/nginx:/etc/nginx": "",
}


@pytest.mark.parametrize("line", MOUNTS)
def test_what_nginx_s_service_mounts_over_its_files(line: str) -> None:
    units = UNITS.replace("Names=nginx.service\n", f"Names=nginx.service\n{line}\n")
    sections = {**sections_of(), "units": Section(units, 0), "unit-of 70": Section("nginx.service", 0)}
    gathered = inside(sections, nginx=Nginx(70, Section(NGINX, 0), tree(NGINX)))
    if MOUNTS[line]:
        assert MOUNTS[line] in trouble(gathered, "nginx")
    else:
        assert part(gathered, "nginx").other == ""


def test_a_lineage_that_is_served_and_renewed() -> None:
    seen: Renewal = part(inside(certbot(), served=SERVED), "renewal")
    assert (seen.lineages, bool(seen.served)) == (("plant.example",), True)
    assert (seen.schedule, seen.scheduled, seen.result, seen.reloads) == (
        "certbot.timer", True, "success", "installer = nginx",
    )  # fmt: skip
    assert part(inside(certbot(), served="0" * 64), "renewal").served == ""
    identity: Identity = part(inside(certbot(), served=SERVED), "identity")
    assert identity.holds_served
    assert part(inside(certbot(), served="0" * 64), "freshness").served_on_disk is False


@pytest.mark.parametrize(
    ("port", "caddy", "expected"),
    [("443", False, False), ("8443", False, None), ("8443", True, None), ("443", True, False)],
)
def test_certificates_of_an_nginx_that_serves_another_port_tell_nothing(
    port: str, caddy: bool, expected: bool | None
) -> None:
    server = f"server {{ listen {port} ssl; ssl_certificate /c.pem; }}"
    text = f"# configuration file /etc/nginx/nginx.conf:\nhttp {{ {server} }}"
    later = {"certificate:/c.pem": Section(PEM, 0), "time:/etc/nginx/nginx.conf": Section("1600000000", 0)}
    gathered = inside(
        sections_of(), served="0" * 64, nginx=Nginx(70, Section(text, 0), tree(text)), caddy=caddy, later=later
    )
    assert part(gathered, "freshness").served_on_disk is expected


def test_without_a_served_certificate_no_lineage_can_be_compared() -> None:
    assert "presented no certificate" in trouble(inside(certbot()), "renewal")


def test_certbot_by_cron_where_there_is_no_systemd() -> None:
    by_cron = certbot(cron=Section("/etc/cron.d/certbot:" + CRON, 0), crond=Section("/proc/300/comm", 0))
    del by_cron["units"]
    seen: Renewal = part(inside(by_cron, served=SERVED), "renewal")
    assert (seen.schedule, seen.scheduled) == ("/etc/cron.d/certbot", True)
    resting = part(inside({**by_cron, "crond": Section("", 1)}, served=SERVED), "renewal")
    assert resting.scheduled is False  # nobody reads the file


def test_debians_cron_file_does_nothing_where_systemd_runs() -> None:
    units = UNITS.replace(
        "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nTriggers", "LoadState=masked\nTriggers"
    )
    masked = certbot(cron=Section("/etc/cron.d/certbot:" + CRON, 0), crond=Section("/proc/300/comm", 0))
    seen: Renewal = part(inside({**masked, "units": Section(units, 0)}, served=SERVED), "renewal")
    assert (seen.schedule, seen.scheduled) == ("certbot.timer", False)
    own = {**masked, "units": Section(units, 0), "cron": Section("/etc/crontab:0 3 * * * root certbot renew", 0)}
    assert part(inside(own, served=SERVED), "renewal").scheduled is True
    off = {**own, "cron": Section("/etc/crontab:# 0 3 * * * root certbot renew", 0)}
    assert part(inside(off, served=SERVED), "renewal").scheduled is False


@pytest.mark.parametrize(
    ("line", "mode", "reloads"),
    [
        ("/etc/letsencrypt/renewal/plant.example.conf:renew_hook = systemctl reload nginx", "", True),
        ("/etc/letsencrypt/renewal/other.example.conf:renew_hook = systemctl reload nginx", "", False),
        ("/etc/letsencrypt/cli.ini:deploy-hook = systemctl reload nginx", "", True),
        ("/etc/sysconfig/certbot:POST_HOOK=\"--post-hook 'systemctl reload nginx'\"", "", True),
        ("/etc/crontab:0 3 * * * root certbot -q renew --deploy-hook 'systemctl reload nginx'", "", True),
        ("/etc/letsencrypt/renewal/plant.example.conf:renew_hook = /usr/bin/tell-somebody", "", False),
        ("/etc/letsencrypt/renewal-hooks/deploy/nginx:systemctl reload nginx", "755", True),
        ("/etc/letsencrypt/renewal-hooks/deploy/nginx:systemctl reload nginx", "644", False),
        ("/etc/letsencrypt/renewal-hooks/deploy/nginx:# systemctl reload nginx", "755", False),
        ("/etc/letsencrypt/renewal-hooks/pre/nginx:systemctl stop nginx", "755", False),
    ],
)
def test_what_reloads_the_proxy_after_a_renewal(line: str, mode: str, reloads: bool) -> None:
    place = "hooks" if "renewal-hooks" in line else "cron" if "crontab" in line else "renewal"
    listed = f"{LINEAGES}\n{mode} 0 0 root root 17 '{line.partition(':')[0]}'"
    sections = {**certbot(), "renewal": Section("", 1), place: Section(line, 0), "lineages": Section(listed, 0)}
    assert bool(part(inside(sections, served=SERVED), "renewal").reloads) is reloads


@pytest.mark.parametrize("name", ["certificates", "renewal", "hooks", "cron"])
def test_a_line_of_sudoers_that_is_missing_is_an_error(name: str) -> None:
    denied = {**certbot(), name: Section("sudo: a password is required", 1)}
    assert f"{name}: sudo: a password is required" in trouble(inside(denied, served=SERVED), "renewal")


def test_a_caddy_elsewhere_does_not_renew_what_nginx_serves() -> None:
    nginx = Nginx(70, Section(NGINX, 0), tree(NGINX))
    assert part(inside(sections_of(), caddy=True, nginx=nginx), "renewal").other == ""
    assert part(inside(sections_of(), caddy=True), "renewal").other == "Caddy"


def test_certbot_that_may_not_be_looked_at_and_one_that_is_not_there() -> None:
    denied = {**certbot(), "lineages": Section("find: '/etc/letsencrypt/live': Permission denied", 1)}
    assert "Permission denied" in trouble(inside(denied), "renewal")
    assert "Permission denied" in trouble(inside(denied), "keys", "certbot")
    assert part(inside(sections_of()), "renewal").client == ""
    declared = inside(sections_of(), demands=HostDemands(acme_client="acme.sh"))
    assert part(declared, "renewal").other == "acme.sh"


@pytest.mark.parametrize(
    ("section", "line", "started"),
    [
        ("cron", '/var/spool/cron/crontabs/root:3 4 * * * "/root/.acme.sh"/acme.sh --cron',
         "acme.sh (/var/spool/cron/crontabs/root)"),
        ("cron", "/etc/cron.daily/dehydrated:/usr/bin/dehydrated -c && systemctl reload nginx",
         "dehydrated (/etc/cron.daily/dehydrated)"),
        ("acme", "/etc/systemd/system/lego.service:ExecStart=/usr/bin/lego --domains plant.example renew",
         "lego (/etc/systemd/system/lego.service)"),
        ("cron", "/etc/cron.d/x:# acme.sh was here", ""),
    ],
)  # fmt: skip
def test_another_client_that_cron_or_a_service_starts(section: str, line: str, started: str) -> None:
    seen: Renewal = part(inside(sections_of(**{section: Section(line, 0)})), "renewal")
    assert seen.started == ((started,) if started else ())
    beside = part(inside({**certbot(), "cron": Section("", 1), section: Section(line, 0)}, served="0" * 64), "renewal")
    assert (beside.client, beside.schedule, beside.started) == ("certbot", "certbot.timer", seen.started)


@pytest.mark.parametrize(
    ("program", "text", "other"),
    [
        ("Traefik", "certificatesResolvers:\n  le:\n    acme: {}", "Traefik"),
        ("Traefik", "[certificatesResolvers.le.acme]", "Traefik"),
        ("Traefik", "entryPoints: {}", ""),
        ("Apache httpd", "  MDomain plant.example", "Apache httpd"),
        ("HAProxy", "acme letsencrypt\n  directory https://ca.example", "HAProxy"),
        ("HAProxy", "frontend f\n  acl acme path_beg /.well-known", ""),
    ],
)
def test_a_proxy_that_gets_its_certificates_itself(program: str, text: str, other: str) -> None:
    later = {"config:/etc/front": Section(f"1700000000\n{text}", 0)}
    front = fronts.Front(program, 70)
    assert part(inside(sections_of(), later=later, fronts=(front,)), "renewal").other == other
    flags = replace(front, args=("traefik", "--certificatesresolvers.le.acme.email=x"))
    assert part(inside(sections_of(), fronts=(flags,)), "renewal").other == ("Traefik" if program == "Traefik" else "")


def test_what_renews_may_be_where_nobody_looks() -> None:
    boxed = fronts.Front("Traefik", 0, trouble="it runs in the container 8f4e0c1d8f4e")
    assert "whether Traefik gets its certificates itself is not seen" in trouble(
        inside(sections_of(), fronts=(boxed,)), "renewal"
    )
    assert "caddy runs in the container" in trouble(inside(sections_of(boxed_caddy=Section(BOX, 0))), "renewal")
    crond = {"crond": Section("/proc/9/comm", 0), "cron": Section("", 2)}
    assert "whether root's crontab renews the certificate cannot be seen as ops" in trouble(
        inside(sections_of(**crond)), "renewal"
    )
    for known in ({"who": replace(OPS, sudo=True)}, {"who": replace(OPS, uid=0)}):
        assert part(inside(sections_of(**crond), **known), "renewal").client == ""
    nginx = Nginx(70, Section(NGINX, 0), tree(NGINX))
    assert part(inside(sections_of(), fronts=(boxed,), nginx=nginx), "renewal").client == ""


SERVER = {"name": "srv0", "listen": [":443"], "tls": True, "routes": [],
          "dials": [{"dial": "127.0.0.1:1880", "secure": False}], "errors": [], "named": [],
          "certificates": [], "trusts": [], "raw": False, "relays": []}  # fmt: skip


def test_the_caddy_on_the_urls_port_is_the_proxy_in_front() -> None:
    other = {"file": "/other", "servers": [{**SERVER, "listen": [":8443"]}], "trouble": ""}
    ours = {"file": "/etc/caddy/Caddyfile", "servers": [SERVER], "trouble": ""}
    seen: CaddyConfig = part(inside(sections_of(), caddy=True, settings={**SETTINGS, "caddies": [other, ours]}), "way")
    assert (seen.file, seen.servers[0].dials) == ("/etc/caddy/Caddyfile", (("127.0.0.1:1880", False),))


HAPROXY = "name haproxy\ncwd /\nstart 1\narg haproxy\narg -f\narg /h.cfg"


def test_what_some_user_calls_traefik_is_no_proxy_where_others_serve_the_url() -> None:
    sections = sections_of(
        front_70=Section("whether this is traefik, and not another program, cannot be told", 1),
        stranger_70=Section("65534", 0),
        ports=Section("01BB 0 40\n1F90 65534 41", 0),
    )
    assert fronts.running(sections, OPS, 443) == []
    for port in (8080, 9443):  # his, and one that nobody is seen to listen on
        [front] = fronts.running(sections, OPS, port)
        assert (front.program, front.trouble[:17]) == ("Traefik", "whether this is t")


def test_what_a_services_user_runs_is_the_proxy_in_front_only_where_nobody_else_listens() -> None:
    """He may start HAProxy with any file of root's that shows what he likes."""
    for users, trouble in (
        ("998 40", ""),
        ("0 40", "is not the only one"),
        ("998 40\n01BB 0 41", "is not the only one"),
    ):
        sections = {"front 70": Section(f"{HAPROXY}\nuser 998", 0), "ports": Section(f"01BB {users}", 0)}
        [front] = fronts.running(sections, OPS, 443)
        assert bool(front.trouble) is bool(trouble)
        assert trouble in front.trouble
    [front] = fronts.running({"front 70": Section(f"{HAPROXY}\nuser 0", 0)}, OPS, 443)
    assert front.trouble == ""


def test_a_proxy_in_a_users_own_container_is_in_front_only_where_he_listens() -> None:
    for maker, users, there in (("", "0 40", True), ("1001", "1001 40", True), ("65534", "0 40", False)):
        ports = Section(f"01BB {users}", 0)
        sections = {"boxed haproxy": Section(f"{BOX} {maker}", 0), "ports": ports}
        assert bool(fronts.running(sections, OPS, 443)) is there
        gathered = inside(sections_of(**{"boxed_nginx": Section(f"{BOX} {maker}", 0), "ports": ports}))
        assert ("nginx runs in the container 8f4e0c1d8f4e" in trouble(gathered, "nginx")) is there


LOOSE = PROCESS.replace("0::/system.slice/nodered.service", "0::/user.slice/user-998.slice/session-1.scope")
FRONT = """# configuration file /etc/nginx/nginx.conf:
http {{ server {{ listen 443 ssl; location / {{ proxy_pass {}; }} }} }}"""


def behind(known: tuple[int, ...], way: str | None, **more: Section) -> None:
    """Check a Node-RED of a session's where nginx leads so, or where none is in front."""
    base = {"process 812": Section(LOOSE, 0), "units": Section("", 1), "ports": Section(PORTS, 0)}
    sections = {**sections_of(), **base, **{name.replace("_", " ", 1): section for name, section in more.items()}}
    [candidate] = processes.candidates(sections, OPS)
    assert not candidate.vouched
    places.check_it_is_behind(sections, candidate, known, None if way is None else tree(FRONT.format(way)))


ADDRESSES = Section("10.0.0.7\n127.0.0.1\nfd00:0000:0000:0000:0000:0000:0000:0007\n", 0)
ANYWHERE = Section(SOCKETS.replace("tcp 0100007F", "tcp 00000000"), 0)
HIDDEN = Section("ls: cannot open directory '/proc/812/fd': Permission denied", 2)
RED_SOCKET = "http://unix:/run/nodered/nr.sock:/"


def test_a_node_red_that_nobody_vouches_for_must_be_where_the_way_leads() -> None:
    behind((443, 1880), None)
    behind((443, 1880), None, fd_812=HIDDEN)  # by its user's id
    for host in ("127.0.0.1", "localhost", "[::1]"):
        behind((443, 1), f"http://{host}:1880/ui")
    for place, way in (
        ("07BDA8C0", "192.168.189.7"),
        ("00000000", "10.0.0.7"),
        ("0" * 32, "[fd00::7]"),
    ):  # by hand, on the LAN
        family = "tcp6" if len(place) > 8 else "tcp"
        sockets = Section(SOCKETS.replace("tcp 0100007F", f"{family} {place}"), 0)
        behind((443, 1), f"http://{way}:1880", sockets_812=sockets, addresses=ADDRESSES)
    behind((1, 2), RED_SOCKET, owners_812=Section("998 /run/nodered/nr.sock", 0))
    units = Section(UNITS.replace("Restart=on-failure", "Restart=on-failure\nUser=nodered\nMainPID=812"), 0)
    [sure] = processes.candidates(sections_of(units=units), OPS)
    places.check_it_is_behind(sections_of(), sure, (443, 3000), None)


@pytest.mark.parametrize(
    ("known", "way", "more", "why"),
    [
        ((443, 3000), None, {}, "it is not on its port"),
        ((443, 3000), None, {"fd_812": HIDDEN}, "its open files are not seen"),
        ((443, 1880), "http://127.0.0.1:18800", {}, "the nginx in front is not seen to lead to it"),
        ((443, 1880), "http://10.0.0.7:1880", {}, "the nginx in front is not seen to lead to it"),  # another machine's
        (
            (443, 1880),
            "http://10.0.0.7:1880",
            {"addresses": ADDRESSES},
            "an address and port of this host",
        ),  # at 127.0.0.1
        ((443, 1880), "http://10.0.0.8:1880", {"addresses": ADDRESSES, "sockets_812": ANYWHERE}, "not seen to lead"),
        ((443, 1880), "http://10.0.0.7:1881", {"addresses": ADDRESSES, "sockets_812": ANYWHERE}, "not seen to lead"),
        ((443, 1880), "http://999.0.0.7:1880", {"sockets_812": ANYWHERE}, "not seen to lead"),
        ((443, 1880), None, {"ports": Section("0758 0 40", 0)}, "it is not on its port"),  # his is in another network
        ((443, 1880), None, {"ports": Section(f"{PORTS}\n0758 0 40", 0)}, "it is not on its port"),  # another address
        ((443, 1880), None, {"ports": Section("0758 0 40", 0), "fd_812": HIDDEN}, "it is not on its port"),
        ((443, 1880), RED_SOCKET, {}, "is not seen to lead to it"),  # the path is there in mounts of his own alone
        ((443, 1880), RED_SOCKET, {"owners_812": Section("0 /run/nodered/nr.sock", 0)}, "is not seen to lead to it"),
        ((443, 1880), RED_SOCKET, {"owners_812": Section("998 /r\n998 p", 0)}, "is not seen to lead to it"),
    ],
)
def test_a_strangers_node_red_is_not_the_one_behind_the_url(
    known: tuple[int, ...], way: str | None, more: dict[str, Section], why: str
) -> None:
    with pytest.raises(ProbeError, match=why):
        behind(known, way, **more)


OWN_BOX = f"0::/user.slice/user-1001.slice/user@1001.service/user.slice/libpod-{BOX}.scope/container"


@pytest.mark.parametrize(("maker", "there"), [("1001", True), ("65534", False), ("unknown", False)])
def test_a_container_of_some_users_own_is_where_that_user_listens(maker: str, there: bool) -> None:
    """Simulated: rootless podman, whose network of its own rootlessport or pasta serves, as the user."""
    text = LOOSE.replace("0::/user.slice/user-998.slice/session-1.scope", f"{OWN_BOX}\nbox {BOX} {maker}")
    sections = {"process_812": Section(text, 0), "ports": Section("0758 1001 40", 0)}
    if there:
        behind((443, 1880), "http://127.0.0.1:1880", **sections)
    else:
        with pytest.raises(ProbeError, match="no service vouches for it"):
            behind((443, 1880), "http://127.0.0.1:1880", **sections)


def test_what_another_service_starts_is_a_node_red_only_where_the_way_leads() -> None:
    """A service's own user may have it run what he likes; root's definition says whether that is to be Node-RED."""
    unit = f"{UNITS}\n\nId=shop.service\nUser=nodered\nMainPID=812"
    text = PROCESS.replace("nodered.service", "shop.service")
    starts = Section("Id=shop.service\nExecStart={{ path=/x ; argv[]={} ; ignore_errors=no }}", 0)
    for command, sure in (("/usr/bin/node /srv/shop.js", False), ("/usr/bin/env node-red -p 3000", True)):
        told = replace(starts, text=starts.text.format(command).replace("{{", "{").replace("}}", "}"))
        sections = sections_of(process_812=Section(text, 0), units=Section(unit, 0), starts=told)
        [candidate] = processes.candidates(sections, OPS)
        assert (candidate.vouched, candidate.sure) == (True, sure)
        if sure:
            places.check_it_is_behind(sections, candidate, (443, 1880), None)
        else:
            with pytest.raises(ProbeError, match=r"shop.service does not say that it starts Node-RED, and it is not"):
                places.check_it_is_behind(sections, candidate, (443, 1880), None)
    hidden = Section(text.replace("comm node-red", "comm line"), 0)  # by the title, but not by the command
    assert processes.candidates({**sections, "process 812": hidden}, OPS) != []
    both = {**sections, "process 900": Section(PROCESS.replace("nodered.service", "web.service"), 0)}
    assert [candidate.process.pid for candidate in processes.candidates(both, OPS)] == [812]


@pytest.mark.parametrize(
    ("ways", "ports"),
    [
        ("proxy_pass http://127.0.0.1:3000/ui;", {3000}),
        ("proxy_pass http://red;", {3000, 80}),
        ("proxy_pass http://other;", {80}),
        ("proxy_pass https://[::1];", {443}),
        ("proxy_pass http://red; proxy_pass http://127.0.0.1:4000;", {3000, 80, 4000}),
        ("proxy_pass http://$red;", set()),
        ("proxy_pass http://unix:/run/red:/;", set()),
        ("proxy_pass http://sock;", set()),
        ("return 404;", set()),
    ],
)
def test_where_an_nginx_leads(ways: str, ports: set[int]) -> None:
    text = (
        "# configuration file /etc/nginx/nginx.conf:\nhttp { upstream red { server 127.0.0.1:3000; server a; } "
        f"upstream sock {{ server unix:/run/red; }} server {{ listen 443 ssl; location / {{ {ways} }} }} }}"
    )
    assert places.led_to(tree(text)) == ports


def test_one_that_hides_its_name_is_found_where_nginx_leads_and_nowhere_else() -> None:
    """Simulated: `node-red --title line`, started by a script of a service's."""
    unit = f"{UNITS}\n\nId=line.service\nUser=nodered\nMainPID=812"
    hidden = PROCESS.replace("nodered.service", "line.service").replace("comm node-red", "comm line")
    there = {"process_812": Section(hidden, 0), "units": Section(unit, 0), "ports": Section(PORTS, 0)}
    for ports, text, found in (
        ({1880}, hidden, True),
        ({1880, 4320}, hidden, True),
        ({1880, 22}, hidden, False),  # nginx leads to another program as well
        (set(), hidden, False),
        ({1880}, hidden.replace("line.service", "none"), False),  # in no service
        ({1880}, hidden.replace("/usr/bin/node", "/usr/bin/python3"), False),
        ({1880}, hidden.replace("same 998", "same "), False),  # it became something else while it was looked at
    ):
        sections = sections_of(**{**there, "process_812": Section(text, 0)})
        assert bool(processes.candidates(sections, OPS, 0, frozenset(ports))) is found, (ports, text)


def test_one_that_ended_while_we_looked_is_no_impostor() -> None:
    seen = {"impostor 70": Section("nginx   ", 0), "impostor 71": Section("nginx 33 www-data /srv/nginx", 0)}
    sections = {**sections_of(), **seen}
    [candidate] = processes.candidates(sections, OPS)
    [line] = processes.impostors(sections, OPS, candidate)
    assert line == "process 71 of user www-data calls itself nginx; its program is /srv/nginx"


def test_a_crowd_is_counted() -> None:
    crowd = sections_of(crowd=Section("nginx 580\nnode-red 40\nbad", 0))
    [candidate] = processes.candidates(crowd, OPS)
    assert processes.impostors(crowd, OPS, candidate) == (
        "580 more processes of other users call themselves nginx",
        "40 more processes of other users call themselves node-red",
    )
    with pytest.raises(ProbeError, match="580 more call themselves nginx; 40 more"):
        choose([], crowd, HostDemands(), 1880)


def test_the_haproxy_on_the_urls_port_is_the_proxy_in_front() -> None:
    here = tuple(fronts.running({"front 70": Section(HAPROXY, 0)}, OPS))
    text = "1600000000\nfrontend web\nbind :443\ndefault_backend red\nbackend red\nserver a 127.0.0.1:1880"
    seen: FrontConfig = part(inside(sections_of(), fronts=here, later={"config:/h.cfg": Section(text, 0)}), "way")
    assert (seen.program, seen.file) == ("HAProxy", "/h.cfg")
    assert seen.evidence() == "HAProxy: /h.cfg; Node-RED listens on tcp 127.0.0.1:1880, " + ", ".join(
        listener.line() for listener in seen.sockets[1:]
    )
    other = {"config:/h.cfg": Section(text.replace("443", "8443"), 0)}
    assert "was not seen to serve port 443" in trouble(inside(sections_of(), fronts=here, later=other), "way")
    assert "holds no file" in trouble(inside(sections_of(), fronts=here), "way")
    nginx = Nginx(70, Section(NGINX, 0), tree(NGINX))
    assert isinstance(part(inside(sections_of(), fronts=here, nginx=nginx), "way"), NginxConfig)
    beside: NginxConfig = part(inside(sections_of(), fronts=here), "nginx")
    assert beside.other == "nginx is not installed; HAProxy is the proxy there"
    keys: KeyAccess = part(inside(sections_of(), fronts=here), "keys", "nginx")
    assert keys.unseen == "where HAProxy has its keys is not looked at"


def test_an_nginx_on_the_urls_port_is_the_proxy_in_front_though_a_caddy_runs() -> None:
    nginx = Nginx(70, Section(NGINX, 0), tree(NGINX))
    assert isinstance(part(inside(sections_of(), caddy=True, nginx=nginx), "way"), NginxConfig)


def test_keys_that_caddy_keeps_are_not_taken_for_none() -> None:
    assert part(inside(sections_of(), caddy=True), "keys", "nginx").unseen.startswith("Caddy keeps the keys itself")
    assert part(inside(sections_of()), "keys", "nginx").absent == "no nginx runs there, or it uses no private key"


def test_a_caddy_that_cannot_be_read_is_an_error() -> None:
    unread = {"file": "", "servers": [], "trouble": "its configuration cannot be read or adapted as Node-RED's user"}
    assert "none was seen to serve port 443: its configuration cannot be read" in trouble(
        inside(sections_of(), caddy=True, settings={**SETTINGS, "caddies": [unread]}), "way"
    )
    gone = inside(sections_of(), caddy=True, settings=ProbeError("no Node.js on this side", Cause.FORBIDDEN))
    assert trouble(gone, "way") == "no Node.js on this side"


def test_keys_are_looked_at_where_the_links_of_live_lead() -> None:
    seen: KeyAccess = part(inside(certbot()), "keys", "certbot")
    [[key, *above]] = seen.keys
    assert (key.path, key.mode) == ("/etc/letsencrypt/archive/plant.example/privkey1.pem", 0o600)
    assert [file_step.path for file_step in above] == [
        "/etc/letsencrypt/archive/plant.example",
        "/etc/letsencrypt/archive",
    ]


def test_a_key_of_nginx_that_cannot_be_looked_at() -> None:
    text = "# configuration file /n.conf:\nhttp { ssl_certificate_key /etc/ssl/private/plant.key; }"
    denied = {"key:/etc/ssl/private/plant.key": Section("stat: cannot statx: Permission denied", 1)}
    gathered = inside(sections_of(), nginx=Nginx(70, Section(text, 0), tree(text)), later=denied)
    assert "/etc/ssl/private/plant.key cannot be inspected" in trouble(gathered, "keys", "nginx")


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


def test_a_keys_link_leads_to_the_archive() -> None:
    text = (
        "# configuration file /n.conf:\nhttp { ssl_certificate_key /etc/letsencrypt/live/plant.example/privkey.pem; }"
    )
    later = {
        "key:/etc/letsencrypt/live/plant.example/privkey.pem": Section(
            "sudo: unable to resolve host plant\n600 0 0 root root 17 /etc/letsencrypt/live/plant.example/privkey.pem",
            0,
        )
    }
    gathered = inside(certbot(), nginx=Nginx(70, Section(text, 0), tree(text)), later=later)
    seen: KeyAccess = part(gathered, "keys", "nginx")
    assert [file_step.path for file_step in seen.keys[0]] == [
        "/etc/letsencrypt/archive/plant.example/privkey1.pem",
        "/etc/letsencrypt/archive/plant.example",
        "/etc/letsencrypt/archive",
    ]
    variable = text.replace("plant.example/privkey", "$ssl_server_name/privkey")
    unknown = inside(certbot(), nginx=Nginx(70, Section(variable, 0), tree(variable)))
    assert "$ssl_server_name/privkey.pem cannot be determined" in trouble(unknown, "keys", "nginx")


def test_nginx_that_cannot_be_parsed() -> None:
    with pytest.raises(ProbeError, match="printed no configuration"):
        tree("nginx: test is successful")
    with pytest.raises(ProbeError, match=r"cannot be parsed: .*/etc/nginx/nginx.conf"):
        tree("# configuration file /etc/nginx/nginx.conf:\nhttp { server {")
    circle = "# configuration file /n/a.conf:\ninclude a.conf;\n"
    with pytest.raises(ProbeError, match="form a loop"):
        tree(circle)


def test_includes_are_found_as_nginx_finds_them() -> None:
    text = (
        "# configuration file /etc/nginx/nginx.conf:\nhttp { include sites/*.conf; include /srv/extra.conf; }\n"
        "# configuration file /etc/nginx/sites/a.conf:\nserver { listen 1; }\n"
        "# configuration file /etc/nginx/sites/deep/b.conf:\nserver { listen 2; }\n"
        "# configuration file /srv/extra.conf:\nserver { listen 3; }\n"
    )
    [http] = tree(text)
    assert [directive.block[0].args for directive in http.block] == [("1",), ("3",)]
    assert http.block[0].where() == "/etc/nginx/sites/a.conf:1"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0100007F:01BB 0100007F:C350 01", True),
        ("0100007F:01BB 0100007F:C350 06", False),
        ("0100007F:01BB 0200007F:C350 01", False),
        ("", False),
    ],
)
def test_our_connection_in_the_hosts_table(line: str, expected: bool) -> None:
    assert parse.connected(Section(line, 0), "127.0.0.1", 50000) is expected
    assert parse.connected(None, "127.0.0.1", 50000) is False


# --- impostors (on a real machine in tests/live/test_host_machine.py)


def test_a_strangers_node_red_is_not_taken_for_that_of_a_service_which_does_not_run() -> None:
    mallory = PROCESS.replace("998", "65534").replace("user nodered", "user nobody")
    mallory = mallory.replace("/system.slice/nodered.service", "/user.slice/user-3.slice/session-3.scope")
    units = UNITS.replace("LoadState=loaded", "User=nodered\nMainPID=0\nLoadState=loaded", 1)
    sections = sections_of(process_812=Section(mallory, 0), units=Section(units, 0))
    [node_red] = processes.candidates(sections, OPS, 1880)
    [line] = processes.impostors(sections, OPS, node_red)
    assert line == "process 812 of user nobody runs in place of nodered.service, whose user is another"
    way: Any = SimpleNamespace(sudo="sudo")
    with pytest.raises(ProbeError, match="whose user is another: its settings"):
        evaluate(way, OPS, node_red, HostDemands(), sections)
    for other in (
        units.replace("User=nodered", "User=nobody"),
        units.replace("LoadState=loaded", "LoadState=not-found", 1),
    ):
        sections["units"] = Section(other, 0)
        assert processes.impostors(sections, OPS, node_red) == ()


def test_who_calls_himself_something_else_is_named_and_not_believed() -> None:
    mallory = PROCESS.replace("998", "65534").replace("user nodered", "user nobody")
    mallory = mallory.replace("nodered.service", "cron.service")
    caddy = mallory.replace("comm node-red", "comm caddy").replace("/usr/bin/node", "/srv/caddy")
    setuid = caddy.replace("same 65534", "same ").replace("Uid 65534", "Uid 0")
    units = UNITS.replace("LoadState=loaded", "User=nodered\nMainPID=812\nLoadState=loaded", 1)
    sections = sections_of(
        process_900=Section(mallory, 0),
        process_901=Section(mallory.replace("/usr/bin/node", "/usr/bin/sleep"), 0),
        caddy_902=Section(caddy, 0),
        caddy_903=Section(setuid, 0),
        caddy_904=Section(caddy.replace("exe /srv/caddy", "exe "), 0),  # not to be seen: neither believed nor accused
        impostor_905=Section("nginx 0 root /usr/bin/su ", 0),
    )
    sections["units"] = Section(units, 0)
    [node_red] = processes.candidates(sections, OPS, 1880)
    assert node_red.process.pid == 812
    named = processes.impostors(sections, OPS, node_red)
    assert [re.findall(r"process (\d+) .* itself (\S+);", line) for line in named] == [
        [(pid, name)]
        for pid, name in [
            ("905", "nginx"),
            ("902", "caddy"),
            ("903", "caddy"),
            ("900", "node-red"),
            ("901", "node-red"),
        ]
    ]
    assert processes.caddies(sections, OPS) == []
    own = caddy.replace("65534", "994").replace("nobody", "caddy").replace("cron.service", "caddy.service")
    sections["units"] = Section(f"{units}\n\nId=caddy.service\nUser=caddy\nMainPID=902", 0)
    [service] = processes.caddies({**sections, "caddy 902": Section(own, 0), "caddy 903": Section(setuid, 0)}, OPS)
    assert service.process.pid == 902


def test_the_service_of_a_users_own_manager_is_not_the_machines() -> None:
    group = "cgroup 0::/user.slice/user-65534.slice/user@65534.service/app.slice/nodered.service"
    text = PROCESS.replace("cgroup 0::/system.slice/nodered.service", group)
    [candidate] = processes.candidates({"process 812": Section(text, 0), "units": Section(UNITS, 0)}, OPS)
    assert (candidate.process.unit, candidate.vouched) == ("", False)


def test_heads_of_files_inside_files_of_nginx_are_none() -> None:
    inner = "# configuration file /etc/nginx/b.conf:\n"
    main = f"http {{\n{inner}include b.conf;\nserver {{ listen 8080; }}\n}}\n"
    text = f"# configuration file /etc/nginx/nginx.conf:\n{main}\n{inner}server {{ listen 443; }}\n\n"
    sizes = {"/etc/nginx/nginx.conf": len(main), "/etc/nginx/b.conf": len("server { listen 443; }\n")}
    [http] = tree(text, sizes)
    assert [directive.block[0].args for directive in http.block] == [("443",), ("8080",)]
    with pytest.raises(ProbeError, match=r"cannot be separated at /etc/nginx/b\.conf"):
        tree(text)
    with pytest.raises(ProbeError, match=r"cannot be separated at /etc/nginx/nginx\.conf"):
        tree(text, {"/etc/nginx/nginx.conf": 3})


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


def test_a_port_that_a_module_computes_is_no_other_one() -> None:
    computed = {**SETTINGS, "settings": {**SETTINGS["settings"], "uiPort": "computed"}}
    assert part(inside(sections_of(), settings={**computed, "named": True}), "login").kind == "set"
    assert "says uiPort computed" in trouble(inside(sections_of(), settings={**computed, "guessed": True}), "login")


def test_what_pm2_says_of_node_red_is_judged_with_the_service_that_starts_it() -> None:
    text = PROCESS.replace("/system.slice/nodered.service", "/user.slice/user-998.slice/session-3.scope")
    units = UNITS + "\n\nId=pm2-nodered.service\nLoadState=loaded\nUnitFileState=enabled"
    sections = sections_of(process_812=Section(f"{text}\nparent PM2 v6: God ", 0), units=Section(units, 0))
    kept = {**SETTINGS, "kept": {"restarts": True, "starts": False}}
    seen = part(inside(sections, settings=kept), "supervision")
    assert (seen.unit.name, seen.restarts, seen.starts) == ("pm2-nodered.service", True, False)
    absent = replace(inside(sections, settings=kept), found={**sections, "units": Section(UNITS, 0)})
    assert part(absent, "supervision").unit is None


# --- what tells a machine from others


def test_the_marks_of_a_machine_are_digests() -> None:
    a, b, c = ("a" * 64, "b" * 64, "c" * 64)
    text = f"machine-id {a}\nboot_id {b}\nssh-ed25519 {c}\nssh-rsa {c}\nsh: sha256sum: not found"
    seen = part(inside(sections_of(marks=Section(text, 0))), "marks")
    assert seen == MachineMarks(a, b, (("ssh-ed25519", c), ("ssh-rsa", c)), passwords=())
    assert part(inside(sections_of(marks=Section(f"boot_id {b}", 0)), in_container=True), "marks").container
    told = {**SETTINGS, "telemetry": {"chosen": "unset", "silenced": False, "instance": a, "secret": c}}
    gathered = inside(sections_of(marks=Section(text, 0)))
    seen = part(replace(gathered, settings=told), "marks")
    assert (seen.instance, seen.secret) == (a, c)
    unseen = part(replace(gathered, settings=ProbeError("no right", Cause.FORBIDDEN)), "marks")
    assert (unseen.instance, unseen.secret, unseen.passwords) == ("", "", None)
    assert trouble(inside(sections_of(marks=Section("sh: sha256sum: not found", 0))), "marks").startswith(
        "nothing there"
    )


def test_password_hashes_are_marks_where_the_settings_are_those_that_run() -> None:
    a, b = ("a" * 64, "b" * 64)

    def account(mark: str) -> dict[str, Any]:
        return {"scheme": "bcrypt", "cost": 8, "known": "", "mark": mark}

    users = [{"permissions": "*", "hash": account(mark)} for mark in (a, "", "$2b$08$in-clear")]
    settings = {**SETTINGS["settings"], "adminAuth": {**SETTINGS["settings"]["adminAuth"], "users": users},
                "httpNodeAuth": {"kind": "set", "hash": account(b)}}  # fmt: skip
    gathered = inside(sections_of(marks=Section(f"machine-id {a}", 0)))
    told = {**SETTINGS, "settings": settings}
    seen = part(replace(gathered, settings=told), "marks")
    assert seen.passwords == (("adminAuth user 1", a), ("httpNodeAuth", b))
    unsure = {**told, "asked": ["vault"]}  # it may have chosen between two
    assert part(replace(gathered, settings=unsure), "marks").passwords is None


def test_no_mark_leaves_the_machine_in_clear(tmp_path: Path) -> None:
    """The script's own function, over files of our own; a machine id that was never set is none."""
    (tmp_path / "machine-id").write_text("uninitialized\n")
    (tmp_path / "boot_id").write_text("0123456789abcdef0123456789abcdef\n")
    (tmp_path / "ssh_host_ed25519_key.pub").write_text("ssh-ed25519 AAAAC3Nza root@line-7\n")
    functions = SCRIPT[SCRIPT.index("marks() {") : SCRIPT.index("\nif [ $# -gt 0 ]")]
    for place in ("/etc/ssh", "/etc", "/proc/sys/kernel/random"):
        functions = functions.replace(f" {place}/", f" {tmp_path}/")
    done = subprocess.run(["/bin/sh", "-c", f"{functions}\nmarks"], capture_output=True, text=True, check=True)
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == ["boot_id", "ssh-ed25519"]
    assert "0123456789" not in done.stdout
    assert "AAAAC3Nza" not in done.stdout
    assert done.stderr == ""
