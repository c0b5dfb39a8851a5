"""How old what runs is: told by the admin API to the account or to anybody, and by the editor's change log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.inside import release_is_not_told
from pytest_nodered_sec.rules.patches import is_free_of_advisories, node_is_maintained

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.account import Installed, ReleaseAttempt
    from pytest_nodered_sec.policy.model import Policy


@control("version-01", severity=Severity.LOW, asks=questions.TELLS_RELEASE)
def test_release_is_not_told(nodered_seen: ReleaseAttempt, nodered_policy: Policy) -> None:
    """The exact Node-RED version is not shown to anonymous visitors.

    While the editor is enabled, its change log reveals the version even behind Node-RED's own login.
    """
    require(release_is_not_told(nodered_seen, nodered_policy))


@control("patch-01", severity=Severity.HIGH, asks=questions.NODE_RED_RELEASE)
def test_node_red_is_free_of_advisories(nodered_seen: Installed, nodered_policy: Policy) -> None:
    """Node-RED has no known vulnerabilities.

    Each advisory is named, with the first fixed release of the same line. What no release fixes is a finding unless the
    deployment closes it: with the editor disabled, Projects disabled, or a front that refuses the routes.
    """
    require(is_free_of_advisories(nodered_seen, nodered_policy))


@control("patch-02", severity=Severity.HIGH, asks=questions.MODULE_RELEASES)
def test_modules_are_free_of_advisories(nodered_seen: Installed, nodered_policy: Policy) -> None:
    """Dashboards and installed modules have no known vulnerabilities."""
    require(is_free_of_advisories(nodered_seen, nodered_policy))


@control("patch-03", severity=Severity.MEDIUM, asks=questions.NODE_RELEASE)
def test_node_is_maintained(nodered_seen: Installed, nodered_policy: Policy) -> None:
    """Node.js is a maintained release with the last security fixes of its line."""
    require(node_is_maintained(nodered_seen, nodered_policy))
