"""HTTP answers and their kinds: served, refused, absent, indistinct, or no answer.

No I/O, nothing mutable. `classify` decides the kind; `rules/` decide what it means for a control.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pytest_nodered_sec.errors import Cause
from pytest_nodered_sec.observations.login_urls import is_login, place_of
from pytest_nodered_sec.texts import counted

if TYPE_CHECKING:
    from pytest_nodered_sec.model import Target


class Kind(enum.Enum):
    """The kind of an HTTP (or Socket.IO) answer; every answer has exactly one."""

    NO_ANSWER = "no answer"
    REFUSED = "refused"
    ABSENT = "absent"
    INDISTINCT = "indistinct"
    SERVED = "served"


class Refuser(enum.Enum):
    """Who refused, recognised by the realm."""

    NODE_RED = "Node-RED's login"  # Bearer realm="Users": adminAuth
    NODE_RED_BASIC = "Node-RED's Basic login"  # Basic realm="Authorization Required": httpNodeAuth
    PROXY = "the proxy's login"  # any other WWW-Authenticate
    LOGIN = "the declared login"  # a redirect to a declared login URL
    CERTIFICATE = "the demand for a client certificate"
    UNNAMED = "an unnamed gate"  # 401 or 403 without a realm


class Mark(enum.Enum):
    """What a body or header shows about the software that sent the answer; the body itself is not kept."""

    EDITOR = "the Node-RED editor"
    SETTINGS = "Node-RED's settings"
    LOGIN_OPEN = "no login is configured"  # /auth/login is {}
    LOGIN_CONFIGURED = "a login is configured"
    DASHBOARD = "a Node-RED dashboard"
    NODES = "a list of Node-RED's nodes"
    EXPRESS = "Express's own 404 page"  # "Cannot GET /x": nobody in front answered
    ECHO = "the path as it was sent, in that page"  # nobody in front has tidied it
    CLEARTEXT_REDIRECT = "a redirect to plain HTTP"
    VERSION = "an error page that names the server's version"
    CERTIFICATE_DEMAND = "a demand for a client certificate"


_PRODUCTS = frozenset({Mark.EDITOR, Mark.SETTINGS, Mark.DASHBOARD})  # no page of theirs is another's
_CONTENT = _PRODUCTS | {Mark.NODES}
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
        likeness: opaque fingerprint of the body's words, free of numbers; () for an empty body.
        block: name of the header that identifies a challenge or block page, or "".
        hops: how many same-origin redirects were followed.
        headers: security headers (lower-case name, value): CORS, framing, nosniff, HSTS; headers that describe the
            server; cookies by name and attributes, without values.
        aside: words that are left out when this answer is compared: those of the path asked, which a page may echo, and
            those that change from one answer to the next.
        varying: how many words changed between two answers to random paths; 0 where only one was asked for.
        silent: whether nothing came within the time limit, where the same happens at a random path; status is 0 then.
        first: where the first of the redirects that were followed led, absolute and without query, or "".
        dropped: whether nothing came to this request, twice, while others are answered; status is 0 then.
        at_once: whether an upgrade got the connection closed sooner than Node-RED closes one that nobody takes (1 s).
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
    aside: tuple[int, ...] = ()
    varying: int = 0
    silent: bool = False
    first: str = ""
    dropped: bool = False
    at_once: bool = False

    def header(self, name: str) -> str:
        """Return the value of a header that is kept, in whatever case it is named; "" where none was sent."""
        return dict(self.headers).get(name.lower(), "")

    @property
    def strange_page(self) -> bool:
        """Whether it is a page that does not belong to Node-RED."""
        return 200 <= self.status < 300 and self.content_type == "text/html" and not self.marks & _PRODUCTS

    @property
    def basic_realm(self) -> str | None:
        """Realm of the Basic login that is asked for, among others; None where none is."""
        return dict(self.headers).get("basic-realm")

    @property
    def lets_strangers_read(self) -> bool:
        """Whether the page whose Origin was sent, a stranger's or null, may read: a front may name another one."""
        allowed = self.header("access-control-allow-origin")
        return allowed == "null" or "stranger" in allowed

    def line(self) -> str:
        """Return the answer in one short phrase, e.g. '401 (Bearer realm="Users")'."""
        if self.silent:
            return "nothing within the time limit, as at a random path"
        if not self.status:
            return "nothing" if self.dropped else "nothing, the connection was closed"
        if self.status == TLS_ALERT:
            return "a TLS alert"
        if self.location:
            return f"{self.status} (redirect to {self.location})"
        if self.challenge:
            return f"{self.status} ({self.challenge})"
        return f"{self.status} ({self.content_type or 'no content type'}, {counted(self.length, 'byte')})"


@dataclass(frozen=True)
class Classified:
    """The kind of an answer, who refused, and a phrase with the reason if the answer alone does not show it."""

    kind: Kind
    refuser: Refuser | None = None
    why: str = ""
    cause: Cause | None = None


