"""What was seen of a deployment's outer shell: redirects, side doors, headers, shared passwords, releases.

Values only, like `model`, which they build on; each observation settles itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model_access import PortState, settle_plain
from pytest_nodered_sec.model_answers import no_answer

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.model_access import PlainAttempt
    from pytest_nodered_sec.model_answers import Answer

# --- plain HTTP ----------------------------------------------------------------------------------------------


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
    def https(self) -> bool:
        """Whether it leads to HTTPS."""
        return self.location.startswith("https:")


@dataclass(frozen=True)
class Trail:
    """Where one address of the name sends a request over plain HTTP.

    Attributes:
        address: the address dialled.
        state: what connecting met.
        hops: redirects in order, at most six.
        end: the last answer where it was asked for, None where a redirect leads to another server.
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
    """Where a request over plain HTTP is sent, on every address of the name.

    Attributes:
        method: HTTP method.
        path: absolute path asked, with a query that nobody knows.
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
        lines = [f"{one.address}: {one.line()}" if len(self.trails) > 1 else one.line() for one in self.trails]
        return f"{self.method} {self.path} over plain HTTP, port {self.port}: {'; '.join(lines)}"

    def settle(self, target: Target) -> None:
        """Raise where an address gave no answer; the end of a trail on HTTPS is not asked about here."""
        del target
        for one in self.trails:
            if not one.hops and one.end is not None and no_answer(one.end):
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
        del target
        settle_plain(self.before)
        settle_plain(self.after)
