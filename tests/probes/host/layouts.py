"""Recorded and simulated layouts of hosts, and what their answers are taken for.

All of them are simulated: no machine of these tests runs systemd or Docker. The texts have the form of
    systemctl show --no-pager -p Id,Names,LoadState,ActiveState,UnitFileState,Restart,Result,Triggers nodered.service
    docker inspect --format '{{json .NetworkSettings.Ports}} {{.HostConfig.NetworkMode}} …' CONTAINER
of systemd 252 and Docker 24; run the lines of probes/host/host.sh on a real machine to compare.
"""

from __future__ import annotations

import base64
import json
import zlib
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.observations.host import NodeRedProcess
from pytest_nodered_sec.policy.model import HostDemands
from pytest_nodered_sec.probes.host import processes
from pytest_nodered_sec.probes.host.candidate import Candidate
from pytest_nodered_sec.probes.host.gather import Inside
from pytest_nodered_sec.probes.host.parse import Me, Section
from pytest_nodered_sec.probes.host.parts import look_inside

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


def running(uid: int, user: str, **more: Any) -> Candidate:
    process = NodeRedProcess(pid=812, uid=uid, user=user, started=0.0)
    return Candidate(process, exe="/usr/bin/node", cwd="/", args=(), **more)


def input_of(packed: str) -> dict[str, Any]:  # Any: JSON
    """Return what the program for the host's Node is given."""
    program = zlib.decompress(base64.b64decode(packed.split('"')[3])).decode()
    given: dict[str, Any] = json.loads(program.partition("\n")[0].removeprefix("const INPUT = ").removesuffix(";"))
    return given


NGINX = "# configuration file /etc/nginx/nginx.conf:\nhttp { server { listen 443 ssl; } }"
