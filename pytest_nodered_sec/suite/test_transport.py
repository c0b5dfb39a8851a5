"""What comes over plain HTTP."""

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
    from pytest_nodered_sec.model_access import PlainAttempt
    from pytest_nodered_sec.model_doors import PageAnswers
    from pytest_nodered_sec.model_exposure import RedirectTrails, SpoofedAttempt
    from pytest_nodered_sec.policy import Policy


@control("http-01", severity=Severity.HIGH, asks=questions.surfaces_in_clear)
def test_nothing_comes_in_clear(nodered_plain: PlainAttempt, nodered_policy: Policy) -> None:
    """Nothing of Node-RED comes over plain HTTP.

    Passwords, tokens and plant data would cross the network readable and changeable. Asked per surface:
    Node-RED's own requireHttps leaves login and dashboards in clear.
    """
    require(nothing_in_clear(nodered_plain, nodered_policy))


@control("http-02", severity=Severity.MEDIUM, asks=questions.redirects)
def test_redirects_lead_straight_to_https(nodered_redirects: RedirectTrails, nodered_policy: Policy) -> None:
    """A redirect from plain HTTP leads straight to HTTPS on the same host.

    Each step in clear text is one that somebody on the way can bend, and a redirect that loses path or method teaches
    people to type the address themselves.
    """
    require(redirects_well(nodered_redirects, nodered_policy))


@control("http-03", severity=Severity.CRITICAL, asks=questions.logins_in_clear)
def test_login_is_never_in_clear(nodered_plain: PlainAttempt, nodered_policy: Policy) -> None:
    """Node-RED's login is never served over plain HTTP.

    requireHttps leaves it in clear: a token was issued there.
    """
    require(login_stays_out(nodered_plain, nodered_policy))


@control("http-04", severity=Severity.HIGH, asks=questions.SPOOFS)
def test_headers_do_not_steer_the_redirect(nodered_spoofed: SpoofedAttempt, nodered_policy: Policy) -> None:
    """A client's own headers neither switch the redirect to HTTPS off nor become its target.

    Otherwise a link or a cache can send people to a stranger, or keep them in clear text.
    """
    require(headers_do_not_steer(nodered_spoofed, nodered_policy))


@control("http-05", severity=Severity.HIGH, asks=questions.channels_in_clear)
def test_live_channels_are_not_in_clear(nodered_plain: PlainAttempt, nodered_policy: Policy) -> None:
    """Live channels are not offered over plain HTTP.

    Pages may redirect while Socket.IO and WebSockets, which hang beside them, still stream values in clear.
    """
    require(channel_stays_out(nodered_plain, nodered_policy))


@control("http-06", severity=Severity.MEDIUM, asks=questions.opened_pages)
def test_browsers_are_told_to_use_https_only(nodered_page: PageAnswers, nodered_policy: Policy) -> None:
    """Answers over HTTPS tell browsers to use HTTPS only (HSTS).

    Whoever types the name without https:// would otherwise begin in clear text, where the redirect can be bent.
    """
    require(insists_on_https(nodered_page, nodered_policy))
