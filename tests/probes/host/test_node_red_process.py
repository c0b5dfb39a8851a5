"""Which process on a host is Node-RED, how it is kept running, and what is never taken for an answer."""

from __future__ import annotations

import pytest
from probes.host.layouts import FILES, OPS, PORTS, PROCESS, SOCKETS, inside, part, sections_of, trouble

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.observations.host import Listening, ListeningSocket
from pytest_nodered_sec.policy.model import HostDemands
from pytest_nodered_sec.probes.host import parse, processes
from pytest_nodered_sec.probes.host.parse import Section
from pytest_nodered_sec.probes.host.processes import choose


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


@pytest.mark.parametrize(
    ("command", "expected"),  # as systemd shows it, without quotes
    [
        ("/usr/bin/env node-red -u /data", "/usr/bin/env node-red -u /data"),
        ("/bin/bash -lc node-red -u /data", "node-red -u /data"),
        ("/bin/bash -lc [ -f /x ] && exec node-red -u /a || exec node-red -u /b", ""),
        ("/bin/bash -l -c if [ -f /x ]; then node-red -u /a; else node-red -u /b; fi", ""),
        ("/bin/bash --login -c cd /srv && exec node-red -s settings.js", "exec node-red -s settings.js"),
        ("/bin/sh -ec export A=1; exec node-red -u /data", "exec node-red -u /data"),
        ("/bin/bash -o pipefail -c node-red -u /data | tee /var/log/nr", ""),
        ("/usr/bin/env bash -lc source ~/.nvm/nvm.sh && nvm use 22 && node-red -u /data", "node-red -u /data"),
        ("/usr/bin/env bash -lc source /opt/nr.sh && node-red -u /data", ""),
        ("/bin/sh -c node-red -s ~/a.js", ""),
        ("/usr/bin/su - pi -c node-red -u /data", "node-red -u /data"),
        ("/usr/bin/su -c node-red -u /data pi", ""),  # which words are the command's is not to be seen
        ("/usr/sbin/runuser -u pi -- node-red -u /data", "/usr/sbin/runuser -u pi -- node-red -u /data"),
        ("/bin/bash /opt/start.sh -c x", "/bin/bash /opt/start.sh -c x"),
        ("/usr/bin/node -c /opt/app.js", ""),
        ("/bin/bash", "/bin/bash"),
    ],
)
def test_what_a_shell_starts(command: str, expected: str) -> None:
    assert " ".join(processes.plain(tuple(command.split()))) == expected


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
