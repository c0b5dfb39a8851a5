"""The values everything else speaks in: targets, questions, what was seen, and verdicts.

No I/O, nothing mutable, no third-party import. Whether an answer is an answer at all is decided here
(`classify`, `settle`), because it must be settled before a test body runs; what an answer means for a
control is decided in `rules/`.
"""

from __future__ import annotations

import enum
import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from urllib.parse import urlsplit

from pytest_nodered_sec.errors import Cause, ProbeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from pytest_nodered_sec.credentials import Credentials
    from pytest_nodered_sec.policy import Policy


class Severity(enum.Enum):
    """How bad a finding is, in descending order."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


# --- what is asked ---------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class Ask:
    """One question to a target: the key of the survey's cache and the instance in a test's id.

    Attributes:
        probe: name of a probe in `pytest_nodered_sec.probes.PROBES`; "" where the run itself answers.
        args: its arguments, plain strings without secrets.
        label: what a person calls it, e.g. "GET /flows"; empty where a control has one instance only.
        needs: what a target must have been given for it: "credentials", "host", or "".
    """

    probe: str
    args: tuple[str, ...] = ()
    label: str = ""
    needs: str = ""


@dataclass(frozen=True)
class HttpSettings:
    """How requests get to a target, beyond its URL; set in the hook `pytest_nodered_targets`.

    Attributes:
        proxy: URL of an HTTP proxy through which every connection is made (CONNECT), or "".
        client_certificate: PEM files of a client certificate and its key, or None.
        headers: sent with every request to the URL's origin; treated as secrets, so only once its certificate
            has verified.
        ports: TCP ports to dial in place of others, where a tunnel leads to them: {9229: 19229}.
    """

    proxy: str = field(default="", repr=False)
    client_certificate: tuple[str, str] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    ports: Mapping[int, int] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Target:
    """A deployment to look at, and how to reach it; known before the first look.

    Attributes:
        name: unique in the run; part of every test id.
        url: base URL, http or https, without userinfo, query or trailing slash.
        policy: what this site demands.
        admin_root: httpAdminRoot as seen from outside, below the URL's path; starts with "/".
        node_root: httpNodeRoot as seen from outside, below the URL's path; starts with "/".
        find_roots: whether other roots are looked for where these show no Node-RED.
        http_port: TCP port where plain HTTP is expected.
        direct_port: Node-RED's own TCP port, which must not answer.
        ca_file: PEM file with additional trust anchors, or None.
        timeout: deadline of one whole look, in seconds.
        host: testinfra backend string of the machine, or None.
        connect: address or name to dial instead of the URL's, with or without port; the URL's name stays in SNI and
            Host.
        labels: what the site sorts its targets by.
        http: proxy, client certificate and headers.
        credentials: returns the account to use; called when a look needs it, in the process that looks.
    """

    name: str
    url: str
    policy: Policy
    admin_root: str = "/"
    node_root: str = "/"
    find_roots: bool = False
    http_port: int = 80
    direct_port: int = 1880
    ca_file: str | None = None
    timeout: float = 10.0
    host: str | None = None
    connect: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    http: HttpSettings = HttpSettings()
    credentials: Callable[[], Credentials] | None = field(default=None, repr=False)

    @property
    def tls(self) -> bool:
        """Whether the URL is https."""
        return self.url.startswith("https:")

    @property
    def hostname(self) -> str:
        """Host of the URL, lower case, IPv6 literals without brackets."""
        return urlsplit(self.url).hostname or ""

    @property
    def named(self) -> bool:
        """Whether the host of the URL is a name, not an IP address."""
        try:
            ipaddress.ip_address(self.hostname)
        except ValueError:
            return True
        return False

    @property
    def port(self) -> int:
        """TCP port of the URL."""
        return urlsplit(self.url).port or (443 if self.tls else 80)

    @property
    def dialled(self) -> tuple[str, int]:
        """Host and TCP port that are dialled for the URL."""
        parts = urlsplit(f"//{self.connect or ''}")
        return parts.hostname or self.hostname, parts.port or self.port

    def path(self, root: str, path: str) -> str:
        """Return the absolute URL path of `path` below `root` ("/" or the admin or node root)."""
        prefix = urlsplit(self.url).path.rstrip("/")
        return prefix + root.rstrip("/") + path

    def admin(self, path: str) -> str:
        """Return the absolute URL path of an admin path, e.g. "/settings"."""
        return self.path(self.admin_root, path)

    def node(self, path: str) -> str:
        """Return the absolute URL path of a path below the node root, e.g. "/ui"."""
        return self.path(self.node_root, path)

    @property
    def pages(self) -> tuple[str, ...]:
        """Absolute paths of what people open: the admin root, then each dashboard, guessed where none is declared."""
        declared = self.policy.dashboards
        dashboards = ("/ui", "/dashboard") if declared is None else declared
        return (self.admin("/"), *(self.node(path) for path in dashboards))

    def __str__(self) -> str:
        return self.name


# --- what came back --------------------------------------------------------------------------------------


class Kind(enum.Enum):
    """What an HTTP (or Socket.IO) answer is; every answer is exactly one of these."""

    NO_ANSWER = "no answer"
    REFUSED = "refused"
    ABSENT = "absent"
    INDISTINCT = "indistinct"
    SERVED = "served"


class Refuser(enum.Enum):
    """Who said no, told by the realm."""

    NODE_RED = "Node-RED's login"  # Bearer realm="Users": adminAuth
    NODE_RED_BASIC = "Node-RED's Basic login"  # Basic realm="Authorization Required": httpNodeAuth
    PROXY = "the proxy's login"  # any other WWW-Authenticate
    LOGIN = "the declared login"  # a redirect to a declared login URL
    CERTIFICATE = "the demand for a client certificate"
    UNNAMED = "an unnamed gate"  # 401 or 403 without a realm


class Mark(enum.Enum):
    """What a body or header shows about who wrote the answer; the body itself is not kept."""

    EDITOR = "the Node-RED editor"
    SETTINGS = "Node-RED's settings"
    LOGIN_OPEN = "no login is configured"  # /auth/login is {}
    LOGIN_CONFIGURED = "a login is configured"
    DASHBOARD = "a Node-RED dashboard"
    EXPRESS = "an answer of Express itself"  # "Cannot GET /x": nobody in front answered
    CLEARTEXT_REDIRECT = "a redirect to plain HTTP"
    VERSION = "an error page that names the server's version"
    CERTIFICATE_DEMAND = "a demand for a client certificate"


NODE_RED_MARKS = frozenset({Mark.EDITOR, Mark.SETTINGS, Mark.LOGIN_OPEN, Mark.LOGIN_CONFIGURED, Mark.DASHBOARD})


@dataclass(frozen=True)
class Answer:
    """One HTTP answer at the end of same-origin redirects, reduced to what may be kept.

    Attributes:
        status: HTTP status code; 0 for a WebSocket handshake to which the connection was closed.
        content_type: media type without parameters, lower case, or "".
        length: body bytes read (at most 65536).
        challenge: WWW-Authenticate reduced to scheme and realm, e.g. 'Bearer realm="Users"', or "".
        location: absolute URL without query where the answer redirects elsewhere, or "".
        marks: what the answer shows.
        likeness: opaque fingerprint of the body, free of the path asked and of numbers; () for an empty body.
        block: name of the header that tells a challenge or block page, or "".
        hops: how many same-origin redirects were followed.
        headers: what it tells browsers (lower-case name, value): who may read and who may frame it, nosniff, HTTPS
            only; what it says of its server; cookies by name and attributes, without values.
    """

    status: int
    content_type: str = ""
    length: int = 0
    challenge: str = ""
    location: str = ""
    marks: frozenset[Mark] = frozenset()
    likeness: tuple[int, ...] = ()
    block: str = ""
    hops: int = 0
    headers: tuple[tuple[str, str], ...] = ()

    def header(self, name: str) -> str:
        """Return the value of a header that is kept, in whatever case it is named; "" where none was sent."""
        return dict(self.headers).get(name.lower(), "")

    @property
    def basic_realm(self) -> str | None:
        """Realm of the Basic login that is asked for, among others; None where none is."""
        return dict(self.headers).get("basic-realm")

    def line(self) -> str:
        """Return the answer in one short phrase, e.g. '401 (Bearer realm="Users")'."""
        if not self.status:
            return "nothing, the connection was closed"
        if self.location:
            return f"{self.status} (redirect to {self.location})"
        if self.challenge:
            return f"{self.status} ({self.challenge})"
        return f"{self.status} ({self.content_type or 'no content type'}, {self.length} bytes)"


@dataclass(frozen=True)
class Classified:
    """The kind of an answer, who refused, and one phrase of reason where it is no answer."""

    kind: Kind
    refuser: Refuser | None = None
    why: str = ""
    cause: Cause | None = None


_CERTIFICATE = (
    "a client certificate is demanded; give one in the hook (HttpSettings.client_certificate), or say "
    "mutual_tls = true where strangers shall get no further"
)
_RETRY_STATUSES = frozenset({408, 429})


def refuser_of(challenge: str) -> Refuser:
    """Tell who refused by the WWW-Authenticate header ('Basic realm="x"'), "" meaning none was sent."""
    if challenge == 'Bearer realm="Users"':  # @node-red/editor-api/lib/auth/index.js, passport bearer
        return Refuser.NODE_RED
    if challenge == 'Basic realm="Authorization Required"':  # node-red/red.js, basicAuthMiddleware
        return Refuser.NODE_RED_BASIC
    return Refuser.PROXY if challenge else Refuser.UNNAMED


def alike(one: Answer, other: Answer) -> bool:
    """Whether two answers are the same page: status, type, redirect, and nine tenths of the body's words."""
    if (one.status, one.content_type, one.location) != (other.status, other.content_type, other.location):
        return False
    ours, theirs = set(one.likeness), set(other.likeness)
    return len(ours & theirs) * 10 >= len(ours | theirs) * 9


