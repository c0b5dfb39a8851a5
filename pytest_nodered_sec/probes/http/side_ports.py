"""Other entrances than the URL: Node-RED's own port, an unknown host name, and ports that must be closed."""

from __future__ import annotations

import contextlib
import secrets
import ssl
import string
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, Self, cast
from urllib.parse import urlsplit

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.answers import Kind, Mark, Refuser, alike, classify
from pytest_nodered_sec.observations.cleartext import PortState
from pytest_nodered_sec.observations.side_ports import ClosedPort, DirectDoors, Door, StrangeName, Visit
from pytest_nodered_sec.probes.channels.engineio import QUERY, farewell, offered
from pytest_nodered_sec.probes.http.landmarks import port_state, see
from pytest_nodered_sec.probes.transport.answers import location_of, origin_of, reduced
from pytest_nodered_sec.probes.transport.deadlines import ended_by
from pytest_nodered_sec.probes.transport.http import Client
from pytest_nodered_sec.probes.transport.names import random_path
from pytest_nodered_sec.probes.transport.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.probes.transport.http import Exchange
    from pytest_nodered_sec.probes.transport.look import Look
    from pytest_nodered_sec.probes.transport.net import Timed, TimedTLS

_POLLING: Final = f"/socket.io{QUERY}"
_HANDSHAKE: Final = 3.0  # seconds, after something that is no handshake
_MISDIRECTED: Final = 421  # which is said of a name, whatever the path (RFC 9110, 15.5.20)
_OF_NODE_RED: Final = (Refuser.NODE_RED, Refuser.NODE_RED_BASIC)


class Entrance:
    """Anonymous HTTP to one port of one address, under one name, in clear or by TLS with that name.

    Args:
        look: the look; its deadline holds.
        address: address to dial.
        port: TCP port to dial.
        host: name with port, as the Host header has it.
        tls: whether TLS is spoken.
        where: what a person calls it.
        named: whether the TLS handshake names the host (RFC 6066, 3); addresses never stand there.
        pace: of the port, where it is asked otherwise as well; None where it is not.
        announced: what is sent before the TLS handshake, which may end it.
    """

    def __init__(
        self,
        look: Look,
        address: str,
        port: int,
        host: str,
        *,
        tls: bool,
        where: str,
        named: bool = True,
        pace: Pace | None = None,
        announced: bytes = b"",
    ) -> None:
        self.host = host
        self.tls = tls
        self.where = where
        self._named = named
        self._announced = announced
        self._look = look
        self._address = address
        self._port = port
        self._client = Client(host, self.connect)
        self.pace = pace or (look.station.pace if look.station.pace.quiet else Pace())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def connect(self, deadline: float) -> Timed:
        """Return a connection, one of the eight to the target.

        Raises:
            ProbeError: as `_open`.
        """
        return self._look.station.hold(lambda: self._open(deadline), deadline)

    def _open(self, deadline: float) -> Timed:
        """Connect, and shake hands where TLS is spoken.

        Raises:
            ProbeError: REJECTED for a TLS alert, CLOSED, PROTOCOL for what is no TLS, TIMEOUT, UNREACHABLE.
        """
        sock = self._look.station.dial_apart(self._address, self._port, deadline)
        if not self.tls:
            return sock
        if self._announced:
            deadline = min(deadline, time.monotonic() + _HANDSHAKE)
        sock.settimeout(max(0.01, deadline - time.monotonic()))
        name = origin_of(f"https://{self.host}").split("://", 1)[1].rpartition(":")[0].strip("[]")
        sent = name if self._named else None  # by a proxy, the address is the name
        try:
            context = self._look.station.context(verified=False)
            with ended_by(sock, deadline):
                sock.sendall(self._announced)
                return cast("TimedTLS", context.wrap_socket(sock, server_hostname=sent))
        except TimeoutError:
            said = "no answer to the TLS handshake"
            cause = Cause.CLOSED if self._announced else Cause.TIMEOUT  # which may wait for more of a message
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):  # the second one with Python 3.11.2
            said, cause = "closed during the TLS handshake", Cause.CLOSED
        except ssl.SSLError as error:
            reason = error.reason or ""
            alert = reason.startswith(("SSLV3_", "TLSV1_", "TLSV13_"))  # OpenSSL's names for what the other side sent
            said, cause = reason.replace("_", " ").lower() or "no TLS", Cause.REJECTED if alert else Cause.PROTOCOL
        except OSError:
            said, cause = "closed during the TLS handshake", Cause.CLOSED
        sock.close()
        raise ProbeError(f"{self.where}: {said}", cause)

    def ask(self, method: str, path: str, body: bytes | None = None) -> Exchange:
        """Send one request."""
        look = self._look

        def send() -> Exchange:
            return self._client.ask(method, path, look.deadline, None, body)

        return look.politely(method, path, self.pace, send, usual=False)

    def visit(self, path: str) -> Visit:
        """Ask for a path, and follow nothing; a Socket.IO session that this opens is closed before any flow notices."""
        got = self.ask("GET", path)
        origin = origin_of(f"{'https' if self.tls else 'http'}://{self.host}")
        location = location_of(origin + path, got)
        answer = reduced(got, path, location, 0, cleartext=self.tls)
        session = offered(got.body)
        if session:
            with contextlib.suppress(ProbeError):  # it ends by itself then
                self.ask("POST", f"{path}&sid={session[0]}", farewell(old=session[1]))
        leads, home = origin_of(location) if location else "", self._look.origin(plain=False)
        at_home = answer
        if self.tls and leads == origin:  # a login that the policy names by its path alone is on every name of the host
            at_home = replace(answer, location=home + urlsplit(location).path)
        return Visit(
            path,
            answer,
            classify(at_home, self._look.target),
            socket=session is not None,
            homeward=leads == home,
            onward=leads == origin,
        )


