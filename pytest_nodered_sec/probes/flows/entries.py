"""The ways in that flows open: endpoints, dashboards and other interfaces, listeners; and which of them act."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.data.flow_nodes import ACTS, LISTENERS, MQTT_OVER_WEBSOCKET, PORTS, is_widget
from pytest_nodered_sec.observations.flows import ActingEntry, Entry
from pytest_nodered_sec.probes.flows.naming import named
from pytest_nodered_sec.probes.flows.shape import path, text
from pytest_nodered_sec.probes.flows.weak import mqtt_strangers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nodered_sec.probes.flows.shape import Flows, Node

_WRITING: Final = ("POST", "PUT", "DELETE", "PATCH")
_LONGEST: Final = 200  # characters of a path
_PORTS: Final = 65536


def entries_of(flows: Flows) -> tuple[Entry, ...]:
    """Return the ways in that flows open; those of what is disabled, or of a subflow without instance, left out."""
    opened: dict[Entry, None] = {}
    for node in flows.active:
        opened |= dict.fromkeys(_opened(flows, node))
    return tuple(opened)


def dashboards_of(flows: Flows) -> tuple[str, ...]:
    """Return the paths of Dashboard 2's bases below the node root; Dashboard 1's is in settings.js."""
    paths = (entry.where for entry in entries_of(flows) if entry.kind == "dashboard")
    return tuple(sorted({place for place in paths if usable_path(place)}))


def usable_path(said: str) -> bool:
    """Whether a path that a target tells is one that can be asked below a root."""
    return len(said) <= _LONGEST and re.fullmatch(r"(/[\w~-][\w.~-]*)+", said) is not None


def sources_of(flows: Flows) -> Iterator[tuple[Entry, Node]]:
    """Return each node that makes messages of what comes in from outside, with the way in."""
    for node in flows.active:
        kind = text(node.get("type"))
        if kind == "websocket in":
            listener = flows.by_id.get(text(node.get("server")), {})
            yield from ((entry, node) for entry in _opened(flows, listener))
        elif kind == "worldmap in":
            yield Entry("worldmap", path(flows.value(node, "path", "/worldmap"))), node
        elif kind == "flexdash in":
            yield Entry("flexdash", path(_flexdash(flows, node))), node
        elif kind == "mqtt in":
            if mqtt_strangers(flows, text(node.get("broker"))):
                yield Entry("topics", ""), node
        elif is_widget(kind):
            yield Entry("dashboard", _dashboard(flows, node)), node
        elif kind not in ("tcp out", "websocket-listener", "ui-base", "worldmap", "flexdash dashboard"):
            yield from ((entry, node) for entry in _opened(flows, node)[:1])


def acting_of(flows: Flows) -> tuple[ActingEntry, ...]:
    """Return the ways in by which something is changed or started: writing methods, and widgets that act."""
    acting: dict[Entry, ActingEntry] = {}
    for node in flows.active:
        kind = text(node.get("type"))
        entries = _opened(flows, node) if kind == "http in" else []
        entries = [entry for entry in entries if entry.method in _WRITING]
        if kind in ACTS:
            entries = [Entry("dashboard", _dashboard(flows, node))]
        for entry in entries:
            acting.setdefault(entry, ActingEntry(entry, named(flows, node)))
    return tuple(acting.values())


def _opened(flows: Flows, node: Node) -> list[Entry]:
    """Return the ways in that one node opens; at a TCP port that there is not, it opens none."""
    return [_at_real_port(entry) for entry in _named(flows, node) if entry.kind not in PORTS or _is_port(entry)]


def _is_port(entry: Entry) -> bool:
    """Whether something can listen there, or it is not known yet: out of the environment, or a path."""
    return entry.kind == "udp" or not entry.where.isdecimal() or int(entry.where) < _PORTS


def _at_real_port(entry: Entry) -> Entry:
    """Return a way in at the port that Node.js listens at: of a UDP port the last 16 bits (seen with 5.0.7)."""
    if entry.kind != "udp" or not entry.where.isdecimal():
        return entry
    return replace(entry, where=str(int(entry.where) % _PORTS))


def _named(flows: Flows, node: Node) -> list[Entry]:
    kind, server = text(node.get("type")), node.get("server")
    if kind == "http in":
        method = text(node.get("method")).upper()
        return [Entry("http", path(url), method) for url in flows.values(node, "url")]
    if kind == "websocket-listener":
        paths = [said for said in flows.values(node, "path") if not re.match("(?i)wss?://", text(said))]
        return [Entry("websocket", path(said)) for said in paths]
    if (kind == "tcp in" and server in (True, "server")) or (kind == "tcp out" and node.get("beserver") == "server"):
        return [Entry("tcp", text(port)) for port in flows.values(node, "port")]
    if kind not in LISTENERS:
        return []
    what, name, default = LISTENERS[kind]
    places = [text(said or default) for said in flows.values(node, name)]
    entries = [Entry(what, place if what in PORTS else path(place)) for place in places]
    websockets = flows.values(node, MQTT_OVER_WEBSOCKET[kind]) if kind in MQTT_OVER_WEBSOCKET else []
    return [*entries, *(Entry(what, text(said)) for said in websockets if text(said))]


def _dashboard(flows: Flows, node: Node) -> str:
    """Return the path of the dashboard that a widget is on; of Dashboard 1 its usual one."""
    if text(node.get("type")).startswith("ui_"):
        return "/ui"
    group = flows.by_id.get(text(node.get("group")), {})
    page = flows.by_id.get(text(group.get("page") or node.get("page")), {})
    base = flows.by_id.get(text(page.get("ui") or node.get("ui")), {})
    return path(flows.value(base, "path") or "/dashboard")


def _flexdash(flows: Flows, node: Node) -> str:
    for name in ("fd", "fd_container", "dashboard"):
        there = flows.by_id.get(text(node.get(name)), {})
        if there.get("type") == "flexdash dashboard":
            return text(there.get("path"))
    return "/flexdash"
