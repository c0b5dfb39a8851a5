"""Places where reports go: checked before the run, written whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.policy.model import PolicyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


def check_file(path: Path, option: str) -> None:
    """See before the run that a file can be written; its folder is made.

    Raises:
        PolicyError: it cannot.
    """
    if path.is_dir():
        raise PolicyError(f"{option}={path} is a folder; name a file")
    _make(path.parent, f"{option}={path}")
    if path.exists() and not os.access(path, os.W_OK):
        raise PolicyError(f"{option}={path} cannot be written: {os.strerror(errno.EACCES)}")


def check_unused(folder: Path, option: str) -> None:
    """See before the run that a folder can be filled at its end; nothing is made until there is something to write.

    What is in it may have been edited since, and would mix with files of another run.

    Raises:
        PolicyError: it cannot, or something is in it.
    """
    try:
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not there.is_dir():
            raise PolicyError(f"{option}={folder}: {there} is a file; name a folder")
        used = there == folder and any(folder.iterdir())
    except OSError as error:
        raise PolicyError(f"{option}={folder} cannot be written: {error.strerror}") from None
    if not os.access(there, os.W_OK | os.X_OK):
        raise PolicyError(f"{option}={folder} cannot be written: {os.strerror(errno.EACCES)}")
    if used:
        raise PolicyError(f"{option}={folder} is not empty, and what is there is never overwritten; name a new folder")


CLAIM: Final = ".being-written"


def claim_folder(path: Path, option: str) -> Callable[[], None]:
    """See before the run that a folder can be filled, and keep other runs out; it is made.

    Evidence is never written over. Returns what gives the claim up again.

    Raises:
        PolicyError: it cannot, or something is in it.
    """
    if path.exists() and not path.is_dir():
        raise PolicyError(f"{option}={path} is a file; name a folder")
    _make(path, f"{option}={path}")
    claim = (path / CLAIM).absolute()
    try:
        claim.touch(exist_ok=False)
    except FileExistsError:
        raise PolicyError(
            f"{option}={path} is being written by another run, or a run was killed while writing it; name a new folder"
        ) from None
    if any(entry.name != CLAIM for entry in path.iterdir()):
        claim.unlink()
        raise PolicyError(f"{option}={path} is not empty, and evidence is never overwritten; name a new folder")
    return lambda: claim.unlink(missing_ok=True)


def _make(folder: Path, what: str) -> None:
    try:
        if folder.is_file():
            raise PolicyError(f"{what}: {folder} is a file; name a folder")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PolicyError(f"{what} cannot be written: {error.strerror}") from None


def write(path: Path, text: str | Iterable[str]) -> None:
    """Write a text whole: a reader sees what was there before or all of it. A pipe or a device is written to.

    Args:
        path: where to.
        text: all of it, or piece by piece.

    Raises:
        OSError: it cannot be written.
    """
    if str(path.absolute().parent) in ("/dev", "/dev/fd") or (path.exists() and not path.is_file()):
        with path.open("a", encoding="utf-8", newline="\n") as file:  # /dev/stdout may be a link to a file
            file.writelines([text] if isinstance(text, str) else text)
        return
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines([text] if isinstance(text, str) else text)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
