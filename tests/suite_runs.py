"""Runs of the bundled suite as a user starts them, and what each deployment of the lab must come to."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from pytest_nodered_sec import lab
from pytest_nodered_sec.lab import toolchain

if TYPE_CHECKING:
    from pathlib import Path

# deployment: controls with a failure, controls with an error; everything else passes or does not apply
EXPECTED: dict[str, tuple[set[str], set[str]]] = {
    "fresh": (
        {
            "admin-01",
            "admin-02",
            "admin-03",
            "admin-04",
            "admin-06",
            "csrf-01",
            "dash-01",
            "dash-02",
            "dash-03",
            "editor-01",
            "editor-02",
            "editor-03",
            "origin-01",
        },
        set(),
    ),
    "hardened": (set(), set()),
    # GET /dashboard never answers there: its page is an error, in clear too; no password is sent in clear
    "article": (
        {"dash-01", "dash-02", "editor-01", "editor-02", "editor-03", "http-01", "http-03", "http-05", "tls-01"},
        {"admin-08", "admin-09", "admin-12", "dash-01", "dash-04", "editor-03", "http-01"},
    ),
    "httpnodeauth": ({"dash-02", "node-02", "origin-01"}, set()),
    "moved": ({"dash-01", "dash-02", "dash-03", "editor-03"}, set()),
    "admin-elsewhere": ({"dash-01", "dash-02", "dash-03", "editor-03"}, set()),
    "node-elsewhere": (
        {"admin-01", "admin-02", "admin-03", "admin-04", "csrf-01", "dash-01", "dash-02", "dash-03", "editor-03"},
        set(),
    ),
    "adminoff": ({"dash-01", "dash-02", "dash-03", "editor-03"}, set()),
    "adminoff-nodeauth": ({"dash-02"}, {"editor-01", "editor-02", "editor-03"}),
    "gate": (set(), set()),
    "sso": (
        set(),
        {
            "admin-01",
            "admin-02",
            "admin-03",
            "admin-04",
            "admin-05",
            "admin-06",
            "admin-07",
            "admin-12",
            "csrf-01",
            "dash-01",
            "dash-02",
            "dash-03",
            "dash-04",
            "editor-01",
            "editor-02",
            "editor-03",
            "origin-01",
            "reach-01",
            "static-01",
        },
    ),
    "noeditor-open": (
        {"admin-01", "admin-02", "admin-03", "admin-04", "csrf-01", "dash-01", "dash-02", "dash-03", "editor-03"},
        set(),
    ),
    "secret-root": (
        {"dash-02"},
        {
            "admin-01",
            "admin-02",
            "admin-03",
            "admin-04",
            "admin-05",
            "admin-06",
            "admin-07",
            "admin-12",
            "csrf-01",
            "editor-01",
            "editor-02",
            "editor-03",
            "origin-01",
        },
    ),
    "anonread": ({"admin-01", "admin-02", "dash-01", "dash-02", "dash-03", "editor-03"}, set()),
    "middleware-only": ({"dash-02"}, set()),
    "plain-leak": ({"http-01", "http-03", "http-05"}, set()),
    "editor-protected": (set(), set()),
    "nodash": (set(), set()),
    "ungated": ({"dash-01", "dash-02", "dash-03", "node-01", "node-02"}, set()),
    "cased-gate": ({"dash-04"}, set()),
    "untidy": ({"dash-02"}, set()),
    "cased-routes": ({"admin-05"}, set()),
    "named": ({"admin-12"}, set()),
    "same-site": (
        {"admin-01", "admin-02", "admin-03", "admin-04", "dash-01", "dash-02", "dash-03", "editor-03"},
        set(),
    ),
    "static-home": ({"static-01"}, set()),
    "any-origin": ({"dash-01", "dash-02", "dash-03", "node-01", "node-02", "origin-01"}, set()),
    "legacy-auth": ({"admin-06", "origin-01"}, set()),
    "acting": (set(), {"node-01"}),
    "redirect-302": ({"http-02"}, set()),
    "redirect-echo": ({"http-04"}, set()),
    "require-https": ({"http-01", "http-02", "http-03", "http-04", "http-05"}, set()),
    "undeclared": ({"flow-01"}, set()),
    "palette": ({"editor-04"}, set()),
    "tells-release": ({"editor-03", "version-01"}, set()),
    "sample-login": ({"cred-01"}, set()),
    "sample-gate": ({"cred-02"}, set()),
    "blank-gate": ({"cred-02"}, set()),
    "sample-nodeauth": ({"cred-02", "dash-02", "node-02"}, set()),
    "sample-legacy-auth": ({"admin-06", "cred-02", "origin-01"}, set()),
    "no-hsts": ({"http-06"}, set()),
    "short-hsts": ({"http-06"}, set()),
    "direct-open": ({"proxy-01"}, set()),
    "versions-told": ({"proxy-02"}, set()),
    "any-name": ({"proxy-03"}, set()),
    "any-name-open": ({"admin-01", "admin-02", "admin-03", "admin-04", "csrf-01", "proxy-03"}, set()),
    "inspector-open": ({"proxy-04"}, set()),
    "plain-cookie": ({"cookie-01"}, set()),
    "location-exact": ({"admin-05"}, set()),
    "location-prefix": ({"admin-05"}, set()),
    "location-ui": ({"dash-04"}, set()),
    "limit-except": ({"admin-01", "admin-02", "admin-04"}, set()),
    "old-release": ({"admin-07", "dash-01", "dash-02", "editor-01", "editor-02", "editor-03", "static-02"}, set()),
    "interfaces": ({"live-01"}, set()),
    "interfaces-gated": (set(), set()),
    "public-acting": ({"dash-05"}, set()),
    "public-showing": (set(), set()),
}

# every 4.x sends Access-Control-Allow-Origin: * on admin answers, whoever is refused
_CORS = (
    "fresh",
    "article",
    "httpnodeauth",
    "moved",
    "admin-elsewhere",
    "node-elsewhere",
    "noeditor-open",
    "anonread",
    "middleware-only",
    "same-site",
    "legacy-auth",
    "tells-release",
    "sample-legacy-auth",
)
ALSO_ON_4 = {name: {"admin-07"} for name in _CORS}


def spec(name: str, release: str) -> str:
    """Return what `--nodered-lab` names: a deployment of this major behind this proxy, or of its own major."""
    major, _, proxy = release.partition("+")
    return f"{name}@{release}" if int(major) in lab.majors(name) else f"{name}+{proxy}"


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


def need_nginx() -> None:
    """Leave a test out where nginx is not installed; in CI nothing may be left out."""
    try:
        toolchain.nginx()
    except lab.LabError as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))
