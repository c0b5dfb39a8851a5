"""What was seen of a target's surfaces over HTTP and on live channels: frozen observations, without secrets; no I/O.

`settle` says whether an observation answers its question, because that must be settled before a test body runs; what it
means for a control is decided in `rules/`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Settling, Surface
from pytest_nodered_sec.model_answers import NODE_RED_MARKS, Kind, Mark, Refuser, no_answer

if TYPE_CHECKING:
    from datetime import datetime

    from pytest_nodered_sec.model import Observation, Target
    from pytest_nodered_sec.model_answers import Answer, Classified, RootView


@dataclass(frozen=True)
class AccessAttempt:
    """An HTTP request to one path, and what it got.

    Attributes:
        surface: what was addressed.
        method: HTTP method.
        path: path as in the table, without root, e.g. "/flows".
        how: "without credentials" or "with a made-up bearer token".
        answer: what came back.
        classified: the answer's kind and refuser.
        like_canary: whether a random path of the same root was answered the same way.
        view: the root's landmarks.
        hint: for an absent guessed dashboard: what shows that one is elsewhere; else "".
    """

    surface: Surface
    method: str
    path: str
    how: str
    answer: Answer
    classified: Classified
    like_canary: bool
    view: RootView
    hint: str = ""

    @property
    def kind(self) -> Kind:
        """Return what the answer is."""
        return self.classified.kind

    @property
    def refuser(self) -> Refuser | None:
        """Return who refused, if anybody did."""
        return self.classified.refuser

    def question(self) -> str:
        """Return what was asked, e.g. 'GET /flows without credentials'."""
        return f"{self.method} {self.path} {self.how}"

    def evidence(self) -> str:
        """Return one line for the evidence."""
        hops = " after a same-origin redirect" if self.answer.hops else ""
        return f"{self.question()} answered {self.answer.line()}{hops}{self.remark()}"

    def remark(self) -> str:
        """Return what the line alone would not tell: whom a refusal is for, and what a page is not."""
        if self.kind is Kind.REFUSED and self.like_canary:
            return ", as every path here"
        if self.surface is not Surface.EDITOR:
            return ""
        if self.kind is Kind.REFUSED and self.refuser is not Refuser.NODE_RED:
            return ": refused, not gone; host-05 tells whether it is disabled"
        page = self.path == "/" and self.kind is Kind.SERVED and self.answer.status < 300
        return ": a page, not the editor" if page and Mark.EDITOR not in self.answer.marks else ""


@dataclass(frozen=True)
class LoginOffer:
    """What `GET /auth/login` said to an anonymous client (Node-RED's editor asks it how to log in).

    Attributes:
        attempt: the request and its answer; marks LOGIN_OPEN (`{}`) or LOGIN_CONFIGURED tell the rest.
    """

    attempt: AccessAttempt

    def evidence(self) -> str:
        """Return one line for the evidence."""
        return self.attempt.evidence()


class Channel(enum.Enum):
    """What became of an attempt to join a live channel: Socket.IO's connect packet, or a WebSocket."""

    OPEN = "open"  # 40{"sid":…}
    REFUSED_BY_MIDDLEWARE = "refused by ioMiddleware"  # 44{"message":…}
    REFUSED_INSIDE = "refused after the handshake"  # /comms: {"auth":"fail"}
    UNANSWERED = "never answered"  # the dashboards' own guard against a foreign Origin
    NO_CHANNEL = "no live channel"  # the HTTP layer answered; see the attempt


@dataclass(frozen=True)
class SocketAttempt:
    """An anonymous Socket.IO connect to a dashboard's live channel.

    Attributes:
        attempt: the HTTP side: the polling handshake and its answer.
        channel: what the connect packet got.
        events: packets beyond the connect answer that arrived with it (their content is not kept).
        detour_left_out: whether the ways around a gate were left out, as the policy's calm mode wants.
    """

    attempt: AccessAttempt
    channel: Channel
    events: int = 0
    detour_left_out: bool = False

    def evidence(self) -> str:
        """Return one line for the evidence."""
        where = f"Socket.IO connect to {self.attempt.path} {self.attempt.how}"
        if self.channel is Channel.OPEN:
            return f"{where} was accepted, and {self.events} more packets came with it"
        if self.channel is Channel.REFUSED_BY_MIDDLEWARE:
            return f"{where} was refused by ioMiddleware"
        if self.channel is Channel.UNANSWERED:
            return f"{where} was never answered"
        untried = "; ways around that were not tried (calm mode)" if self.detour_left_out else ""
        return f"{where} answered {self.attempt.answer.line()}{untried}"


@dataclass(frozen=True)
class ChannelAttempt:
    """An anonymous attempt to open a WebSocket.

    Attributes:
        attempt: the handshake and its answer.
        channel: what came of it.
    """

    attempt: AccessAttempt
    channel: Channel

    def evidence(self) -> str:
        """Return one line for the evidence."""
        where = f"WebSocket {self.attempt.path} {self.attempt.how}"
        if self.channel is Channel.OPEN:
            return f"{where} was accepted"
        if self.channel is Channel.REFUSED_INSIDE:
            return f"{where} was refused after the handshake"
        return f"{where} answered {self.attempt.answer.line()}{self.attempt.remark()}"


@dataclass(frozen=True)
class ForeignAttempt:
    """An attempt to join a live channel with an Origin that is nobody's.

    Attributes:
        seen: what came of it.
        login_first: whether the same is refused without an Origin too, so that the Origin decided nothing.
    """

    seen: SocketAttempt | ChannelAttempt
    login_first: bool = False

    def evidence(self) -> str:
        """Return one line for the evidence."""
        return self.seen.evidence() + (", as without an Origin" if self.login_first else "")


@dataclass(frozen=True)
class VariantAttempt:
    """A path asked for in another way: in another spelling, with other headers.

    Attributes:
        asked: the path as Node-RED spells it, below its root.
        attempt: the other way, and what it got.
        plain: what the path got when asked plainly; None where that decides nothing.
    """

    asked: str
    attempt: AccessAttempt
    plain: AccessAttempt | None = None

    def evidence(self) -> str:
        """Return one line for the evidence."""
        return self.attempt.evidence()


@dataclass(frozen=True)
class FileAttempt:
    """A request for a file that should not be served; what was in the answer is not kept.

    Attributes:
        attempt: the request and its answer.
        found: whether the answer was recognised as that file.
        hole: the known hole by which it was asked for, "" where it was asked for by its name.
        closed_by: what closes the hole.
    """

    attempt: AccessAttempt
    found: bool
    hole: str = ""
    closed_by: str = ""

    def evidence(self) -> str:
        """Return one line for the evidence."""
        return self.attempt.evidence()


class PortState(enum.Enum):
    """What connecting to a TCP port met."""

    REFUSED = "refused"
    FILTERED = "filtered"  # no answer to connecting, twice
    CLOSED = "closed without an answer"
    REJECTED = "turned away by a TLS alert"
    NO_CHANNEL = "no WebSocket there, as at a random path"
    ANSWERED = "answered"
    ACCEPTED = "open"  # nothing was asked there


@dataclass(frozen=True)
class PlainAnswer:
    """What one address of the name did with one plain HTTP request.

    Attributes:
        address: the address dialled.
        state: what connecting met.
        answer: the HTTP answer where state is ANSWERED.
        indistinct: whether a random path got the same 2xx page.
        like_canary: whether a random path got the same answer, whatever it was.
    """

    address: str
    state: PortState
    answer: Answer | None = None
    indistinct: bool = False
    like_canary: bool = False

    def line(self) -> str:
        """Return the outcome in one short phrase."""
        return self.state.value if self.answer is None else self.answer.line()


@dataclass(frozen=True)
class PlainAttempt:
    """One surface asked over plain HTTP, on every address of the name.

    Attributes:
        surface: "editor", "admin-api", "login", "node" or a dashboard's path.
        path: absolute path asked.
        port: TCP port.
        default_port: whether the port is 80 by default and the URL's port is not 443.
        answers: one per address, never empty.
        method: HTTP method, or "WebSocket" for a GET that asks for one.
    """

    surface: str
    path: str
    port: int
    default_port: bool
    answers: tuple[PlainAnswer, ...]
    method: str = "GET"

    def evidence(self) -> str:
        """Return one line for the evidence."""
        where = f"{self.method} {self.path} over plain HTTP, port {self.port}"
        lines = sorted({seen.line() for seen in self.answers})
        if all(seen.state in (PortState.REFUSED, PortState.FILTERED) for seen in self.answers):
            return f"nothing can be reached on port {self.port}: {', '.join(lines)}"
        if len(self.answers) == 1:
            return f"{where}: {lines[0]}"
        return f"{where}: " + "; ".join(f"{seen.address}: {seen.line()}" for seen in self.answers)


@dataclass(frozen=True)
class Reach:
    """The target answered at the beginning and at the end.

    Attributes:
        address: the address dialled for the URL.
        addresses: all addresses of the name.
        first: UTC time of the first sign of life.
        last: UTC time of the last one.
        looks: how many looks lay between them.
        identity: what shows a Node-RED; empty if nothing did.
        view: landmarks of the admin root.
    """

    address: str
    addresses: tuple[str, ...]
    first: datetime
    last: datetime
    looks: int
    identity: tuple[str, ...]
    view: RootView

    def evidence(self) -> str:
        """Return one line for the evidence."""
        shown = f"Node-RED shown by {', '.join(self.identity)}" if self.identity else "nobody seen behind the gate"
        return (
            f"{self.address} answered from {self.first:%H:%M:%SZ} to {self.last:%H:%M:%SZ}, "
            f"{self.looks} looks between; {shown}{f'; {self.view.found}' if self.view.found else ''}"
        )


def answered(found: Observation | ProbeError, target: Target) -> Observation:
    """Return what was seen, if it answers its question under the target's policy.

    Raises:
        ProbeError: it could not be looked at, or is no answer; a fresh exception for every caller, without our frames.
    """
    __tracebackhide__ = True
    if isinstance(found, ProbeError):
        raise found.again()
    try:
        settle(found, target)
    except ProbeError as error:
        raise error.again() from None
    return found


def settle(seen: Observation, target: Target) -> None:
    """Raise `ProbeError` unless the observation answers its question under the target's policy.

    Pure, and run before the test body: what it raises is an error, never a failure.
    """
    if isinstance(seen, (LoginOffer, SocketAttempt, ChannelAttempt)):
        channel_answered = not isinstance(seen, LoginOffer) and seen.channel is not Channel.NO_CHANNEL
        if not channel_answered:
            _settle_access(seen.attempt, target)
            attempt = seen.attempt
            if isinstance(seen, ChannelAttempt) and attempt.surface is Surface.ADMIN and attempt.view.blanket:
                _settle_blanket(attempt, seen.evidence(), target.policy.admin_api)  # an absence proves no more
    elif isinstance(seen, FileAttempt):
        _settle_file(seen, target)
    elif isinstance(seen, VariantAttempt):
        _settle_access(seen.attempt, target)
        if seen.plain is not None:
            _settle_access(seen.plain, target)
    elif isinstance(seen, ForeignAttempt):
        settle(seen.seen, target)
    elif isinstance(seen, AccessAttempt):
        _settle_access(seen, target)
    elif isinstance(seen, PlainAttempt):
        settle_plain(seen)
    elif isinstance(seen, Reach):
        _settle_reach(seen, target)
    elif isinstance(seen, Settling):
        seen.settle(target)


def _settle_access(seen: AccessAttempt, target: Target) -> None:
    if seen.classified.cause is not None:
        why = f": {seen.classified.why}" if seen.classified.why else ""
        raise ProbeError(f"{seen.evidence()}{why}", seen.classified.cause)
    if seen.surface in (Surface.ADMIN, Surface.EDITOR):
        _settle_behind_gate(seen, target)
    if seen.kind is Kind.ABSENT and seen.hint:
        raise ProbeError(
            f"{seen.evidence()}, yet {seen.hint}: name your dashboards with --nodered-dashboard=/PATH "
            "(only those are asked then), or say --nodered-dashboard=none",
            Cause.UNIDENTIFIED,
        )


def _settle_file(seen: FileAttempt, target: Target) -> None:
    attempt = seen.attempt
    gated = attempt.view.blanket and target.policy.admin_api in ("proxied", "disabled")
    if seen.hole and gated and attempt.kind is Kind.ABSENT:
        return  # the gate before everything, which is intended, does not take such paths
    _settle_access(attempt, target)
    if not (seen.found or attempt.kind is Kind.REFUSED or attempt.view.identity):
        raise ProbeError(f"{seen.evidence()}; nothing at {target.url} shows a Node-RED", Cause.UNIDENTIFIED)


def _settle_behind_gate(seen: AccessAttempt, target: Target) -> None:
    """Decide what a gate in front of everything, or a root with nothing in it, leaves unanswered."""
    view, expected = seen.view, target.policy.admin_api
    if view.blanket and seen.kind is Kind.REFUSED:
        _settle_blanket(seen, seen.evidence(), expected)
    if seen.kind is Kind.REFUSED:
        return
    if _relies_on_absence(seen, expected) and not view.identity and not seen.answer.marks & NODE_RED_MARKS:
        raise ProbeError(f"{seen.evidence()}; nothing at {target.url} shows a Node-RED", Cause.UNIDENTIFIED)
    if seen.surface is not Surface.EDITOR:
        return
    editor = Mark.EDITOR in seen.answer.marks
    if view.api_absent and expected != "disabled" and not editor:
        raise ProbeError(
            f"{seen.evidence()}, but there is no admin API at {view.root} either: is that the admin root? "
            "Set --nodered-admin-root, or --nodered-admin-api=disabled",
            Cause.UNIDENTIFIED,
        )
    settings = view.settings
    if editor and target.policy.editor == "protected" and settings is not None and settings.classified.cause:
        raise ProbeError(
            f"{seen.evidence()}: the editor, but {settings.path} answered {settings.answer.line()}, so whether a "
            "login stands behind it is not known",
            settings.classified.cause,
        )


def _settle_blanket(seen: AccessAttempt, evidence: str, expected: str) -> None:
    tolerated = ("proxied",) if seen.surface is Surface.EDITOR else ("proxied", "disabled")
    if expected not in tolerated:
        choices = " or ".join(f"`--nodered-admin-api={choice}`" for choice in tolerated)
        raise ProbeError(
            f"{evidence}: nobody has been seen behind the gate at {seen.view.root}, so this may be a wrong "
            f"admin root; if it is intended say {choices}",
            Cause.UNIDENTIFIED,
        )


def _relies_on_absence(seen: AccessAttempt, expected: str) -> bool:
    """Whether a verdict on this answer, which is no refusal, rests on Node-RED not being there."""
    if seen.view.api_absent:
        return expected == "disabled" or seen.surface is Surface.EDITOR
    return seen.kind is Kind.ABSENT or (seen.surface is Surface.EDITOR and seen.path == "/")


def settle_plain(seen: PlainAttempt) -> None:
    """Raise `ProbeError` where an address gave no answer, or one that any path gets."""
    for one in seen.answers:
        if one.answer is None:
            continue
        if no_answer(one.answer):
            raise ProbeError(seen.evidence(), Cause.UNAVAILABLE)
        if one.indistinct:
            raise ProbeError(f"{seen.evidence()}: every path answers the same page", Cause.INDISTINCT)


def _settle_reach(seen: Reach, target: Target) -> None:
    if seen.identity or (seen.view.blanket and target.policy.admin_api == "proxied"):
        return
    canary = seen.view.canary
    if seen.view.blanket:
        detail = f"every path below {seen.view.root} answers {canary.answer.line()}, nobody was seen behind the gate"
    elif canary.kind is Kind.SERVED:
        detail = "every path answers the same page"
    elif canary.classified.cause is Cause.UNDECLARED_LOGIN:
        detail = f"every path answers {canary.answer.line()}: {canary.classified.why}"
    else:
        detail = "wrong URL or wrong --nodered-admin-root?"
    raise ProbeError(f"{target.url} answers, but nothing there shows a Node-RED: {detail}", Cause.UNIDENTIFIED)
