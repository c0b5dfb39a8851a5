"""From a pytest report to a record: outcome, findings, waivers, and the text that a person reads."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Final

import pytest

from pytest_nodered_sec import plan, redaction, texts
from pytest_nodered_sec.catalogue import SUITE
from pytest_nodered_sec.controls import NoVerdict, Unjudged
from pytest_nodered_sec.errors import NonCompliant, ProbeError
from pytest_nodered_sec.model import Observation
from pytest_nodered_sec.own_fields import OF_RECORD
from pytest_nodered_sec.results.records import Finding, Record, Waived
from pytest_nodered_sec.session import collection, shared
from pytest_nodered_sec.session.longrepr import represent, while_looking, without_locals
from pytest_nodered_sec.session.redacting import scrub_report
from pytest_nodered_sec.session.state import (
    PAPERWORK,
    RAN,
    TODAY,
    case_of,
    control_of,
    looked_at,
    of_suite,
    title_of,
)
from pytest_nodered_sec.verdict import Severity, Violation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from pytest_nodered_sec.controls import Control
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.observations.waivers import WaiverUse
    from pytest_nodered_sec.policy.model import Waiver
    from pytest_nodered_sec.results.gate import Gate
    from pytest_nodered_sec.session.state import Case

_RECORD: Final = pytest.StashKey[Record]()
_DIGESTS: Final = pytest.StashKey[dict[str, str]]()  # of each target's policy
_VERDICTS: Final = (AssertionError, pytest.fail.Exception)  # NonCompliant among them
_PACKAGE: Final = os.path.join(SUITE.parent, "")  # noqa: PTH118  as the beginning of a path


def annotate(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport, gate: Gate) -> None:
    """Add the record to a control's report, and replace the traceback of a finding or an error by its text.

    Args:
        item: the test.
        call: the call of one of its phases.
        report: pytest's report of that phase; changed in place.
        gate: which findings fail the run; others become expected failures.
    """
    _annotate(item, call, report, gate)
    _place_skip(item, report)
    control = control_of(item)
    if control:
        report.keywords = shared.keywords(item, report)
        for name in ("longrepr", "wasxfail"):  # texts and a skip's tuple; tracebacks are redacted elsewhere
            if isinstance(getattr(report, name, None), (str, tuple)):
                setattr(report, name, texts.readable_within(getattr(report, name)))
    error = call.excinfo.value if call.excinfo else None
    if isinstance(report.longrepr, str) and (control or isinstance(error, (NonCompliant, ProbeError))):
        report.longrepr = represent(report.longrepr, item.nodeid, (item.location[1] or 0) + 1)
    scrub_report(report)  # last, so that everything added to the report is redacted


def _annotate(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport, gate: Gate) -> None:
    control = control_of(item)
    error = call.excinfo.value if call.excinfo else None
    mark = _taken_mark(report) if control else None
    if of_suite(item.nodeid):
        report.nodered_skipped = _skipped_by_others(item, report, error)  # type: ignore[attr-defined]  # xdist sends it, too
    if isinstance(error, (NonCompliant, ProbeError)) and report.longrepr is not None:
        report.longrepr = texts.readable(worded(control, error))
    if isinstance(error, NoVerdict):
        report.longrepr = texts.readable(str(error))
    if control is None:
        return
    if error and report.failed and report.when == "setup" and while_looking(error):
        report.longrepr = texts.readable(without_locals(control, error))
    if report.when == "teardown":  # the last report of a case: JUnit writes its properties, passed or not
        record = item.stash.get(_RECORD, None)  # None with --setup-only
        report.user_properties.extend(shared.properties(item.config, record))
    elif report.when == "call" or not report.passed:
        error = error or _warn_of_stale(item, control, report)
        accepted = _waive(item, control, report, error) if report.when == "call" else None
        below = _soften(item, control, report, error, accepted, gate)
        if of_suite(item.nodeid) or item.config.option.nodered_audit or not report.failed:
            mark = None  # no failure, or none that a mark expects
        if mark is not None:
            _expect(control, report, error, mark)
        record = _record(item, control, report, error, accepted, below=below, mark=mark)
        record = item.stash[_RECORD] = texts.readable_within(record)
        item.config.stash.setdefault(RAN, {})[item.nodeid] = record
        report.nodered = record  # type: ignore[attr-defined]  # reports carry what plugins add, xdist included


def _warn_of_stale(item: pytest.Item, control: Control, report: pytest.TestReport) -> NonCompliant | None:
    """Warn about an unneeded waiver if the policy asks for a warning only; return a violation under `-W error`."""
    case = case_of(item)
    if control.id != PAPERWORK or case is None or case.target is None or case.target.policy.stale_waivers != "warn":
        return None
    use: WaiverUse = getattr(item, "funcargs", {})["nodered_seen"]
    if not use.stale:
        return None
    try:
        item.warn(pytest.PytestWarning(f"nodered-sec: no longer needed: {use.evidence()}"))
    except pytest.PytestWarning:
        remedy = (
            "remove it from the policy file, or exempt this warning from -W error: -W default::pytest.PytestWarning"
        )
        error = NonCompliant([Violation("not-needed", use.evidence(), "a finding that it excuses", remedy)])
        report.outcome, report.longrepr = "failed", texts.readable(worded(control, error))
        return error
    return None


def _is_verdict(error: BaseException | None) -> bool:
    """Whether an exception of a test's body says that something is bad; pytest-timeout says that it took long."""
    return isinstance(error, _VERDICTS) and not str(error).endswith("from pytest-timeout.")


