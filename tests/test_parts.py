"""The parts of a long list make the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import parts

if TYPE_CHECKING:
    import pytest


def test_parts_make_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [f"case {number}" for number in range(10)]
    monkeypatch.delenv(parts.VARIABLE, raising=False)
    assert parts.part_of(cases) == cases
    chosen = []
    for day in range(332, 336):  # days of a year, counted around
        monkeypatch.setenv(parts.VARIABLE, f"{day}/4")
        chosen += parts.part_of(cases)
    assert sorted(chosen) == cases
