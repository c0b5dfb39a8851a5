"""What became of every test case: one record per case, made where it ran, counted on the controller.

The record is a plain dict on the report, so that it crosses from an xdist worker unchanged; JUnit properties,
the terminal's last line and the exit code are all derived from it.
"""

from __future__ import annotations

import os
import traceback
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypedDict

import pytest

from pytest_nodered_sec import accounts, collection, plan, redaction, texts
from pytest_nodered_sec.collection import (
    COLLECTED,
    LEFT_OUT,
    RAN,
    REPLAYED,
    TARGETS,
    TODAY,
    bundled,
    case_of,
    control_of,
    title_of,
)
from pytest_nodered_sec.controls import NoVerdict, Unjudged
from pytest_nodered_sec.errors import NonCompliant, ProbeError
from pytest_nodered_sec.model import Observation, Severity, Violation

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Mapping, Sequence

    from pytest_nodered_sec.accounts import Account, CollectedCase
    from pytest_nodered_sec.collection import Case
    from pytest_nodered_sec.controls import Control
    from pytest_nodered_sec.facts import Identity, RunFacts
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.model_waivers import WaiverUse
    from pytest_nodered_sec.policy import Waiver


class Finding(TypedDict):
    """One violation, as plain values; its severity is the control's where the rule gave no other."""

    code: str
    severity: str
    observed: str
    expected: str
    remedy: str


class Waived(TypedDict):
    """By what findings of a case are accepted for now: one waiver, or what several come to.

    `expires` is an ISO date, that of the first to expire; `findings` are the codes that are accepted.
    """

    reason: str
    expires: str
    approver: str
    ticket: str
    measure: str
    findings: list[str]


class Record(TypedDict):
    """What is known of one test case of a control: plain values, no secrets.

    `title` is the first line of the test's docstring; `reason` says why nothing was judged, or that a mark of the test
    expects the finding, and is "" otherwise; `findings` are all there are, `severity` that of the worst which is not
    waived; `waiver` is set where any is waived: the outcome is "waived" where all are. `started` is UTC in ISO 8601,
    `seconds` how long the phase took that settled the outcome.
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
    waiver: Waived | None
    started: str
    seconds: float
    policy_sha256: str


_RECORD: Final = pytest.StashKey[Record]()
_DIGESTS: Final = pytest.StashKey[dict[str, str]]()  # of each target's policy
_PROPERTIES: Final = ("control", "severity", "target", "observed", "outcome", "policy_sha256")
_VERDICTS: Final = (AssertionError, pytest.fail.Exception)  # NonCompliant among them
_PAPERWORK: Final = "waiver-01"  # judges waivers, and asks no target
_REACH: Final = "reach-01"  # carries the cause where a target is dead
_LOOKS: Final = "pytest_nodered_sec.probes"  # where looks are made
_OTHERWISE: Final = "deselected"  # by a hook, not by an option


def annotate(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport, fail_on: str) -> None:
    """Give a control's report its record, and a finding or an error its own words instead of a traceback.

    Args:
        item: the test.
        call: what happened in one of its phases.
        report: pytest's report of it, which is changed.
        fail_on: least severity whose findings fail the run; a lower one becomes an expected failure.
    """
    _annotate(item, call, report, fail_on)
    _place_skip(item, report)
    if control_of(item):
        for name in ("longrepr", "wasxfail"):  # texts, and a skip's triple; pytest's tracebacks are its own affair
            if isinstance(getattr(report, name, None), (str, tuple)):
                setattr(report, name, texts.readable_within(getattr(report, name)))
    redaction.scrub_within(report)  # last: nothing that is added later is left out


def _annotate(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport, fail_on: str) -> None:
    control = control_of(item)
    error = call.excinfo.value if call.excinfo else None
    mark = _taken_mark(report) if control else None
    if collection.of_suite(item.nodeid):
        report.nodered_skipped = _skipped_by_others(item, report, error)  # type: ignore[attr-defined]  # crosses, too
    if isinstance(error, (NonCompliant, ProbeError)) and report.longrepr is not None:
        report.longrepr = texts.readable(worded(control, error))
    if isinstance(error, NoVerdict):
        report.longrepr = texts.readable(str(error))
    if control is None:
        return
    if error and report.failed and report.when == "setup" and _while_looking(error):
        report.longrepr = texts.readable(_without_locals(control, error))
    if report.when == "teardown":  # the last report of a case: JUnit writes its properties, passed or not
        record = item.stash.get(_RECORD, None)  # none where pytest only sets up
        report.user_properties.extend((f"nodered_sec.{name}", value) for name, value in _properties(record))
    elif report.when == "call" or not report.passed:
        error = error or _warn_of_stale(item, control, report)
        accepted = _waive(item, control, report, error) if report.when == "call" else None
        below = _soften(control, report, error, accepted, fail_on)
        if collection.of_suite(item.nodeid) or item.config.option.nodered_audit or not report.failed:
            mark = None  # nothing to be expected, or not by a mark
        if mark is not None:
            _expect(control, report, error, mark)
        record = _record(item, control, report, error, accepted, below=below, mark=mark)
        record = item.stash[_RECORD] = texts.readable_within(record)
        item.config.stash.setdefault(RAN, {})[item.nodeid] = record
        report.nodered = record  # type: ignore[attr-defined]  # reports carry what plugins add, xdist included


def _warn_of_stale(item: pytest.Item, control: Control, report: pytest.TestReport) -> NonCompliant | None:
    """Warn of a waiver that nothing needs, where the policy makes no finding of it; return one if `-W error` does."""
    case = case_of(item)
    if control.id != _PAPERWORK or case is None or case.target is None or case.target.policy.stale_waivers != "warn":
        return None
    use: WaiverUse = getattr(item, "funcargs", {})["nodered_seen"]
    if not use.stale:
        return None
    try:
        item.warn(pytest.PytestWarning(f"nodered-sec: no longer needed: {use.evidence()}"))
    except pytest.PytestWarning:
        remedy = "remove it from the policy file, or let -W error pass over it: -W default::pytest.PytestWarning"
        error = NonCompliant([Violation("not-needed", use.evidence(), "a finding that it excuses", remedy)])
        report.outcome, report.longrepr = "failed", texts.readable(worded(control, error))
        return error
    return None


def _while_looking(error: BaseException) -> bool:
    """Whether an exception came out of a look, and is none that a look may end with."""
    frames = (frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__))
    return not isinstance(error, ProbeError) and any(name.startswith(_LOOKS) for name in frames)


def _without_locals(control: Control, error: BaseException) -> str:
    """Return where a look broke; not what its variables held, also by `--showlocals`: answers, cookies and keys."""
    lines = "".join(traceback.format_exception(error, chain=False))
    return f"{control.id} {control.severity.value} · could not look: {type(error).__name__}, a bug\n{lines}"


def _taken_mark(report: pytest.TestReport) -> str | None:
    """Make what a mark turned into an expected failure a failure again; return the mark's reason, None without one."""
    mark: str | None = getattr(report, "wasxfail", None)
    if mark is None or not report.skipped:
        return None
    del report.wasxfail
    report.outcome = "failed"
    return mark


