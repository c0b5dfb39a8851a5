"""How old the tables are, as `python -m pytest_nodered_sec.data` prints it."""

from __future__ import annotations

import subprocess
import sys


def test_each_table_has_its_age_and_a_way_to_renew_it() -> None:
    command = [sys.executable, "-m", "pytest_nodered_sec.data"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines[0:6:2]] == [
        "advisories.toml",
        "node_releases.toml",
        "known_credentials.toml",
    ]
    assert all(" days ago" in line for line in lines[0:6:2])
    assert all(line.startswith("  to renew: read ") for line in lines[1:6:2])
