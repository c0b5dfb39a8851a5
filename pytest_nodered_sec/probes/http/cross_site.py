"""A form post as another site's page would make a browser send it; a request that changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.access import VariantAttempt
from pytest_nodered_sec.observations.answers import Kind
from pytest_nodered_sec.observations.refusals import may_refuse_method
from pytest_nodered_sec.probes.http.access import HOW, as_headers, attempt_access, beside_canary, describe
from pytest_nodered_sec.probes.login.account import basic_login
from pytest_nodered_sec.probes.transport.names import random_path
from pytest_nodered_sec.probes.transport.origins import STRANGER

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.probes.login.account import Visit
    from pytest_nodered_sec.probes.transport.look import Look

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


def read_across_origins(look: Look, admin: RootView, node: RootView, method: str, path: str) -> VariantAttempt:
    """Ask as the script of another site's page, and without an Origin, without credentials.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        node: landmarks of the node root.
        method: "GET" or "OPTIONS".
        path: path below the node root; "" for one that nobody serves, as which static files are asked.

    Raises:
        ProbeError: no answer.
    """
    asked, surface = path or random_path(), Surface.NODE.name
    lines = ["Access-Control-Request-Method: GET"] if method == "OPTIONS" else []
    seen = attempt_access(look, admin, node, surface, method, asked, "foreign", "", "", *lines)
    canary = describe(look, Surface.NODE, "GET", asked, HOW["anonymous"], node.canary.answer, node)
    plain = attempt_access(look, admin, node, surface, "GET", path, "anonymous") if path else canary
    return VariantAttempt(path, seen, plain, ("cross-origin",))


def _post(look: Look, admin: RootView, how: str, headers: dict[str, str]) -> AccessAttempt:
    opened, body, kind = _FORM
    sent = {"Accept": "application/json", **as_headers([kind]), **headers}
    got = look.ask("POST", look.target.admin("/flow"), headers=sent, body=body.encode(), secret=True)
    said = f"{HOW[how].removesuffix(',')} and with the account,"
    attempt = describe(look, Surface.ADMIN, "POST", "/flow", said, look.reduce(got, "/flow"), admin, opened)
    return (
        beside_canary(look, attempt, "POST", {}, opened) if may_refuse_method(attempt.answer, admin.canary) else attempt
    )
