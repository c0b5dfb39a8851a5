"""How old what runs is: told by the admin API to the account or to anybody, and by the editor's change log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.inside import release_is_not_told
from pytest_nodered_sec.rules.patches import is_free_of_advisories, node_is_maintained

if TYPE_CHECKING:
    from pytest_nodered_sec.model_account import Installed, ReleaseAttempt
    from pytest_nodered_sec.policy import Policy


@control("version-01", severity=Severity.LOW, asks=questions.TELLS_RELEASE)
def test_release_is_not_told(nodered_seen: ReleaseAttempt, nodered_policy: Policy) -> None:
    """The exact release is not given to anybody.

    While the editor is on, its change log names it in spite of every login of Node-RED's own.
    """
    require(release_is_not_told(nodered_seen, nodered_policy))


@control("patch-01", severity=Severity.HIGH, asks=questions.NODE_RED_RELEASE)
def test_node_red_is_free_of_advisories(nodered_seen: Installed, nodered_policy: Policy) -> None:
    """Node-RED is at a release without known advisories.

    Each advisory is named, with the first release of the same line that has none.
    """
    require(is_free_of_advisories(nodered_seen, nodered_policy))


@control("patch-02", severity=Severity.HIGH, asks=questions.MODULE_RELEASES)
def test_modules_are_free_of_advisories(nodered_seen: Installed, nodered_policy: Policy) -> None:
    """Dashboards and installed node modules are at releases without known advisories."""
    require(is_free_of_advisories(nodered_seen, nodered_policy))


@control("patch-03", severity=Severity.MEDIUM, asks=questions.NODE_RELEASE)
def test_node_is_maintained(nodered_seen: Installed, nodered_policy: Policy) -> None:
    """Node.js is of a major that is maintained."""
    require(node_is_maintained(nodered_seen, nodered_policy))
