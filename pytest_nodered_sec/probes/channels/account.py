"""A dashboard as its operator opens it: page, a few of its assets, live channel, with the account given for that.

The account is sent over a verified channel, to the dashboard's own paths, and where somebody asks for it. A password
that was refused once is not sent again in the run. No widget event is sent; the channel is left at once.
"""

from __future__ import annotations

import base64
import contextlib
import threading
import time
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from pytest_nodered_sec import redaction
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.answers import REFUSALS, Classified, Kind, Mark, Refuser
from pytest_nodered_sec.observations.channels import Channel, SocketAttempt
from pytest_nodered_sec.observations.dashboards import DashboardVisit
from pytest_nodered_sec.probes.channels.dashboard import outcome
from pytest_nodered_sec.probes.channels.socketio import JOIN, hear, joined, knock
from pytest_nodered_sec.probes.http.access import describe
from pytest_nodered_sec.probes.transport.answers import COOKIES
from pytest_nodered_sec.probes.transport.look import Look

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_nodered_sec.model import Credentials
    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.answers import Answer, RootView
    from pytest_nodered_sec.probes.transport.http import Exchange

_ASSETS: Final = 2  # scripts and styles that are asked for: they stand at one place, behind one gate
_ACCOUNT: Final = "the dashboards' account"
_COUNTED: Final = "Basic login of dashboards"  # by this name attempts are counted
_SAID: Final = {"": "without credentials, which nobody asks for,", "Basic": "with the dashboards' account"}
_SAID_SESSION: Final = "with the session given for the dashboards"


@dataclass
class _Key:
    """What is sent with each request; browsers send the same.

    Attributes:
        account: what the site gave.
        headers: what is sent at present.
        by: how the account is sent, "" as long as nobody has asked for it.
    """

    account: Credentials
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    by: str = ""

    def __post_init__(self) -> None:
        if self.account.token:
            self.headers, self.by = {"Authorization": f"Bearer {self.account.token}"}, "token"
        elif self.account.cookie:
            self.headers, self.by = {"Cookie": self.account.cookie}, "cookie"

    def fits(self, answer: Answer) -> bool:
        """Whether the answer asks for a Basic login, and the password was not sent yet."""
        return not self.by and answer.status == 401 and answer.basic_realm is not None

    def use_password(self) -> None:
        """Send the password from now on."""
        login = base64.b64encode(f"{self.account.username}:{self.account.password}".encode()).decode()
        self.headers["Authorization"], self.by = f"Basic {login}", "Basic"

    def keep(self, got: Exchange) -> None:
        """Keep the cookies that an answer sets, as a browser does."""
        pairs = dict(part.partition("=")[::2] for part in self.headers.get("Cookie", "").split("; ") if part)
        for cookie in got.cookies[:COOKIES]:
            name, _, value = cookie.partition(";")[0].strip().partition("=")
            redaction.learn_issued(value)
            if name in pairs or len(pairs) < COOKIES:
                pairs[name] = value
        if pairs:
            self.headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in pairs.items())

    @property
    def said(self) -> str:
        """How it is asked, for the evidence."""
        return _SAID.get(self.by, _SAID_SESSION)


