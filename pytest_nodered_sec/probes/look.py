"""What a probe is given: a target, a deadline, and polite ways to ask; and what the looks at one target share.

`Station` is per target and run: addresses, connections, the certificate seen first, the pace. `Look` is one
question's time. Redirects and the reduction of an exchange to an `Answer` live here too.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import ssl
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from pytest_nodered_sec import redaction
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Answer, Mark, is_login
from pytest_nodered_sec.probes.http import (
    BODY_LIMIT,
    Client,
    Exchange,
    block_header,
    challenge,
    likeness,
    tls_context,
)
from pytest_nodered_sec.probes.net import dial, dial_through, resolve

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping

    from pytest_nodered_sec.model import Target

_HOPS: Final = 5
_CONNECTIONS: Final = 4  # kept to the URL's port; with a WebSocket, the plain port of two addresses and TLS: eight
_RETRIES: Final = 2
_RATE_LIMITED: Final = (429, 503)
_AFTER_SUCCESS: Final = 0.5  # seconds, at the quiet pace
_AFTER_REFUSAL: Final = 10.0


class Pace:
    """How fast we ask: freely, until a rate limiter objects; from then on one request at a time, spaced.

    Args:
        quiet: slowly enough from the start for intrusion detection with its own defaults (see `rest`).
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._rested = 0.0  # absolute monotonic seconds
        self._turn = threading.Lock()
        self._interval = 0.0  # seconds between the starts of two requests
        self._next = 0.0
        self._objected = 0.0

    @contextlib.contextmanager
    def turn(self, deadline: float) -> Iterator[None]:
        """Wait for the right to send one request; raise ProbeError if that takes until the deadline."""
        if not self._interval:
            yield
            return
        if not self._turn.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise ProbeError("the target limits our rate, and our turn did not come in time", Cause.UNAVAILABLE)
        try:
            time.sleep(max(0.0, min(self._next, deadline) - time.monotonic()))
            self._next = time.monotonic() + self._interval
            yield
        finally:
            self._turn.release()

    def rest(self) -> None:
        """Wait until intrusion detection has forgotten enough of us; no time where the pace is not quiet."""
        if self._quiet:
            time.sleep(max(0.0, self._rested - time.monotonic()))

    def note(self, method: str, status: int) -> None:
        """Note an answer, 0 for none: how long `rest` waits before the next request.

        CrowdSec's buckets for probing and for refused log-ins leak once in ten seconds, the one for crawling twice a
        second (hub: http-probing, http-generic-bf, http-crawl-non_statics); a GET without a password that gets 401
        counts as neither. fail2ban counts wrong passwords only (filter nginx-http-auth).
        """
        harmless = 0 < status < 400 or (status == 401 and method in ("GET", "HEAD", "OPTIONS"))
        self._rested = time.monotonic() + (_AFTER_SUCCESS if harmless else _AFTER_REFUSAL)

    def slow_down(self, retry_after: str) -> float:
        """Note an objection and return the seconds to wait before asking again."""
        now = time.monotonic()
        if now - self._objected > 0.5:  # seven more in flight say the same: one objection
            self._objected = now
            self._interval = min(1.0, max(0.12, self._interval * 2))
        return float(retry_after) if retry_after.isdigit() else 1.0


