"""Who may ask the admin API, or any endpoint, without credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.model import NotApplicable, Surface, Violation
from pytest_nodered_sec.model_answers import Kind, Mark

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Verdict
    from pytest_nodered_sec.model_access import AccessAttempt, LoginOffer
    from pytest_nodered_sec.policy import Policy

_ADMIN_AUTH: Final = (
    'settings.js: adminAuth: {type: "credentials", users: [...]}, without a `default` user'  # node-red settings.js
)
_HTTP_NODE_AUTH: Final = 'settings.js: httpNodeAuth: {user: "...", pass: "<bcrypt hash>"}, or a login in the proxy'


def refuses_access(seen: AccessAttempt, policy: Policy) -> Verdict:
    """Access without credentials is refused, or there is nothing to have access to where the policy says so."""
    if seen.kind is Kind.SERVED:
        return (served(seen, _remedy(seen)),)
    if seen.surface is not Surface.ADMIN:
        return () if seen.kind is Kind.REFUSED else NotApplicable(f"{seen.evidence()}: nothing is served there")
    if policy.admin_api == "disabled":
        return _is_off(seen)
    if seen.kind is Kind.REFUSED:
        return ()
    if not seen.view.api_absent:
        return NotApplicable("this Node-RED has no such route")
    if seen.path != "/settings":
        return NotApplicable(f"no admin API at {seen.view.root}: see the instance GET /settings")
    return (
        Violation(
            "no-admin-api",
            f"{seen.evidence()}: no admin API at {seen.view.root}",
            "401 or 403 from the admin API",
            "set --nodered-admin-root to where it is, or --nodered-admin-api=disabled if httpAdminRoot is false",
        ),
    )


def _is_off(seen: AccessAttempt) -> Verdict:
    if seen.kind is Kind.ABSENT or seen.like_canary:
        return ()
    return (
        Violation(
            "not-disabled",
            f"{seen.evidence()}: refused, and not as every path here, so the admin API is there, behind a login",
            "no admin API at all, as the policy says (disabled)",
            "settings.js: httpAdminRoot: false, or say --nodered-admin-api=protected",
        ),
    )


def served(seen: AccessAttempt, remedy: str) -> Violation:
    """Return the violation of something that is served to anybody."""
    if Mark.CLEARTEXT_REDIRECT in seen.answer.marks:
        return Violation(
            "cleartext-redirect",
            seen.evidence(),
            "401 or 403, or a redirect to an https:// login",
            "let the proxy redirect to https:// (nginx: proxy_redirect http:// https://;)",
        )
    return Violation("served", seen.evidence(), "401 or 403", remedy)


def _remedy(seen: AccessAttempt) -> str:
    return _ADMIN_AUTH if seen.surface is Surface.ADMIN else _HTTP_NODE_AUTH


def login_is_configured(seen: LoginOffer, policy: Policy) -> Verdict:
    """Node-RED itself asks for a login: `/auth/login` describes one instead of answering `{}`.

    A described login does not prove protection (a `default` user may read): admin-01 does.
    """
    attempt = seen.attempt
    if attempt.kind is Kind.REFUSED:
        return NotApplicable(f"{attempt.evidence()}: a gate stands in front; the host's settings tell (host-03)")
    if attempt.kind is Kind.ABSENT:
        return NotApplicable(f"{attempt.evidence()}: no admin API at {attempt.view.root}")
    if Mark.LOGIN_CONFIGURED in attempt.answer.marks:
        return ()
    if Mark.LOGIN_OPEN in attempt.answer.marks:
        return (
            Violation(
                "no-login",
                f"{attempt.evidence()}: {{}}, so no login is configured",
                'a login description such as {"type": "credentials", ...}',
                _ADMIN_AUTH,
            ),
        )
    if Mark.CLEARTEXT_REDIRECT in attempt.answer.marks:
        return (served(attempt, _ADMIN_AUTH),)
    return (
        Violation(
            "no-description",
            f"{attempt.evidence()}: something that is not Node-RED's login description",
            'a login description such as {"type": "credentials", ...}',
            "set --nodered-admin-root to where the admin API is",
        ),
    )
