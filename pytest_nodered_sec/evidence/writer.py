"""Gathers what a run leaves, and writes it at the end; a place that cannot be written fails the run."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_nodered_sec import codec
from pytest_nodered_sec.evidence import folder as evidence_folder
from pytest_nodered_sec.evidence.catalogue import catalogue
from pytest_nodered_sec.evidence.files import check_file, claim_folder, write
from pytest_nodered_sec.evidence.hdf import hdf
from pytest_nodered_sec.evidence.html import html
from pytest_nodered_sec.evidence.replay import Comparison
from pytest_nodered_sec.evidence.report import Report
from pytest_nodered_sec.evidence.summary import markdown
from pytest_nodered_sec.model_chain import PresentedChain
from pytest_nodered_sec.policy import PolicyError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from pytest_nodered_sec.evidence.replay import Stored
    from pytest_nodered_sec.ledger import Ledger, Record
    from pytest_nodered_sec.model import Target

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
    stored: Stored | None,
) -> None:
    """See that all can be written, and make ready to write it.

    Args:
        config: pytest's; its JUnit file is asked for where the evidence folder needs one.
        ledger: what becomes of each case.
        places: "evidence", "hdf", "report", "job-summary" and where to.
        targets: what is looked at.
        stored: what is judged again, None where we look.

    Raises:
        PolicyError: a place cannot be written, something is there, or two reports would share it.
    """
    for name in ("hdf", "report"):
        if name in places:
            check_file(places[name], f"--nodered-{name}")
    if "job-summary" in places:
        check_file(places["job-summary"], "--nodered-job-summary: GITHUB_STEP_SUMMARY")
    _check_apart(config, places)
    if "evidence" in places:
        if not hasattr(config.option, "xmlpath"):
            raise PolicyError("--nodered-evidence needs pytest's JUnit plugin: leave out -p no:junitxml")
        config.add_cleanup(claim_folder(places["evidence"], "--nodered-evidence"))
        config.option.xmlpath = config.option.xmlpath or str(places["evidence"] / evidence_folder.JUNIT)
    if places:
        config.pluginmanager.register(Writer(places, ledger, targets, stored), "nodered-sec-evidence")
    if stored is not None:
        config.pluginmanager.register(Comparison(stored, ledger), "nodered-sec-replay")


def _check_apart(config: pytest.Config, places: Mapping[str, Path]) -> None:
    """See that no report is written over another.

    Raises:
        PolicyError: two of them are the same file.
    """
    junit = getattr(config.option, "xmlpath", None)
    named = {f"--nodered-{name}": places[name] for name in ("hdf", "report", "job-summary") if name in places}
    named |= {"--junitxml": Path(os.path.expandvars(junit)).expanduser()} if junit else {}
    taken: dict[Path, str] = {}
    for option, path in named.items():
        other = taken.setdefault((config.invocation_params.dir / path).resolve(), option)
        if other != option:
            raise PolicyError(f"{other} and {option} both name {path}, and one would be written over the other")


class Writer:
    """Gathers and writes.

    Args:
        places: what, and where to; see `register`.
        ledger: what became of each case.
        targets: what is looked at.
        stored: what is judged again, None where we look.
    """

    def __init__(
        self,
        places: Mapping[str, Path],
        ledger: Ledger,
        targets: Sequence[Target],
        stored: Stored | None,
    ) -> None:
        self._places = places
        self._ledger = ledger
        self._targets = tuple(targets)
        self._stored = stored
        self._looked: dict[tuple[Any, ...], dict[str, Any]] = {}  # Any: JSON
        self._said: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in what was seen, from this process or a worker; several cases may ask the same."""
        looked: dict[str, Any] | None = getattr(report, "nodered_looked", None)
        if looked is not None:
            key = (looked["target"], looked["probe"], *looked["args"])
            outcome = json.loads(looked["outcome"])
            cases = self._looked.setdefault(key, looked | {"outcome": outcome, "cases": []})["cases"]
            if report.nodeid not in cases:
                cases.append(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write it all, behind pytest's own JUnit file."""
        report = self._report(session, exitstatus)
        for name in self._places:  # one that fails takes none of the others with it
            try:
                self._write(name, report, session.config.option.xmlpath)
            except OSError as error:
                self._said.append(f"the evidence is not complete: {error.filename or name}: {error.strerror}")
                session.exitstatus = pytest.ExitCode.USAGE_ERROR

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        """Say what was written where, above the last line."""
        yield
        for line in self._said:
            terminalreporter.write_line(f"nodered-sec: {line}")

    def _report(self, session: pytest.Session, exitstatus: int) -> Report:
        cut = _BROKEN[pytest.ExitCode.INTERRUPTED] if self._ledger.interrupted else self._ledger.untold()
        return Report(
            facts=self._ledger.facts(),
            records=sorted([*self._ledger.records, *self._ledger.lost()], key=self._place_of),
            accounts=self._ledger.accounts(),
            chains=self._chains(),
            unfinished=str(session.shouldfail or session.shouldstop or _BROKEN.get(exitstatus, "")) or cut,
            looked=self._stored.looked if self._stored else None,
        )

    def _place_of(self, record: Record) -> tuple[int, int, str]:
        """Return where a case stands: in the same place, whatever process it ran in."""
        controls, targets = list(catalogue()), [one.name for one in self._targets]
        control = controls.index(record["control"]) if record["control"] in controls else len(controls)
        target = targets.index(record["target"]) if record["target"] in targets else len(targets)
        return control, target, record["nodeid"]

    def _chains(self) -> dict[str, PresentedChain]:
        found = {
            one["target"]: codec.decode(one["outcome"]) for one in self._looked.values() if one["probe"] == "chain"
        }
        order = [one.name for one in self._targets]
        return {name: found[name] for name in order if isinstance(found.get(name), PresentedChain)}

    def _write(self, name: str, report: Report, junit: str | None) -> None:
        place = self._places[name]
        if name == "job-summary":
            with place.open("a", encoding="utf-8") as file:
                file.write(markdown(report))
            return
        if name == "evidence":
            own = place / evidence_folder.JUNIT
            if junit and Path(junit).resolve() != own.resolve():
                shutil.copyfile(junit, own)
            looked = [self._looked[key] for key in sorted(self._looked)]
            files = {"hdf.json": hdf(report), "report.html": html(report)}
            evidence_folder.fill(place, report, self._targets, looked, files)
        else:
            write(place, hdf(report) if name == "hdf" else html(report))
        self._said.append(f"{name} written to {place}")
