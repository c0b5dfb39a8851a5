"""What the host's answers are taken for: recorded and simulated layouts that no test machine can have all at once.

All of them are simulated: no machine of these tests runs systemd or Docker. The texts have the form of
    systemctl show --no-pager -p Id,Names,LoadState,ActiveState,UnitFileState,Restart,Result,Triggers nodered.service
    docker inspect --format '{{json .NetworkSettings.Ports}} {{.HostConfig.NetworkMode}} …' CONTAINER
of systemd 252 and Docker 24; run the lines of probes/host.sh on a real machine to compare.
"""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import trustme

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model_host import (
    CaddyConfig,
    ChannelSettings,
    Identity,
    KeyAccess,
    Listening,
    ListeningSocket,
    LoginSettings,
    NginxConfig,
    NginxService,
    Renewal,
    Supervision,
)
from pytest_nodered_sec.policy import HostDemands
from pytest_nodered_sec.probes import host_text
from pytest_nodered_sec.probes.host import Inside, Nginx, as_user, choose, environment_of_unit, evaluate
from pytest_nodered_sec.probes.host_nginx import tree
from pytest_nodered_sec.probes.host_parts import look_inside
from pytest_nodered_sec.probes.host_text import Me, Section

BOX = "8f4e0c1d" * 8
OPS = Me(1000, "ops", sudo=False, now=1_700_001_000.0, uptime=1000.0, ticks=100.0)
PROCESS = """comm node-red
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
FILES = "\n".join(f"lrwx------ 1 nodered nodered 64 Nov 23 22 -> socket:[{one}]" for one in range(111, 117))
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
SETTINGS: dict[str, Any] = {
    "file": "/home/nodered/.node-red/settings.js",
    "userDir": "/home/nodered/.node-red",
    "loaded": [{"path": "/home/nodered/.node-red/settings.js", "changed": 1_699_000_000}],
    "types": {"known": True, "dashboard1": True, "dashboard2": False, "webSockets": []},
    "versions": {"nodeRed": "5.0.7", "node": "24.1.0", "modules": [], "packages": []},
    "guessed": False, "define": False, "kinds": {}, "groups": {}, "port": "",
    "settings": {
        "uiPort": "1880", "httpNodeRoot": "", "ui": {"middleware": "unset", "ioMiddleware": "function"},
        "webSocketNodeVerifyClient": "unset",
        "adminAuth": {"kind": "set", "module": "", "type": "credentials", "users": [], "usersKind": "list",
                      "defaultKind": "unset", "defaultPermissions": ""},
        **{name: {"kind": "unset"} for name in ("httpAdminAuth", "httpNodeAuth", "httpStaticAuth")},
    },
}  # fmt: skip


def found(**more: Section) -> dict[str, Section]:
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
    [candidate] = host_text.candidates(sections, OPS)
    values: dict[str, Any] = {
        "demands": HostDemands(), "url": "https://plant.example", "who": OPS, "found": sections,
        "node_red": candidate, "docker": None, "networks": None,
        "in_container": False,
        "connected": False, "served": "", "settings": SETTINGS, "nginx": None,
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
    seen: Listening = part(inside(found()), "listening")
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
    message = trouble(inside(found(**{"fd_812": denied})), "listening")
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
    assert bool(host_text.candidates({"process 812": Section(text, 0)}, OPS)) is is_one


def test_a_node_red_inside_an_application_is_found_by_its_port_or_its_service() -> None:
    """Simulated: `node app.js` with require("node-red"), which has no title of its own."""
    app = PROCESS.replace("comm node-red", "comm node").replace("args node-red", "args node /srv/app.js")
    alone = app.replace("cgroup 0::/system.slice/nodered.service", "cgroup 0::/system.slice/line.service")
    main = Section("Id=nodered.service\nMainPID=812", 0)
    sections = {"sockets 812": Section(SOCKETS, 0), "fd 812": Section(FILES, 0), "units": main}
    for text, port, there in ((app, 0, True), (alone, 1880, True), (alone, 1881, False), (alone, 0, False)):
        assert bool(host_text.candidates({"process 812": Section(text, 0), **sections}, OPS, port)) is there
    titled = {"process 812": Section(alone, 0), "process 900": Section(PROCESS, 0), **sections}
    assert [one.process.pid for one in host_text.candidates(titled, OPS, 1880)] == [900]
    unseen = {"process 812": Section(alone, 0)}
    assert host_text.candidates(unseen, OPS, 1880) == []  # whose files are not ours to see


def test_one_that_ended_while_we_looked_is_none() -> None:
    gone = Section(PROCESS.replace("ticks 5000", "ticks "), 0)
    assert host_text.candidates({"process 812": gone, "process 813": Section("", 1)}, OPS) == []


def test_which_of_several_is_meant() -> None:
    two = found(**{"process_900": Section(PROCESS.replace("/home/nodered", "/home/line2"), 0),
                   "sockets_900": Section("tcp 0100007F:0759 200", 0),
                   "fd_900": Section("x -> socket:[200]", 0)})  # fmt: skip
    both = host_text.candidates(two, OPS)
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
        host_text.sections("==a begin me\n0\n==a end 0\n", "==a")
    with pytest.raises(ProbeError, match="runs Darwin"):
        host_text.me(Section("0\nroot\nDarwin\n\n1\n1\n100", 0))
    with pytest.raises(ProbeError, match="does not say who we are"):
        host_text.me(Section("zero\nroot\nLinux", 1))
    lying = "==b begin fake\nx\n==b end 0"
    text = f"==a begin os\n{lying}\n==a end 0\n==a begin end\n\n==a end 0"
    assert set(host_text.sections(text, "==a")) == {"os", "end"}


# --- containers (simulated)

IN_BOX = PROCESS.replace("/system.slice/nodered.service", f"/system.slice/docker-{BOX}.scope")
EVERYWHERE = "tcp 00000000:0758 111"


def box(inspect: Section | None) -> Inside:
    sections = found(**{"process_812": Section(IN_BOX, 0), "sockets_812": Section(EVERYWHERE, 0)})
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
    assert "no docker here tells" in trouble(box(None), "listening")
    assert "permission denied" in trouble(box(Section("permission denied while trying to connect", 1)), "listening")


def test_settings_in_a_container_are_looked_at_from_inside_it() -> None:
    way: Any = None
    with pytest.raises(ProbeError, match="--nodered-host=docker://NAME"):
        evaluate(way, OPS, box(None).node_red, HostDemands(), {})


def test_seen_from_inside_its_own_container_it_is_no_containers() -> None:
    sections = {"self": Section(f"12:pids:/docker/{BOX}", 0), "process 812": Section(IN_BOX, 0)}
    assert host_text.candidates(sections, OPS)[0].process.container == ""


def test_what_only_the_machine_of_the_proxy_shows() -> None:
    gathered = inside(found(), in_container=True, docker=Section("{} bridge always", 0))
    assert "does not show whether it is the one behind https://plant.example" in trouble(gathered, "identity")
    assert "who renews the certificate is not to be seen in a container" in trouble(gathered, "renewal")
    assert part(gathered, "supervision").restart_policy == "always"
    assert part(replace(gathered, connected=True), "identity").connected
    declared = replace(gathered, demands=HostDemands(acme_client="acme.sh"))
    assert part(declared, "renewal").other == "acme.sh"


def test_a_proxy_in_a_container_is_not_taken_for_the_hosts_own() -> None:
    gathered = inside(found(**{"boxed_nginx": Section(BOX, 0), "nginx-version": Section("nginx/1.22.1", 0)}))
    for name in ("nginx service", "nginx", "way"):
        assert "nginx runs in the container 8f4e0c1d8f4e" in trouble(gathered, name)


# --- rights


def test_whose_rights_the_evaluator_gets() -> None:
    assert "env -u NODE_OPTIONS /usr/bin/node -" in as_user(OPS, 1000, "ops", "/usr/bin/node", sudo=False)
    root = Me(0, "root", sudo=False, now=0, uptime=0, ticks=100)
    assert "su -s /bin/sh -c '/usr/bin/node -' nodered" in as_user(root, 998, "nodered", "/usr/bin/node", sudo=False)
    assert "setpriv --reuid=998" in as_user(root, 998, "998", "/usr/bin/node", sudo=False)
    assert "sudo -n -u '#998' node -" in as_user(OPS, 998, "998", "node", sudo=True)
    with pytest.raises(ProbeError, match=r"we came as ops: add \?sudo=true"):
        as_user(OPS, 998, "nodered", "node", sudo=False)


# --- settings


def test_settings_newer_than_the_process_prove_nothing() -> None:
    late = {**SETTINGS, "loaded": [{"path": "/home/nodered/.node-red/settings.js", "changed": 1_700_000_350}]}
    assert "changed 300 s after Node-RED started" in trouble(inside(found(), settings=late), "login")
    seen = part(inside(found(), settings=late), "freshness")
    assert seen.newer == (("/home/nodered/.node-red/settings.js", 300),)


def test_settings_of_another_node_red_prove_nothing() -> None:
    other = {**SETTINGS, "settings": {**SETTINGS["settings"], "uiPort": "1990"}}
    assert "says uiPort 1990, but Node-RED (pid 812" in trouble(inside(found(), settings=other), "login")
    moved = {**other, "port": "1880"}  # -p on the command line
    assert isinstance(part(inside(found(), settings=moved), "login"), LoginSettings)


def test_a_directory_that_was_guessed_must_be_told_by_the_port() -> None:
    unseen = found(**{"fd_812": Section("ls: cannot open directory '/proc/812/fd': Permission denied", 2)})
    assert isinstance(part(inside(unseen), "login"), LoginSettings)  # it was named
    assert "Permission denied" in trouble(inside(unseen, settings={**SETTINGS, "guessed": True}), "login")


def test_settings_that_the_command_line_overrides_prove_nothing() -> None:
    overridden = {**SETTINGS, "define": True}
    assert "started with -D" in trouble(inside(found(), settings=overridden), "login")


@pytest.mark.parametrize(
    ("auth", "message"),
    [
        ({"kind": "computed", "module": "node-red-auth-github"}, "made by a node-red-auth-github that is not run here"),
        ({"usersKind": "function"}, "adminAuth.users is made by a function"),
        ({"defaultKind": "function"}, "adminAuth.default is a function"),
    ],
)
def test_logins_that_are_decided_at_run_time_cannot_be_looked_at(auth: dict[str, str], message: str) -> None:
    settings = {**SETTINGS["settings"], "adminAuth": {**SETTINGS["settings"]["adminAuth"], **auth}}
    assert message in trouble(inside(found(), settings={**SETTINGS, "settings": settings}), "login")


def test_dashboards_of_flows_that_cannot_be_read_are_not_known() -> None:
    seen: ChannelSettings = part(inside(found()), "channels")
    assert seen.dashboards == (("ui", False, True),)
    unread = {**SETTINGS, "types": {**SETTINGS["types"], "known": False}}
    assert "cannot be read" in trouble(inside(found(), settings=unread), "channels")


def test_a_release_that_is_not_found_is_not_known() -> None:
    unknown = {**SETTINGS, "versions": {**SETTINGS["versions"], "nodeRed": ""}}
    assert "release is not known" in trouble(inside(found(), settings=unknown), "patch level")


@pytest.mark.parametrize("name", ["login", "files", "patch level", "freshness"])
def test_without_settings_each_part_carries_the_reason(name: str) -> None:
    gone = inside(found(), settings=ProbeError("no Node.js on this side", Cause.FORBIDDEN))
    assert trouble(gone, name, *(["flows"] if name == "files" else [])) == "no Node.js on this side"


# --- services


def test_a_unit_is_found_by_every_name_it_has() -> None:
    seen: Supervision = part(inside(found(**{"security_nodered.service": Section(
        "→ Overall exposure level for nodered.service: 9.2 UNSAFE 😨", 0)})), "supervision")  # fmt: skip
    assert seen.unit is not None
    assert (seen.unit.get("Restart"), seen.exposure) == ("on-failure", 9.2)
    units = host_text.units(Section(UNITS, 0))
    assert units["node-red.service"] is units["nodered.service"]


def test_a_host_without_a_service_manager_is_an_error() -> None:
    none = {name: one for name, one in found().items() if name != "units"}
    assert "has no systemctl" in trouble(inside(none), "supervision")
    bus = Section("System has not been booted with systemd as init system (PID 1). Can't operate.", 1)
    assert "not been booted with systemd" in trouble(inside(found(units=bus)), "supervision")


def test_what_a_unit_starts_with() -> None:
    text = (
        "Id=nodered.service\n"
        "ExecStart={ path=/usr/bin/env ; argv[]=/usr/bin/env node-red -u /data -D (hidden) ; ignore_errors=no ; pid=0 }"
    )
    expected = ("/usr/bin/env", "node-red", "-u", "/data", "-D", "(hidden)")
    assert host_text.starts(Section(text, 0), "nodered.service") == expected
    assert host_text.starts(Section(text, 0), "other.service") == ()
    assert host_text.starts(None, "nodered.service") == ()


NGINX = "# configuration file /etc/nginx/nginx.conf:\nhttp { server { listen 443 ssl; } }"


def test_nginx_in_service_and_in_trouble() -> None:
    processes = {"nginx-version": Section("nginx version: nginx/1.22.1", 0)}
    processes["nginx-processes"] = Section("70 1 500 nginx: master process\n71 70 510 nginx: worker process", 0)
    good = Nginx(70, Section(NGINX, 0), tree(NGINX))
    seen: NginxService = part(inside(found(**processes), nginx=good), "nginx service")
    assert (seen.running, seen.valid, seen.unit is not None) == (True, True, True)
    bad = Nginx(70, Section('nginx: [emerg] unknown directive "x" in /etc/nginx/nginx.conf:1', 1), None)
    seen = part(inside(found(**processes), nginx=bad), "nginx service")
    assert (seen.valid, seen.complaint) == (False, '[emerg] unknown directive "x" in /etc/nginx/nginx.conf:1')
    denied = Nginx(70, Section("sudo: a password is required", 1), None)
    assert "may not be run: sudo: a password is required" in trouble(
        inside(found(**processes), nginx=denied), "nginx service"
    )
    assert "docs/sudoers" in trouble(inside(found(**processes), nginx=denied), "nginx")
    gone: NginxConfig = part(inside(found()), "nginx")
    assert gone.other == "nginx is not installed; no other proxy was found"


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
    return found(
        certbot=Section("/usr/bin/certbot", 0),
        lineages=Section(LINEAGES, 0),
        certificates=Section(
            "\n".join(f"/etc/letsencrypt/live/plant.example/cert.pem:{one}" for one in PEM.split("\n")), 0
        ),
        renewal=Section("/etc/letsencrypt/renewal/plant.example.conf:installer = nginx", 0),
        hooks=Section("", 1),
        **more,
    )


CRON = "0 */12 * * * root test -x /usr/bin/certbot -a \\! -d /run/systemd/system && certbot -q renew"


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


def test_without_a_served_certificate_no_lineage_can_be_compared() -> None:
    assert "showed no certificate" in trouble(inside(certbot()), "renewal")


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
    assert part(inside(found(**CADDY), nginx=nginx), "renewal").other == ""
    assert part(inside(found(**CADDY)), "renewal").other == "Caddy"


def test_certbot_that_may_not_be_looked_at_and_one_that_is_not_there() -> None:
    denied = {**certbot(), "lineages": Section("find: '/etc/letsencrypt/live': Permission denied", 1)}
    assert "Permission denied" in trouble(inside(denied), "renewal")
    assert "Permission denied" in trouble(inside(denied), "keys", "certbot")
    assert part(inside(found()), "renewal").client == ""
    declared = inside(found(), demands=HostDemands(acme_client="acme.sh"))
    assert part(declared, "renewal").other == "acme.sh"


CADDY = {"caddy": Section("running", 0)}
SERVER = {"name": "srv0", "listen": [":443"], "tls": True, "routes": [],
          "dials": [{"dial": "127.0.0.1:1880", "secure": False}]}  # fmt: skip


def test_the_caddy_on_the_urls_port_is_the_proxy_in_front() -> None:
    other = {"file": "/other", "servers": [{**SERVER, "listen": [":8443"]}], "trouble": ""}
    ours = {"file": "/etc/caddy/Caddyfile", "servers": [SERVER], "trouble": ""}
    seen: CaddyConfig = part(inside(found(**CADDY), settings={**SETTINGS, "caddies": [other, ours]}), "way")
    assert (seen.file, seen.servers[0].dials) == ("/etc/caddy/Caddyfile", (("127.0.0.1:1880", False),))


def test_an_nginx_on_the_urls_port_is_the_proxy_in_front_though_a_caddy_runs() -> None:
    nginx = Nginx(70, Section(NGINX, 0), tree(NGINX))
    assert isinstance(part(inside(found(**CADDY), nginx=nginx), "way"), NginxConfig)


def test_keys_that_caddy_keeps_are_not_taken_for_none() -> None:
    assert part(inside(found(**CADDY)), "keys", "nginx").unseen.startswith("Caddy keeps the keys itself")
    assert part(inside(found()), "keys", "nginx").absent == "no nginx runs there, or it uses no key"


def test_a_caddy_that_cannot_be_read_is_an_error() -> None:
    unread = {"file": "", "servers": [], "trouble": "its configuration cannot be read or adapted as Node-RED's user"}
    assert "none was seen to serve port 443: its configuration cannot be read" in trouble(
        inside(found(**CADDY), settings={**SETTINGS, "caddies": [unread]}), "way"
    )
    gone = inside(found(**CADDY), settings=ProbeError("no Node.js on this side", Cause.FORBIDDEN))
    assert trouble(gone, "way") == "no Node.js on this side"


def test_keys_are_looked_at_where_the_links_of_live_lead() -> None:
    seen: KeyAccess = part(inside(certbot()), "keys", "certbot")
    [[key, *above]] = seen.keys
    assert (key.path, key.mode) == ("/etc/letsencrypt/archive/plant.example/privkey1.pem", 0o600)
    assert [one.path for one in above] == ["/etc/letsencrypt/archive/plant.example", "/etc/letsencrypt/archive"]


def test_a_key_of_nginx_that_cannot_be_looked_at() -> None:
    text = "# configuration file /n.conf:\nhttp { ssl_certificate_key /etc/ssl/private/plant.key; }"
    denied = {"key:/etc/ssl/private/plant.key": Section("stat: cannot statx: Permission denied", 1)}
    gathered = inside(found(), nginx=Nginx(70, Section(text, 0), tree(text)), later=denied)
    assert "/etc/ssl/private/plant.key cannot be looked at" in trouble(gathered, "keys", "nginx")


def test_files_that_a_units_environment_comes_from() -> None:
    units = UNITS.replace("NoNewPrivileges=yes", "EnvironmentFiles=/etc/default/red (ignore_errors=no)\n"
                          "EnvironmentFiles=/etc/none (ignore_errors=yes)", 1)  # fmt: skip
    later = {
        "key:/etc/default/red": Section("644 0 0 root root 1700000000 /etc/default/red", 0),
        "key:/etc/default": Section("755 0 0 root root 1700000000 /etc/default", 0),
        "key:/etc/none": Section("stat: cannot statx '/etc/none': No such file or directory", 1),
        "key:/etc/ssl/plant.key": Section("sudo: a password is required", 1),  # somebody else's affair
    }
    sections = {**found(), "units": Section(units, 0)}
    assert environment_of_unit(sections, "nodered.service") == ("/etc/default/red", "/etc/none")
    seen = part(inside(sections, later=later), "files", "environment files")
    [[file, above]] = seen.files
    assert (file.path, file.mode, file.folder, above.folder) == ("/etc/default/red", 0o644, False, True)
    assert part(inside(found()), "files", "environment files").files == ()
    denied = {**later, "key:/etc/default/red": Section("sudo: a password is required", 1)}
    assert "/etc/default/red cannot be looked at" in trouble(
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
    assert [one.path for one in seen.keys[0]] == [
        "/etc/letsencrypt/archive/plant.example/privkey1.pem",
        "/etc/letsencrypt/archive/plant.example",
        "/etc/letsencrypt/archive",
    ]
    variable = text.replace("plant.example/privkey", "$ssl_server_name/privkey")
    unknown = inside(certbot(), nginx=Nginx(70, Section(variable, 0), tree(variable)))
    assert "$ssl_server_name/privkey.pem lies cannot be told" in trouble(unknown, "keys", "nginx")


def test_nginx_that_cannot_be_parsed() -> None:
    with pytest.raises(ProbeError, match="printed no configuration"):
        tree("nginx: test is successful")
    with pytest.raises(ProbeError, match=r"cannot be parsed: .*/etc/nginx/nginx.conf"):
        tree("# configuration file /etc/nginx/nginx.conf:\nhttp { server {")
    circle = "# configuration file /n/a.conf:\ninclude a.conf;\n"
    with pytest.raises(ProbeError, match="in a circle"):
        tree(circle)


def test_includes_are_found_as_nginx_finds_them() -> None:
    text = (
        "# configuration file /etc/nginx/nginx.conf:\nhttp { include sites/*.conf; include /srv/extra.conf; }\n"
        "# configuration file /etc/nginx/sites/a.conf:\nserver { listen 1; }\n"
        "# configuration file /etc/nginx/sites/deep/b.conf:\nserver { listen 2; }\n"
        "# configuration file /srv/extra.conf:\nserver { listen 3; }\n"
    )
    [http] = tree(text)
    assert [one.block[0].args for one in http.block] == [("1",), ("3",)]
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
    assert host_text.connected(Section(line, 0), "127.0.0.1", 50000) is expected
    assert host_text.connected(None, "127.0.0.1", 50000) is False
