"""A whole machine, from outside and from inside: all green where it is hardened, and each weakness by its controls.

The machine is real (hostlab.py): systemd, sshd, sudo with docs/sudoers, Node-RED, nginx, and certbot with pebble.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import TYPE_CHECKING

import hostlab
import intruder
import pytest
import warm
from flow_pairs import SECRET, side_by_side
from hostbench import Bench, Weak
from hostile_users import (
    BACK,
    CROWD,
    ELSEWHERE,
    FAKE,
    HIDE,
    IMPOSTORS,
    INSTEAD,
    MORE,
    SERVED,
    SHOP,
    STARTS,
    STRANGE,
    TAKE_AWAY,
    WRAPPER,
)
from hostlab import SETTINGS, UNIT, URL, Machine
from suite_controls import CONTROLS
from suite_runs import ids, run, with_outcome
from weakhosts import OF_SETTINGS, WEAK

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        bool(hostlab.missing()) and not os.environ.get("CI"), reason=hostlab.missing() or "all is there"
    ),
]


SITE = """
[[target]]
name = "plant"
url = "https://plant.example"
websockets = ["/ws/line"]
protected_paths = [
    {path = "/api/orders", method = "GET", effect = "none"},
    {path = "/api/orders", method = "POST", effect = "unknown"},
]
"""


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    assert hostlab.missing() == ""
    if why := hostlab.forbidden():
        pytest.skip(why)  # tests/probes/host/test_host_recorded.py has what such a machine told
    folder = tempfile.TemporaryDirectory(prefix="nrs-")
    with folder as name, Machine(Path(name)) as machine, warm.Server(machine.outside()) as server:
        bench = Bench(machine, server)
        bench.bring(Weak(""))
        yield bench


def test_a_hardened_machine_is_all_green_from_outside_and_from_inside(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nodered-sec.toml").write_text(SITE)
    monkeypatch.setenv("NODERED_USERNAME", "admin")
    monkeypatch.setenv("NODERED_PASSWORD", bench.machine.password)
    ways = [f"--nodered-host={bench.machine.spec()}", f"--nodered-ca-file={bench.machine.ca_file}"]
    [seen] = run(tmp_path, "--nodered-suite=only", *ways, server=bench.server).values()
    assert with_outcome(seen, "non-compliant") == with_outcome(seen, "could-not-look") == set()
    inside = {control for control in CONTROLS if control.startswith("host-")}
    assert {control for control in inside if "compliant" in seen[control]} == inside
    assert {"tls-01", "dash-02", "admin-01", "proxy-01", "http-01"} <= with_outcome(seen, "compliant")


def test_a_look_from_inside_is_one_connection_with_few_commands_and_changes_nothing(
    bench: Bench, tmp_path: Path
) -> None:
    before = bench.machine.picture()
    earlier = bench.machine.run("journalctl -u ssh --no-pager")
    assert "compliant" in bench.judged(tmp_path, Weak(""))["host-17"]
    assert bench.machine.picture() == before
    logged = bench.machine.run("journalctl -u ssh --no-pager").removeprefix(earlier)
    assert logged.count("Accepted publickey for ops") == 1
    assert logged.count("Starting session: command for ops") == 3
    assert bench.machine.run("ss -Htn state established '( sport = :22 )'") == ""  # no master is left behind


def told_by_flows(folder: Path) -> dict[str, tuple[str, ...]]:
    """What the controls of the flows say, wherever these are from."""
    said = {}
    for case in ElementTree.parse(folder / "out.xml").iter("testcase"):  # noqa: S314  our own file
        of = {element.get("name"): element.get("value") or "" for element in case.iter("property")}
        texts = [" ".join((failure.text or "").split()) for failure in case.iter("failure")]
        said[of["nodered_sec.control"]] = tuple(
            re.sub(r"(seen in|read from) .*?(as admin|on the host)", "", text) for text in texts
        )
    return said


def test_flows_read_on_the_host_are_those_that_the_account_shows(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of a file outside the user directory, and nothing of what is in it comes along."""
    apart = (('flowFile: "flows.json"', 'flowFile: "/srv/line/flows.json"'),)
    place = "install -d -o nodered -m 700 /srv/line && cat >/srv/line/flows.json && chown -R nodered /srv/line"
    flows = json.dumps([node for node in side_by_side() if not node["type"].startswith("mqtt out")])
    asked = ["--nodered-suite=only", f"--nodered-ca-file={bench.machine.ca_file}", "-k", "test_flows.py"]
    ways = {"host": [f"--nodered-host={bench.machine.spec()}"], "account": []}
    said = {}
    try:
        bench.bring(Weak("", settings=apart, do=f"{place} && systemctl restart nodered", given=flows))
        for way, more in ways.items():
            if way == "account":
                monkeypatch.setenv("NODERED_USERNAME", "admin")
                monkeypatch.setenv("NODERED_PASSWORD", bench.machine.password)
            folder = tmp_path / way
            folder.mkdir()
            (folder / "nodered-sec.toml").write_text(SITE)
            run(folder, *asked, *more, server=bench.server)
            said[way] = told_by_flows(folder)
            assert SECRET not in (folder / "out.xml").read_text()
    finally:
        bench.machine.run("rm -r /srv/line")
        bench.now = {}
    assert said["host"] == said["account"]
    assert {control for control, texts in said["host"].items() if texts} == ids("flow-02 flow-03 flow-04")


