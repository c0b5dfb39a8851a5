"""Whether files that belong to the machine are served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec.model import Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.model import FileAttempt, Verdict
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
