"""Record what each deployment of the lab shows, as the data that the planner is tested with.

Run it when rules or the lab changed: python tests/remedies/record.py. It takes some minutes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from pytest_nodered_sec import lab

FILE: Final = Path(__file__).with_name("findings.json")
_AT_ONCE: Final = 12  # deployments of one run
_ALIKE: Final = 2  # instances of one finding that are kept
# The parts of a run that the table reads; the rest differs from run to run.
_READ: Final = ("flow-01", "dash-02", "patch-02", "admin-10", "live-01")
_PLUGIN: Final = """
import json
RECORDS = []
def pytest_runtest_logreport(report):
    record = getattr(report, "nodered", None)
    if record:
        RECORDS.append(record)
def pytest_sessionfinish(session):
    with open("records.json", "w") as file:
        json.dump(RECORDS, file)
"""


def reduced(records: list[dict[str, Any]]) -> dict[str, list[list[str]]]:  # Any: records as JSON has them
    """Return the findings of each deployment: control, severity, code, instance, observed, remedy."""
    kept: dict[str, list[list[str]]] = {}
    for record in records:
        rows = kept.setdefault(record["target"].removeprefix("lab-").partition("@")[0], [])
        for finding in record["findings"]:
            head = [record["control"], finding["severity"], finding["code"]]
            if record["control"] not in ("flow-01", "live-01") and sum(row[:3] == head for row in rows) >= _ALIKE:
                continue
            observed = finding["observed"] if record["control"] in _READ else ""
            rows.append([*head, record["instance"], observed, finding["remedy"].partition(":")[0]])
    return kept


def main() -> None:
    """Run the suite over the whole lab, and write the file."""
    recorded: dict[str, list[list[str]]] = {}
    names = lab.names()
    for start in range(0, len(names), _AT_ONCE):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "recording.py").write_text(_PLUGIN)
            specs = [f"--nodered-lab={name}" for name in names[start : start + _AT_ONCE]]
            command = [sys.executable, "-m", "pytest", "-p", "recording", "-q", "--tb=no", "--no-summary", *specs]
            subprocess.run([*command, "--nodered-suite=only"], cwd=folder, check=False)
            recorded |= reduced(json.loads(Path(folder, "records.json").read_text()))
    write(recorded)


def write(recorded: dict[str, list[list[str]]]) -> None:
    """Write one finding a line, so that changes can be read."""
    parts = []
    for name, rows in recorded.items():
        lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
        parts.append(f"{json.dumps(name)}: [{chr(10) if rows else ''}{lines}]")
    FILE.write_text("{" + ",\n".join(parts) + "}\n")


if __name__ == "__main__":
    main()
