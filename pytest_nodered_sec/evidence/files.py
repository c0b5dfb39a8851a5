"""Places where reports go: checked before the run, written whole or not at all."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from pytest_nodered_sec.policy import PolicyError

if TYPE_CHECKING:
    from pathlib import Path


def check_file(path: Path, option: str) -> None:
    """See before the run that a file can be written; its folder is made.

    Raises:
        PolicyError: it cannot.
    """
    if path.is_dir():
        raise PolicyError(f"{option}={path} is a folder; name a file")
    _make(path.parent, f"{option}={path}")


def check_folder(path: Path, option: str) -> None:
    """See before the run that a folder can be filled; it is made. Evidence is never written over.

    Raises:
        PolicyError: it cannot, or something is in it.
    """
    if path.exists() and not path.is_dir():
        raise PolicyError(f"{option}={path} is a file; name a folder")
    _make(path, f"{option}={path}")
    if any(path.iterdir()):
        raise PolicyError(f"{option}={path} is not empty, and evidence is never written over; name a new folder")


def _make(folder: Path, what: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PolicyError(f"{what} cannot be written: {error.strerror}") from None


def write(path: Path, text: str) -> None:
    """Write a text whole: a reader sees what was there before or all of it.

    Raises:
        OSError: it cannot be written.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(text, encoding="utf-8", newline="\n")
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
