"""What a probe is given: a target, a deadline, and polite ways to ask; and what the looks at one target share.

`Station` is per target and run: addresses, connections, the certificate seen first, the pace. `Look` is one
question's time.
"""

from __future__ import annotations

import contextlib
import hashlib
import ssl
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from urllib.parse import urlsplit

from pytest_nodered_sec import redaction
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.answers import clock_offset, cookies_of, follow, location_of, origin_of, reduced
from pytest_nodered_sec.probes.http import BODY_LIMIT, Client, Exchange, tls_context
from pytest_nodered_sec.probes.identity import key_fingerprint
from pytest_nodered_sec.probes.landmarks import random_path
from pytest_nodered_sec.probes.logins import Logins
from pytest_nodered_sec.probes.net import Places, dial, dial_through, resolve
from pytest_nodered_sec.probes.once import Memo, Once
from pytest_nodered_sec.probes.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.model_answers import Answer
    from pytest_nodered_sec.model_doors import Cookie
    from pytest_nodered_sec.probes.net import Timed, TimedTLS

_Found = TypeVar("_Found")

_RETRIES: Final = 2
_RATE_LIMITED: Final = (429, 503)


class Station:
    """What all looks at one target share.

    Args:
        target: the deployment.
        logins: what all log-ins of the run share; None where no password is tried.
        lists: what the run knows of revoked certificates.
    """

    def __init__(self, target: Target, logins: Logins | None = None, lists: Memo[Any] | None = None) -> None:
        self.target = target
        self.logins = logins or Logins(None)
        self.lists: Memo[Any] = lists or Memo()  # Any, here and below: whatever several looks need
        self.basic_logins: dict[str, str] = {}  # those that were asked with passwords, and where
        self.addresses: tuple[str, ...] = ()
        self.address = ""
        self.first = datetime.now(UTC)
        self.looks = 0
        self.pace = Pace(quiet=target.policy.pace == "quiet")
        self.verified = False  # whether a certificate of the target has verified
        self._places = Places()
        self._asked: Memo[Answer] = Memo()
        self.found: Memo[Any] = Memo()
        self._lock = threading.Lock()
        self._checking = threading.Lock()
        self._plain_pace: dict[str, Pace] = {}
        self._clients: dict[str, Client] = {}
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self._arrived: Timed | None = None  # the first connection, as long as nobody uses it
        self._leaf = ""
        self._certificate = b""
        self._source = ""
        self.clock_offset: int | None = None  # seconds by which the target's clock is ahead, by the first Date it sent
        self.answers = 0
        self._cookies: dict[Cookie, Cookie] = {}
        redaction.learn(urlsplit(target.http.proxy).password or "")
        for value in target.http.headers.values():
            redaction.learn(value)

    def once(self, key: Hashable, ask: Callable[[], Answer]) -> Answer:
        """Return what the first look with this key was answered."""
        return self._asked.get(key, ask)

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
                sock = self.dial(address, port, time.monotonic() + share)
            except ProbeError as error:
                trouble.append(error)
            else:
                with contextlib.suppress(OSError):  # it has gone again
                    self._source = str(sock.getsockname()[0])
                self.address = address
                sock.idle_since = time.monotonic()
                self._arrived = sock
                return
        reasons = "; ".join(dict.fromkeys(error.message for error in trouble))
        raise ProbeError(f"{self.target.url} cannot be reached: {reasons}", trouble[0].cause)

    def hold(self, make: Callable[[], Timed]) -> Timed:
        """Make a connection that counts among those to this target."""
        return self._places.open(make)

    def connect(self, deadline: float) -> Timed:
        """Open a TCP connection to the URL's port at the address found by `arrive`, or return the one made there."""
        return self._take_arrived(deadline) or self.dial(self.address, self.target.dialled[1], deadline)

    def _take_arrived(self, deadline: float) -> Timed | None:
        with self._lock:
            sock, self._arrived = self._arrived, None
        if sock is None or not self._places.take_up(sock):
            return None
        sock.until(deadline)
        return sock

    def dial(self, address: str, port: int, deadline: float) -> Timed:
        """Open a TCP connection to a port of the target, by way of its proxy where it has one."""
        return self.hold(lambda: self.dial_apart(address, port, deadline))

    def dial_apart(self, address: str, port: int, deadline: float) -> Timed:
        """Do as `dial` for a connection that `hold` counts."""
        port = self.target.http.ports.get(port, port)
        if self.target.http.proxy:
            return dial_through(self.target.http.proxy, address, port, deadline)
        return dial(address, port, deadline)

    def connect_wrapped(self, deadline: float, *, verified: bool) -> Timed:
        """Connect, with TLS where the URL says so; `verified` where something secret will be sent.

        Raises:
            ProbeError: no connection, no TLS, or a certificate that does not verify though it must.
        """
        if verified and not self.target.tls:
            raise ProbeError(f"nothing secret is sent to {self.target.url}, which is not https", Cause.UNVERIFIED)
        if not self.target.tls:
            return self.connect(deadline)
        return self.hold(lambda: self._wrapped(deadline, verified=verified))

    def _wrapped(self, deadline: float, *, verified: bool) -> Timed:
        pinned = self.target.policy.certificate
        sock = self._take_arrived(deadline) or self.dial_apart(self.address, self.target.dialled[1], deadline)
        wrapped, certificate = self._shake_hands(sock, self.target.url, deadline, verified=verified and not pinned)
        leaf = hashlib.sha256(certificate).hexdigest()
        if verified and pinned and leaf != pinned:
            wrapped.close()
            raise ProbeError(
                f"nothing secret is sent to {self.target.url}: its certificate is not the pinned one (see tls-01)",
                Cause.UNVERIFIED,
            )
        self._check_same(leaf, wrapped)
        self._certificate = certificate
        self.verified = self.verified or verified
        return wrapped

    def dial_wrapped(self, port: int, deadline: float, *, verified: bool) -> Timed:
        """Connect with TLS to another port of the target; see `connect_wrapped`.

        Raises:
            ProbeError: no connection, no TLS, or a certificate that does not verify though it must.
        """

        def make() -> Timed:
            sock = self.dial_apart(self.address, port, deadline)
            return self._shake_hands(sock, f"{self.target.hostname}:{port}", deadline, verified=verified)[0]

        return self.hold(make)

    def _shake_hands(self, sock: Timed, where: str, deadline: float, *, verified: bool) -> tuple[TimedTLS, bytes]:
        """Return the connection with TLS, and the leaf as DER, b"" where none was sent."""
        with self._lock:
            if verified not in self._contexts:
                self._contexts[verified] = tls_context(self.target, verified=verified)
        sock.settimeout(max(0.01, deadline - time.monotonic()))  # for ssl this is a deadline of the whole handshake
        try:
            wrapped = cast("TimedTLS", self._contexts[verified].wrap_socket(sock, server_hostname=self.target.hostname))
            sock = wrapped  # the one to close from here on
            certificate = wrapped.getpeercert(binary_form=True) or b""  # OSError: it has gone
        except TimeoutError:
            sock.close()
            raise ProbeError(f"the TLS handshake with {where} did not end in time", Cause.TIMEOUT) from None
        except ssl.SSLCertVerificationError as error:
            sock.close()
            raise ProbeError(
                f"nothing secret is sent to {where}: its certificate does not verify "
                f"({error.verify_message}; see tls-01 and tls-02)",
                Cause.UNVERIFIED,
            ) from None
        except ssl.SSLError as error:
            sock.close()
            reason = (error.reason or str(error)).replace("_", " ").lower()
            if error.reason == "WRONG_VERSION_NUMBER":  # what OpenSSL makes of any answer that is no record of TLS
                reason = "something else answers there; if it is plain HTTP, the URL begins with http://"
            raise ProbeError(f"no TLS with {where}: {reason}", Cause.PROTOCOL) from None
        except OSError as error:
            sock.close()
            raise ProbeError(
                f"{where} ended the connection during the TLS handshake ({error.strerror or 'closed'})",
                Cause.CLOSED,
            ) from None
        return wrapped, certificate

    def check_channel(self, deadline: float) -> None:
        """Have a connection ready over which something secret may be sent.

        Raises:
            ProbeError: there is none.
        """
        with self._checking:  # who comes second waits for the first one's connection
            if not self.verified:
                self.client(None, verified=True)[0].prepare(deadline)

    def connect_anew(self, deadline: float) -> None:
        """Make a new connection to the URL's port, and keep it for who asks next.

        Raises:
            ProbeError: none is accepted.
        """
        self.client(None, verified=bool(self.target.http.headers))[0].prepare(deadline)

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
                    self._clients[key] = Client(
                        self.host_header(self.target.port),
                        lambda deadline: self.connect_wrapped(deadline, verified=verified),
                    )
                else:
                    port = self.plain_port
                    self._clients[key] = Client(
                        self.host_header(port), lambda deadline: self.dial(plain_address, port, deadline)
                    )
                own = plain_address is not None and self.target.policy.pace != "quiet"
                self._plain_pace[key] = Pace() if own else self.pace
            return self._clients[key], self._plain_pace[key]

    def notice(self, method: str, path: str, got: Exchange) -> None:
        """Take note of the cookies that an answer sets; of each kind the first."""
        with self._lock:
            self.answers += 1
            if self.clock_offset is None:
                self.clock_offset = clock_offset(got, datetime.now(UTC))
            for one in cookies_of(got):
                self._cookies.setdefault(one, replace(one, where=f"{method} {path.partition('?')[0]}"))

    def identity(self) -> dict[str, Any]:
        """Return who answered so far, as `facts.Identity` has it, without the release of Node-RED."""
        return {
            "addresses": list(self.addresses),
            "dialled": self.address,
            "source": self._source,
            "leaf_sha256": self._leaf,
            "key_sha256": key_fingerprint(self._certificate) if self._certificate else "",
            "clock_offset": self.clock_offset,
        }

    @property
    def cookies(self) -> tuple[Cookie, ...]:
        """The cookies set so far, each kind once."""
        with self._lock:
            return tuple(self._cookies.values())

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
        self._places.close()
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

    def connect(self) -> Timed:
        """Return a TCP connection to the URL's port."""
        return self.station.connect(self.deadline)

    def dial(self, port: int, *, tls: bool = False, verified: bool = False) -> Timed:
        """Return a connection to another port of the target's machine, on the way that the target is reached.

        Its reads end by the deadline. Close it; it counts among the eight to one target.

        Args:
            port: TCP port.
            tls: whether it begins with a TLS handshake.
            verified: whether its certificate must verify for the URL's host, because something secret will be sent.

        Raises:
            ProbeError: no connection, no TLS, or a certificate that does not verify though it must.
        """
        if tls:
            sock = self.station.dial_wrapped(port, self.deadline, verified=verified)
        else:
            sock = self.station.dial(self.station.address, port, self.deadline)
        sock.until(self.deadline)
        return sock

    def host(self) -> Any:  # Any: testinfra has no types
        """Return testinfra's host of the target, for a question with `needs="host"`.

        Raises:
            ProbeError: there is no such backend.
        """
        from pytest_nodered_sec.probes.host import host_of  # imports testinfra

        return host_of(self.target.host or "")

    def shared(self, key: str, find: Callable[[], _Found]) -> _Found:
        """Return what the first look at this target that needed it found.

        Raises:
            ProbeError: it could not be found.
        """
        return cast("_Found", self.station.found.get(key, find))

    def listed(self, url: str, fetch: Callable[[], _Found]) -> _Found:
        """Return what the first look of the run at a list of revoked certificates fetched.

        Raises:
            ProbeError: it could not be had.
        """
        return cast("_Found", self.station.lists.get(url, fetch))

    def clock_offset(self) -> int | None:
        """Return by how many seconds the target's clock is ahead of ours; None where no answer of its tells."""
        if self.station.clock_offset is None:
            with contextlib.suppress(ProbeError):
                self.ask("GET", self.target.admin(random_path()))
        return self.station.clock_offset

    def extend(self) -> None:
        """Begin a new time limit: for undoing what the look has done, or for the next of several addresses."""
        self.deadline = time.monotonic() + self.target.timeout

    def login_keys(self, login: str) -> list[tuple[str, ...]]:
        """Return by what attempts at a login are counted: each address of the name, another name may share any."""
        return [(address, str(self.target.dialled[1]), login) for address in self.station.addresses]

    def account_keys(self, login: str, username: str) -> list[tuple[str, ...]]:
        """Return by what a user name's attempts are counted; accounts of a directory are the same everywhere."""
        realm = self.target.policy.login_realm
        return [("", "", realm, username)] if realm else [(*key, username) for key in self.login_keys(login)]

    def open(self, *, verified: bool = False) -> Timed:
        """Return a connection to the URL's port, with TLS where the URL says so."""
        return self.station.connect_wrapped(self.deadline, verified=verified)

    def reduce(self, got: Exchange, path: str = "", *, plain: bool = False) -> Answer:
        """Reduce an exchange, over plain HTTP or not, to an `Answer`; without the path asked, it was no redirect."""
        location = location_of(self.origin(plain=plain) + path, got) if path else ""
        return reduced(got, path, location, 0, cleartext=self.target.tls and not plain)

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
        once: bool = False,
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
            once: whether it must not be sent a second time, whatever becomes of the first, because somebody counts;
                whoever counts is given the time that a refused POST needs.

        Raises:
            ProbeError: no answer by the deadline; a secret, and a channel that is not verified.
        """
        own = self.target.http.headers if plain_address is None else {}  # never in clear
        headers = {**own, **(headers or {})}
        client, pace = self.station.client(plain_address, verified=secret or bool(own))

        def send() -> Exchange:
            return client.ask(method, path, self.deadline, headers, body, limit, once=once)

        got = self.politely("POST", pace, send, 0) if once else self.politely(method, pace, send)
        self.station.notice(method, path, got)
        return got

    def politely(self, method: str, pace: Pace, send: Callable[[], Exchange], retries: int = _RETRIES) -> Exchange:
        """Send one request when it is our turn; where a rate limiter objects, wait and send it again, twice at most.

        Args:
            method: HTTP method.
            pace: of the port asked.
            send: sends by `deadline` and returns the answer.
            retries: how often it may be sent again.
        """
        for left in range(retries, -1, -1):
            asked = time.monotonic()
            status = 0
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

    def read(self, path: str, headers: Mapping[str, str]) -> Answer:
        """Do as `answer` with a GET, where several questions ask the same: the first asks, the others wait for it.

        Raises:
            ProbeError: no answer, or a redirect loop.
        """
        return self.station.once((path, *headers.items()), lambda: self.answer("GET", path, headers=headers))

    def together(self, paths: Sequence[str]) -> list[Answer]:
        """Do as `answer` with a GET for each path, side by side unless the pace is quiet.

        Raises:
            ProbeError: no answer, or a redirect loop: that of the first path that has one.
        """

        def ask(path: str) -> Answer:
            return Look(self.station).answer("GET", path)  # made when it is its turn: its time begins then

        asked = [Once(partial(ask, path)) for path in paths]
        if self.target.policy.pace != "quiet":
            for one in asked[1:]:
                threading.Thread(target=one.settle, daemon=True, name="nodered-sec-look").start()
        return [one.get() for one in asked]

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

        def ask(asked: str, hops: int) -> Exchange:
            own = None if hops else headers  # nothing of ours follows a redirect
            return self.ask(method, asked, headers=own, body=body, plain_address=plain_address)

        return follow(self.target, self.origin(plain=plain_address is not None), method, path, ask)

    def origin(self, *, plain: bool) -> str:
        """Return scheme, host and port of the URL, or of plain HTTP under its name."""
        if not plain:
            return origin_of(self.target.url)
        return origin_of(f"http://{self.station.host_header(self.station.plain_port)}/")
