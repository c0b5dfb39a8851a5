"""What each kind of node runs or opens of a message, and what it makes of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.data.flow_nodes import ANSWERS, GIVEN, OUTPUTS, QUERIES
from pytest_nodered_sec.probes.flows import code
from pytest_nodered_sec.probes.flows.decided import (
    ALL,
    CONTEXT,
    Taint,
    decides,
    fills,
    keys,
    meets,
    place,
    root,
    tag_keys,
    tags,
    words,
)
from pytest_nodered_sec.probes.flows.shape import text

if TYPE_CHECKING:
    from pytest_nodered_sec.probes.flows.shape import Flows, Node

_CLOSED: Final = re.compile(r"\^[\w\\\-\[\](){},|+*?:]*\$")  # a whole pattern of letters, digits and dashes
_WHOLE_URL: Final = re.compile(r"(?:https?://)?\{\{\{?&?\s*([^\s{}]+)")
PATTERNS: Final = {"closed": _CLOSED, "wholeUrl": _WHOLE_URL}  # for a reading elsewhere


class Reader:
    """What nodes make of messages; each node is read once.

    Args:
        flows: all flows.
    """

    def __init__(self, flows: Flows) -> None:
        self._flows = flows
        self._code: dict[int, code.Code] = {}
        self._alike: dict[tuple[str, frozenset[tuple[str, str]]], code.Code] = {}

    def code(self, node: Node) -> code.Code:
        """Return what a function's code does."""
        if id(node) not in self._code:
            rows = node.get("libs")
            rows = rows if isinstance(rows, list) else []
            held = ((text(row.get("var")), text(row.get("module"))) for row in rows if isinstance(row, dict))
            libraries = frozenset((variable, module.removeprefix("node:")) for variable, module in held)
            body = node.get("func")
            key = (body if isinstance(body, str) else "", libraries)
            if key not in self._alike:
                self._flows.patience.check()
                self._alike[key] = code.read(*key)
            self._code[id(node)] = self._alike[key]
        return self._code[id(node)]

    # --- what a node runs or opens

    def sinks(self, node: Node) -> list[tuple[str, str]]:
        """Return what a node runs or opens of a message: what it is, and the property."""
        kind = text(node.get("type"))
        if kind == "exec":
            added = node.get("addpay", True)
            what = "argument" if node.get("useSpawn") in (True, "true") else "command"
            name = "payload" if added is True else place(added) if added else ""
            return [(what, name)] if name and name != "false" else []
        if kind == "function":
            may = node.get("libs") or code.may_run(node.get("func"))  # most need not be read for it
            read = self.code(node) if may else None
            does = (("code", read.runs), ("file", read.opens), ("url", read.requests)) if read else ()
            return [(what, ALL) for what, holds in does if holds]
        if kind in ("file", "file in"):
            return [("file", name) for name in self._file(node)]
        if kind == "http request":
            return [("url", name) for name in _url(node)]
        return [("query", name) for name in _query(kind, node)]

    def _file(self, node: Node) -> list[str]:
        said, typed = text(node.get("filename")), text(node.get("filenameType"))
        if not typed:
            return [] if said else ["filename"]
        if typed == "msg":
            return [place(node.get("filename"))]
        return words(node.get("filename")) if typed == "jsonata" else []

    # --- what a node makes of a message

    def after(self, node: Node, came: Taint, stored: frozenset[str]) -> list[Taint] | Taint:
        """Return what is decided by others after a node: for each output, or the same for all.

        Args:
            node: the node.
            came: what they decide of the message that comes in.
            stored: keys of the context that they decide, "*" for any.
        """
        kind = text(node.get("type"))
        if kind == "change":
            return _changed(node, came, stored)
        if kind == "switch":
            return _switched(node, came)
        if kind == "function":
            return self._computed(node, came, stored)
        if kind == "template" and text(node.get("fieldType") or "msg") == "msg":
            return came.set(place(node.get("field") or "payload"), fills(_text_of(node), came, stored))
        if kind == "trigger":
            return came.set("payload", any(_said(typed, value, came, stored) for typed, value in _triggered(node)))
        if kind == "inject":
            for name, typed, value in _injected(node):
                came = came.set(name, decides(typed, value, came, stored))
            return came
        if kind == "range":
            return came.set(place(node.get("property") or "payload"), False)
        if kind in ANSWERS:
            return came.set(place(node.get(ANSWERS[kind]) or "payload"), False)
        if kind in OUTPUTS:
            into, what = OUTPUTS[kind]
            given = came.has(place(node.get(what) or "payload"))
            return came.set(place(node[into]), given) if node.get(into) else came
        return came

    def _computed(self, node: Node, came: Taint, stored: frozenset[str]) -> Taint:
        read = self.code(node)
        given = came.has(ALL) or meets(self.loads(node), stored)
        after = came.set(ALL, given) if read.wild and given else came
        for name in read.sets:
            after = after.set(name, given)
        for name in read.clears:
            after = after.set(name, False)
        return after

    def shows(self, node: Node, came: Taint) -> bool:
        """Whether a node's status shows something that others decide, as far as is known of its kind."""
        kind = text(node.get("type"))
        if kind == "function":
            return self.code(node).shows and came.has(ALL)
        return kind == "debug" and node.get("tostatus") in (True, "true") and came.has(ALL)

    def stores(self, node: Node, came: Taint, stored: frozenset[str]) -> frozenset[str]:
        """Return the keys of the context that a node sets to something that others decide."""
        kind = text(node.get("type"))
        if kind == "function":
            held = code.stored(node.get("func"))
            return held if held and (came.has(ALL) or meets(self.loads(node), stored)) else frozenset()
        if kind == "change":
            set_to = (
                root(row.get("p"))
                for row in _rules(node)
                if row.get("t") == "set" and row.get("pt") in CONTEXT and _decided(row, came, stored)
            )
            moved = (
                root(row.get("to"))
                for row in _rules(node)
                if row.get("t") == "move" and row.get("tot") in CONTEXT and came.has(place(row.get("p")))
            )
            return frozenset({*set_to, *moved})
        if kind == "template" and node.get("fieldType") in CONTEXT and fills(_text_of(node), came, stored):
            return frozenset({root(node.get("field"))})
        return frozenset()

    def loads(self, node: Node) -> frozenset[str]:
        """Return the keys of the context that a node brings into messages, or runs; "*" for any."""
        kind = text(node.get("type"))
        if kind == "function":
            return code.loaded(node.get("func"))
        values: list[tuple[str, Any]] = []
        if kind == "change":
            values = [(text(row.get("tot")), row.get("to")) for row in _rules(node)]
        elif kind == "inject":
            values = [(typed, value) for _, typed, value in _injected(node)]
        elif kind == "trigger":
            values = _triggered(node)
        templates = [_text_of(node), *(value for typed, value in values if typed == "str" and kind == "trigger")]
        return frozenset().union(*(keys(*value) for value in values), *map(tag_keys, templates))


