"""Live channels of user interfaces other than dashboards: joined without credentials, and left at once.

Read in the packages themselves: node-red-contrib-uibuilder 7.7.4 (nodes/libs/socket.cjs), node-red-contrib-web-worldmap
5.8.1 (worldmap.js, sockjs 0.3.24), @flexdash/node-red-flexdash 0.4.154 (flexdash-dashboard.js). All three hang on the
raw HTTP server, so that httpNodeAuth does not cover them. Nothing is emitted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Surface
from pytest_nodered_sec.observations.answers import Kind
from pytest_nodered_sec.observations.channels import Channel, InterfaceAttempt
from pytest_nodered_sec.probes.channels.socketio import hear, joined, knock
from pytest_nodered_sec.probes.http.access import describe, unless_a_page
from pytest_nodered_sec.probes.transport.answers import json_of
from pytest_nodered_sec.probes.transport.names import random_path

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.answers import RootView
    from pytest_nodered_sec.probes.transport.look import Look

_HOW = "without credentials"


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
        return _socket_io(look, node, kind, path, "/uibuilder/vendor/socket.io", path or random_path())
    if kind == "flexdash":  # who does not name himself by X-Client-Id is accepted and then sent away, unseen by flows
        return _socket_io(look, node, kind, path, f"{path.rstrip('/')}/io")
    return _sockjs(look, node, kind, path)


def _socket_io(look: Look, node: RootView, kind: str, path: str, socket: str, namespace: str = "") -> InterfaceAttempt:
    # uibuilder counts visitors by User-Agent in a file (telemetry.json), and nothing on the target may change
    headers = {"User-Agent": ""} if kind == "uibuilder" else {}
    attempt, session = knock(look, node, Surface.NODE, socket, _HOW, headers)
    seen = InterfaceAttempt(kind, path, attempt, Channel.NO_CHANNEL, path and namespace)
    if session is None:
        return seen
    comma = f"{namespace}," if namespace else ""
    with joined(look, session, f"40{comma}", namespace=comma):
        heard = hear(look, session)
    for packet in heard:
        if packet.startswith(f"44{comma}"):
            unknown = '"Invalid namespace"' in packet  # socket.io, dist/client.js
            return replace(seen, channel=Channel.REFUSED_BY_MIDDLEWARE, unknown=unknown)
    if any(packet.startswith(f"40{comma}") for packet in heard):
        return replace(seen, channel=Channel.OPEN)
    raise ProbeError(f"Socket.IO connect to {socket} got neither an acceptance nor a refusal", Cause.PROTOCOL)


def _sockjs(look: Look, node: RootView, kind: str, path: str) -> InterfaceAttempt:
    """Ask for SockJS's own description, then open a session, which the server forgets after five seconds."""
    socket = f"{path.rstrip('/')}/socket"
    answer, got = look.exchange("GET", look.target.node(f"{socket}/info"))
    attempt = unless_a_page(describe(look, Surface.NODE, "GET", f"{socket}/info", _HOW, answer, node))
    seen = InterfaceAttempt(kind, path, attempt, Channel.NO_CHANNEL)
    if answer.status != 200 or not _is_sockjs(got.body):
        return seen
    where = f"{socket}/000{random_path()}/xhr"
    opened = look.ask("POST", look.target.node(where), body=b"")
    if opened.status == 200 and opened.body.startswith(b"o\n"):
        return replace(seen, channel=Channel.OPEN)
    asked = describe(look, Surface.NODE, "POST", f"{socket}/000/…/xhr", _HOW, look.reduce(opened), node)
    if asked.kind in (Kind.REFUSED, Kind.NO_ANSWER):
        return replace(seen, attempt=asked)
    raise ProbeError(f"{asked.evidence()}, though SockJS answers at {socket}/info", Cause.PROTOCOL)


def _is_sockjs(body: bytes) -> bool:
    told = json_of(body)
    return isinstance(told, dict) and {"websocket", "entropy"} <= set(told)
