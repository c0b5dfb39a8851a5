"""What a whole look from outside takes, beside sslyze's default scan of the same server, and with a long way to it.

`python benchmarks/outside.py [RUNS]`, with the Python of an environment that has the plugin and its extra `lab`. sslyze
is installed into an environment of its own, and runs in turns with the suite against the lab's `hardened` over
loopback. Then the suite runs in turns with and without 50 ms of round-trip time, which a small proxy adds: half to each
piece of each direction, and a whole one to each connection, for TCP's handshake.
"""

from __future__ import annotations

import asyncio
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


async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Carry bytes one way, each piece half a round trip later, without holding up the next."""
    loop = asyncio.get_running_loop()
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


def in_turns(one: Sequence[str], other: Sequence[str], folder: str, runs: int) -> list[tuple[float, float]]:
    """Return the seconds of two commands, pair by pair, after one pair that does not count."""
    pairs = [(seconds(one, folder)[0], seconds(other, folder)[0]) for _ in range(runs + 1)]
    return pairs[1:]


def main(runs: int) -> None:
    """Print medians, ratios and differences."""
    with tempfile.TemporaryDirectory() as folder, lab.start(["hardened"], say=print) as running:
        venv.create(Path(folder, "sslyze"), with_pip=True)
        python = Path(folder, "sslyze", "bin", "python")
        seconds([str(python), "-m", "pip", "install", "-q", "sslyze"], folder)
        [one] = running.deployments
        port = int(one.url.rsplit(":", 1)[1])
        ours = [sys.executable, "-m", "pytest", "-q", "--nodered-suite=only", f"--nodered-ca-file={one.ca_file}"]
        ours += [f"--nodered-direct-port={one.direct_port}"]
        near = [*ours, f"--nodered-url={one.url}", f"--nodered-http-port={one.http_port}"]
        far_url = f"--nodered-url=https://localhost:{far_from(port)}"
        far = [*ours, far_url, f"--nodered-http-port={far_from(one.http_port)}"]
        sslyze = [str(python), "-m", "sslyze", f"localhost:{port}"]
        for name, command in (("near", near), ("far", far)):
            counts = re.search(r"\d+ passed.*", seconds(command, folder)[1])
            sys.stdout.write(f"{name}: {counts[0] if counts else 'no verdicts'}\n")

        pairs = in_turns(near, sslyze, folder, runs)
        ratio = statistics.median(a / b for a, b in pairs)
        a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
        sys.stdout.write(f"suite {a:.2f} s, sslyze {b:.2f} s, ratio {ratio:.2f} (median of {runs} pairs)\n")

        pairs = in_turns(far, near, folder, runs)
        more = statistics.median(a - b for a, b in pairs)
        sys.stdout.write(f"{ROUND_TRIP * 1000:.0f} ms further away: {more:.2f} s longer (median of {runs} pairs)\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