def _expect(control: Control, report: pytest.TestReport, error: BaseException | None, mark: str) -> None:
    """Let a failure of a site's own control be expected by its mark, as pytest has it, and show it all the same."""
    report.outcome = "skipped"
    report.wasxfail = f"{_text(control, error, report)}\n  xfail     {_by_mark(mark)}"


def _by_mark(mark: str) -> str:
    return f"by a mark of the test: {mark or 'it gives no reason'}"


def _place_skip(item: pytest.Item, report: pytest.TestReport) -> None:
    """Let a skip that our code raised stand at the test, which has the same name on every machine."""
    if isinstance(report.longrepr, tuple) and collection.SUITE.parent in Path(report.longrepr[0]).parents:
        report.longrepr = (item.nodeid.partition("::")[0], (item.location[1] or 0) + 1, report.longrepr[2])


def _skipped_by_others(item: pytest.Item, report: pytest.TestReport, error: BaseException | None) -> bool:
    """Whether a case that arises, and could be judged, was skipped by a mark or a fixture of somebody else."""
    case = case_of(item)
    if report.when != "setup" or not isinstance(error, pytest.skip.Exception) or case is None:
        return False
    return bool(case.target and case.ask and not collection.why_not_asked(case.target, case.ask))


def _properties(record: Record | None) -> list[tuple[str, str]]:
    """Return what JUnit shows of a record."""
    if record is None:
        return []
    found = [(name, str(value)) for name, value in record.items() if name in _PROPERTIES]
    codes = dict.fromkeys(one["code"] for one in record["findings"])
    return [*found, ("findings", " ".join(codes))] if codes else found


