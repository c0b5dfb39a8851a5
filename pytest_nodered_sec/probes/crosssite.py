"""A form post as another site's page would make a browser send it; a request that changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.model_access import VariantAttempt
from pytest_nodered_sec.model_answers import Kind
from pytest_nodered_sec.probes.access import HOW, as_headers, attempt_access, describe
from pytest_nodered_sec.probes.account import basic_login
from pytest_nodered_sec.probes.origin import STRANGER

if TYPE_CHECKING:
    from pytest_nodered_sec.model_access import AccessAttempt
    from pytest_nodered_sec.model_answers import RootView
    from pytest_nodered_sec.probes.account import Visit
    from pytest_nodered_sec.probes.look import Look

_FORM: Final = ("400 application/json", "x=1", "Content-Type: application/x-www-form-urlencoded")  # no nodes: no flow
_FOREIGN: Final = (f"Origin: {STRANGER}", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate")


def post_across_sites(look: Look, account: Visit, admin: RootView, node: RootView) -> VariantAttempt:
    """Post a form without a flow in it to `/flow` as another site would; where that is refused, as this site would.

    Where a Basic login stands before it that accepts the site's account, both are done with that, as a browser does.

    Raises:
        ProbeError: no answer.
    """
    seen = attempt_access(look, admin, node, Surface.ADMIN.name, "POST", "/flow", "cross-site", *_FORM, *_FOREIGN)
    known = seen.kind is Kind.REFUSED and account.seen is not None and not account.seen.refusal
    login = basic_login(look, admin) if known else {}
    if login:
        seen = _post(look, admin, "cross-site", {**login, **as_headers(_FOREIGN)})
    if seen.kind is not Kind.REFUSED:
        return VariantAttempt("/flow", seen)
    if login:
        return VariantAttempt("/flow", seen, _post(look, admin, "same-site", login))
    own = attempt_access(look, admin, node, Surface.ADMIN.name, "POST", "/flow", "same-site", *_FORM)
    return VariantAttempt("/flow", seen, own)


def _post(look: Look, admin: RootView, how: str, headers: dict[str, str]) -> AccessAttempt:
    opened, body, kind = _FORM
    sent = {"Accept": "application/json", **as_headers([kind]), **headers}
    got = look.ask("POST", look.target.admin("/flow"), headers=sent, body=body.encode(), secret=True)
    said = f"{HOW[how].removesuffix(',')} and with the account,"
    return describe(look, Surface.ADMIN, "POST", "/flow", said, look.reduce(got, "/flow"), admin, opened)