def paths(look: Look) -> list[str]:
    """Return what is asked at another door: a path that nobody serves, what shows a Node-RED, and the dashboards."""
    target = look.target
    known = [target.admin(path) for path in (random_path(), "/settings", "/auth/login")]
    return [*known, *target.pages, *(path.rstrip("/") + _POLLING for path in target.pages[1:])]


# --- Node-RED's own port


def try_own_port(look: Look, admin: RootView, node: RootView) -> DirectDoors:
    """Ask at Node-RED's own port, on every address of the name, for what the gate of the URL's stands before.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        node: landmarks of the node root.

    Raises:
        ProbeError: a port accepted and was silent, or spoke neither HTTP nor TLS.
    """
    target = look.target
    port = target.direct_port
    other = ""
    if port in (target.port, target.dialled[1]):
        other = "the URL's own"
    elif port == look.station.plain_port:
        other = "that of plain HTTP, which http-01 judges"
    if other:
        return DirectDoors(port, other, admin)
    doors = tuple(_own_port(look, admin, address, port) for address in look.station.addresses)
    return DirectDoors(port, "", admin, doors)


def _own_port(look: Look, admin: RootView, address: str, port: int) -> Door:
    look.extend()
    state = port_state(look, address, port)
    if state is not PortState.ANSWERED:
        return Door(address, state)
    where = f"port {port} at {address}"
    host = look.station.host_header(port)
    with (
        Entrance(look, address, port, host, tls=False, where=where) as clear,
        Entrance(look, address, port, host, tls=True, where=where) as wrapped,
    ):
        entrance = _spoken(clear, wrapped)
        if entrance is None:
            return Door(address, PortState.CLOSED)
        visits = _tour(
            look, entrance, paths(look), lambda visit: _beside_home(look, admin, visit), lambda visit: visit.ungated
        )
    return Door(address, state, entrance.tls, visits)


def _spoken(clear: Entrance, wrapped: Entrance) -> Entrance | None:
    """Return the entrance that answers HTTP, None where both close without an answer.

    A server of HTTPS answers 400 to plain HTTP, closes, or sends a TLS alert, which is no HTTP.

    Raises:
        ProbeError: silence, or something else than HTTP and TLS.
    """
    trouble: list[ProbeError] = []
    plainly = False
    for entrance in (clear, wrapped):
        try:
            status = entrance.ask("GET", random_path()).status
        except ProbeError as error:
            if error.cause not in (Cause.CLOSED, Cause.PROTOCOL):
                raise ProbeError(
                    f"{entrance.where} accepts connections, and then: {error.message}", error.cause
                ) from None
            trouble.append(error)
        else:
            if entrance is wrapped or status != 400:
                return entrance
            plainly = True
    if plainly:
        return clear
    if all(error.cause is Cause.CLOSED for error in trouble):
        return None
    raise ProbeError(f"{clear.where} accepts connections, but speaks neither HTTP nor TLS", Cause.PROTOCOL)


