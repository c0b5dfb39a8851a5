"""Runs of the bundled suite as a user starts them, and what each deployment of the lab must come to."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# deployment: controls with a failure, controls with an error; everything else passes or does not apply
EXPECTED: dict[str, tuple[set[str], set[str]]] = {
    "fresh": ({"admin-01", "admin-02", "admin-04", "editor-01", "editor-02", "dash-01", "dash-02"}, set()),
    "hardened": (set(), set()),
    # GET /dashboard never answers there: its page is an error, in clear too
    "article": (
        {"tls-01", "http-01", "http-03", "http-05", "editor-01", "editor-02", "dash-01", "dash-02"},
        {"dash-01", "http-01"},
    ),
    "httpnodeauth": ({"dash-02"}, set()),
    "moved": ({"dash-01", "dash-02"}, set()),
    "adminoff": ({"dash-01", "dash-02"}, set()),
    "adminoff-nodeauth": ({"dash-02"}, {"editor-01", "editor-02"}),
    "gate": (set(), set()),
    "sso": (
        set(),
        {"reach-01", "admin-01", "admin-02", "admin-04", "editor-01", "editor-02", "dash-01", "dash-02"},
    ),
    "noeditor-open": ({"admin-01", "admin-02", "admin-04", "dash-01", "dash-02"}, set()),
    "secret-root": ({"dash-02"}, {"admin-01", "admin-02", "admin-04", "editor-01", "editor-02"}),
    "anonread": ({"admin-01", "admin-02", "dash-01", "dash-02"}, set()),
    "middleware-only": ({"dash-02"}, set()),
    "plain-leak": ({"http-01", "http-03", "http-05"}, set()),
    "editor-protected": (set(), set()),
    "redirect-302": ({"http-02"}, set()),
    "redirect-echo": ({"http-04"}, set()),
    "require-https": ({"http-01", "http-02", "http-03", "http-04", "http-05"}, set()),
}


def run(folder: Path, *args: str) -> dict[str, dict[str, set[str]]]:
    """Run pytest in a directory of its own; return the outcomes by target and control."""
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "--no-summary", "--junitxml=out.xml", *args]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=540, check=False)
    report = folder / "out.xml"
    assert report.is_file(), done.stdout + done.stderr
    seen: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314  our own file
        of = {one.get("name"): one.get("value") or "" for one in case.iter("property")}
        seen[of["nodered_sec.target"]][of["nodered_sec.control"]].add(of["nodered_sec.outcome"])
    return seen


def with_outcome(controls: dict[str, set[str]], outcome: str) -> set[str]:
    return {control for control, outcomes in controls.items() if outcome in outcomes}
