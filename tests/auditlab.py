"""An audit: a whole machine with a host to look into, and two deployments of the lab beside it; see hostlab.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from hostlab import URL, Machine

from pytest_nodered_sec.policy.toml import toml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REPORTS: Final = ("sarif", "codequality", "defectdojo", "oscal")  # what the folder does not hold itself
SUMMARY: Final = "summary.md"
_SESSIONS: Final = "/home/nodered/.node-red/.sessions.json"
AUDIT: Final = """
[assessment]
assessor = "J. Doe"
organisation = "Example Security"
authorisation = "OT-7 of 2026-11-20, by the plant manager"
scope = "editor, dashboards, endpoints and host of the gateway of line 7, and the two gateways of the hall"
vantage = "maintenance network"
excluded = [{system = "line 9", reason = "it is being rebuilt"}]
"""
LINE: Final = """
websockets = ["/ws/line"]
protected_paths = [
    {path = "/api/orders", method = "GET", effect = "none"},
    {path = "/api/orders", method = "POST", effect = "unknown"},
]
"""
ACCEPTED: Final = """
[[waiver]]
control = "admin-01"
target = "yard"
instance = "GET /diagnostics"
finding = "served"
reason = "read by the monitoring until it has an account"
expires = 2999-12-31
approver = "K. Roe"
[[waiver]]
control = "version-01"
target = "yard"
finding = "release-told"
reason = "shown to the maintainers"
expires = 2999-06-30
[[attestation]]
control = "host-08"
target = "hall"
by = "K. Roe"
date = 2026-11-20
until = 2999-11-19
statement = "the audit log goes to the log server"
[[attestation]]
control = "phys-01"
target = "line-7"
by = "K. Roe"
date = 2020-11-20
until = 2021-11-19
statement = "the cabinet is locked"
"""
TABLES_OF_ANY_AGE: Final = """
import pytest_nodered_sec.session.audit
pytest_nodered_sec.session.audit._OLDEST_TABLE = 10**6  # days: an audit shall not fail here by the calendar alone
"""
_LAB: Final = """
import json, sys
from dataclasses import asdict
from pytest_nodered_sec import lab
with lab.start(sys.argv[1:], say=lambda line: None) as running:
    found = [{**asdict(one), "expect": dict(one.expect), "account": one.credentials()} for one in running.deployments]
    print(json.dumps(found), flush=True)
    sys.stdin.read()
"""


class Audited:
    """The machine `line-7`, and the lab's `acting` and `fresh` as `hall` and `yard`; a context manager.

    Attributes:
        place: where the policy file lies, and pytest runs.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self._folder = tempfile.TemporaryDirectory(prefix="nrs-")
        self.machine = Machine(Path(self._folder.name))

    def __enter__(self) -> Self:
        self._folder.__enter__()
        self.machine.__enter__()
        try:
            # as after the first log-in: else the first of several runs alone sees a Node-RED without the file
            self.machine.run(f"install -m 600 -o nodered -g nodered /dev/stdin {_SESSIONS}", given="{}")
            argv = [*self.machine.outside(), sys.executable, "-c", _LAB, "acting", "fresh"]
            self._lab = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert self._lab.stdout is not None
            hall, yard = json.loads(self._lab.stdout.readline())
            self._write(hall, yard)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_lab"):
            self._lab.communicate(timeout=60)
        self.machine.__exit__()
        self._folder.cleanup()

    def _write(self, hall: Mapping[str, Any], yard: Mapping[str, Any]) -> None:
        line = {"name": "line-7", "url": URL, "ca_file": str(self.machine.ca_file), "host": self.machine.spec()}
        no_host = {"part": "host", "reason": "belongs to the trainer"}
        no_account = {"part": "account", "reason": "has none yet"}
        tables = [
            _table({**line, "credentials": {"env": "LINE"}}) + LINE,
            _table({**_reached(hall, "hall"), "credentials": {"env": "HALL"}, "audit_without": [no_host]}),
            _table({**_reached(yard, "yard"), "audit_without": [no_account, no_host]}),
        ]
        (self.place / "conftest.py").write_text(TABLES_OF_ANY_AGE, encoding="utf-8")
        (self.place / "nodered-sec.toml").write_text(AUDIT + "\n".join(tables) + ACCEPTED, encoding="utf-8")
        name, password = hall["account"]
        self._variables = {"HALL_USERNAME": name, "HALL_PASSWORD": password}
        self._variables |= {"LINE_USERNAME": "admin", "LINE_PASSWORD": self.machine.password}

    def run(self, name: str, *args: str) -> subprocess.CompletedProcess[str]:
        """Look at all three, and write every report: the folder of this name, and what else there is beside it."""
        return self._run(name, self.machine.outside(self.place), args, self._variables)

    def again(self, name: str, *folders: str) -> subprocess.CompletedProcess[str]:
        """Judge folders again as one, without machine, accounts and policy file, and write every report of that."""
        policy, away = self.place / "nodered-sec.toml", self.place / "policy-of-then.toml"
        policy.rename(away)
        try:
            return self._run(name, [], ("--nodered-audit", *(f"--nodered-replay={folder}" for folder in folders)), {})
        finally:
            away.rename(policy)

    def _run(
        self, name: str, through: Sequence[str], args: Sequence[str], variables: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        more = [f"--nodered-{kind}={name}.{kind}.json" for kind in REPORTS]
        reports = [f"--nodered-evidence={name}", "--nodered-job-summary", *more]
        argv = [sys.executable, "-m", "pytest", "--nodered-suite=only", "--tb=no", *reports, *args]
        summary = {"GITHUB_STEP_SUMMARY": str(self.place / f"{name}.{SUMMARY}")}
        memory = self.place / "tmp"  # of log-ins: an audit before this one must not use up the guesses
        memory.mkdir(exist_ok=True)
        return subprocess.run(
            [*through, *argv],
            cwd=self.place,
            env={**os.environ, **variables, **summary, "TMPDIR": str(memory), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )


def _reached(deployment: Mapping[str, Any], name: str) -> dict[str, Any]:
    keys = ("url", "ca_file", "http_port", "direct_port")
    return {**deployment["expect"], "name": name, **{key: deployment[key] for key in keys}}


def _table(values: Mapping[str, Any]) -> str:
    return "\n".join(["[[target]]", *(f"{key} = {toml(value)}" for key, value in values.items())]) + "\n"