def is_login(location: str, target: Target) -> bool:
    """Whether `location` (absolute, without query) lies under a declared login URL, which must be HTTPS."""
    for declared in target.policy.login_urls:
        parts = urlsplit(
            declared if "://" in declared else target.url.split("/", 3)[0] + "//" + _origin(target) + declared
        )
        found = urlsplit(location)
        same_origin = (found.scheme, _netloc(found.hostname, found.port, found.scheme)) == (
            parts.scheme,
            _netloc(parts.hostname, parts.port, parts.scheme),
        )
        prefix = parts.path.rstrip("/")
        if same_origin and found.scheme == "https" and (found.path == prefix or found.path.startswith(prefix + "/")):
            return True
    return False


def _origin(target: Target) -> str:
    return urlsplit(target.url).netloc


def _netloc(hostname: str | None, port: int | None, scheme: str) -> tuple[str, int]:
    return (hostname or "", port or (443 if scheme == "https" else 80))


def classify(answer: Answer, target: Target, canary: Answer | None = None, open_answer: str = "") -> Classified:
    """Return what an answer is.

    Only answers that name themselves count: 5xx, 429, 408 and challenge pages are no answers, and a page
    that every path serves is indistinct, as is a 400 that every path gets. A demand for a client certificate is a
    refusal where the site means it.

    Args:
        answer: what came.
        target: names the login URLs.
        canary: what a random path of the same root got, None for the canary itself.
        open_answer: "STATUS TYPE" by which an open route answers this request: served, though it be 404.
    """
    if answer.block:
        return Classified(Kind.NO_ANSWER, why=f"a challenge or block page ({answer.block})", cause=Cause.UNAVAILABLE)
    if Mark.CERTIFICATE_DEMAND in answer.marks:
        if target.policy.mutual_tls:
            return Classified(Kind.REFUSED, Refuser.CERTIFICATE)
        return Classified(Kind.NO_ANSWER, why=_CERTIFICATE, cause=Cause.REJECTED)
    if open_answer and open_answer == f"{answer.status} {answer.content_type}":
        if canary is None or (answer.status, answer.content_type) != (canary.status, canary.content_type):
            return Classified(Kind.SERVED)
        return Classified(Kind.INDISTINCT, why="every path answers the same", cause=Cause.INDISTINCT)
    if answer.status >= 500 or answer.status in _RETRY_STATUSES:
        return Classified(Kind.NO_ANSWER, why="", cause=Cause.UNAVAILABLE)
    if answer.status in (401, 403):
        return Classified(Kind.REFUSED, refuser_of(answer.challenge))
    if answer.status in (404, 410):
        return Classified(Kind.ABSENT)
    if answer.location:
        if is_login(answer.location, target):
            return Classified(Kind.REFUSED, Refuser.LOGIN)
        if answer.location.startswith("https:"):
            return Classified(Kind.NO_ANSWER, why=_elsewhere(answer.location, target), cause=Cause.UNDECLARED_LOGIN)
    if Mark.CLEARTEXT_REDIRECT not in answer.marks and canary is not None and alike(answer, canary):
        return Classified(Kind.INDISTINCT, why="every path answers the same page", cause=Cause.INDISTINCT)
    return Classified(Kind.SERVED)


