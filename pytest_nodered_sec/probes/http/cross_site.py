"""What another site's page would make a browser send: a form post that changes nothing, and reads."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.access import WITH_ACCOUNT, VariantAttempt
from pytest_nodered_sec.observations.answers import Classified, Kind, Refuser, alike
from pytest_nodered_sec.observations.refusals import may_refuse_method
from pytest_nodered_sec.probes.http.access import HOW, JSON, as_headers, attempt_access, beside_canary, describe
from pytest_nodered_sec.probes.http.refusals import closed_twice, turns_away, unless_dropped
from pytest_nodered_sec.probes.login.account import basic_login
from pytest_nodered_sec.probes.transport.names import random_path
from pytest_nodered_sec.probes.transport.origins import STRANGER, lookalike

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.answers import Answer, RootView
    from pytest_nodered_sec.probes.login.account import AccountVisit
    from pytest_nodered_sec.probes.transport.look import Look

_FORM: Final = ("400 application/json", "x=1", "Content-Type: application/x-www-form-urlencoded")  # no nodes: no flow
_FOREIGN: Final = (f"Origin: {STRANGER}", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate")
_ALLOWED: Final = "access-control-allow-origin"
# How else another site's page posts a form's content: by fetch, which is no navigation, and from a sandbox, which has
# no origin. Asked only where this site's page is answered otherwise, so that somebody tells the two apart.
_FOREIGN_TOO: Final = (
    (f"Origin: {STRANGER}", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"),
    ("Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"),
)


def post_across_sites(look: Look, account: AccountVisit, admin: RootView, node: RootView) -> VariantAttempt:
    """Post a form without a flow in it to `/flow` as another site would; where that is refused, as this site would.

    Where a Basic login stands before it that accepts the site's account, both are done with that, as a browser does.

    Raises:
        ProbeError: no answer.
    """
    seen = attempt_access(look, admin, node, Surface.ADMIN.name, "POST", "/flow", "cross-site", *_FORM, *_FOREIGN)
    login = _login(look, account, admin) if seen.kind is Kind.REFUSED else {}
    if login:
        seen = _post(look, admin, "cross-site", {**login, **as_headers(_FOREIGN)})
    broken = seen.classified.cause is Cause.UNAVAILABLE and turns_away(seen.answer.status)
    if broken or seen.kind in (Kind.INDISTINCT, Kind.ABSENT) or seen.classified.cause is Cause.UNDECLARED_LOGIN:
        own = attempt_access(look, admin, node, Surface.ADMIN.name, "POST", "/flow", "same-site", *_FORM)
        if own.kind in (Kind.SERVED, Kind.REFUSED):
            seen = _unless_everywhere(look, admin, seen)
    if seen.kind is not Kind.REFUSED:
        return VariantAttempt("/flow", seen)
    if login:
        own = _post(look, admin, "same-site", login)
    elif seen.refuser is Refuser.NODE_RED:
        own = seen  # for want of a token, whoever asks
    else:
        own = attempt_access(look, admin, node, Surface.ADMIN.name, "POST", "/flow", "same-site", *_FORM)
    for lines in _FOREIGN_TOO if own.answer.status != seen.answer.status else ():
        if login:
            otherwise = _post(look, admin, "cross-site", {**login, **as_headers(lines)})
        else:
            otherwise = attempt_access(
                look, admin, node, Surface.ADMIN.name, "POST", "/flow", "cross-site", *_FORM, *lines
            )
        unanswered = otherwise.kind is Kind.NO_ANSWER and otherwise.answer.status != seen.answer.status
        if otherwise.kind is Kind.SERVED or unanswered:
            return VariantAttempt("/flow", otherwise)
        if own.kind is Kind.REFUSED and otherwise.answer.status == own.answer.status:
            return VariantAttempt("/flow", otherwise, own)
    return VariantAttempt("/flow", seen, own)


def _unless_everywhere(look: Look, admin: RootView, seen: AccessAttempt) -> AccessAttempt:
    """Return a refusal where every path gets the same from another site: somebody in front turns all of them away."""
    headers = {**JSON, **as_headers((_FORM[2], *_FOREIGN))}
    nowhere = look.answer("POST", admin.root.rstrip("/") + random_path(), headers=headers, body=_FORM[1].encode())
    if not alike(seen.answer, nowhere):
        return seen
    why = "as every path here where another site's page asks, and no other"
    return replace(seen, classified=Classified(Kind.REFUSED, Refuser.UNNAMED, why=why))


def _login(look: Look, account: AccountVisit, admin: RootView) -> dict[str, str]:
    """Return the header by which the account passes the Basic login before the admin API, if it does."""
    return basic_login(look, admin) if account.seen is not None and not account.seen.refusal else {}


def read_admin_across_origins(look: Look, account: AccountVisit, admin: RootView, node: RootView) -> AccessAttempt:
    """Ask for `/settings` as the script of another site's page; behind a Basic login with the account, too.

    Raises:
        ProbeError: no answer.
    """
    path = "/settings"
    seen = attempt_access(look, admin, node, Surface.ADMIN.name, "GET", path, "foreign")
    told = seen.answer.lets_strangers_read or seen.answer.header(_ALLOWED) == "*"
    login = {} if told or seen.kind is not Kind.REFUSED else _login(look, account, admin)
    return _read(look, Surface.ADMIN, admin, "GET", path, login) if login else seen


def read_across_origins(
    look: Look, account: AccountVisit, admin: RootView, node: RootView, method: str, path: str
) -> VariantAttempt:
    """Ask as the script of another site's page, and without an Origin, without credentials.

    Whom that does not let read is asked as a sandboxed frame of that page, too, whose Origin is `null`: with OPTIONS.
    Where a login refuses that, and the account passes it, GET is asked with the account: a front may add its headers to
    nothing but what is served.

    Args:
        look: the look.
        account: what became of the site's account.
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
    if path and method == "OPTIONS" and not seen.answer.header(_ALLOWED):
        lines.append("Origin: null")
        seen = attempt_access(look, admin, node, surface, method, asked, "sandboxed", "", "", *lines)
    canary = describe(look, Surface.NODE, "GET", asked, HOW["anonymous"], node.canary.answer, node)
    plain = attempt_access(look, admin, node, surface, "GET", path, "anonymous") if path else canary
    realm, settings = plain.answer.basic_realm, admin.settings
    unsaid = method == "OPTIONS" and seen.kind is Kind.REFUSED and not seen.answer.lets_strangers_read
    if unsaid and realm is not None and settings is not None and settings.answer.basic_realm == realm:
        login = _login(look, account, admin)
        seen = _read(look, Surface.NODE, node, "GET" if path else method, asked, login) if login else seen
    return VariantAttempt(path, seen, plain, ("cross-origin",))


