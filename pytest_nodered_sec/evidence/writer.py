"""Collects a run's results and writes the reports at its end; a report that cannot be written fails the run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

import pytest

from pytest_nodered_sec.catalogue import catalogue
from pytest_nodered_sec.evidence import changes
from pytest_nodered_sec.evidence import folder as evidence_folder
from pytest_nodered_sec.evidence.codequality import codequality
from pytest_nodered_sec.evidence.defectdojo import defectdojo
from pytest_nodered_sec.evidence.files import check_file, claim_folder, write
from pytest_nodered_sec.evidence.folded import Anchors, anchors
from pytest_nodered_sec.evidence.hdf import hdf
from pytest_nodered_sec.evidence.html import html
from pytest_nodered_sec.evidence.junit import place_of
from pytest_nodered_sec.evidence.looks import Looks
from pytest_nodered_sec.evidence.oscal import oscal
from pytest_nodered_sec.evidence.replay import Comparison
from pytest_nodered_sec.evidence.report import Report
from pytest_nodered_sec.evidence.sarif import sarif
from pytest_nodered_sec.evidence.seal import README, command_of, readme, seal
from pytest_nodered_sec.evidence.summary import markdown
from pytest_nodered_sec.policy.model import PolicyError
from pytest_nodered_sec.session.settings import REPORTS

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.policy.file import PolicyFile
    from pytest_nodered_sec.results.records import Record
    from pytest_nodered_sec.session.ledger import Ledger
    from pytest_nodered_sec.session.state import StoredRun

_FILES: Final = tuple(name for name in REPORTS if name != "evidence")  # which is a folder
_ANCHORED: Final = {"sarif": sarif, "codequality": codequality, "defectdojo": defectdojo, "oscal": oscal}
_BROKEN: Final[dict[int, str]] = {
    pytest.ExitCode.INTERRUPTED: "the run was interrupted",
    pytest.ExitCode.INTERNAL_ERROR: "the run broke off",
    pytest.ExitCode.USAGE_ERROR: "the run could not begin",
}


def register(
    config: pytest.Config,
    ledger: Ledger,
    places: Mapping[str, Path],
    targets: Sequence[Target],
    stored: StoredRun | None,
    file: PolicyFile | None,
    sealing: str = "",
) -> None:
    """See that all can be written, and make ready to write it.

    Args:
        config: pytest's; its JUnit file is asked for where the evidence folder needs one.
        ledger: what becomes of each case.
        places: where to write what: the options of REPORTS, and "job-summary".
        targets: what is looked at.
        stored: what is judged again, None where we look.
        file: the policy file, None for none.
        sealing: the command that signs the folder, "" for none.

    Raises:
        PolicyError: a place cannot be written, something is there, or two reports would share it; or the command
            cannot be run.
    """
    words = command_of(sealing) if sealing and "evidence" in places else []
    for name in _FILES:
        if name in places:
            check_file(places[name], f"--nodered-{name}")
    if "job-summary" in places:
        check_file(places["job-summary"], "--nodered-job-summary: GITHUB_STEP_SUMMARY")
    _check_apart(config, places)
    if "evidence" in places:
        if not hasattr(config.option, "xmlpath"):
            raise PolicyError("--nodered-evidence needs pytest's JUnit plugin: leave out -p no:junitxml")
        if (junit := place_of(config)) and junit.exists() and not junit.is_file():
            raise PolicyError(f"--nodered-evidence needs a copy of the JUnit file, and --junitxml={junit} keeps none")
        config.add_cleanup(claim_folder(places["evidence"], "--nodered-evidence"))
        config.option.xmlpath = config.option.xmlpath or str(places["evidence"] / evidence_folder.JUNIT)
    if places:
        writer = Writer(places, ledger, targets, stored, _anchors(config, file), words)
        config.pluginmanager.register(writer, "nodered-sec-evidence")
    if stored is not None:
        config.pluginmanager.register(Comparison(stored, ledger), "nodered-sec-replay")


def _anchors(config: pytest.Config, file: PolicyFile | None) -> Anchors:
    """Return where the policy file declares the targets."""
    if file is None or file.path is None:
        return Anchors()
    path = file.path.resolve()
    text = path.read_text(encoding="utf-8-sig")
    return anchors(path, text, [table.name for table in file.targets if not table.listed], config.rootpath.resolve())


def _check_apart(config: pytest.Config, places: Mapping[str, Path]) -> None:
    """See that no report is written over another.

    Raises:
        PolicyError: two of them are the same file.
    """
    named = {f"--nodered-{name}": places[name] for name in (*_FILES, "job-summary") if name in places}
    named |= {"--junitxml": junit} if (junit := place_of(config)) else {}
    taken: dict[Path, str] = {}
    for option, path in named.items():
        other = taken.setdefault((config.invocation_params.dir / path).resolve(), option)
        if other != option:
            raise PolicyError(f"{other} and {option} both name {path}, so one would overwrite the other")


class Writer:
    """Gathers and writes.

    Args:
        places: what, and where to; see `register`.
        ledger: what became of each case.
        targets: what is looked at.
        stored: what is judged again, None where we look.
        anchors: where the targets are declared.
        sealing: the command that signs the folder, [] for none.
    """

    def __init__(
        self,
        places: Mapping[str, Path],
        ledger: Ledger,
        targets: Sequence[Target],
        stored: StoredRun | None,
        anchors: Anchors,
        sealing: list[str],
    ) -> None:
        self._places = places
        self._anchors = anchors
        self._seal = sealing
        self._ledger = ledger
        self._targets = tuple(targets)
        self._stored = stored
        self._looks = Looks(whole="evidence" in places)
        self._said: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in what was seen, from this process or a worker; pytest keeps the report until the end."""
        looked = vars(report).pop("nodered_looked", None)
        if looked is not None:
            self._looks.add(looked, report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write it all, behind pytest's own JUnit file."""
        report = self._report(session, exitstatus)
        for name in self._places:  # one that fails takes none of the others with it
            try:
                self._write(name, report, place_of(session.config))
            except OSError as error:
                self._said.append(f"the evidence is not complete: {error.filename or name}: {error.strerror}")
                session.exitstatus = pytest.ExitCode.USAGE_ERROR
        if self._seal and not any("not complete" in line for line in self._said):
            wrong = seal(
                self._seal, self._places["evidence"] / evidence_folder.SUMS, session.config.invocation_params.dir
            )
            self._said.append(f"the evidence is not sealed: {wrong}" if wrong else f"sealed by {self._seal[0]}")
            if wrong:
                session.exitstatus = pytest.ExitCode.USAGE_ERROR

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        """Say what was written where, above the last line."""
        yield
        for line in self._said:
            terminalreporter.write_line(f"nodered-sec: {line}")

    def _report(self, session: pytest.Session, exitstatus: int) -> Report:
        cut = _BROKEN[pytest.ExitCode.INTERRUPTED] if self._ledger.interrupted else self._ledger.incomplete()
        facts = self._ledger.facts()
        return Report(
            facts=facts,
            records=sorted([*self._ledger.records, *self._ledger.lost()], key=self._place_of),
            accounts=self._ledger.accounts(),
            chains=self._looks.chains([target.name for target in self._targets]),
            unfinished=str(session.shouldfail or session.shouldstop or _BROKEN.get(exitstatus, "")) or cut,
            looked=self._stored.looked if self._stored else None,
            looks=self._stored.looks if self._stored else {},
            plans=changes.of_run(self._targets, self._ledger.records, facts),
            fleet=self._ledger.fleet,
            since=self._ledger.since(facts),
        )

    def _place_of(self, record: Record) -> tuple[int, int, int, str]:
        """Return where a case stands: by control and target, then as the terminal shows it."""
        controls, targets = list(catalogue()), [target.name for target in self._targets]
        control = controls.index(record["control"]) if record["control"] in controls else len(controls)
        target = targets.index(record["target"]) if record["target"] in targets else len(targets)
        return control, target, *self._ledger.place_of(record)

    def _write(self, name: str, report: Report, junit: Path | None) -> None:
        place = self._places[name]
        if name == "job-summary":
            with place.open("a", encoding="utf-8") as file:
                file.write(markdown(report))
            return
        if name == "evidence":
            own = place / evidence_folder.JUNIT
            if junit and junit.is_file() and junit.resolve() != own.resolve():  # a device has no end
                shutil.copyfile(junit, own)
            own.stat()  # pytest could not write it
            page = readme(report, self._seal[0] if self._seal else "")
            files = {"hdf.json": hdf(report), "report.html": html(report), README: page}
            evidence_folder.fill(place, report, self._targets, self._looks.lines(), files)
        else:
            write(place, self._text(name, report))
        self._said.append(f"{name} written to {place}")

    def _text(self, name: str, report: Report) -> str:
        if name in _ANCHORED:
            return _ANCHORED[name](report, self._anchors)
        return hdf(report) if name == "hdf" else html(report)
