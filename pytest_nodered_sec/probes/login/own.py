"""A session for a site's own tests that is logged in with the site's account, and logged out at the end."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.login.account import basic_of, log_in
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.probes.transport.session import TargetSession

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.probes.transport.station import Station


@contextlib.contextmanager
def account_session(station: Station) -> Iterator[TargetSession]:
    """Log in at a target with the site's account, and log out at the end.

    The account's token is used as it is. A password is sent to the Basic login before the admin API, where one stands
    there, else once to Node-RED's own login.

    Args:
        station: what the looks at the target share.

    Raises:
        ProbeError: no account, a channel that is not verified, a refusal, no answer, or a session that could not be
            ended.
    """
    look, requests_session = Look(station), TargetSession(station)
    with contextlib.ExitStack() as stack:
        requests_session.headers["Authorization"] = _authorization(look, stack)
        yield requests_session


def _authorization(look: Look, stack: contextlib.ExitStack) -> str:
    """Return the header's value; what has to be undone is left to the stack."""
    if look.target.credentials is None:
        raise ProbeError(
            f"nodered_account_http needs an account at {look.target.name}: see credentials in docs/policy.md",
            Cause.UNAVAILABLE,
        )
    account = look.target.credentials()
    account.hide()
    if account.token:
        return f"Bearer {account.token}"
    answer = look.reduce(look.ask("GET", look.target.admin("/settings")))
    if answer.basic_realm is not None:
        return basic_of(account)
    entry = stack.enter_context(log_in(look, account))
    if entry.refused:
        raise ProbeError(f"POST /auth/token for {account.username} answered 403 (invalid_grant)", Cause.UNAVAILABLE)
    return f"Bearer {entry.token}"
