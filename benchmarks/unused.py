"""What the plugin costs a pytest run that does not use it: with it, against `-p no:nodered_sec`, in turns.

Run it with the Python whose environment has the plugin: `python benchmarks/unused.py [PAIRS]`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time


def seconds(*args: str) -> float:
    """Return the wall time of one `pytest --collect-only` in an empty directory."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        subprocess.run(  # noqa: S603  pytest, by this interpreter
            [sys.executable, "-m", "pytest", "--collect-only", "-q", *args],
            cwd=folder,
            capture_output=True,
            check=False,
        )
        return time.perf_counter() - begun


def main(pairs: int) -> None:
    """Print both medians, in milliseconds, and the median of the pairwise ratios."""
    times = [(seconds(), seconds("-p", "no:nodered_sec")) for _ in range(pairs)]
    with_it, without = (statistics.median(column) * 1000 for column in zip(*times, strict=True))
    ratio = statistics.median(one / other for one, other in times)
    sys.stdout.write(f"with {with_it:.0f} ms, without {without:.0f} ms, ratio {ratio:.2f} (median of {pairs} pairs)\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 11)
