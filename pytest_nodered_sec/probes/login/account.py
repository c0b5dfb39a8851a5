"""The account that the site configured: log in, read everything, log out, in one look, once per run.

Nothing is left behind: a token that was issued is revoked before the look ends, whatever happened in between.
"""

from __future__ import annotations

import base64
import contextlib
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec import redaction
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.account import SignIn
from pytest_nodered_sec.observations.answers import Answer, Refuser, refuser_of
from pytest_nodered_sec.observations.way_out import digest_login
from pytest_nodered_sec.probes.login.session import TOKEN, Entry, json_object, session
from pytest_nodered_sec.probes.login.view import limits, read_view

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.model import Credentials
    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.probes.transport.http import Exchange
    from pytest_nodered_sec.probes.transport.logins import OwnAttempt
    from pytest_nodered_sec.probes.transport.look import Look


_SHOWN: Final = 200  # characters of an account's permissions
_BETWEEN: Final = 0.2  # seconds between two looks whether an attempt may be made
RIGHT: Final = "right"  # what became of the account's password in this run; or at which target it was refused
REFUSED: Final = "refused at "


@dataclass(frozen=True)
class AccountVisit:
    """The result of using the site's account, once per target.

    Attributes:
        seen: what it was told; None without an account, and where it could not be used.
        trouble: why it could not be used.
    """

    seen: SignIn | None = None
    trouble: ProbeError | None = None


def visit(look: Look, admin: RootView) -> AccountVisit:
    """Use the site's account on the admin API, if there is one: at Node-RED's log-in, or at a Basic login before it.

    What goes wrong is returned: the controls that can do without an account are judged without.
    """
    if look.target.credentials is None:
        return AccountVisit()
    try:
        account = look.target.credentials()
        account.hide()
        return AccountVisit(_visited(look, admin, account))
    except ProbeError as error:
        return AccountVisit(trouble=error)


def sign_in(look: Look, account: AccountVisit, admin: RootView) -> SignIn:
    """Return the result of using the site's account.

    Raises:
        ProbeError: no account, a channel that is not verified, a lock-out, no answer, or a session that could not
            be ended.
    """
    del admin  # it stands for: the admin root answers as at the start, before and after
    if account.trouble is not None:
        raise account.trouble.again()
    if account.seen is None:
        raise ProbeError(f"no account is configured for {look.target.name}", Cause.UNAVAILABLE)
    return account.seen


def basic_login(look: Look, admin: RootView) -> dict[str, str]:
    """Return the header by which a browser would log in at the Basic login before the admin API.

    Nothing where no Basic login stands there, or no account with a password was given.
    """
    settings = admin.settings
    if look.target.credentials is None or settings is None or settings.answer.basic_realm is None:
        return {}
    account = look.target.credentials()
    account.hide()
    return {} if account.token else {"Authorization": basic_of(account)}


def basic_of(account: Credentials) -> str:
    """Return the value of an Authorization header for an account with a password."""
    return "Basic " + base64.b64encode(f"{account.username}:{account.password}".encode()).decode()


@contextlib.contextmanager
def log_in(look: Look, account: Credentials) -> Iterator[Entry]:
    """Log in at Node-RED's own login, and log out at the end. A password that was refused is not sent again in the run.

    Yields:
        What the login said: a token, or that the password is wrong.

    Raises:
        ProbeError: a channel that is not verified, a lock-out, no login by password, no answer, a refusal at another
            target, or a session that could not be ended.
    """
    look.station.check_channel(look.deadline)  # before the attempt is counted
    own = own_attempt(look, account)
    known = _outcome(look, own)
    if known == REFUSED + look.target.name:
        yield Entry(Answer(403), refused=True)
        return
    if known.startswith(REFUSED):
        raise ProbeError(
            f"the same password was refused for {account.username} at {known.removeprefix(REFUSED)}, at the same "
            "address; it is not sent again, so that nobody is locked out: correct it, or test this target alone",
            Cause.NOT_ASKED,
        )
    if known not in ("", RIGHT):
        raise ProbeError(known, Cause.NOT_ASKED)
    with contextlib.ExitStack() as stack:
        try:
            _take_a_turn(look, account.username)
            entry = stack.enter_context(session(look, account.username, account.password))
        except ProbeError as error:
            if not known:
                own.note(error.message)
            raise
        trouble = _no_answer(account, entry)
        if trouble is None:
            own.note(RIGHT if entry.token else REFUSED + look.target.name)
        elif entry.locked_out:
            own.note(trouble.message)
        else:
            own.release()  # nobody looked at the password
        if trouble is not None:
            raise trouble
        yield entry


