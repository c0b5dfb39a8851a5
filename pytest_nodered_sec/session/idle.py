"""What waivers came to: for waiver-01, which judges each, and for the last lines of a run that has no waiver-01."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.catalogue import PREFIX, bundled
from pytest_nodered_sec.observations.waivers import WaivedCase, WaiverUse
from pytest_nodered_sec.rules.waivers import is_needed
from pytest_nodered_sec.session.state import ELSEWHERE, LEFT_OUT, TARGETS, TODAY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import pytest

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.policy.model import Waiver
    from pytest_nodered_sec.results.records import CollectedCase, Record


def use_of(
    config: pytest.Config,
    target: Target,
    waiver: Waiver,
    collected: Iterable[CollectedCase],
    ran: Mapping[str, Record],
) -> WaiverUse:
    """Return the outcomes of the cases that a waiver covers.

    Args:
        config: pytest's.
        target: whose policy has it.
        waiver: the waiver.
        collected: the cases of the run.
        ran: outcomes of those that ran, by node id.
    """
    of_control = [case for case in collected if case["control"] == waiver.control]
    known = any(case["nodeid"].startswith(f"{PREFIX}/") or case["target"] == target.name for case in of_control)
    return WaiverUse(
        waiver=waiver,
        today=config.stash[TODAY],
        left_out=config.stash[LEFT_OUT],
        elsewhere="" if known else config.stash[ELSEWHERE],
        cases=tuple(
            _waived_case(case["instance"], ran.get(case["nodeid"]))
            for case in of_control
            if case["target"] == target.name and waiver.concerns(case["control"], case["instance"])
        ),
    )


def _waived_case(instance: str, record: Record | None) -> WaivedCase:
    if record is None:
        return WaivedCase(instance, "", ())
    return WaivedCase(instance, record["outcome"], tuple(finding["code"] for finding in record["findings"]))


def lines(config: pytest.Config, collected: Collection[CollectedCase], records: Iterable[Record]) -> list[str]:
    """Return a line for each waiver of the site's own controls that accepts nothing; another line has the expired."""
    ran = {record["nodeid"]: record for record in records}
    told = []
    for target in config.stash[TARGETS]:
        for waiver in target.policy.waivers:
            use = use_of(config, target, waiver, collected, ran)
            verdict = is_needed(use, target.policy) if use.cases or waiver.control not in bundled() else ()
            for violation in verdict if isinstance(verdict, tuple) else ():
                if violation.code != "expired":
                    told.append(f"{target.name}: {violation.observed}; expected {violation.expected}")
    return told
