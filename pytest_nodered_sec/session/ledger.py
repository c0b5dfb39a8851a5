"""The outcome of every test case: one record per case, made in the process that ran it, counted on the controller.

The record is a plain dict on the report, which xdist sends unchanged; JUnit properties, the terminal's last line and
the exit code are all derived from it.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

from pytest_nodered_sec import redaction
from pytest_nodered_sec.catalogue import bundled
from pytest_nodered_sec.own_fields import OF_RUN
from pytest_nodered_sec.results import baseline, closing, rollup
from pytest_nodered_sec.results.baseline import counting
from pytest_nodered_sec.results.gate import Gate
from pytest_nodered_sec.results.records import Record
from pytest_nodered_sec.session import idle
from pytest_nodered_sec.session.audit import NOT_YET, unapproved
from pytest_nodered_sec.session.longrepr import represent
from pytest_nodered_sec.session.run import assumed, expired
from pytest_nodered_sec.session.skips import stopped
from pytest_nodered_sec.session.state import (
    BASELINE,
    COLLECTED,
    GATE,
    LEFT_OUT,
    PAPERWORK,
    REPLAYED,
    TARGETS,
    TODAY,
    of_suite,
)
from pytest_nodered_sec.texts import counted

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from pytest_nodered_sec.results.baseline import Since
    from pytest_nodered_sec.results.metadata import RunFacts, ServerIdentity
    from pytest_nodered_sec.results.records import Account, CollectedCase
    from pytest_nodered_sec.session.run import Run

UNSEEN: Final = 6  # exit code of a run without findings in which something could not be looked at
BOTH: Final = 7  # exit code of a run with both
_OTHERWISE: Final = "deselected"  # by a hook, not by an option
_SHUT: Final = ("proxy-01", "compliant")


class Ledger:
    """Counts records and holds the run's metadata, on the controller only. Reports are written from it.

    Args:
        config: pytest's, with the targets set.
        run: settings, assessment, and the lowest severity whose findings fail the run.
        policies: effective policy of each target as TOML, by name.
        started: when the run began, UTC.
        demanded: whether a run in which no question was answered is a failure.
        split: whether the exit code tells findings from what could not be looked at.
    """

    def __init__(
        self,
        config: pytest.Config,
        run: Run,
        policies: Mapping[str, str],
        started: datetime,
        *,
        demanded: bool,
        split: bool,
    ) -> None:
        self.records: list[Record] = []
        self.policies = dict(policies)
        self.started = started
        self.ended = self.started
        self.fleet = run.fleet
        self.interrupted = False
        self._config = config
        self._untold = dict(policies)
        self._run = run
        self._missing = self.fleet.missing(self.policies)
        self._gate = config.stash[GATE]
        self._baseline = config.stash.get(BASELINE, None)
        self._demanded = demanded
        self._split = split
        self._clock = ""
        self._failed: set[str] = set()  # node ids
        self._unseen: set[str] = set()  # of those, plain tests that could not look
        self._places: dict[str, int] = {}  # in `records`, by node id
        self._reran = False
        self._overruled: set[str] = set()
        self._skipped = 0
        self.collected: list[CollectedCase] = []
        self._order: dict[str, int] = {}  # of collection, by node id
        self._crashed: list[str] = []
        self._identities: dict[str, ServerIdentity] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Store what this process collected; an xdist controller receives it from its workers."""
        self.collected = session.config.stash.get(COLLECTED, [])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Store a record, from this process or a worker."""
        record: Record | None = getattr(report, "nodered", None)
        self.collected = vars(report).pop("nodered_collected", None) or self.collected
        name, identity = vars(report).pop("nodered_identity", ("", None))
        if identity:
            self._identities[name] = identity
        if report.outcome not in ("passed", "failed", "skipped"):
            self._reran = self._reran or record is not None
            return  # to be run again
        if report.when == "teardown":  # here and not in the worker, so that the file holds each policy once
            policy = self._untold.pop(str(dict(report.user_properties).get("nodered_sec.target")), None)
            report.user_properties += [("nodered_sec.policy", redaction.scrub_policy(policy))] if policy else []
            report.user_properties += self._compared(report.nodeid)
        self._skipped += vars(report).pop("nodered_skipped", False)
        if record is not None:
            self._keep(record)
            self._restore(record, report)
        elif report.failed and report.when not in ("setup", "call", "teardown"):
            self._crashed.append(report.nodeid)  # xdist's report of a test whose worker died
        if getattr(report, "nodered_unseen", False):
            self._unseen.add(report.nodeid)
        if report.failed:
            self._failed.add(report.nodeid)

    def _compared(self, nodeid: str) -> list[tuple[str, object]]:
        """Return as a property whether the baseline has all findings of a case; nothing where none counts."""
        record = self.records[self._places[nodeid]] if nodeid in self._places else None
        findings = counting(record) if record else []
        if self._baseline is None or record is None or not findings:
            return []
        place = record["target"], record["control"], record["instance"]
        known = Gate(self._gate.fail_on, self._baseline.known).knows(*place, findings)
        return [("nodered_sec.baseline", "open" if known else "new")]

    def _keep(self, record: Record) -> None:
        """Keep a record; of several for one case (`--dist=each`), keep the worst."""
        place = self._places.setdefault(record["nodeid"], len(self.records))
        if place == len(self.records):
            self.records.append(record)
        elif rollup.ORDER.index(record["outcome"]) < rollup.ORDER.index(self.records[place]["outcome"]):
            self.records[place] = record

    def _restore(self, record: Record, report: pytest.TestReport) -> None:
        """Keep a failure failed if another plugin changed its report; an xfail by a site's own mark stays xfailed."""
        if report.failed or record["outcome"] not in ("non-compliant", "could-not-look"):
            return
        bad = record["outcome"] == "non-compliant" and not record["reason"]
        place = record["target"], record["control"], record["instance"]
        bad = bad and not self._gate.tolerates(*place, counting(record))
        if not bad and record["outcome"] == "non-compliant":
            return
        self._overruled.add(report.nodeid)
        if not hasattr(report, "wasxfail"):
            report.outcome = "failed"
            if not report.longrepr:
                text = f"{record['control']} {record['severity']} · {record['observed']}"
                report.longrepr = represent(text, report.nodeid, (report.location[1] or 0) + 1)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run in which no question was answered, and an audit that did not run every test."""
        self.ended = datetime.now(UTC)
        self._order = {case["nodeid"]: number for number, case in enumerate(self.collected)}
        self.records.sort(key=self.place_of)
        broken_off = (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)
        self.interrupted = self.interrupted or session.exitstatus in broken_off
        if session.exitstatus == pytest.ExitCode.OK:
            if self.interrupted:
                session.exitstatus = pytest.ExitCode.INTERRUPTED
            elif self._demanded and not self._answered():
                session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
            elif self._overruled or self._missing or self._no_audit():
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self._split and session.exitstatus == pytest.ExitCode.TESTS_FAILED:
            session.exitstatus = self._told_apart()

    def _told_apart(self) -> int:
        """Return the exit code of a run that failed: by findings, by what could not be looked at, or by both."""
        unseen = {case["nodeid"] for case in (*self.records, *self.lost()) if case["outcome"] == "could-not-look"}
        unseen |= self._unseen
        others = (self._failed | self._overruled) - unseen - set(self._crashed)
        if not unseen and not self._crashed and not self._missing:
            return pytest.ExitCode.TESTS_FAILED
        return BOTH if others or self._no_audit() else UNSEEN

    def place_of(self, record: Record) -> tuple[int, str]:
        """Return where a case stands in the order of collection, whatever process it ran in."""
        return self._order.get(record["nodeid"], len(self._order)), record["nodeid"]

    def pytest_keyboard_interrupt(self) -> None:
        """Note that the run was interrupted, also by `pytest.exit(returncode=0)`."""
        self.interrupted = True

    def accounts(self) -> list[Account]:
        """Account for every control of every target."""
        from pytest_nodered_sec.results import metadata  # as below

        stash = self._config.stash
        attestations = {
            target.name: redaction.scrub_fields(
                [metadata.of_attestation(vouched, stash[TODAY]) for vouched in target.policy.attestations], OF_RUN
            )
            for target in stash[TARGETS]
            if target.policy.attestations
        }
        left_out = self._why_left_out()
        return rollup.accounts(self.collected, self.records, self._crashed, left_out, attestations)

    def incomplete(self) -> str:
        """Return why the records are not all that there should be, "" if they are: crashed processes, lost shards."""
        return self._untold_cases() or self._missing

    def _untold_cases(self) -> str:
        known = {case["nodeid"] for case in self.collected}
        lost = [nodeid for nodeid in self._crashed if nodeid not in known and (of_suite(nodeid) or not known)]
        return f"a worker crashed at {lost[0]} before it reported what it had collected" if lost else ""

    def lost(self) -> list[Record]:
        """Return a record for each case that crashed its process and so left none."""
        return [
            Record(
                **case,
                observed="",
                outcome="could-not-look",
                reason=rollup.TOOK_DOWN,
                findings=[],
                waiver=None,
                started=self.started.isoformat(timespec="milliseconds"),
                seconds=0.0,
                policy_sha256="",
            )
            for case in self.collected
            if case["nodeid"] in self._crashed
        ]

    def facts(self) -> RunFacts:
        """Return the metadata of the run and its targets."""
        from pytest_nodered_sec._version import (
            __version__,  # reads the releases of what is installed: only for a report
        )
        from pytest_nodered_sec.results import metadata, provenance  # as above

        config = self._config
        stored = config.stash.get(REPLAYED, None)
        looked = stored.looked if stored else None
        self._clock = looked["clock"] if looked else self._clock or provenance.clock()  # the same in every report
        run_facts = metadata.RunFacts(
            plugin=__version__,
            tools=metadata.tools(),
            started=self.started.isoformat(timespec="seconds"),
            ended=self.ended.isoformat(timespec="seconds"),
            narrowed=self._narrowed(),
            omitted=list(self._run.omitted),
            interrupted=self.interrupted,
            shard=self._run.left_out,
            audit=bool(config.option.nodered_audit) and not self._run.left_out,
            replayed=stored.line() if stored else "",
            fail_on=self._gate.fail_on,
            only_new=self._gate.known is not None,
            baseline=self._baseline.said if self._baseline else "",
            assessment=metadata.of_assessment(self._run.assessment),
            command=provenance.command(config.invocation_params.args),
            settings=self._run.settings.described(),
            code=provenance.code(),
            tables=provenance.tables(),
            machine=looked["machine"] if looked else provenance.machine(),
            clock=self._clock,
            targets=[
                metadata.of_target(
                    target,
                    redaction.scrub_policy(self.policies[target.name]),
                    self._identities.get(target.name, metadata.NOBODY),
                    config.stash[TODAY],
                )
                for target in config.stash[TARGETS]
            ],
        )
        redaction.scrub_fields(run_facts, OF_RUN)
        return run_facts

    def since(self, facts: RunFacts) -> Since | None:
        """Return what changed since the baseline, None where there is none."""
        if self._baseline is None:
            return None
        return baseline.since(self._baseline, [*self.records, *self.lost()], facts["targets"], self.fleet.names)

    def _narrowed(self) -> str:
        """Return which options or events left tests out, "" for a complete run."""
        given = self._config.stash[LEFT_OUT]
        if given or self.interrupted:
            return given
        left_out = any("not-selected" in account["instances"] for account in self.accounts())
        return self._why_left_out() if left_out else ""

    def _why_left_out(self) -> str:
        if self.interrupted:
            return "interrupted"
        return self._config.stash[LEFT_OUT] or ("lost with a worker" if self._crashed else _OTHERWISE)

    def _no_audit(self) -> str:
        """Return why the run is not an audit although one was asked for, "" if it is."""
        if not self._config.option.nodered_audit:
            return ""
        if self._reran:
            return "tests were run again"
        if self.interrupted or self._narrowed():
            return f"tests were left out ({self._why_left_out()})"
        if self._missing:
            return self._missing
        if self._skipped:
            return f"{counted(self._skipped, 'case')} skipped by a mark or a fixture that is not the suite's"
        alone = unapproved(self.records, self._config.stash[TARGETS], self._config.stash[TODAY])
        if alone:
            return f"{alone} is critical, and its waiver names no approver"
        there = {(case["target"], case["control"]) for case in self.collected}
        wanted = ((target.name, control) for target in self._config.stash[TARGETS] for control in sorted(bundled()))
        missing = dict.fromkeys(control for target, control in wanted if (target, control) not in there)
        return f"not collected: {', '.join(missing)}" if missing else ""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, exitstatus: int) -> Generator[None]:
        """Print the last lines, below pytest's own summary."""
        yield
        begun = self.records or exitstatus != pytest.ExitCode.USAGE_ERROR  # else pytest says why not
        for line in self._unanswered() if begun else ():
            terminalreporter.write_line(f"nodered-sec: {line}")
        if self._overruled:
            terminalreporter.write_line(
                f"nodered-sec: {counted(len(self._overruled), 'case')} failed or could not be looked at, and something"
                " other than a waiver made a pass or an expected failure of it: that counts"
            )
        if why := self._no_audit():
            terminalreporter.write_line(f"nodered-sec: no audit: {why}")
        elif self._config.option.nodered_audit and self._run.left_out:
            terminalreporter.write_line(f"nodered-sec: {NOT_YET}")
        if self.incomplete():
            terminalreporter.write_line(f"nodered-sec: {self.incomplete()}")
        for line in self._waivers():
            terminalreporter.write_line(f"nodered-sec: {line}")
        shut = {record["target"] for record in self.records if (record["control"], record["outcome"]) == _SHUT}
        if guessed := assumed(self._config.stash[TARGETS], shut):
            terminalreporter.write_line(f"nodered-sec: {guessed}")
        if self._config.option.nodered_job_summary and self.policies and not os.environ.get("GITHUB_STEP_SUMMARY"):
            terminalreporter.write_line("nodered-sec: no job summary: GITHUB_STEP_SUMMARY names no file here")
        if self.records or self._crashed:
            terminalreporter.write_line(f"nodered-sec: {self.summary()}")
            judged = rollup.line(self.accounts(), self._why_left_out(), self._run.left_out)
            terminalreporter.write_line(f"nodered-sec: {judged}")

    def _waivers(self) -> list[str]:
        """Return which waivers have expired or accept nothing; nothing where their own control says so."""
        said = any(record["control"] == PAPERWORK and record["outcome"] in rollup.JUDGED for record in self.records)
        if said or not self.records:
            return []
        ended = expired(self._config.stash[TARGETS], self._config.stash[TODAY])
        return [*filter(None, [ended]), *idle.lines(self._config, self.collected, self.records)]

    def _answered(self) -> frozenset[str]:
        """Return the targets that answered a question."""
        return closing.answered(self.records, PAPERWORK)

    def _unanswered(self) -> list[str]:
        """Return a line for each cause why targets answered nothing."""
        left_out = self._config.stash[LEFT_OUT] if not self.records else ""
        why = stopped(self._config) or (left_out and f": {left_out} leaves all controls out")
        alone = closing.NOTHING + why if self._demanded else ""
        return closing.unanswered(self.records, self.policies, self._answered(), alone)

    def summary(self) -> str:
        """Return the counts by outcome, findings by severity."""
        return closing.summary(self.records, self.lost(), len(self.policies), self._gate)
