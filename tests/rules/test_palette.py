"""Installed packages: what they open by the table or by a reading, and whether they are locked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from seen import target, violations

from pytest_nodered_sec.data.releases import UnguardedPackage, unguarded_packages
from pytest_nodered_sec.observations.host_palette import CodePlace, InstalledNodes, NodePackage, PaletteLock
from pytest_nodered_sec.policy.model import AdminApi, HostDemands
from pytest_nodered_sec.rules.palette import is_unguarded, packages_guard_what_they_open, palette_is_reproducible

POLICY = target().policy
RED = "/home/nodered/.node-red"
ROUTE = CodePlace("routes", "line.js", "12")
SERVER, COMMAND = CodePlace("listens", "line.js", "3"), CodePlace("commands", "line.js", "1")
SCRIPT = CodePlace("installs", "package.json", "postinstall")
UIBUILDER = NodePackage("node-red-contrib-uibuilder", "7.7.4", (SERVER,))
LOCK = PaletteLock(RED, ("node-red-contrib-line",), "package-lock.json", version=3, registries=("registry.npmjs.org",))


def told(*packages: NodePackage, admin: bool = True, admin_api: AdminApi = "protected") -> list[str]:
    policy = replace(POLICY, admin_api=admin_api)
    return [
        violation.code
        for violation in violations(packages_guard_what_they_open(InstalledNodes(RED, packages, admin), policy))
    ]


def line(*places: CodePlace) -> NodePackage:
    return NodePackage("node-red-contrib-line", "1.0.0", places)


def test_known_packages_are_judged_by_the_table() -> None:
    assert told(UIBUILDER) == ["unguarded-package"]
    assert told(UIBUILDER, admin=False) == told(UIBUILDER, admin_api="proxied") == []
    assert told(NodePackage("node-red-dashboard", "3.6.6", (ROUTE,))) == []
    assert told(NodePackage("node-red-dashboard", "3.6.7", (ROUTE,))) == ["routes"]  # nobody has reviewed that one


def test_others_are_judged_by_a_reading() -> None:
    assert told(line()) == told(line(SCRIPT)) == []
    assert told(line(ROUTE, ROUTE, SERVER, COMMAND)) == ["routes", "listens", "commands"]
    assert told(line(ROUTE, SERVER), admin=False) == told(line(ROUTE, SERVER), admin_api="proxied") == ["listens"]
    [violation] = violations(packages_guard_what_they_open(InstalledNodes(RED, (line(ROUTE, ROUTE),)), POLICY))
    assert violation.observed == (
        "node-red-contrib-line 1.0.0 registers routes below the admin root without asking for a permission: "
        "line.js:12, line.js:12; not guarded as far as a reading shows"
    )


def test_a_hole_that_is_fixed_is_none() -> None:
    row: UnguardedPackage = replace(unguarded_packages()[0], fixed="8.0.0")
    assert is_unguarded(row, "7.7.4")
    assert is_unguarded(row, "of a branch")
    assert not is_unguarded(row, "8.0.0")
    assert is_unguarded(replace(row, fixed=""), "9.0.0")


@pytest.mark.parametrize(
    ("lock", "codes"),
    [
        (PaletteLock(RED), []),
        (LOCK, []),
        (replace(LOCK, lock=""), ["no-lock"]),
        (replace(LOCK, version=1), ["old-lock"]),
        (replace(LOCK, version=0), ["old-lock"]),
        (replace(LOCK, unlocked=("a",)), ["unlocked"]),
        (replace(LOCK, registries=("npm.plant.example", "registry.npmjs.org")), ["registries"]),
        (replace(LOCK, elsewhere=("a", "b")), ["elsewhere"]),
        (replace(LOCK, scripts=("serialport",)), ["scripts"]),
        (replace(LOCK, scripts=("a", "serialport")), ["scripts"]),
        (replace(LOCK, scripts=("a",), silent=True), []),
    ],
)
def test_a_palette_that_can_be_installed_again(lock: PaletteLock, codes: list[str]) -> None:
    assert [violation.code for violation in violations(palette_is_reproducible(lock, POLICY))] == codes


def test_a_script_that_the_policy_declares_is_no_finding() -> None:
    policy = replace(POLICY, host=HostDemands(install_scripts=("serialport builds its driver",)))
    assert violations(palette_is_reproducible(replace(LOCK, scripts=("serialport",)), policy)) == ()
    [violation] = violations(palette_is_reproducible(replace(LOCK, scripts=("serialport", "other")), policy))
    assert violation.observed == f"{RED}/package-lock.json: other runs scripts when installed"


def test_what_was_seen_is_said_in_one_line() -> None:
    assert PaletteLock(RED).evidence() == f"{RED} has no packages with nodes"
    assert LOCK.evidence() == f"{RED}: node-red-contrib-line, locked by package-lock.json, from registry.npmjs.org"
    assert replace(LOCK, lock="", registries=()).evidence() == f"{RED}: node-red-contrib-line, without a lock file"
    seen = InstalledNodes(RED, (line(), replace(UIBUILDER, whole=False)))
    assert seen.evidence() == (
        f"packages with nodes in {RED} and beside Node-RED: node-red-contrib-line 1.0.0, "
        "node-red-contrib-uibuilder 7.7.4 (not all of it read)"
    )
    assert InstalledNodes(RED, ()).evidence().endswith(": none")