# --- single kinds of nodes


def _url(node: Node) -> list[str]:
    """Return the properties that decide where a request goes, host included."""
    said = text(node.get("url"))
    if not said:
        return ["url"]
    whole = _WHOLE_URL.match(said)
    return [place(whole[1])] if whole else []


def _query(kind: str, node: Node) -> list[str]:
    if kind == "sqlite":
        return ["topic"] if text(node.get("sqlquery") or "msg.topic") in ("msg.topic", "batch") else []
    if kind in QUERIES:
        return [QUERIES[kind]]
    if kind == "MSSQL":
        typed, said = text(node.get("queryOptType")), node.get("query")
        if typed == "msg":
            return [place(node.get("queryOpt") or "payload")]
        if not typed and not said:
            return ["payload"]
        return [] if node.get("parseMustache") in (False, "false") else [place(name) for name in tags(said)]
    if kind == "postgresql":  # node-red-contrib-postgresql of alexandrainst
        return [place(name) for name in tags(node.get("query"))]
    return []


def _rules(node: Node) -> list[dict[str, Any]]:
    rows = node.get("rules")
    if isinstance(rows, list):
        return [row for row in rows if isinstance(row, dict)]
    if node.get("type") == "change" and node.get("action") == "replace":  # as Node-RED before 0.11 wrote it
        return [{"t": "set", "p": node.get("property"), "pt": "msg", "to": node.get("to"), "tot": "str"}]
    return []


