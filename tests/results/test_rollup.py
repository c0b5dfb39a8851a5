"""What became of every control: the worst of its instances, and the line that sums up."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import pytest

from pytest_nodered_sec.results.metadata import AttestationFacts
from pytest_nodered_sec.results.records import Account, CollectedCase, Record, Waived
from pytest_nodered_sec.results.rollup import ORDER, accounts, line

WAIVED = Waived(reason="a fence", expires="2030-12-31", approver="", ticket="", measure="", findings=["served"])


def case(control: str, instance: str, target: str = "plant") -> CollectedCase:
    return {
        "nodeid": f"x.py::test_{control}[{target}-{instance}]",
        "control": control,
        "title": f"Title of {control}.",
        "severity": "high",
        "target": target,
        "instance": instance,
    }


def record(collected: CollectedCase, outcome: str, **more: Any) -> Record:
    plain: dict[str, Any] = {
        **collected, "observed": "", "outcome": outcome, "reason": "", "findings": [], "waiver": None, "started": "",
        "seconds": 0.0, "policy_sha256": "",
    }  # fmt: skip
    return cast("Record", plain | more)


def account(*outcomes: str) -> Account:
    cases = [case("site-01", str(number)) for number, _ in enumerate(outcomes)]
    records = [
        record(collected, outcome)
        for collected, outcome in zip(cases, outcomes, strict=True)
        if outcome != "not-selected"
    ]
    (row,) = accounts(cases, records, [], "-k")
    return row


@pytest.mark.parametrize(("worse", "better"), list(pairwise(ORDER)))
def test_the_worst_instance_decides(worse: str, better: str) -> None:
    assert account(better, worse, better)["outcome"] == worse
    assert account(better)["outcome"] == better


def test_an_account_in_full() -> None:
    cases = [case("site-01", "a"), case("site-01", "b"), case("site-02", ""), case("site-01", "a", "other")]
    records = [
        record(cases[0], "compliant"),
        record(cases[1], "waived", severity="critical", waiver=WAIVED),
        record(cases[2], "not-applicable", reason="none here"),
    ]
    assert accounts(cases, records, [], "-x") == [
        {
            "control": "site-01", "title": "Title of site-01.", "severity": "critical", "target": "plant",
            "outcome": "waived", "reason": "a fence", "instances": {"waived": 1, "compliant": 1},
        },
        {
            "control": "site-02", "title": "Title of site-02.", "severity": "high", "target": "plant",
            "outcome": "not-applicable", "reason": "none here", "instances": {"not-applicable": 1},
        },
        {
            "control": "site-01", "title": "Title of site-01.", "severity": "high", "target": "other",
            "outcome": "not-selected", "reason": "-x", "instances": {"not-selected": 1},
        },
    ]  # fmt: skip


def test_the_last_run_of_a_case_counts() -> None:
    collected = case("site-01", "a")
    (row,) = accounts([collected], [record(collected, "non-compliant"), record(collected, "compliant")], [], "")
    assert (row["outcome"], row["instances"]) == ("compliant", {"compliant": 1})


def test_what_took_its_process_down_could_not_be_looked_at() -> None:
    collected = case("site-01", "a")
    (row,) = accounts([collected], [], [collected["nodeid"]], "")
    assert (row["outcome"], row["reason"]) == ("could-not-look", "the test crashed its process")


def test_without_a_list_of_what_was_collected_records_speak_for_themselves() -> None:
    (row,) = accounts([], [record(case("site-01", "a"), "compliant")], [], "")
    assert (row["control"], row["outcome"]) == ("site-01", "compliant")


def test_the_line() -> None:
    outcomes = ["compliant"] * 3 + ["non-compliant", "waived", "not-applicable", "not-judged"]
    some = [accounts([collected], [record(collected, how)], [], "")[0] for collected, how in _cases(outcomes)]
    assert line(some[:5], "") == "judged 5 of 5 controls"
    assert line(some, "") == "judged 5 of 7 controls; 1 not applicable, 1 not judged"
    left = accounts([case("site-99", "")], [], [], "-k")
    assert line([*some, *left], "-k") == "judged 5 of 8 controls; 1 not applicable, 1 not judged, 1 not selected (-k)"
    other = accounts([case("site-01", "", "other")], [record(case("site-01", "", "other"), "could-not-look")], [], "")
    assert line([*some[:1], *other], "") == "judged 1 of 2 controls at 2 targets; 1 could not be looked at"


def _cases(outcomes: list[str]) -> list[tuple[CollectedCase, str]]:
    return [(case(f"site-{number}", ""), outcome) for number, outcome in enumerate(outcomes)]


VOUCHED = AttestationFacts(
    control="site-01", by="J. Doe", dated="2026-11-01", until="2026-11-30", statement="it is locked", document="",
    sha256="", in_force=True,
)  # fmt: skip


@pytest.mark.parametrize("outcome", ORDER)
def test_somebody_vouches_for_what_was_not_judged_and_for_nothing_else(outcome: str) -> None:
    collected = case("site-01", "a")
    records = [] if outcome == "not-selected" else [record(collected, outcome, reason="no account")]
    (row,) = accounts([collected], records, [], "-k", {"plant": [VOUCHED]})
    assert row["outcome"] == ("attested" if outcome == "not-judged" else outcome)
    assert row["instances"] == {outcome: 1}
    if outcome == "not-judged":
        said = "no account; attested by J. Doe on 2026-11-01, until 2026-11-30: it is locked"
        assert row["reason"] == said
        assert line([row], "") == "judged 0 of 1 controls; 1 attested"


def test_an_expired_attestation_counts_as_not_judged() -> None:
    expired = AttestationFacts(**{**VOUCHED, "in_force": False, "control": "phys-01"})
    (row,) = accounts([], [], [], "", {"plant": [expired]})
    assert (row["control"], row["outcome"], row["title"]) == ("phys-01", "not-judged", "it is locked")
    assert "not in force: until 2026-11-30" in row["reason"]
    assert line([row], "") == "judged 0 of 1 controls; 1 not judged"
    renewed = AttestationFacts(**{**VOUCHED, "control": "phys-01"})
    for both in ([expired, renewed], [renewed, expired]):
        (row,) = accounts([], [], [], "", {"plant": both})
        assert row["outcome"] == "attested"