def _taken_mark(report: pytest.TestReport) -> str | None:
    """Turn a failure that an xfail mark hides back into a failure; return the mark's reason, None without a mark."""
    mark: str | None = getattr(report, "wasxfail", None)
    if mark is None or not report.skipped:
        return None
    del report.wasxfail
    report.outcome = "failed"
    return mark


def _expect(control: Control, report: pytest.TestReport, error: BaseException | None, mark: str) -> None:
    """Leave a failure of a site's own control xfailed by its mark, and show the finding."""
    report.outcome = "skipped"
    report.wasxfail = f"{_text(control, error, report)}\n  xfail     {_by_mark(mark)}"


def _by_mark(mark: str) -> str:
    return f"by a mark of the test: {mark or 'it gives no reason'}"


def _place_skip(item: pytest.Item, report: pytest.TestReport) -> None:
    """Show a skip raised by our code at the test's location, which is the same on every machine."""
    if isinstance(report.longrepr, tuple) and report.longrepr[0].startswith(_PACKAGE):
        report.longrepr = (item.nodeid.partition("::")[0], (item.location[1] or 0) + 1, report.longrepr[2])


def _skipped_by_others(item: pytest.Item, report: pytest.TestReport, error: BaseException | None) -> bool:
    """Whether a case that applies and could be judged was skipped by another plugin's or the site's mark or fixture."""
    case = case_of(item)
    if report.when != "setup" or not isinstance(error, pytest.skip.Exception) or case is None:
        return False
    return bool(case.target and case.ask and not collection.why_not_asked(case.target, case.ask))


def _waive(
    item: pytest.Item, control: Control, report: pytest.TestReport, error: BaseException | None
) -> Waived | None:
    """Turn waived findings into an expected failure, and an unneeded waiver into a failure."""
    case = case_of(item)
    if case is None or case.target is None:
        return None
    policy, instance = case.target.policy, case.ask.label if case.ask else ""
    today = item.config.stash[TODAY]
    waivers = [waiver for waiver in policy.waivers if waiver.concerns(control.id, instance) and waiver.in_force(today)]
    exact = [waiver for waiver in waivers if waiver.instance == instance]
    if report.passed and exact and policy.stale_waivers == "fail":
        report.outcome = "failed"
        report.longrepr = (
            f"{control.id} {control.severity.value} · [XPASS(strict)] compliant: the waiver is no longer needed\n"
            f"  waiver    {exact[0].line(today)}\n"
            f"  remedy    remove the [[waiver]] of {exact[0]} from the policy file"
        )
    if not report.failed or not _is_verdict(error):
        return None
    findings = _findings(control, error)
    used = [waiver for waiver in waivers if any(waiver.names(finding["code"]) for finding in findings)]
    if not used:
        return None
    codes = dict.fromkeys(
        finding["code"] for finding in findings if any(waiver.names(finding["code"]) for waiver in used)
    )
    lines = "".join(f"\n  waiver    {waiver.line(today)}" for waiver in used)
    if all(finding["code"] in codes for finding in findings):
        report.outcome = "skipped"
        report.wasxfail = f"{_text(control, error, report)}{lines}"
    elif isinstance(error, NonCompliant):
        report.longrepr = worded(control, _without(error, codes)) + lines
    return _waived(used, list(codes))


