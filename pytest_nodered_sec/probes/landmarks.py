"""The signs of life: what a random path gets, before and after, and what shows that this is a Node-RED."""

from __future__ import annotations

import contextlib
import secrets
import string
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model_access import PlainAnswer, PortState
from pytest_nodered_sec.model_answers import NODE_RED_MARKS, Kind, Refuser, RootView, Seen, classify
from pytest_nodered_sec.probes.engineio import QUERY, farewell, offered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nodered_sec.model_answers import Answer
    from pytest_nodered_sec.probes.look import Look


def random_path() -> str:
    """Return "/" and 24 random letters: nobody serves that, so whoever answers it answers everything."""
    return "/" + "".join(secrets.choice(string.ascii_lowercase) for _ in range(24))


def see(look: Look, path: str, canary: Answer | None) -> Seen:
    """Ask one absolute path and classify the answer beside the canary's."""
    return _beside(look, path, look.answer("GET", path), canary)


def _beside(look: Look, path: str, answer: Answer, canary: Answer | None) -> Seen:
    return Seen(path, answer, classify(answer, look.target, canary))


def canary_of(look: Look, path: str) -> Seen:
    """Ask a random path; raise ProbeError where it got no answer that could tell anything apart."""
    return _distinct(look, see(look, path, None))


def see_again(look: Look, before: RootView) -> Seen:
    """Ask a root's sign of life again (`RootView.sign`).

    Raises:
        ProbeError: no answer.
    """
    path = before.sign.path
    return canary_of(look, path) if path == before.canary.path else see(look, path, before.canary.answer)


def _distinct(look: Look, seen: Seen) -> Seen:
    if seen.kind is Kind.NO_ANSWER and seen.classified.cause is Cause.UNAVAILABLE:
        why = f", {seen.classified.why}" if seen.classified.why else ""
        raise ProbeError(f"{look.target.url} answers {seen.answer.line()}{why} to a random path", Cause.UNAVAILABLE)
    return seen


def view_admin(look: Look) -> RootView:
    """Look at the admin root: canary, `/settings`, `/auth/login`, and what shows a Node-RED.

    Identity beyond the two landmarks is asked for only where they show nothing.
    """
    target = look.target
    paths = [target.admin(path) for path in (random_path(), "/settings", "/auth/login")]
    first, *others = look.together(paths)
    canary = _distinct(look, _beside(look, paths[0], first, None))
    settings, login = (
        _beside(look, path, answer, canary.answer) for path, answer in zip(paths[1:], others, strict=True)
    )
    identity = [
        f"{seen.path} ({seen.answer.line()})"
        for seen in (login, settings)
        if (seen.kind is Kind.SERVED and seen.answer.marks & NODE_RED_MARKS) or seen.refuser is Refuser.NODE_RED
    ]
    if not identity:
        identity = _shown_elsewhere(look, canary)
    return RootView(target.admin("/"), canary, settings, login, tuple(identity))


def _shown_elsewhere(look: Look, canary: Seen) -> list[str]:
    target = look.target
    paths = [target.admin("/uisettings"), target.node("/dashboard/_setup")]
    for path in paths:
        seen = see(look, path, canary.answer)
        if seen.kind is Kind.SERVED and seen.answer.content_type == "application/json":
            return [f"{path} (JSON of a Node-RED dashboard)"]
    for base in target.policy.dashboards or ("/ui", "/dashboard"):
        path = target.node(base.rstrip("/") + "/socket.io" + QUERY)
        got = look.ask("GET", path)
        session = offered(got.body) if got.status == 200 else None
        if session:
            with contextlib.suppress(ProbeError):  # it ends by itself then
                look.ask("POST", f"{path}&sid={session[0]}", body=farewell(old=session[1]))
            return [f"{path.split('?')[0]} (Socket.IO)"]
    return []


def view_node(look: Look) -> RootView:
    """Look at the node root: only its canary."""
    target = look.target
    return RootView(target.node("/"), canary_of(look, target.node(random_path())))


@dataclass(frozen=True)
class PlainView:
    """What a random path got over plain HTTP, per address of the name."""

    path: str
    answers: tuple[PlainAnswer, ...]

    def same_as(self, other: PlainView) -> bool:
        """Whether every address did the same again."""
        return [_gist(seen) for seen in self.answers] == [_gist(seen) for seen in other.answers]


def _gist(seen: PlainAnswer) -> tuple[object, ...]:
    return (seen.address, seen.state, seen.answer and (seen.answer.status, seen.answer.location))


def view_plain(look: Look, before: PlainView | None = None) -> PlainView:
    """Look at the plain HTTP port of every address, once more where it was looked at before.

    Raises:
        ProbeError: a port accepted and stayed silent.
    """
    path = before.path if before else look.target.admin(random_path())
    answered = {one.address for one in before.answers if one.state is PortState.ANSWERED} if before else set()
    addresses = look.station.addresses
    return PlainView(path, tuple(_plain(look, one, path, known=one in answered) for one in addresses))


def _plain(look: Look, address: str, path: str, *, known: bool) -> PlainAnswer:
    state = PortState.ANSWERED if known else port_state(look, address, look.station.plain_port)
    return PlainAnswer(address, state) if state is not PortState.ANSWERED else ask_plain(look, address, path)


def ask_plain(
    look: Look, address: str, path: str, method: str = "GET", headers: Mapping[str, str] | None = None
) -> PlainAnswer:
    """Ask one path over plain HTTP at one address whose port accepts connections."""
    try:
        answer = look.answer(method, path, headers=headers, plain_address=address)
        return PlainAnswer(address, PortState.ANSWERED, answer)
    except ProbeError as error:
        if error.cause is Cause.CLOSED:
            return PlainAnswer(address, PortState.CLOSED)
        raise


def port_state(look: Look, address: str, port: int) -> PortState:
    """Connect, twice where nothing answers: a filter is silent again, a lost packet is not."""
    for _ in range(2):
        try:
            deadline = time.monotonic() + look.target.timeout * 0.3
            look.station.dial(address, port, deadline).close()
        except ProbeError as error:
            if error.cause is Cause.UNREACHABLE:
                return PortState.REFUSED
            if error.cause is not Cause.TIMEOUT:
                raise  # a proxy between us and the target: what it says is not the target's word
        else:
            return PortState.ANSWERED
    return PortState.FILTERED
