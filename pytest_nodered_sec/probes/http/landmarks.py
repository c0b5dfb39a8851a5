"""The landmarks: the answer to a random path, at the start and again later, and what identifies Node-RED."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_nodered_sec.data.browsers import BROWSER_AGENT
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.answers import (
    NODE_RED_MARKS,
    OWN_APP,
    Answer,
    Classified,
    Kind,
    Mark,
    Refuser,
    RootView,
    Seen,
    classify,
    is_own_app,
    steadied,
)
from pytest_nodered_sec.observations.cleartext import PlainAnswer, PortState
from pytest_nodered_sec.observations.reach import DASHBOARD_PAGE
from pytest_nodered_sec.observations.way_out import CLOSES_ALL, NEWER_ALONE, way_out
from pytest_nodered_sec.probes.channels.engineio import QUERY, farewell, offered
from pytest_nodered_sec.probes.transport.form import Form
from pytest_nodered_sec.probes.transport.http import USER_AGENT
from pytest_nodered_sec.probes.transport.names import random_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_nodered_sec.probes.transport.look import Look


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
        what = f"{look.target.url} answers {seen.answer.line()}{why} to a random path"
        todo = way_out(seen.answer)
        raise ProbeError(f"{what}; {todo}" if todo else what, Cause.UNAVAILABLE)
    if seen.kind is Kind.SERVED and is_own_app(seen.answer, look.target):
        return replace(seen, classified=Classified(Kind.ABSENT, why=OWN_APP))
    return seen


def view_admin(look: Look) -> RootView:
    """Look at the admin root: canary, `/settings`, `/auth/login`, and what shows a Node-RED.

    Identity beyond the two landmarks is asked for only where they show nothing.
    """
    target = look.target
    paths = [target.admin(path) for path in (random_path(), "/settings", "/auth/login")]
    try:
        first, *others = look.together(paths)
    except ProbeError as error:
        if error.cause is Cause.TIMEOUT:
            raise _held_up(look, error) from None
        if error.cause is Cause.CLOSED:
            with contextlib.suppress(ProbeError):
                error = _banned(look, Answer(0), paths[1]) or error
        if error.cause is Cause.CLOSED and (view := _amid_closed(look, paths)):
            return view
        if error.cause is Cause.CLOSED:
            raise ProbeError(f"{error.message}; {_newer_alone(look, paths[0]) or CLOSES_ALL}", error.cause) from None
        raise error
    canary = _steadied(look, _distinct(look, _beside(look, paths[0], first, None)), target.admin)
    settings, login = (
        _beside(look, path, answer, canary.answer) for path, answer in zip(paths[1:], others, strict=True)
    )
    if settings.refuser is Refuser.NODE_RED:  # whatever Accept says: who asks as a program is answered already
        look.station.once((settings.path, ("Accept", "application/json")), lambda: settings.answer)
    identity = [
        f"{seen.path} ({seen.answer.line()})"
        for seen in (login, settings)
        if (seen.kind is Kind.SERVED and seen.answer.marks & NODE_RED_MARKS) or seen.refuser is Refuser.NODE_RED
    ]
    if not identity and Mark.DASHBOARD in canary.answer.marks:
        identity = [f"every path ({canary.answer.line()}, {DASHBOARD_PAGE})"]
    if not identity:
        identity = _shown_elsewhere(look, canary)
    turned_away = settings.kind is Kind.ABSENT or settings.refuser is Refuser.UNNAMED
    if not identity and turned_away and settings.answer.status != 401 and settings.same_as(canary):
        banned = _banned(look, settings.answer, settings.path)
        if banned:
            raise banned
    return RootView(target.admin("/"), canary, settings, login, tuple(identity))


def _held_up(look: Look, error: ProbeError) -> ProbeError:
    return ProbeError(
        f"{error.message}: {look.target.url} accepts connections, and no answer ends in time; if it holds up "
        "whoever it does not know, or bans this machine (HAProxy: tarpit, silent-drop), let the machine that runs the "
        "tests pass; "
        "--nodered-timeout gives more time",
        error.cause,
    )


def _newer_alone(look: Look, path: str) -> str:
    """Return the way out where what is closed in HTTP/1.1 is answered in HTTP/2; "" where it is not."""
    look.extend()
    with contextlib.suppress(ProbeError):
        if look.speaks_http2():
            with look.formed(Form(version="HTTP/2")):
                return f"in HTTP/2 it answered {look.answer('GET', path).line()}: {NEWER_ALONE}"
    return ""


def _amid_closed(look: Look, paths: Sequence[str]) -> RootView | None:
    """Return the view of a root where a random path gets the connection closed, twice, and a declared path an answer.

    So does nginx with `location / { return 444; }` beside one published dashboard. From here on a close is an answer
    (`Look.ask`), and what was answered is the sign of life. None where all are closed: the target may be down, or has
    banned us.

    Args:
        look: the look.
        paths: a random path, `/settings` and `/auth/login`, absolute.

    Raises:
        ProbeError: no answer.
    """
    target = look.target
    harmless = [
        endpoint.path
        for endpoint in target.policy.protected_paths
        if (endpoint.method, endpoint.effect) == ("GET", "none")
    ]
    answering = None
    for path in (*(f"{dashboard.rstrip('/')}/" for dashboard in target.dashboards), *harmless):
        look.extend()
        try:
            answering = see(look, target.node(path), None)
        except ProbeError as error:
            if error.cause is Cause.TIMEOUT:
                raise _held_up(look, error) from None
            if error.cause is not Cause.CLOSED:
                raise
            continue
        if answering.kind is not Kind.NO_ANSWER:
            break
    else:
        return None
    look.station.closes = True
    first, *others = look.together(paths)
    if first.status:  # not every time
        look.station.closes = False
        return None
    canary = _beside(look, paths[0], first, None)
    settings, login = (_beside(look, path, answer, first) for path, answer in zip(paths[1:], others, strict=True))
    identity = _shown_elsewhere(look, canary)
    if not identity and answering.kind is Kind.REFUSED and (target.policy.dashboards or harmless):
        identity = [f"{answering.path} ({answering.answer.line()}, of a declared path)"]
    return RootView(target.admin("/"), canary, settings, login, tuple(identity), answering=answering)


def _banned(look: Look, answer: Answer, path: str) -> ProbeError | None:
    """Return the error where a browser gets another refusal: the front turns this tool away by its name.

    Args:
        look: the look.
        answer: what this tool gets.
        path: absolute path that is asked.

    Raises:
        ProbeError: no answer.
    """
    seen = _beside(look, path, look.answer("GET", path, headers={"User-Agent": BROWSER_AGENT}), None)
    login = seen.kind is Kind.REFUSED or seen.classified.cause is Cause.UNDECLARED_LOGIN
    if seen.answer.status == answer.status or not (login or not answer.status):
        return None
    with contextlib.suppress(ProbeError):  # a limit of requests or connections closes now and then
        if look.answer("GET", path).status == seen.answer.status:
            return None
    return ProbeError(
        f"GET {path} of {look.target.url} as {USER_AGENT} answered {answer.line()}, and with a browser's User-Agent "
        f"{seen.answer.line()}: the front bans this User-Agent; let it pass from the machine that runs the tests",
        Cause.UNAVAILABLE,
    )


def _shown_elsewhere(look: Look, canary: Seen) -> list[str]:
    target = look.target
    paths = [target.admin("/uisettings"), target.node("/dashboard/_setup")]
    for path in paths:
        look.extend()  # one after the other, and fronts may hold up refusals: nginx: auth_delay 2s
        seen = see(look, path, canary.answer)
        if seen.kind is Kind.SERVED and seen.answer.content_type == "application/json":
            return [f"{path} (JSON of a Node-RED dashboard)"]
    top = target.node("/")
    if Mark.DASHBOARD in look.read(top, {"Accept": "application/json"}).marks:
        return [f"{top} ({DASHBOARD_PAGE})"]
    gated: list[str] = []
    for base in target.policy.dashboards or ("/ui", "/dashboard"):
        path = target.node(base.rstrip("/") + "/socket.io" + QUERY)
        look.extend()
        got = look.ask("GET", path)
        seen = _beside(look, path, look.reduce(got, path), canary.answer)
        elsewhere = canary.kind is Kind.ABSENT or (seen.answer.status and not canary.answer.status)
        if target.policy.dashboards and seen.kind is Kind.REFUSED and elsewhere:
            gated.append(f"{path.split('?')[0]} ({seen.answer.line()}, of a declared dashboard)")
        session = offered(got.body) if got.status == 200 else None
        if session:
            with contextlib.suppress(ProbeError):  # it ends by itself then
                look.ask("POST", f"{path}&sid={session[0]}", body=farewell(old=session[1]))
            return [f"{path.split('?')[0]} (Socket.IO)"]
    return gated[:1]


def view_node(look: Look, admin: RootView) -> RootView:
    """Look at the node root: only its canary; what shows a Node-RED at the admin root shows it here."""
    target = look.target
    canary = _steadied(look, canary_of(look, target.node(random_path())), target.node)
    answering = admin.answering if look.station.closes else None
    return RootView(target.node("/"), canary, identity=admin.identity, answering=answering)


def _steadied(look: Look, canary: Seen, below: Callable[[str], str]) -> Seen:
    """Ask another random path where each gets a page, so that what changes in that page is known."""
    if canary.kind not in (Kind.SERVED, Kind.ABSENT) or not canary.answer.likeness:
        return canary
    return replace(canary, answer=steadied(canary.answer, look.answer("GET", below(random_path()))))


@dataclass(frozen=True)
class PlainView:
    """The answer to a random path over plain HTTP, per address of the host name."""

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
    answered = {answer.address for answer in before.answers if answer.state is PortState.ANSWERED} if before else set()
    addresses = look.station.addresses
    return PlainView(path, tuple(_plain(look, address, path, known=address in answered) for address in addresses))


def _plain(look: Look, address: str, path: str, *, known: bool) -> PlainAnswer:
    state = PortState.ANSWERED if known else port_state(look, address, look.station.plain_port)
    return PlainAnswer(address, state) if state is not PortState.ANSWERED else ask_plain(look, address, path)


def ask_plain(
    look: Look,
    address: str,
    path: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> PlainAnswer:
    """Ask one path over plain HTTP at one address whose port accepts connections."""
    try:
        answer = look.answer(method, path, headers=headers, body=body, plain_address=address)
        return PlainAnswer(address, PortState.ANSWERED, answer)
    except ProbeError as error:
        if error.cause is Cause.CLOSED:
            return PlainAnswer(address, PortState.CLOSED)
        raise


def port_state(look: Look, address: str, port: int) -> PortState:
    """Connect, and once more if nothing answers: a filter stays silent, a lost packet does not recur.

    Only a refusal by the address itself, a firewall's "no route to host" (firewalld: icmp-host-prohibited), and silence
    are states of a port, and only while the URL's own port accepts connections at that address.

    Raises:
        ProbeError: this machine cannot try (no route at all, no descriptors), a proxy in between would not connect, or
            the URL's port is not to be reached at that address either.
    """
    what = f"port {port} at {address}"
    for _ in range(2):
        try:
            deadline = time.monotonic() + look.target.timeout * 0.3
            look.station.dial(address, port, deadline).close()
        except ProbeError as error:
            if error.cause is Cause.UNREACHABLE:
                look.station.must_be_alive_at(address, f"{what} refuses connections")
                return PortState.REFUSED
            if error.cause in (Cause.OUR_SIDE, Cause.NO_ROUTE):
                look.station.must_be_alive_at(address, error.message)
            if error.cause is Cause.NO_ROUTE and not look.target.http.proxy:
                return PortState.PROHIBITED
            if error.cause is not Cause.TIMEOUT:
                raise
        else:
            return PortState.ANSWERED
    look.station.must_be_alive_at(address, f"{what} is silent")
    return PortState.FILTERED