def _elsewhere(location: str, target: Target) -> str:
    """Return what to say where strangers are sent to an undeclared HTTPS place."""
    parts = urlsplit(location)
    if not target.tls and parts.hostname == target.hostname:
        return f"the target is served over HTTPS, say `--nodered-url=https://{parts.netloc}`"
    return f"if that is your login, say `--nodered-login-url={location}`"


# --- landmarks -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """One landmark: the path asked and what it got."""

    path: str
    answer: Answer
    classified: Classified

    @property
    def kind(self) -> Kind:
        """Return what the answer is."""
        return self.classified.kind

    @property
    def refuser(self) -> Refuser | None:
        """Return who refused, if anybody did."""
        return self.classified.refuser

    def same_as(self, other: Seen) -> bool:
        """Whether a later look at the same landmark found the same (bodies may differ in words)."""
        return (self.kind, self.refuser, self.answer.status, self.answer.location) == (
            other.kind,
            other.refuser,
            other.answer.status,
            other.answer.location,
        )


@dataclass(frozen=True)
class RootView:
    """What a root looked like at the start: its canary, and for the admin root `/settings` and `/auth/login`.

    Attributes:
        root: absolute path of the root, as dialled.
        canary: what a random path got.
        settings: what `/settings` got; None for a node root of its own.
        login: what `/auth/login` got; None for a node root of its own.
        identity: what shows that this is a Node-RED, in a few words each; empty if nothing did.
        found: roots that the target itself told, and where; "" where those that were given are right.
    """

    root: str
    canary: Seen
    settings: Seen | None = None
    login: Seen | None = None
    identity: tuple[str, ...] = ()
    found: str = ""

    @property
    def blanket(self) -> bool:
        """Whether the landmark `/settings` is refused just as a random path is: nobody was seen behind the gate."""
        return (
            self.settings is not None
            and self.settings.kind is Kind.REFUSED
            and self.canary.kind is Kind.REFUSED
            and self.settings.refuser is self.canary.refuser
        )

    @property
    def own_login(self) -> bool:
        """Whether Node-RED's own login refuses strangers, whose token no browser sends by itself."""
        return self.settings is not None and self.settings.refuser is Refuser.NODE_RED

    @property
    def api_absent(self) -> bool:
        """Whether no admin API is at this root."""
        return self.settings is not None and self.settings.kind is Kind.ABSENT


