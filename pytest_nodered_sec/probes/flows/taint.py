"""Which properties of a message somebody else decides, and what each node makes of that."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.data.flow_nodes import ANSWERS, QUERIES, WIDGETS
from pytest_nodered_sec.probes.flows import code
from pytest_nodered_sec.probes.flows.shape import text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nodered_sec.probes.flows.shape import Flows, Node

ALL: Final = "*"
_TAG: Final = re.compile(r"\{\{\{?[&#^/]?\s*([^\s{}]+)\s*\}?\}\}")
_WORD: Final = re.compile(r"(?<![$\w.])([A-Za-z_]\w*)")
_QUOTED: Final = re.compile(r"\"[^\"]*\"|'[^']*'")
_CLOSED: Final = re.compile(r"\^[\w\\\-\[\](){},|+*?:]*\$")  # a whole pattern of letters, digits and dashes
_WHOLE_URL: Final = re.compile(r"(?:https?://)?\{\{\{?&?\s*([^\s{}]+)")
_CONTEXT: Final = ("flow", "global")
PATTERNS: Final = {  # for a reading elsewhere
    "tag": _TAG, "word": _WORD, "quoted": _QUOTED, "closed": _CLOSED, "wholeUrl": _WHOLE_URL,
}  # fmt: skip


@dataclass(frozen=True)
class Taint:
    """The properties of a message that somebody else decides.

    Attributes:
        rest: whether they decide properties that are not named here.
        others: the properties for which the contrary holds.
    """

    rest: bool = False
    others: frozenset[str] = frozenset()

    def has(self, name: str) -> bool:
        """Whether they decide a property; with "*" whether they decide any."""
        return bool(self.rest or self.others) if name == ALL else (name in self.others) != self.rest

    def set(self, name: str, decided: bool) -> Taint:
        """Return it with a property decided by them, or not."""
        if self.has(name) == decided and name != ALL:
            return self
        if name == ALL:
            return Taint(rest=True) if decided else Taint()
        return Taint(self.rest, self.others ^ {name})

    def join(self, other: Taint) -> Taint:
        """Return what they decide in one message or the other."""
        if self.rest and other.rest:
            return Taint(True, self.others & other.others)
        if self.rest or other.rest:
            wide, narrow = (self, other) if self.rest else (other, self)
            return Taint(True, wide.others - narrow.others)
        return Taint(False, self.others | other.others)


def root(name: Any) -> str:
    """Return the first part of a property's name: `req` of `req.query["file"]`."""
    return re.split(r"[.\[]", text(name).removeprefix("msg."), maxsplit=1)[0]


class Reader:
    """What nodes make of messages; each node is read once.

    Args:
        flows: all flows.
    """

    def __init__(self, flows: Flows) -> None:
        self._flows = flows
        self._code: dict[int, code.Code] = {}
        self._alike: dict[tuple[str, frozenset[str]], code.Code] = {}

    def code(self, node: Node) -> code.Code:
        """Return what a function's code does."""
        if id(node) not in self._code:
            rows = node.get("libs")
            rows = rows if isinstance(rows, list) else []
            modules = (text(row.get("module")) for row in rows if isinstance(row, dict))
            libraries = frozenset(name.removeprefix("node:") for name in modules)
            body = node.get("func")
            key = (body if isinstance(body, str) else "", libraries)
            if key not in self._alike:
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
            name = "payload" if added is True else root(added) if added else ""
            return [(what, name)] if name and name != "false" else []
        if kind == "function":
            may = node.get("libs") or code.may_run(node.get("func"))  # most need not be read for it
            return [("code", ALL)] if may and self.code(node).runs else []
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
            return [root(said)]
        return _words(said) if typed == "jsonata" else []

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
            return _templated(node, came, stored)
        if kind == "trigger" and not {"pay", "payl"} & {node.get("op1type"), node.get("op2type")}:
            return came.set("payload", False)
        if kind in ANSWERS or kind == "range":
            return came.set("payload", False)
        return came

    def _computed(self, node: Node, came: Taint, stored: frozenset[str]) -> Taint:
        read = self.code(node)
        given = came.has(ALL) or meets(read.loads, stored)
        after = came.set(ALL, given) if read.wild and given else came
        for name in read.sets:
            after = after.set(name, given)
        for name in read.clears:
            after = after.set(name, False)
        return after

    def stores(self, node: Node, came: Taint) -> frozenset[str]:
        """Return the keys of the context that a node sets to something that others decide."""
        kind = text(node.get("type"))
        if not came.has(ALL):
            return frozenset()
        if kind == "function":
            return self.code(node).stores
        if kind == "change":
            rows = _rules(node)
            into = (row for row in rows if row.get("pt") in _CONTEXT or row.get("tot") in _CONTEXT)
            return frozenset(
                root(row.get("p"))
                for row in into
                if row.get("t") == "set" and row.get("pt") in _CONTEXT and _decided(row, came, frozenset())
            ) | frozenset(
                root(row.get("to"))
                for row in rows
                if row.get("t") == "move" and row.get("tot") in _CONTEXT and came.has(root(row.get("p")))
            )
        if kind == "template" and node.get("fieldType") in _CONTEXT:
            return frozenset({root(node.get("field"))}) if _given(_text_of(node), came, frozenset()) else frozenset()
        return frozenset()

    def loads(self, node: Node) -> frozenset[str]:
        """Return the keys of the context that a node brings into messages, or runs; "*" for any."""
        kind = text(node.get("type"))
        if kind == "function":
            return self.code(node).loads
        if kind == "change":
            return frozenset(root(row.get("to")) for row in _rules(node) if row.get("tot") in _CONTEXT)
        names = _TAG.findall(_text_of(node)) if kind == "template" else []
        return frozenset(root(name.partition(".")[2]) for name in names if root(name) in _CONTEXT)