def test_every_control_of_the_host_is_seen_to_fail() -> None:
    assert set[str]().union(*(ids(weak.fails) for weak in WEAK.values())) == {
        control for control in CONTROLS if control.startswith("host-")
    }


@pytest.mark.parametrize("name", WEAK)
def test_exactly_these_controls_fail_and_err(name: str, bench: Bench, tmp_path: Path) -> None:
    weak = WEAK[name]
    seen = bench.tried(tmp_path, weak)
    assert with_outcome(seen, "non-compliant") == ids(weak.fails)
    assert with_outcome(seen, "could-not-look") == ids(weak.errs)


def files_of(machine: Machine) -> list[str]:
    return [line for line in machine.picture().splitlines() if line.startswith("/")]


@pytest.mark.parametrize("user", ["ops", "root"])
def test_nothing_of_a_hostile_user_runs_with_our_rights_or_is_taken_for_the_real_one(
    user: str, bench: Bench, tmp_path: Path
) -> None:
    strangers = f"find {intruder.EVIL} ! -user nobody; find /home /root -name injected; ls {intruder.EVIL} | grep ran-"
    try:
        bench.bring(Weak("", do=intruder.START, given=intruder.FILES))
        ran = bench.machine.run(strangers, check=False)  # what ran of itself, as nobody
        before = files_of(bench.machine)
        seen = bench.judged(tmp_path, Weak("", user=user))
        assert bench.machine.run(strangers, check=False) == ran
        assert files_of(bench.machine) == before
        assert not [line for line in ran.splitlines() if "/" in line], ran
    finally:
        bench.machine.run(intruder.STOP)
    assert with_outcome(seen, "non-compliant") == ids("host-00")
    assert with_outcome(seen, "could-not-look") == set()
    report = (tmp_path / "out.xml").read_text()
    for name, programs in IMPOSTORS.items():
        for program in programs:
            assert re.search(rf"calls itself {name}; its program is \S*{program}", report), (name, program)


@pytest.mark.parametrize("user", ["ops", "root"])
def test_nobodys_node_red_in_place_of_the_real_one_is_not_taken_for_it(user: str, bench: Bench, tmp_path: Path) -> None:
    try:
        bench.bring(Weak("", do=INSTEAD))
        seen = bench.judged(tmp_path, Weak("", user=user))
    finally:
        bench.machine.run("kill -9 $(cat /run/instead); rm -r /srv/evil /run/instead; systemctl start nodered")
    assert with_outcome(seen, "non-compliant") == ids("host-00 host-10")
    assert with_outcome(seen, "could-not-look") == ids(f"{OF_SETTINGS} host-17")
    assert "runs in place of nodered.service, whose user is another" in (tmp_path / "out.xml").read_text()


@pytest.mark.parametrize("user", ["ops", "root"])
@pytest.mark.parametrize("way", intruder.ALONE)
def test_nobodys_node_red_that_only_looks_as_if_it_stood_behind_nginx_is_not_looked_at(
    way: str, user: str, bench: Bench, tmp_path: Path
) -> None:
    try:
        bench.bring(Weak(""))
        bench.machine.run(intruder.START_ALONE, given=f"{intruder.ALONE[way]}\n")
        seen = bench.judged(tmp_path, Weak("", user=user))
    finally:
        bench.machine.run(intruder.STOP_ALONE, check=False)
        bench.machine.wait_for_node_red()
    assert with_outcome(seen, "compliant") == with_outcome(seen, "non-compliant") == set()
    assert (
        "no service vouches for it, and the nginx in front is not seen to lead to it"
        in (tmp_path / "out.xml").read_text()
    )


