"""Dashboards: the page, and the live channel behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.channels import foreign_origin_is_refused
from pytest_nodered_sec.rules.dashboard import account_opens, channel_refuses, page_refuses, support_data_is_refused
from pytest_nodered_sec.rules.interfaces import interface_refuses, public_dashboard_only_shows
from pytest_nodered_sec.rules.variants import page_spelling_opens_nothing

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.access import AccessAttempt, VariantAttempt
    from pytest_nodered_sec.observations.channels import ForeignAttempt, InterfaceAttempt, ShownWidgets, SocketAttempt
    from pytest_nodered_sec.observations.dashboards import DashboardVisit
    from pytest_nodered_sec.policy.model import Policy


@control("dash-01", severity=Severity.CRITICAL, asks=questions.dashboard_pages)
def test_page_refuses_strangers(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """Dashboard pages require a login."""
    require(page_refuses(nodered_attempt, nodered_policy))


@control("dash-02", severity=Severity.CRITICAL, asks=questions.dashboard_channels)
def test_live_channel_refuses_strangers(nodered_seen: SocketAttempt, nodered_policy: Policy) -> None:
    """Dashboard live channels (Socket.IO) require a login.

    httpNodeAuth, which most guides recommend, protects only the page: without more, anyone receives every live value
    and can press every button.
    """
    require(channel_refuses(nodered_seen, nodered_policy))


@control("dash-03", severity=Severity.MEDIUM, asks=questions.support_data)
def test_support_data_is_refused(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """Dashboard support data requires a login.

    Dashboard 2 serves its configuration at `_setup` and the last value of every widget at `_debug`.
    """
    require(support_data_is_refused(nodered_attempt, nodered_policy))


@control("dash-04", severity=Severity.HIGH, asks=questions.respelled_pages)
def test_page_refuses_under_every_spelling(nodered_seen: VariantAttempt, nodered_policy: Policy) -> None:
    """Spelling variants of a dashboard's path are refused as well.

    Express ignores letter case and a trailing slash; path rules in a proxy usually do not. The page also has the name
    of its file, index.html, which a rule for the path alone does not cover.
    """
    require(page_spelling_opens_nothing(nodered_seen, nodered_policy))


@control("dash-05", severity=Severity.HIGH, asks=questions.public_widgets)
def test_public_dashboard_only_shows(nodered_seen: ShownWidgets, nodered_policy: Policy) -> None:
    """Public dashboards contain no widgets that act.

    Read from the configuration that the dashboard sends to anyone who connects; only the number of widgets of each type
    is kept.
    """
    require(public_dashboard_only_shows(nodered_seen, nodered_policy))


@control("dash-06", severity=Severity.HIGH, asks=questions.dashboards_with_account)
def test_the_account_opens_the_dashboard(nodered_seen: DashboardVisit, nodered_policy: Policy) -> None:
    """The dashboards' account opens page, assets and live channel.

    A gate before which nobody can work is soon taken away. Page and live channel are often guarded by different
    rules, so an operator sees a page whose values never change.
    """
    require(account_opens(nodered_seen, nodered_policy))


@control("origin-01", severity=Severity.HIGH, asks=questions.foreign_origins)
def test_foreign_origin_is_refused(nodered_seen: ForeignAttempt, nodered_policy: Policy) -> None:
    """Live channels refuse a foreign Origin.

    Otherwise any web page that a logged-in user visits can read the channel and press buttons in that user's name.
    Setting `ioMiddleware` removes the dashboards' own check.
    """
    require(foreign_origin_is_refused(nodered_seen, nodered_policy))


@control("live-01", severity=Severity.CRITICAL, asks=questions.interfaces)
def test_other_interface_refuses_strangers(nodered_seen: InterfaceAttempt, nodered_policy: Policy) -> None:
    """Live channels of uibuilder, worldmap and FlexDash require a login.

    Their sockets are attached to the raw HTTP server, like the dashboards': httpNodeAuth protects only the page.
    """
    require(interface_refuses(nodered_seen, nodered_policy))
