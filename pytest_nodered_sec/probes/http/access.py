"""HTTP requests to one path, without credentials or with made-up ones."""

from __future__ import annotations

import base64
import json
import secrets
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data import guarded_get_routes
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Surface, ending_of
from pytest_nodered_sec.observations.access import AccessAttempt, LoginOffer
from pytest_nodered_sec.observations.answers import (
    ALL_THE_SAME,
    LET_IT_REFUSE,
    NODE_RED_MARKS,
    Classified,
    Kind,
    Mark,
    Refuser,
    alike,
    classify,
)
from pytest_nodered_sec.observations.refusals import (
    BODY_REFUSED,
    NOT_NODE_REDS,
    TOO_LARGE,
    is_no_node_reds,
    may_refuse_method,
)
from pytest_nodered_sec.probes.http.refusals import (
    closed_twice,
    dropped_parts,
    method_refused,
    turns_away,
    unless_dropped,
)
from pytest_nodered_sec.probes.transport.names import random_path
from pytest_nodered_sec.probes.transport.origins import lookalike

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_nodered_sec.observations.answers import Answer, RootView
    from pytest_nodered_sec.probes.transport.look import Look

_YEAR: Final = 365 * 24 * 3600  # seconds
JSON: Final = {"Accept": "application/json"}
HOW: Final = {
    "anonymous": "without credentials",
    "forged": "with a made-up bearer token",
    "unsigned": "with a made-up JWT that nobody signed",
    "unwritten": "without credentials, made to write nothing,",
    "claimed": "with forged identity headers",
    "foreign": "with a foreign Origin",
    "sandboxed": "with the Origin null, as from a sandboxed frame,",
    "cross-site": "as a form of another site, made to write nothing,",
    "same-site": "as a form of this site, made to write nothing,",
}

# nothing that a front turns away in silence
_USUAL: Final = ("anonymous", "unwritten", "foreign", "sandboxed", "same-site")

# Of what the editor serves below one first part of the path, in one block of Node-RED's, what is asked first. Where
# Express itself says that nobody serves that, a front has passed it on, and Node-RED has mounted nothing of the rest
# (@node-red/editor-api/lib/editor/index.js: `if (!settings.disableEditor)`).
_LEADING: Final = {"red": "/red/red.min.js", "icons": "/icons"}


def _claimed(look: Look, how: str) -> bool:
    """Whether it is one of several identity headers that are known to be dropped together."""
    return how == "claimed" and HOW["claimed"] in dropped_parts(look)