@pytest.mark.parametrize("user", ["ops", "root"])
def test_what_another_service_s_user_starts_is_taken_for_nothing(user: str, bench: Bench, tmp_path: Path) -> None:
    """The service manager vouches for it, and its user has it become what he likes: neither red nor could not look."""
    unit = "[Service]\nUser=nobody\nRuntimeDirectory=shop\nExecStart=/usr/local/bin/shop\n"
    path = "/usr/local/bin/shop"
    start = f"cat >{path} && chmod 755 {path} && printf '{unit}' >/run/systemd/system/shop.service"
    try:
        bench.bring(Weak(""))
        bench.machine.run("cat >/etc/haproxy.cfg", given=SERVED)
        bench.machine.run(f"{start} && systemctl daemon-reload && systemctl start shop", given=SHOP)
        bench.machine.run("until pgrep -u nobody -x haproxy && ss -ltn | grep -q '127.0.0.2:1880 '; do sleep 0.1; done")
        seen = bench.judged(tmp_path, Weak("", user=user))
    finally:
        bench.machine.run(
            "systemctl stop shop; rm -f /run/systemd/system/shop.service /usr/local/bin/shop /etc/haproxy.cfg; "
            "systemctl daemon-reload",
            check=False,
        )
    assert with_outcome(seen, "could-not-look") == set()
    assert with_outcome(seen, "non-compliant") <= ids("host-00")


@pytest.mark.parametrize("way", STARTS)
def test_a_node_red_that_hides_its_name_is_found_and_not_nobodys_in_its_place(
    way: str, bench: Bench, tmp_path: Path
) -> None:
    """The real one has another title, service and port, and nginx leads there; nobody's has all that is usual."""
    unit = UNIT.replace("/usr/bin/env node-red", f"{STARTS[way]} --title line --port 3000")
    root = Weak("", user="root")
    try:
        bench.bring(Weak("", do=WRAPPER + ELSEWHERE, given=unit))
        seen = bench.judged(tmp_path, root)
        bench.machine.run("cat >/etc/nginx/conf.d/more.conf && reload-nginx", given=MORE)
        both = bench.judged(tmp_path, root)
        report = (tmp_path / "out.xml").read_text()
        bench.machine.run("rm /etc/nginx/conf.d/more.conf && reload-nginx")
        (tmp_path / "nodered-sec.toml").write_text('[[target]]\nurl = "https://plant.example"\ndirect_port = 3000\n')
        named = bench.judged(tmp_path, root)
    finally:
        bench.machine.run(f"rm -f /etc/nginx/conf.d/more.conf /usr/local/bin/line; {BACK}", check=False)
        bench.machine.wait_for_node_red()
    for judged in (seen, named):
        assert with_outcome(judged, "non-compliant") == ids("host-00")  # who calls himself so is told all the same
        assert with_outcome(judged, "could-not-look") == set()
    if way == "by nginx":  # which now leads to something else as well
        assert with_outcome(both, "compliant") == with_outcome(both, "non-compliant") == set()
        assert "no service vouches for it, and the nginx in front is not seen to lead to it" in report


def test_a_crowd_of_a_hostile_users_processes_keeps_nobody_from_looking(bench: Bench, tmp_path: Path) -> None:
    try:
        bench.bring(Weak("", do=intruder.START, given=f"cd {intruder.EVIL}\n{CROWD}"))
        seen = bench.judged(tmp_path, Weak(""))
    finally:
        bench.machine.run(intruder.STOP)
    assert with_outcome(seen, "non-compliant") == ids("host-00")
    assert with_outcome(seen, "could-not-look") == set()
    report = (tmp_path / "out.xml").read_text()
    for name, most in (("nginx", 20), ("node-red", 30), ("caddy", 20)):
        assert len(set(re.findall(rf"process (\d+) of user nobody calls itself {name};", report))) <= most
        assert re.search(rf"\d+ more processes of other users call themselves {name}", report), name


@pytest.mark.parametrize("owner", ["nodered", "nobody"])
def test_no_node_runs_that_others_than_root_and_its_own_user_can_change(
    owner: str, bench: Bench, tmp_path: Path
) -> None:
    start = (("/usr/bin/env node-red", f"{STRANGE}/node /usr/bin/node-red"),)
    try:
        bench.bring(Weak("", unit=start, do=FAKE.replace("@OWNER@", owner)))
        bench.machine.run(HIDE)
        seen = bench.judged(tmp_path, Weak("", user="root"))
        assert bench.machine.run("ls /run/ran") == ""
    finally:
        bench.machine.run(TAKE_AWAY.replace("umount /usr/bin", "umount -l /usr/bin", 1), check=False)
    assert with_outcome(seen, "non-compliant") == set()
    if owner == "nodered":  # as where it comes from nvm
        assert with_outcome(seen, "could-not-look") == set()
    else:
        assert with_outcome(seen, "could-not-look") == ids(f"{OF_SETTINGS} host-17")
        assert f"({STRANGE}/node) can be changed by others" in (tmp_path / "out.xml").read_text()


