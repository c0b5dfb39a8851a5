"""What many targets take, near and far, some of them dead; beside pytest's floor and sslyze's scan of as many.

`python benchmarks/fleet.py [--targets=300] [--dead=30] [--far=40] [--few=10] [--processes=8] [--turns=2]`, with the
Python of an environment that has the plugin and its extra `lab`, and nginx. sslyze is installed into an environment of
its own. With the defaults it takes half an hour on two cores that nobody else uses; smaller numbers show the same in
less. What is compared is run in turns, and the machine's load stands beside each figure: wall time is that of whoever
else is at work, too, while CPU time hardly is.

Node-REDs with the editor behind a login, in processes of their own, stand behind one nginx under many names, each with
a loopback address and a certificate of its own. What is far lies behind the detour of distance.py, with 50 ms of round
trip; because the detour takes time of the processors itself, it is compared with the same detour that adds nothing, and
then with the direct way. What is dead listens and accepts nothing: its queue is full, so packets to it are swallowed.
No password is guessed: behind one Node-RED are many names, and it counts attempts. The floor is pytest with as many
empty cases.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import trustme
from distance import ROUND_TRIP, leading
from outside import seconds, with_sslyze

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.lab.ports import accepts, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SETTINGS = """module.exports = {uiHost: "127.0.0.1", credentialSecret: "@NAME@", adminAuth: {type: "credentials",
    users: [{username: "admin", password: "@HASH@", permissions: "*"}]}};
