"""What became of every test case: one record per case, made where it ran, counted on the controller.

The record is a plain dict on the report, so that it crosses from an xdist worker unchanged; JUnit properties,
the terminal's last line and the exit code are all derived from it.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final, TypedDict

import pytest

from pytest_nodered_sec import plan, redaction
from pytest_nodered_sec.collection import PREFIX, case_of, control_of
from pytest_nodered_sec.controls import Unjudged
from pytest_nodered_sec.errors import NonCompliant, ProbeError
from pytest_nodered_sec.model import Observation, Severity

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from pytest_nodered_sec.collection import Case
    from pytest_nodered_sec.controls import Control
    from pytest_nodered_sec.model import Violation


class Finding(TypedDict):
    """One violation, as plain values; its severity is the control's where the rule gave no other."""

    code: str
    severity: str
    observed: str
    expected: str
    remedy: str


class Record(TypedDict):
    """What is known of one test case of a control: plain values, no secrets.

    `title` is the first line of the test's docstring; `reason` says why nothing was judged, and is "" where something
    was; `started` is UTC in ISO 8601, `seconds` how long the phase took that settled the outcome.
    """

    nodeid: str
    control: str
    title: str
    severity: str
    target: str
    instance: str
    observed: str
    outcome: str
    reason: str
    findings: list[Finding]
    started: str
    seconds: float
    policy_sha256: str


_RECORD: Final = pytest.StashKey[Record]()
_PROPERTIES: Final = ("control", "severity", "target", "observed", "outcome", "policy_sha256")
ANSWERED: Final = ("compliant", "non-compliant", "waived")


def annotate(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport, fail_on: str) -> None:
    """Give a control's report its record, and a finding or an error its own words instead of a traceback.

    Args:
        item: the test.
        call: what happened in one of its phases.
        report: pytest's report of it, which is changed.
        fail_on: least severity whose findings fail the run; a lower one becomes an expected failure.
    """
    _annotate(item, call, report, fail_on)
    redaction.scrub_within(report)  # last: nothing that is added later is left out


def _annotate(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport, fail_on: str) -> None:
    control = control_of(item)
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, (NonCompliant, ProbeError)) and report.longrepr is not None:
        report.longrepr = worded(control, error)
    if control is None:
        return
    below = isinstance(error, NonCompliant) and report.failed and _below(_severity(control, error), fail_on)
    if below:
        report.outcome = "skipped"
        report.wasxfail = f"{report.longrepr}\n  below     --nodered-fail-on={fail_on}"
    if report.when == "teardown":  # the last report of a case: JUnit writes its properties, passed or not
        record = item.stash.get(_RECORD, None)  # none where pytest only sets up
        report.user_properties.extend(
            (f"nodered_sec.{name}", str(value)) for name, value in (record or {}).items() if name in _PROPERTIES
        )
    elif report.when == "call" or not report.passed:
        record = item.stash[_RECORD] = _record(item, control, report, error, below=below)
        report.nodered = record  # type: ignore[attr-defined]  # reports carry what plugins add, xdist included


def _below(severity: Severity, fail_on: str) -> bool:
    return _rank(severity) > _rank(Severity(fail_on))


def _rank(severity: Severity) -> int:
    return list(Severity).index(severity)


def _severity(control: Control, error: BaseException | None) -> Severity:
    """Return how bad a case is: of findings the worst, of everything else what the control says."""
    if not isinstance(error, NonCompliant):
        return control.severity
    return min((one.severity or control.severity for one in error.violations), key=_rank)


def _record(
    item: pytest.Item, control: Control, report: pytest.TestReport, error: BaseException | None, *, below: bool
) -> Record:
    from pytest_nodered_sec.policyfile import digest  # only where there is a control

    case = case_of(item)
    seen = getattr(item, "funcargs", {}).get("nodered_seen")
    observed = seen.evidence() if isinstance(seen, Observation) else ""
    reason = ""
    if isinstance(error, NonCompliant):
        observed = "; ".join(violation.observed for violation in error.violations)
    elif isinstance(error, ProbeError):
        observed = reason = error.message
    elif isinstance(error, pytest.skip.Exception):
        reason = str(error.msg)
        observed = f"{observed}: {reason}" if observed else reason
    return Record(
        nodeid=item.nodeid,
        control=control.id,
        title=(getattr(item, "obj", None).__doc__ or "").strip().partition("\n")[0],
        severity=_severity(control, error).value,
        target=case.target.name if case and case.target else "",
        instance=case.ask.label if case and case.ask else "",
        observed=observed,
        outcome=_outcome(report, error, nothing_to_ask=_nothing_to_ask(case), below=below),
        reason=reason,
        findings=_findings(control, error) if isinstance(error, NonCompliant) else [],
        started=datetime.fromtimestamp(report.start, UTC).isoformat(timespec="milliseconds"),
        seconds=report.duration,
        policy_sha256=digest(case.target.policy) if case and case.target else "",
    )


def _findings(control: Control, error: NonCompliant) -> list[Finding]:
    return [
        Finding(
            code=one.code,
            severity=(one.severity or control.severity).value,
            observed=one.observed,
            expected=one.expected,
            remedy=one.remedy,
        )
        for one in error.violations
    ]