class Station:
    """What all looks at one target share.

    Args:
        target: the deployment.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.addresses: tuple[str, ...] = ()
        self.address = ""
        self.first = datetime.now(UTC)
        self.looks = 0
        self.pace = Pace(quiet=target.policy.pace == "quiet")
        self.upgraded = threading.BoundedSemaphore(1)  # held for as long as a WebSocket is open
        self._lock = threading.Lock()
        self._plain_pace: dict[str, Pace] = {}
        self._clients: dict[str, Client] = {}
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self._leaf = ""
        redaction.learn(urlsplit(target.http.proxy).password or "")
        for value in target.http.headers.values():
            redaction.learn(value)

    def arrive(self, deadline: float) -> None:
        """Resolve the name and find an address that accepts connections on the URL's port, with one retry.

        Raises:
            ProbeError: one sentence with the cause: no such name, refused, no answer, no TLS.
        """
        host, port = self.target.dialled
        if self.target.http.proxy:
            self.addresses = (host,)  # the proxy resolves the name
        else:
            self.addresses = resolve(host, deadline)
        trouble: list[ProbeError] = []
        tries = [*self.addresses, *self.addresses]
        for number, address in enumerate(tries):
            share = (deadline - time.monotonic()) / (len(tries) - number)
            try:
                self.dial(address, port, time.monotonic() + share).close()
            except ProbeError as error:
                trouble.append(error)
            else:
                self.address = address
                return
        reasons = "; ".join(dict.fromkeys(error.message for error in trouble))
        raise ProbeError(f"{self.target.url} cannot be reached: {reasons}", trouble[0].cause)

    def connect(self, deadline: float) -> socket.socket:
        """Open a TCP connection to the URL's port at the address found by `arrive`."""
        return self.dial(self.address, self.target.dialled[1], deadline)

    def dial(self, address: str, port: int, deadline: float) -> socket.socket:
        """Open a TCP connection to a port of the target, by way of its proxy where it has one."""
        if self.target.http.proxy:
            return dial_through(self.target.http.proxy, address, port, deadline)
        return dial(address, port, deadline)

    def connect_wrapped(self, deadline: float, *, verified: bool) -> socket.socket:
        """Connect, with TLS where the URL says so; `verified` where something secret will be sent.

        Raises:
            ProbeError: no connection, no TLS, or a certificate that does not verify though it must.
        """
        if verified and not self.target.tls:
            raise ProbeError(f"nothing secret is sent to {self.target.url}, which is not https", Cause.UNVERIFIED)
        sock = self.connect(deadline)
        if not self.target.tls:
            return sock
        pinned = self.target.policy.certificate
        with self._lock:
            if verified not in self._contexts:
                self._contexts[verified] = tls_context(self.target, verified=verified and not pinned)
        sock.settimeout(max(0.01, deadline - time.monotonic()))  # for ssl this is a deadline of the whole handshake
        try:
            wrapped = self._contexts[verified].wrap_socket(sock, server_hostname=self.target.hostname)
        except TimeoutError:
            sock.close()
            raise ProbeError(f"the TLS handshake with {self.target.url} did not end in time", Cause.TIMEOUT) from None
        except ssl.SSLCertVerificationError as error:
            sock.close()
            raise ProbeError(
                f"nothing secret is sent to {self.target.url}: its certificate does not verify "
                f"({error.verify_message}; see tls-01 and tls-02)",
                Cause.UNVERIFIED,
            ) from None
        except ssl.SSLError as error:
            sock.close()
            reason = (error.reason or str(error)).replace("_", " ").lower()
            raise ProbeError(f"no TLS with {self.target.url}: {reason}", Cause.PROTOCOL) from None
        except OSError as error:
            sock.close()
            raise ProbeError(
                f"{self.target.url} ended the connection during the TLS handshake ({error.strerror or 'closed'})",
                Cause.CLOSED,
            ) from None
        leaf = hashlib.sha256(wrapped.getpeercert(binary_form=True) or b"").hexdigest()
        if verified and pinned and leaf != pinned:
            wrapped.close()
            raise ProbeError(
                f"nothing secret is sent to {self.target.url}: its certificate is not the pinned one (see tls-01)",
                Cause.UNVERIFIED,
            )
        self._check_same(leaf, wrapped)
        return wrapped

    def _check_same(self, leaf: str, wrapped: ssl.SSLSocket) -> None:
        with self._lock:
            self._leaf = self._leaf or leaf
            changed = self._leaf != leaf
        if changed:
            wrapped.close()
            raise ProbeError(f"the certificate of {self.target.url} changed during the run", Cause.CHANGED)

    def client(self, plain_address: str | None, *, verified: bool) -> tuple[Client, Pace]:
        """Return the client for the URL's origin, or for plain HTTP at one address of the name.

        Args:
            plain_address: the address to ask over plain HTTP.
            verified: whether what is sent is secret: then only a connection whose certificate verified will do.
        """
        with self._lock:
            key = plain_address or ("verified" if verified else "")
            if key not in self._clients:
                if plain_address is None:
                    self._clients[key] = self._origin_client(verified=verified)
                else:
                    port = self.plain_port
                    self._clients[key] = Client(
                        self.host_header(port), lambda deadline: self.dial(plain_address, port, deadline), 1
                    )
                own = plain_address is not None and self.target.policy.pace != "quiet"
                self._plain_pace[key] = Pace() if own else self.pace
            return self._clients[key], self._plain_pace[key]

    def _origin_client(self, *, verified: bool) -> Client:
        return Client(
            self.host_header(self.target.port),
            lambda deadline: self.connect_wrapped(deadline, verified=verified),
            1 if verified and not self.target.http.headers else _CONNECTIONS,
        )

    @property
    def plain_port(self) -> int:
        """TCP port of plain HTTP: the URL's own where the URL is http."""
        return self.target.http_port if self.target.tls else self.target.port

    def host_header(self, port: int) -> str:
        """Return the Host header for a port of this target's name."""
        name = f"[{self.target.hostname}]" if ":" in self.target.hostname else self.target.hostname
        default = 443 if self.target.tls and port == self.target.port else 80
        return name if port == default else f"{name}:{port}"

    def close(self) -> None:
        """Close all connections."""
        for client in list(self._clients.values()):
            client.close()


