"""Runs of the bundled suite as a user starts them, and what each deployment of the lab must come to."""

from __future__ import annotations

import os
import shutil
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import warm

from pytest_nodered_sec import lab
from pytest_nodered_sec.data.releases import lines
from pytest_nodered_sec.lab import toolchain

if TYPE_CHECKING:
    from pathlib import Path


QUIETLY = ("-q", "--tb=no", "--no-summary", "--junitxml=out.xml", "-pno:rerunfailures")


def ids(text: str) -> set[str]:
    return set(text.split())


# what needs the account, which is not sent to a certificate that does not verify
UNVERIFIED = ids(
    "admin-08 admin-09 admin-10 dash-06 editor-04 flow-01 flow-02 flow-03 flow-04 flow-05 patch-01 patch-02 patch-03"
)

# deployment: controls with a failure, controls with an error; everything else passes or does not apply
EXPECTED: dict[str, tuple[set[str], set[str]]] = {
    "fresh": (
        ids(
            "admin-01 admin-02 admin-03 admin-04 admin-06 csrf-01 dash-01 dash-02 dash-03 editor-01 "
            "editor-02 editor-03 editor-04 flow-01 http-06 origin-01 patch-01 proxy-01 version-01"
        ),
        set(),
    ),
    "hardened": (set(), set()),
    "article": (
        ids(
            "dash-01 dash-02 editor-01 editor-02 editor-03 http-01 http-03 http-05 patch-01 proxy-01 proxy-03 tls-01 "
            "version-01"
        ),
        ids(
            "admin-08 admin-09 admin-10 admin-12 cred-01 cred-02 dash-01 dash-04 editor-03 editor-04 "
            "flow-01 flow-02 flow-03 flow-04 flow-05 http-01 patch-02 patch-03 proxy-02 proxy-05"
        ),
    ),
    "httpnodeauth": (ids("dash-02 http-06 node-02 origin-01 proxy-01"), set()),
    "moved": (ids("dash-01 dash-02 dash-03 editor-03 flow-01 http-06 proxy-01"), set()),
    "admin-elsewhere": (ids("dash-01 dash-02 dash-03 editor-03 flow-01 http-06 proxy-01"), set()),
    "node-elsewhere": (
        ids(
            "admin-01 admin-02 admin-03 admin-04 csrf-01 dash-01 dash-02 dash-03 editor-03 flow-01 "
            "http-06 proxy-01 version-01"
        ),
        set(),
    ),
    "adminoff": (ids("dash-01 dash-02 dash-03 editor-03 http-06 proxy-01"), set()),
    "adminoff-nodeauth": (ids("dash-02 http-06 proxy-01"), set()),
    "gate": (ids("csrf-01 editor-04 flow-01 http-06 patch-01 proxy-01"), set()),
    "sso": (
        ids("http-06 proxy-01"),
        ids(
            "admin-01 admin-02 admin-03 admin-04 admin-05 admin-06 admin-07 admin-10 admin-12 cors-01 csrf-01 "
            "dash-01 dash-02 dash-03 dash-04 editor-01 editor-02 editor-03 editor-04 "
            "flow-01 flow-02 flow-03 flow-04 flow-05 live-01 "
            "origin-01 patch-01 patch-02 patch-03 proxy-05 reach-01 roots-01 static-01 static-02 version-01"
        ),
    ),
    "noeditor-open": (
        ids(
            "admin-01 admin-02 admin-03 admin-04 csrf-01 dash-01 dash-02 dash-03 editor-03 flow-01 "
            "http-06 proxy-01 version-01"
        ),
        set(),
    ),
    "secret-root": (
        ids("dash-02 http-06 proxy-01"),
        ids(
            "admin-01 admin-02 admin-03 admin-04 admin-05 admin-06 admin-07 admin-10 admin-12 cred-01 "
            "csrf-01 editor-01 editor-02 editor-03 origin-01 static-02 proxy-05 version-01"
        ),
    ),
    "anonread": (ids("admin-01 admin-02 dash-01 dash-02 dash-03 editor-03 flow-01 http-06 proxy-01 version-01"), set()),
    "middleware-only": (ids("dash-02 flow-01 http-06 proxy-01"), set()),
    "plain-leak": (ids("http-01 http-03 http-05"), set()),
    "editor-protected": (set(), set()),
    "nodash": (set(), set()),
    "ungated": (ids("dash-01 dash-02 dash-03 node-01 node-02"), set()),
    "cased-gate": (ids("dash-04 proxy-05"), set()),
    "channel-denied": (ids("dash-06"), set()),
    "untidy": (ids("dash-02"), set()),
    "cased-routes": (ids("admin-05"), set()),
    "named": (ids("admin-12 csrf-01 editor-04 flow-01 http-06 patch-01 proxy-01"), set()),
    "same-site": (
        ids(
            "admin-01 admin-02 admin-03 admin-04 dash-01 dash-02 dash-03 editor-03 flow-01 http-06 proxy-01 version-01"
        ),
        set(),
    ),
    "static-home": (ids("static-01"), set()),
    "any-origin": (ids("dash-01 dash-02 dash-03 node-01 node-02 origin-01"), set()),
    "legacy-auth": (ids("admin-06 csrf-01 http-06 origin-01 patch-01"), set()),
    "acting": (ids("flow-01"), ids("node-01")),
    "redirect-302": (ids("http-02"), set()),
    "redirect-echo": (ids("http-04"), set()),
    "require-https": (ids("flow-01 http-01 http-02 http-03 http-04 http-05"), set()),
    "undeclared": (ids("flow-01"), set()),
    "weak-flows": (ids("flow-01 flow-02 flow-03 flow-04"), set()),
    "palette": (ids("editor-04"), set()),
    "tells-release": (ids("editor-03 http-06 patch-01 version-01"), set()),
    "sample-login": (ids("cred-01"), set()),
    "sample-gate": (ids("cred-02"), set()),
    "common-gate": (ids("cred-02"), set()),
    "blank-gate": (ids("cred-02"), set()),
    "sample-nodeauth": (ids("cred-02 dash-02 node-02"), set()),
    "sample-legacy-auth": (ids("admin-06 cred-02 csrf-01 http-06 origin-01 patch-01"), set()),
    "no-hsts": (ids("http-06"), set()),
    "short-hsts": (ids("http-06"), set()),
    "direct-open": (ids("proxy-01"), set()),
    "versions-told": (ids("proxy-02"), set()),
    "any-name": (ids("proxy-03"), set()),
    "any-name-open": (ids("admin-01 admin-02 admin-03 admin-04 csrf-01 proxy-03 version-01"), set()),
    "inspector-open": (ids("proxy-04"), set()),
    "leaf-only": (ids("tls-01"), UNVERIFIED),
    "wrong-name": (ids("tls-02"), UNVERIFIED),
    "expired": (ids("tls-03"), UNVERIFIED),
    "root-sent": (ids("tls-04"), set()),
    "weak-key": (ids("tls-05"), UNVERIFIED),
    "long-lived": (ids("tls-06"), set()),
    "unmet": (ids("tls-11 tls-12 tls-13"), set()),
    "mutual": (set(), set()),
    "plain-cookie": (ids("cookie-01"), set()),
    "cors": (ids("admin-07"), set()),
    "wrong-account": (ids("admin-08"), ids("cred-01")),  # no guess is spent on a name whose password was refused
    "long-session": (ids("admin-09"), set()),
    "old-node": (ids("patch-03"), set()),
    "node-behind": (ids("patch-03"), set()),
    "basic-gate": (ids("csrf-01"), set()),
    "location-exact": (ids("admin-05"), set()),
    "location-prefix": (ids("admin-05"), set()),
    "location-ui": (ids("dash-04"), set()),
    "location-files": (ids("dash-02"), set()),
    "unless-upgraded": (ids("dash-02 node-02 proxy-05"), set()),
    "limit-except": (ids("admin-01 admin-02 admin-04 version-01"), set()),
    "old-release": (
        ids(
            "admin-07 admin-10 cookie-01 dash-01 dash-02 editor-01 editor-02 editor-03 editor-04 "
            "flow-01 http-06 patch-01 patch-02 proxy-01 static-02"
        ),
        set(),
    ),
    "old-versions": (ids("tls-07 tls-14"), set()),
    "no-tls13": (ids("tls-08"), set()),
    "null-suite": (ids("tls-09"), set()),
    "other-suite": (ids("tls-15"), set()),
    "small-curve": (ids("tls-10"), set()),
    "interfaces": (ids("admin-10 cookie-01 live-01"), set()),
    "interfaces-gated": (ids("admin-10"), set()),
    "public-acting": (ids("dash-05 flow-05"), set()),
    "public-showing": (set(), set()),
    # gates that look closed: lab/gates.py
    "gate-lan": (ids("proxy-05"), set()),
    "gate-lan-ten": (ids("proxy-05"), set()),
    "gate-bearer": (ids("proxy-05"), set()),
    "gate-browser": (ids("proxy-05"), set()),
    "gate-named-sockets": (ids("admin-12"), set()),
    "gate-rewritten": (ids("proxy-05"), set()),
    "gate-rerouted": (ids("proxy-05"), set()),
    "gate-cased-endpoint": (ids("proxy-05"), set()),
    "gate-by-name": (ids("proxy-05"), set()),
    "gate-root": (ids("roots-01"), set()),
    "gate-second": (ids("roots-01"), set()),
    "one-declared": (ids("flow-01 roots-01"), set()),
    "none-declared": (ids("flow-01 roots-01"), set()),
    "dashboard-moved": (ids("roots-01"), set()),
    "token-decoded": (ids("admin-02"), set()),
    "clear-flows": (ids("http-01"), set()),
    "clear-write": (ids("flow-01 http-01"), set()),
    "static-backup": (ids("static-01"), set()),
    "cors-endpoints": (ids("cors-01 dash-02 http-06 node-02"), set()),
}