def _nothing_to_ask(case: Case | None) -> bool:
    if case is None or case.target is None:
        return False
    return case.ask is None or bool(plan.does_not_arise(case.target, case.ask))


def _outcome(report: pytest.TestReport, error: BaseException | None, *, nothing_to_ask: bool, below: bool) -> str:
    """Return what is proven: only a verdict of a test body counts as one."""
    called = report.when == "call"
    if called and isinstance(error, NonCompliant) and below:
        return "non-compliant"
    if isinstance(error, ProbeError) or (report.failed and not called):
        return "could-not-look"
    if called and isinstance(error, (AssertionError, pytest.fail.Exception)):
        return "waived" if report.skipped else "non-compliant"
    if called and error is None:
        return "compliant"  # also where a waiver that is no longer needed makes the test fail
    if isinstance(error, pytest.skip.Exception) and (called or nothing_to_ask) and not isinstance(error, Unjudged):
        return "not-applicable"
    return "not-judged"  # nothing was given to judge by, skipped by a mark or fixture, or the test itself broke


def worded(control: Control | None, error: NonCompliant | ProbeError) -> str:
    """Return a finding, or why it could not be looked, as a person reads it."""
    if isinstance(error, ProbeError):
        prefix = f"{control.id} {control.severity.value} · " if control else ""
        return f"{prefix}could not look: {error.message}"
    if control is None:
        return "\n".join(_finding("", violation) for violation in error.violations)
    rated = [(violation.severity or control.severity, violation) for violation in error.violations]
    rated.sort(key=lambda one: _rank(one[0]))  # the worst first: its line is what a summary shows
    return "\n".join(_finding(f"{control.id} {severity.value} · ", violation) for severity, violation in rated)


def _finding(prefix: str, violation: Violation) -> str:
    return f"{prefix}{violation.observed}\n  expected  {violation.expected}\n  remedy    {violation.remedy}"


class _Words(str):
    """A report's text that also serves as the message of pytest's short summary (which 8.x takes from here)."""

    __slots__ = ()

    @property
    def reprcrash(self) -> SimpleNamespace:
        """What pytest's own representations have: an object with the message."""
        return SimpleNamespace(message=str(self))


class Ledger:
    """Counts records; lives on the controller only.

    Args:
        policies: what holds for each target, by name, as TOML.
        fail_on: least severity whose findings fail the run.
        demanded: whether a run in which no question was answered is a failure.
    """

    def __init__(self, policies: Mapping[str, str], fail_on: str, *, demanded: bool) -> None:
        self.records: list[Record] = []
        self._policies = dict(policies)
        self._targets = len(policies)
        self._fail_on = fail_on
        self._demanded = demanded
        self._errors = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in a record, from this process or a worker."""
        record: Record | None = getattr(report, "nodered", None)
        if report.outcome not in ("passed", "failed", "skipped"):
            return  # to be run again
        if report.when == "teardown":  # here and not in the worker, so that each policy stands in the file once
            policy = self._policies.pop(str(dict(report.user_properties).get("nodered_sec.target")), None)
            report.user_properties += [("nodered_sec.policy", policy)] if policy else []
        if record is not None:
            self.records.append(record)
            if isinstance(report.longrepr, str):
                report.longrepr = _Words(report.longrepr)
            broken = report.failed and record["outcome"] == "not-judged"
            self._errors += broken or record["outcome"] == "could-not-look"
        elif report.failed and report.when not in ("setup", "call", "teardown"):
            self._errors += report.nodeid.startswith(f"{PREFIX}/")  # xdist's report of a test whose worker died

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Turn a run that answered nothing into a failure: skips alone prove nothing."""
        if self._demanded and not self._answered() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        """Print the last line, below pytest's own summary."""
        yield
        if self._demanded and not self._answered():
            terminalreporter.write_line("nodered-sec: no question was answered, so nothing is proven")
        if self.records or self._errors:
            terminalreporter.write_line(f"nodered-sec: {self.summary()}")

    def _answered(self) -> bool:
        return any(record["outcome"] in ANSWERED for record in self.records)

    def summary(self) -> str:
        """Return the counts by outcome, findings by severity."""
        outcomes = Counter(record["outcome"] for record in self.records)
        bad = Counter(record["severity"] for record in self.records if record["outcome"] == "non-compliant")
        severities = ", ".join(f"{bad[one.value]} {one.value}" for one in Severity if bad[one.value])
        if any(bad[one.value] and _below(one, self._fail_on) for one in Severity):
            severities += f"; failing from {self._fail_on}"
        parts = [
            _counted(self._targets, "target"),
            f"{outcomes['compliant']} compliant",
            f"{outcomes['non-compliant']} non-compliant" + (f" ({severities})" if severities else ""),
            f"{outcomes['waived']} waived",
            _counted(self._errors, "error"),
            f"{outcomes['not-applicable']} not applicable",
        ]
        if outcomes["not-judged"]:
            parts.append(f"{outcomes['not-judged']} not judged")
        return " · ".join(parts)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