def _waived(used: Sequence[Waiver], codes: list[str]) -> Waived:
    """Return the combined effect of all waivers of a case."""

    def together(values: Iterable[str]) -> str:
        return "; ".join(dict.fromkeys(filter(None, values)))

    return Waived(
        reason=together(waiver.reason for waiver in used),
        expires=min(waiver.expires for waiver in used).isoformat(),
        approver=together(waiver.approver for waiver in used),
        ticket=together(waiver.ticket for waiver in used),
        measure=together(waiver.measure for waiver in used),
        findings=codes,
    )


def _without(error: NonCompliant, codes: Collection[str]) -> NonCompliant:
    return NonCompliant([violation for violation in error.violations if violation.code not in codes])


def _text(control: Control, error: BaseException | None, report: pytest.TestReport) -> str:
    """Return a finding as text; for a plain assertion, the line that pytest's summary shows."""
    if isinstance(error, (NonCompliant, ProbeError)):
        return worded(control, error)
    crash = getattr(report.longrepr, "reprcrash", None)
    return f"{control.id} {control.severity.value} · {crash.message if crash else error}"


def _soften(
    item: pytest.Item,
    control: Control,
    report: pytest.TestReport,
    error: BaseException | None,
    accepted: Waived | None,
    gate: Gate,
) -> bool:
    """Turn findings that fail nothing into an expected failure; return whether they are such."""
    if not _is_verdict(error) or not report.failed:
        return False
    case, codes = case_of(item), accepted["findings"] if accepted else ()
    left = [finding for finding in _findings(control, error) if finding["code"] not in codes]
    shown = redaction.scrub_fields(texts.readable_within(left), OF_RECORD)  # as the baseline has them
    place = (case.target.name if case and case.target else "", control.id, case.ask.label if case and case.ask else "")
    why = gate.tolerates(*place, shown) if isinstance(error, NonCompliant) else gate.knows(*place, shown)
    if why:
        report.outcome = "skipped"
        report.wasxfail = f"{report.longrepr}\n  {why}"
    return bool(why)


def _rank(severity: Severity) -> int:
    return list(Severity).index(severity)


def _severity(control: Control, error: BaseException | None) -> Severity:
    """Return the severity of a case: that of its worst finding, else the control's."""
    if not isinstance(error, NonCompliant):
        return control.severity
    return min((violation.severity or control.severity for violation in error.violations), key=_rank)


def _record(
    item: pytest.Item,
    control: Control,
    report: pytest.TestReport,
    error: BaseException | None,
    accepted: Waived | None,
    *,
    below: bool,
    mark: str | None,
) -> Record:
    case = case_of(item)
    seen = getattr(item, "funcargs", {}).get("nodered_seen")
    observed = seen.evidence() if seen is not None and _is_observation(seen.__class__) else ""
    reason = ""
    if isinstance(error, NonCompliant):
        observed = "; ".join(violation.observed for violation in error.violations)
    elif isinstance(error, ProbeError):
        observed = reason = error.message
    elif isinstance(error, pytest.skip.Exception):
        reason = str(error.msg)
        observed = f"{observed}: {reason}" if observed else reason
    outcome = _outcome(report, error, nothing_to_ask=_nothing_to_ask(case), finding_counts=below or mark is not None)
    if outcome == "could-not-look" and error and not isinstance(error, ProbeError):
        reason = _what_broke(error, report)
        observed = f"{observed}: {reason}" if observed else reason
    elif mark is not None and not reason:
        reason = _by_mark(mark)
    left = error
    if isinstance(error, NonCompliant) and accepted and outcome == "non-compliant":
        left = _without(error, accepted["findings"])
    return Record(
        nodeid=item.nodeid,
        control=control.id,
        title=title_of(item),
        severity=_severity(control, left).value,
        target=case.target.name if case and case.target else "",
        instance=case.ask.label if case and case.ask else "",
        observed=observed,
        outcome=outcome,
        reason=reason,
        findings=_findings(control, error) if outcome in ("non-compliant", "waived") else [],
        waiver=accepted,
        started=looked_at(item, report.start),
        seconds=report.duration,
        policy_sha256=_policy_sha256(item.config, case.target) if case and case.target else "",
    )


