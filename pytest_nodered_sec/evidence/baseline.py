"""Reading an earlier run to compare with, and what the end of the terminal says of the comparison."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from pytest_nodered_sec import texts
from pytest_nodered_sec.evidence.folder import RESULTS, RUN, check
from pytest_nodered_sec.evidence.headline import SEVERITIES
from pytest_nodered_sec.policy.model import PolicyError
from pytest_nodered_sec.results.baseline import Baseline, Change, answered, open_findings
from pytest_nodered_sec.texts import listed

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path

    from pytest_nodered_sec.results.baseline import Since
    from pytest_nodered_sec.session.ledger import Ledger

_ENOUGH: Final = 12  # lines of one kind in the terminal; the reports have more
_LONG: Final = 160  # characters of one text


def read(folder: Path) -> Baseline:
    """Read the evidence folder of an earlier run, which is as it was written.

    Raises:
        PolicyError: it is not, or it is of a version that this one cannot read.
    """
    check(folder, "--nodered-baseline")
    try:
        run = json.loads((folder / RUN).read_text(encoding="utf-8"))
        lines = (folder / RESULTS).read_text(encoding="utf-8").split("\n")
        records = [json.loads(line) for line in lines if line]
        targets = {target["name"]: target for target in run["facts"]["targets"]}
        _ = [(target["policy_sha256"], target["identity"]["leaf_sha256"]) for target in targets.values()]  # readable
        _ = [(target["identity"]["key_sha256"], target["identity"]["node_red"]) for target in targets.values()]
        looked = str((run.get("looked") or {"at": run["facts"]["started"]})["at"])
        return Baseline(folder.resolve().name, looked, open_findings(records), answered(records), targets)
    except (KeyError, TypeError, AttributeError, RecursionError, ValueError) as error:
        raise PolicyError(f"--nodered-baseline: {folder} cannot be read by this version: {error}") from None


def causes(changes: Iterable[Change]) -> list[tuple[Change, list[str], int]]:
    """Return changes that have control, code and severity in common as one: the first, its targets, how many there are.

    The order is that of `changes`, the worst first.
    """
    alike: dict[tuple[str, str, str, str], list[Change]] = {}
    for change in changes:
        alike.setdefault((change.control, change.code, change.severity, change.why), []).append(change)
    groups = sorted(alike.values(), key=lambda each: SEVERITIES.index(each[0].severity))
    return [(each[0], list(dict.fromkeys(change.target for change in each)), len(each)) for each in groups]


def lines(since: Since) -> list[str]:
    """Return the comparison for a terminal: the numbers, then what is new, fixed, unknown or changed, some of each."""
    kinds = (
        ("new", _findings(since.new)),
        ("fixed", _findings(since.fixed)),
        ("waived or not applicable now", _findings(since.dropped)),
        ("not looked at again", _findings(since.unknown)),
        ("unreachable", [f"{turn.target}: {turn.what}" for turn in since.unreachable]),
        ("changed", [f"{turn.target}: {turn.what}" for turn in (*since.turns, *since.added)]),
        ("not in this run", [listed(since.absent)] if since.absent else []),
    )
    shown = [since.line]
    for kind, told in kinds:
        shown += [f"{kind}: {texts.in_one_line(line, 2 * _LONG)}" for line in told[:_ENOUGH]]
        shown += [f"{kind}: {len(told) - _ENOUGH} more; the reports list them"] if len(told) > _ENOUGH else []
    return shown


def _findings(changes: Sequence[Change]) -> list[str]:
    return [
        f"{change.control} {change.severity} {change.code} at {listed(targets)} · "
        + texts.in_one_line(change.why or change.observed, _LONG)
        + (f" · and {number - 1} more" if number > 1 else "")
        for change, targets, number in causes(changes)
    ]


class Comparison:
    """Says at the end what changed since the baseline; lives on the controller only.

    Args:
        ledger: what became of each case.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        """Print it, above the last lines."""
        yield
        since = self._ledger.since(self._ledger.facts()) if self._ledger.records else None
        for line in lines(since) if since else ():
            terminalreporter.write_line(f"nodered-sec: {line}")
