"""A session of Node-RED's admin API: logged in by password, logged out in the same look whatever happens."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from pytest_nodered_sec import redaction
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.transport.answers import json_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.observations.answers import Answer
    from pytest_nodered_sec.probes.transport.http import Exchange
    from pytest_nodered_sec.probes.transport.look import Look

TOKEN: Final = "POST /auth/token"  # noqa: S105  a route
_LONGEST: Final = 10**11  # seconds of a session's life: more is no longer any worse


@dataclass(frozen=True)
class Entry:
    """The answer of POST /auth/token to a user name and a password.

    Attributes:
        answer: the answer, reduced.
        token: the session's token, "" where none was issued.
        expires_in: the session's life in seconds, None where it was not told.
        refused: whether it is Node-RED's word that the password is wrong.
        locked_out: whether the password was not looked at, because there were too many attempts.
    """

    answer: Answer
    token: str = field(default="", repr=False)
    expires_in: int | None = None
    refused: bool = False
    locked_out: bool = False


@contextlib.contextmanager
def session(look: Look, username: str, password: str, *, once: bool = False) -> Iterator[Entry]:
    """Log in, and log out at the end.

    Args:
        look: the look.
        username: the account.
        password: its password.
        once: whether the password must be sent one time at most (see `Look.ask`).

    Raises:
        ProbeError: no answer, a channel that is not verified, or a session that could not be ended.
    """
    with look.station.logins.session():
        entry = _log_in(look, username, password, once=once)
        redaction.learn_issued(entry.token)
        if entry.token:
            look.station.logins.forget(look.account_keys(TOKEN, username))
        try:
            yield entry
        finally:
            if entry.token:
                _log_out(look, entry.token)


def _log_in(look: Look, username: str, password: str, *, once: bool) -> Entry:
    form = {
        "client_id": "node-red-admin",
        "grant_type": "password",
        "scope": "",  # all that the account may do (editor-api/lib/auth/strategies.js); "*" refuses readers
        "username": username,
        "password": password,
    }
    got = look.ask(
        "POST",
        look.target.admin("/auth/token"),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=urlencode(form).encode(),
        secret=True,
        once=once,
    )
    issued = json_object(got)
    token, expires_in = issued.get("access_token"), issued.get("expires_in")
    won = got.status == 200 and isinstance(token, str)
    return Entry(
        look.reduce(got),
        str(token) if won else "",
        _life(expires_in) if won else None,
        refused=got.status == 403 and issued.get("error") == "invalid_grant",
        locked_out=got.status == 429 or (got.status == 500 and b"Too many" in got.body),
    )


def _life(told: Any) -> int | None:  # Any: JSON of the target
    """Return a session's life in seconds; None where it is none, and no more than can be shown."""
    return min(told, _LONGEST) if isinstance(told, int) and told > 0 else None


def _log_out(look: Look, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = json.dumps({"token": token}).encode()
    look.extend()  # whatever used up the time before, the session is ended
    got = look.ask("POST", look.target.admin("/auth/revoke"), headers=headers, body=body, secret=True)
    if got.status != 200:
        raise ProbeError(
            f"a session of {look.target.name} could not be ended: POST /auth/revoke answered {got.status}",
            Cause.PROTOCOL,
        )


def json_object(got: Exchange) -> dict[str, Any]:  # Any: JSON of the target
    """Return an answer's JSON object, an empty one where it holds none."""
    answer = json_of(got.body)
    return answer if isinstance(answer, dict) else {}
