"""Whether the admin API, or any endpoint, refuses requests without credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.answers import REFUSALS, Kind, Mark, Refuser
from pytest_nodered_sec.remedies.lines import ADMIN_AUTH, HTTP_NODE_AUTH
from pytest_nodered_sec.verdict import NotApplicable, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.access import AccessAttempt, LoginOffer
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

_DASHBOARDS: Final = ("/ui", "/dashboard")  # the products' defaults
_END_IT: Final = (
    "end the answer where its status is set: settings.js: httpAdminMiddleware, ui.middleware, dashboard.middleware: "
    "return res.sendStatus(401), without next()"
)


def refuses_access(seen: AccessAttempt, policy: Policy) -> Verdict:
    """Access without credentials is refused, or the path is absent if the policy demands that."""
    if seen.kind is Kind.SERVED:
        return (served(seen, _remedy(seen)),)
    if seen.surface is not Surface.ADMIN:
        return () if seen.kind is Kind.REFUSED else NotApplicable(f"{seen.evidence()}: nothing is served there")
    if policy.admin_api == "disabled":
        return _is_off(seen, policy)
    if seen.kind is Kind.REFUSED:
        return ()
    if not seen.view.api_absent:
        return NotApplicable(seen.evidence() if seen.classified.why else "this Node-RED has no such route")
    if seen.path != "/settings":
        return NotApplicable(f"no admin API at {seen.view.root}: see the instance GET /settings")
    return (
        Violation(
            "no-admin-api",
            f"{seen.evidence()}: no admin API at {seen.view.root}",
            "401 or 403 from the admin API",
            "set --nodered-admin-root to where it is, or --nodered-admin-api=disabled if httpAdminRoot is false or the "
            "front does not pass it on",
        ),
    )


def _is_off(seen: AccessAttempt, policy: Policy) -> Verdict:
    if seen.kind is Kind.ABSENT or seen.like_canary:
        return ()
    below = any(seen.absolute.startswith(f"{path.rstrip('/')}/") for path in policy.dashboards or _DASHBOARDS)
    if seen.kind is Kind.REFUSED and seen.refuser is not Refuser.NODE_RED and below:
        return NotApplicable(f"{seen.evidence()}: the gate of a dashboard, which says nothing of the admin API")
    return (
        Violation(
            "not-disabled",
            f"{seen.evidence()}: refused, unlike a random path, so the admin API is enabled, behind a login",
            "no admin API (the policy says disabled)",
            "settings.js: httpAdminRoot: false, or say --nodered-admin-api=protected",
        ),
    )


def served(seen: AccessAttempt, remedy: str) -> Violation:
    """Return the violation for a path that is served without a login."""
    if seen.answer.status in REFUSALS:
        expected, remedy = "401 or 403, and nothing after it", _END_IT
    else:
        expected = "401 or 403"
    return Violation("served", seen.evidence(), expected, remedy)


def _remedy(seen: AccessAttempt) -> str:
    return ADMIN_AUTH if seen.surface is Surface.ADMIN else HTTP_NODE_AUTH


def login_is_configured(seen: LoginOffer, policy: Policy) -> Verdict:
    """Node-RED itself asks for a login: `/auth/login` describes one instead of answering `{}`.

    A described login does not prove protection (a `default` user may read): admin-01 does.
    """
    attempt = seen.attempt
    if attempt.kind is Kind.REFUSED:
        return NotApplicable(f"{attempt.evidence()}: a login in front of it refused; see host-03")
    if attempt.kind is Kind.ABSENT:
        return NotApplicable(f"{attempt.evidence()}: no admin API at {attempt.view.root}")
    if Mark.LOGIN_CONFIGURED in attempt.answer.marks:
        return ()
    if Mark.LOGIN_OPEN in attempt.answer.marks:
        return (
            Violation(
                "no-login",
                f"{attempt.evidence()}: {{}}, so no login is configured",
                'a login description, such as {"type": "credentials"} with its prompts',
                ADMIN_AUTH,
            ),
        )
    return (
        Violation(
            "no-description",
            f"{attempt.evidence()}: something that is not Node-RED's login description",
            'a login description, such as {"type": "credentials"} with its prompts',
            "set --nodered-admin-root to where the admin API is",
        ),
    )