CLOSED: Final = Classified(  # nginx: return 444; HAProxy: http-request reject
    Kind.REFUSED, Refuser.UNNAMED, why="twice, while other requests are answered"
)
_CERTIFICATE = (
    "a client certificate is demanded; give one in the hook (HttpSettings.client_certificate), or set "
    "mutual_tls = true if every client must have one"
)


REFUSALS: Final = (401, 403)
TLS_ALERT: Final = 496  # how an alert that wants a client certificate is noted: no server sends this status
ALL_THE_SAME: Final = "the status refuses, but the content is sent all the same"
OWN_APP: Final = "the page of the app that public_paths declares at /, as every path here"
DECLARE_IT: Final = (
    'if it is an app of your own beside Node-RED, declare it: public_paths = [{path = "/", reason = "..."}]'
)
ALL_ALIKE: Final = "every path answers the same page"
LET_IT_REFUSE: Final = (
    "if that is a login page, make the proxy answer 401 or redirect to the login (--nodered-login-url)"
)
_IN_CLEAR: Final = "anonymous clients are redirected to plain HTTP, where nothing more is asked: see http-06"
_RETRY_STATUSES = frozenset({408, 429})


def refuser_of(challenge: str) -> Refuser:
    """Tell who refused by the WWW-Authenticate header ('Basic realm="x"'), "" meaning none was sent."""
    if challenge == 'Bearer realm="Users"':  # @node-red/editor-api/lib/auth/index.js, passport bearer
        return Refuser.NODE_RED
    if challenge == 'Basic realm="Authorization Required"':  # node-red/red.js, basicAuthMiddleware
        return Refuser.NODE_RED_BASIC
    return Refuser.PROXY if challenge else Refuser.UNNAMED


def alike(answer: Answer, other: Answer) -> bool:
    """Whether two answers are the same page: status (206 is 200), type, redirect, product, nine tenths of the words.

    Words that either page may have echoed, or that change with every answer (tokens, times), are left out.
    """
    of_a_kind = (answer.content_type, answer.location) == (other.content_type, other.location)
    statuses, products = {answer.status, other.status}, (answer.marks ^ other.marks) & _PRODUCTS
    if not of_a_kind or statuses not in ({answer.status}, {200, 206}) or products:
        return False
    aside = {*answer.aside, *other.aside}
    ours, theirs = set(answer.likeness) - aside, set(other.likeness) - aside
    fresh = len(ours - theirs) if other.varying else len(theirs - ours)
    spared = min(fresh, max(answer.varying, other.varying))
    return len(ours & theirs) * 10 >= (len(ours | theirs) - spared) * 9


def answers_for_itself(answer: Answer, canary: Answer) -> bool:
    """Whether a place answers otherwise than a random path, be it by a 404 of the front's own in place of Express's."""
    return not alike(answer, canary) or (Mark.EXPRESS in answer.marks) != (Mark.EXPRESS in canary.marks)


def steadied(answer: Answer, again: Answer) -> Answer:
    """Return an answer to a random path without the words that differ in the answer to another random path."""
    if (answer.status, answer.content_type, answer.location) != (again.status, again.content_type, again.location):
        return answer
    ours, theirs = set(answer.likeness) - {*answer.aside}, set(again.likeness) - {*again.aside}
    changed = ours ^ theirs
    varying = max(len(ours - theirs), len(theirs - ours))
    return replace(answer, aside=tuple(sorted({*answer.aside, *changed})), varying=varying)


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
    if not answer.status and not answer.silent:
        return CLOSED
    if answer.block:
        return Classified(Kind.NO_ANSWER, why=f"a challenge or block page ({answer.block})", cause=Cause.UNAVAILABLE)
    if Mark.CERTIFICATE_DEMAND in answer.marks:
        if target.policy.mutual_tls:
            return Classified(Kind.REFUSED, Refuser.CERTIFICATE)
        return Classified(Kind.NO_ANSWER, why=_CERTIFICATE, cause=Cause.REJECTED)
    if open_answer and open_answer == f"{answer.status} {answer.content_type}":
        if canary is None or (answer.status, answer.content_type) != (canary.status, canary.content_type):
            return Classified(Kind.SERVED, why="the route's own answer, given without a login")
        return Classified(Kind.INDISTINCT, why="every path answers the same", cause=Cause.INDISTINCT)
    if answer.status >= 500 or answer.status in _RETRY_STATUSES:
        return Classified(Kind.NO_ANSWER, why="", cause=Cause.UNAVAILABLE)
    if answer.status in REFUSALS and answer.marks & _CONTENT - (canary.marks if canary else frozenset()):
        return Classified(Kind.SERVED, why=ALL_THE_SAME)
    if answer.status in REFUSALS:
        return Classified(Kind.REFUSED, refuser_of(answer.challenge))
    if answer.status in (404, 410):
        return Classified(Kind.ABSENT)
    if answer.location:
        if is_login(answer.location, target) or _begins_login(answer, canary, target):
            return Classified(Kind.REFUSED, Refuser.LOGIN)
        if Mark.CLEARTEXT_REDIRECT in answer.marks:  # http-06 judges that
            if is_login(answer.location.replace("http:", "https:", 1), target):
                return Classified(Kind.REFUSED, Refuser.LOGIN)
            return Classified(Kind.NO_ANSWER, why=_IN_CLEAR, cause=Cause.UNDECLARED_LOGIN)
        if answer.location.startswith("https:"):
            return Classified(Kind.NO_ANSWER, why=elsewhere(answer.location, target), cause=Cause.UNDECLARED_LOGIN)
    if canary is not None and alike(answer, canary):
        if Mark.DASHBOARD in answer.marks:  # which serves its page wherever it serves nothing else (Dashboard 2)
            return Classified(Kind.ABSENT, why="the page of a dashboard, as every path here")
        if is_own_app(answer, target):
            return Classified(Kind.ABSENT, why=OWN_APP)
        return Classified(Kind.INDISTINCT, why=f"{ALL_ALIKE}; {LET_IT_REFUSE}", cause=Cause.INDISTINCT)
    return Classified(Kind.SERVED)


