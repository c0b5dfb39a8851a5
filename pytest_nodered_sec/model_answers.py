"""What comes back over HTTP, and what it is: an answer, a refusal, absence, the same as everything else gets.

No I/O, nothing mutable. `classify` decides whether an answer is one at all; what it means for a control is decided in
`rules/`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_nodered_sec.errors import Cause

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target


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
        return self._gist() == other._gist()

    def _gist(self) -> tuple[object, ...]:
        return self.kind, self.refuser, self.answer.status, self.answer.location, Mark.EXPRESS in self.answer.marks


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
    def sign(self) -> Seen:
        """What is asked again to see whether the target still answers as at the start.

        A landmark that is answered otherwise than a random path, where there is one: whoever bans us by the very answer
        that a random path gets, a 404, would not be noticed by that.
        """
        for one in (self.settings, self.login):
            if one is not None and one.kind is not Kind.NO_ANSWER and not one.same_as(self.canary):
                return one
        return self.canary

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


def no_answer(answer: Answer) -> bool:
    """Whether an answer is none: a block page, 5xx, 429, 408."""
    return bool(answer.block) or answer.status >= 500 or answer.status in _RETRY_STATUSES