# --- single kinds of nodes


def _url(node: Node) -> list[str]:
    """Return the properties that decide where a request goes, host included."""
    said = text(node.get("url"))
    if not said:
        return ["url"]
    whole = _WHOLE_URL.match(said)
    return [root(whole[1])] if whole else []


def _query(kind: str, node: Node) -> list[str]:
    if kind == "sqlite":
        return ["topic"] if text(node.get("sqlquery") or "msg.topic") in ("msg.topic", "batch") else []
    if kind in QUERIES:
        return [QUERIES[kind]]
    if kind == "MSSQL":
        typed, said = text(node.get("queryOptType")), node.get("query")
        if typed == "msg":
            return [root(node.get("queryOpt") or "payload")]
        if not typed and not said:
            return ["payload"]
        return [] if node.get("parseMustache") in (False, "false") else _tags(said)
    if kind == "postgresql":  # node-red-contrib-postgresql of alexandrainst
        return _tags(node.get("query"))
    return []


def _tags(said: Any) -> list[str]:
    return [root(name) for name in _TAG.findall(said)] if isinstance(said, str) else []


def _words(expression: str) -> list[str]:
    return _WORD.findall(_QUOTED.sub("", expression))


def _rules(node: Node) -> list[dict[str, Any]]:
    rows = node.get("rules")
    if isinstance(rows, list):
        return [row for row in rows if isinstance(row, dict)]
    if node.get("type") == "change" and node.get("action") == "replace":  # as Node-RED before 0.11 wrote it
        return [{"t": "set", "p": node.get("property"), "pt": "msg", "to": node.get("to"), "tot": "str"}]
    return []


def meets(keys: Iterable[str], stored: frozenset[str]) -> bool:
    """Whether one of these keys of the context is among those that are stored."""
    return bool(stored) and any(key == ALL or key in stored or ALL in stored for key in keys)


def _decided(row: dict[str, Any], came: Taint, stored: frozenset[str]) -> bool:
    """Whether others decide what a rule sets."""
    typed, said = text(row.get("tot") or "str"), row.get("to")
    if typed == "msg":
        return came.has(root(said))
    if typed in _CONTEXT:
        return meets([root(said)], stored)
    if typed == "jsonata":
        return any(came.has(word) for word in _words(said if isinstance(said, str) else ""))
    return False


def _changed(node: Node, came: Taint, stored: frozenset[str]) -> Taint:
    for row in _rules(node):
        name = text(row.get("p")).removeprefix("msg.")
        whole, first = name == root(name), root(name)
        if row.get("pt", "msg") != "msg":
            continue
        act = row.get("t")
        if act == "set":
            decided = _decided(row, came, stored)
            came = came.set(first, decided or (not whole and came.has(first)))
        elif act == "change":
            came = came.set(first, came.has(first) or _decided(row, came, stored))
        elif act == "delete" and whole:
            came = came.set(first, False)
        elif act == "move":
            moved = came.has(first)
            came = came.set(first, False) if whole else came
            came = came.set(root(row.get("to")), moved) if row.get("tot", "msg") == "msg" else came
    return came


def _switched(node: Node, came: Taint) -> list[Taint] | Taint:
    name = text(node.get("property") or "payload").removeprefix("msg.")
    if node.get("propertyType", "msg") != "msg" or name != root(name):
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


def _given(template: str, came: Taint, stored: frozenset[str]) -> bool:
    names = _TAG.findall(template)
    keys = [root(name.partition(".")[2]) for name in names if root(name) in _CONTEXT]
    return any(came.has(root(name)) for name in names) or meets(keys, stored)


def _templated(node: Node, came: Taint, stored: frozenset[str]) -> Taint:
    field = text(node.get("field") or "payload").removeprefix("msg.")
    given = _given(_text_of(node), came, stored)
    return came.set(root(field), given or (field != root(field) and came.has(root(field))))


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
    decided = WIDGETS.get(kind, ALL)
    return Taint(rest=True) if decided == ALL else Taint(others=frozenset({decided} if decided else ()))
