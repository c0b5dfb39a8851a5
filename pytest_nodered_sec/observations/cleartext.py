"""Observations of plain HTTP: which surfaces answer there, and where requests are redirected.

Values only, like `model`, which they build on; each observation settles itself.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.answers import no_answer

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.observations.answers import Answer

# --- plain HTTP ----------------------------------------------------------------------------------------------


class PortState(enum.Enum):
    """The outcome of connecting to a TCP port."""

    REFUSED = "refused"
    FILTERED = "filtered"  # no answer to connecting, twice
    PROHIBITED = "rejected by a firewall"  # no route to this port, and one to another of the same address
    CLOSED = "closed without an answer"
    REJECTED = "turned away by a TLS alert"
    NO_CHANNEL = "no WebSocket there, as at a random path"
    ANSWERED = "answered"
    ACCEPTED = "open"  # nothing was asked there


UNREACHED: Final = (PortState.REFUSED, PortState.FILTERED, PortState.PROHIBITED)


@dataclass(frozen=True)
class PlainAnswer:
    """What one address of the name did with one plain HTTP request.

    Attributes:
        address: the address dialled.
        state: what connecting met.
        answer: the HTTP answer where state is ANSWERED.
        indistinct: whether a random path got the same 2xx page.
        like_canary: whether a random path got the same answer, whatever it was.
        reached: whether the answer, though it be a 5xx, is that of what was asked for.
        elsewhere: whether it was asked under another name, and may be the answer of another site.
    """

    address: str
    state: PortState
    answer: Answer | None = None
    indistinct: bool = False
    like_canary: bool = False
    reached: bool = False
    elsewhere: bool = False

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
        if all(seen.state in UNREACHED for seen in self.answers):
            return f"nothing can be reached on port {self.port}: {', '.join(lines)}"
        if len(self.answers) == 1:
            return f"{where}: {lines[0]}"
        return f"{where}: " + "; ".join(f"{seen.address}: {seen.line()}" for seen in self.answers)

    def settle(self, target: Target) -> None:
        """Raise `ProbeError` where an address gave no answer, or one that any path gets."""
        del target
        for answer in self.answers:
            if answer.answer is None or answer.reached or answer.elsewhere:
                continue
            if no_answer(answer.answer):
                raise ProbeError(self.evidence(), Cause.UNAVAILABLE)
            if answer.indistinct:
                raise ProbeError(
                    f"{self.evidence()}: every path answers the same page; let the server answer 301 to https there "
                    "(a page that forwards by itself is none), or 404",
                    Cause.INDISTINCT,
                )


@dataclass(frozen=True)
class Hop:
    """One redirect.

    Attributes:
        status: HTTP status.
        location: absolute URL without query.
        keeps_path: whether it leads to the path and query that were asked.
        login: whether it leads to a declared login.
    """

    status: int
    location: str
    keeps_path: bool
    login: bool = False

    @property
    def host(self) -> str:
        """Host that it leads to, lower case."""
        return urlsplit(self.location).hostname or ""

    @property
    def port(self) -> int:
        """TCP port that it leads to."""
        return urlsplit(self.location).port or (443 if self.https else 80)

    @property
    def https(self) -> bool:
        """Whether it leads to HTTPS."""
        return self.location.startswith("https:")


@dataclass(frozen=True)
class Trail:
    """The redirects of one address of the host name for a request over plain HTTP.

    Attributes:
        address: the address dialled.
        state: what connecting met.
        hops: redirects in order, at most six; what HTTPS answers is not among them.
        end: the last answer where that is no redirect, else None.
    """

    address: str
    state: PortState
    hops: tuple[Hop, ...] = ()
    end: Answer | None = None

    def line(self) -> str:
        """Return the trail in one short phrase."""
        if not self.hops:
            return self.end.line() if self.end else self.state.value
        return ", then ".join(f"{hop.status} to {hop.location}" for hop in self.hops)


@dataclass(frozen=True)
class RedirectTrails:
    """The redirects of a request over plain HTTP, at every address of the host name.

    Attributes:
        method: HTTP method.
        path: absolute path asked, with a random query.
        port: TCP port.
        host: the URL's host, lower case.
        tls: whether the URL is https.
        trails: one per address; empty where the URL is http, which leads nowhere else.
    """

    method: str
    path: str
    port: int
    host: str
    tls: bool
    trails: tuple[Trail, ...]

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if not self.tls:
            return f"{self.host} is served without TLS"
        lines = [f"{trail.address}: {trail.line()}" if len(self.trails) > 1 else trail.line() for trail in self.trails]
        return f"{self.method} {self.path} over plain HTTP, port {self.port}: {'; '.join(lines)}"

    def settle(self, target: Target) -> None:
        """Raise where an address gave no answer."""
        del target
        for trail in self.trails:
            if not trail.hops and trail.end is not None and no_answer(trail.end):
                raise ProbeError(self.evidence(), Cause.UNAVAILABLE)


@dataclass(frozen=True)
class SpoofedAttempt:
    """One surface asked over plain HTTP as it is, and again with a header that a proxy alone should set.

    Attributes:
        header: name and value.
        before: without it.
        after: with it.
    """

    header: str
    before: PlainAttempt
    after: PlainAttempt

    def evidence(self) -> str:
        """Return one line for the evidence."""
        return f"{self.after.evidence()} with {self.header}"

    def settle(self, target: Target) -> None:
        """Raise where either request got no answer."""
        self.before.settle(target)
        self.after.settle(target)
