"""The end of the terminal: findings folded by control and cause, then what to change at each target, worst first.

Every case is shown, as pytest does it, with `-v`, `-rA` or `--nodered-show=all`; a user's own failures always are. A
`--tb=short` (long, native) that is typed shows each failure, too, and `--tb=line` a line for each finding; `-q` leaves
out what each change ends, `-qq` all but a line for each target.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_nodered_sec import private
from pytest_nodered_sec.evidence import changes, fix, fleet
from pytest_nodered_sec.evidence.files import check_unused
from pytest_nodered_sec.evidence.plans import alike, front, names, told
from pytest_nodered_sec.policy.model import PolicyError
from pytest_nodered_sec.remedies.model import SEVERITIES
from pytest_nodered_sec.results.referring import reasons, referred
from pytest_nodered_sec.results.rollup import JUDGED
from pytest_nodered_sec.session.state import LAB, of_suite
from pytest_nodered_sec.texts import counted, listed

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from pytest_nodered_sec.evidence.changes import Record, TargetPlan
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.session.ledger import Ledger
    from pytest_nodered_sec.session.settings import Settings

_DETAILED: Final = ("long", "short", "native")  # styles in which pytest shows each failure; in "line" we do
_CAUSES: Final = 6  # reasons for could-not-look that are shown
_LONG: Final = 240  # characters of what was seen, which may be a list of cipher suites
_WIDE: Final = 20  # changes that are shown of many targets
_REACH: Final = "reach-01"  # carries the cause where nothing could be looked at


def register(
    config: pytest.Config,
    book: Ledger,
    targets: Sequence[Target],
    settings: Settings,
    *,
    said: Mapping[str, Any] | None,
) -> None:
    """Make ready to end the terminal's output, and to write changes where they are wanted.

    Args:
        config: pytest's.
        book: what became of each case.
        targets: what is looked at.
        settings: of the run.
        said: policy keys that options and environment set; None where there is a policy file.

    Raises:
        UsageError: they cannot be written.
    """
    folder = Path(settings.one("fix", "")).expanduser() if settings.many("fix") else None
    if folder is not None:
        try:
            check_unused(folder, "--nodered-fix")
        except PolicyError as error:
            raise pytest.UsageError(str(error)) from None
    if not hasattr(config.option, "verbose"):  # -p no:terminal: there is no terminal to end
        verbosity, marked, style = 0, "", ""
    else:
        verbosity, marked, style = config.option.verbose, config.option.reportchars, config.option.tbstyle
    show_all = verbosity > 0 or "A" in marked or settings.one("show", "changes") == "all"
    lab = {deployment["label"]: deployment["name"] for deployment in config.stash.get(LAB, [])}
    ending = Ending(
        book,
        targets,
        show_all=show_all,
        folder=folder,
        said=said,
        lab=lab,
        style=style if _typed(config, "--tb") else "",
        quiet=-min(0, verbosity),
    )
    config.pluginmanager.register(ending, "nodered-sec-ending")


def _typed(config: pytest.Config, option: str) -> bool:
    """Whether an option stands on the command line, and not in addopts alone, where it is meant for other tests."""
    return any(arg == option or arg.startswith(f"{option}=") for arg in config.invocation_params.args)


class Ending:
    """Folds what pytest would list, and prints the plan below it.

    Args:
        book: what became of each case.
        targets: what is looked at.
        show_all: whether pytest lists every case.
        folder: where the changes are written, None for nowhere.
        said: policy keys that options and environment set; None where there is a policy file.
        lab: which targets are the lab's, by name, and which deployment each is: a name, or a directory.
        style: of tracebacks, where it was typed; "" otherwise.
        quiet: how many `-q` were given.
    """

    def __init__(
        self,
        book: Ledger,
        targets: Sequence[Target],
        *,
        show_all: bool,
        folder: Path | None,
        said: Mapping[str, Any] | None = None,
        lab: Mapping[str, str] = MappingProxyType({}),
        style: str = "",
        quiet: int = 0,
    ) -> None:
        self._book = book
        self._targets = targets
        self._show_all = show_all
        self._folder = folder
        self._said_of_targets = said
        self._lab = lab
        self._style = style
        self._quiet = quiet
        self._said: list[str] = []
        self._plans: tuple[TargetPlan, ...] = ()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Make the plans, and write them where they are wanted."""
        if not self._book.records:
            return
        self._plans = changes.of_run(self._targets, self._book.records, self._book.facts())
        if self._folder is None:
            return
        if not any(planned.steps for planned in self._plans):
            self._said.append(f"--nodered-fix: nothing was found to change, so {self._folder} is not written")
        for planned in self._plans:
            try:
                lab = self._lab.get(planned.target.name, "")
                place = fix.fill(self._folder, planned, lab, said=self._said_of_targets)
            except OSError as error:
                self._said.append(f"--nodered-fix is not complete: {error.filename}: {error.strerror}")
                session.exitstatus = pytest.ExitCode.USAGE_ERROR
                continue
            if place is not None:
                self._said.append(f"what to change at {planned.target.name} is written to {place / fix.PAGE}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        """Keep folded cases from pytest's own sections, and print what they come to."""
        if self._show_all:
            yield
        else:
            with private.unlisted(terminalreporter, _is_folded, details=self._style in _DETAILED):
                yield
        lines = self.lines()
        if lines:
            terminalreporter.section("nodered-sec", sep="=")
        for line in (*lines, *(f"nodered-sec: {line}" for line in self._said)):
            terminalreporter.write_line(line)

    def lines(self) -> list[str]:
        """Return findings, could-not-looks, changes and a line for each target."""
        records = self._book.records
        judged = {record["target"] for record in records if record["outcome"] in JUDGED}
        folded = [record for record in records if of_suite(record["nodeid"]) and record["target"] in judged]
        if self._quiet > 1:
            folded = []
        alone = len(self._plans) == 1
        found_there = _findings(folded, each=self._style == "line", alone=alone)
        shown = [] if self._show_all else [*found_there, *_causes(folded)]
        many = len(self._plans) > fleet.FEW
        tell = _fleet_wide if many else _changes
        plans = tell(self._plans, self._quiet, written=self._folder is not None)
        summed = [
            standing.line(alone=alone)
            for standing in fleet.standings(self._plans, records)
            if not (alone and standing.silent)
        ]
        return [*shown, *([""] if shown and plans else []), *plans, *([""] if plans else []), *summed]


def _is_folded(report: Any) -> bool:  # Any: pytest's reports
    """Whether what a report says is told by the folded findings."""
    return getattr(report, "nodered", None) is not None and of_suite(report.nodeid)


def _findings(records: Iterable[Record], *, each: bool, alone: bool) -> list[str]:
    """Return a line for each control and code, or for each finding, worst first; with a target that is not alone."""
    groups: dict[tuple[str, str, str], list[tuple[Record, dict[str, str]]]] = defaultdict(list)
    for record in records:
        if record["outcome"] == "non-compliant":
            accepted = record["waiver"]["findings"] if record["waiver"] else ()
            for finding in record["findings"]:
                if finding["code"] not in accepted:
                    groups[record["control"], finding["severity"], finding["code"]].append((record, finding))
    ordered = sorted(groups, key=lambda group: (SEVERITIES.index(group[1]), group[0]))
    if each:
        return [
            f"{' '.join(group)} · {_at(record, alone=alone)}{finding['observed']}"
            for group in ordered
            for record, finding in groups[group]
        ]
    lines = []
    for group in ordered:
        record, finding = groups[group][0]
        observed = _at(record, alone=alone) + _brief(finding["observed"])
        lines.append(f"{' '.join(group)} · {observed}{_more(groups[group])}")
    return lines


def _at(record: Record, *, alone: bool) -> str:
    return "" if alone else f"{record['target']}: "


def _brief(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def _more(cases: Sequence[tuple[Record, dict[str, str]]]) -> str:
    targets = len({record["target"] for record, _ in cases})
    more = len(cases) - 1
    where = f", at {targets} targets" if targets > 1 else ""
    return f" · and {more} more{where}" if more else ""


def _causes(records: Iterable[Record]) -> list[str]:
    """Return a line for each reason why something could not be looked at, with the controls that have it."""
    causes: dict[str, list[Record]] = defaultdict(list)
    for record, reason in reasons(record for record in records if record["outcome"] == "could-not-look"):
        if referred(record["reason"])[0] != _REACH:  # which stands for all
            causes[reason].append(record)
    lines = [
        f"could not look · {listed([record['target'] for record in causes[reason]])}: {reason} "
        f"({listed([record['control'] for record in causes[reason]])})"
        for reason in sorted(causes, key=lambda reason: (not _explains(causes[reason]), -len(causes[reason])))
    ]
    more = len(lines) - _CAUSES
    return lines[:_CAUSES] + ([f"could not look · {counted(more, 'more reason')}: -v shows them"] if more > 0 else [])


def _explains(records: Iterable[Record]) -> bool:
    """Whether a reason is one of why the target cannot be looked at: it explains the others."""
    return any(record["control"] == _REACH for record in records)


def _changes(plans: Sequence[TargetPlan], quiet: int, *, written: bool) -> list[str]:
    """Return the changes, worst first; targets that need the same share one list."""
    lines: list[str] = []
    groups = sorted(alike(plans), key=lambda group: SEVERITIES.index(group[0].steps[0].severity))
    for group in groups if quiet < 2 else ():
        files = not written and any(fix.configuration(planned) for planned in group)
        hint = "; --nodered-fix=DIR writes it as files" if files else ""
        lines.append(f"What to change at {names(group)} ({front(group[0])}{hint}):")
        for place, step in enumerate(told(group), 1):
            lines.append(f"{place:3}. {step.severity} · {step.what}")
            if not quiet:
                lines.append(f"     {step.ends}" + (f" · {step.guide}" if step.guide else ""))
    return lines


def _fleet_wide(plans: Sequence[TargetPlan], quiet: int, *, written: bool) -> list[str]:
    """Return the changes of many targets, each once: how many need it, and which."""
    causes = fleet.causes(plans) if quiet < 2 else []
    if not causes:
        return []
    hint = "" if written else "; --nodered-fix=DIR writes a folder of each"
    needy = sum(bool(planned.steps) for planned in plans)
    where = counted(len(plans), "target") if needy == len(plans) else f"{needy} of {counted(len(plans), 'target')}"
    lines = [f"What to change at {where}, worst first{hint}:"]
    for place, cause in enumerate(causes[:_WIDE], 1):
        lines.append(
            f"{place:3}. {cause.severity} · {cause.what} · {counted(len(cause.targets), 'target')}: "
            f"{listed(cause.targets)}"
        )
        if not quiet:
            ends = f"fixes {counted(cause.findings, 'finding')} of {listed(cause.controls)}"
            lines.append(f"     {ends}" + (f" · {cause.guide}" if cause.guide else ""))
    more = len(causes) - _WIDE
    return lines + ([f"     and {counted(more, 'change')} more: --nodered-report=FILE has all"] if more > 0 else [])
