"""Whether the editor is gone, or at least behind a login."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.observations.answers import Kind, Mark, Refuser
from pytest_nodered_sec.remedies.lines import ADMIN_AUTH
from pytest_nodered_sec.verdict import NotApplicable, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

_DISABLE: Final = "settings.js: disableEditor: true"


def editor_is_off_or_protected(seen: AccessAttempt, policy: Policy) -> Verdict:
    """The editor page is not served (policy `disabled`), or its settings are refused (policy `protected`).

    With Node-RED's own login the page is public by design and asks for the login in the browser; what counts
    is that `/settings` is refused.
    """
    if Mark.EDITOR not in seen.answer.marks:
        return ()
    if policy.editor == "disabled":
        return (Violation("editor-served", f"{seen.evidence()}: the editor", "404, or no editor page", _DISABLE),)
    settings = seen.view.settings
    if settings is not None and settings.kind is Kind.REFUSED:
        return ()
    line = settings.answer.line() if settings is not None else "nothing"
    return (
        Violation(
            "editor-open",
            f"{seen.evidence()}: the editor, and {settings.path if settings else '/settings'} answered {line}",
            "401 or 403 for /settings",
            ADMIN_AUTH,
        ),
    )


def editor_is_gone(seen: AccessAttempt, policy: Policy) -> Verdict:
    """With the editor disabled, its assets and the routes of the editor app are gone too, or behind a gate.

    A 401 of Node-RED's own login on such a route shows that the editor app is mounted: a disabled one answers 404.
    """
    if policy.editor == "protected":
        return NotApplicable("the policy expects a protected editor, not a disabled one")
    if seen.kind is Kind.SERVED:
        return (Violation("asset-served", seen.evidence(), "404", _DISABLE),)
    if seen.kind is Kind.REFUSED and seen.refuser is Refuser.NODE_RED:
        return (
            Violation(
                "editor-mounted", f"{seen.evidence()}: the editor is enabled", "404 of a disabled editor", _DISABLE
            ),
        )
    return ()
