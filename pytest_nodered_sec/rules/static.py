"""Whether private files are served, by their name or through a known vulnerability."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.observations.answers import Kind
from pytest_nodered_sec.remedies.lines import NO_DOTS
from pytest_nodered_sec.verdict import NotApplicable, NotJudged, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.access import FileAttempt
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict


def file_is_not_served(seen: FileAttempt, policy: Policy) -> Verdict:
    """A file of the user directory is not served."""
    del policy  # nobody may choose this
    if not seen.found:
        calm = f'not judged: mode = "calm" leaves out GET {seen.left_out}, which is exploit-shaped'
        return NotJudged(calm) if seen.left_out else ()
    return (
        Violation(
            "file",
            f"{seen.evidence()}: the file itself",
            "404, 401 or 403",
            "settings.js: httpStatic: a separate directory, never the user directory; nginx: root and alias likewise."
            " Change every secret that was in it",
        ),
    )


def hole_is_shut(seen: FileAttempt, policy: Policy) -> Verdict:
    """A known vulnerability discloses no file."""
    view = seen.attempt.view
    if seen.attempt.kind is Kind.ABSENT and view.api_absent and policy.admin_api != "disabled":
        return NotApplicable(f"no admin API at {view.root}: see admin-01, the instance GET /settings")
    if not seen.found:
        return ()
    return (
        Violation(
            "hole",
            f"{seen.evidence()}: a file of the host, through {seen.hole}",
            "404, 401 or 403",
            f"fix: {seen.closed_by}. Until then, nginx: "
            f"{NO_DOTS} in the server block. "
            "Change every secret that Node-RED could read",
        ),
    )
