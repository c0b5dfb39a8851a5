"""A stand-in for Node-RED with an evaluator of settings.js beside it, and a directory: for tests of hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from evaluator import Evaluator, stand_in

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = stand_in(tmp_path)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def evaluate(tmp_path: Path, process: subprocess.Popen[bytes]) -> Evaluator:
    return Evaluator(tmp_path, process.pid)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory that nobody else can change, as far as this one and what is above it go."""
    (tmp_path / "conf").mkdir(mode=0o755)
    return tmp_path / "conf"
