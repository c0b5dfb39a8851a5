"""Whether a published password opens anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.answers import Kind, Mark, Refuser
from pytest_nodered_sec.verdict import NotApplicable, Violation

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.known_passwords import BasicGuesses, LoginGuesses
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.verdict import Verdict

_HASH: Final = "made by `node-red admin hash-pw` from a password of your own"


def known_password_cannot_log_in(seen: LoginGuesses, policy: Policy) -> Verdict:
    """No known user name and password log in to the admin API."""
    if not policy.guess:
        return _switched_off(policy)
    if not seen.login:
        return NotApplicable(_no_login(seen))
    if seen.gate is not None:
        return NotApplicable(f"{seen.evidence()}: a login in front of it refused; see host-03")
    accepted = [guess for guess in seen.guesses if guess.accepted]
    if seen.any_password:
        return (
            Violation(
                "any-password",
                f"{seen.evidence()}; a made-up user name and password were accepted as well",
                "403 to every password but the right one",
                "settings.js: let adminAuth.authenticate compare the password, and return null where it is wrong",
            ),
        )
    if not seen.guesses and seen.spent:
        return NotApplicable(_same_accounts(seen.spent, policy))
    return tuple(
        Violation(
            "known-password",
            f"POST /auth/token: {guess.line()}",
            "403 (invalid_grant)",
            f"settings.js: give `{guess.username}` in adminAuth.users another password: its hash is {_HASH}; an "
            "adminAuth.authenticate of your own must compare the password",
        )
        for guess in accepted
    )


def _no_login(seen: LoginGuesses) -> str:
    offer = seen.offer
    if offer.kind is Kind.REFUSED:
        return f"{offer.evidence()}: a login in front of it refused (see cred-02); host-03 judges the settings"
    if offer.kind is Kind.ABSENT:
        return f"{offer.evidence()}: no admin API at {offer.view.root}"
    if Mark.LOGIN_OPEN in offer.answer.marks:
        return "no login is configured (see admin-04)"
    return f"{offer.evidence()}: not Node-RED's login (see admin-04)"


def known_password_opens_nothing(seen: BasicGuesses, policy: Policy) -> Verdict:
    """No known user name and password open a Basic login."""
    if not policy.guess:
        return _switched_off(policy)
    if seen.realm is None:
        return NotApplicable(f"{seen.evidence()}: no Basic login there")
    if seen.same_as:
        return NotApplicable(f"{seen.evidence()}: the same login as at {seen.same_as}, judged there")
    if not seen.guesses and seen.spent:
        return NotApplicable(_same_accounts(seen.spent, policy))
    if seen.as_well:
        return (Violation("any-password", seen.evidence(), "401 to every password but the right one", _gate(seen)),)
    return tuple(
        Violation(
            "known-password",
            f'{seen.attempt.method} {seen.attempt.absolute}, Basic realm="{seen.realm}": {guess.line()}',
            "401 to every password but the right one",
            _remedy(seen),
        )
        for guess in seen.guesses
        if guess.accepted
    )


def _gate(seen: BasicGuesses) -> str:
    if seen.attempt.refuser is Refuser.NODE_RED_BASIC:
        return (
            "settings.js: adminAuth, httpNodeAuth in place of a middleware of its own that does not compare user name "
            "and password (httpAdminMiddleware, httpNodeMiddleware, ui.middleware)"
        )
    return (
        "compare user name and password, not only whether a login is sent: nginx: auth_basic and auth_basic_user_file "
        "in place of if ($http_authorization ...) or if ($remote_user ...); HAProxy: http-request auth unless "
        "{ http_auth(USERLIST) }; Apache httpd: Require valid-user and AuthUserFile in place of Require expr; Caddy: "
        "basic_auth in place of a header matcher"
    )


def _remedy(seen: BasicGuesses) -> str:
    if seen.attempt.refuser is Refuser.NODE_RED_BASIC and seen.attempt.surface is Surface.ADMIN:
        return (
            "settings.js: adminAuth in place of httpAdminAuth, with a password of your own (`node-red admin hash-pw`)"
        )
    if seen.attempt.refuser is Refuser.NODE_RED_BASIC:
        return f"settings.js: give httpNodeAuth, httpStaticAuth another `pass`: a hash {_HASH}"
    return "a password of your own in the proxy (nginx: htpasswd -B FILE USER; Caddy: caddy hash-password)"


def _same_accounts(spent: tuple[str, ...], policy: Policy) -> str:
    where = " and ".join(dict.fromkeys(spent))
    return f"the accounts of login realm {policy.login_realm} were tried and judged at {where}"


def _switched_off(policy: Policy) -> NotApplicable:
    reason = next((deviation.reason for deviation in policy.deviations if deviation.key == "guess"), "by the hook")
    return NotApplicable(f"guessing is switched off: {reason}")
