"""Node-RED and proxies in containers: what the machine tells of them, and what only the container can."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from probes.host.layouts import BOX, OPS, PROCESS, input_of, inside, part, running, sections_of, trouble

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.policy.model import HostDemands
from pytest_nodered_sec.probes.host import processes
from pytest_nodered_sec.probes.host.gather import Inside, evaluate
from pytest_nodered_sec.probes.host.parse import Me, Section
from pytest_nodered_sec.probes.host.starting import as_user

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host import Listening, Supervision


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
        given.append(input_of(program)["args"])
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
