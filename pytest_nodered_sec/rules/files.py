"""Who can read secrets or write settings and code: effective access, through every directory above a file."""

from __future__ import annotations

import shlex
from itertools import pairwise
from typing import TYPE_CHECKING

from pytest_nodered_sec.verdict import NotApplicable, NotJudged, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_files import FileAccess, FileStep, KeyAccess
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

_STICKY = 0o1000
_READ, _WRITE, _ENTER = 4, 2, 1


def others_cannot_reach(seen: FileAccess, policy: Policy) -> Verdict:
    """Nobody but root and Node-RED's user can read these files, replace them or write to them."""
    if not seen.files and not seen.told:
        return NotApplicable(seen.evidence())
    told = tuple(
        Violation(
            "told",
            f"{seen.user_dir}: {secret}: every local user may ask for that: systemctl show {seen.user_dir}",
            "no secret in a unit: only the service manager and Node-RED know it",
            f"systemctl edit {seen.user_dir}: [Service] EnvironmentFile=/etc/nodered.env (owner root, mode 0600), with "
            "that line in place of the unit's; then restart it, and change the secret",
        )
        for secret in seen.told
    )
    remedy = f"chmod 0700 {seen.user_dir}, and in the unit UMask=0077 (modes of rewritten files do not last)"
    if seen.kind == "environment files":
        remedy = "chmod 0600 the file, owner root (of a user's own service that user): the service manager reads it"
    faults = [fault for steps in seen.files for fault in _faults(steps, {0, seen.process.uid})]
    return told + tuple(
        Violation(code, observed, "only root and Node-RED's user can read or change it", remedy)
        for code, observed in dict.fromkeys(faults)
        if not (code == "readable" and _is_public(seen.kind, observed))
    )


def _is_public(kind: str, observed: str) -> bool:
    """Whether it is a package, which anybody can download."""
    return kind == "code" or (kind == "settings" and "/node_modules/" in observed)


def settings_are_out_of_reach(seen: FileAccess, policy: Policy) -> Verdict:
    """Node-RED's own user cannot write settings.js or what it loads, nor replace them in a directory above them."""
    if not seen.files:
        return NotJudged(f"no file of the settings is to be seen in {seen.user_dir}")
    expected = "settings.js, what it loads and each directory above them are root's, and Node-RED cannot write there"
    if seen.process.uid == 0:
        observed = f"{seen.process.line()} runs as root, which can write {seen.files[0][0].path}"
        remedy = "unit: User=nodered (systemctl edit nodered), and the settings in a directory of root's"
        return (Violation("root", observed, expected, remedy),)
    files = {path.rpartition("/")[2]: shlex.quote(path) for path in (steps[0].path for steps in seen.files)}
    group = f'"$(id -gn {shlex.quote(seen.process.user)})"'
    remedy = (
        f"install -D -o root -g {group} -m 0640 -t /etc/nodered {' '.join(files.values())}; start it (unit: ExecStart) "
        f"with --settings /etc/nodered/{next(iter(files))} --userDir {shlex.quote(seen.user_dir)}; in a container "
        "mount each file there, read-only"
    )
    faults = [fault for steps in seen.files for fault in _own_faults(steps, seen.process.uid, seen.process.user)]
    return tuple(Violation(code, observed, expected, remedy) for code, observed in dict.fromkeys(faults))


def _own_faults(steps: tuple[FileStep, ...], uid: int, user: str) -> list[tuple[str, str]]:
    """Return what Node-RED can write, and the directories in which it can replace what leads to the file."""
    file = steps[0]
    faults = [("writable", f"{file.path} can be changed by {user}")] if file.own else []
    for below, folder in pairwise(steps):
        kept = folder.mode & _STICKY and folder.uid != uid  # there, only what is its own, which is judged by itself
        if folder.own and not below.mount and not kept:
            faults.append(("replaceable", f"{folder.path} (mode {folder.mode:04o}) lets {user} replace {below.path}"))
    return faults


def keys_are_private(seen: KeyAccess, policy: Policy) -> Verdict:
    """Private keys are readable only by root and the services that use them."""
    if seen.unseen:
        return NotJudged(seen.unseen)
    if not seen.keys:
        return NotApplicable(seen.evidence())
    faulty = [
        (steps, fault)
        for steps in seen.keys
        for fault in _faults(steps, {0, *(step.uid for step in steps if not step.owner)})
    ]
    return tuple(
        Violation(
            code,
            observed,
            "only root and the service that uses the key can read it",
            f"chown root:ssl-cert {steps[0].path} && chmod 0640 {steps[0].path} (0600 where only root reads it); "
            "replace a key that others could read",
        )
        for steps, (code, observed) in faulty
    )


def _faults(steps: tuple[FileStep, ...], owners: set[int]) -> list[tuple[str, str]]:
    """Return who can read the file, and who can change it or a directory on the way to it."""
    file, *above = steps
    faults = []
    for who in _others(file):
        if _has(file, who, _READ) and all(_enters(step, who) for step in above):
            faults.append(("readable", f"{file.path} (mode {file.mode:04o}) can be read by {who}"))
    for number, step in enumerate(steps):
        for who in _others(step):
            if not _has(step, who, _WRITE) or (step.folder and step.mode & _STICKY):
                continue
            if all(_enters(higher, who) for higher in steps[number + 1 :]):
                what = "allows its files to be replaced" if step.folder else "can be written"
                faults.append(("writable", f"{step.path} (mode {step.mode:04o}) {what} by {who}"))
        if step.uid not in owners:
            faults.append(("owner", f"{step.path} belongs to {step.owner or f'uid {step.uid}'}, who can change it"))
    return faults


def _others(step: FileStep) -> list[str]:
    """Return whom the permission bits of group and others speak to."""
    return ["everybody", *step.strangers]


def _has(step: FileStep, who: str, bit: int) -> bool:
    if step.mode & bit:
        return True  # what everybody may
    return who in step.strangers and bool(step.mode >> 3 & bit)


def _enters(step: FileStep, who: str) -> bool:
    return _has(step, who, _ENTER)
