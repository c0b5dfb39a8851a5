"""docs/asking.md shows the table of surfaces and ways as it is."""

from __future__ import annotations

import asking_md
from suite_controls import CONTROLS

from pytest_nodered_sec.data.cells import CELLS


def test_the_page_is_current() -> None:
    text = asking_md.PAGE.read_text(encoding="utf-8")
    assert asking_md.BEGIN in text, "docs/asking.md has lost its mark"
    assert asking_md.page(text) == text, "run python tests/asking_md.py"


def test_only_controls_that_exist_are_named() -> None:
    cells = [cell for row in CELLS.values() for cell in row.values() if not cell.startswith("-: ")]
    named = {control for cell in cells for control in cell.split(", ")}
    assert named <= set(CONTROLS)
