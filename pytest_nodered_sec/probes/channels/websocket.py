"""Probes of WebSockets: each sends one message at most, reads the answer and closes."""

from __future__ import annotations

import contextlib
import secrets
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec import threads
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.answers import Answer, Classified, Kind, Refuser
from pytest_nodered_sec.observations.channels import Channel, ChannelAttempt
from pytest_nodered_sec.observations.refusals import may_refuse_method
from pytest_nodered_sec.probes.channels.handshake import AT_ONCE, PING, PONG, TEXT, SilenceError, begin, first, upgrade
from pytest_nodered_sec.probes.http.access import describe, unless_a_page
from pytest_nodered_sec.probes.http.refusals import answers_anew, closed_twice
from pytest_nodered_sec.probes.transport.answers import json_of
from pytest_nodered_sec.probes.transport.look import Look
from pytest_nodered_sec.probes.transport.names import random_path
from pytest_nodered_sec.probes.transport.once import Once
from pytest_nodered_sec.probes.transport.pace import RATE_LIMITED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.probes.channels.handshake import Wire
    from pytest_nodered_sec.probes.transport.station import Station

_COMMS: Final = "/comms"
QUIET: Final = 1.0  # seconds within which a connect packet is answered, if ever
_UNTAKEN_AFTER: Final = 6.0  # seconds within which whoever closes an upgrade that nobody takes has closed it
_ANSWERED_WITHIN: Final = 3.0  # seconds
_REFUSED_WITHIN: Final = 4  # round trips: TCP, TLS, the answer, and one to spare
_LIMITED: Final = (
    "nothing came, nor to an ordinary request on a new connection: if a front limits connections (HAProxy: conn_rate "
    "with silent-drop), let the machine that runs the tests pass, or slow down (--nodered-pace=quiet)"
)
_UNTAKEN: Final = {0, 502, 504}  # of an upgrade; 0: a close without answer, or silence


def subscribe(wire: Wire) -> Channel:
    """Subscribe to everything on /comms, then ping: a refusal precedes the pong, so a pong alone means acceptance.

    An open instance with nothing to tell would otherwise be silent (@node-red/editor-api/lib/editor/comms.js).
    """
    wire.send(TEXT, b'{"subscribe":"#"}')
    wire.send(PING, b"")
    while True:
        opcode, payload = wire.receive()
        if opcode == PONG:
            return Channel.OPEN
        if opcode == TEXT and _is_refusal(payload):
            return Channel.REFUSED_INSIDE


def _is_refusal(payload: bytes) -> bool:
    return bool(json_of(payload) == {"auth": "fail"})


def join(wire: Wire) -> Channel:
    """Join the main namespace of Socket.IO 3 or 4, and a namespace that nobody has; leave at once.

    The answer for the second comes after a guard that says nothing, so that silence before it is a refusal.
    """
    wire.send(TEXT, b"40")
    wire.send(TEXT, b"40/x" + secrets.token_hex(8).encode() + b",")
    passed = False
    while True:
        try:
            opcode, payload = wire.receive()
        except TimeoutError:
            if passed:
                return Channel.UNANSWERED
            raise
        if opcode == TEXT and payload.startswith(b"40{"):
            wire.send(TEXT, b"41")
            return Channel.OPEN
        if opcode == TEXT and payload.startswith(b"44{"):
            return Channel.REFUSED_BY_MIDDLEWARE
        if opcode == TEXT and payload.startswith(b"44/"):
            passed = True
            wire.hurry(QUIET)  # for a guard that decides later


def join_namespace(wire: Wire, namespace: str) -> str:
    """Join a namespace of Socket.IO, "" for the main one, and leave at once; return the packet that answered."""
    part = f"{namespace}," if namespace else ""
    wire.send(TEXT, f"40{part}".encode())
    while True:
        opcode, payload = wire.receive()
        packet = payload.decode("utf-8", "replace") if opcode == TEXT else ""
        if packet.startswith(f"40{part}"):
            wire.send(TEXT, f"41{part}".encode())
        if packet.startswith((f"40{part}", f"44{part}")):
            return packet


