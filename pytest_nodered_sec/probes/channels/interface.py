"""Live channels of user interfaces other than dashboards: joined without credentials, and left at once.

Read in the packages themselves: node-red-contrib-uibuilder 7.7.4 (nodes/libs/socket.cjs), node-red-contrib-web-worldmap
5.8.1 (worldmap.js, sockjs 0.3.24), @flexdash/node-red-flexdash 0.4.154 (flexdash-dashboard.js). All three hang on the
raw HTTP server, so that httpNodeAuth does not cover them. Nothing is emitted. Where polling is refused a WebSocket is
asked for as well: some gates let WebSockets pass, because browsers send no Basic login with them.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.answers import Answer, Kind
from pytest_nodered_sec.observations.channels import Channel, InterfaceAttempt
from pytest_nodered_sec.probes.channels.engineio import WEBSOCKET
from pytest_nodered_sec.probes.channels.handshake import TEXT, SilenceError, upgrade
from pytest_nodered_sec.probes.channels.socketio import hear, joined, knock
from pytest_nodered_sec.probes.channels.websocket import Nowhere, join_namespace
from pytest_nodered_sec.probes.http.access import describe, unless_a_page
from pytest_nodered_sec.probes.transport.answers import json_of
from pytest_nodered_sec.probes.transport.names import random_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_nodered_sec.observations.access import AccessAttempt
    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.probes.channels.handshake import Wire
    from pytest_nodered_sec.probes.transport.look import Look

_HOW: Final = "without credentials"
_UIBUILDER: Final = "/uibuilder/vendor/socket.io"
_UNKNOWN: Final = '"Invalid namespace"'  # socket.io, dist/client.js


def attempt_interface(look: Look, node: RootView, kind: str, path: str) -> InterfaceAttempt:
    """Try to join an interface's live channel without credentials.

    Args:
        look: the look.
        node: landmarks of the node root.
        kind: "uibuilder", "worldmap" or "flexdash".
        path: its path below the node root; "" for a uibuilder of which no instance is known.

    Raises:
        ProbeError: no answer, or one that is neither HTTP refusal nor the protocol of that interface.
    """
    if kind == "uibuilder":  # one server for all instances, a namespace for each; the main one leads nowhere
        namespace = path or random_path()
        seen = _socket_io(look, node, kind, path, _UIBUILDER, namespace)
        if look.target.node_root == "/" or not _absent(seen):
            return seen
        # On a port of its own (settings.js: uibuilder.port) it knows no httpNodeRoot.
        top = copy(look)
        top.target = replace(look.target, node_root="/")
        there = _socket_io(top, replace(node, root=top.target.node("/")), kind, path, _UIBUILDER, namespace)
        speaks = there.channel is not Channel.NO_CHANNEL or there.attempt.kind is Kind.REFUSED
        return there if speaks and not (there.unknown and path) else seen
    if kind == "flexdash":  # who does not name himself by X-Client-Id is accepted and then sent away, unseen by flows
        return _socket_io(look, node, kind, path, f"{path.rstrip('/')}/io")
    return _sockjs(look, node, kind, path)


def _socket_io(look: Look, node: RootView, kind: str, path: str, socket: str, namespace: str = "") -> InterfaceAttempt:
    # uibuilder counts visitors by User-Agent in a file (telemetry.json), and nothing on the target may change
    headers = {"User-Agent": ""} if kind == "uibuilder" else {}
    attempt, session = knock(look, node, Surface.NODE, socket, _HOW, headers)
    seen = InterfaceAttempt(kind, path, attempt, Channel.NO_CHANNEL, path and namespace)
    if session is None:
        return _upgraded(look, node, seen, socket, namespace, headers)
    comma = f"{namespace}," if namespace else ""
    with joined(look, session, f"40{comma}", namespace=comma):
        heard = hear(look, session)
    for packet in heard:
        if packet.startswith(f"44{comma}"):
            return replace(seen, channel=Channel.REFUSED_BY_MIDDLEWARE, unknown=_UNKNOWN in packet)
    if any(packet.startswith(f"40{comma}") for packet in heard):
        return replace(seen, channel=Channel.OPEN)
    raise ProbeError(f"Socket.IO connect to {socket} got neither an acceptance nor a refusal", Cause.PROTOCOL)


def _upgraded(
    look: Look, node: RootView, seen: InterfaceAttempt, socket: str, namespace: str, headers: Mapping[str, str]
) -> InterfaceAttempt:
    """Return what a WebSocket gets where polling gets no session: it may be refused, or switched off."""
    heard: list[str] = []

    def talk(wire: Wire) -> Channel:
        heard.append(join_namespace(wire, namespace))
        return Channel.OPEN if heard[-1].startswith("40") else Channel.REFUSED_BY_MIDDLEWARE

    channel, attempt = _as_a_websocket(look, node, seen, socket, WEBSOCKET, talk, headers)
    if channel is None:
        return seen
    return replace(seen, attempt=attempt, channel=channel, unknown=_UNKNOWN in heard[-1])


def _as_a_websocket(
    look: Look,
    node: RootView,
    seen: InterfaceAttempt,
    socket: str,
    further: str,
    talk: Callable[[Wire], Channel],
    headers: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Channel | None, AccessAttempt]:
    if seen.attempt.kind not in (Kind.REFUSED, Kind.SERVED):
        return None, seen.attempt
    try:
        answer, channel = upgrade(look, look.target.node(socket + further), headers, talk)
    except SilenceError:  # a front that drops upgrades: a channel that is open is answered at once
        look.extend()
        if not Nowhere(look, look.target.node).gets(Answer(0, silent=True)):
            raise
        return None, seen.attempt
    how = f"as a WebSocket, {_HOW}"
    return channel, describe(look, Surface.NODE, "GET", socket, how, answer, node)


def _sockjs(look: Look, node: RootView, kind: str, path: str) -> InterfaceAttempt:
    """Ask for SockJS's own description, then open a session, which the server forgets after five seconds."""
    socket = f"{path.rstrip('/')}/socket"
    answer, got = look.exchange("GET", look.target.node(f"{socket}/info"))
    attempt = unless_a_page(describe(look, Surface.NODE, "GET", f"{socket}/info", _HOW, answer, node))
    seen = InterfaceAttempt(kind, path, attempt, Channel.NO_CHANNEL)
    if answer.status != 200 or not _is_sockjs(got.body):
        return _opened(look, node, seen, socket) if attempt.kind is Kind.REFUSED else seen
    where = f"{socket}/000{random_path()}/xhr"
    opened = look.ask("POST", look.target.node(where), body=b"")
    if opened.status == 200 and opened.body.startswith(b"o\n"):
        return replace(seen, channel=Channel.OPEN)
    asked = describe(look, Surface.NODE, "POST", f"{socket}/000/…/xhr", _HOW, look.reduce(opened), node)
    if asked.kind is Kind.REFUSED:
        return _opened(look, node, replace(seen, attempt=asked), socket)
    if asked.kind is Kind.NO_ANSWER:
        return replace(seen, attempt=asked)
    raise ProbeError(f"{asked.evidence()}, though SockJS answers at {socket}/info", Cause.PROTOCOL)


def _opened(look: Look, node: RootView, seen: InterfaceAttempt, socket: str) -> InterfaceAttempt:
    """Return what a WebSocket gets where the rest of SockJS is refused."""

    def talk(wire: Wire) -> Channel:
        return Channel.OPEN if wire.receive() == (TEXT, b"o") else Channel.UNANSWERED

    channel, attempt = _as_a_websocket(look, node, seen, socket, f"/000{random_path()}/websocket", talk)
    return seen if channel is not Channel.OPEN else replace(seen, attempt=attempt, channel=channel)


def _absent(seen: InterfaceAttempt) -> bool:
    return seen.unknown or (seen.channel is Channel.NO_CHANNEL and seen.attempt.kind is Kind.ABSENT)


def _is_sockjs(body: bytes) -> bool:
    told = json_of(body)
    return isinstance(told, dict) and {"websocket", "entropy"} <= set(told)
