"""The account that the site gave us: log in, look, log out, all in one look.

Nothing is left behind: a token that was issued is revoked before the look ends, whatever happened in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import SignIn
from pytest_nodered_sec.probes.session import json_object, session

if TYPE_CHECKING:
    from pytest_nodered_sec.model import RootView
    from pytest_nodered_sec.probes.look import Look


def sign_in(look: Look, admin: RootView) -> SignIn:
    """Use the site's account on the admin API.

    Raises:
        ProbeError: no account, a channel that is not verified, a lock-out, no answer, or a session that could not
            be ended.
    """
    del admin  # it stands for: the admin root answers as at the start, before and after
    given = look.target.credentials
    if given is None:
        raise ProbeError(f"{look.target.name} was given no account", Cause.UNAVAILABLE)
    account = given()
    if account.token:
        return _with_token(look, account.token, "the given token", None)
    with session(look, account.username, account.password) as entry:
        if entry.refused:
            return SignIn(account.username, "POST /auth/token answered 403 (invalid_grant)")
        if not entry.token:
            why = "too many login attempts" if entry.locked_out else "no log-in by password is offered there"
            answer = f"POST /auth/token for {account.username} answered {entry.answer.line()}"
            raise ProbeError(f"{answer}: {why}", Cause.UNAVAILABLE)
        return _with_token(look, entry.token, account.username, entry.expires_in)


def _with_token(look: Look, token: str, account: str, expires_in: int | None) -> SignIn:
    bearer = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    got = look.ask("GET", look.target.admin("/settings"), headers=bearer, secret=True)
    if got.status >= 500:
        raise ProbeError(f"GET /settings as {account} answered {got.status}", Cause.UNAVAILABLE)
    if got.status != 200:
        return SignIn(account, f"GET /settings answered {got.status}", expires_in=expires_in)
    settings = json_object(got)
    user, version = settings.get("user"), settings.get("version")
    permissions = _permissions(user.get("permissions") if isinstance(user, dict) else None)
    write = None
    if permissions == "read":
        # refused before it is read where the account may not write; "v0" makes it unusable where it may
        headers = {**bearer, "Node-RED-API-Version": "v0", "Content-Type": "application/json"}
        write = look.reduce(look.ask("POST", look.target.admin("/flows"), headers=headers, body=b"[]", secret=True))
    release = version if isinstance(version, str) and version.isprintable() else ""
    return SignIn(account, "", permissions, expires_in, release, write)


def _permissions(found: Any) -> str:  # Any: JSON of the target
    """Return an account's permissions as one word where all are the same, else a list."""
    scopes = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    if scopes and all(isinstance(one, str) and (one == "read" or one.endswith(".read")) for one in scopes):
        return "read"
    return ", ".join(one for one in scopes if isinstance(one, str) and one.isprintable())