def _waive(
    item: pytest.Item, control: Control, report: pytest.TestReport, error: BaseException | None
) -> Waived | None:
    """Make findings that the policy accepts an expected failure, and a waiver that nothing needs a failure."""
    case = case_of(item)
    if case is None or case.target is None:
        return None
    policy, instance = case.target.policy, case.ask.label if case.ask else ""
    today = item.config.stash[TODAY]
    waivers = [one for one in policy.waivers if one.concerns(control.id, instance) and one.in_force(today)]
    exact = [one for one in waivers if one.instance == instance]
    if report.passed and exact and policy.stale_waivers == "fail":
        report.outcome = "failed"
        report.longrepr = (
            f"{control.id} {control.severity.value} · [XPASS(strict)] compliant: the waiver is no longer needed\n"
            f"  waiver    {exact[0].line(today)}\n"
            f"  remedy    remove the [[waiver]] of {exact[0]} from the policy file"
        )
    if not report.failed or not isinstance(error, _VERDICTS):
        return None
    findings = _findings(control, error)
    used = [one for one in waivers if any(one.names(finding["code"]) for finding in findings)]
    if not used:
        return None
    codes = dict.fromkeys(one["code"] for one in findings if any(waiver.names(one["code"]) for waiver in used))
    lines = "".join(f"\n  waiver    {one.line(today)}" for one in used)
    if all(one["code"] in codes for one in findings):
        report.outcome = "skipped"
        report.wasxfail = f"{_text(control, error, report)}{lines}"
    elif isinstance(error, NonCompliant):
        report.longrepr = worded(control, _without(error, codes)) + lines
    return _waived(used, list(codes))


def _waived(used: Sequence[Waiver], codes: list[str]) -> Waived:
    """Return what several waivers of one case come to."""

    def together(values: Iterable[str]) -> str:
        return "; ".join(dict.fromkeys(filter(None, values)))

    return Waived(
        reason=together(one.reason for one in used),
        expires=min(one.expires for one in used).isoformat(),
        approver=together(one.approver for one in used),
        ticket=together(one.ticket for one in used),
        measure=together(one.measure for one in used),
        findings=codes,
    )


def _without(error: NonCompliant, codes: Collection[str]) -> NonCompliant:
    return NonCompliant([one for one in error.violations if one.code not in codes])


def _text(control: Control, error: BaseException | None, report: pytest.TestReport) -> str:
    """Return a finding in words; of a plain assertion what pytest's summary shows, without its frames."""
    if isinstance(error, (NonCompliant, ProbeError)):
        return worded(control, error)
    crash = getattr(report.longrepr, "reprcrash", None)
    return f"{control.id} {control.severity.value} · {crash.message if crash else error}"


def _soften(
    control: Control, report: pytest.TestReport, error: BaseException | None, accepted: Waived | None, fail_on: str
) -> bool:
    """Make findings of low severity an expected failure; return whether they are."""
    if not isinstance(error, NonCompliant) or not report.failed:
        return False
    left = _without(error, accepted["findings"] if accepted else ())
    below = _below(_severity(control, left), fail_on)
    if below:
        report.outcome = "skipped"
        report.wasxfail = f"{report.longrepr}\n  below     --nodered-fail-on={fail_on}"
    return below


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
    observed = seen.evidence() if isinstance(seen, Observation) else ""
    reason = ""
    if isinstance(error, NonCompliant):
        observed = "; ".join(violation.observed for violation in error.violations)
    elif isinstance(error, ProbeError):
        observed = reason = error.message
    elif isinstance(error, pytest.skip.Exception):
        reason = str(error.msg)
        observed = f"{observed}: {reason}" if observed else reason
    outcome = _outcome(report, error, nothing_to_ask=_nothing_to_ask(case), found=below or mark is not None)
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
        started=datetime.fromtimestamp(report.start, UTC).isoformat(timespec="milliseconds"),
        seconds=report.duration,
        policy_sha256=_policy_sha256(item.config, case.target) if case and case.target else "",
    )


def _what_broke(error: BaseException, report: pytest.TestReport) -> str:
    """Return in one line why there is no verdict although the test, or a fixture of it, ran."""
    said = str(error).partition("\n")[0]
    if isinstance(error, (NoVerdict, pytest.fail.Exception)):
        return said
    broken = "the test" if report.when == "call" else "a fixture"
    return f"{broken} broke: {type(error).__name__}" + (f": {said}" if said else "")


def _policy_sha256(config: pytest.Config, target: Target) -> str:
    """Return the digest of a target's policy, which is the same for all of its cases."""
    known = config.stash.setdefault(_DIGESTS, {})
    if target.name not in known:
        from pytest_nodered_sec.policyfile import digest  # only where there is a control

        known[target.name] = digest(target.policy)
    return known[target.name]


