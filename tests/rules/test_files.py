"""Who else can read or change a file: effective access through every directory above it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from seen import PASS, SKIP, outcome, target, violations

from pytest_nodered_sec.observations.host import NodeRedProcess
from pytest_nodered_sec.observations.host_files import FileAccess, FileStep, KeyAccess
from pytest_nodered_sec.rules.files import keys_are_private, others_cannot_reach, settings_are_out_of_reach
from pytest_nodered_sec.verdict import NotJudged

NODE_RED = NodeRedProcess(812, 998, "nodered", 0.0)
HOME = "/home/nodered/.node-red"


def steps(
    file: int, folder: int, *, uid: int = 998, strangers: tuple[str, ...] = (), above: int = 0o755
) -> tuple[FileStep, ...]:
    return (
        FileStep(f"{HOME}/flows.json", file, uid, 998, False, strangers),
        FileStep(HOME, folder, 998, 998, True, strangers),
        FileStep("/home/nodered", above, 998, 998, True),
        FileStep("/", 0o755, 0, 0, True),
    )


@pytest.mark.parametrize(
    ("file_steps", "expected"),
    [
        (steps(0o600, 0o700), []),
        (steps(0o644, 0o700), []),  # what the next deployment leaves; the directory keeps others out
        (steps(0o644, 0o755, above=0o700), []),
        (steps(0o666, 0o700), []),
        (steps(0o644, 0o755), ["readable"]),
        (steps(0o640, 0o750), []),  # a group without other members
        (steps(0o640, 0o750, strangers=("guest",)), ["readable"]),
        (steps(0o640, 0o700, strangers=("guest",)), []),
        (steps(0o600, 0o777), ["writable"]),
        (steps(0o600, 0o1777), []),  # sticky: what is there stays its owner's
        (steps(0o666, 0o711), ["readable", "writable"]),
        (steps(0o660, 0o770, strangers=("guest",)), ["readable", "writable", "writable"]),
        (steps(0o600, 0o700, uid=1001), ["owner"]),
    ],
)
def test_others_cannot_reach(file_steps: tuple[FileStep, ...], expected: list[str]) -> None:
    seen = FileAccess("flows", HOME, NODE_RED, (file_steps,))
    assert [violation.code for violation in violations(others_cannot_reach(seen, target().policy))] == expected
    assert f"{HOME}/flows.json" in seen.evidence()


def test_files_that_are_not_there() -> None:
    seen = FileAccess("ssh keys", HOME, NODE_RED, ())
    assert outcome(others_cannot_reach, seen, target()) == SKIP
    assert seen.evidence() == f"{HOME} has no ssh keys"


def test_many_files_are_shown_by_three() -> None:
    assert "and 2 more" in FileAccess("context", HOME, NODE_RED, (steps(0o600, 0o700),) * 5).evidence()


def key(mode: int, *strangers: str) -> tuple[FileStep, ...]:
    return (
        FileStep("/etc/ssl/private/plant.key", mode, 0, 108, False, strangers),
        FileStep("/etc/ssl/private", 0o711, 0, 108, True),
        FileStep("/", 0o755, 0, 0, True),
    )


@pytest.mark.parametrize(
    ("file_steps", "expected"),
    [
        (key(0o600), []),
        (key(0o640), []),  # group ssl-cert
        (key(0o640, "group users"), ["readable"]),
        (key(0o644), ["readable"]),
        (key(0o666), ["readable", "writable"]),
    ],
)
def test_keys_are_private(file_steps: tuple[FileStep, ...], expected: list[str]) -> None:
    seen = KeyAccess("nginx", (file_steps,))
    got = [violation.code for violation in violations(keys_are_private(seen, target().policy))]
    assert got == expected
    assert "plant.key" in seen.evidence()


def test_a_key_of_somebody_else() -> None:
    [file, *above] = key(0o600)
    owned = (replace(file, uid=1000, owner="pi"), *above)
    [violation] = violations(keys_are_private(KeyAccess("nginx", (owned,)), target().policy))
    assert (violation.code, "belongs to pi" in violation.observed) == ("owner", True)
    own = (replace(file, uid=998), *above)  # of a service that may own it
    assert outcome(keys_are_private, KeyAccess("nginx", (own,)), target()) == PASS


def test_code_may_be_read_but_not_written() -> None:
    modules = FileStep(f"{HOME}/node_modules/node-red-contrib-x", 0o777, 998, 998, True)
    above = (FileStep(HOME, 0o755, 998, 998, True), FileStep("/", 0o755, 0, 0, True))
    for mode, codes in ((0o777, ["writable"]), (0o755, [])):
        seen = FileAccess("code", HOME, NODE_RED, ((replace(modules, mode=mode), *above),))
        assert [violation.code for violation in violations(others_cannot_reach(seen, target().policy))] == codes


def test_packages_that_the_settings_load_may_be_read() -> None:
    above = (FileStep("/etc/nodered", 0o755, 0, 0, True), FileStep("/", 0o755, 0, 0, True))
    for path, codes in (("/etc/nodered/node_modules/json5/lib/index.js", []), ("/etc/nodered/auth.js", ["readable"])):
        seen = FileAccess("settings", HOME, NODE_RED, ((FileStep(path, 0o644, 0, 0, False), *above),))
        assert [one.code for one in violations(others_cannot_reach(seen, target().policy))] == codes


def test_a_secret_in_the_unit_is_told_to_everybody() -> None:
    seen = FileAccess("environment files", "nodered.service", NODE_RED, (), ("Environment=NODE_RED_CREDENTIAL_SECRET",))
    [finding] = violations(others_cannot_reach(seen, target().policy))
    assert (finding.code, "systemctl show nodered.service" in finding.observed) == ("told", True)
    assert seen.evidence() == "nodered.service has no environment files; Environment=NODE_RED_CREDENTIAL_SECRET"


def test_files_of_the_environment_have_a_remedy_of_their_own() -> None:
    file = FileStep("/etc/default/nodered", 0o644, 0, 0, False)
    seen = FileAccess("environment files", "nodered.service", NODE_RED, ((file, FileStep("/", 0o755, 0, 0, True)),))
    [violation] = violations(others_cannot_reach(seen, target().policy))
    assert (violation.code, violation.remedy[:10]) == ("readable", "chmod 0600")


def test_keys_that_are_not_there() -> None:
    seen = KeyAccess("certbot", (), "there are no certbot lineages (/etc/letsencrypt)")
    assert outcome(keys_are_private, seen, target()) == SKIP
    assert seen.evidence() == seen.absent
    elsewhere = KeyAccess("nginx", (), unseen="Caddy keeps the keys itself")
    assert keys_are_private(elsewhere, target().policy) == NotJudged(elsewhere.evidence())


FILE = FileStep("/etc/nodered/settings.js", 0o640, 0, 998, False)
FOLDER = FileStep("/etc/nodered", 0o755, 0, 0, True)
ROOT = FileStep("/", 0o755, 0, 0, True)
STICKY = replace(FOLDER, mode=0o1775, own=True)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (((FILE, FOLDER, ROOT),), []),
        (((replace(FILE, own=True), FOLDER, ROOT),), ["writable"]),
        (((FILE, replace(FOLDER, own=True), ROOT),), ["replaceable"]),
        (((FILE, FOLDER, replace(ROOT, own=True)),), ["replaceable"]),
        (((FILE, STICKY, ROOT),), []),  # what is root's there stays
        (((FILE, replace(STICKY, uid=998), ROOT),), ["replaceable"]),
        (((replace(FILE, mount=True), replace(FOLDER, own=True), ROOT),), []),  # a bind mount, as of a container
        (((replace(FILE, mount=True), replace(FOLDER, own=True), replace(ROOT, own=True)),), ["replaceable"]),
        (((FILE, FOLDER, ROOT), (replace(FILE, own=True), FOLDER, ROOT)), ["writable"]),
    ],
)
def test_settings_are_out_of_reach(files: tuple[tuple[FileStep, ...], ...], expected: list[str]) -> None:
    seen = FileAccess("settings", HOME, NODE_RED, files)
    faults = violations(settings_are_out_of_reach(seen, target().policy))
    assert [violation.code for violation in faults] == expected
    assert all("--settings /etc/nodered/settings.js" in violation.remedy for violation in faults)


def test_root_writes_its_settings_anyway_and_files_that_are_not_seen_are_not_judged() -> None:
    seen = FileAccess("settings", HOME, replace(NODE_RED, uid=0), ((FILE, FOLDER, ROOT),))
    [violation] = violations(settings_are_out_of_reach(seen, target().policy))
    assert violation.code == "root"
    assert isinstance(settings_are_out_of_reach(replace(seen, files=()), target().policy), NotJudged)
