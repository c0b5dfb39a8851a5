"""Processes of others that look like Node-RED: which are named, and where one is looked at nonetheless."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from probes.host.layouts import BOX, OPS, PORTS, PROCESS, SOCKETS, UNITS, sections_of

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.policy.model import HostDemands
from pytest_nodered_sec.probes.host import places, processes
from pytest_nodered_sec.probes.host.gather import evaluate
from pytest_nodered_sec.probes.host.nginx import tree
from pytest_nodered_sec.probes.host.parse import Section
from pytest_nodered_sec.probes.host.processes import choose

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


CRON = LOOSE.replace("/user.slice/user-998.slice/session-1.scope", "/system.slice/cron.service")


@pytest.mark.parametrize(
    ("unit", "starts", "manager", "known"),
    [
        ("cron.service", "/usr/sbin/cron -f", "", False),  # his own crontab
        ("ssh.service", "/usr/sbin/sshd -D", "supervisord", False),  # whose shell is called so
        ("supervisor.service", "/usr/bin/supervisord -n", "supervisord", True),
        ("line.service", "/bin/su operator -c node-red", "su", True),
    ],
)
def test_what_a_service_for_everybody_starts_is_not_the_node_red_that_is_down(
    unit: str, starts: str, manager: str, known: bool
) -> None:
    """nodered.service has stopped; at its port there is another user's, which nobody vouches for."""
    text = CRON.replace("cron.service", unit).replace("parent systemd", f"parent {manager}")
    units = f"{UNITS}\nUser=operator\nLoadState=loaded\n\nId={unit}\nMainPID=1\nLoadState=loaded"
    line = f"Id={unit}\nExecStart={{ path=/x ; argv[]={starts} ; ignore_errors=no }}"
    sections = sections_of(process_812=Section(text, 0), units=Section(units, 0), starts=Section(line, 0))
    [candidate] = processes.candidates(sections, OPS, 1880)
    assert not candidate.sure
    assert (processes.impostors(sections, OPS, candidate) == ()) == known
    if not known:
        with pytest.raises(ProbeError, match=r"runs in place of nodered.service, whose user is another"):
            processes.check_it_is_no_strangers(sections, candidate)


def test_a_service_named_after_node_red_vouches_for_it_only_where_it_starts_it() -> None:
    """An exporter beside it has a user of its own, who may call a process of his node-red."""
    text = PROCESS.replace("nodered.service", "node-red-exporter.service")
    sections = {"process_812": Section(text, 0)}
    sections["units"] = Section(f"{UNITS}\n\nId=node-red-exporter.service\nUser=nodered\nMainPID=812", 0)
    for command, sure in (("/usr/bin/exporter", False), ("/usr/bin/node-red -p 1990", True)):
        line = f"Id=node-red-exporter.service\nExecStart={{ path=/x ; argv[]={command} ; ignore_errors=no }}"
        [candidate] = processes.candidates(sections_of(**sections, starts=Section(line, 0)), OPS)
        assert (candidate.vouched, candidate.sure) == (True, sure)
