"""Policy files for tests: written, and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.policy.file import PolicyFile, read
from pytest_nodered_sec.policy.merge import effective, policy_of

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nodered_sec.policy.model import Policy

PIN = "ab" * 32


def file_of(folder: Path, text: str) -> PolicyFile:
    """Write a policy file and read it."""
    path = folder / "nodered-sec.toml"
    path.write_text(text, encoding="utf-8")
    return read(path)


def policy_from(folder: Path, text: str) -> Policy:
    """Return the policy of the file's only target."""
    file = file_of(folder, text)
    return policy_of("plant.example", effective(file.layers(file.targets[0])))
