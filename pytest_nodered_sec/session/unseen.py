"""A test whose body could not look is an error to pytest as well: on the terminal, in its counts and in JUnit.

By itself pytest calls an error only what happens before and after the body. The report stays a failed one of the phase
"call", so that reruns, `--last-failed`, `--stepwise` and `-x` treat it as any failure.
"""

from __future__ import annotations

from typing import Final

import pytest

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.session.state import control_of

_UNSEEN: Final = pytest.StashKey[bool]()
_PROPERTY: Final = ("nodered_sec.outcome", "could-not-look")  # as a control's case has it


def note(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Note on the reports of a plain test with our fixtures that it could not look; a control has its record.

    Args:
        item: the test.
        call: the call of one of its phases.
        report: pytest's report of that phase; changed in place.
    """
    if control_of(item):
        return
    if report.when == "setup":
        item.stash[_UNSEEN] = False  # it may run again
    if report.failed and call.excinfo is not None and isinstance(call.excinfo.value, ProbeError):
        item.stash[_UNSEEN] = True
        report.nodered_unseen = True  # type: ignore[attr-defined]  # for the exit code; xdist sends it, too
    if report.when == "teardown" and item.stash.get(_UNSEEN, False):
        report.user_properties.append(_PROPERTY)


def status(report: pytest.CollectReport | pytest.TestReport, verbosity: int) -> tuple[str, str, str] | None:
    """Return pytest's words for an error where a test's body could not look, and with -vv for what a pass has seen.

    None leaves it to pytest.
    """
    if report.when != "call":
        return None
    record = getattr(report, "nodered", None)
    if report.passed and record and record["outcome"] == "compliant" and verbosity > 1 and record["observed"]:
        return ("passed", ".", f"PASSED ({record['observed']})")
    if not report.failed:
        return None
    unseen = record["outcome"] == "could-not-look" if record else getattr(report, "nodered_unseen", False)
    return ("error", "E", "ERROR") if unseen else None
