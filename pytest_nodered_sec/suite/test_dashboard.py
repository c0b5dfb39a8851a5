"""Dashboards: the page, and the live channel behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.channels import foreign_origin_is_refused
from pytest_nodered_sec.rules.dashboard import channel_refuses, page_refuses, support_data_is_refused
from pytest_nodered_sec.rules.interfaces import interface_refuses, public_dashboard_only_shows
from pytest_nodered_sec.rules.variants import page_spelling_opens_nothing

if TYPE_CHECKING:
    from pytest_nodered_sec.model_access import AccessAttempt, ForeignAttempt, SocketAttempt, VariantAttempt
    from pytest_nodered_sec.model_channels import InterfaceAttempt, ShownWidgets
    from pytest_nodered_sec.policy import Policy


@control("dash-01", severity=Severity.CRITICAL, asks=questions.dashboard_pages)
def test_page_refuses_strangers(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """A dashboard's page refuses anonymous visitors."""
    require(page_refuses(nodered_attempt, nodered_policy))


@control("dash-02", severity=Severity.CRITICAL, asks=questions.dashboard_channels)
def test_live_channel_refuses_strangers(nodered_socket: SocketAttempt, nodered_policy: Policy) -> None:
    """A dashboard's live channel (Socket.IO) refuses anonymous clients.

    httpNodeAuth, which most guides recommend, guards the page only: without more, anybody receives every live
    value and can press every button.
    """
    require(channel_refuses(nodered_socket, nodered_policy))


@control("dash-03", severity=Severity.MEDIUM, asks=questions.support_data)
def test_support_data_is_refused(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """A dashboard's support data is refused to anonymous visitors.

    Dashboard 2 tells its configuration at `_setup` and every widget's last value at `_debug`.
    """
    require(support_data_is_refused(nodered_attempt, nodered_policy))


@control("dash-04", severity=Severity.HIGH, asks=questions.respelled_pages)
def test_page_refuses_under_every_spelling(nodered_variant: VariantAttempt, nodered_policy: Policy) -> None:
    """Another spelling of a dashboard's path does not open its page.

    Express ignores letter case and a trailing slash; a proxy's rule for the path seldom does.
    """
    require(page_spelling_opens_nothing(nodered_variant, nodered_policy))


@control("dash-05", severity=Severity.HIGH, asks=questions.public_widgets)
def test_public_dashboard_only_shows(nodered_widgets: ShownWidgets, nodered_policy: Policy) -> None:
    """A dashboard that is declared public holds no widget that acts.

    Read from the configuration that the dashboard tells to anybody who connects; of it only the numbers of widgets
    by type are kept.
    """
    require(public_dashboard_only_shows(nodered_widgets, nodered_policy))


@control("origin-01", severity=Severity.HIGH, asks=questions.foreign_origins)
def test_foreign_origin_is_refused(nodered_foreign: ForeignAttempt, nodered_policy: Policy) -> None:
    """A live channel refuses a foreign Origin.

    Otherwise any page that somebody visits who is logged in reads along and presses buttons in his name. Setting
    `ioMiddleware` removes the dashboards' own guard.
    """
    require(foreign_origin_is_refused(nodered_foreign, nodered_policy))


@control("live-01", severity=Severity.CRITICAL, asks=questions.interfaces)
def test_other_interface_refuses_strangers(nodered_interface: InterfaceAttempt, nodered_policy: Policy) -> None:
    """The live channel of another user interface (uibuilder, worldmap, FlexDash) refuses anonymous clients.

    Their sockets hang on the raw HTTP server, as the dashboards' do: httpNodeAuth guards the page only.
    """
    require(interface_refuses(nodered_interface, nodered_policy))
