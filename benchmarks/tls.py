"""What our whole look at TLS takes, beside sslyze and sslscan at the same server.

`python benchmarks/tls.py [RUNS]`, with the Python of an environment that has the plugin and its extra `lab`, nginx and
sslscan. sslyze is installed into an environment of its own. The server is the lab's `hardened` behind nginx, on
loopback: three suites of TLS 1.3, three of TLS 1.2. The whole look is the chain and everything that is accepted
(tls-01 to tls-15), each once, one after the other; in the suite they run side by side.

Two kinds of time, because a look of the suite is not a program of its own: "in process" begins when the modules are
imported (sslyze's is what it says of its scans itself), "whole process" holds starting and importing. sslyze does what
we do: certificate, versions, suites, curves; and beside it, its default scan. sslscan has its extras off, which are
fallback, renegotiation, compression, heartbleed and groups.
"""

from __future__ import annotations

import re
import shutil
import statistics
import sys
import tempfile
import time
from typing import TYPE_CHECKING

from outside import seconds, with_sslyze

from pytest_nodered_sec import lab
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.policy.model import Policy

if TYPE_CHECKING:
    from collections.abc import Sequence

ASKED = ("--certinfo", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3", "--elliptic_curves")
EXTRAS = ("fallback", "renegotiation", "compression", "heartbleed", "groups")


def look(url: str, ca_file: str) -> float:
    """Look once; return the seconds that it took."""
    from pytest_nodered_sec.probes.tls.handshake import present_chain
    from pytest_nodered_sec.probes.tls.suites import see_offers
    from pytest_nodered_sec.probes.transport.look import Look, Station

    station = Station(Target("benchmark", url, Policy(), ca_file=ca_file))
    begun = time.perf_counter()
    station.arrive(Look(station).deadline)
    chain = present_chain(Look(station))
    offers = see_offers(Look(station))
    taken = time.perf_counter() - begun
    if len(chain.certificates) != 1 or [len(version.suites) for version in offers.versions] != [3, 3, 0, 0, 0]:
        raise SystemExit(f"not what this server has: {chain} {offers}")
    return taken


def main(runs: int) -> None:
    """Print medians and ratios."""
    program = shutil.which("sslscan")
    if program is None:
        raise SystemExit("sslscan is not installed")
    figures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, lab.start(["hardened+nginx"], say=lambda line: None) as running:
        [deployment] = running.deployments
        where = deployment.url.removeprefix("https://")
        python = with_sslyze(folder)
        commands = {
            "our look": [sys.executable, __file__, "look", deployment.url, deployment.ca_file],
            "sslyze, the same": [python, "-m", "sslyze", *ASKED, where],
            "sslyze, default": [python, "-m", "sslyze", where],
            "sslscan, extras off": [program, *(f"--no-{extra}" for extra in EXTRAS), where],
        }
        for turn in range(runs + 1):  # the first does not count
            for name, command in commands.items():
                taken, said = seconds(command, folder)
                scans = re.search(r"SCANS COMPLETED IN ([\d.]+) S", said)
                if turn:
                    figures.setdefault(f"{name}, whole process", []).append(taken)
                    if scans:
                        figures.setdefault(f"{name}, in process", []).append(float(scans[1]))
            taken = look(deployment.url, deployment.ca_file)
            if turn:
                figures.setdefault("our look, in process", []).append(taken)
    show(figures, runs)


def show(figures: dict[str, list[float]], runs: int) -> None:
    """Print medians, and how many times as long as ours the others take, pair by pair."""
    for name, taken in sorted(figures.items()):
        sys.stdout.write(f"{name}: {statistics.median(taken) * 1000:.1f} ms (median of {runs})\n")
    for kind in ("in process", "whole process"):
        ours = figures[f"our look, {kind}"]
        for name, theirs in sorted(figures.items()):
            if name.endswith(kind) and not name.startswith("our"):
                sys.stdout.write(f"{name}: {ratio(theirs, ours)} times ours\n")
    theirs = figures["sslscan, extras off, whole process"]
    sys.stdout.write(
        f"sslscan's whole process to our look in process: {ratio(theirs, figures['our look, in process'])}\n"
    )


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> str:
    """Return the median of the ratios."""
    return f"{statistics.median(their_time / other for their_time, other in zip(theirs, ours, strict=True)):.2f}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["look"]:
        look(sys.argv[2], sys.argv[3])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