# --- observations ----------------------------------------------------------------------------------------


@runtime_checkable
class Observation(Protocol):
    """What a probe saw: frozen, free of secrets, with a line for the evidence."""

    def evidence(self) -> str:
        """Return one line saying what was asked and what came back."""


@runtime_checkable
class Settling(Protocol):
    """An observation of a module of its own, which itself says whether it is an answer."""

    def settle(self, target: Target) -> None:
        """Raise `ProbeError` unless it answers its question under the target's policy."""


@runtime_checkable
class NamesRelease(Protocol):
    """An observation from which Node-RED's release is known, or "" where it is not."""

    @property
    def node_red(self) -> str:
        """Node-RED's release, or ""."""


class Surface(enum.Enum):
    """Which part of Node-RED a request went to; decides what absence and a shared refusal mean."""

    ADMIN = "admin API"
    EDITOR = "editor"
    DASHBOARD = "dashboard"
    NODE = "node root"


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
        detour_left_out: whether the way around a gate by dot segments was left out, as the policy's calm mode wants.
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
        untried = "; dot segments were not tried (calm mode)" if self.detour_left_out else ""
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


# --- TLS observations ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CertificateFacts:
    """What a certificate says of itself.

    Attributes:
        position: place in the chain as sent, 0 being the leaf; -1 where it came from the trust store instead.
        subject: "CN=..." or the whole subject as RFC 4514 text; the first name of the SAN where it is empty.
        issuer: the issuer, in the same form.
        self_issued: whether subject and issuer are the same.
        not_before: first second of validity, UTC.
        not_after: last second of validity, UTC.
        dns_names: dNSName entries of the SAN, as written.
        ip_addresses: iPAddress entries of the SAN, canonical.
        has_san: whether there is a subject alternative name at all.
        fingerprint: SHA-256 of the DER, lower-case hex.
        key_type: "RSA", "EC", "Ed25519", "Ed448", "DSA", or what it is called otherwise.
        key_bits: size of the key.
        signature_hash: e.g. "sha256"; "" where the signature scheme has none of its own (Ed25519); the scheme's OID
            where it is not known here.
        ca_issuers: whether it says where its issuer's certificate can be had (RFC 5280, 4.2.2.1).
        names: subject and issuer in full, as RFC 4514 text.
        key_ids: of its own key and of its issuer's, as it says itself (RFC 5280, 4.2.1.1 and 4.2.1.2); "" for none.
        organisations: organisations (O) of subject and of issuer, "" for none.
        must_staple: whether it demands a stapled OCSP response (RFC 7633).
        crls: URLs at which its issuer publishes what is revoked (RFC 5280, 4.2.1.13).
        authority: whether it says that it is a CA's (basicConstraints).
        for_servers: whether extendedKeyUsage, where there is one, lets servers use it.
        kind: kind of key by which a leaf is told from another one of the same server, "" where there is one only.
    """

    position: int
    subject: str
    issuer: str
    self_issued: bool
    not_before: datetime
    not_after: datetime
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    has_san: bool
    fingerprint: str
    key_type: str = ""
    key_bits: int = 0
    signature_hash: str = ""
    ca_issuers: bool = False
    names: tuple[str, str] = ("", "")
    key_ids: tuple[str, str] = ("", "")
    organisations: tuple[str, str] = ("", "")
    must_staple: bool = False
    crls: tuple[str, ...] = ()
    authority: bool = False
    for_servers: bool = True
    kind: str = ""

    @property
    def self_signed(self) -> bool:
        """Whether it was signed by its own key, as roots are; not by a new key of the same name."""
        own, issuer = self.key_ids
        return self.self_issued and (not issuer or not own or own == issuer)

    def issued(self, other: CertificateFacts) -> bool:
        """Whether another certificate names this one as its issuer, by name and by key where both say which."""
        own, named = self.key_ids[0], other.key_ids[1]
        same_name = (self.names[0] or self.subject) == (other.names[1] or other.issuer)
        return same_name and (not own or not named or own == named)

    @property
    def lifetime(self) -> float:
        """Seconds of validity, both ends included (RFC 5280, 4.1.2.5)."""
        return (self.not_after - self.not_before).total_seconds() + 1

    def named(self) -> str:
        """Return what a finding calls it."""
        if self.position < 0:
            return f"certificate `{self.subject}` of the trust store"
        role = f"{self.kind} leaf".lstrip() if self.position == 0 else f"certificate {self.position + 1} of the chain"
        return f"{role} `{self.subject}`"


