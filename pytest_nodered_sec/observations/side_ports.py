"""Observations of other ports and host names, and of what answers disclose: headers, versions, cookies.

Values only, like `model`, which they build on; each observation settles itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError, see_reach
from pytest_nodered_sec.observations.answers import NODE_RED_MARKS, TLS_ALERT, Kind, Mark, Refuser, no_answer
from pytest_nodered_sec.observations.reach import unidentified
from pytest_nodered_sec.observations.way_out import unanswered
from pytest_nodered_sec.texts import counted

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.observations.answers import Answer, Classified, RootView
    from pytest_nodered_sec.observations.cleartext import PortState

_VERSION: Final = re.compile(r"/v?\d|\d\.\d")
_IN_BODY: Final = "a server's version in its body"
_OF_NODE_RED: Final = (Refuser.NODE_RED, Refuser.NODE_RED_BASIC)

# --- what answers say of themselves --------------------------------------------------------------------------


@dataclass(frozen=True)
class PageAnswers:
    """The answers to a page that people open over HTTPS, redirects included.

    Attributes:
        path: absolute path asked.
        tls: whether the URL is https.
        named: whether its host is a name, not an IP address.
        answers: path and answer of each step; empty where the URL is http.
        as_everywhere: whether a random path leads to plain HTTP as this page does, which the editor's instance tells.
    """

    path: str
    tls: bool
    named: bool
    answers: tuple[tuple[str, Answer], ...] = ()
    as_everywhere: bool = False

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if not self.tls:
            return "the target is served without TLS"
        if self.turned_away:
            return self.turned_away
        if not self.named:
            return "the URL has an IP address, not a name"
        return "; ".join(self.line(path, answer) for path, answer in self.answers)

    @property
    def turned_away(self) -> str:
        """What a client without a certificate gets where TLS itself turns it away, "" where HTTP answers."""
        path, answer = self.answers[-1] if self.answers else ("", None)
        alert = answer is not None and answer.status == TLS_ALERT
        return f"GET {path}: a TLS alert, no answer, without a client certificate" if alert else ""

    def line(self, path: str, answer: Answer) -> str:
        """Return one step in one phrase."""
        header = answer.header("strict-transport-security")
        said = f", Strict-Transport-Security: {header}" if header else ", without Strict-Transport-Security"
        return f"GET {path} answered {answer.line()}{said}"

    def settle(self, target: Target) -> None:
        """Raise where a step got no answer."""
        del target
        if any(no_answer(answer) for _, answer in self.answers):
            raise ProbeError(self.evidence(), Cause.UNAVAILABLE)


@dataclass(frozen=True)
class Announcements:
    """What answers of all kinds disclose about the servers.

    Attributes:
        answers: what was asked, and the answer.
        silent: what got none, and why.
    """

    answers: tuple[tuple[str, Answer], ...]
    silent: tuple[str, ...] = ()

    def evidence(self) -> str:
        """Return one line for the evidence."""
        said = dict.fromkeys(text for _, answer in self.answers for text in _said(answer))
        return f"{counted(len(self.answers), 'answer')} disclosed {', '.join(said) or 'nothing about the server'}"

    @property
    def versions(self) -> tuple[tuple[str, Answer, str], ...]:
        """What was asked, the answer, and what in it names a version; of each text the first."""
        answers: dict[str, tuple[str, Answer, str]] = {}
        for asked, answer in self.answers:
            for text in _said(answer):
                if text == _IN_BODY or _VERSION.search(text):
                    answers.setdefault(text, (asked, answer, text))
        return tuple(answers.values())

    def settle(self, target: Target) -> None:
        """Raise where something got no answer; what the others gave away is judged nevertheless."""
        del target
        silent = [*self.silent, *(f"{asked}: {answer.line()}" for asked, answer in self.answers if no_answer(answer))]
        if silent and not self.versions:
            raise ProbeError(f"{self.evidence()}; no answer to {'; '.join(silent)}", Cause.UNAVAILABLE)


def _said(answer: Answer) -> list[str]:
    headers = [(name, answer.header(name)) for name in ("Server", "X-Powered-By")]
    page = [_IN_BODY] if Mark.VERSION in answer.marks else []
    return [*(f"{name}: {value}" for name, value in headers if value), *page]


@dataclass(frozen=True)
class Cookie:
    """A cookie that an answer set, without its value.

    Attributes:
        name: as far as it can be shown, "" for none.
        secure: whether it carries Secure.
        http_only: whether it carries HttpOnly.
        same_site: what SameSite says, lower case; "" where it is missing.
        where: what was asked, e.g. "GET /ui".
    """

    name: str
    secure: bool
    http_only: bool
    same_site: str
    where: str = ""

    def line(self) -> str:
        """Return name and attributes."""
        site = f"SameSite={self.same_site.capitalize()}" if self.same_site else ""
        flags = ("Secure" if self.secure else "", "HttpOnly" if self.http_only else "", site)
        return "; ".join([self.name or "(no name)", *filter(None, flags)])


@dataclass(frozen=True)
class SeenCookies:
    """The cookies that the answers to all looks at a target set.

    Attributes:
        answers: how many answers there were.
        cookies: each kind once.
    """

    answers: int
    cookies: tuple[Cookie, ...]

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if not self.cookies:
            return f"no cookie was set by {counted(self.answers, 'answer')}"
        return f"set by {counted(self.answers, 'answer')}: {', '.join(cookie.line() for cookie in self.cookies)}"


@dataclass(frozen=True)
class Http3Offer:
    """Whether the answers to all looks at a target offer HTTP/3, in which nothing is asked.

    Attributes:
        answers: how many answers there were.
        offer: the first offer, 'h3=":443"', or "".
    """

    answers: int
    offer: str

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if not self.offer:
            return f"none of {counted(self.answers, 'answer')} offered HTTP/3 (Alt-Svc), in which nothing is asked"
        return f"answers offer HTTP/3 (Alt-Svc: {self.offer}), in which nothing is asked"


# --- other doors ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Visit:
    """A path requested at another address or port than the URL's.

    Attributes:
        path: absolute path.
        answer: what it got.
        classified: the answer's kind and refuser, looked at by itself.
        socket: whether Socket.IO answered.
        homeward: whether it redirects to the URL's own origin.
        onward: whether it redirects to another path of this door, which was not followed.
        as_home: whether the URL's own door refuses the path in the same way.
        like_landmark: whether the URL's own door gives this answer there, and another one to a random path.
    """

    path: str
    answer: Answer
    classified: Classified
    socket: bool = False
    homeward: bool = False
    onward: bool = False
    as_home: bool = False
    like_landmark: bool = False

    @property
    def unanswered(self) -> bool:
        """Whether it got no answer."""
        redirected = self.homeward or self.onward or Mark.CLEARTEXT_REDIRECT in self.answer.marks
        return self.classified.kind is Kind.NO_ANSWER and not redirected

    @property
    def node_red(self) -> bool:
        """Whether Node-RED shows itself."""
        marks = self.answer.marks & (NODE_RED_MARKS | {Mark.EXPRESS})
        return bool(marks) or self.socket or self.classified.refuser in _OF_NODE_RED or self.like_landmark

    @property
    def ungated(self) -> bool:
        """Whether something answers that no gate stands before."""
        if self.classified.kind is Kind.REFUSED:
            return self.classified.refuser in _OF_NODE_RED and not self.as_home
        if self.classified.kind is Kind.ABSENT:
            return Mark.EXPRESS in self.answer.marks
        return not self.homeward and not self.unanswered

    def line(self) -> str:
        """Return what was asked and answered in one phrase."""
        return f"GET {self.path.partition('?')[0]} {self.answer.line()}"


@dataclass(frozen=True)
class Door:
    """One TCP port at one address.

    Attributes:
        address: the address dialled.
        state: what connecting met.
        tls: whether it speaks TLS.
        visits: what was asked there.
    """

    address: str
    state: PortState
    tls: bool = False
    visits: tuple[Visit, ...] = ()

    def line(self) -> str:
        """Return the outcome in one phrase."""
        if not self.visits:
            return f"{self.address}: {self.state.value}"
        return f"{self.address}: {', '.join(dict.fromkeys(visit.answer.line() for visit in self.visits))}"


@dataclass(frozen=True)
class DirectDoors:
    """Node-RED's own port, at every address of the name.

    Attributes:
        port: TCP port.
        other: what the port is instead of Node-RED's own: "the URL's", "that of plain HTTP"; else "".
        view: landmarks of the admin root.
        doors: one per address; empty where the port is another.
    """

    port: int
    other: str
    view: RootView
    doors: tuple[Door, ...] = ()

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if self.other:
            return f"port {self.port} is {self.other}"
        return f"port {self.port}: {'; '.join(door.line() for door in self.doors)}"

    def settle(self, target: Target) -> None:
        """Raise where a door opened and what is behind it cannot be told."""
        for door in self.doors:
            if not any(visit.ungated for visit in door.visits):
                _settle_visits(door.visits, self.view, target, f"port {self.port} at {door.address}")


@dataclass(frozen=True)
class StrangeName:
    """The answer of the URL's own address to an unknown host name.

    Attributes:
        name: the name.
        named: whether the URL's host is a name, not an IP address.
        view: landmarks of the admin root.
        door: what became of it; None where it was not asked.
    """

    name: str
    named: bool
    view: RootView
    door: Door | None = None

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if self.door is None:
            return "the URL has an IP address, not a name"
        return f"the host name {self.name} at {self.door.line()}"

    def settle(self, target: Target) -> None:
        """Raise where something answered and what it is cannot be told."""
        visits = self.door.visits if self.door else ()
        if not any(visit.node_red for visit in visits):
            _settle_visits(visits, self.view, target, f"the host name {self.name}")


def _settle_visits(visits: tuple[Visit, ...], view: RootView, target: Target, where: str) -> None:
    if visits and view.opaque:
        raise see_reach(target.name)
    for visit in visits:
        if visit.unanswered:
            raise unanswered(f"{where}: {visit.line()}", visit.answer, visit.classified, target)
    behind_gate = view.gated and target.policy.admin_api == "proxied"
    if visits and not view.identity and not behind_gate:  # nothing to recognise it by
        raise unidentified(view, target, f"{where} answers")


@dataclass(frozen=True)
class ClosedPort:
    """A port that the site declares closed, at every address of the name.

    Attributes:
        port: TCP port.
        doors: one per address.
    """

    port: int
    doors: tuple[Door, ...]

    def evidence(self) -> str:
        """Return one line for the evidence."""
        return f"port {self.port}: {'; '.join(door.line() for door in self.doors)}"