class Look:
    """One question's look: everything it does ends by its deadline.

    Attributes:
        station: what the looks at this target share.
        target: the deployment.
        deadline: absolute `time.monotonic()` seconds.
    """

    def __init__(self, station: Station) -> None:
        self.station = station
        self.target = station.target
        self.deadline = time.monotonic() + station.target.timeout

    def connect(self) -> socket.socket:
        """Return a TCP connection to the URL's port."""
        return self.station.connect(self.deadline)

    def extend(self) -> None:
        """Begin a new time limit, for undoing what the look has done."""
        self.deadline = time.monotonic() + self.target.timeout

    def open(self, *, verified: bool = False) -> socket.socket:
        """Return a connection to the URL's port, with TLS where the URL says so."""
        return self.station.connect_wrapped(self.deadline, verified=verified)

    def reduce(self, got: Exchange, path: str = "", *, plain: bool = False) -> Answer:
        """Reduce an exchange, over plain HTTP or not, to an `Answer`; without the path asked, it was no redirect."""
        location = location_of(self.origin(plain=plain) + path, got) if path else ""
        return _reduce(got, path, location, 0, cleartext=self.target.tls and not plain)

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        plain_address: str | None = None,
        secret: bool = False,
        limit: int = BODY_LIMIT,
    ) -> Exchange:
        """Send one request; where a rate limiter objects (429, 503), wait and ask again, twice at most.

        Args:
            method: HTTP method.
            path: absolute path, sent as written.
            headers: additional headers.
            body: request body.
            plain_address: ask over plain HTTP at this address instead of the URL's origin.
            secret: whether headers, path or body hold a secret.
            limit: bytes of the answer's body that are read.

        Raises:
            ProbeError: no answer by the deadline; a secret, and a channel that is not verified.
        """
        own = self.target.http.headers if plain_address is None else {}  # never in clear
        headers = {**own, **(headers or {})}
        client, pace = self.station.client(plain_address, verified=secret or bool(own))
        return self.politely(
            method, client.slot, pace, lambda: client.ask(method, path, self.deadline, headers, body, limit)
        )

    def politely(
        self, method: str, slot: contextlib.AbstractContextManager[Any], pace: Pace, send: Callable[[], Exchange]
    ) -> Exchange:
        """Send one request when it is our turn; where a rate limiter objects, wait and send it again, twice at most.

        Args:
            method: HTTP method.
            slot: the right to have a connection.
            pace: of the port asked.
            send: sends by `deadline` and returns the answer.
        """
        for left in range(_RETRIES, -1, -1):
            asked = time.monotonic()
            status = 0
            with slot:
                pace.rest()
                self.deadline += time.monotonic() - asked  # waiting is not looking
                try:
                    with pace.turn(self.deadline):
                        got = send()
                    status = got.status
                finally:
                    pace.note(method, status)
            if got.status not in _RATE_LIMITED or not left:
                break
            wait = pace.slow_down(got.headers.get("retry-after", ""))
            if time.monotonic() + wait >= self.deadline:
                break
            time.sleep(wait)
        return got

    def answer(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        plain_address: str | None = None,
    ) -> Answer:
        """Ask, follow same-origin redirects (5 hops), and reduce what came to an `Answer`.

        Only GET and HEAD follow: what a write does at another address was not looked at beforehand.

        Raises:
            ProbeError: no answer, or a redirect loop.
        """
        return self.exchange(method, path, headers=headers, body=body, plain_address=plain_address)[0]

    def exchange(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        plain_address: str | None = None,
    ) -> tuple[Answer, Exchange]:
        """Do as `answer`, and hand out the last exchange too, for a probe that must read the body."""
        origin = self.origin(plain=plain_address is not None)
        asked = path
        for hops in range(_HOPS + 1):
            got = self.ask(method, asked, headers=headers, body=body, plain_address=plain_address)
            location = location_of(origin + asked, got)
            login = is_login(without_query(location), self.target)  # a refusal, also on this host
            stays = method not in ("GET", "HEAD")
            if not location or login or stays or origin_of(location) != origin:
                return _reduce(got, asked, location, hops, cleartext=origin.startswith("https:")), got
            headers = None  # nothing of ours follows a redirect
            parts = urlsplit(location)
            asked = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        raise ProbeError(f"{method} {path} ends in a redirect loop (more than {_HOPS} hops)", Cause.PROTOCOL)

    def origin(self, *, plain: bool) -> str:
        """Return scheme, host and port of the URL, or of plain HTTP under its name."""
        if not plain:
            return origin_of(self.target.url)
        return origin_of(f"http://{self.station.host_header(self.station.plain_port)}/")


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL, the port always written."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def location_of(url: str, got: Exchange) -> str:
    """Return the absolute URL a redirect points to, or "" where the answer is none."""
    if got.status not in (301, 302, 303, 307, 308):
        return ""
    target = got.headers.get("location", "")
    return urljoin(url, target) if target else ""


