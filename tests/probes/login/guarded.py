"""A Node-RED that knows one account, and what a session there comes to."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hostile
from hostile import FakeNodeRED, Reply, Request, json_reply

from pytest_nodered_sec import questions
from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Credentials, Target
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.rules import account, inside, patches
from pytest_nodered_sec.survey.survey import Survey
from pytest_nodered_sec.verdict import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


PASSWORD = "hunter2-plant"
TOKEN = "0123456789abcdef-token"
TOLD: dict[str, Any] = {  # Any: JSON
    "/settings": {
        "httpNodeRoot": "/",
        "version": "5.0.7",
        "user": {"username": "viewer", "permissions": "read"},
        "context": {},
        "functionExternalModules": False,
        "externalModules": {"palette": {"allowInstall": False}},
    },
    "/nodes": [{"module": "node-red", "version": "5.0.7"}, {"module": "node-red-dashboard", "version": "3.6.6"}],
    "/diagnostics": {"nodejs": {"version": "v24.22.3"}, "runtime": {"version": "5.0.7"}},
    "/flows": [{"id": "t", "type": "tab", "label": PASSWORD}],
    "/library/local/flows": Reply(403),  # of a front
}
CONTROLS: dict[str, tuple[tuple[Any, ...], Callable[[Any, Policy], Any]]] = {
    "admin-08": (questions.SIGN_IN, account.account_is_honoured),
    "admin-10": (questions.ADMIN_ROUTES, inside.admin_routes_are_guarded),
    "editor-04": (questions.INSTALL_RIGHTS, inside.nothing_installs_from_the_editor),
    "flow-01": (questions.ENTRIES, inside.ways_in_are_declared),
    "patch-01": (questions.NODE_RED_RELEASE, patches.is_free_of_advisories),
    "patch-02": (questions.MODULE_RELEASES, patches.is_free_of_advisories),
    "patch-03": (questions.NODE_RELEASE, patches.node_is_maintained),
}
INSIDE = set(CONTROLS) - {"admin-08"}


def as_reply(told: Any) -> Reply:
    return told if isinstance(told, Reply) else json_reply(told)


class Guarded:
    """A Node-RED with a login, of which answers to somebody logged in can be replaced."""

    def __init__(self, told: Mapping[str, Any] | None = None, *, login: Reply | None = None) -> None:
        self.told = TOLD | dict(told or {})
        self.login = login or json_reply({"access_token": TOKEN, "expires_in": 604800, "token_type": "Bearer"})
        self.asked: list[str] = []
        self._base = FakeNodeRED()
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply | None:
        path = request.path.split("?")[0]
        known = request.headers.get("authorization") == f"Bearer {TOKEN}"
        with self._lock:
            if known or path == "/auth/token":
                self.asked.append(f"{request.method} {path}")
        if path == "/auth/token":
            return self.login
        if not known:
            return self._base(request)
        if path == "/auth/revoke":
            return Reply(200)
        if request.method == "POST":
            return Reply(401)
        reply = self.told[path]
        return as_reply(reply)


def judged(
    server: Any, policy: Policy | None = None, attempts: Path | None = None, **more: Any
) -> tuple[dict[str, str], str]:
    """Ask everything; return a letter by control, and all that was said."""
    if attempts is None:
        with tempfile.TemporaryDirectory() as folder:
            return judged(server, policy, Path(folder, "run"), **more)
    lent: dict[str, Any] = {"credentials": lambda: Credentials("viewer", PASSWORD)} | more
    letters, said = {}, ""
    with hostile.serving(server) as running:
        target = Target(
            "plant",
            running.url,
            policy or Policy(),
            ca_file=str(hostile.default_ca().pem_path),
            timeout=3,
            http_port=hostile.closed_port(),
            **lent,
        )
        survey = Survey(attempts)
        try:
            survey.ask_ahead(target, [ask for asks, _ in CONTROLS.values() for ask in asks])
            for control, ((ask,), rule) in CONTROLS.items():
                try:
                    seen = survey.answer(target, ask)
                except ProbeError as error:
                    letters[control] = "E"
                    said += f"{control}: {error.message}\n"
                else:
                    verdict = rule(seen, target.policy)
                    letters[control] = "-" if isinstance(verdict, NotApplicable) else "F" if verdict else "P"
                    said += f"{control}: {seen.evidence()}\n{seen!r}\n{verdict}\n"
        finally:
            survey.close()
    return letters, said
