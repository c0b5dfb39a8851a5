"""Whether the site's own account has the rights it should have, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.verdict import NotApplicable, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.account import SignIn
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

_DAY: Final = 86400  # seconds


def account_is_honoured(seen: SignIn, policy: Policy) -> Verdict:
    """The right credentials are accepted, and an account that may only read cannot write."""
    del policy
    if seen.refusal:
        return (
            Violation(
                "account-refused",
                seen.evidence(),
                "the policy's account is accepted",
                f"correct {seen.origin or 'the credentials'}, or the user in settings.js: adminAuth",
            ),
        )
    if seen.write is not None and seen.write.status not in (401, 403):
        return (
            Violation(
                "reader-writes",
                seen.evidence(),
                "401 or 403 to every write of an account with read permission",
                'settings.js: permissions: "read" for that user in adminAuth.users; no proxy that adds another login',
            ),
        )
    return ()


def sessions_are_short(seen: SignIn, policy: Policy) -> Verdict:
    """A session token lives no longer than the policy allows."""
    if seen.refusal:
        return NotApplicable(f"no session began: {seen.evidence()} (see admin-08)")
    if seen.expires_in is None:
        return NotApplicable(f"no session whose life is known: {seen.evidence()}")
    allowed = policy.thresholds.session_days * _DAY
    if seen.expires_in <= allowed:
        return ()
    return (
        Violation(
            "long-session",
            seen.evidence(),
            f"a session token valid for at most {allowed:.0f} s",
            f"settings.js, in adminAuth: sessionExpiryTime: {allowed:.0f}",
        ),
    )
