"""Marks of a machine and of its passwords, by which copies are found: digests, never what they are made of."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from probes.host.layouts import SETTINGS, inside, part, sections_of, trouble

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.twins import MachineMarks
from pytest_nodered_sec.probes.host.gather import SCRIPT
from pytest_nodered_sec.probes.host.parse import Section

if TYPE_CHECKING:
    from pathlib import Path


def test_the_marks_of_a_machine_are_digests() -> None:
    a, b, c = ("a" * 64, "b" * 64, "c" * 64)
    text = f"machine-id {a}\nboot_id {b}\nssh-ed25519 {c}\nssh-rsa {c}\nsh: sha256sum: not found"
    seen = part(inside(sections_of(marks=Section(text, 0))), "marks")
    assert seen == MachineMarks(a, b, (("ssh-ed25519", c), ("ssh-rsa", c)), passwords=())
    assert part(inside(sections_of(marks=Section(f"boot_id {b}", 0)), in_container=True), "marks").container
    told = {**SETTINGS, "telemetry": {"chosen": "unset", "silenced": False, "instance": a, "secret": c}}
    gathered = inside(sections_of(marks=Section(text, 0)))
    seen = part(replace(gathered, settings=told), "marks")
    assert (seen.instance, seen.secret) == (a, c)
    unseen = part(replace(gathered, settings=ProbeError("no right", Cause.FORBIDDEN)), "marks")
    assert (unseen.instance, unseen.secret, unseen.passwords) == ("", "", None)
    assert trouble(inside(sections_of(marks=Section("sh: sha256sum: not found", 0))), "marks").startswith(
        "nothing there"
    )


def test_password_hashes_are_marks_where_the_settings_are_those_that_run() -> None:
    a, b = ("a" * 64, "b" * 64)

    def account(mark: str) -> dict[str, Any]:
        return {"scheme": "bcrypt", "cost": 8, "known": "", "mark": mark}

    users = [{"permissions": "*", "hash": account(mark)} for mark in (a, "", "$2b$08$in-clear")]
    settings = {**SETTINGS["settings"], "adminAuth": {**SETTINGS["settings"]["adminAuth"], "users": users},
                "httpNodeAuth": {"kind": "set", "hash": account(b)}}  # fmt: skip
    gathered = inside(sections_of(marks=Section(f"machine-id {a}", 0)))
    told = {**SETTINGS, "settings": settings}
    seen = part(replace(gathered, settings=told), "marks")
    assert seen.passwords == (("adminAuth user 1", a), ("httpNodeAuth", b))
    unsure = {**told, "asked": ["vault"]}  # it may have chosen between two
    assert part(replace(gathered, settings=unsure), "marks").passwords is None


def test_no_mark_leaves_the_machine_in_clear(tmp_path: Path) -> None:
    """The script's own function, over files of our own; a machine id that was never set is none."""
    (tmp_path / "machine-id").write_text("uninitialized\n")
    (tmp_path / "boot_id").write_text("0123456789abcdef0123456789abcdef\n")
    (tmp_path / "ssh_host_ed25519_key.pub").write_text("ssh-ed25519 AAAAC3Nza root@line-7\n")
    functions = SCRIPT[SCRIPT.index("marks() {") : SCRIPT.index("\nif [ $# -gt 0 ]")]
    for place in ("/etc/ssh", "/etc", "/proc/sys/kernel/random"):
        functions = functions.replace(f" {place}/", f" {tmp_path}/")
    done = subprocess.run(["/bin/sh", "-c", f"{functions}\nmarks"], capture_output=True, text=True, check=True)
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == ["boot_id", "ssh-ed25519"]
    assert "0123456789" not in done.stdout
    assert "AAAAC3Nza" not in done.stdout
    assert done.stderr == ""