_NOT_OF_TRUST = frozenset({3, 23, 62, 66, 67, 68})  # no CRL, revoked; name; keys and digests too weak


@dataclass(frozen=True)
class Staple:
    """An OCSP response that a server sent along with its certificate (RFC 6066, 8).

    Attributes:
        status: "good", "revoked" or "unknown"; "" where it tells nothing.
        since: first second for which it holds, UTC.
        until: last second for which it holds, UTC; None where it does not say.
        trouble: why it tells nothing, "" where it does.
    """

    status: str = ""
    since: datetime | None = None
    until: datetime | None = None
    trouble: str = ""


@dataclass(frozen=True)
class PresentedChain:
    """The certificates a server sent, and what verifying them met.

    Attributes:
        host: name or address asked for, A-labels; of an http URL as it stands there.
        protocol: TLS version of the handshake, "" where the URL is http.
        certificates: as sent.
        verify_errors: (X509_V_ERR code, depth), each once (OpenSSL, x509_vfy.h).
        trust: which anchors were trusted.
        looked_at: UTC time by our clock.
        port: TCP port asked.
        address: the address dialled, "" where nothing was.
        path: certificates by depth, as verification walked them; not always those sent, nor in that order.
        public: whether the path ends at a root of the public programmes (Mozilla's, as certifi has them).
        also: the chain that clients get who take the other kind of key only, RSA or ECDSA, where there are two.
        unseen: why it is not known whether there are two, "" where it is.
        wants_certificate: whether the server asked for a client certificate.
        skew: seconds by which the server's clock is ahead of ours, where its dates gave cause to ask; else None.
        staple: the OCSP response that came with it, None for none.
    """

    host: str
    protocol: str
    certificates: tuple[CertificateFacts, ...]
    verify_errors: tuple[tuple[int, int], ...]
    trust: str
    looked_at: datetime
    port: int = 443
    address: str = ""
    path: tuple[CertificateFacts, ...] = ()
    public: bool = False
    also: PresentedChain | None = None
    unseen: str = ""
    wants_certificate: bool = False
    skew: int | None = None
    staple: Staple | None = None

    @property
    def leaf(self) -> CertificateFacts:
        """The certificate of the server itself."""
        return self.certificates[0]

    @property
    def trust_errors(self) -> tuple[tuple[int, int], ...]:
        """Those verify errors that concern trust: dates of the leaf, names, strength and revocation aside."""
        own_dates = ((9, 0), (10, 0))
        return tuple(one for one in self.verify_errors if one[0] not in _NOT_OF_TRUST and one not in own_dates)

    def at_depth(self, depth: int) -> CertificateFacts:
        """Return the certificate that a verify error of this depth is about."""
        walked = self.path or self.certificates
        return walked[min(depth, len(walked) - 1)]

    def evidence(self) -> str:
        """Return one line for the evidence."""
        if not self.certificates:
            return f"{self.host} is served without TLS"
        leaf = self.certificates[0]
        left = (leaf.not_after - self.looked_at).total_seconds() / 86400
        sent = "1 certificate" if len(self.certificates) == 1 else f"{len(self.certificates)} certificates"
        line = (
            f"{leaf.subject} by {leaf.issuer}, {sent} sent, valid to {leaf.not_after:%Y-%m-%d} "
            f"({left:.1f} of {leaf.lifetime / 86400:.1f} days left), {self.protocol}"
        )
        if self.also is not None:
            line += f"; with an {self.also.leaf.key_type} key: {self.also.evidence()}"
        return line + (f"; {self.unseen}" if self.unseen else "")


# --- is it an answer? ------------------------------------------------------------------------------------


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


def no_answer(answer: Answer) -> bool:
    """Whether an answer is none: a block page, 5xx, 429, 408."""
    return bool(answer.block) or answer.status >= 500 or answer.status in _RETRY_STATUSES


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


# --- verdicts --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Violation:
    """One way in which what was seen breaks a control.

    Attributes:
        code: short stable name, unique within the rule, e.g. "served".
        observed: what was asked and what came back.
        expected: what would have been compliant.
        remedy: the line to change, in settings.js or the proxy's configuration.
        severity: lower than the control's, where circumstances make it so; None for the control's.
    """

    code: str
    observed: str
    expected: str
    remedy: str
    severity: Severity | None = None


@dataclass(frozen=True)
class NotApplicable:
    """The control does not apply, for a reason that is true of this target."""

    reason: str


@dataclass(frozen=True)
class NotJudged(NotApplicable):
    """What the control is about is not known; the reason says "not judged" and what to give."""


Verdict = tuple[Violation, ...] | NotApplicable
