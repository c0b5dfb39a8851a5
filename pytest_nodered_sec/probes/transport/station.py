"""The shared state of a target's looks: addresses, connections, the first certificate, the pace.

An address, once found, is dialled by `Station.dial`; nothing else of the package opens a connection to a target.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec import threads
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.probes.identity import key_fingerprint
from pytest_nodered_sec.probes.transport.clients import Clients
from pytest_nodered_sec.probes.transport.contexts import Contexts, TurnedAwayError, shake_hands, tls_context
from pytest_nodered_sec.probes.transport.down import Down
from pytest_nodered_sec.probes.transport.http import CertificateWantedError, Client
from pytest_nodered_sec.probes.transport.logins import Logins
from pytest_nodered_sec.probes.transport.names import ascii_name
from pytest_nodered_sec.probes.transport.net import AT_ONCE, Places, advice, dial, resolve
from pytest_nodered_sec.probes.transport.noticed import Noticed
from pytest_nodered_sec.probes.transport.once import Memo
from pytest_nodered_sec.probes.transport.order import ChannelOrder
from pytest_nodered_sec.probes.transport.pace import Pace
from pytest_nodered_sec.probes.transport.proxy import dial_through
from pytest_nodered_sec.probes.transport.repeats import Repeats

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Hashable

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.observations.answers import Answer
    from pytest_nodered_sec.probes.transport.net import Timed, TimedTLS

_FEW: Final = 2  # connections at once where a front objects


class Station:
    """The shared state of all looks at one target.

    Args:
        target: the deployment.
        logins: what all log-ins of the run share; None where no password is tried.
        lists: what the run knows of revoked certificates.
        pace: how fast the machine is asked, where other targets on it share that.
        places: where connections count, where another station shares them.
        contexts: TLS contexts of the run, for targets that show no client certificate.
    """

    def __init__(
        self,
        target: Target,
        logins: Logins | None = None,
        lists: Memo[Any] | None = None,
        pace: Pace | None = None,
        places: Places | None = None,
        contexts: Contexts | None = None,
    ) -> None:
        self.target = target
        self.logins = logins or Logins(None)
        self.guessing = threading.Lock()  # held while a password is tried at a log-in of Node-RED's on this host
        self.lists: Memo[Any] = lists or Memo()  # Any, here and below: whatever several looks need
        self.basic_logins: dict[str, str] = {}  # those that were asked with passwords, and where
        self.addresses: tuple[str, ...] = ()
        self.address = ""
        self.first = datetime.now(UTC)
        self.looks = 0
        self.pace = pace or Pace(quiet=target.policy.pace == "quiet")
        self.verified = False  # whether a certificate of the target has verified
        # Whether the URL's port ends the handshake of whoever shows no client certificate. OpenSSL does not tell: the
        # alert is the same where no version or suite suits.
        self.wants_certificate: Callable[[], bool] = lambda: False
        # Does something at the same time if it may: the survey gives the host eight connections, whoever needs them.
        self.beside: Callable[[Callable[[], None]], object] = threads.start
        self.look_less: Callable[[int], object] = lambda most: None  # lets no more than so many look at once
        self._most = AT_ONCE
        self.closes = False  # whether a random path gets the connection closed, while something else is answered
        self.drops = False  # whether the first upgrade of all was closed or dropped: no limit counts one request
        self.places = places or Places()
        self._others: dict[str, Station] = {}  # by address, those that could not be reached included
        self._elsewhere: Memo[Station] = Memo(self.places.waits)
        self.repeats = Repeats()
        self.down = Down(target)
        self.channels = ChannelOrder(target.dashboards)
        self._asked: Memo[Answer] = Memo(self.places.waits)
        self.found: Memo[Any] = Memo(self.places.waits)
        self._lock = threading.Lock()
        self._checking = threading.Lock()
        self._clients = Clients()
        shared = None if target.http.client_certificate else contexts  # a certificate is for its own target only
        self.contexts = shared or Contexts()
        self._arrived: Timed | None = None  # the first connection, as long as nobody uses it
        self._leaf = ""
        self._certificate = b""
        self._source = ""
        self.noticed = Noticed()
        target.http.hide()

    def once(self, key: Hashable, ask: Callable[[], Answer]) -> Answer:
        """Return what the first look with this key was answered."""
        return self._asked.get(key, ask)

    def calm_down(self, pace: Pace) -> None:
        """Keep the pace of a quiet host from now on, which the targets there share."""
        with self._lock:
            self.pace = pace
        self._clients.calm_down(pace)

    def resolve(self, deadline: float) -> tuple[str, ...]:
        """Return the addresses of the host that is dialled, found once.

        Raises ProbeError if the name does not resolve, or not in time.
        """
        host = self.target.dialled[0]
        if self.target.http.proxy:
            self.addresses = (host,)  # the proxy resolves the name
        self.addresses = self.addresses or resolve(ascii_name(host), deadline)
        return self.addresses

    def arrive(self, deadline: float) -> None:
        """Resolve the name and find an address that accepts connections on the URL's port, with one retry.

        Raises ProbeError with the cause in one sentence: no such name, refused, no answer, no TLS.
        """
        port = self.target.dialled[1]
        self.resolve(deadline)
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
                    name = sock.getsockname()
                    self._source = str(name[0]) if isinstance(name, tuple) else ""  # through a proxy, none of interest
                self.address = address
                sock.rest()
                self._arrived = sock
                return
        reasons = "; ".join(dict.fromkeys(error.message for error in trouble))
        if not self.target.http.proxy:
            reasons += advice(trouble[0].cause)
        raise ProbeError(f"{self.target.url} cannot be reached: {reasons}", trouble[0].cause)

    def at(self, address: str) -> Station:
        """Return a station for the same target at another address of its name, reached once.

        Raises ProbeError, kept for all who ask, if no connection to the URL's port can be made there.
        """
        return self._elsewhere.get(address, lambda: self._arrived_at(address))

    def _arrived_at(self, address: str) -> Station:
        there = Station(self.target, self.logins, self.lists, self.pace, self.places, self.contexts)
        there.addresses = (address,)
        there.wants_certificate, there.beside, there.look_less = self.wants_certificate, self.beside, self.look_less
        self._others[address] = there
        try:
            there.arrive(time.monotonic() + self.target.timeout)
        except ProbeError as error:
            raise ProbeError(
                error.message.partition("cannot be reached: ")[2].partition(". ")[0] or error.message, error.cause
            ) from None
        return there

    def must_be_alive_at(self, address: str, what: str) -> None:
        """Raise unless the URL's port accepts connections at an address, so that silence of other ports is meaningful.

        Args:
            address: an address of the name.
            what: what was met there, for the message.

        Raises:
            ProbeError: it does not; reach-02 says why.
        """
        if address == self.address:
            return
        try:
            self.at(address)
        except ProbeError as error:
            raise ProbeError(
                f"{what}, but the URL's own port cannot be reached at that address either: see reach-02", error.cause
            ) from None

    def narrow(self) -> None:
        """Ask over two connections from now on, then over one: a front objects, which may count connections."""
        with self._lock:
            self._most = _FEW if self._most > _FEW else 1
        self.places.narrow(self._most)
        self.look_less(self._most)

    @property
    def narrowed(self) -> bool:
        """Whether a front has objected."""
        return self._most < AT_ONCE

    def hold(self, make: Callable[[], Timed], deadline: float) -> Timed:
        """Make a connection that counts among those to this target."""
        return self.places.open(make, deadline)

    def connect(self, deadline: float) -> Timed:
        """Open a TCP connection to the URL's port at the address found by `arrive`, or return the one made there."""
        return self._take_arrived(deadline) or self.dial(self.address, self.target.dialled[1], deadline)

    def _take_arrived(self, deadline: float) -> Timed | None:
        with self._lock:
            sock, self._arrived = self._arrived, None
        if sock is None or not sock.take_up():
            return None
        sock.until(deadline)
        return sock

    def dial(self, address: str, port: int, deadline: float) -> Timed:
        """Open a TCP connection to a port of the target, by way of its proxy where it has one."""
        return self.hold(lambda: self.dial_apart(address, port, deadline), deadline)

    def dial_apart(self, address: str, port: int, deadline: float) -> Timed:
        """Do as `dial` for a connection that `hold` counts."""
        port = self.target.http.ports.get(port, port)
        if self.target.http.proxy:
            return dial_through(self.target.http.proxy, address, port, deadline, self.target.ca_file)
        return dial(address, port, deadline)

    def connect_wrapped(self, deadline: float, *, verified: bool, newer: bool = False) -> Timed:
        """Connect, with TLS where the URL says so; `verified` for something secret, `newer` to offer HTTP/2 too.

        Raises:
            ProbeError: no connection, no TLS, or a certificate that does not verify though it must.
        """
        if verified and not self.target.tls:
            raise ProbeError(f"nothing secret is sent to {self.target.url}, which is not https", Cause.UNVERIFIED)
        if not self.target.tls:
            return self.connect(deadline)
        return self.hold(lambda: self._wrapped(deadline, verified=verified, newer=newer), deadline)

    def _wrapped(self, deadline: float, *, verified: bool, newer: bool) -> Timed:
        pinned = self.target.policy.certificate
        sock = self._take_arrived(deadline) or self.dial_apart(self.address, self.target.dialled[1], deadline)
        kind = (verified and not pinned, newer)
        wrapped, certificate = self._shake_hands(sock, self.target.url, deadline, kind)
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
            return self._shake_hands(sock, f"{self.target.hostname}:{port}", deadline, (verified, False))[0]

        return self.hold(make, deadline)

    def context(self, *, verified: bool, newer: bool = False) -> ssl.SSLContext:
        """Return what `tls_context` makes for the target, made once.

        Raises:
            ProbeError: the client certificate cannot be used.
        """
        return self.contexts.get(
            ("ssl", self.target.ca_file, verified, newer),
            lambda: tls_context(self.target, verified=verified, newer=newer),
        )

    def _shake_hands(self, sock: Timed, where: str, deadline: float, kind: tuple[bool, bool]) -> tuple[TimedTLS, bytes]:
        verified, newer = kind
        try:
            return shake_hands(sock, self.context(verified=verified, newer=newer), (self._name, where), deadline)
        except TurnedAwayError:
            if self.found.get("wants a certificate", self.wants_certificate):
                raise CertificateWantedError(f"{where} wants a client certificate", Cause.REJECTED) from None
            raise

    def check_channel(self, deadline: float) -> None:
        """Prepare a connection over which a secret may be sent.

        Raises:
            ProbeError: there is none.
        """
        with self._checking:  # who comes second waits for the first one's connection
            if not self.verified:
                self.client(None, verified=True)[0].prepare(deadline)

    def connect_anew(self, deadline: float) -> None:
        """Make a new connection to the URL's port, and keep it for who asks next; raise ProbeError if none can be."""
        with contextlib.suppress(CertificateWantedError):  # an answer too
            self.client(None, verified=bool(self.target.http.headers))[0].prepare(deadline)
        for there in [other for other in self._others.values() if other.address]:
            there.connect_anew(deadline)

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
        port = self.target.port if plain_address is None else self.plain_port
        if plain_address is None:
            opens = partial(self.connect_wrapped, verified=verified)
        else:
            opens = partial(self.dial, plain_address, port)
        own = plain_address is not None and not self.pace.quiet
        key = plain_address or ("verified" if verified else "")
        return self._clients.get(key, lambda: Client(self.host_header(port), opens), None if own else self.pace)

    def identity(self) -> dict[str, Any]:
        """Return who answered so far, as `metadata.ServerIdentity` has it, without the release of Node-RED."""
        return {
            "addresses": list(self.addresses),
            "dialled": self.address,
            "source": self._source,
            "leaf_sha256": self._leaf,
            "key_sha256": key_fingerprint(self._certificate) if self._certificate else "",
            "clock_offset": self.noticed.clock_offset,
            "server": self.noticed.server,
        }

    @property
    def _name(self) -> str:
        """Host of the URL as DNS, TLS and HTTP have it."""
        return ascii_name(self.target.hostname)

    @property
    def plain_port(self) -> int:
        """TCP port of plain HTTP: the URL's own where the URL is http."""
        return self.target.http_port if self.target.tls else self.target.port

    def host_header(self, port: int) -> str:
        """Return the Host header for a port of this target's name."""
        name = f"[{self._name}]" if ":" in self._name else self._name
        default = 443 if self.target.tls and port == self.target.port else 80
        return name if port == default else f"{name}:{port}"

    def rest(self) -> None:
        """Close the connections that nobody uses: nothing is asked for now, and a fleet has many targets."""
        self._clients.rest()
        for there in list(self._others.values()):
            there.rest()

    def close(self) -> None:
        """Close all connections."""
        self.places.close()
        self._clients.close()
        for there in list(self._others.values()):
            there.close()

    def try_again(self) -> None:
        """Let what came to nothing be asked again, over fewer connections."""
        self.narrow()
        self._asked.drop_errors()
        self.found.drop_errors()

    def begin_again(self, interval: float) -> None:
        """Ask everything anew, and slowly, at every address: what was answered may have been a limit's answer."""
        self.rest()
        self._let_go(self._asked, self.found, self._elsewhere, self._others)
        self.pace.keep(interval)
        self._clients.keep(interval)

    def forget(self) -> None:
        """Let go of what was seen, apart from who answered; for a target that is asked nothing more."""
        self._let_go(self._asked, self.found, self._elsewhere, self._clients, self._others)
        self.contexts = Contexts()

    def _let_go(self, *known: Memo[Any] | Clients | dict[str, Any]) -> None:
        for each in known:
            each.clear()
        self.repeats = Repeats(self.repeats)
