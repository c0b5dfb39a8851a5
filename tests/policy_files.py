"""Policy files for tests: written, and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.policy.file import PolicyFile, read

if TYPE_CHECKING:
    from pathlib import Path


def file_of(folder: Path, text: str) -> PolicyFile:
    """Write a policy file and read it."""
    path = folder / "nodered-sec.toml"
    path.write_text(text, encoding="utf-8")
    return read(path)
