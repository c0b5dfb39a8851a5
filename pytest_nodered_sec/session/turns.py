"""The order of cases: some targets after the other, and last of all those that wait for others.

Others are waited for by cases that judge targets beside each other, and by those that judge waivers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.session.state import case_of, control_of, of_suite

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from pytest_nodered_sec.model import Target


TOGETHER: Final = 8  # targets whose cases alternate: with more, pytest's progress would name each file for each target


def by_groups(items: list[pytest.Item], targets: tuple[Target, ...]) -> None:
    """Run the suite for some targets after the other, so that a fleet need not be kept in mind as a whole.

    Only the suite's cases change places, with each other.

    Args:
        items: the tests; changed in place.
        targets: of the run.
    """
    if len(targets) <= TOGETHER:
        return
    group = {target.name: number // TOGETHER for number, target in enumerate(targets)}
    places = [place for place, item in enumerate(items) if of_suite(item.nodeid)]
    cases = sorted((items[place] for place in places), key=lambda item: group.get(_target_of(item), 0))
    for place, item in zip(places, cases, strict=True):
        items[place] = item


def _target_of(item: pytest.Item) -> str:
    case = case_of(item)
    return case.target.name if case and case.target else ""


def in_turns(items: list[pytest.Item]) -> None:
    """Move these cases to the end, whatever plugin reordered the tests: waivers last."""
    if any(_judges_beside(item) or _waiver_of(item) for item in items):
        items.sort(key=lambda item: 2 if _waiver_of(item) else int(_judges_beside(item)))


def judged_beside(items: Iterable[pytest.Item]) -> set[pytest.Item]:
    """Return the cases that judge targets beside each other, and those that judge a waiver of such a case."""
    judging_beside = {item for item in items if _judges_beside(item)}
    controls = {control.id for item in judging_beside if (control := control_of(item))}
    return (
        judging_beside | {item for item in items if _waiver_of(item) in controls} if judging_beside else judging_beside
    )


def _judges_beside(item: pytest.Item) -> bool:
    case = case_of(item)
    return bool(case and case.ask and case.ask.beside)


def _waiver_of(item: pytest.Item) -> str:
    """Return the control whose waiver a case judges, "" for a case that judges none."""
    case = case_of(item)
    if case is None or case.target is None or case.ask is None or case.ask.probe:
        return ""
    return next(waiver.control for waiver in case.target.policy.waivers if str(waiver) == case.ask.label)