# every 4.x sends Access-Control-Allow-Origin: * on admin answers, whoever is refused
ALSO_ON_4 = {
    name: {"admin-07"}
    for name in ids(
        "fresh article httpnodeauth moved admin-elsewhere node-elsewhere noeditor-open anonread middleware-only "
        "same-site legacy-auth tells-release sample-legacy-auth"
    )
}


PLANNED = 30  # days before the end of a line at which profile "production" asks for the next one


def by_the_calendar(major: int, controls: dict[str, set[str]]) -> set[str]:
    """Return the controls that fail only because a line of Node-RED has ended or ends soon; none while it is kept.

    Args:
        major: of the Node-RED that ran.
        controls: the outcomes of the run; a control that could not judge the release cannot fail.
    """
    today = datetime.now(UTC).date()
    ends = [line.end for line in lines() if line.package == "node-red" and line.major == major and line.end]
    if not any((end - today).days < PLANNED for end in ends):
        return set()
    return {"patch-01"} if controls["patch-01"] & {"compliant", "non-compliant"} else set()


def spec(name: str, release: str) -> str:
    """Return a deployment with "MAJOR+PROXY", or what it has instead."""
    major, proxy = release.split("+")
    majors, proxies = lab.majors(name), lab.proxies(name)
    return f"{name}@{major if int(major) in majors else max(majors)}+{proxy if proxy in proxies else proxies[0]}"


def run(folder: Path, *args: str, server: warm.Server | None = None) -> dict[str, dict[str, set[str]]]:
    """Run pytest in a process of its own and a directory; return the outcomes by target and control."""
    words = [*QUIETLY, *warm.alone(args), *args]
    done = server.run(words, folder, os.environ) if server else warm.run(words, folder)
    assert (folder / "out.xml").is_file(), done.stdout + done.stderr
    return read(folder / "out.xml")


def read(report: Path) -> dict[str, dict[str, set[str]]]:
    """Return the outcomes of a JUnit file by target and control."""
    seen: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314  our own file
        of = {element.get("name"): element.get("value") or "" for element in case.iter("property")}
        seen[of["nodered_sec.target"]][of["nodered_sec.control"]].add(of["nodered_sec.outcome"])
    return seen


def with_outcome(controls: dict[str, set[str]], outcome: str) -> set[str]:
    return {control for control, outcomes in controls.items() if outcome in outcomes}


def installed(name: str) -> str:
    """Return a program, or leave the test out where a developer does not have it; in CI nothing may be left out."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not installed")
    return path


def need_nginx() -> None:
    """Leave a test out where nginx is not installed; in CI nothing may be left out."""
    try:
        toolchain.nginx()
    except lab.LabError as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))
