"""The flows as a whole: their formats, which nodes run, the tabs and subflows they are on, environment values."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any, Final

from pytest_nodered_sec import redaction
from pytest_nodered_sec.probes.flows.patience import Patience

Node = dict[str, Any]  # Any, here and in the modules beside this one: JSON of a flow file
ENVIRONMENT: Final = re.compile(r"\$\{(\S+)\}|\$\((\S+)\)")
_LONGEST: Final = 200  # characters of a path, port, type or id
_DEEPEST: Final = 12  # subflows within each other
_CONTEXTS: Final = 200  # instances of one subflow that are told apart


def nodes_of(parsed: Any) -> list[Node] | None:
    """Return the nodes of what a flow file or the admin API holds; None where that is no flow.

    Taken are an array of nodes, `{"flows": [...]}`, a single flow with `nodes`, `configs` and `subflows`, and a
    single node, as tools that split flows write it.
    """
    if isinstance(parsed, list):
        return parsed if all(isinstance(node, dict) for node in parsed) else None
    if not isinstance(parsed, dict):
        return None
    if isinstance(parsed.get("flows"), list):
        return nodes_of(parsed["flows"])
    if isinstance(parsed.get("nodes"), list):
        inside = [
            node for key in ("nodes", "configs", "subflows") for node in parsed.get(key) or () if isinstance(node, dict)
        ]
        head = {key: value for key, value in parsed.items() if key not in ("nodes", "configs", "subflows")}
        return [{"type": "tab", **head}, *inside]
    return [parsed] if isinstance(parsed.get("id"), str) and isinstance(parsed.get("type"), str) else None


class Flows:
    """All nodes, and which of them run.

    Attributes:
        nodes: every node, those that do not run included.
        by_id: the nodes that run, by id.
        active: the same, in the order of the file; configuration nodes, which all run, among them.
        instances: instances that run, by the subflow's id.
        patience: how long they may take to read.
    """

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.patience = Patience()
        self._holders = {text(node.get("id")): node for node in nodes if node.get("type") in ("tab", "subflow")}
        inside: dict[str, list[Node]] = defaultdict(list)
        for node in nodes:
            if node.get("d") is not True:  # what is on no tab is a configuration node: all of them are started
                inside[self.container(node)].append(node)
        running = [node for node in nodes if node.get("type") == "tab" and node.get("disabled") is not True]
        waiting = ["", *(text(node.get("id")) for node in running)]
        known = set(waiting)
        self.active: list[Node] = []
        self.instances: dict[str, list[Node]] = defaultdict(list)
        while waiting:
            for node in inside.get(waiting.pop(0), []):
                self.active.append(node)
                subflow = text(node.get("type")).partition("subflow:")[2]
                if subflow:
                    self.instances[subflow].append(node)
                if subflow and subflow not in known:
                    known.add(subflow)
                    waiting.append(subflow)
        self.by_id = {text(node.get("id")): node for node in self.active}
        self._environment = _values(next((node for node in self.active if node.get("type") == "global-config"), {}))

    def container(self, node: Node) -> str:
        """Return the id of the tab or subflow that a node is on, "" for configuration nodes."""
        place = node.get("z")
        return place if isinstance(place, str) and place in self._holders else ""

    def subflow(self, ident: str) -> Node:
        """Return the definition of a subflow; an empty one where there is none."""
        holder = self._holders.get(ident, {})
        return holder if holder.get("type") == "subflow" else {}

    def groups(self, node: Node) -> list[str]:
        """Return the ids of the groups that a node is in, from the inside out."""
        ids: list[str] = []
        ident = text(node.get("g"))
        while ident and ident not in ids:
            ids.append(ident)
            ident = text(self.by_id.get(ident, {}).get("g"))
        return ids

    def label(self, node: Node) -> str:
        """Return the label of the tab, or the name of the subflow, that a node is on."""
        holder = self._holders.get(self.container(node), {})
        return text(holder.get("label") or holder.get("name"))

    def value(self, node: Node, name: str, default: Any = "") -> Any:
        """Return a property with its environment variable put in, where the flows themselves say its value."""
        return self.values(node, name, default)[0]

    def values(self, node: Node, name: str, default: Any = "") -> list[Any]:
        """Return a property's values: in a subflow those that its instances give its environment variable."""
        said = node.get(name, default)
        match = ENVIRONMENT.fullmatch(said) if isinstance(said, str) else None
        if not match:
            return [said]
        environments = self._environments(node, match[1] or match[2], _DEEPEST)
        return [said if value is None else value for value in environments] or [said]

    def _environments(self, node: Node, name: str, depth: int) -> list[Any]:
        """Look a variable up from the inside out: groups, the instance, its subflow, the tab, and what is global."""
        container = self._holders.get(self.container(node), {})
        for holder in (self.by_id.get(ident, {}) for ident in self.groups(node)):
            if name in (values := _values(holder)):
                return [values[name]]
        if container.get("type") != "subflow":
            return [_values(container).get(name, self._environment.get(name))]
        given: list[Any] = []
        for instance in self.instances[text(container.get("id"))][:_CONTEXTS] if depth else ():
            own = _values(container) | _values(instance)
            given += [own[name]] if name in own else self._environments(instance, name, depth - 1)
        return list(dict.fromkeys(value for value in given if isinstance(value, (str, int, float, type(None)))))


def _values(holder: Node) -> dict[str, Any]:
    rows = holder.get("env")
    rows = rows if isinstance(rows, list) else []
    return {
        row["name"]: row.get("value")
        for row in rows
        if isinstance(row, dict) and isinstance(row.get("name"), str) and row.get("type") in ("str", "num")
    }


def is_environment(said: Any) -> bool:
    """Whether a property is filled in from the environment when Node-RED starts."""
    return isinstance(said, str) and ENVIRONMENT.fullmatch(said) is not None


def text(said: Any) -> str:
    """Return a value of a flow as one line of text, "" where it is neither text nor a number."""
    if not isinstance(said, str):
        return str(said) if isinstance(said, int) and abs(said) < 10**18 else ""
    if len(said) <= _LONGEST and said.isprintable():  # nearly always, and quick
        return said
    return redaction.in_one_line(said, _LONGEST)


def path(said: Any) -> str:
    """Return a path as a policy file has it."""
    return "/" + text(said).strip("/")
