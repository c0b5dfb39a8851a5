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
    from pytest_nodered_sec.observations.access import AccessAttempt, LoginOffer, VariantAttempt
    from pytest_nodered_sec.observations.account import AdminRoutes, SignIn
    from pytest_nodered_sec.observations.channels import ChannelAttempt
    from pytest_nodered_sec.policy.model import Policy


@control("admin-01", severity=Severity.CRITICAL, asks=questions.guarded_reads)
def test_anonymous_read_is_refused(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """Anonymous reads of the admin API are refused.

    Flows hold plant logic, addresses and often secrets. Every route that Node-RED guards is asked with a request that
    an open instance answers.
    """
    require(refuses_access(nodered_attempt, nodered_policy))


@control("admin-02", severity=Severity.CRITICAL, asks=questions.forged_reads)
def test_forged_token_is_refused(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """Made-up bearer tokens are refused.

    Where settings.js has a `default` user, Node-RED treats an unknown token as that user, so this is asked separately.
    """
    require(refuses_access(nodered_attempt, nodered_policy))


@control("admin-03", severity=Severity.CRITICAL, asks=questions.harmless_writes)
def test_anonymous_write_is_refused(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """Anonymous writes to the admin API are refused.

    Anyone who can deploy a flow runs code on the machine. Only requests that an open instance understands and rejects
    because of their content are sent; a writing route without such a request is not asked.
    """
    require(refuses_access(nodered_attempt, nodered_policy))


@control("admin-04", severity=Severity.CRITICAL, asks=questions.LOGIN_OFFER)
def test_login_is_configured(nodered_seen: LoginOffer, nodered_policy: Policy) -> None:
    """The admin API requires a login.

    `{}` from /auth/login is Node-RED itself saying that no login is needed.
    """
    require(login_is_configured(nodered_seen, nodered_policy))


@control("admin-05", severity=Severity.HIGH, asks=questions.respelled_reads)
def test_read_is_refused_under_every_spelling(nodered_seen: VariantAttempt, nodered_policy: Policy) -> None:
    """Spelling variants of an admin route are refused as well.

    Express ignores letter case and a trailing slash; path rules in a proxy usually do not.
    """
    require(spelling_opens_nothing(nodered_seen, nodered_policy))


@control("admin-06", severity=Severity.HIGH, asks=questions.COMMS)
def test_comms_refuses_strangers(nodered_channel: ChannelAttempt, nodered_policy: Policy) -> None:
    """WebSocket /comms sends nothing to anonymous clients.

    The editor's channel carries every debug message and node status; the deprecated httpAdminAuth leaves it open.
    """
    require(comms_refuses(nodered_channel, nodered_policy))


@control("admin-07", severity=Severity.MEDIUM, asks=questions.foreign_readers)
def test_no_foreign_origin_is_allowed(nodered_attempt: AccessAttempt, nodered_policy: Policy) -> None:
    """The admin API is not open to any origin (CORS).

    Every Node-RED 4.x sends `Access-Control-Allow-Origin: *`, so any web page can read what the browser can reach.
    """
    require(allows_no_foreign_origin(nodered_attempt, nodered_policy))


@control("admin-08", severity=Severity.HIGH, asks=questions.SIGN_IN)
def test_account_is_honoured(nodered_seen: SignIn, nodered_policy: Policy) -> None:
    """The site's account can log in, and a read-only account cannot write.

    Otherwise the refusals seen elsewhere may have nothing to do with credentials. The session is ended in the same
    look.
    """
    require(account_is_honoured(nodered_seen, nodered_policy))


@control("admin-09", severity=Severity.LOW, asks=questions.SIGN_IN)
def test_sessions_are_short(nodered_seen: SignIn, nodered_policy: Policy) -> None:
    """Session tokens expire as early as the policy demands.

    A token found in a browser, a log or `.sessions.json` works until it expires.
    """
    require(sessions_are_short(nodered_seen, nodered_policy))


@control("admin-10", severity=Severity.HIGH, asks=questions.ADMIN_ROUTES)
def test_admin_routes_are_guarded(nodered_seen: AdminRoutes, nodered_policy: Policy) -> None:
    """No contributed node exposes an unauthenticated admin route.

    Routes of contributed nodes require a login only if their author asked for one. They are never probed, because a
    single request has crashed whole processes: compliant means that a gate covers all of them, or that no installed
    package is known to leave its routes open.
    """
    require(admin_routes_are_guarded(nodered_seen, nodered_policy))


@control("admin-12", severity=Severity.HIGH, asks=questions.claimed_identities)
def test_identity_headers_open_nothing(nodered_seen: VariantAttempt, nodered_policy: Policy) -> None:
    """Forged identity headers grant no access.

    A login proxy passes the user name in a header. Unless the gate removes that header from incoming requests, anyone
    can send it and become that user.
    """
    require(identity_header_opens_nothing(nodered_seen, nodered_policy))


@control("csrf-01", severity=Severity.HIGH, asks=questions.CROSS_SITE)
def test_cross_site_post_is_refused(nodered_seen: VariantAttempt, nodered_policy: Policy) -> None:
    """Cross-site form posts are refused where the browser logs in automatically.

    Behind a proxy's login, a client certificate or a VPN, any page that an operator visits could otherwise deploy a
    flow: Node-RED accepts form posts, and browsers send them without asking.
    """
    require(cross_site_post_is_refused(nodered_seen, nodered_policy))