def _findings(control: Control, error: BaseException | None) -> list[Finding]:
    """Return violations as plain values; a plain assertion of a site's own control is one of the code "assert"."""
    if not isinstance(error, NonCompliant):
        observed = str(error).partition("\n")[0]
        return [Finding(code="assert", severity=control.severity.value, observed=observed, expected="", remedy="")]
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


def _outcome(report: pytest.TestReport, error: BaseException | None, *, nothing_to_ask: bool, found: bool) -> str:
    """Return what is proven: only a verdict of a test body counts as one.

    `found` is set where a finding counts although the test is an expected failure.
    """
    called = report.when == "call"
    if called and isinstance(error, _VERDICTS) and found:
        return "non-compliant"
    if isinstance(error, ProbeError) or (report.failed and not called):
        return "could-not-look"
    if called and isinstance(error, _VERDICTS):
        return "waived" if report.skipped else "non-compliant"
    if called and error is None:
        return "compliant"  # also where a waiver that is no longer needed makes the test fail
    if isinstance(error, pytest.skip.Exception) and (called or nothing_to_ask) and not isinstance(error, Unjudged):
        return "not-applicable"
    if error and not isinstance(error, (pytest.skip.Exception, *_VERDICTS)):
        return "could-not-look"  # the test itself broke, or forgot its verdict; also where a mark expects it to
    return "not-judged"  # nothing was given to judge by, or skipped by a mark or fixture


def worded(control: Control | None, error: NonCompliant | ProbeError) -> str:
    """Return a finding, or why it could not be looked, as a person reads it."""
    if isinstance(error, ProbeError):
        prefix = f"{control.id} {control.severity.value} · " if control else ""
        return f"{prefix}could not look: {error.message}"
    if control is None:
        return "\n".join(_finding(violation) for violation in error.violations)
    rated = [(violation.severity or control.severity, violation) for violation in error.violations]
    rated.sort(key=lambda one: _rank(one[0]))  # the worst first: its line is what a summary shows
    return "\n".join(_finding(one, f"{control.id} {severity.value} {one.code} · ") for severity, one in rated)


def _finding(violation: Violation, prefix: str = "") -> str:
    return f"{prefix}{violation.observed}\n  expected  {violation.expected}\n  remedy    {violation.remedy}"


class _Crash(NamedTuple):
    """What a report says of itself in short."""

    message: str

    def __str__(self) -> str:
        """Return its first line, which is all that `--tb=line` shows."""
        return self.message.partition("\n")[0]


class _Words(str):
    """A report's text that also serves as the message of pytest's short summary (which 8.x takes from here)."""

    __slots__ = ()

    @property
    def reprcrash(self) -> _Crash:
        """What pytest's own representations have: an object with the message."""
        return _Crash(str(self))