def _begins_login(answer: Answer, canary: Answer | None, target: Target) -> bool:
    """Whether it redirects to the path by which random paths lead on to a declared login (oauth2-proxy: /oauth2/start).

    The host may be another: under the address in place of the name, it is the address.
    """
    if canary is None or not canary.first or not is_login(canary.location, target):
        return False
    begun, seen = place_of(canary.first), place_of(answer.location)
    return begun is not None and seen is not None and (seen[0], seen[3]) == ("https", begun[3])


def is_own_app(page: Answer, target: Target) -> bool:
    """Whether the page that every path gets is that of an app of the site's own, which the policy declares at "/"."""
    return page.strange_page and bool(target.policy.public_reason("/"))


def elsewhere(location: str, target: Target) -> str:
    """Return the advice for a redirect to an undeclared HTTPS URL."""
    parts = urlsplit(location)
    if not target.tls and parts.hostname == target.hostname:
        return f"the target is served over HTTPS, use `--nodered-url=https://{parts.netloc}`"
    return f"if that is your login page, add `--nodered-login-url={location}`"


@dataclass(frozen=True)
class Seen:
    """One landmark: the path and its answer."""

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
    """The landmarks of a root at the start: its canary, and for the admin root `/settings` and `/auth/login`.

    Attributes:
        root: absolute path of the root, as dialled.
        canary: what a random path got.
        settings: what `/settings` got; None for a node root of its own.
        login: what `/auth/login` got; None for a node root of its own.
        identity: what identifies Node-RED there, in a few words each; empty if nothing does.
        found: roots that the target itself named, and where; "" if the configured roots are right.
        answering: what answers where a random path gets the connection closed; None where that is answered.
    """

    root: str
    canary: Seen
    settings: Seen | None = None
    login: Seen | None = None
    identity: tuple[str, ...] = ()
    found: str = ""
    answering: Seen | None = None

    @property
    def sign(self) -> Seen:
        """What is asked again to see whether the target still answers as at the start.

        A landmark whose answer differs from that to a random path, if there is one: a ban that answers 404, as a random
        path gets, would otherwise go unnoticed.
        """
        for seen in (self.answering, self.settings, self.login):
            if seen is not None and seen.kind is not Kind.NO_ANSWER and not seen.same_as(self.canary):
                return seen
        return self.canary

    @property
    def blanket(self) -> bool:
        """Whether the landmark `/settings` is refused just as a random path is, so that Node-RED was not seen."""
        return (
            self.settings is not None
            and self.settings.kind is Kind.REFUSED
            and self.canary.kind is Kind.REFUSED
            and self.settings.refuser is self.canary.refuser
        )

    @property
    def beside_app(self) -> bool:
        """Whether a declared app of the site's own answers every path that the proxy does not pass on."""
        return self.canary.kind is Kind.ABSENT and self.canary.answer.strange_page

    @property
    def gated(self) -> bool:
        """Whether whatever could show a Node-RED is refused by a gate: everything, or all but a declared app."""
        refused = self.settings is not None and self.settings.kind is Kind.REFUSED
        return self.blanket or (self.beside_app and refused)

    @property
    def opaque(self) -> bool:
        """Whether every path gets the same page, redirect or demand for a certificate, and none shows a Node-RED."""
        everywhere = self.canary.classified.cause in (Cause.UNDECLARED_LOGIN, Cause.REJECTED)
        return not self.identity and (everywhere or self.canary.kind is Kind.SERVED)

    @property
    def own_login(self) -> bool:
        """Whether Node-RED's own login refuses anonymous requests; browsers do not send its token automatically."""
        return self.settings is not None and self.settings.refuser is Refuser.NODE_RED

    @property
    def api_absent(self) -> bool:
        """Whether no admin API is at this root."""
        return self.settings is not None and self.settings.kind is Kind.ABSENT


def no_answer(answer: Answer) -> bool:
    """Whether an answer is none: a block page, 5xx, 429, 408."""
    return bool(answer.block) or answer.status >= 500 or answer.status in _RETRY_STATUSES
