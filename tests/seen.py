"""Answers and views of real deployments, and what becomes of them: settled first, judged then, as in a run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.model import Surface, Target
from pytest_nodered_sec.observations.answers import Answer, Mark, RootView, Seen, classify
from pytest_nodered_sec.observations.settling import settle
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.probes.http.access import describe
from pytest_nodered_sec.verdict import NotApplicable, Violation

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.model import Observation
    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.verdict import Verdict

PASS, FAIL, ERROR, SKIP = "P", "F", "E", "–"  # the letters of the edge-case table  # noqa: RUF001  an en dash

NOT_FOUND = Answer(404, "text/html", 150, marks=frozenset({Mark.EXPRESS}))
BEARER = Answer(401, "text/plain", 12, 'Bearer realm="Users"')
NODE_BASIC = Answer(401, "text/plain", 12, 'Basic realm="Authorization Required"')
PROXY_BASIC = Answer(401, "text/html", 179, 'Basic realm="plant"')
FORBIDDEN = Answer(403, "text/html", 153)
BROKEN = Answer(500, "text/html", 170)
FLOWS = Answer(200, "application/json", 2913, likeness=(1, 2, 3))
SETTINGS = Answer(200, "application/json", 900, marks=frozenset({Mark.SETTINGS}), likeness=(4, 5))
EDITOR = Answer(200, "text/html", 1700, marks=frozenset({Mark.EDITOR}), likeness=(6, 7))
PAGE = Answer(200, "text/html", 500, likeness=(8, 9))
NO_LOGIN = Answer(200, "application/json", 2, marks=frozenset({Mark.LOGIN_OPEN}))
LOGIN = Answer(200, "application/json", 120, marks=frozenset({Mark.LOGIN_CONFIGURED}), likeness=(10,))
TO_CLEARTEXT = Answer(302, location="http://plant.example/", marks=frozenset({Mark.CLEARTEXT_REDIRECT}))
TO_SSO = Answer(302, location="https://sso.example/login")

SHOWN = ("/auth/login (200 (application/json, 120 bytes))",)


def target(url: str = "https://plant.example", **demands: Any) -> Target:
    return Target("plant", url, Policy(**demands))


def view(
    settings: Answer | None, canary: Answer = NOT_FOUND, identity: tuple[str, ...] = SHOWN, root: str = "/"
) -> RootView:
    """A root as the survey saw it at the start; no settings for a node root of its own."""
    random = Seen("/random", canary, classify(canary, target()))
    landmark = Seen("/settings", settings, classify(settings, target(), canary)) if settings else None
    return RootView(root, random, landmark, identity=identity)


OPEN = view(SETTINGS)
AUTH = view(BEARER)
NODE_AUTH = view(BEARER, NODE_BASIC)  # adminAuth and httpNodeAuth: a random path is a Basic 401
NO_ADMIN = view(NOT_FOUND)
NO_ADMIN_NODE_AUTH = view(NODE_BASIC, NODE_BASIC, ("/ui/socket.io/ (Socket.IO)",))
GATE = view(PROXY_BASIC, PROXY_BASIC, ())
STRANGER = view(NOT_FOUND, identity=())  # nothing shows a Node-RED


def attempt(
    surface: Surface, path: str, answer: Answer, root: RootView, to: Target | None = None, *, how: str = "anonymously"
) -> AccessAttempt:
    """What the probe makes of an answer."""
    look: Any = SimpleNamespace(target=to or target())
    return describe(look, surface, "GET", path, how, answer, root)


def outcome(rule: Callable[[Any, Policy], Verdict], seen: Observation, to: Target) -> str:
    """Settle, then judge: the letter of the table."""
    try:
        settle(seen, to)
    except ProbeError:
        return ERROR
    verdict = rule(seen, to.policy)
    if isinstance(verdict, NotApplicable):
        return SKIP
    return FAIL if violations(verdict) else PASS


def violations(verdict: Verdict) -> tuple[Violation, ...]:
    assert isinstance(verdict, tuple)
    assert all(isinstance(violation, Violation) for violation in verdict)
    return verdict