def _read(
    look: Look, surface: Surface, view: RootView, method: str, path: str, login: Mapping[str, str]
) -> AccessAttempt:
    """Ask with the account as another site's page, and where that may not read, as a sandboxed frame of it."""
    absolute = view.root.rstrip("/") + path
    for how, origin in (("foreign", lookalike(look.target)), ("sandboxed", "null")):
        headers = {**JSON, **login, "Origin": origin}
        answer = look.reduce(look.ask(method, absolute, headers=headers, secret=True), absolute)
        said = f"{HOW[how].removesuffix(',')} {WITH_ACCOUNT}{',' if how == 'sandboxed' else ''}"
        seen = describe(look, surface, method, path, said, answer, view)
        if answer.lets_strangers_read:
            break
    return seen


def _post(look: Look, admin: RootView, how: str, headers: dict[str, str]) -> AccessAttempt:
    opened, body, kind = _FORM
    sent = {"Accept": "application/json", **as_headers([kind]), **headers}

    def ask(path: str = "/flow") -> Answer:
        got = look.ask("POST", look.target.admin(path), headers=sent, body=body.encode(), secret=True)
        return look.reduce(got, path)

    try:
        elsewhere = partial(ask, random_path())
        answer = unless_dropped(look, admin, HOW[how], ask, elsewhere) if how == "cross-site" else ask()
    except ProbeError as error:
        answer = closed_twice(look, error, admin, f"POST /flow {how} with the account", ask)
    said = f"{HOW[how].removesuffix(',')} {WITH_ACCOUNT},"
    attempt = describe(look, Surface.ADMIN, "POST", "/flow", said, answer, admin, opened)
    return (
        beside_canary(look, attempt, "POST", {}, opened, body.encode())
        if may_refuse_method(attempt.answer, admin.canary)
        else attempt
    )