def accept(wire: Wire) -> Channel:
    """A WebSocket node has accepted who got this far; nothing is said to it."""
    del wire
    return Channel.OPEN


_TALKS: Final[dict[str, Callable[[Wire], Channel]]] = {"subscribe": subscribe, "accept": accept}


def attempt_channel(
    look: Look,
    admin: RootView,
    node: RootView,
    surface: str,
    path: str,
    talk: str,
    origin: str = "",
    *,
    refused: bool = False,
) -> ChannelAttempt:
    """Try to open a WebSocket without credentials; the attempt without an Origin is made once for all questions.

    Args:
        look: the look.
        admin: landmarks of the admin root.
        node: landmarks of the node root.
        surface: name of a `Surface`; decides the root.
        path: path below that root.
        talk: "accept", or "subscribe" for /comms.
        origin: value of the Origin header, "" for none.
        refused: as for `upgrade`.

    Raises:
        ProbeError: no answer.
    """

    def attempt() -> ChannelAttempt:
        return _attempt(look, admin, node, surface, path, talk, origin, refused=refused)

    return attempt() if origin else look.shared(f"{surface} WebSocket {path}", attempt)


def begin_with_comms(station: Station, meanwhile: Callable[[], object]) -> None:
    """Ask for /comms before anything else that a limit could count.

    What comes too often is closed, dropped or denied, and looks like a refusal; the first request passes.

    Args:
        station: the target's.
        meanwhile: as for `begin`.
    """
    begin(station, station.target.admin(_COMMS), subscribe, meanwhile)


def _attempt(
    look: Look, admin: RootView, node: RootView, surface: str, path: str, talk: str, origin: str, *, refused: bool
) -> ChannelAttempt:
    which = Surface[surface]
    view, root = (admin, look.target.admin) if which is Surface.ADMIN else (node, look.target.node)
    headers = {"Origin": origin} if origin else {}
    how = f"with the Origin {origin}" if origin else "without credentials"
    nowhere = Nowhere(look, root)
    ask = partial(upgrade, look, root(path), headers, _TALKS[talk], refused=refused)
    try:
        with nowhere.asked_meanwhile():
            answer, channel = ask() if origin else first(look, root(path), ask)
        if path == _COMMS and not origin and answer.status in RATE_LIMITED:  # the first request of all is sent once
            answer, channel = ask()
    except SilenceError:
        answer, channel = Answer(0, silent=True), None
        if not nowhere.gets(answer):
            raise
        if nowhere.silent and not answers_anew(look, view, _ANSWERED_WITHIN):
            raise ProbeError(f"WebSocket {path} {how}: {_LIMITED}", Cause.UNAVAILABLE) from None
        try:  # once more: a front may have been silent, to this path alone or for a while (HAProxy: silent-drop)
            look.extend()
            with look.within(_ANSWERED_WITHIN if nowhere.silent else _UNTAKEN_AFTER):
                answer, channel = ask()
        except SilenceError:
            if not (nowhere.silent or look.station.drops):  # what is dropped may show as a close, by chance
                raise
    if answer.at_once:

        def again() -> Answer:
            nonlocal channel
            try:
                seen, channel = ask()
            except SilenceError:
                seen, channel = Answer(0), None
            if not seen.status:
                raise ProbeError(f"WebSocket {path} {how}: the connection was closed", Cause.CLOSED)
            return seen

        closed = ProbeError(f"WebSocket {path} {how}: the connection was closed without an answer", Cause.CLOSED)
        answer = closed_twice(look, closed, view, f"WebSocket {root(path)} {headers}", again)
        if not answer.status and not answers_anew(look, view, _ANSWERED_WITHIN):
            raise ProbeError(f"WebSocket {path} {how}: {_LIMITED}", Cause.UNAVAILABLE)
        if not answer.status:
            return ChannelAttempt(describe(look, which, "GET", path, how, answer, view), Channel.NO_CHANNEL)
    attempt = describe(look, which, "GET", path, how, answer, view)
    if channel is not None:
        return ChannelAttempt(attempt, channel)
    turned_away = attempt.kind is Kind.SERVED or may_refuse_method(answer, view.canary)
    alike = view.canary.kind is Kind.SERVED and view.canary.answer.status == answer.status  # not upgrades alone
    if 400 <= answer.status < 500 and turned_away and not alike and nowhere.gets(answer):
        # The proxy in front accepts no upgrade at all, and answers 400, 404, 405 or 426.
        everywhere = Classified(Kind.REFUSED, Refuser.UNNAMED, why="as every upgrade here")
        attempt = replace(attempt, classified=everywhere)
    attempt = unless_a_page(attempt)
    if not answer.status or answer.status >= 500:
        if not nowhere.gets(answer):
            if answer.status:
                return ChannelAttempt(attempt, Channel.NO_CHANNEL)  # settled as no answer
            raise ProbeError(f"WebSocket {path} {how}: the connection was closed without an answer", Cause.CLOSED)
        # Node-RED closes an upgrade that nobody takes without a word, and a proxy makes a 502 of it: after 1.00 s where
        # a dashboard's Socket.IO hears it too (engine.io, destroyUpgradeTimeout), after 5.0 s without (measured). On a
        # connection to Node-RED that served something before, engine.io does not close it: nothing ever comes (nginx
        # with keepalive to the upstream, Apache).
        attempt = replace(attempt, classified=Classified(Kind.ABSENT), like_canary=view.canary.kind is Kind.ABSENT)
        if answer.silent and view.canary.kind is Kind.REFUSED:  # HAProxy: http-request silent-drop, tarpit
            dropped = Classified(Kind.REFUSED, Refuser.UNNAMED, why="as every upgrade here")
            attempt = replace(attempt, classified=dropped)
    return ChannelAttempt(attempt, Channel.NO_CHANNEL)


