"""Whether a waiver is still right, by the table."""

from __future__ import annotations

from datetime import date

import pytest

from pytest_nodered_sec.observations.waivers import WaivedCase, WaiverUse
from pytest_nodered_sec.policy.model import Policy, StaleWaivers, Waiver
from pytest_nodered_sec.rules.waivers import is_needed
from pytest_nodered_sec.verdict import NotApplicable, NotJudged, Verdict

WAIVER = Waiver("admin-01", date(2030, 12, 31), "behind a fence", "served")
LAST_DAY = date(2030, 12, 31)
WAIVED = WaivedCase("GET /flows", "waived", ("served",))
OTHER = WaivedCase("GET /nodes", "non-compliant", ("cleartext-redirect",))
BOTH = WaivedCase("GET /nodes", "non-compliant", ("served", "cleartext-redirect"))
GOOD = WaivedCase("GET /nodes", "compliant", ())
ABSENT = WaivedCase("GET /nodes", "not-applicable", ())
ERROR = WaivedCase("GET /nodes", "could-not-look", ())
UNJUDGED = WaivedCase("GET /nodes", "not-judged", ())
UNRUN = WaivedCase("GET /nodes", "", ())


def use(
    *cases: WaivedCase, waiver: Waiver = WAIVER, today: date = LAST_DAY, left_out: str = "", elsewhere: str = ""
) -> WaiverUse:
    return WaiverUse(waiver, today, left_out, elsewhere, cases)


def codes(verdict: Verdict) -> list[str]:
    assert isinstance(verdict, tuple)
    return [violation.code for violation in verdict]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (use(WAIVED), []),
        (use(GOOD, WAIVED, ERROR), []),
        (use(BOTH), []),  # the case fails by its other finding; this one is still there
        (use(WAIVED, today=date(2031, 1, 1)), ["expired"]),
        (use(GOOD, today=date(2031, 1, 1)), ["expired"]),
        (use(), ["unmatched"]),
        (use(GOOD), ["not-needed"]),
        (use(ABSENT), ["not-needed"]),
        (use(OTHER, GOOD), ["not-needed"]),
        (use(OTHER, waiver=Waiver("own-01", LAST_DAY, "why")), []),  # whatever the only finding is called
    ],
)
def test_verdicts(seen: WaiverUse, expected: list[str]) -> None:
    assert codes(is_needed(seen, Policy())) == expected


@pytest.mark.parametrize("case", [ERROR, UNJUDGED, UNRUN])
def test_what_was_not_judged_may_still_need_it(case: WaivedCase) -> None:
    verdict = is_needed(use(GOOD, case), Policy())
    assert isinstance(verdict, NotJudged)
    assert verdict.reason.startswith("not judged: waiver of admin-01 served, until 2030-12-31: behind a fence: 1 comp")
    said = verdict.reason.endswith("; a waiver accepts findings only, not what could not be looked at")
    assert said == (case is ERROR)


def test_a_narrowed_run_judges_no_waiver() -> None:
    assert is_needed(use(left_out="-k", today=date(2040, 1, 1)), Policy()) == NotApplicable(
        "the run leaves tests out (-k)"
    )
    assert is_needed(use(elsewhere="paths were named"), Policy()) == NotApplicable(
        "not all of the site's own tests are in this run (paths were named)"
    )


@pytest.mark.parametrize(("stale", "expected"), [("fail", ["not-needed"]), ("warn", [])])
def test_the_policy_can_soften_what_is_no_longer_needed(stale: StaleWaivers, expected: list[str]) -> None:
    policy = Policy(stale_waivers=stale)
    assert codes(is_needed(use(GOOD), policy)) == expected
    assert codes(is_needed(use(), policy)) == ["unmatched"]
    assert codes(is_needed(use(WAIVED, today=date(2031, 1, 1)), policy)) == ["expired"]


def test_a_finding_says_what_to_do() -> None:
    (violation,) = is_needed(use(OTHER, GOOD), Policy())  # type: ignore[misc]  # a tuple of one
    assert violation.observed == (
        "waiver of admin-01 served, until 2030-12-31: behind a fence: 1 non-compliant, 1 compliant"
    )
    assert violation.expected == "the finding served, which no case has; they show cleartext-redirect"
    assert violation.remedy.startswith("[[waiver]] of admin-01 served in the policy file: remove it")
    (violation,) = is_needed(use(GOOD, waiver=Waiver("own-01", LAST_DAY, "why")), Policy())  # type: ignore[misc]  # a verdict may also be no tuple
    assert violation.expected == "a finding, which no case has"
    assert use(waiver=WAIVER).evidence().endswith(": no matching test case")
    assert use(UNRUN).evidence().endswith(": 1 did not run")


@pytest.mark.parametrize(
    ("seen", "stale"),
    [(use(GOOD), True), (use(), False), (use(GOOD, left_out="-k"), False), (use(WAIVED), False), (use(ERROR), False)],
)
def test_stale(seen: WaiverUse, stale: bool) -> None:
    assert seen.stale is stale
