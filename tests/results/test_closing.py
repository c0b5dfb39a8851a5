"""The last lines of a run."""

from __future__ import annotations

from reported import record

from pytest_nodered_sec.results.closing import NOTHING, answered, summary, unanswered
from pytest_nodered_sec.results.gate import Gate

WHY = "no answer within 10 s"


def dead(name: str, why: str = WHY) -> list[object]:
    return [
        record("could-not-look", "reach-01", name, reason=why),
        record("could-not-look", "tls-01", name, reason="see reach-01"),
    ]


def told(*records: object, alone: str = "") -> list[str]:
    names = dict.fromkeys(case["target"] for case in records)  # type: ignore[index]  # records
    return unanswered(records, names, answered(records, "waiver-01"), alone)  # type: ignore[arg-type]  # as above


def test_targets_that_answered_nothing_are_told_with_the_cause() -> None:
    alive, paper = record("compliant", target="alive"), record("compliant", "waiver-01", "a")
    assert told(alive) == []
    assert told(alive, paper, *dead("a"), *dead("b"), *dead("c", "refused")) == [
        f"{NOTHING} of a, b: {WHY}",
        f"{NOTHING} of c: refused",
    ]
    assert told(*dead("a")) == [f"{NOTHING}: a: {WHY}"]
    assert told(alone="nothing") == ["nothing"]
    mute = [record("could-not-look", target="mute", reason=why) for why in ("one", "two", "two")]
    assert told(alive, *mute) == [f"{NOTHING} of mute: two"]


def test_a_fleets_silent_targets_share_one_line_where_each_has_a_cause_of_its_own() -> None:
    silent = [case for n in range(30) for case in dead(f"gw-{n:02}", f"gw-{n:02}.example: connecting timed out")]
    assert told(record("compliant", target="alive"), *silent) == [
        f"{NOTHING} of 30 targets (gw-00, gw-01, gw-02, gw-03 and 26 more): their lines above say why"
    ]


def test_the_counts_are_those_of_the_cases() -> None:
    cases = [record("compliant"), record("non-compliant"), record("not-judged", number=1), *dead("b")]
    lost = [record("could-not-look", "tls-02", "b", reason="the test crashed its process")]
    assert summary(cases, lost, 2, Gate("critical", {})) == (
        "2 targets · 1 compliant · 1 non-compliant (1 critical; only new findings fail the run) · 0 waived · "
        "3 errors · 0 not applicable · 1 not judged"
    )
