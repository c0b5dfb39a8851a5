"""Who may use the admin API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nodered_sec import Severity, control, questions, require
from pytest_nodered_sec.rules.access import login_is_configured, refuses_access
from pytest_nodered_sec.rules.account import account_is_honoured, sessions_are_short
from pytest_nodered_sec.rules.browser import allows_no_foreign_origin, cross_site_post_is_refused
from pytest_nodered_sec.rules.channels import comms_refuses
from pytest_nodered_sec.rules.inside import admin_routes_are_guarded
from pytest_nodered_sec.rules.variants import identity_header_opens_nothing, spelling_opens_nothing

if TYPE_CHECKING:
    from pytest_nodered_sec.model_access import AccessAttempt, ChannelAttempt, LoginOffer, VariantAttempt
    from pytest_nodered_sec.model_account import AdminRoutes, SignIn
    from pytest_nodered_sec.policy import Policy


@control("admin-01", severity=Severity.CRITICAL, asks=questions.guarded_reads)
def test_anonymous_read_is_refused(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """An anonymous read of the admin API is refused.

    Flows hold plant logic, addresses and often secrets. Asked of every route that Node-RED guards, with a
    request that an open instance answers.
    """
    require(refuses_access(nodered_attempt, nodered_policy))


@control("admin-02", severity=Severity.CRITICAL, asks=questions.forged_reads)
def test_forged_token_is_refused(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """A made-up bearer token is refused.

    Under a `default` user Node-RED treats an unknown token as that user, so this is a question of its own.
    """
    require(refuses_access(nodered_attempt, nodered_policy))


@control("admin-03", severity=Severity.CRITICAL, asks=questions.harmless_writes)
def test_anonymous_write_is_refused(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """An anonymous write to the admin API is refused.

    Whoever may deploy a flow runs code on the machine. Asked only with requests that an open instance understands
    and refuses for their content; a writing route for which none is known is not asked.
    """
    require(refuses_access(nodered_attempt, nodered_policy))


@control("admin-04", severity=Severity.CRITICAL, asks=questions.LOGIN_OFFER)
def test_login_is_configured(nodered_login_offer: LoginOffer, nodered_policy: Policy) -> None:
    """A login is configured.

    `{}` at /auth/login is Node-RED's own word that nobody needs one.
    """
    require(login_is_configured(nodered_login_offer, nodered_policy))


@control("admin-05", severity=Severity.HIGH, asks=questions.respelled_reads)
def test_read_is_refused_under_every_spelling(nodered_variant: VariantAttempt, nodered_policy: Policy) -> None:
    """Another spelling of a route reaches nothing that the route itself refuses.

    Express ignores letter case and a trailing slash; a proxy's rule for the path seldom does.
    """
    require(spelling_opens_nothing(nodered_variant, nodered_policy))


@control("admin-06", severity=Severity.HIGH, asks=questions.COMMS)
def test_comms_refuses_strangers(nodered_channel: ChannelAttempt, nodered_policy: Policy) -> None:
    """WebSocket /comms gives an anonymous subscriber nothing.

    The editor's channel carries every debug message and node status; the deprecated httpAdminAuth leaves it open.
    """
    require(comms_refuses(nodered_channel, nodered_policy))


@control("admin-07", severity=Severity.MEDIUM, asks=questions.foreign_readers)
def test_no_foreign_origin_is_allowed(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """Answers of the admin API allow no foreign origin.

    Every Node-RED 4.x sends `Access-Control-Allow-Origin: *`: any page may read what a browser can reach.
    """
    require(allows_no_foreign_origin(nodered_attempt, nodered_policy))


@control("admin-08", severity=Severity.HIGH, asks=questions.SIGN_IN)
def test_account_is_honoured(nodered_sign_in: SignIn, nodered_policy: Policy) -> None:
    """The site's account is accepted, and cannot write if it may only read.

    Otherwise a refusal elsewhere might be about anything but credentials. The session is ended in the same look.
    """
    require(account_is_honoured(nodered_sign_in, nodered_policy))


@control("admin-09", severity=Severity.LOW, asks=questions.SIGN_IN)
def test_sessions_are_short(nodered_sign_in: SignIn, nodered_policy: Policy) -> None:
    """A session token lives no longer than the policy allows.

    Whoever finds one in a browser, a log or `.sessions.json` can use it until it ends.
    """
    require(sessions_are_short(nodered_sign_in, nodered_policy))


@control("admin-10", severity=Severity.HIGH, asks=questions.ADMIN_ROUTES)
def test_admin_routes_are_guarded(nodered_seen: AdminRoutes, nodered_policy: Policy) -> None:
    """Nothing below the admin root depends on the goodwill of node authors.

    Routes of contributed nodes are guarded only where their author asked for it. They are never probed, for a single
    request has ended whole processes: a gate stands before all of them, or no package is installed that is known to
    leave its routes open.
    """
    require(admin_routes_are_guarded(nodered_seen, nodered_policy))


@control("admin-12", severity=Severity.HIGH, asks=questions.claimed_identities)
def test_identity_headers_open_nothing(nodered_variant: VariantAttempt, nodered_policy: Policy) -> None:
    """Identity headers of strangers open nothing.

    A login in front names the person in a header; whoever can send that header himself is that person, unless the
    gate drops it.
    """
    require(identity_header_opens_nothing(nodered_variant, nodered_policy))


@control("csrf-01", severity=Severity.HIGH, asks=questions.CROSS_SITE)
def test_cross_site_post_is_refused(nodered_variant: VariantAttempt, nodered_policy: Policy) -> None:
    """A form post from another site is refused where the browser adds the login by itself.

    Behind a proxy's login, a client certificate or a VPN any page that an operator visits can otherwise deploy a
    flow: Node-RED takes forms, and browsers ask nobody before they send one.
    """
    require(cross_site_post_is_refused(nodered_variant, nodered_policy))
