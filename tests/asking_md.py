"""Writes the table of surfaces and ways into docs/asking.md: `python tests/asking_md.py`, from `data/cells.py`."""

from __future__ import annotations

from pathlib import Path

from pytest_nodered_sec.data.cells import CELLS, COLUMNS, SURFACES
from pytest_nodered_sec.data.roots import KNOWN_ROOTS

PAGE = Path(__file__).parents[1] / "docs" / "asking.md"
BEGIN = "<!-- from here to the end mark: written by tests/asking_md.py -->\n"
END = "<!-- end mark -->\n"


def table() -> str:
    """Return what stands between the marks."""
    reasons: dict[str, int] = {}
    rows = [f"| | {' | '.join(COLUMNS)} |", f"| --- |{' --- |' * len(COLUMNS)}"]
    for surface in SURFACES:
        cells = []
        for way in COLUMNS:
            cell = CELLS[surface][way]
            if cell.startswith("-: "):
                cell = f"– ({reasons.setdefault(cell.removeprefix('-: '), len(reasons) + 1)})"  # noqa: RUF001  a dash
            cells.append(cell)
        rows.append(f"| {surface} | {' | '.join(cells)} |")
    ways = [f"- *{name}*: {said}" for name, said in COLUMNS.items()]
    not_asked = [f"{number}. {reason}" for reason, number in reasons.items()]
    roots = [f"- `{root.path or '/'}`: {root.source}" for root in KNOWN_ROOTS]
    parts = (rows, ways, ["Not asked, and why:", "", *not_asked], ["Known roots:", "", *roots])
    return "\n" + "\n\n".join("\n".join(part) for part in parts) + "\n\n"


def page(text: str) -> str:
    """Return the page with the table as it is now."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
