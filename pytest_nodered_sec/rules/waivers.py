"""Whether a waiver is still valid and needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.verdict import NotApplicable, NotJudged, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.waivers import WaiverUse
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict


def is_needed(seen: WaiverUse, policy: Policy) -> Verdict:
    """The waiver holds today, is about a test case of this run, and that case shows the finding."""
    waiver = seen.waiver
    if seen.left_out:
        return NotApplicable(f"the run leaves tests out ({seen.left_out})")
    if not waiver.in_force(seen.today):
        remedy = "fix the finding and remove the waiver, or have it approved again with a new date"
        return _violation(seen, "expired", "a date that has not passed", remedy)
    if not seen.cases:
        if seen.elsewhere:
            return NotApplicable(f"not all of the site's own tests are in this run ({seen.elsewhere})")
        remedy = "correct control and instance as in the test ids (pytest --collect-only -q), or remove it"
        return _violation(seen, "unmatched", "a control and an instance of this target", remedy)
    if seen.needed:
        return ()
    if seen.unknown:
        unseen = any(case.outcome == "could-not-look" for case in seen.cases)
        only = "; a waiver accepts findings only, not what could not be looked at" if unseen else ""
        return NotJudged(f"not judged: {seen.evidence()}{only}")
    if policy.stale_waivers == "warn":
        return ()
    others = sorted({code for case in seen.cases for code in case.findings})
    shown = f"the finding {waiver.finding}" if waiver.finding else "a finding"
    expected = f"{shown}, which no case has" + (f"; they show {', '.join(others)}" if others else "")
    return _violation(seen, "not-needed", expected, "remove it; if it is for other targets or instances, name them")


def _violation(seen: WaiverUse, code: str, expected: str, remedy: str) -> Verdict:
    return (Violation(code, seen.evidence(), expected, f"[[waiver]] of {seen.waiver} in the policy file: {remedy}"),)
