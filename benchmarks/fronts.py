"""Whether `hardened` is as green as before on every front, and what that takes: requests by the front's log, seconds.

`python benchmarks/fronts.py [CHECKOUT ...] [--runs=N] [--front=NAME ...] [--round-trip=SECONDS]`, with the Python of an
environment that has the plugin and its extra `lab`, and the fronts. CHECKOUT is the folder of another state of the
project, such as a `git worktree` of an older commit; it needs the dependencies of that environment alone. In turns each
state looks at the deployments of this state's lab, so also at fronts that its own lab does not have, with the same
policy and account. Node-RED is started anew for each look, because it counts wrong passwords.

With a round trip each look is made twice, by a detour that adds nothing and by one that adds so much (distance.py). The
difference of both times shows how many round trips follow one another: with half a second each, on a machine that
nobody else uses, to within one or two.

What a server of TLS alone ends, as in the looks at versions and suites, is no request in any of the logs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from distance import leading

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab.proxies import PROXIES
from pytest_nodered_sec.policy.toml import toml

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_nodered_sec.lab.deployments import Deployment
    from pytest_nodered_sec.lab.rules import Front

HERE: Final = Path(__file__).parents[1]
OUTCOMES: Final = ("passed", "failed", "error", "skipped")
MARK: Final = "asked-of-front"  # in the lines of a log that stand for a request


class Look(NamedTuple):
    """What came of one run of the suite."""

    outcomes: tuple[int, ...]  # as in OUTCOMES
    requests: int
    seconds: float

    @property
    def green(self) -> bool:
        """Whether nothing failed, nothing went unseen, and something passed."""
        return self.outcomes[0] > 0 and not self.outcomes[1] and not self.outcomes[2]


def with_log(front: str, write: Callable[[Deployment, Front], list[str]]) -> Callable[[Deployment, Front], list[str]]:
    """Let a front write a line with MARK for each request, into `asked.log` or what it prints."""

    def written(deployment: Deployment, place: Front) -> list[str]:
        command = write(deployment, place)
        log = place.folder / "asked.log"
        if front == "traefik":
            static = json.loads((place.folder / "traefik.yml").read_text())
            # Its log has every request by default; a name of a field that each line has is mark enough.
            static["accessLog"] = {"filePath": str(log), "format": "json"}
            (place.folder / "traefik.yml").write_text(json.dumps(static))
            return command
        name, pattern, lines = {
            "nginx": ("nginx.conf", "access_log off;", f"log_format asked {MARK}; access_log {log} asked;"),
            "caddy": ("Caddyfile", r"(?m)^https?://.*\{$", r"\g<0>" + "\nlog"),
            "apache": ("apache.conf", "(?m)^ServerName localhost$", rf'\g<0>\nCustomLog "{log}" "{MARK}"'),
            "haproxy": (
                "haproxy.cfg",
                "mode http",
                rf"\g<0>\n    log stdout format raw local0\n    option dontlognull\n    log-format {MARK}",
            ),
        }[front]
        text, times = re.subn(pattern, lines, (place.folder / name).read_text())
        if not times:
            raise SystemExit(f"{front}: its configuration has no place for a log any more")
        (place.folder / name).write_text(text)
        return command

    return written


def counted(front: str, folder: Path) -> int:
    """Return how many requests the log of a front tells of."""
    mark = {"caddy": "http.log.access", "traefik": '"RequestMethod"'}.get(front, MARK)
    name = "proxy.log" if front in ("caddy", "haproxy") else "asked.log"
    log = folder / name
    return sum(mark in line for line in log.read_text().splitlines()) if log.exists() else 0


def look(state: Path, spec: str, front: str, detour: float | None) -> Look:
    """Start a deployment and let a state of the project look at it, by a detour of so many seconds, None for none."""
    with (
        tempfile.TemporaryDirectory() as folder,
        lab.start([spec], say=lambda line: None) as running,
        contextlib.ExitStack() as stack,
    ):
        [deployment] = running.deployments
        host, _, port = deployment.url.rpartition(":")
        ports = [int(port), deployment.http_port]
        if detour is not None:
            ports = stack.enter_context(leading(ports, detour))
        username, password = deployment.credentials()
        values = {
            "name": "line",
            "url": f"{host}:{ports[0]}",
            "ca_file": deployment.ca_file,
            "http_port": ports[1],
            "direct_port": deployment.direct_port,
            **dict(deployment.expect),
        }
        policy = ["[[target]]", *(f"{key} = {toml(value)}" for key, value in values.items())]
        Path(folder, "nodered-sec.toml").write_text("\n".join(policy) + "\n")
        environment = {**os.environ, "PYTHONPATH": str(state), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        environment |= {"NODERED_USERNAME": username, "NODERED_PASSWORD": password, "TMPDIR": folder}
        command = [sys.executable, "-m", "pytest", "-p", "pytest_nodered_sec.plugin", "-p", "no:cacheprovider", "-q"]
        command += ["--nodered-suite=only"]
        begun = time.perf_counter()
        done = subprocess.run(  # noqa: S603  pytest, with this program's own Python
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        taken = time.perf_counter() - begun
        time.sleep(0.3)  # so that the front writes its last lines
        requests = counted(front, running.folder / spec)
    outcomes = tuple(int((re.findall(rf"(\d+) {outcome}", done.stdout) or ["0"])[-1]) for outcome in OUTCOMES)
    if not any(outcomes):
        raise SystemExit(f"{state} did not look at {spec}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return Look(outcomes, requests, taken)


def row(
    front: str, major: str, state: str, looks: Sequence[Look], far: Sequence[Look], round_trip: float | None
) -> str:
    """Return a line of the table; outcomes that differ between runs are all shown."""
    outcomes = " or ".join("/".join(map(str, counts)) for counts in dict.fromkeys(seen.outcomes for seen in looks))
    requests = sorted({seen.requests for seen in looks})
    asked = "-".join(map(str, dict.fromkeys((requests[0], requests[-1]))))
    taken = statistics.median(seen.seconds for seen in looks)
    trips = f" {(statistics.median(seen.seconds for seen in far) - taken) / round_trip:8.1f}" if round_trip else ""
    return f"{front:8} {major:>8} {state:24} {outcomes:>24} {asked:>9} {taken:8.2f}{trips}\n"


def main(states: Sequence[Path], runs: int, fronts: Sequence[str], round_trip: float | None) -> int:
    """Print the table; return 1 where this state is not green on a front."""
    for front in fronts:
        PROXIES[front] = with_log(front, PROXIES[front])
    title = f"{'front':8} {'Node-RED':>8} {'state':24} {' / '.join(OUTCOMES):>24} {'requests':>9} {'seconds':>8}"
    title += f" {'in a row':>8}" if round_trip else ""
    sys.stdout.write(title + f"  (median of {runs})\n")
    worse: list[str] = []
    for front in fronts:
        for major in lab.majors("hardened"):
            spec = f"hardened@{major}" + ("" if front == "caddy" else f"+{front}")
            looks: dict[Path, list[Look]] = {state: [] for state in states}
            far: dict[Path, list[Look]] = {state: [] for state in states}
            for _ in range(runs):
                for state in states:
                    looks[state].append(look(state, spec, front, 0.0 if round_trip else None))
                    if round_trip:
                        far[state].append(look(state, spec, front, round_trip))
            for state, taken in looks.items():
                name = "this one" if state == HERE else state.name
                sys.stdout.write(row(front, str(major), name, taken, far[state], round_trip))
                sys.stdout.flush()
            if not all(taken.green for taken in (*looks[HERE], *far[HERE])):
                worse.append(f"{spec} is not green")
    sys.stdout.writelines(f"{sentence}\n" for sentence in worse)
    return 1 if worse else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="hardened on every front, by this state of the project and by others")
    parser.add_argument("checkout", nargs="*", type=Path)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--front", action="append", choices=list(PROXIES))
    parser.add_argument("--round-trip", type=float)
    given = parser.parse_args()
    sys.exit(
        main(
            [*(folder.resolve() for folder in given.checkout), HERE],
            given.runs,
            given.front or list(PROXIES),
            given.round_trip,
        )
    )
