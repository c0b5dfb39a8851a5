"""What the plugin costs a pytest run that does not use it: with it, paired against `-p no:nodered_sec`, in turns.

Run it with the Python whose environment has the plugin: `python benchmarks/unused.py [PAIRS]`. It collects nothing in
an empty directory, once as it is and once with PYTHONDONTWRITEBYTECODE=1, as most CI images have it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple


class Cost(NamedTuple):
    """Seconds of one process."""

    wall: float
    cpu: float


def run(environment: dict[str, str], *args: str) -> Cost:
    """Run `pytest --collect-only` in an empty directory."""
    with tempfile.TemporaryDirectory() as folder:
        before, begun = os.times(), time.perf_counter()
        subprocess.run(  # noqa: S603  pytest, by this interpreter
            [sys.executable, "-m", "pytest", "--collect-only", "-q", *args],
            cwd=folder,
            env=os.environ | environment,
            capture_output=True,
            check=False,
        )
        after, ended = os.times(), time.perf_counter()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(ended - begun, cpu)


def compare(title: str, environment: dict[str, str], pairs: int) -> None:
    """Print medians in milliseconds, and the median of the pairwise ratios."""
    costs = []
    for number in range(pairs + 1):
        args = ((), ("-p", "no:nodered_sec"))
        first, second = (run(environment, *args[(number + turn) % 2]) for turn in (0, 1))
        costs.append((first, second) if number % 2 == 0 else (second, first))
    for kind in ("wall", "cpu"):
        pairs_of = [(getattr(used, kind), getattr(unused, kind)) for used, unused in costs[1:]]  # the first warms up
        used, unused = (statistics.median(column) * 1000 for column in zip(*pairs_of, strict=True))
        ratio = statistics.median(with_us / other for with_us, other in pairs_of)
        sys.stdout.write(f"{title}, {kind}: with {used:.0f} ms, without {unused:.0f} ms, ratio {ratio:.3f}\n")


def main(pairs: int) -> None:
    """Compare in both environments."""
    compare("default", {"PYTHONDONTWRITEBYTECODE": ""}, pairs)
    compare("PYTHONDONTWRITEBYTECODE=1", {"PYTHONDONTWRITEBYTECODE": "1"}, pairs)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 31)
