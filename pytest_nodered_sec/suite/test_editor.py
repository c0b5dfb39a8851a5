"""The editor, which does not belong on a machine in production."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.browser import cannot_be_framed
from pytest_nodered_sec.rules.editor import editor_is_gone, editor_is_off_or_protected
from pytest_nodered_sec.rules.inside import nothing_installs_from_the_editor

if TYPE_CHECKING:
    from pytest_nodered_sec.model_access import AccessAttempt
    from pytest_nodered_sec.model_account import InstallRights
    from pytest_nodered_sec.policy import Policy


@control("editor-01", severity=Severity.HIGH, asks=questions.editor_page)
def test_editor_is_off_or_protected(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """The editor page is not served, or only in front of a login where the policy says so.

    Recognised by its marks, not by a 200: another page at the same address is not the editor.
    """
    require(editor_is_off_or_protected(nodered_attempt, nodered_policy))


@control("editor-02", severity=Severity.MEDIUM, asks=questions.editor_parts)
def test_editor_is_gone(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """With the editor disabled, its assets and routes are gone too.

    A proxy that hides only `/` leaves an editor that works; `disableEditor` removes all of it.
    """
    require(editor_is_gone(nodered_attempt, nodered_policy))


@control("editor-03", severity=Severity.MEDIUM, asks=questions.pages)
def test_pages_cannot_be_framed(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """Pages that are served cannot be framed by strangers, and are not sniffed.

    A page in a stranger's frame is clicked by somebody who thinks he is clicking something else.
    """
    require(cannot_be_framed(nodered_attempt, nodered_policy))


@control("editor-04", severity=Severity.HIGH, asks=questions.INSTALL_RIGHTS)
def test_nothing_installs_from_the_editor(nodered_seen: InstallRights, nodered_policy: Policy) -> None:
    """The editor cannot install modules.

    Whoever may install a node runs code on the machine. Read in the settings that the account is told, or anybody.
    """
    require(nothing_installs_from_the_editor(nodered_seen, nodered_policy))