class Nowhere:
    """The answer to an upgrade at a random path: asked once per root, where an upgrade needs it."""

    def __init__(self, look: Look, root: Callable[[str], str]) -> None:
        self._station = look.station
        self._root = root
        self._asked = Once(self._ask, look.station.places.waits)

    @contextlib.contextmanager
    def asked_meanwhile(self) -> Iterator[None]:
        """Ask beside an upgrade that takes longer than a refusal does: who closes it may take five seconds for each."""
        answered, pace = threading.Event(), self._station.pace

        def ask() -> None:
            if not answered.wait(min(_UNTAKEN_AFTER, max(AT_ONCE, _REFUSED_WITHIN * pace.slowest))):
                self._asked.settle()

        if not pace.quiet:
            threads.start(ask)
        try:
            yield
        finally:
            answered.set()

    def gets(self, answer: Answer) -> bool:
        """Whether such a path gets the same.

        That nobody takes an upgrade shows as a close, as silence, or as what a proxy makes of these: 502 and 504. Which
        of them comes depends on the connection to Node-RED that the proxy happens to use (measured).

        Raises:
            ProbeError: it got no answer, and not because of silence.
        """
        there = self._asked.get()
        return there.status == answer.status or {there.status, answer.status} <= _UNTAKEN

    @property
    def silent(self) -> bool:
        """Whether such a path gets nothing at all."""
        return self._asked.get().silent

    def _ask(self) -> Answer:
        look = Look(self._station)
        return look.shared(f"an upgrade below {self._root('/')}", lambda: _upgraded(look, self._root(random_path())))


def _upgraded(look: Look, path: str) -> Answer:
    """Return the answer to an upgrade at a random path."""
    try:
        return upgrade(look, path, {}, accept)[0]
    except SilenceError:
        return Answer(0, silent=True)