def attempt_access(
    look: Look,
    admin: RootView,
    node: RootView,
    surface: str,
    method: str,
    path: str,
    how: str,
    open_answer: str = "",
    body: str = "",
    *headers: str,
    write: Callable[[str], str] | None = None,
    meant: str = "",
) -> AccessAttempt:
    """Ask one path of the admin or node root.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        node: landmarks of the node root.
        surface: name of a `Surface`; decides the root.
        method: HTTP method, one without effect on the target.
        path: path below the root.
        how: what the request is: a key of `HOW`, "forged" and "unsigned" adding a bearer token that nobody issued,
            "foreign" an Origin, or the words themselves.
        open_answer: "STATUS TYPE" by which an open route answers this request, "" where its status tells.
        body: request body, "" for none.
        *headers: further headers, each "Name: value".
        write: turns the absolute path into the form that is sent; None for the usual one.
        meant: absolute path that headers name, where that is not the one that is asked; "" for none.

    Raises:
        ProbeError: no answer.
    """
    which = Surface[surface]
    leading = _LEADING.get(path.split("/")[1], path) if which is Surface.EDITOR and how == "anonymous" else path
    if leading != path:
        first = attempt_access(look, admin, node, Surface.EDITOR.name, "GET", leading, "anonymous")
        if not_mounted(first):
            return replace(first, how=f"without credentials, for all of the editor's below /{path.split('/')[1]},")
    if how in ("forged", "unsigned") and method == "GET":
        plain = attempt_access(look, admin, node, surface, method, path, "anonymous")
        if not_mounted(plain):
            return plain
        if how == "forged" and plain.refuser is Refuser.NODE_RED:
            return _with_made_up_token(look, admin, node, path)
    behind_admin_root = which in (Surface.ADMIN, Surface.EDITOR)
    view = admin if behind_admin_root else node
    absolute = look.target.admin(path) if behind_admin_root else look.target.node(path)
    absolute = write(absolute) if write else absolute
    sent = dict(JSON) if behind_admin_root else {}
    sent |= as_headers(headers)
    if how == "foreign":  # whatever `headers` name: a question does not depend on the host
        sent["Origin"] = lookalike(look.target)
    if how == "forged":
        sent["Authorization"] = f"Bearer {secrets.token_hex(32)}"
    if how == "unsigned":
        sent["Authorization"] = f"Bearer {unsigned_token()}"

    def ask() -> Answer:
        return look.answer(method, absolute, headers=sent, body=body.encode() or None)

    def nowhere() -> Answer:
        other = view.root.rstrip("/") + random_path() + "".join(path.partition("?")[1:])
        there = naming(sent, meant, view.root.rstrip("/") + random_path())
        return look.answer(method, write(other) if write else other, headers=there, body=body.encode() or None)

    said = f"with the header {headers[0]}" if how == "claimed" and len(headers) == 1 else HOW.get(how, how)
    try:
        if how == "anonymous" and method == "GET":
            answer = look.read(absolute, sent)
        elif how in _USUAL:
            answer = ask()
        else:
            answer = unless_dropped(look, view, HOW["claimed"] if _claimed(look, how) else said, ask, nowhere)
    except ProbeError as error:
        answer = closed_twice(look, error, view, f"{method} {absolute} {sent}", ask)
    attempt = describe(look, which, method, path, said, answer, view, open_answer)
    if how == "claimed" and turns_away(attempt.answer.status):
        attempt = _unless_everywhere(look, attempt, sent)
    telling = attempt.kind is Kind.SERVED or may_refuse_method(answer, view.canary)
    usual = method in (("GET",) if view.opaque else ("GET", "OPTIONS"))
    if telling and (not usual or _for_programs(attempt) or _of_a_kind(attempt)):
        attempt = beside_canary(look, attempt, method, sent, open_answer, body.encode())
    if which is Surface.EDITOR:
        attempt = _beside_another_app(attempt)
    if which is Surface.ADMIN or (which is Surface.EDITOR and path != "/"):
        attempt = unless_a_page(attempt)
    elif which is Surface.DASHBOARD and Mark.DASHBOARD in answer.marks and answer.content_type == "text/html":
        if attempt.kind is not Kind.SERVED:  # though every path be answered with it
            attempt = replace(attempt, classified=Classified(Kind.SERVED))
    elif which is Surface.DASHBOARD:
        attempt = _unless_every_path_below(look, attempt, absolute, sent, meant)
    return with_hint(look, attempt, path) if which is Surface.DASHBOARD and how in HOW else attempt


def naming(headers: Mapping[str, str], meant: str, other: str) -> dict[str, str]:
    """Return headers that name another path where these name the one that is meant ("" where none does)."""
    return {name: other if meant and value == meant else value for name, value in headers.items()}


def _with_made_up_token(look: Look, admin: RootView, node: RootView, path: str) -> AccessAttempt:
    """Ask the first route that Node-RED itself refuses and that demands the same permission, once for all of these.

    Those requests got past every gate, and Node-RED looks a token up in one place, so what it makes of a token depends
    on the permission alone (@node-red/editor-api/lib/auth/index.js, needsPermission).
    """
    guard = next((row.guard for row in guarded_get_routes() if row.path == path), "")
    for row in guarded_get_routes():
        if guard and row.guard == guard:
            plain = attempt_access(look, admin, node, Surface.ADMIN.name, "GET", row.path, "anonymous")
            if plain.refuser is Refuser.NODE_RED:
                path = row.path
                break
    said = f"{HOW['forged']}{f', for all that demands {guard},' if guard else ''}"
    sent = f"Authorization: Bearer {secrets.token_hex(32)}"
    ask = partial(attempt_access, look, admin, node, Surface.ADMIN.name, "GET", path, said, "", "", sent)
    return look.shared(f"made-up token {path}", ask)


def _unless_everywhere(look: Look, attempt: AccessAttempt, headers: dict[str, str]) -> AccessAttempt:
    """Return a refusal where every path gets the same by these headers: a front that takes none of them (5xx)."""
    everywhere = look.answer(attempt.method, attempt.view.root.rstrip("/") + random_path(), headers=headers)
    if not alike(attempt.answer, everywhere):
        return attempt
    why = "as every path that is asked so"
    return replace(attempt, classified=Classified(Kind.REFUSED, Refuser.UNNAMED, why=why))


