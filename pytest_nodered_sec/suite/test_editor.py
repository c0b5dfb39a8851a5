"""The editor, which does not belong on a machine in production."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.browser import cannot_be_framed
from pytest_nodered_sec.rules.editor import editor_is_gone, editor_is_off_or_protected
from pytest_nodered_sec.rules.inside import nothing_installs_from_the_editor

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.account import InstallRights
    from pytest_nodered_sec.policy.model import Policy


@control("editor-01", severity=Severity.HIGH, asks=questions.editor_page)
def test_editor_is_off_or_protected(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """The editor is disabled, or requires a login where the policy allows it.

    Recognised by its content, not by status 200: another page at the same address is not the editor.
    """
    require(editor_is_off_or_protected(nodered_attempt, nodered_policy))


@control("editor-02", severity=Severity.MEDIUM, asks=questions.editor_parts)
def test_editor_is_gone(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """With the editor disabled, its assets and routes are gone too.

    A proxy that hides only `/` leaves a working editor behind; `disableEditor` removes all of it.
    """
    require(editor_is_gone(nodered_attempt, nodered_policy))


@control("editor-03", severity=Severity.MEDIUM, asks=questions.pages)
def test_pages_cannot_be_framed(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """Pages cannot be framed by other sites and are sent with nosniff.

    A page inside a hostile frame can be clicked by a user who believes they are clicking something else.
    """
    require(cannot_be_framed(nodered_attempt, nodered_policy))


@control("editor-04", severity=Severity.HIGH, asks=questions.INSTALL_RIGHTS)
def test_nothing_installs_from_the_editor(nodered_seen: InstallRights, nodered_policy: Policy) -> None:
    """The editor cannot install modules.

    Anyone who can install a node runs code on the machine. Read from the settings sent to the account, or to anyone.
    """
    require(nothing_installs_from_the_editor(nodered_seen, nodered_policy))