def _injected(node: Node) -> list[tuple[str, str, Any]]:
    """Return what an inject node puts into its message: property, type and value; as before Node-RED 1.1, too."""
    rows = node.get("props")
    whole = {"p": "payload", "v": node.get("payload"), "vt": node.get("payloadType")}
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else [whole]
    rows = [whole if row.get("p") == "payload" and "v" not in row else row for row in rows]
    return [(place(row.get("p")), text(row.get("vt")), row.get("v")) for row in rows]


def _triggered(node: Node) -> list[tuple[str, Any]]:
    """Return what a trigger node sends as payload: types and values."""
    return [(text(node.get(f"{name}type") or "str"), node.get(name)) for name in ("op1", "op2")]


def _said(typed: str, value: Any, came: Taint, stored: frozenset[str]) -> bool:
    if typed in ("pay", "payl"):
        return came.has("payload")
    return fills(value, came, stored) if typed == "str" else decides(typed, value, came, stored)


def _decided(row: dict[str, Any], came: Taint, stored: frozenset[str]) -> bool:
    """Whether others decide what a rule sets."""
    return decides(text(row.get("tot") or "str"), row.get("to"), came, stored)


def _changed(node: Node, came: Taint, stored: frozenset[str]) -> Taint:
    for row in _rules(node):
        name, act = place(row.get("p")), row.get("t")
        if row.get("pt", "msg") != "msg":
            continue
        if act == "set":
            came = came.set(name, _decided(row, came, stored))
        elif act == "change":
            came = came.set(name, came.has(name) or _decided(row, came, stored))
        elif act == "delete":
            came = came.set(name, False)
        elif act == "move":
            moved = came.has(name)
            came = came.set(name, False)
            came = came.set(place(row.get("to")), moved) if row.get("tot", "msg") == "msg" else came
    return came


def _switched(node: Node, came: Taint) -> list[Taint] | Taint:
    name = place(node.get("property") or "payload")
    if node.get("propertyType", "msg") != "msg":
        return came
    return [came.set(name, False) if _known(row) else came for row in _rules(node)] or came


def _known(row: dict[str, Any]) -> bool:
    """Whether a rule lets only values through that the flow itself names, or numbers."""
    act, typed = row.get("t"), row.get("vt")
    if act in ("eq", "btwn", "lt", "lte", "gt", "gte"):
        return typed == "num" or (act == "eq" and typed in ("str", "bool", "env"))
    if act == "istype":
        return row.get("v") in ("number", "boolean", "null", "undefined")
    if act == "regex":
        return isinstance(row.get("v"), str) and _CLOSED.fullmatch(row["v"]) is not None
    return act in ("true", "false", "null", "empty")


def _text_of(node: Node) -> str:
    said = node.get("template")
    return said if isinstance(said, str) and text(node.get("syntax") or "mustache") == "mustache" else ""


# --- what comes in


def received(flows: Flows, node: Node) -> Taint:
    """Return what whoever sends something decides of the message that an entry makes of it."""
    kind = text(node.get("type"))
    if kind == "http in":
        return Taint(others=frozenset({"payload", "req"}))
    if kind == "websocket in":
        listener = flows.by_id.get(text(node.get("server")), {})
        whole = listener.get("wholemsg") in (True, "true")
        return Taint(rest=True) if whole else Taint(others=frozenset({"payload"}))
    if kind == "mqtt in":
        wild = bool({"#", "+"} & set(text(node.get("topic")))) or not text(node.get("topic"))
        return Taint(others=frozenset({"payload", "topic"} if wild else {"payload"}))
    if kind in ("tcp in", "udp in", "worldmap in", "flexdash in"):
        return Taint(others=frozenset({"payload"}))
    if kind == "ui-button":
        return Taint(rest=True, others=frozenset({"payload"}))
    return Taint(others=frozenset(GIVEN[kind])) if kind in GIVEN else Taint(rest=True)
