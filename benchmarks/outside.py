"""What a whole look from outside takes, beside sslyze's default scan of the same server, and with a long way to it.

`python benchmarks/outside.py [RUNS]`, with the Python of an environment that has the plugin and its extra `lab`, and
nginx. sslyze is installed into an environment of its own. In turns run the suite against the lab's `hardened` behind
nginx over loopback, sslyze, and the suite with 50 ms of round-trip time, which the detour of distance.py adds.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import TYPE_CHECKING

from distance import ROUND_TRIP, leading

from pytest_nodered_sec import lab

if TYPE_CHECKING:
    from collections.abc import Sequence


def seconds(command: Sequence[str], folder: str) -> tuple[float, str]:
    """Return the wall time of a command in seconds, and what it printed."""
    begun = time.perf_counter()
    done = subprocess.run(  # noqa: S603  the programs of this benchmark
        list(command), cwd=folder, capture_output=True, text=True, check=False
    )
    return time.perf_counter() - begun, done.stdout


def with_sslyze(folder: str) -> str:
    """Install sslyze into an environment of its own, whose pins are not ours; return the environment's Python."""
    venv.create(Path(folder, "sslyze"), with_pip=True)
    python = str(Path(folder, "sslyze", "bin", "python"))
    seconds([python, "-m", "pip", "install", "-q", "sslyze"], folder)
    return python


def suite(deployment: lab.RunningDeployment, port: int, http_port: int) -> list[str]:
    """Return the command that runs the bundled suite against a deployment, by way of these ports."""
    command = [sys.executable, "-m", "pytest", "-q", "--nodered-suite=only", f"--nodered-ca-file={deployment.ca_file}"]
    command += [f"--nodered-url=https://localhost:{port}", f"--nodered-http-port={http_port}"]
    return [*command, f"--nodered-direct-port={deployment.direct_port}"]


def main(runs: int) -> None:
    """Print medians, ratios and differences.

    A Node-RED takes five wrong passwords in ten minutes, and the suite makes two attempts: so each round has its own.
    """
    near: list[float] = []
    far: list[float] = []
    scan: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        python = with_sslyze(folder)
        for turn in range(runs + 1):  # the first does not count
            with lab.start(["hardened+nginx"], say=lambda line: None) as running:
                [deployment] = running.deployments
                ports = int(deployment.url.rsplit(":", 1)[1]), deployment.http_port
                taken, said = seconds(suite(deployment, *ports), folder)
                near.append(taken)
                scan.append(seconds([python, "-m", "sslyze", deployment.url.removeprefix("https://")], folder)[0])
                with leading(ports, ROUND_TRIP) as far_ports:
                    far.append(seconds(suite(deployment, *far_ports), folder)[0])
            if not turn:
                counts = re.search(r"\d+ passed.*", said)
                sys.stdout.write(f"{counts[0] if counts else said}\n")

    def show(what: str, figures: Sequence[float], form: str) -> None:
        sys.stdout.write(f"{what} {statistics.median(figures[1:]):{form}} (median of {runs})\n")

    show("suite, seconds:", near, ".2f")
    show("sslyze, seconds:", scan, ".2f")
    show(
        "suite to sslyze, pair by pair:",
        [near_time / other for near_time, other in zip(near, scan, strict=True)],
        ".2f",
    )
    show(
        f"longer {ROUND_TRIP * 1000:.0f} ms further away, seconds:",
        [a - b for a, b in zip(far, near, strict=True)],
        ".2f",
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