def not_mounted(plain: AccessAttempt) -> bool:
    """Whether Express itself says that nobody serves a path: no token and no other spelling changes that.

    Where Node-RED has a route, its login answers before that; and the request got past every gate.
    """
    return plain.kind is Kind.ABSENT and Mark.EXPRESS in plain.answer.marks


def _for_programs(attempt: AccessAttempt) -> bool:
    """Whether JSON was served where nothing shows a Node-RED: a login may answer every request for JSON with 200."""
    served = attempt.kind is Kind.SERVED and attempt.answer.content_type == "application/json"
    below_admin = attempt.surface in (Surface.ADMIN, Surface.EDITOR)
    return served and attempt.method == "GET" and below_admin and not attempt.view.identity


def _of_a_kind(attempt: AccessAttempt) -> bool:
    """Whether it is a file of the editor's: a front may answer all files of a kind, by what their names end with."""
    served = attempt.kind is Kind.SERVED and attempt.method == "GET" and not attempt.answer.marks & NODE_RED_MARKS
    return served and attempt.surface is Surface.EDITOR and bool(ending_of(attempt.path))


def beside_canary(
    look: Look, attempt: AccessAttempt, method: str, headers: dict[str, str], open_answer: str, body: bytes = b""
) -> AccessAttempt:
    """Compare with a random path's answer to the same method: a gate may answer POST and GET differently.

    The random path ends as the path does, because fronts choose a content type, or an answer, by that (nginx: `types`,
    `location ~ [.]json$`). A front that takes no bodies is seen by the same body there; Node-RED takes 5 MB.

    Node-RED answers OPTIONS alike everywhere, so there it tells something only where no Node-RED was seen.
    """
    view = attempt.view
    root, ending = view.root.rstrip("/"), ending_of(attempt.path)
    sent = sorted(name if name == "Authorization" else f"{name}: {value}" for name, value in headers.items())
    key = f"{method} {ending} below {root} with {sent}"  # not the headers of whoever comes first

    too_large = body if attempt.answer.status == TOO_LARGE else b""
    key += " with a body" if too_large else ""

    def ask() -> Answer:
        return look.answer(method, root + random_path() + ending, headers=headers, body=too_large or None)

    try:
        canary = look.shared(key, ask)
    except ProbeError as error:
        canary = closed_twice(look, error, view, key, ask)
    if too_large and canary.status == TOO_LARGE:
        return replace(attempt, classified=Classified(Kind.REFUSED, Refuser.UNNAMED, why=BODY_REFUSED))
    refused = method_refused(look, attempt.answer, method, view, canary)
    if not refused and attempt.surface is Surface.ADMIN and is_no_node_reds(attempt.answer, view.canary):
        refused = Classified(Kind.REFUSED, Refuser.UNNAMED, why=NOT_NODE_REDS)
    classified = refused or classify(attempt.answer, look.target, canary, open_answer)
    if ending and classified.kind is Kind.INDISTINCT and view.canary.kind in (Kind.REFUSED, Kind.ABSENT):
        why = f"the front's own answer, as to every path here that ends with {ending}"
        classified = Classified(Kind.ABSENT, why=why)
    return replace(attempt, classified=classified)


def unless_a_page(attempt: AccessAttempt) -> AccessAttempt:
    """Return what a page amounts to where Node-RED would answer with anything but one: no answer of Node-RED's.

    Measured on Node-RED 1.3, 4.1 and 5.0: the editor and dashboards aside, nothing is answered with HTML but OPTIONS.
    """
    if attempt.method == "OPTIONS" or attempt.kind is not Kind.SERVED or not attempt.answer.strange_page:
        return attempt
    why = f"a page that is not Node-RED's; {LET_IT_REFUSE}"
    return replace(attempt, classified=Classified(Kind.INDISTINCT, why=why, cause=Cause.INDISTINCT))


def _beside_another_app(attempt: AccessAttempt) -> AccessAttempt:
    """Return what the page that every path gets amounts to where Node-RED was seen at this root: nothing of the editor.

    So a single-page app answers in front of the paths that the proxy passes on.
    """
    settings = attempt.view.settings
    seen = attempt.view.identity and settings is not None and settings.classified.cause is None
    if attempt.classified.cause is not Cause.INDISTINCT or not attempt.answer.strange_page or not seen:
        return attempt
    return replace(attempt, classified=Classified(Kind.ABSENT, why="the page that every path here gets, no editor"))


