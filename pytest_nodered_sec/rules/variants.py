"""Whether a path that is asked for in another way passes the rule that guards it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.model import NotApplicable, Violation
from pytest_nodered_sec.model_answers import Kind
from pytest_nodered_sec.rules.access import refuses_access

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Verdict
    from pytest_nodered_sec.model_access import VariantAttempt
    from pytest_nodered_sec.policy import Policy


def spelling_opens_nothing(seen: VariantAttempt, policy: Policy) -> Verdict:
    """Another spelling of a path reaches nothing that the path itself refuses."""
    attempt, plain = seen.attempt, seen.plain
    if plain is None:
        return refuses_access(attempt, policy)
    if plain.kind is Kind.SERVED:
        return NotApplicable(f"{plain.evidence()}: served under its own name too")
    path = plain.view.root.rstrip("/") + plain.path
    return (
        Violation(
            "spelling",
            f"{attempt.evidence()}, while {plain.path} answered {plain.answer.line()}",
            "what the path itself answers",
            f"nginx: location ~* ^{path}(/|$) instead of location {path} (Express ignores letter case and one "
            "trailing slash), or let Node-RED itself refuse: settings.js: adminAuth, httpNodeAuth",
        ),
    )


def identity_header_opens_nothing(seen: VariantAttempt, policy: Policy) -> Verdict:
    """A stranger who claims to be somebody reaches nothing that he is refused without the claim."""
    attempt, plain = seen.attempt, seen.plain
    reason = policy.public_reason(seen.asked)
    if reason:
        return NotApplicable(f"declared public: {reason}")
    if plain is None:
        return () if attempt.kind is Kind.REFUSED else NotApplicable(f"{attempt.evidence()}: nothing is served there")
    if plain.kind is Kind.SERVED:
        return NotApplicable(f"{plain.evidence()}: served without any claim too")
    return (
        Violation(
            "believed",
            f"{attempt.evidence()}, and {plain.answer.line()} without it",
            "what a stranger gets without it",
            'let the gate drop the header: nginx: proxy_set_header NAME ""; Caddy: request_header -NAME',
        ),
    )


def page_spelling_opens_nothing(seen: VariantAttempt, policy: Policy) -> Verdict:
    """Another spelling of a dashboard's path opens no page that the path itself refuses."""
    reason = policy.public_reason(seen.asked)
    return NotApplicable(f"declared public: {reason}") if reason else spelling_opens_nothing(seen, policy)