class _AsOperator(Look):
    """A look whose every request carries the account, over a verified channel; it follows no redirect with it."""

    def __init__(self, look: Look, key: _Key) -> None:
        super().__init__(look.station)
        self.deadline = look.deadline
        self.key = key
        self.turn = look.shared("the turn of the dashboards' password", threading.Lock)  # of two the second waits

    def ask(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> Exchange:
        """Do as `Look.ask`, with the account, and keep the cookies that come."""
        more["secret"] = bool(self.key.headers)
        got = super().ask(method, path, headers={**(headers or {}), **self.key.headers}, **more)
        self.key.keep(got)
        return got

    def exchange(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> tuple[Answer, Exchange]:
        """Ask once; an account goes nowhere that a redirect leads."""
        got = self.ask(method, path, headers=headers, **more)
        return self.reduce(got, path), got

    def get(self, absolute: str) -> tuple[Answer, Exchange]:
        """Ask for a page or file, and again with the password where a Basic login asks for it."""
        answer, got = self.exchange("GET", absolute)
        if not self.key.fits(answer):
            return answer, got
        with self.in_turn():
            answer, got = self.exchange("GET", absolute, once=True)
            self.note(answer, absolute)
        return answer, got

    @contextlib.contextmanager
    def in_turn(self) -> Iterator[None]:
        """Wait for who sends the password at the moment; waiting is not looking.

        Raises:
            ProbeError: it must not be sent.
        """
        began = time.monotonic()
        with self.turn:
            self.deadline += time.monotonic() - began
            self._take()
            yield

    def _take(self) -> None:
        """Send the password from now on, unless it was refused: in this run once, or too often in those before."""
        if refused := self.station.basic_logins.get(_ACCOUNT):  # kept where all else is asked anew
            raise ProbeError(
                f"the dashboards' account was refused at {refused}, so it is not sent again", Cause.NOT_ASKED
            )
        wait = self.station.logins.note(self._counted())
        if wait:
            raise ProbeError(
                f"the dashboards' account was tried so often from here that it might be locked; ask again in "
                f"{wait:.0f} s, with the right password",
                Cause.NOT_ASKED,
            )
        self.key.use_password()

    def note(self, answer: Answer, absolute: str) -> None:
        """Note what became of the password."""
        if answer.status in REFUSALS:
            self.station.basic_logins[_ACCOUNT] = absolute
        else:
            self.station.logins.forget(self._counted())

    def _counted(self) -> list[tuple[str, ...]]:
        return self.account_keys(_COUNTED, self.key.account.username)


def visit_dashboard(look: Look, admin: RootView, node: RootView, path: str) -> DashboardVisit:
    """Open a dashboard with the account that the site gave for it.

    Args:
        look: the look.
        admin: landmarks of the admin root (what shows a Node-RED).
        node: landmarks of the node root.
        path: the dashboard's path below the node root.

    Raises:
        ProbeError: no answer, no account, a channel that is not verified, or an account that was refused before.
    """
    del admin  # its canary decides whether this is handed out
    if look.target.dashboard_credentials is None:
        raise ProbeError(f"{look.target.name} was given no account for its dashboards", Cause.UNAVAILABLE)
    account = look.target.dashboard_credentials()
    account.hide()
    look.extend()  # a command may have taken its time
    look.station.check_channel(look.deadline)
    own = _AsOperator(look, _Key(account))
    where = path.rstrip("/") + "/"  # where both dashboards redirect to
    with contextlib.suppress(ProbeError):  # dash-01 and dash-04 judge it
        look.read(look.target.node(where), {})
    answer, got = own.get(look.target.node(where))
    page = describe(look, Surface.DASHBOARD, "GET", where, own.key.said, answer, node)
    if Mark.DASHBOARD not in answer.marks or answer.status != 200:
        return DashboardVisit(path, page, own.key.by)
    page = replace(page, classified=Classified(Kind.SERVED))  # though every path be answered with it
    with contextlib.suppress(ProbeError):  # as a stranger: a cache may keep what came; the station compares (reach-02)
        look.answer("GET", look.target.node(where))
    assets = tuple(_asset(own, node, asset) for asset in _assets_of(got, look.target.node(where)))
    return DashboardVisit(path, page, own.key.by, assets, _join(own, node, path))


class _Named(HTMLParser):
    """What a page names as its scripts and styles, and what it is relative to."""

    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "base" and not self.base:
            self.base = given.get("href", "")
        if tag == "script" and given.get("src"):
            self.urls.append(given["src"])
        if tag == "link" and given.get("href") and given.get("rel", "").lower() == "stylesheet":
            self.urls.append(given["href"])


def _assets_of(got: Exchange, absolute: str) -> list[str]:
    """Return absolute paths of the first scripts and styles below the page; a page chooses nothing else that we ask."""
    named = _Named()
    with contextlib.suppress(AssertionError):  # of "<![x[", for example: what stands before it counts
        named.feed(got.body.decode("utf-8", "replace"))
    page = f"https://page.invalid{absolute}"
    with contextlib.suppress(ValueError):  # a base that is no URL is none
        page = urljoin(page, named.base)
    paths: list[str] = []
    for url in named.urls:
        try:
            parts = urlsplit(urljoin(page, url))
        except ValueError:
            continue
        below = parts.path.startswith(absolute) and ".." not in parts.path and parts.path.isascii()
        ours = parts.netloc == "page.invalid" and below and parts.path.endswith((".js", ".css"))
        if ours and parts.path.isprintable() and " " not in parts.path and "socket.io" not in parts.path:
            paths.append(parts.path)
    return list(dict.fromkeys(paths))[:_ASSETS]


def _asset(look: _AsOperator, node: RootView, absolute: str) -> AccessAttempt:
    answer, _ = look.get(absolute)
    attempt = describe(look, Surface.DASHBOARD, "GET", absolute, look.key.said, answer, node)
    attempt = replace(attempt, asked=absolute)
    if answer.status == 200 and answer.content_type == "text/html":
        why = "a page in place of a script or style"
        return replace(attempt, classified=Classified(Kind.REFUSED, Refuser.UNNAMED, why))
    return attempt


def _join(look: _AsOperator, node: RootView, path: str) -> SocketAttempt:
    socket = path.rstrip("/") + "/socket.io"
    attempt, session = knock(look, node, Surface.DASHBOARD, socket, look.key.said)
    if session is None and look.key.fits(attempt.answer):
        with look.in_turn():
            attempt, session = knock(look, node, Surface.DASHBOARD, socket, look.key.said)
            look.note(attempt.answer, attempt.absolute)
    if session is None:
        return SocketAttempt(attempt, Channel.NO_CHANNEL)
    with joined(look, session, JOIN):
        packets = hear(look, session)
    return SocketAttempt(attempt, outcome(packets, socket), len(packets) - 1)
