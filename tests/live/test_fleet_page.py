"""The page of 300 targets in a real browser: what it costs to open, and that nothing of it is refused."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from reported import fleet

from pytest_nodered_sec.evidence.html import html

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 2.0  # seconds of CPU, of all of the browser's processes, beyond an empty page


@pytest.fixture(scope="module")
def chromium() -> str:
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if not browser:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no chromium")
    return browser


def opened(chromium: str, page: str, picture: Path) -> tuple[float, str]:
    """Return the seconds of CPU that a page takes until it is painted, and what the browser logs."""
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
               "--window-size=1200,900", f"--screenshot={picture}", page]  # fmt: skip
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stderr


def test_a_page_of_300_targets_opens_at_once(chromium: str, tmp_path: Path) -> None:
    page = tmp_path / "fleet.html"
    page.write_text(html(fleet(300)), encoding="utf-8")
    empty = min(opened(chromium, "about:blank", tmp_path / "empty.png")[0] for _ in range(3))
    seconds, said = min(opened(chromium, page.as_uri(), tmp_path / "fleet.png") for _ in range(3))
    assert "Refused to" not in said
    assert seconds - empty < LIMIT, f"{page.stat().st_size} bytes, an empty page takes {empty:.2f} s"
