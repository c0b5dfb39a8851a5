"""Who can read or write the files of a host: steps of the path, owners, modes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host import NodeRedProcess

    pass


# --- files -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FileStep:
    """A file or one of the directories above it.

    Attributes:
        path: real path.
        mode: permission bits.
        uid: owner.
        gid: group.
        folder: whether it is a directory.
        strangers: members of the group other than root and the user Node-RED runs as.
        owner: name of the owner where that is nobody who should own it, or "" (keys only).
        own: whether Node-RED itself can write to it, or allow itself to (Node-RED's files only).
        mount: whether something is mounted there, so that whoever can write above it cannot replace it.
    """

    path: str
    mode: int
    uid: int
    gid: int
    folder: bool
    strangers: tuple[str, ...] = ()
    owner: str = ""
    own: bool = False
    mount: bool = False


@dataclass(frozen=True)
class FileAccess:
    """Files of one kind, and links on the way to them, each with every directory above it, the root last (host-07,
    and host-19 for settings.js and what it loads).

    Attributes:
        kind: "settings", "flows" ….
        user_dir: Node-RED's user directory; of "environment files" the unit that names them.
        process: whose files they are.
        files: each as its steps, the file first.
        told: of "environment files": secrets in the unit itself, which any user may ask for, e.g. "Environment=SECRET".
    """

    kind: str
    user_dir: str
    process: NodeRedProcess
    files: tuple[tuple[FileStep, ...], ...]
    told: tuple[str, ...] = ()

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if not self.files:
            return f"{self.user_dir} has no {self.kind}" + "".join(f"; {secret}" for secret in self.told)
        shown = ", ".join(f"{steps[0].path} ({steps[0].mode:04o})" for steps in self.files[:3])
        more = f" and {len(self.files) - 3} more" if len(self.files) > 3 else ""
        return f"{self.kind}: {shown}{more}; {self.user_dir}"


@dataclass(frozen=True)
class KeyAccess:
    """Private keys of one place, each with every directory above it that was seen (host-15).

    Attributes:
        place: "nginx" or "certbot".
        keys: each as its steps, the key first; `strangers` holds the group's name where it is not one of those allowed.
        absent: why there is none, or "".
        unseen: why those that there are were not looked at, or "".
    """

    place: str
    keys: tuple[tuple[FileStep, ...], ...]
    absent: str = ""
    unseen: str = ""

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if not self.keys:
            return self.unseen or self.absent
        return ", ".join(f"{steps[0].path} ({steps[0].mode:04o}, uid {steps[0].uid})" for steps in self.keys)