def _reduce(got: Exchange, path: str, location: str, hops: int, *, cleartext: bool) -> Answer:
    marks = set() if location else _marks(got, path)
    if location.startswith("http:") and cleartext:
        marks.add(Mark.CLEARTEXT_REDIRECT)
    content_type = got.headers.get("content-type", "").split(";")[0].strip().lower()
    return Answer(
        status=got.status,
        content_type=content_type if re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+-]+", content_type) else "",
        length=len(got.body),
        challenge=challenge(got.headers) if got.status == 401 else "",
        location=without_query(location),
        marks=frozenset(marks),
        likeness=likeness(got.body, path) if got.status < 400 else (),
        block=block_header(got.headers),
        hops=hops,
        headers=_told_browsers(got),
    )


def _told_browsers(got: Exchange) -> tuple[tuple[str, str], ...]:
    """Return who may read and frame the answer; of a content security policy nothing else, it may hold nonces."""
    names = ("access-control-allow-origin", "x-frame-options", "x-content-type-options")
    told = [(name, got.headers[name][:200]) for name in names if name in got.headers]
    ancestors = re.search(r"frame-ancestors[^;,]*", got.headers.get("content-security-policy", ""))
    return (*told, ("content-security-policy", ancestors[0][:200].strip())) if ancestors else tuple(told)


def without_query(location: str) -> str:
    """Drop query, fragment and userinfo: they may carry tokens."""
    parts = urlsplit(location)
    return f"{parts.scheme}://{parts.netloc.rsplit('@', 1)[-1]}{parts.path}" if location else ""


def _marks(got: Exchange, path: str) -> set[Mark]:
    """Tell what wrote the answer (the editor's index.mst, editor-api/lib/auth/index.js, Express's finalhandler)."""
    marks: set[Mark] = set()
    text = got.body.decode("utf-8", "replace")
    if got.status == 404 and "<pre>Cannot " in text:
        marks.add(Mark.EXPRESS)
    if got.status >= 300:
        return marks
    if "red/red.min.js" in text or 'id="red-ui-editor"' in text:
        marks.add(Mark.EDITOR)
    if "Node-RED Dashboard" in text or 'ng-app="ui"' in text:
        marks.add(Mark.DASHBOARD)
    with contextlib.suppress(ValueError):
        data = json.loads(text)
        if isinstance(data, dict):
            if "httpNodeRoot" in data:
                marks.add(Mark.SETTINGS)
            if "socketio" in data or "dash" in data:  # /dashboard/_setup; a theme of Dashboard 1 at /uisettings
                marks.add(Mark.DASHBOARD)
            if path.endswith("/auth/login"):
                if not data:
                    marks.add(Mark.LOGIN_OPEN)
                elif data.get("type") in ("credentials", "strategy"):
                    marks.add(Mark.LOGIN_CONFIGURED)
    return marks
