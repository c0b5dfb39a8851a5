"""Judging again what evidence folders hold: no network, the same tests, the same or another policy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from pytest_nodered_sec.evidence import merge
from pytest_nodered_sec.evidence.stored import outcome_of, read
from pytest_nodered_sec.policy import file as policyfile
from pytest_nodered_sec.policy.assessment import assessment_of
from pytest_nodered_sec.policy.model import PolicyError
from pytest_nodered_sec.session.inventories import as_stored
from pytest_nodered_sec.session.run import Run
from pytest_nodered_sec.session.settings import REPORTS, Settings, fail_on, severity
from pytest_nodered_sec.session.targets import check_waivers, with_waivers
from pytest_nodered_sec.session.targets import prepare as targets_of
from pytest_nodered_sec.texts import counted

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_nodered_sec.evidence.stored import Stored
    from pytest_nodered_sec.session.ledger import Ledger
    from pytest_nodered_sec.session.state import StoredRun

_OF_LOOKING: Final = ("ca_file", "credentials", "dashboard_credentials")  # who judges need not have them
_JUDGES: Final = ("replay", "policy", "fail-on", "baseline", "suite", "control", "exit")
_SHOWS: Final = ("junit", "seal", "fix", "show", *REPORTS)


def prepare(settings: Settings) -> tuple[Run, Stored]:
    """Return what a replay is about: the folders' targets as they were judged, or as another policy file has them.

    Raises:
        PolicyError: the folder, the file or an option cannot be used.
    """
    folders = [read(Path(folder).expanduser()) for folder in settings.many("replay")]
    stored = merge.of_all(folders)
    given = [
        f"--nodered-{name}" for name in settings.values if settings.typed(name) and name not in (*_JUDGES, *_SHOWS)
    ]
    if given:
        raise PolicyError(
            f"--nodered-replay sends no requests: remove {', '.join(given)}; to judge by another policy give "
            f"--nodered-policy=FILE, e.g. a changed copy of {stored.folder / 'policy.toml'}"
        )
    if not settings.typed("policy"):
        chosen = severity(settings) if settings.sources.get("fail-on") in ("option", "environment") else ""
        assessment = assessment_of(merge.assessment(folders))
        lowest = chosen or stored.fail_on
        return Run(settings, None, (), stored.targets, lowest, assessment, stored.fleet, stored.omitted), stored
    file = policyfile.read(Path(settings.one("policy", "")).expanduser(), _OF_LOOKING, settings.one("policy", ""))
    file = as_stored(file, stored.targets)
    prepared = targets_of(Settings({}, {}, {}), file)
    stored_targets = {ready.target.name: with_waivers(ready.target, file) for ready in prepared}
    for target in stored.targets:
        if target.name not in stored_targets:
            raise PolicyError(
                f"{file.path} has no [[target]] called {target.name}, which {stored.folder} is about; it has "
                f"{', '.join(stored_targets) or 'none'}"
            )
    targets = tuple(
        replace(
            stored_targets[target.name],
            credentials=target.credentials,
            dashboard_credentials=target.dashboard_credentials,
            http=target.http,
        )
        for target in stored.targets
    )
    check_waivers(file, targets)
    lowest = fail_on(settings, file)
    run = Run(settings, file, tuple(prepared), targets, lowest, file.assessment, stored.fleet, stored.omitted)
    return run, stored


class Comparison:
    """Says at the end what differs from what was judged then; lives on the controller only.

    Args:
        stored: what is judged again.
        ledger: what becomes of it now.
    """

    def __init__(self, stored: StoredRun, ledger: Ledger) -> None:
        self._stored = stored
        self._ledger = ledger

    def differences(self) -> list[str]:
        """Return a line for each case that came to something else; that it is judged now, and in order, is no news."""
        lines = []
        for record in self._ledger.records:
            before = self._stored.records.get(record["nodeid"])
            then, now = before.outcome if before else "not run then", outcome_of(record)
            if then != now and (then, now) != ("not-judged", "compliant"):
                lines.append(f"{record['nodeid']}: {then} → {now}")
        return lines

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        """Print what differs, above the last line."""
        yield
        lines = self.differences()
        for line in lines:
            terminalreporter.write_line(f"nodered-sec: differs: {line}")
        now = {record["nodeid"] for record in self._ledger.records}
        left = len(self._stored.records.keys() - now)
        number = len(now)
        comparison = (f"{len(lines)} differ" if lines else "none differs") + (
            f"; {left} were not run now" if left else ""
        )
        terminalreporter.write_line(
            f"nodered-sec: judged {counted(number, 'case')} again ({self._stored.line()}): {comparison}"
        )
