"""What comes over plain HTTP, and whether browsers are told to use HTTPS only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.transport import (
    channel_stays_out,
    headers_do_not_steer,
    insists_on_https,
    login_stays_out,
    nothing_in_clear,
    redirects_well,
)

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.cleartext import PlainAttempt, RedirectTrails, SpoofedAttempt
    from pytest_nodered_sec.observations.side_ports import PageAnswers
    from pytest_nodered_sec.policy.model import Policy


@control("http-01", severity=Severity.HIGH, asks=questions.surfaces_in_clear)
def test_nothing_comes_in_clear(nodered_seen: PlainAttempt, nodered_policy: Policy) -> None:
    """Nothing of Node-RED is served over plain HTTP.

    Passwords, tokens and plant data would cross the network readable and modifiable. Each surface is asked: Node-RED's
    own requireHttps leaves login and dashboards in clear text.
    """
    require(nothing_in_clear(nodered_seen, nodered_policy))


@control("http-02", severity=Severity.MEDIUM, asks=questions.redirects)
def test_redirects_lead_straight_to_https(nodered_seen: RedirectTrails, nodered_policy: Policy) -> None:
    """Plain HTTP redirects straight to HTTPS on the same host.

    Every step in clear text can be tampered with, and a redirect that loses path or method teaches people to type the
    address themselves.
    """
    require(redirects_well(nodered_seen, nodered_policy))


@control("http-03", severity=Severity.CRITICAL, asks=questions.logins_in_clear)
def test_login_is_never_in_clear(nodered_seen: PlainAttempt, nodered_policy: Policy) -> None:
    """Node-RED's login is never served over plain HTTP.

    requireHttps does not cover it: a token was issued over plain HTTP.
    """
    require(login_stays_out(nodered_seen, nodered_policy))


@control("http-04", severity=Severity.HIGH, asks=questions.SPOOFS)
def test_headers_do_not_steer_the_redirect(nodered_seen: SpoofedAttempt, nodered_policy: Policy) -> None:
    """Request headers can neither disable nor divert the redirect to HTTPS.

    Otherwise a link or a cache can send users to another host, or keep them in clear text.
    """
    require(headers_do_not_steer(nodered_seen, nodered_policy))


@control("http-05", severity=Severity.HIGH, asks=questions.channels_in_clear)
def test_live_channels_are_not_in_clear(nodered_seen: PlainAttempt, nodered_policy: Policy) -> None:
    """Live channels are not offered over plain HTTP.

    Pages may redirect while Socket.IO and WebSockets still stream values in clear text.
    """
    require(channel_stays_out(nodered_seen, nodered_policy))


@control("http-06", severity=Severity.MEDIUM, asks=questions.opened_pages)
def test_browsers_are_told_to_use_https_only(nodered_seen: PageAnswers, nodered_policy: Policy) -> None:
    """HTTPS responses carry HSTS and never redirect to plain HTTP.

    Without HSTS, a user who types the name without https:// starts in clear text, where the redirect can be tampered
    with.
    """
    require(insists_on_https(nodered_seen, nodered_policy))