def _unless_every_path_below(
    look: Look, attempt: AccessAttempt, absolute: str, headers: dict[str, str], meant: str
) -> AccessAttempt:
    """Compare a page that shows no dashboard with that of a random path below it, where a gate's own form stands."""
    if attempt.kind is not Kind.SERVED or not attempt.answer.strange_page:
        return attempt
    below = (meant or absolute.partition("?")[0]).rstrip("/")
    nowhere = below + random_path()
    canary = look.read(absolute if meant else nowhere, naming(headers, meant, nowhere))
    if not alike(attempt.answer, canary):
        return attempt
    why = f"every path below {below} answers the same page, which is not a dashboard; {LET_IT_REFUSE}"
    return replace(attempt, classified=Classified(Kind.INDISTINCT, why=why, cause=Cause.INDISTINCT))


def unsigned_token() -> str:
    """Return a JWT with `alg: none` and every claim by which somebody may be taken for the administrator.

    `adminAuth.tokens` that decodes a token and does not verify it takes this for a user.
    """
    now = int(time.time())
    claims = dict.fromkeys(("sub", "username", "name", "preferred_username", "user", "email"), "admin")
    claims |= dict.fromkeys(("permissions", "scope", "scopes", "role"), "*")
    told = ({"alg": "none", "typ": "JWT"}, {**claims, "iat": now, "exp": now + _YEAR})
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in told)
    return f"{head}.{body}."


def as_headers(lines: Iterable[str]) -> dict[str, str]:
    """Return headers that were each written as "Name: value"."""
    return dict(line.split(": ", 1) for line in lines)


def describe(
    look: Look,
    surface: Surface,
    method: str,
    path: str,
    how: str,
    answer: Answer,
    view: RootView,
    open_answer: str = "",
) -> AccessAttempt:
    """Classify an answer by its root's landmarks."""
    classified = classify(answer, look.target, view.canary.answer, open_answer)
    if surface is Surface.ADMIN and classified.kind is Kind.REFUSED and _as_a_leak(answer, view):
        classified = Classified(Kind.SERVED, why=ALL_THE_SAME)
    return AccessAttempt(
        surface=surface,
        method=method,
        path=path,
        how=how,
        answer=answer,
        classified=classified,
        like_canary=(classified.kind, classified.refuser) == (view.canary.kind, view.canary.refuser),
        view=view,
    )


def _as_a_leak(answer: Answer, view: RootView) -> bool:
    """Whether `/settings` was refused by its status and told all the same, and this is JSON with that refusal."""
    told = view.settings
    leaks = told is not None and told.kind is Kind.SERVED and told.answer.status == answer.status
    return leaks and answer.content_type == "application/json"


def with_hint(look: Look, attempt: AccessAttempt, dashboard: str) -> AccessAttempt:
    """Note what shows that a dashboard is installed elsewhere, where a guessed one is absent."""
    if attempt.kind is not Kind.ABSENT or look.target.policy.dashboards is not None:
        return attempt
    tells = {"/ui": look.target.admin("/uisettings"), "/dashboard": look.target.node("/dashboard/_setup")}
    path = tells.get(dashboard)
    if path is None:
        return attempt
    top = look.target.node("/")
    if Mark.DASHBOARD in look.read(top, JSON).marks:  # as the editor's page is asked for
        return replace(attempt, hint=f"{top} is the page of a dashboard")
    told = look.answer("GET", path)
    kind = classify(told, look.target, attempt.view.canary.answer).kind
    if kind is Kind.SERVED and told.status == 200 and told.content_type == "application/json":
        return replace(attempt, hint=f"{path} shows that its dashboard is installed")
    return attempt


def read_login_offer(look: Look, admin: RootView) -> LoginOffer:
    """Return the answer of `/auth/login` without credentials; the landmark has asked it already."""
    login = admin.login
    assert login is not None, "an admin root's view always has it"  # noqa: S101  states an invariant for the type checker
    attempt = describe(look, Surface.ADMIN, "GET", "/auth/login", HOW["anonymous"], login.answer, admin)
    return LoginOffer(attempt)
