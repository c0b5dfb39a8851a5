"""The account that the site gave us: log in, look at everything, log out, all in one look, once in a run.

Nothing is left behind: a token that was issued is revoked before the look ends, whatever happened in between.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from pytest_nodered_sec import redaction
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model_account import SignIn
from pytest_nodered_sec.probes.inside import LIMIT, read_view

if TYPE_CHECKING:
    from pytest_nodered_sec.credentials import Credentials
    from pytest_nodered_sec.model import RootView
    from pytest_nodered_sec.probes.http import Exchange
    from pytest_nodered_sec.probes.look import Look


@dataclass(frozen=True)
class Visit:
    """What came of the site's account, found once per target.

    Attributes:
        seen: what it was told; None without an account, and where it could not be used.
        trouble: why it could not be used.
    """

    seen: SignIn | None = None
    trouble: ProbeError | None = None


def visit(look: Look) -> Visit:
    """Use the site's account on the admin API, if there is one.

    What goes wrong is returned: the controls that can do without an account are judged without.
    """
    if look.target.credentials is None:
        return Visit()
    try:
        return Visit(_visited(look, look.target.credentials()))
    except ProbeError as error:
        return Visit(trouble=error)


def sign_in(look: Look, account: Visit, admin: RootView) -> SignIn:
    """Return what became of the site's account.

    Raises:
        ProbeError: no account, a channel that is not verified, a lock-out, no answer, or a session that could not
            be ended.
    """
    del admin  # it stands for: the admin root answers as at the start, before and after
    if account.trouble is not None:
        raise account.trouble.again()
    if account.seen is None:
        raise ProbeError(f"{look.target.name} was given no account", Cause.UNAVAILABLE)
    return account.seen


def _visited(look: Look, account: Credentials) -> SignIn:
    if account.token:
        return _with_token(look, account.token, "the given token")
    got = _log_in(look, account)
    issued = _object(got)
    if got.status == 403 and issued.get("error") == "invalid_grant":
        return SignIn(account.username, "POST /auth/token answered 403 (invalid_grant)")
    token, expires_in = issued.get("access_token"), issued.get("expires_in")
    if not isinstance(token, str) or not token:
        raise ProbeError(f"POST /auth/token for {account.username} answered {got.status}, no token", Cause.PROTOCOL)
    redaction.learn(token)
    try:
        seen = _with_token(look, token, account.username)
    finally:
        _revoke(look, token)
    return replace(seen, expires_in=expires_in if isinstance(expires_in, int) else None)


def _log_in(look: Look, account: Credentials) -> Exchange:
    form = {
        "client_id": "node-red-admin",
        "grant_type": "password",
        "scope": "",  # all that the account may do (editor-api/lib/auth/strategies.js); "*" refuses readers
        "username": account.username,
        "password": account.password,
    }
    got = look.ask(
        "POST",
        look.target.admin("/auth/token"),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=urlencode(form).encode(),
        secret=True,
    )
    if got.status not in (200, 403):
        answer = f"POST /auth/token for {account.username} answered {look.reduce(got).line()}"
        why = "too many login attempts" if b"Too many" in got.body else "no log-in by password is offered there"
        raise ProbeError(f"{answer}: {why}", Cause.UNAVAILABLE)
    return got


def _with_token(look: Look, token: str, account: str) -> SignIn:
    bearer = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def ask(path: str) -> Exchange:
        look.extend()
        return look.ask("GET", look.target.admin(path), headers=bearer, secret=True, limit=LIMIT)

    first = ask("/settings")
    if first.status >= 500:
        raise ProbeError(f"GET /settings as {account} answered {first.status}", Cause.UNAVAILABLE)
    if first.status != 200:
        return SignIn(account, f"GET /settings answered {first.status}")
    user = _object(first).get("user")
    permissions = _permissions(user.get("permissions") if isinstance(user, dict) else None)
    view = read_view(
        account, lambda path: first if path == "/settings" else ask(path), lambda got: look.reduce(got).line()
    )
    write = None
    if permissions == "read":
        # refused before it is read where the account may not write; "v0" makes it unusable where it may
        headers = {**bearer, "Node-RED-API-Version": "v0", "Content-Type": "application/json"}
        write = look.reduce(look.ask("POST", look.target.admin("/flows"), headers=headers, body=b"[]", secret=True))
    return SignIn(account, "", permissions, write=write, view=view)


def _permissions(found: Any) -> str:  # Any: JSON of the target
    """Return an account's permissions as one word where all are the same, else a list."""
    scopes = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    if scopes and all(isinstance(one, str) and (one == "read" or one.endswith(".read")) for one in scopes):
        return "read"
    return ", ".join(one for one in scopes if isinstance(one, str) and one.isprintable())


def _revoke(look: Look, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = json.dumps({"token": token}).encode()
    look.extend()  # whatever used up the time before, the session is ended
    got = look.ask("POST", look.target.admin("/auth/revoke"), headers=headers, body=body, secret=True)
    if got.status != 200:
        raise ProbeError(
            f"a session of {look.target.name} could not be ended: POST /auth/revoke answered {got.status}",
            Cause.PROTOCOL,
        )


def _object(got: Exchange) -> dict[str, Any]:  # Any: JSON of the target
    try:
        found = json.loads(got.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
