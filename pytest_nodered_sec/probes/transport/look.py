"""What a probe works with: a target, a deadline, and rate-limited requests."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.transport.answers import (
    follow,
    location_of,
    origin_of,
    reduced,
    retry_after,
)
from pytest_nodered_sec.probes.transport.down import CALM, UNAVAILABLE
from pytest_nodered_sec.probes.transport.form import USUAL, Form
from pytest_nodered_sec.probes.transport.http import BODY_LIMIT, Exchange
from pytest_nodered_sec.probes.transport.http2 import Http2
from pytest_nodered_sec.probes.transport.names import random_path
from pytest_nodered_sec.probes.transport.once import Once
from pytest_nodered_sec.probes.transport.pace import RATE_LIMITED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_nodered_sec.observations.answers import Answer
    from pytest_nodered_sec.probes.transport.net import Timed
    from pytest_nodered_sec.probes.transport.pace import Pace
    from pytest_nodered_sec.probes.transport.station import Station

_Found = TypeVar("_Found")
_Given = TypeVar("_Given")
_Send: TypeAlias = "Callable[[], Exchange]"

RETRIES: Final = 2
_NOT_ACCEPTABLE: Final = 406


class Look:
    """The look for one question: everything in it ends by its deadline.

    Attributes:
        station: what the looks at this target share.
        target: the deployment.
        deadline: absolute `time.monotonic()` seconds.
        form: how its requests are written.
        suspecting: whether they hold several things, each of which is asked for by itself where they come to nothing.
        sent: how many requests it has sent.
    """

    def __init__(self, station: Station) -> None:
        self.station = station
        self.target = station.target
        self.deadline = time.monotonic() + station.target.timeout
        self.form = USUAL
        self.suspecting = False
        self.sent = 0
        self._led_from = ""  # what was asked before redirects led on

    @contextlib.contextmanager
    def formed(self, form: Form, *, suspecting: bool = False) -> Iterator[None]:
        """Send all requests in another form until the block ends."""
        before = self.form, self.suspecting
        self.form, self.suspecting = form, suspecting
        try:
            yield
        finally:
            self.form, self.suspecting = before

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Give what is asked until the block ends no more time than this; turns that it waits for do not count."""
        before = self.deadline
        self.deadline = shortened = min(before, time.monotonic() + seconds)
        try:
            yield
        finally:
            self.deadline = before + (self.deadline - shortened)

    def speaks_http2(self) -> bool:
        """Whether the target speaks HTTP/2, which a proxy in front may serve by other rules; asked once.

        Raises:
            ProbeError: no connection can be made.
        """
        verified = bool(self.target.http.headers)
        client = self.station.client(None, verified=verified)[0]
        return self.target.tls and self.shared("HTTP/2", lambda: client.speaks_http2(self.deadline, Http2))

    def pause(self, seconds: float = 0.0) -> None:
        """Wait until nobody wants to be alone (`Places.alone`), and so long after that; waiting is not looking."""
        begun = time.monotonic()
        self.station.places.wait()
        time.sleep(seconds)
        self.deadline += time.monotonic() - begun

    def connect(self) -> Timed:
        """Return a TCP connection to the URL's port."""
        self.pause()
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
        self.pause()
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
        from pytest_nodered_sec.probes.host.backend import host_of  # imports testinfra

        return host_of(self.target.host or "")

    def shared(self, key: str, find: Callable[[], _Found]) -> _Found:
        """Return a value that the first look at this target found.

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
        if self.station.noticed.clock_offset is None:
            with contextlib.suppress(ProbeError):
                self.ask("GET", self.target.admin(random_path()))
        return self.station.noticed.clock_offset

    def extend(self) -> None:
        """Begin a new time limit: for undoing what the look has done, or for the next of several addresses."""
        self.deadline = time.monotonic() + self.target.timeout

    def login_keys(self, login: str) -> list[tuple[str, ...]]:
        """Return the keys by which attempts at a login are counted: each address, because other names may share it."""
        return [(address, str(self.target.dialled[1]), login) for address in self.station.addresses]

    def account_keys(self, login: str, username: str) -> list[tuple[str, ...]]:
        """Return the keys by which a user name's attempts are counted; a directory's accounts are shared."""
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
        not_taken = self.shared("media types that are not taken", set[str])
        headers |= {"Accept": "*/*"} if headers.get("Accept") in not_taken else {}
        client, pace = self.station.client(plain_address, verified=secret or bool(own))
        repeats = self.station.repeats  # before it is asked: where all is asked anew meanwhile, this counts no more

        def send() -> Exchange:
            return client.ask(method, path, self.deadline, headers, body, limit, once=once, form=self.form)

        simple = (method, headers, body, self.form, plain_address, secret) == ("GET", own, None, USUAL, None, False)
        try:
            how, retries = ("POST", 0) if once else (method, RETRIES)
            known = self.station.down.remembered(path) if simple else None
            got = known or self.politely(how, path, pace, send, retries, usual=plain_address is None)
        except ProbeError as error:
            if secret or plain_address is not None or error.cause is not Cause.CLOSED or not self.station.closes:
                raise
            got = Exchange(0, {}, b"")  # as at a random path, while others are answered (`landmarks.view_admin`)
        if got.status == _NOT_ACCEPTABLE and headers.get("Accept") == "application/json" and not once:
            not_taken.add(headers["Accept"])  # nginx: if ($http_accept = application/json) { return 406; }
            ask = partial(self.ask, method, path, headers=headers, body=body)
            return ask(plain_address=plain_address, secret=secret, limit=limit)
        if simple:
            self.station.down.remember(path, got)
        self.station.noticed.note(method, path, got, secret=secret, led_from=self._led_from)
        if method == "GET" and body is None and not secret:
            key = (plain_address, path, self.form, *sorted(headers.items()))
            where = f" over plain HTTP at {plain_address}" if plain_address else ""
            repeats.note(key, f"GET {path.partition('?')[0]}{where}", got)
            if plain_address is None:
                repeats.tally(path.partition("?")[0], got)
        return got

    def politely(
        self, method: str, path: str, pace: Pace, send: _Send, retries: int = RETRIES, *, usual: bool = True
    ) -> Exchange:
        """Send one request in turn; on 429 or 503 wait and repeat it, at most twice.

        Args:
            method: HTTP method.
            path: absolute path; where it alone is down, a 503 is its answer.
            pace: of the port asked.
            send: sends by `deadline` in the look's form.
            retries: how often it may be sent again.
            usual: whether it is asked at the URL's port and under its name, where alone can be found out what is down.
        """
        for left in range(retries, -1, -1):
            got, came = self._sent(method, path, pace, send), time.monotonic()
            if got.status not in RATE_LIMITED or not left or self.station.down.is_known(path):
                break
            if self.form.behind and not self.form.apart:  # two requests: a limit of fifty a second objects each time
                self.form = replace(self.form, apart=CALM)
                if "retry-after" not in got.headers:
                    continue
            unavailable = usual and got.status == UNAVAILABLE
            if unavailable and (self.station.down.is_alike(path, got) or self._is_down(method, path, pace, send)):
                break
            if pace.slow_down(came):
                self.station.narrow()
            wait = retry_after(got.headers, datetime.now(UTC))
            if time.monotonic() + wait >= self.deadline:
                break
            time.sleep(wait)
            self.deadline += wait * pace.patient  # waiting is not looking here either
        return got

    def _sent(self, method: str, path: str, pace: Pace, send: _Send) -> Exchange:
        """Send one request in turn."""
        asked, status = time.monotonic(), 0
        self.sent += 1
        pace.rest()
        try:
            with self._turn(pace, asked):
                begun = time.monotonic()
                self.deadline += begun - asked  # waiting is not looking
                try:
                    got = send()
                finally:
                    self.station.pace.spend(time.monotonic() - begun, self.target.timeout)
            status = got.status
            pace.slowest = max(pace.slowest, got.seconds if status < 500 else 0.0)
        finally:
            pace.note(method, status, objects=not self.station.down.is_known(path))
        return got

    def _is_down(self, method: str, path: str, pace: Pace, send: _Send) -> bool:
        """Whether a 503 is the answer of one place alone, and not a limit's."""
        other, (client, own) = self.target.admin(random_path()), self.station.client(None, verified=False)
        elsewhere = partial(self._sent, "GET", other, own, lambda: client.ask("GET", other, self.deadline))
        known = self.station.down.asked(path, elsewhere, partial(self._sent_alone, method, path, pace, send))
        self.extend()  # waiting is not looking
        return known

    def _sent_alone(self, method: str, path: str, pace: Pace, send: _Send) -> Exchange:
        """Send one request when nobody else asks: or a limit of this place alone would go on objecting."""
        with self.station.places.alone():
            self.pause(CALM)
            return self._sent(method, path, pace, send)

    @contextlib.contextmanager
    def _turn(self, pace: Pace, asked: float) -> Iterator[None]:
        """Wait for the right to send one request, while nobody wants to be alone (`Places.alone`)."""
        while True:
            self.station.places.wait()
            with pace.turn(self.deadline + time.monotonic() - asked):
                if self.station.places.may_ask():
                    with self.station.places.asking():
                        yield
                    return

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
        """Do as `answer` with a GET for each path, at once where the host's pace and its eight connections allow.

        Raises:
            ProbeError: no answer, or a redirect loop: that of the first path that has one.
        """
        return self.side_by_side(lambda look, path: look.answer("GET", path), paths)

    def side_by_side(self, act: Callable[[Look, _Given], _Found], given: Sequence[_Given]) -> list[_Found]:
        """Do the same for each of these, side by side where the host's pace and its eight connections allow.

        Who is alone (`Places.alone`) does it by itself: others would wait for the end of that.

        Args:
            act: what to do, with a look whose time begins when it is its turn.
            given: what to do it for.

        Raises:
            ProbeError: as the first of them that raises one.
        """
        waits = self.station.places.waits
        asked = [Once(partial(lambda request: act(Look(self.station), request), each), waits) for each in given]
        if not (self.station.pace.quiet or self.station.places.is_ours):
            for once in asked[1:]:
                self.station.beside(once.settle)
        return [once.get() for once in asked]

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
            self._led_from = path if hops else ""
            return self.ask(method, asked, headers=own, body=body, plain_address=plain_address)

        try:
            return follow(self.target, self.origin(plain=plain_address is not None), method, path, ask)
        finally:
            self._led_from = ""

    def origin(self, *, plain: bool) -> str:
        """Return scheme, host and port of the URL, or of plain HTTP under its name."""
        if not plain:
            return origin_of(self.target.url)
        return origin_of(f"http://{self.station.host_header(self.station.plain_port)}/")
