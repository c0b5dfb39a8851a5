"""Whether the site's own account works as an account should."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.model import NotApplicable, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Verdict
    from pytest_nodered_sec.model_account import SignIn
    from pytest_nodered_sec.policy import Policy

_DAY: Final = 86400  # seconds


def account_is_honoured(seen: SignIn, policy: Policy) -> Verdict:
    """The right credentials are accepted, and an account that may only read cannot write."""
    del policy
    if seen.refusal:
        return (
            Violation(
                "account-refused",
                seen.evidence(),
                "the account that the policy names is accepted, so that refusals are about credentials",
                "correct the credentials, or the user in settings.js: adminAuth",
            ),
        )
    if seen.write is not None and seen.write.status not in (401, 403):
        return (
            Violation(
                "reader-writes",
                seen.evidence(),
                "401 or 403 to every write of an account with read permission",
                'settings.js: adminAuth: {users: [{..., permissions: "read"}]}, and no proxy that adds another login',
            ),
        )
    return ()


def sessions_are_short(seen: SignIn, policy: Policy) -> Verdict:
    """A session token lives no longer than the policy allows."""
    if seen.refusal:
        return NotApplicable(f"no session began: {seen.evidence()} (admin-08 judges that)")
    if seen.expires_in is None:
        return NotApplicable(f"no session began: {seen.evidence()}")
    allowed = policy.thresholds.session_days * _DAY
    if seen.expires_in <= allowed:
        return ()
    return (
        Violation(
            "long-session",
            seen.evidence(),
            f"a session token that lives at most {allowed:.0f} s",
            f"settings.js: adminAuth: {{..., sessionExpiryTime: {allowed:.0f}}}",
        ),
    )
