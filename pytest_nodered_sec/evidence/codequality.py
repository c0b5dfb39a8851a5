"""A run as GitLab's code quality report: one entry for each finding of a target; what is waived is left out.

Format: docs.gitlab.com, ci/testing/code_quality, "Code Quality report format".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.evidence.folded import Anchors, fold
from pytest_nodered_sec.texts import as_json

if TYPE_CHECKING:
    from pytest_nodered_sec.evidence.report import Report

_SEVERITIES: Final = {"critical": "blocker", "high": "critical", "medium": "major", "low": "minor"}


def codequality(report: Report, anchors: Anchors) -> str:
    """Return a run as GitLab reads it; an empty list where nothing was found, so that old entries close."""
    return as_json(
        [
            {
                "description": f"{each.control} {each.severity}: {each.text}",
                "check_name": f"{each.control} {each.code}".rstrip(),
                "fingerprint": each.fingerprint,
                "severity": _SEVERITIES[each.severity],
                "location": {"path": each.path, "lines": {"begin": each.line}},
            }
            for each in fold(report, anchors)
            if each.waiver is None
        ],
        indent=1,
    )
