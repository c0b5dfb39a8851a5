"""Follows messages from where they come in to nodes that run or open them: through wires, links and subflows.

Every message is followed with the properties that whoever sent it decides. Subflows and link calls are followed into
their instance and back to it, so that two uses of one are not mixed up; the work is bounded.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_nodered_sec.observations.flows import Entry, Passage
from pytest_nodered_sec.probes.flows.decided import ALL, Taint, meets
from pytest_nodered_sec.probes.flows.naming import named
from pytest_nodered_sec.probes.flows.shape import text
from pytest_nodered_sec.probes.flows.taint import Reader, received

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_nodered_sec.probes.flows.shape import Flows, Node

_STEPS: Final = 400_000  # nodes that are visited in all
_DELIVERED: Final = 1_000_000  # wires that are followed in all
_DEEPEST: Final = 12  # subflows and link calls within each other
_ANY: Final = frozenset({ALL})
WATCHERS: Final = ("catch", "status")
_CONTEXTS: Final = 200  # instances of a subflow in which one entry is followed


class Frame(NamedTuple):
    """Where a message is inside: an instance of a subflow, or what a link call called."""

    kind: str
    node: Node
    outer: Frame | None
    depth: int


class Tangled(Exception):
    """The wiring has more ways than are followed."""


class Wiring:
    """Where each node's messages go.

    Args:
        flows: all flows.
    """

    def __init__(self, flows: Flows) -> None:
        self._flows = flows
        self._delivered = 0
        self._frames: dict[tuple[str, str, int], Frame] = {}
        self._watchers: dict[tuple[str, str], list[Node]] = defaultdict(list)  # catch and status nodes, by type and tab
        self.completed: dict[str, list[Node]] = defaultdict(list)  # complete nodes, by the node that they wait for
        self._link_ins = [node for node in flows.active if node.get("type") == "link in"]
        self._outputs: dict[tuple[str, str, int], list[int]] = defaultdict(list)
        for node in flows.active:
            if node.get("type") in WATCHERS:
                self._watchers[node["type"], flows.container(node)].append(node)
            elif node.get("type") == "complete":
                for ident in _ids(node.get("scope")):
                    self.completed[ident].append(node)
        for ident in flows.instances:
            for number, out in enumerate(_list(flows.subflow(ident).get("out"))):
                for wire in _list(out.get("wires") if isinstance(out, dict) else None):
                    if isinstance(wire, dict):
                        port = wire.get("port")
                        key = (ident, text(wire.get("id")), port if isinstance(port, int) else 0)
                        self._outputs[key].append(number)

    def outer(self, node: Node, depth: int = 0) -> list[Frame | None]:
        """Return every place in which a node runs: outside, or inside each instance of its subflow."""
        if depth > _DEEPEST:
            return []
        container = self._flows.container(node)
        if not self._flows.subflow(container):
            return [None]
        frames: list[Frame | None] = []
        for instance in self._flows.instances[container]:
            if instance is not node and len(frames) < _CONTEXTS and text(instance.get("z")) != container:
                frames += [self._inside("sub", instance, outer) for outer in self.outer(instance, depth + 1)]
        return frames[:_CONTEXTS]

    def _inside(self, kind: str, node: Node, outer: Frame | None) -> Frame | None:
        depth = outer.depth + 1 if outer else 1
        if depth > _DEEPEST:
            return outer
        key = (kind, text(node.get("id")), id(outer))
        if key not in self._frames:  # kept, so that equal places are the same object
            self._frames[key] = Frame(kind, node, outer, depth)
        return self._frames[key]

    def onward(self, node: Node, frame: Frame | None, port: int) -> Iterator[tuple[Node, Frame | None]]:
        """Return where a message goes that leaves a node by one of its outputs."""
        wires = _list(node.get("wires"))
        for ident in _ids(wires[port]) if port < len(wires) else ():
            yield from self._deliver(ident, frame)
        container = self._flows.container(node)
        numbers = self._outputs.get((container, text(node.get("id")), port), ())
        if numbers:
            yield from self._leave(frame, numbers)

    def _leave(self, frame: Frame | None, numbers: Iterable[int]) -> Iterator[tuple[Node, Frame | None]]:
        while frame is not None and frame.kind != "sub":
            frame = frame.outer
        if frame is not None:
            for number in numbers:
                yield from self.onward(frame.node, frame.outer, number)

    def _deliver(self, ident: str, frame: Frame | None) -> Iterator[tuple[Node, Frame | None]]:
        self._delivered += 1
        if self._delivered > _DELIVERED:
            raise Tangled
        node = self._flows.by_id.get(ident)
        if node is None:
            return
        subflow = text(node.get("type")).partition("subflow:")[2]
        if not subflow:
            yield node, frame
            return
        inner = self._inside("sub", node, frame)
        if inner is frame:  # deeper than is followed
            return
        for way in _list(self._flows.subflow(subflow).get("in")):
            for wire in _list(way.get("wires") if isinstance(way, dict) else None):
                if isinstance(wire, dict):
                    yield from self._deliver(text(wire.get("id")), inner)
        yield from self._leave(inner, self._outputs.get((subflow, subflow, 0), ()))

    def linked(self, node: Node, frame: Frame | None) -> Iterator[tuple[Node, Frame | None]]:
        """Return where a message goes that a link takes: to a link in, to what is called, or back to the caller."""
        kind = node.get("type")
        if kind == "link out" and node.get("mode") == "return":
            if frame is not None and frame.kind == "call":
                yield from self.onward(frame.node, frame.outer, 0)
            return
        dynamic = kind == "link call" and node.get("linkType") == "dynamic"
        targets = self._link_ins if dynamic else [self._flows.by_id.get(ident, {}) for ident in _ids(node.get("links"))]
        container = self._flows.container(node)
        for target in targets:
            place = self._flows.container(target)
            if target.get("type") != "link in" or (place != container and self._flows.subflow(place)):
                continue
            there = frame if place == container or not self._flows.subflow(container) else None
            yield target, self._inside("call", node, there) if kind == "link call" else there

    def watching(self, kind: str, node: Node, frame: Frame | None) -> Iterator[tuple[Node, Frame | None]]:
        """Return the catch or status nodes that hear of a node: around a subflow where none in it does."""
        while True:
            hearing = [
                watcher for watcher in self._watchers[kind, self._flows.container(node)] if self._hears(watcher, node)
            ]
            yield from ((watcher, frame) for watcher in hearing)
            while frame is not None and frame.kind != "sub":
                frame = frame.outer
            if hearing or frame is None:
                return
            node, frame = frame.node, frame.outer

    def _hears(self, watcher: Node, node: Node) -> bool:
        scope = watcher.get("scope")
        if scope == "group" and watcher.get("g"):
            return watcher["g"] in self._flows.groups(node)
        return not isinstance(scope, list) or text(node.get("id")) in scope


class Followed:
    """One run after what an entry receives."""

    def __init__(self, flows: Flows, wiring: Wiring, reader: Reader) -> None:
        self._flows, self._wiring, self._reader = flows, wiring, reader
        self.steps = 0

    def run(
        self, start: Iterable[tuple[Node, Frame | None, Taint]], stored: frozenset[str]
    ) -> tuple[dict[int, tuple[Node, str]], frozenset[str]]:
        """Return the nodes that run or open what was received, and the keys of the context that it gets into.

        Raises:
            Tangled: there are more ways than are followed.
        """
        came: dict[tuple[int, int], Taint] = {}
        waiting: list[tuple[Node, Frame | None]] = []
        reached: dict[int, tuple[Node, str]] = {}
        keys = stored

        def give(node: Node, frame: Frame | None, taint: Taint) -> None:
            before = came.get((id(node), id(frame)))
            joined = before.join(taint) if before else taint
            if joined != before:
                came[id(node), id(frame)] = joined
                waiting.append((node, frame))

        for node, frame, taint in start:
            give(node, frame, taint)
        while waiting:
            self.steps += 1
            if self.steps > _STEPS:
                raise Tangled
            node, frame = waiting.pop()
            taint = came[id(node), id(frame)]
            for what, name in self._reader.sinks(node):
                if taint.has(name) or (name == ALL and meets(self._reader.loads(node), stored)):
                    reached.setdefault(id(node), (node, what))
            keys |= self._reader.stores(node, taint, stored)
            for target, inner in self._wiring.linked(node, frame) if _is_link(node) else ():
                give(target, inner, taint)
            if taint.has(ALL):
                for target in self._wiring.completed.get(text(node.get("id")), ()):
                    give(target, frame, taint)
                for target, inner in self._wiring.watching("catch", node, frame):
                    give(target, inner, taint.set("error", True))
            if self._reader.shows(node, taint):
                for target, inner in self._wiring.watching("status", node, frame):
                    give(target, inner, Taint(others=frozenset({"status"})))
            if node.get("type") == "link call":
                continue  # what comes back leaves it
            after = self._reader.after(node, taint, stored)
            for port in range(len(_list(node.get("wires"))) or 1):
                out = after if isinstance(after, Taint) else after[port] if port < len(after) else taint
                if out.has(ALL):
                    for target, inner in self._wiring.onward(node, frame, port):
                        give(target, inner, out)
        return reached, keys


def passages_of(flows: Flows, entries: Iterable[tuple[Entry, Node]]) -> tuple[Passage, ...] | None:
    """Return the passages from entries to what runs or opens messages; None where there are too many ways.

    Args:
        flows: all flows.
        entries: ways in, each with the node that makes messages of what comes in.
    """
    reader = Reader(flows)
    if not any(reader.sinks(node) for node in flows.active):
        return ()
    wiring = Wiring(flows)
    near = _near(flows, wiring, reader)
    followed = Followed(flows, wiring, reader)
    loading: dict[str, list[Node]] = defaultdict(list)
    for node in flows.active:
        for key in reader.loads(node) if id(node) in near else ():
            loading[key].append(node)
    passages: dict[Passage, None] = {}
    try:
        for entry, node in entries:
            if id(node) not in near and not loading:
                continue
            start = [(node, frame, received(flows, node)) for frame in wiring.outer(node)]
            reached, keys = followed.run(start, frozenset())
            taken: frozenset[str] = frozenset()
            while (
                loading and keys - taken
            ):  # what it leaves in the context is taken up elsewhere, and may be left again
                taken = keys
                wanted = loading if ALL in keys else {*keys, ALL} & loading.keys()
                readers = {id(reads): reads for key in wanted for reads in loading[key]}.values()
                begin = [(reads, frame, Taint()) for reads in readers for frame in wiring.outer(reads)]
                more, keys = followed.run([*start, *begin], keys) if readers else ({}, keys)
                reached |= more
            for sink, what in reached.values():
                passages[Passage(entry, named(flows, node), named(flows, sink), what)] = None
    except (Tangled, RecursionError):
        return None
    return tuple(passages)


def _near(flows: Flows, wiring: Wiring, reader: Reader) -> set[int]:
    """Return the nodes from which a sink can be reached at all, without regard to what becomes of messages."""
    before: dict[int, list[Node]] = defaultdict(list)
    for node in flows.active:
        targets = [
            flows.by_id[ident] for wire in _list(node.get("wires")) for ident in _ids(wire) if ident in flows.by_id
        ]
        targets += [target for target, _ in wiring.linked(node, None)] if _is_link(node) else []
        targets += wiring.completed.get(text(node.get("id")), [])
        for target in targets:
            before[id(target)].append(node)
    inside: dict[str, list[Node]] = defaultdict(list)
    for node in flows.active:
        inside[flows.container(node)].append(node)
    answers = [node for node in flows.active if node.get("type") == "link out" and node.get("mode") == "return"]
    near = {id(node) for node in flows.active if reader.sinks(node)}
    waiting = [node for node in flows.active if id(node) in near]
    writing: dict[str, list[Node]] = defaultdict(list)  # by the key of the context
    for node in flows.active:
        for key in reader.stores(node, Taint(rest=True), _ANY):
            writing[key].append(node)
    opened: set[str] = set()
    while waiting:
        node = waiting.pop()
        more = list(before.get(id(node), ()))
        container, kind = flows.container(node), text(node.get("type"))
        groups: list[tuple[str, list[Node]]] = []
        if flows.subflow(container):  # whatever leads into the subflow
            groups.append((f"of {container}", flows.instances[container]))
        if kind in WATCHERS:
            groups.append((f"in {container}", inside[container]))
        if kind.startswith("subflow:"):  # it hands on what is inside it
            groups.append((f"in {kind[8:]}", inside[kind[8:]]))
        if kind == "link call":
            groups.append(("answers", answers))
        loads = reader.loads(node) if writing else frozenset()
        for key in writing if ALL in loads else {*loads, ALL} & writing.keys():
            groups.append((f"key {key}", writing[key]))
        for name, nodes in groups:
            if name not in opened:
                opened.add(name)
                more += nodes
        for other in more:
            if id(other) not in near:
                near.add(id(other))
                waiting.append(other)
    return near


def _is_link(node: Node) -> bool:
    return node.get("type") in ("link out", "link call")


def _list(said: Any) -> list[Any]:  # Any: JSON
    return said if isinstance(said, list) else []


def _ids(said: Any) -> list[str]:  # Any: JSON
    return [ident for ident in _list(said) if isinstance(ident, str)]