class Ledger:
    """Counts records and knows the run's facts; lives on the controller only. Reports are written from here.

    Args:
        config: pytest's, after the targets were found.
        policies: what holds for each target, by name, as TOML.
        fail_on: least severity whose findings fail the run.
        started: when the run began, UTC.
        demanded: whether a run in which no question was answered is a failure.
    """

    def __init__(
        self, config: pytest.Config, policies: Mapping[str, str], fail_on: str, started: datetime, *, demanded: bool
    ) -> None:
        self.records: list[Record] = []
        self.policies = dict(policies)
        self.started = started
        self.ended = self.started
        self.interrupted = False
        self._config = config
        self._untold = dict(policies)
        self._fail_on = fail_on
        self._demanded = demanded
        self._places: dict[str, int] = {}  # in `records`, by node id
        self._reran = False
        self._overruled: set[str] = set()
        self._skipped = 0
        self._collected: list[CollectedCase] = []
        self._crashed: list[str] = []
        self._identities: dict[str, Identity] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Take in what was collected in this process; an xdist controller has it from its workers."""
        self._collected = session.config.stash.get(COLLECTED, [])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in a record, from this process or a worker."""
        record: Record | None = getattr(report, "nodered", None)
        self._collected = vars(report).pop("nodered_collected", None) or self._collected
        name, identity = vars(report).pop("nodered_identity", ("", None))
        if identity:
            self._identities[name] = identity
        if report.outcome not in ("passed", "failed", "skipped"):
            self._reran = self._reran or record is not None
            return  # to be run again
        if report.when == "teardown":  # here and not in the worker, so that each policy stands in the file once
            policy = self._untold.pop(str(dict(report.user_properties).get("nodered_sec.target")), None)
            report.user_properties += [("nodered_sec.policy", policy)] if policy else []
        self._skipped += vars(report).pop("nodered_skipped", False)
        if record is not None:
            self._keep(record)
            self._restore(record, report)
            if isinstance(report.longrepr, str):
                report.longrepr = _Words(report.longrepr)
        elif report.failed and report.when not in ("setup", "call", "teardown"):
            self._crashed.append(report.nodeid)  # xdist's report of a test whose worker died

    def _keep(self, record: Record) -> None:
        """Keep a record; of several of one case (`--dist=each`) the gravest."""
        place = self._places.setdefault(record["nodeid"], len(self.records))
        if place == len(self.records):
            self.records.append(record)
        elif accounts.ORDER.index(record["outcome"]) < accounts.ORDER.index(self.records[place]["outcome"]):
            self.records[place] = record

    def _restore(self, record: Record, report: pytest.TestReport) -> None:
        """Let a failure be one whatever another plugin made of its report; what a site's own mark expects stays so."""
        bad = record["outcome"] == "non-compliant" and not record["reason"]
        bad = bad and not _below(Severity(record["severity"]), self._fail_on)
        if report.failed or not (bad or record["outcome"] == "could-not-look"):
            return
        self._overruled.add(report.nodeid)
        if not hasattr(report, "wasxfail"):
            report.outcome = "failed"
            report.longrepr = report.longrepr or f"{record['control']} {record['severity']} · {record['observed']}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Turn a run that answered nothing into a failure, and an audit that asked less than all."""
        self.ended = datetime.now(UTC)
        broken_off = (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)
        self.interrupted = self.interrupted or session.exitstatus in broken_off
        if session.exitstatus == pytest.ExitCode.OK:
            if self.interrupted:
                session.exitstatus = pytest.ExitCode.INTERRUPTED
            elif self._demanded and not self._answered():
                session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
            elif self._overruled or self._no_audit():
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_keyboard_interrupt(self) -> None:
        """Know that the run was broken off, also by `pytest.exit(returncode=0)`."""
        self.interrupted = True

    def accounts(self) -> list[Account]:
        """Account for every control of every target."""
        return accounts.accounts(self._collected, self.records, self._crashed, self._why_left_out())

    def untold(self) -> str:
        """Return why not even the cases are known that took their process down, "" where they are."""
        known = {case["nodeid"] for case in self._collected}
        lost = [one for one in self._crashed if one not in known and (collection.of_suite(one) or not known)]
        return f"a worker died at {lost[0]} before it told what there is" if lost else ""

    def lost(self) -> list[Record]:
        """Return a record for each case that took its process down and so left none."""
        return [
            Record(
                **case,
                observed="",
                outcome="could-not-look",
                reason=accounts.TOOK_DOWN,
                findings=[],
                waiver=None,
                started=self.started.isoformat(timespec="milliseconds"),
                seconds=0.0,
                policy_sha256="",
            )
            for case in self._collected
            if case["nodeid"] in self._crashed
        ]

    def facts(self) -> RunFacts:
        """Return what the run knows about itself and its targets."""
        from pytest_nodered_sec import __version__, facts  # reads the releases of what is installed: only for a report

        config = self._config
        stored = config.stash.get(REPLAYED, None)
        found = facts.RunFacts(
            plugin=__version__,
            tools=facts.tools(),
            started=self.started.isoformat(timespec="seconds"),
            ended=self.ended.isoformat(timespec="seconds"),
            narrowed=self._narrowed(),
            interrupted=self.interrupted,
            audit=bool(config.option.nodered_audit),
            replayed=stored.line() if stored else "",
            fail_on=self._fail_on,
            targets=[
                facts.of_target(
                    target,
                    self.policies[target.name],
                    self._identities.get(target.name, facts.NOBODY),
                    config.stash[TODAY],
                )
                for target in config.stash[TARGETS]
            ],
        )
        redaction.scrub_within(found)
        return found

    def _narrowed(self) -> str:
        """Return by what tests were left out, "" for a whole run."""
        given = self._config.stash[LEFT_OUT]
        if given or self.interrupted:
            return given
        return self._why_left_out() if any("not-selected" in one["instances"] for one in self.accounts()) else ""

    def _why_left_out(self) -> str:
        if self.interrupted:
            return "interrupted"
        return self._config.stash[LEFT_OUT] or ("lost with a worker" if self._crashed else _OTHERWISE)

    def _no_audit(self) -> str:
        """Return why a run that was to be an audit is none, "" where it is one."""
        if not self._config.option.nodered_audit:
            return ""
        if self._reran:
            return "tests were run again"
        if self.interrupted or self._narrowed():
            return f"tests were left out ({self._why_left_out()})"
        if self._skipped:
            return f"{_counted(self._skipped, 'case')} skipped by a mark or a fixture that is not the suite's"
        there = {(one["target"], one["control"]) for one in self._collected}
        wanted = ((target.name, control) for target in self._config.stash[TARGETS] for control in sorted(bundled()))
        missing = dict.fromkeys(control for target, control in wanted if (target, control) not in there)
        return f"not collected: {', '.join(missing)}" if missing else ""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        """Print the last line, below pytest's own summary."""
        yield
        for line in self._unanswered():
            terminalreporter.write_line(f"nodered-sec: {line}")
        if self._overruled:
            terminalreporter.write_line(
                f"nodered-sec: {_counted(len(self._overruled), 'case')} failed or could not be looked at, and something"
                " other than a waiver made a pass or an expected failure of it: that counts"
            )
        why = self._no_audit()
        if why:
            terminalreporter.write_line(f"nodered-sec: no audit: {why}")
        if self.untold():
            terminalreporter.write_line(f"nodered-sec: {self.untold()}")
        if self._config.option.nodered_job_summary and self.policies and not os.environ.get("GITHUB_STEP_SUMMARY"):
            terminalreporter.write_line("nodered-sec: no job summary: GITHUB_STEP_SUMMARY names no file here")
        if self.records or self._crashed:
            terminalreporter.write_line(f"nodered-sec: {self.summary()}")
            terminalreporter.write_line(f"nodered-sec: {accounts.line(self.accounts(), self._why_left_out())}")

    def _answered(self, *targets: str) -> bool:
        """Whether a question was answered, of these targets or of any."""
        judged = (one for one in self.records if one["outcome"] in accounts.JUDGED and one["control"] != _PAPERWORK)
        return any(not targets or one["target"] in targets for one in judged)

    def _unanswered(self) -> list[str]:
        """Return a line for each target that answered nothing, with the cause: it may stand far above."""
        causes = {name: self._cause(name) for name in self.policies if not self._answered(name)}
        lines = [f"{name}: {cause}" for name, cause in causes.items() if cause]
        nothing = "no question was answered, so nothing is proven"
        if self._answered():
            return [f"{nothing} of {line}" for line in lines]
        return [f"{nothing}: {line}" for line in lines] or ([nothing] if self._demanded else [])

    def _cause(self, target: str) -> str:
        """Return why a target could not be looked at: what reach-01 says, else what most of its cases say."""
        unseen = [one for one in self.records if one["target"] == target and one["outcome"] == "could-not-look"]
        reach = [one["reason"] for one in unseen if one["control"] == _REACH]
        others = [one["reason"] for one in unseen if not one["reason"].endswith(f"see {_REACH}")]
        said = Counter(others or [one["reason"] for one in unseen])
        return next(iter(reach + [reason for reason, _ in said.most_common(1)]), "")

    def summary(self) -> str:
        """Return the counts by outcome, findings by severity."""
        outcomes = Counter(record["outcome"] for record in self.records)
        errors = {one["nodeid"] for one in self.records if one["outcome"] == "could-not-look"}
        bad = Counter(record["severity"] for record in self.records if record["outcome"] == "non-compliant")
        severities = ", ".join(f"{bad[one.value]} {one.value}" for one in Severity if bad[one.value])
        if any(bad[one.value] and _below(one, self._fail_on) for one in Severity):
            severities += f"; failing from {self._fail_on}"
        if marked := sum(1 for one in self.records if one["outcome"] == "non-compliant" and one["reason"]):
            severities += f"; {marked} expected by a mark of the test, which is no waiver"
        parts = [
            _counted(len(self.policies), "target"),
            f"{outcomes['compliant']} compliant",
            f"{outcomes['non-compliant']} non-compliant" + (f" ({severities})" if severities else ""),
            f"{outcomes['waived']} waived",
            _counted(len(errors | {one["nodeid"] for one in self.lost()}), "error"),
            f"{outcomes['not-applicable']} not applicable",
        ]
        if outcomes["not-judged"]:
            parts.append(f"{outcomes['not-judged']} not judged")
        return " · ".join(parts)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
