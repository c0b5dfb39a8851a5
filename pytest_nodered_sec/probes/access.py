"""HTTP requests to one path, without credentials or with made-up ones."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.model_access import AccessAttempt, LoginOffer
from pytest_nodered_sec.model_answers import Kind, classify

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nodered_sec.model_answers import Answer, RootView
    from pytest_nodered_sec.probes.look import Look

JSON: Final = {"Accept": "application/json"}
HOW: Final = {
    "anonymous": "without credentials",
    "forged": "with a made-up bearer token",
    "unwritten": "without credentials, made to write nothing,",
    "claimed": "with a stranger's identity headers",
    "foreign": "with a foreign Origin",
    "cross-site": "as a form of another site, made to write nothing,",
    "same-site": "as a form of this site, made to write nothing,",
}


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
) -> AccessAttempt:
    """Ask one path of the admin or node root.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        node: landmarks of the node root.
        surface: name of a `Surface`; decides the root.
        method: HTTP method, one without effect on the target.
        path: path below the root.
        how: what the request is, a key of `HOW`; "forged" adds a bearer token that nobody issued.
        open_answer: "STATUS TYPE" by which an open route answers this request, "" where its status tells.
        body: request body, "" for none.
        *headers: further headers, each "Name: value".

    Raises:
        ProbeError: no answer.
    """
    which = Surface[surface]
    behind_admin_root = which in (Surface.ADMIN, Surface.EDITOR)
    view = admin if behind_admin_root else node
    absolute = look.target.admin(path) if behind_admin_root else look.target.node(path)
    sent = dict(JSON) if behind_admin_root else {}
    sent |= as_headers(headers)
    if how == "forged":
        sent["Authorization"] = f"Bearer {secrets.token_hex(32)}"
    if how == "anonymous" and method == "GET":
        answer = look.read(absolute, sent)
    else:
        answer = look.answer(method, absolute, headers=sent, body=body.encode() or None)
    said = f"with the header {headers[0]}" if how == "claimed" and len(headers) == 1 else HOW[how]
    attempt = describe(look, which, method, path, said, answer, view, open_answer)
    return with_hint(look, attempt, path) if which is Surface.DASHBOARD else attempt


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
    """Put an answer beside its root's landmarks."""
    classified = classify(answer, look.target, view.canary.answer, open_answer)
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


def with_hint(look: Look, attempt: AccessAttempt, dashboard: str) -> AccessAttempt:
    """Note what shows that a dashboard is installed elsewhere, where a guessed one is absent."""
    if attempt.kind is not Kind.ABSENT or look.target.policy.dashboards is not None:
        return attempt
    tells = {"/ui": look.target.admin("/uisettings"), "/dashboard": look.target.node("/dashboard/_setup")}
    path = tells.get(dashboard)
    if path is None:
        return attempt
    told = look.answer("GET", path)
    kind = classify(told, look.target, attempt.view.canary.answer).kind
    if kind is Kind.SERVED and told.status == 200 and told.content_type == "application/json":
        return replace(attempt, hint=f"{path} shows that its dashboard is installed")
    return attempt


def read_login_offer(look: Look, admin: RootView) -> LoginOffer:
    """Return what `/auth/login` says to anybody; the landmark has asked it already."""
    login = admin.login
    assert login is not None, "an admin root's view always has it"  # noqa: S101  states an invariant for the type checker
    attempt = describe(look, Surface.ADMIN, "GET", "/auth/login", HOW["anonymous"], login.answer, admin)
    return LoginOffer(attempt)
