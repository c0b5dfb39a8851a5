"""Findings folded for machines: one for each control, code and target, and the line of a file that stands for it.

Code scanning and code quality know places in files only. A finding of a target stands at the target's table in the
policy file, where somebody owns it; without one, at the test, by the path that JUnit has.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_nodered_sec.evidence.headline import SEVERITIES, findings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import PurePath

    from pytest_nodered_sec.evidence.report import Report
    from pytest_nodered_sec.results.records import Record, Waived

_TABLE: Final = re.compile(r"^[ \t]*\[\[[ \t]*target[ \t]*\]\]", re.MULTILINE)


class Anchors(NamedTuple):
    """Where targets are declared.

    Attributes:
        path: of the policy file, relative to the root; "" for none.
        lines: of each target's table, by name; a target without one stands at line 1.
    """

    path: str = ""
    lines: Mapping[str, int] = {}


class Fold(NamedTuple):
    """The findings of one control, code and target.

    Attributes:
        target: its name.
        control: its id.
        code: of the finding, "" where a test failed without one.
        severity: of the finding.
        observed: what the first case saw.
        more: how many other cases have the same.
        expected: what was expected, may be "".
        remedy: the rule's own, may be "".
        waiver: what accepts it, None where nothing does.
        path: of the file where it stands.
        line: in that file.
        fingerprint: the same in every run; of no other fold of the run.
    """

    target: str
    control: str
    code: str
    severity: str
    observed: str
    more: int
    expected: str
    remedy: str
    waiver: Waived | None
    path: str
    line: int
    fingerprint: str

    @property
    def text(self) -> str:
        """What a person reads: target, finding, what was expected and what to do."""
        parts = [f"{self.target or 'no target'}: {self.observed}" + (f" (and {self.more} more)" if self.more else "")]
        parts += [f"Expected: {self.expected}"] if self.expected else []
        parts += [f"Remedy: {self.remedy}"] if self.remedy else []
        return "\n".join(parts)


def fold(report: Report, anchors: Anchors) -> list[Fold]:
    """Return the findings of a run, waived ones among them, the worst first."""
    groups: dict[tuple[str, str, str, bool], list[tuple[Record, int]]] = {}
    for record in report.with_outcome("non-compliant", "waived"):
        accepted = record["waiver"]["findings"] if record["waiver"] else ()
        for number, each in enumerate(findings(record)):
            key = (record["target"], record["control"], each["code"], each["code"] in accepted)
            groups.setdefault(key, []).append((record, number))
    folds = [_fold(key, cases, anchors, partly=(*key[:3], not key[3]) in groups) for key, cases in groups.items()]
    return sorted(folds, key=lambda each: SEVERITIES.index(each.severity))


def _fold(
    key: tuple[str, str, str, bool], cases: Sequence[tuple[Record, int]], anchors: Anchors, *, partly: bool
) -> Fold:
    target, control, code, waived = key
    known = "\0".join((control, code, target, "waived" if waived and partly else ""))  # waiving closes the same alert
    record, number = cases[0]
    first = findings(record)[number]
    return Fold(
        target,
        control,
        code,
        min((findings(each)[place]["severity"] for each, place in cases), key=SEVERITIES.index),
        first["observed"],
        len(cases) - 1,
        first["expected"],
        first["remedy"],
        record["waiver"] if waived else None,
        anchors.path or record["nodeid"].partition("::")[0],
        anchors.lines.get(target, 1) if anchors.path else 1,
        hashlib.sha256(known.encode()).hexdigest(),
    )


def anchors(file: PurePath | None, text: str, names: Sequence[str], root: PurePath) -> Anchors:
    """Return where targets are declared.

    Args:
        file: the policy file, None for none.
        text: its content.
        names: of its `[[target]]` tables, in order.
        root: of the project; a file outside of it is none of the repository's.
    """
    if file is None or not file.is_relative_to(root):
        return Anchors()
    starts = [text.count("\n", 0, match.start()) + 1 for match in _TABLE.finditer(text)]
    lines = dict(zip(names, starts, strict=True)) if len(starts) == len(names) else {}
    return Anchors(file.relative_to(root).as_posix(), lines)