def own_attempt(look: Look, account: Credentials) -> OwnAttempt:
    """Return what the run knows of an account's password at Node-RED's own login."""
    return look.station.logins.own(look.account_keys(TOKEN, account.username), account.password)


def _no_answer(account: Credentials, entry: Entry) -> ProbeError | None:
    if entry.token or entry.refused:
        return None
    why = "too many login attempts" if entry.locked_out else "no login by password is offered there"
    answer = f"POST /auth/token for {account.username} answered {entry.answer.line()}"
    if todo := digest_login(entry.answer):
        return ProbeError(f"{answer}: {todo}", Cause.UNAVAILABLE)
    return ProbeError(f"{answer}: {why}", Cause.UNAVAILABLE)


def _outcome(look: Look, own: OwnAttempt) -> str:
    """Return what became of the password in this run, "" for who is the first to send it; wait for who sends it."""
    while (known := own.claim()) is None:
        if time.monotonic() + _BETWEEN >= look.deadline:
            raise ProbeError(
                "another worker sent the account's password and was not answered; it is not sent again, so that nobody "
                "is locked out",
                Cause.NOT_ASKED,
            )
        time.sleep(_BETWEEN)
    return known


def _visited(look: Look, admin: RootView, account: Credentials) -> SignIn:
    if account.token:
        seen = _look_around(look, {"Authorization": f"Bearer {account.token}"}, "the given token")
        return replace(seen, origin=account.origin)
    login = basic_login(look, admin)
    if login:
        return replace(_look_around(look, login, account.username), origin=account.origin)
    with log_in(look, account) as entry:
        if entry.refused:
            return SignIn(account.username, "POST /auth/token answered 403 (invalid_grant)", origin=account.origin)
        seen = _look_around(look, {"Authorization": f"Bearer {entry.token}"}, account.username)
        return replace(seen, expires_in=entry.expires_in, origin=account.origin)


def _take_a_turn(look: Look, username: str) -> None:
    """Count the attempt; it is forgotten where it succeeds. Wait a little for others that may succeed at the moment.

    The password may be an old one: what runs again and again must not lock its owner out.
    """
    while wait := look.station.logins.note(look.account_keys(TOKEN, username)):
        if time.monotonic() + _BETWEEN >= look.deadline:
            raise ProbeError(
                f"`{username}` was refused or tried so often from here that the account might be locked (published "
                f"passwords count, too): your password was not sent; ask again in {wait:.0f} s, with the right one",
                Cause.NOT_ASKED,
            )
        time.sleep(_BETWEEN)
    look.extend()


def _look_around(look: Look, login: dict[str, str], account: str) -> SignIn:
    headers = {**login, "Accept": "application/json"}

    def ask(path: str) -> Exchange:
        look.extend()
        return look.ask("GET", look.target.admin(path), headers=headers, secret=True, limit=limits(path)[0])

    first = ask("/settings")
    answer = look.reduce(first)
    if first.status >= 500:
        raise ProbeError(f"GET /settings as {account} answered {first.status}", Cause.UNAVAILABLE)
    if refuser_of(answer.challenge) is Refuser.NODE_RED and login["Authorization"].startswith("Basic "):
        raise ProbeError(
            f"GET /settings as {account} passed the Basic login but was refused by Node-RED's own login: one "
            "account cannot be used at both",
            Cause.UNAVAILABLE,
        )
    if first.status != 200:
        return SignIn(account, f"GET /settings answered {first.status}")
    user = json_object(first).get("user")
    permissions = _permissions(user.get("permissions") if isinstance(user, dict) else None)
    view = read_view(
        account, lambda path: first if path == "/settings" else ask(path), lambda got: look.reduce(got).line()
    )
    write = None
    if permissions == "read":
        # refused before it is read where the account may not write; "v0" makes it unusable where it may
        unusable = {**headers, "Node-RED-API-Version": "v0", "Content-Type": "application/json"}
        write = look.reduce(look.ask("POST", look.target.admin("/flows"), headers=unusable, body=b"[]", secret=True))
    return SignIn(account, "", permissions, write=write, view=view)


def _permissions(told: Any) -> str:  # Any: JSON of the target
    """Return an account's permissions as one word where all are the same, else a list."""
    scopes = [told] if isinstance(told, str) else told if isinstance(told, list) else []
    if scopes and all(isinstance(scope, str) and (scope == "read" or scope.endswith(".read")) for scope in scopes):
        return "read"
    said = ", ".join(scope for scope in scopes if isinstance(scope, str))
    return redaction.in_one_line(said, _SHOWN)