def _tour(
    look: Look,
    entrance: Entrance,
    wanted: list[str],
    complete: Callable[[Visit], Visit],
    tells: Callable[[Visit], bool],
) -> tuple[Visit, ...]:
    """Ask for everything; a path that gets no answer is trouble only where nothing else tells enough.

    Each answer gives the next path a time limit of its own: a front that delays its answers delays each.

    Raises:
        ProbeError: the first trouble, a close of one path among others aside.
    """
    visits: list[Visit] = []
    trouble: list[ProbeError] = []
    for path in wanted:
        try:
            visits.append(complete(entrance.visit(path)))
            look.extend()
        except ProbeError as error:
            if error.cause is not Cause.CLOSED:
                trouble.append(error)
    if trouble and not any(tells(visit) or visit.unanswered for visit in visits):  # such a visit says more of itself
        raise ProbeError(f"{entrance.where}: {trouble[0].message}", trouble[0].cause)
    return tuple(visits)


def _beside_home(look: Look, admin: RootView, visit: Visit) -> Visit:
    """Note whether the URL's own door refuses the same; asked only where Node-RED itself is the one who refuses."""
    if visit.classified.refuser not in _OF_NODE_RED:
        return visit
    known = {seen.path: seen for seen in (admin.settings, admin.login) if seen is not None}
    home = known.get(visit.path) or see(look, visit.path, admin.canary.answer)
    return replace(visit, as_home=home.refuser is visit.classified.refuser)


# --- a name that nobody has


def try_strange_name(look: Look, admin: RootView, node: RootView) -> StrangeName:
    """Ask at the URL's address for an unknown host name, in SNI and Host.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        node: landmarks of the node root.

    Raises:
        ProbeError: silence, or no TLS.
    """
    target, station = look.target, look.station
    name = "".join(secrets.choice(string.ascii_lowercase) for _ in range(16)) + ".invalid"  # RFC 6761: never assigned
    if not target.named:
        return StrangeName(name, False, admin)
    port = target.dialled[1]
    host = name if target.port == (443 if target.tls else 80) else f"{name}:{target.port}"
    where = f"the host name {name}"
    with Entrance(look, station.address, port, host, tls=target.tls, where=where, pace=station.pace) as entrance:
        canary, *rest = paths(look)
        try:
            first = entrance.visit(canary)
        except ProbeError as error:
            states = {Cause.REJECTED: PortState.REJECTED, Cause.CLOSED: PortState.CLOSED}
            if error.cause not in states:
                raise
            return StrangeName(name, True, admin, Door(station.address, states[error.cause], target.tls))
        tour = partial(
            _tour,
            look,
            entrance,
            complete=lambda visit: _beside_landmark(admin, first, visit),
            tells=lambda visit: visit.node_red,
        )
        visits = (first, *tour(rest[:1]))
        if any(visit.answer.status != _MISDIRECTED for visit in visits):
            visits += tour(rest[1:])
    return StrangeName(name, True, admin, Door(station.address, PortState.ANSWERED, target.tls, visits))


def _beside_landmark(admin: RootView, first: Visit, visit: Visit) -> Visit:
    """Note whether it is the answer of the URL's own site; where every path answers alike it tells nothing."""
    if Mark.LOGIN_OPEN in visit.answer.marks and alike(visit.answer, first.answer):  # {} is anybody's
        visit = replace(visit, answer=replace(visit.answer, marks=visit.answer.marks - {Mark.LOGIN_OPEN}))
    for seen in (admin.settings, admin.login):
        if seen is not None and seen.path == visit.path and seen.kind is not Kind.NO_ANSWER:
            told = not alike(seen.answer, admin.canary.answer) and not alike(visit.answer, first.answer)
            return replace(visit, like_landmark=told and alike(visit.answer, seen.answer))
    return visit


# --- ports that must be closed


def try_closed_port(look: Look, admin: RootView, port: str) -> ClosedPort:
    """Connect to a port of every address of the name, and say nothing.

    Args:
        look: the look.
        admin: landmarks of the admin root, as a sign of life.
        port: TCP port.

    Raises:
        ProbeError: a proxy in between would not connect.
    """
    states = [(address, port_state(look, address, int(port))) for address in look.station.addresses]
    opened = {PortState.ANSWERED: PortState.ACCEPTED}
    return ClosedPort(int(port), tuple(Door(address, opened.get(state, state)) for address, state in states))
