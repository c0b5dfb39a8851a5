"""What each bundled control may find, with the remedy; the table is `known_findings.toml`, written from the rules.

`python tests/controls_md.py` writes it, together with docs/controls.md.
"""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class KnownFindings:
    """Findings of a control that have one remedy.

    Attributes:
        codes: as a waiver names them.
        severity: where it is milder or graver than the control's, else "".
        expected: what compliance looks like.
        remedy: the change; a path, an address or a name in it is an example.
    """

    codes: tuple[str, ...]
    severity: str
    expected: str
    remedy: str


@functools.cache
def _table() -> dict[str, tuple[KnownFindings, ...]]:
    text = resources.files(__package__).joinpath("known_findings.toml").read_text(encoding="utf-8")
    return {
        control: tuple(
            KnownFindings(tuple(row["codes"]), row.get("severity", ""), row["expected"], row["remedy"]) for row in rows
        )
        for control, rows in tomllib.loads(text).items()
    }


def findings_of(control: str) -> tuple[KnownFindings, ...]:
    """Return what a bundled control may find; nothing of a site's own."""
    return _table().get(control, ())
