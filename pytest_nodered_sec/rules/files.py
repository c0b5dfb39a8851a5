"""Who else can read secrets or write code: effective access, through every directory above a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.model import NotApplicable, NotJudged, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Verdict
    from pytest_nodered_sec.model_host import FileAccess, FileStep, KeyAccess
    from pytest_nodered_sec.policy import Policy

_STICKY = 0o1000
_READ, _WRITE, _ENTER = 4, 2, 1


def others_cannot_reach(seen: FileAccess, policy: Policy) -> Verdict:
    """Nobody but root and Node-RED's user can read these files, replace them or write to them."""
    if not seen.files:
        return NotApplicable(seen.evidence())
    remedy = f"chmod 0700 {seen.user_dir}, and in the unit UMask=0077 (modes of rewritten files do not last)"
    if seen.kind == "environment files":
        remedy = "chmod 0600 the file, owner root: the service manager reads it"
    found = [fault for steps in seen.files for fault in _faults(steps, {0, seen.process.uid})]
    return tuple(
        Violation(code, observed, "only root and Node-RED's user can read or change it", remedy)
        for code, observed in dict.fromkeys(found)
        if not (seen.kind == "code" and code == "readable")  # of packages that anybody can download
    )


def keys_are_private(seen: KeyAccess, policy: Policy) -> Verdict:
    """Private keys are readable only by root and the services that use them."""
    if seen.unseen:
        return NotJudged(seen.unseen)
    if not seen.keys:
        return NotApplicable(seen.evidence())
    found = [
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
            "a key that others could read is to be replaced",
        )
        for steps, (code, observed) in found
    )


def _faults(steps: tuple[FileStep, ...], owners: set[int]) -> list[tuple[str, str]]:
    """Return who can read the file, and who can change it or a directory on the way to it."""
    file, *above = steps
    found = []
    for who in _others(file):
        if _has(file, who, _READ) and all(_enters(step, who) for step in above):
            found.append(("readable", f"{file.path} (mode {file.mode:04o}) can be read by {who}"))
    for number, step in enumerate(steps):
        for who in _others(step):
            if not _has(step, who, _WRITE) or (step.folder and step.mode & _STICKY):
                continue
            if all(_enters(higher, who) for higher in steps[number + 1 :]):
                what = "lets files in it be replaced" if step.folder else "can be written"
                found.append(("writable", f"{step.path} (mode {step.mode:04o}) {what} by {who}"))
        if step.uid not in owners:
            found.append(("owner", f"{step.path} belongs to {step.owner or f'uid {step.uid}'}, who can change it"))
    return found


def _others(step: FileStep) -> list[str]:
    """Return whom the permission bits of group and others speak to."""
    return ["everybody", *step.strangers]


def _has(step: FileStep, who: str, bit: int) -> bool:
    if step.mode & bit:
        return True  # what everybody may
    return who in step.strangers and bool(step.mode >> 3 & bit)


def _enters(step: FileStep, who: str) -> bool:
    return _has(step, who, _ENTER)
