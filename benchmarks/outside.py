"""What a whole look from outside takes, beside sslyze's default scan of the same server, and with a long way to it.

`python benchmarks/outside.py [RUNS]`, with the Python of an environment that has the plugin and its extra `lab`, and
nginx. sslyze is installed into an environment of its own. In turns run the suite against the lab's `hardened` behind
nginx over loopback, sslyze, and the suite with 50 ms of round-trip time, which a small proxy adds: half to each piece
of each direction, and a whole one to each connection, for TCP's handshake.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import venv
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_nodered_sec import lab

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

ROUND_TRIP = 0.050  # seconds


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


async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Carry bytes one way, each piece half a round trip later, without holding up the next."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):  # which ends the way too
        while data := await source.read(65536):
            loop.call_later(ROUND_TRIP / 2, sink.write, data)
    loop.call_later(ROUND_TRIP / 2, sink.close)


async def delay(port: int, started: threading.Event, ports: list[int]) -> None:
    """Serve a port that leads to `port` of this machine, by a long way."""

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(ROUND_TRIP)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        ways: list[Coroutine[None, None, None]] = [carry(reader, far_writer), carry(far_reader, writer)]
        await asyncio.gather(*ways, return_exceptions=True)

    server = await asyncio.start_server(lead, "127.0.0.1", 0)
    ports.append(server.sockets[0].getsockname()[1])
    started.set()
    await server.serve_forever()


def far_from(port: int) -> int:
    """Return a port that leads to `port` by a long way, for as long as this program runs."""
    started, ports = threading.Event(), list[int]()
    threading.Thread(target=lambda: asyncio.run(delay(port, started, ports)), daemon=True).start()
    started.wait()
    return ports[0]


def suite(deployment: lab.RunningDeployment, *, far: bool) -> list[str]:
    """Return the command that runs the bundled suite against a deployment, by the short way or by a long one."""
    port, http_port = int(deployment.url.rsplit(":", 1)[1]), deployment.http_port
    if far:
        port, http_port = far_from(port), far_from(http_port)
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
                taken, said = seconds(suite(deployment, far=False), folder)
                near.append(taken)
                scan.append(seconds([python, "-m", "sslyze", deployment.url.removeprefix("https://")], folder)[0])
                far.append(seconds(suite(deployment, far=True), folder)[0])
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
