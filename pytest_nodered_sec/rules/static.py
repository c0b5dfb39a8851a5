"""Whether files that belong to the machine are served, by their name or through a known hole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.model import NotApplicable, Violation
from pytest_nodered_sec.model_answers import Kind

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Verdict
    from pytest_nodered_sec.model_access import FileAttempt
    from pytest_nodered_sec.policy import Policy


def file_is_not_served(seen: FileAttempt, policy: Policy) -> Verdict:
    """A file of the user directory is not served."""
    del policy  # nobody may choose this
    if not seen.found:
        return ()
    return (
        Violation(
            "file",
            f"{seen.evidence()}: the file itself",
            "404, 401 or 403",
            "settings.js: httpStatic: a directory of its own, never the user directory; nginx: root and alias likewise."
            " Change every secret that stood in it",
        ),
    )


def hole_is_shut(seen: FileAttempt, policy: Policy) -> Verdict:
    """A known hole gives no file away."""
    view = seen.attempt.view
    if seen.attempt.kind is Kind.ABSENT and view.api_absent and policy.admin_api != "disabled":
        return NotApplicable(f"no admin API at {view.root}: see admin-01, the instance GET /settings")
    if not seen.found:
        return ()
    return (
        Violation(
            "hole",
            f"{seen.evidence()}: a file of the machine, by {seen.hole}",
            "404, 401 or 403",
            f"what closes it: {seen.closed_by}. Until then, nginx: "
            'if ($request_uri ~* "(/|%2f)(\\.|%2e)+(/|%2f)") { return 404; }. '
            "Change every secret that Node-RED could read",
        ),
    )