@cache
def _is_observation(kind: type) -> bool:
    """Whether values of a type are observations; once for each type, because Python asks a protocol slowly."""
    return issubclass(kind, Observation)


def _what_broke(error: BaseException, report: pytest.TestReport) -> str:
    """Return in one line why the test, or one of its fixtures, ran and gave no verdict."""
    said = str(error).partition("\n")[0]
    if isinstance(error, (NoVerdict, pytest.fail.Exception)):
        return said
    broken = "the test" if report.when == "call" else "a fixture"
    return f"{broken} broke: {type(error).__name__}" + (f": {said}" if said else "")


def _policy_sha256(config: pytest.Config, target: Target) -> str:
    """Return the digest of a target's policy."""
    known = config.stash.setdefault(_DIGESTS, {})
    if target.name not in known:
        from pytest_nodered_sec.policy.show import digest  # only where there is a control

        known[target.name] = digest(target.policy)
    return known[target.name]


def _findings(control: Control, error: BaseException | None) -> list[Finding]:
    """Return violations as plain values; a failed assert of a site's own control gets the code "assert"."""
    if not isinstance(error, NonCompliant):
        observed = str(error).partition("\n")[0]
        return [Finding(code="assert", severity=control.severity.value, observed=observed, expected="", remedy="")]
    return [
        Finding(
            code=violation.code,
            severity=(violation.severity or control.severity).value,
            observed=violation.observed,
            expected=violation.expected,
            remedy=violation.remedy,
        )
        for violation in error.violations
    ]


def _nothing_to_ask(case: Case | None) -> bool:
    return bool(case and case.target and (case.ask is None or plan.does_not_arise(case.target, case.ask)))


def _outcome(
    report: pytest.TestReport, error: BaseException | None, *, nothing_to_ask: bool, finding_counts: bool
) -> str:
    """Return the outcome; only a verdict in the test's body counts as compliant or non-compliant.

    `finding_counts` is set where a finding counts although the test is an expected failure.
    """
    called = report.when == "call"
    if called and _is_verdict(error) and finding_counts:
        return "non-compliant"
    if isinstance(error, ProbeError) or (report.failed and not called):
        return "could-not-look"
    if called and _is_verdict(error):
        return "waived" if report.skipped else "non-compliant"
    if called and error is None:
        return "compliant"  # even if an unneeded waiver fails the test
    if isinstance(error, pytest.skip.Exception) and (called or nothing_to_ask) and not isinstance(error, Unjudged):
        return "not-applicable"
    if error and not isinstance(error, pytest.skip.Exception) and not _is_verdict(error):
        return "could-not-look"  # the test broke or gave no verdict, even if a mark expects that
    return "not-judged"  # no account or host was given, or a mark or fixture skipped it


def worded(control: Control | None, error: NonCompliant | ProbeError) -> str:
    """Return the text of a finding, or of why the check could not be made."""
    if isinstance(error, ProbeError):
        prefix = f"{control.id} {control.severity.value} · " if control else ""
        return f"{prefix}could not look: {error.message}"
    if control is None:
        return "\n".join(_finding(violation) for violation in error.violations)
    rated = [(violation.severity or control.severity, violation) for violation in error.violations]
    rated.sort(key=lambda pair: _rank(pair[0]))  # the worst first: a summary shows its line
    return "\n".join(
        _finding(violation, f"{control.id} {severity.value} {violation.code} · ") for severity, violation in rated
    )


def _finding(violation: Violation, prefix: str = "") -> str:
    return f"{prefix}{violation.observed}\n  expected  {violation.expected}\n  remedy    {violation.remedy}"