"""
_NGINX = """daemon off; worker_processes 1; pid @FOLDER@/pid; error_log @FOLDER@/errors crit;
events { worker_connections 8192; }
http { access_log off; server_tokens off; proxy_http_version 1.1;
map $http_upgrade $connection_upgrade { default upgrade; "" ""; }
server_names_hash_max_size 8192; server_names_hash_bucket_size 128;
client_body_temp_path @FOLDER@/t1; proxy_temp_path @FOLDER@/t2; fastcgi_temp_path @FOLDER@/t3;
uwsgi_temp_path @FOLDER@/t4; scgi_temp_path @FOLDER@/t5;
@SERVERS@ }
"""
_SERVER = """server { listen @ADDRESS@:@HTTP@; listen 127.0.0.1:@HTTP@; server_name @NAME@;
    return 301 https://@NAME@:@HTTPS@$request_uri; }
server { listen @ADDRESS@:@HTTPS@ ssl; listen 127.0.0.1:@HTTPS@ ssl; server_name @NAME@;
    ssl_certificate @FOLDER@/@NAME@.pem; ssl_certificate_key @FOLDER@/@NAME@.key;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets off;
    location / { proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
        proxy_pass http://unix:@SOCKET@; } }
"""
_FLOOR = """import pytest
@pytest.mark.parametrize("number", range(@CASES@))
def test_nothing(number):
    pass
"""


class Cost(NamedTuple):
    """What a process took: seconds of wall and of CPU, peak memory in MB; and how many test cases it had."""

    wall: float
    cpu: float
    peak: float
    cases: int

    def line(self) -> str:
        """Return it as text, with the load of the machine."""
        load = os.getloadavg()[0]
        return f"{self.wall:.1f} s, CPU {self.cpu:.1f} s, {self.peak:.0f} MB, {self.cases} cases (load {load:.1f})"


class Fleet(NamedTuple):
    """Names that nginx serves, and where.

    Attributes:
        folder: certificates, and `ca.pem`.
        addresses: by name.
        https: port.
        http: port.
        free: a port at which nothing listens.
    """

    folder: Path
    addresses: Mapping[str, str]
    https: int
    http: int
    free: int


def filled(text: str, **values: object) -> str:
    """Return a text with its placeholders filled in."""
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


@contextlib.contextmanager
def fleet(number: int, processes: int, folder: Path) -> Iterator[Fleet]:
    """Start Node-REDs behind many names."""
    [hashed] = toolchain.bcrypt(toolchain.node_red(max(lab.majors("fresh")), lambda line: None), ["correct horse"])
    specs = []
    for at in range(processes):
        site = folder / f"site-{at}"
        site.mkdir()
        (site / "settings.js").write_text(filled(_SETTINGS, NAME=site.name, HASH=hashed))
        (site / "flows.json").write_text("[]")
        specs.append(f"{site}+nginx")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    https, http, free = free_ports(3)
    addresses = {f"gw-{at:03}.plant.example": f"127.1.{at // 250}.{at % 250 + 1}" for at in range(number)}
    with lab.start(specs, say=lambda line: None) as running:
        sockets = [Path(deployment.user_dir).parent / "s" for deployment in running.deployments]
        servers = []
        for at, (name, address) in enumerate(addresses.items()):
            certificate = authority.issue_cert(name)
            certificate.private_key_pem.write_to_path(folder / f"{name}.key")
            certificate.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
            values = {"NAME": name, "ADDRESS": address, "SOCKET": sockets[at % processes]}
            servers.append(filled(_SERVER, HTTP=http, HTTPS=https, FOLDER=folder, **values))
        user = "user root;\n" if os.getuid() == 0 else ""  # whose directory this is
        (folder / "nginx.conf").write_text(user + filled(_NGINX, SERVERS="".join(servers), FOLDER=folder))
        command = [str(toolchain.nginx()), "-e", str(folder / "errors"), "-c", str(folder / "nginx.conf")]
        nginx = subprocess.Popen(command)  # noqa: S603  the lab's own
        try:
            while nginx.poll() is None and not accepts(https):
                time.sleep(0.1)
            yield Fleet(folder, addresses, https, http, free)
        finally:
            nginx.terminate()
            nginx.wait()


@contextlib.contextmanager
def swallowing(number: int) -> Iterator[list[int]]:
    """Return ports of loopback at which packets are swallowed."""
    with contextlib.ExitStack() as stack:
        ports = []
        for _ in range(number):
            server = stack.enter_context(socket.socket())
            server.bind(("127.0.0.1", 0))
            server.listen(0)
            for _ in range(4):
                filling = stack.enter_context(socket.socket())
                filling.setblocking(False)
                filling.connect_ex(server.getsockname())
            ports.append(server.getsockname()[1])
        yield ports


def target(fleet: Fleet, name: str, connect: str, http_port: int) -> str:
    """Return a target as the policy file has it."""
    lines = [f'name = "{name.partition(".")[0]}"', f'url = "https://{name}:{fleet.https}"', f'connect = "{connect}"']
    return "\n".join(["[[target]]", *lines, f"http_port = {http_port}", f"direct_port = {fleet.free}", ""])


def near(fleet: Fleet, number: int, dead: Sequence[int] = ()) -> list[str]:
    """Return so many targets of this machine, the dead ones spread among them."""
    places = {round((at + 0.5) * number / len(dead)): port for at, port in enumerate(dead)}
    return [
        target(fleet, name, f"127.0.0.1:{places[at]}" if at in places else f"{address}:{fleet.https}", fleet.http)
        for at, (name, address) in enumerate(list(fleet.addresses.items())[:number])
    ]


@contextlib.contextmanager
def far(fleet: Fleet, number: int, round_trip: float) -> Iterator[list[str]]:
    """Return so many targets behind a detour that takes so many seconds there and back."""
    with leading([fleet.https, fleet.http] * number, round_trip) as ports:
        places = zip(list(fleet.addresses)[:number], ports[::2], ports[1::2], strict=True)
        yield [target(fleet, name, f"127.0.0.1:{https}", http) for name, https, http in places]


def measured(command: Sequence[str], folder: Path) -> Cost:
    """Run pytest and measure that process."""
    with (folder / "out").open("w+") as out:
        begun = time.perf_counter()
        process = subprocess.Popen(list(command), cwd=folder, stdout=out, stderr=subprocess.STDOUT)  # noqa: S603  pytest
        _, _, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        process.returncode = 0
        out.seek(0)
        text = out.read()
    counts = re.findall(r"(\d+) (?:passed|failed|skipped|errors?|xfailed)\b", text.rstrip().rpartition("\n")[2])
    if not counts:
        raise SystemExit(f"no run: {text[-2000:]}")
    peak = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)
    return Cost(wall, usage.ru_utime + usage.ru_stime, peak, sum(map(int, counts)))


def command(fleet: Fleet, targets: Sequence[str], *options: str) -> list[str]:
    """Return the command that runs the bundled suite at these targets."""
    head = f'editor = "protected"\nca_file = "{fleet.folder}/ca.pem"\nguess = {{value = false, reason = "benchmark"}}\n'
    policy = fleet.folder / f"fleet-{len(list(fleet.folder.glob('fleet-*.toml')))}.toml"
    policy.write_text(head + "".join(targets))
    only = ["--nodered-suite=only", f"--nodered-policy={policy}"]
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *only, *options]


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def suite(fleet: Fleet, targets: Sequence[str], title: str, *options: str) -> Cost:
    """Run the bundled suite at these targets; print what it took."""
    cost = measured(command(fleet, targets, *options), fleet.folder)
    say(f"{title}: {cost.line()}")
    return cost


def results(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return what became of each case in an evidence folder: outcome, severity and codes of findings, by node id."""
    records = map(json.loads, (folder / "results.jsonl").read_text().splitlines())
    return {
        record["nodeid"]: (record["outcome"], record["severity"], *(finding["code"] for finding in record["findings"]))
        for record in records
    }


def in_shards(fleet: Fleet, targets: Sequence[str], shards: int = 4) -> None:
    """Run the suite at once and in shards side by side, merge these, and print whether both are the same."""
    folder = fleet.folder
    whole = suite(fleet, targets, f"{len(targets)} targets, with evidence", f"--nodered-evidence={folder}/whole")
    begun = time.perf_counter()
    running = [
        subprocess.Popen(  # noqa: S603  pytest
            command(
                fleet, targets, f"--nodered-shard={number}/{shards}", f"--nodered-evidence={folder}/shard-{number}"
            ),
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        for number in range(1, shards + 1)
    ]
    for process in running:
        process.wait()
    wall = time.perf_counter() - begun
    replays = [f"--nodered-replay={folder}/shard-{number}" for number in range(1, shards + 1)]
    merge = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nodered-suite=only", *replays]
    merged = measured([*merge, f"--nodered-evidence={folder}/merged"], folder)
    say(f"in {shards} shards side by side: {wall:.1f} s beside {whole.wall:.1f} s; merging: {merged.line()}")
    before, after = results(folder / "whole"), results(folder / "merged")
    differ = sum(before.get(nodeid) != after.get(nodeid) for nodeid in before.keys() | after.keys())
    counts = ", ".join(
        f"{number} {name}" for name, number in Counter(result[0] for result in after.values()).most_common()
    )
    say(f"merged: {counts}; {differ} of {len(before)} cases differ from the run as a whole (wanted: none)")


def floor(folder: Path, cases: int) -> Cost:
    """Run as many cases that do nothing; print what they took."""
    (folder / "test_floor.py").write_text(filled(_FLOOR, CASES=cases))
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:nodered_sec", "test_floor.py"]
    cost = measured(run, folder)
    say(f"pytest's floor: {cost.line()}")
    return cost


def beside_floor(plant: Fleet, number: int, turns: int) -> None:
    """Print what near targets take beside the floor, and far ones beside near ones: medians of so many turns."""
    cpu, peak, wall, direct = list[float](), list[float](), list[float](), list[float]()
    for _ in range(turns):
        near_cost = suite(plant, near(plant, number), f"{number} near targets")
        least = floor(plant.folder, near_cost.cases)
        with far(plant, number, 0) as targets:
            detour_cost = suite(plant, targets, f"{number} near targets by the detour")
        with far(plant, number, ROUND_TRIP) as targets:
            far_cost = suite(plant, targets, f"{number} targets at {ROUND_TRIP * 1000:.0f} ms")
        cpu.append(near_cost.cpu / least.cpu)
        peak.append(near_cost.peak / least.peak)
        wall.append(far_cost.wall / detour_cost.wall)
        direct.append(far_cost.wall / near_cost.wall)
    said = "wanted: at most 1.15 at 40"
    say(f"far to near, wall: {median(wall):.2f} by the same detour ({said}), {median(direct):.2f} to the direct way")
    say(f"CPU: {median(cpu):.2f} times the floor (wanted: at most 3)")
    say(f"memory: {median(peak):.2f} times the floor (wanted: at most 1.8)")


def main(targets: int, dead: int, far_ones: int, few: int, processes: int, turns: int) -> None:
    """Print what each run took, and the ratios."""
    with tempfile.TemporaryDirectory() as name, fleet(targets, processes, Path(name)) as plant:
        beside_floor(plant, far_ones, turns)
        in_shards(plant, near(plant, far_ones))
        few_costs = [suite(plant, near(plant, few), f"{few} near targets")]
        all_cost = suite(plant, near(plant, targets), f"{targets} near targets")
        few_costs.append(suite(plant, near(plant, few), f"{few} near targets"))
        for kind in ("wall", "cpu"):
            of_few = median(getattr(cost, kind) for cost in few_costs) / few
            of_all = getattr(all_cost, kind) / targets
            more = of_all / of_few - 1
            say(f"seconds a target, {kind}: {of_few:.2f} of {few}, {of_all:.2f} of {targets}, {more:+.0%}")
        say("(wanted: within 10 %)")
        least = floor(plant.folder, all_cost.cases)
        ratios = all_cost.cpu / least.cpu, all_cost.peak / least.peak
        say(f"at {targets}: CPU {ratios[0]:.2f} times the floor, memory {ratios[1]:.2f} times")
        with swallowing(dead) as ports:
            dead_cost = suite(plant, near(plant, targets, ports), f"{targets} targets, {dead} of them dead")
        alive = all_cost.wall * (targets - dead) / targets
        say(f"the dead ones add {dead_cost.wall - alive:.1f} s together (wanted: at most 15)")
        python = with_sslyze(str(plant.folder))
        servers = [f"{name}:{plant.https}{{{address}}}" for name, address in plant.addresses.items()]
        scan, said = seconds([python, "-m", "sslyze", *servers], str(plant.folder))
        done = said.count("SCAN RESULTS FOR")
        say(f"sslyze's scan of {done} servers: {scan:.1f} s, {scan / max(1, done):.2f} s each")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for option, default in (("targets", 300), ("dead", 30), ("far", 40), ("few", 10), ("processes", 8), ("turns", 2)):
        parser.add_argument(f"--{option}", type=int, default=default)
    given = parser.parse_args()
    main(given.targets, given.dead, given.far, given.few, given.processes, given.turns)
