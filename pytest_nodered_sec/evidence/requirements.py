"""How it stands with the requirements of each framework: by requirement and target, and for all targets together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_nodered_sec.data.frameworks import frameworks, untouched

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_nodered_sec.evidence.report import Report

_UNKNOWN: Final = {"could-not-look", "not-judged", "not-selected", "attested"}  # outcomes by which nothing is proven
_STANDS: Final = ("findings", "judged in part", "findings, all of them waived", "no findings", "not applicable")


class Framework(NamedTuple):
    """A framework.

    Attributes:
        name: as people call it.
        key: as the table does.
        rows: for each requirement the controls that bear on it.
        stands: the requirements by how they stand at all targets together.
        untouched: what no control of this run bears on.
    """

    name: str
    key: str
    rows: list[tuple[str, Sequence[str]]]
    stands: Mapping[str, Sequence[str]]
    untouched: tuple[str, ...]


def frameworks_of(report: Report) -> list[Framework]:
    """Return the frameworks, in the order of the table."""
    table: dict[str, dict[str, list[str]]] = {key: {} for key in frameworks()}
    for control in report.judged:
        for key, ids in control.requirements.items():
            for number in ids:
                table[key].setdefault(number, []).append(control.id)
    return [_framework(report, key, dict(sorted(table[key].items(), key=_natural))) for key in frameworks()]


def _framework(report: Report, key: str, table: Mapping[str, Sequence[str]]) -> Framework:
    outcomes: dict[str, set[str]] = {}
    for account in report.accounts:
        outcomes.setdefault(account["control"], set()).update((account["outcome"], *account["instances"]))
    stands: dict[str, list[str]] = {how: [] for how in _STANDS}
    for number, controls in table.items():
        stands[_stands(outcomes[control] for control in controls)].append(number)
    shown = {how: ids for how, ids in stands.items() if ids}
    return Framework(frameworks()[key], key, list(table.items()), shown, untouched(key, table))


def _stands(each: Iterable[set[str]]) -> str:
    """Return how it stands where controls came to these outcomes: what is not known is never taken for good."""
    outcomes = set[str]().union(*each)
    findings, unknown, waived, clean, idle = _STANDS
    if "non-compliant" in outcomes:
        return findings
    if outcomes & _UNKNOWN:
        return unknown
    if "waived" in outcomes:
        return waived
    return clean if "compliant" in outcomes else idle


def _natural(item: tuple[str, Any]) -> list[tuple[bool, int, str]]:
    """Sort numbers in ids as numbers."""
    words = "".join(char if char.isalnum() else " " for char in item[0]).split()
    return [(not word.isdigit(), int(word) if word.isdigit() else 0, word) for word in words]