def test_a_user_of_root_s_group_lends_it_to_nobody(bench: Bench, tmp_path: Path) -> None:
    """Its process runs without that group, and settings.js here is one that asks for its groups."""
    asks = "if ([process.getgid(), ...process.getgroups()].includes(0)) throw new Error();\nmodule.exports ="
    weak = Weak("", settings=(("module.exports =", asks),), unit=(("User=nodered", "User=nodered\nGroup=nodered"),))
    bench.machine.run("sed -i 's/^nodered:x:2002:2002/nodered:x:2002:0/' /etc/passwd")
    try:
        bench.bring(weak)
        seen = {user: bench.judged(tmp_path, Weak("", user=user)) for user in ("root", "ops")}
    finally:
        bench.machine.run("sed -i 's/^nodered:x:2002:0/nodered:x:2002:2002/' /etc/passwd")
    assert {with_outcome(controls, "non-compliant") == set() for controls in seen.values()} == {True}
    assert with_outcome(seen["root"], "could-not-look") == set()
    assert with_outcome(seen["ops"], "could-not-look") == ids(f"{OF_SETTINGS} host-17")
    assert "nothing is run as nodered, whose groups include root" in (tmp_path / "out.xml").read_text()


def test_a_login_without_sudo_is_told_what_it_lacks(bench: Bench, tmp_path: Path) -> None:
    bench.bring(Weak(""))
    spec = bench.machine.spec(sudo=False)
    ways = [f"--nodered-url={URL}", f"--nodered-host={spec}", f"--nodered-ca-file={bench.machine.ca_file}"]
    [seen] = run(tmp_path, *ways, "-k", "test_host_", server=bench.server).values()
    assert with_outcome(seen, "non-compliant") == set()
    rights = "host-01 host-11 host-12 host-13 host-14 host-15 host-17"
    assert with_outcome(seen, "could-not-look") == ids(f"{OF_SETTINGS} {rights}")
    assert {"host-00", "host-02", "host-10"} <= with_outcome(seen, "compliant")
    report = (tmp_path / "out.xml").read_text()
    assert "settings.js is read as nodered, the user Node-RED runs as, but the session is ops: add ?sudo=true" in report
    assert "/etc/letsencrypt" in report
    assert "denied" in report


SLEEPS = "systemctl kill -s STOP --kill-whom=main ssh"


@pytest.mark.parametrize(
    ("key", "port", "do", "undo", "says"),
    [
        ("wrong", 22, "", "", "ops@plant.example: Permission denied (publickey)"),
        ("key", 9, "", "", "port 9: Connection refused"),
        ("key", 22, SLEEPS, SLEEPS.replace("STOP", "CONT"), "did not answer within 3 s"),
    ],
    ids=["a wrong key", "nobody there", "somebody who never answers"],
)
def test_a_host_that_cannot_be_asked_says_so_in_time(
    key: str, port: int, do: str, undo: str, says: str, bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "nodered-sec.toml").write_text(f"{SITE}[target.inside]\nseconds = 3\n")
    spec = bench.machine.spec(key=key).replace("@plant.example", f"@plant.example:{port}")
    ways = [f"--nodered-host={spec}", f"--nodered-ca-file={bench.machine.ca_file}", "-k", "test_host_"]
    bench.machine.run(do or "true")
    begun = time.monotonic()
    try:
        [seen] = run(tmp_path, *ways, server=bench.server).values()
    finally:
        bench.machine.run(undo or "true")
    assert time.monotonic() - begun < 30
    assert {outcome for outcomes in seen.values() for outcome in outcomes} == {"could-not-look"}
    assert says in (tmp_path / "out.xml").read_text()


def test_a_broken_settings_file_is_an_error_that_says_so(bench: Bench, tmp_path: Path) -> None:
    bench.bring(Weak(""))
    bench.machine.run(f"echo 'module.exports.secret = \"hunter2' >>{SETTINGS}")
    bench.now = {}
    seen = bench.judged(tmp_path, Weak(""))
    assert with_outcome(seen, "non-compliant") == set()
    assert with_outcome(seen, "could-not-look") == ids(f"{OF_SETTINGS} host-17")
    report = (tmp_path / "out.xml").read_text()
    assert f"{SETTINGS} cannot be evaluated: it throws SyntaxError" in report
    assert "hunter2" not in report
